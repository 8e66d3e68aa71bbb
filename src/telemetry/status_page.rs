//! The status page: one self-contained HTML page without script, for a quick look at the state of a run.

use std::{fmt::Write, sync::atomic::Ordering, time::Duration};

use jiff::Timestamp;

use super::{ComponentReporter, ComponentState, Telemetry, api::ReadyReport};

const HEAD: &str = "<!doctype html>
<html lang=\"en\"><head><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"5\">
<meta name=\"viewport\" content=\"width=device-width\"><title>nordpass-sentinel</title><style>
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}th,td{padding:.35rem .7rem;text-align:left;border-bottom:1px solid #8884}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.working,.finished{color:#2a8a3e}.starting{color:#b07800}
.waiting,.failed{color:#d1242f}small{opacity:.7}
</style></head><body>
";

/// The page as of `now`.
pub(super) fn render(telemetry: &Telemetry, now: Timestamp) -> String {
    let mut page = HEAD.to_owned();
    let ready = ReadyReport::of(&telemetry.health(), now).ready;
    let (class, word) = if ready { ("working", "ready") } else { ("waiting", "not ready") };
    let trouble = telemetry.reload_trouble().map_or_else(String::new, |trouble| {
        let (since, reason) = (trouble.since.strftime("%Y-%m-%d %H:%M"), escape(&trouble.reason));
        format!("<p class=\"waiting\">since {since} the changed pipeline files aren't used: {reason}</p>\n")
    });
    let _ = write!(
        page,
        "<h1>nordpass-sentinel <small>{}</small></h1><p class=\"{class}\">{word}</p>\n{trouble}<table><tr><th>component<th>state\
         <th class=\"n\">received<th class=\"n\">passed on<th class=\"n\">errors<th class=\"n\">dead letters<th>position</tr>\n",
        env!("CARGO_PKG_VERSION"),
    );
    for component in telemetry.components() {
        row(&mut page, &component, now);
    }
    let _ = write!(
        page,
        "</table>\n<p><small>A source receives events that it has read before again, and passes on only new \
         ones.</small></p>\n<p><small>{} UTC · <a href=\"/ready\">/ready</a> · <a href=\"/metrics\">/metrics</a> · <a \
         href=\"/health\">/health</a></small></p></body></html>\n",
        now.strftime("%Y-%m-%d %H:%M:%S"),
    );
    page
}

fn row(page: &mut String, component: &ComponentReporter, now: Timestamp) {
    let state = component.status().get();
    let words = match &state {
        ComponentState::Waiting { reason, since, next_try } => {
            let waited = span((now.as_second() - since.as_second()) as f64);
            let seconds = next_try.map(|next_try| (next_try.as_second() - now.as_second()).max(0));
            let again = seconds.map(|seconds| format!("; trying again in {seconds} s")).unwrap_or_default();
            format!("since {} ({waited}): {reason}{again}", since.strftime("%Y-%m-%d %H:%M"))
        }
        ComponentState::Failed { reason } => reason.clone(),
        _ => String::new(),
    };
    let totals = component.numbers().totals();
    let state = state.as_str();
    let _ = writeln!(
        page,
        "<tr><td>{} <small>{}</small><td><span class=\"{state}\">{state}</span> {}<td class=\"n\">{}<td class=\"n\">{}\
         <td class=\"n\">{}<td class=\"n\">{}<td>{}</tr>",
        escape(component.name()),
        component.kind().as_str(),
        escape(&words),
        totals.received,
        totals.sent,
        totals.errors,
        totals.dead_letters,
        escape(&position(component, now)),
    );
}

/// How far a source is, and what a transform leaves out, by reason.
fn position(component: &ComponentReporter, now: Timestamp) -> String {
    let left_out = component.numbers().left_out();
    if !left_out.is_empty() {
        let reasons: Vec<String> = left_out.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        return format!("{} filtered on purpose: {}", left_out.values().sum::<u64>(), reasons.join("; "));
    }
    let progress = component.progress();
    let (at, to) = (progress.history_at.load(Ordering::Relaxed), progress.history_to.load(Ordering::Relaxed));
    let date = |second: i64| Timestamp::from_second(second).map(|time| time.strftime("%Y-%m-%d %H:%M").to_string());
    // Parts of the history are read side by side, so the last one to be noted needn't be the latest. The cursor is beyond
    // its end only when all of it is delivered and committed.
    let is_over = component.numbers().cursor().is_some_and(|cursor| cursor >= to as f64);
    if at < to
        && !is_over
        && let (Ok(at), Ok(to)) = (date(at), date(to))
    {
        return format!("history read to {at} of {to}");
    }
    match component.numbers().lag(now) {
        Some(lag) => format!("{} behind", span(lag)),
        None => String::new(),
    }
}

/// Seconds as a person says them, in the two units that matter.
fn span(seconds: f64) -> String {
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Text as HTML text or attribute value.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::{ComponentKind, metrics};
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn everything_from_outside_is_escaped() {
        let telemetry = Telemetry::new();
        let hostile = "<script>alert('x')</script>&\"";
        telemetry.component(ComponentKind::Source, hostile).status().waiting(hostile, at(0));
        telemetry.component(ComponentKind::Sink, hostile).status().stopped(Some(hostile.to_owned()));
        let page = render(&telemetry, at(60));
        assert!(!page.contains("<script") && !page.contains("alert('x')"), "{page}");
        assert_eq!(page.matches("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;&quot;").count(), 4, "{page}");
        assert!(
            !page.contains("src=") && !page.contains("http:") && !page.contains("https:"),
            "nothing from elsewhere"
        );
    }

    #[test]
    fn shows_states_numbers_and_positions() {
        let telemetry = Telemetry::new();
        let history = telemetry.component(ComponentKind::Source, "history");
        history.status().working();
        history.progress().history_from.store(1_768_003_200, Ordering::Relaxed);
        history.progress().history_at.store(1_768_003_260, Ordering::Relaxed);
        history.progress().history_to.store(1_768_006_800, Ordering::Relaxed);
        let live = telemetry.component(ComponentKind::Source, "live");
        live.status().working();
        live.add(&metrics::RECEIVED, 42);
        live.set(&metrics::CURSOR_SECONDS, 1_768_003_200.0);
        let page = render(&telemetry, at(1_768_003_205));
        assert!(page.contains("history read to 2026-01-10 00:01 of 2026-01-10 01:00"), "{page}");
        assert!(page.contains("<td class=\"n\">42") && page.contains("5 s behind"), "{page}");
        assert!(page.contains("<p class=\"working\">ready</p>"), "{page}");
        // Whatever was noted last: a cursor beyond its end says that the history is over.
        history.set(&metrics::CURSOR_SECONDS, 1_768_006_800.0);
        let page = render(&telemetry, at(1_768_006_800 + 3 * 86_400 + 7_260));
        assert!(!page.contains("history read") && page.contains("3 d 2 h behind"), "{page}");
        let quiet = telemetry.component(ComponentKind::Transform, "quiet");
        quiet.status().working();
        quiet.add_labelled(&metrics::DISCARDED, "filtered: exclude login.*", 140);
        quiet.add_labelled(&metrics::DISCARDED, "filtered: exclude_users 1", 5);
        let page = render(&telemetry, at(1_768_003_205));
        assert!(page.contains("145 filtered on purpose: 140 exclude login.*; 5 exclude_users 1"), "{page}");
        telemetry.component(ComponentKind::Sink, "archive").status().waiting("the disk is full", at(1_768_003_000));
        let page = render(&telemetry, at(1_768_003_205));
        assert!(
            page.contains("since 2026-01-09 23:56 (3 min): the disk is full") && page.contains("not ready"),
            "{page}"
        );
    }
}
