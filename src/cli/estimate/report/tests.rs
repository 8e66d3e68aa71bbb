use super::*;

fn report(price: Option<f64>) -> Report {
    let size = |rows: f64| Size { rows, json: rows * 1_000.0, billed: rows * 700.0 };
    let kind = |events: f64, left_out: f64| Kind { events, left_out, size: size(events - left_out) };
    let mut tally = Tally { events: 100_000.0, ..Tally::default() };
    tally.tables.insert("sentinel: Custom-NordPassAuditEvent".into(), size(60_000.0));
    tally.tables.insert("sentinel: Custom-NordPassAuthentication".into(), size(20_000.0));
    tally.others.insert("archive".into(), Size { rows: 100_000.0, json: 4e7, billed: 0.0 });
    tally.refused.insert("tenant".into(), 10.0);
    tally.kinds.insert("item_access.item_autofilled".into(), kind(60_000.0, 0.0));
    tally.kinds.insert("login.user_logged_in".into(), kind(20_000.0, 0.0));
    tally.kinds.insert("item_access.item_viewed".into(), kind(20_000.0, 20_000.0));
    let basis = Basis { days: Some(28), sampled: 2_000, requests: 48, others: 0 };
    Report { tally, basis, price, left_aside: vec!["health".into()] }
}

#[test]
fn for_people() {
    insta::assert_snapshot!(report(Some(4.3)).people(), @r"
    100,000 events a day, by NordPass's counts of 28 days and a sample of 2000 events (48 requests)

    a month                                       rows  GB of JSON  GB billed  cost
    sentinel: Custom-NordPassAuditEvent      1,800,000       1.800      1.260  5.42
    sentinel: Custom-NordPassAuthentication    600,000       0.600      0.420  1.81
    together                                 2,400,000       2.400      1.680  7.22

    what a filter would save a month     events   share  GB billed  cost
    item_access.item_autofilled       1,800,000  75.0 %      1.260  5.42
    login.user_logged_in                600,000  25.0 %      0.420  1.81
    the pipeline leaves out 600,000 events a month already (20.0 %)

    archive: 3,000,000 records a month, 1.200 GB of JSON before compression
    tenant can't handle 300 records a month: they become dead letters
    not estimated: the rows of health, a few each minute
    ");
    let without = report(None).people();
    assert!(without.contains("--price-per-gb") && !without.contains("cost"), "{without}");
}

#[test]
fn as_json() {
    let report = report(Some(4.3)).json();
    assert_eq!(report["total"]["gb_billed_per_month"], 1.68);
    assert_eq!(report["total"]["cost_per_month"], 7.224);
    assert_eq!(report["refused"][0]["records_per_month"], 300.0);
    assert_eq!(report["event_types"][0]["name"], "item_access.item_autofilled");
    assert_eq!(report["event_types"][2]["events_left_out_per_month"], 600_000.0);
}

#[test]
fn thousands_are_apart() {
    let all: Vec<String> = [0.4, 12.0, 999.6, 1_234_567.0].map(whole).to_vec();
    assert_eq!(all, ["0", "12", "1,000", "1,234,567"]);
}
