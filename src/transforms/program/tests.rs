use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use nordpass_env::{Clock, Env, Mutex, SeededRandom};

use super::*;
use crate::settings::{Diagnostic, Environment, Field, Kind, Section};
use crate::telemetry::logs::LogFormat;
use crate::telemetry::logs::tests::logged;
use crate::telemetry::{ComponentKind, Telemetry};
use nordpass_env::MemoryDisk;
use tracing_subscriber::filter::LevelFilter;

static FIELDS: &[Field] = &[
    Field::optional("vrl", Kind::Program).doc("A program."),
    Field::optional("file", Kind::Text).doc("A file with one."),
];

fn read_as(text: &str, purpose: Purpose) -> (Option<Arc<Program>>, Vec<Diagnostic>) {
    let mut section = Section::parse(text, FIELDS, Environment::default());
    let program = read(&mut section, "vrl", purpose);
    (program, section.diagnostics())
}

fn runner(program: &str, purpose: Purpose) -> Runner {
    let (program, found) = read_as(&format!("vrl = '''\n{program}'''"), purpose);
    Runner::new(program.unwrap_or_else(|| panic!("{found:?}")))
}

fn changed(runner: &mut Runner) -> String {
    let mut text = String::new();
    runner.change("{}", false, &mut text).expect("it is changed");
    text
}

/// As people see it: the line of the pipeline file, the caret under the place, the hint.
#[test]
fn what_is_wrong_with_a_program_is_shown_at_its_place() {
    let mut shown = String::new();
    for program in [
        ".a = 1\n.b = nonsense(.a)",
        ".b = strlenn!(.a)",
        ".a = http_request!(\"https://example.com\")",
        ".a = int(.b)",
        "  .a = \n",
        "if .a { .b = 1 }",
        ".ä = 1; .b = upcase(1)",
        "\"text\"\n.b = 2",
    ] {
        let (_, found) = read_as(&format!("# A file.\nvrl = '''\n{program}\n'''\n"), Purpose::Change);
        assert!(!found.is_empty(), "{program}");
        for found in found {
            let _ = writeln!(shown, "{found}");
        }
    }
    insta::assert_snapshot!(shown);
}

#[test]
fn a_place_is_found_in_every_kind_of_string() {
    for (text, line, column, excerpt) in [
        ("vrl = '.a = now2()'", 1, 13, ".a = now2()"),
        ("vrl = \".a = now2()\"", 1, 13, ".a = now2()"),
        ("vrl = '''.a = now2()'''", 1, 15, ".a = now2()"),
        ("vrl = '''\n.a = now2()'''", 2, 6, ".a = now2()"),
        ("vrl = \"\"\"\r\n.a = 1\r\n  .a = now2()\r\n\"\"\"", 3, 8, "  .a = now2()"),
        // With an escape the parser's text isn't the file's: the value as a whole, and the place in words.
        ("vrl = \".a = \\\"x\\\" + now2()\"", 1, 7, "vrl = \"…\""),
    ] {
        let (_, found) = read_as(text, Purpose::Change);
        let location = found[0].location.as_ref().expect("a place");
        assert_eq!((location.line, location.column, &*location.text), (line, column, excerpt), "{found:?}");
        assert_eq!(found[0].message.contains("of the program)"), text.contains('\\'), "{found:?}");
    }
}

#[test]
fn a_program_in_a_file_of_its_own_is_shown_with_that_files_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("shape.vrl");
    std::fs::write(&file, "# Why.\n.a = now2()\n").expect("it is written");
    let mut section = Section::parse(&format!("file = {file:?}"), FIELDS, Environment::default());
    assert!(read_file(&mut section, "file").is_none());
    let found = section.diagnostics();
    let location = found[0].location.as_ref().expect("a place");
    assert_eq!((&location.file, location.line, location.column), (&file, 2, 6));
    std::fs::write(&file, ".a = now()\n").expect("it is written");
    let mut section = Section::parse(&format!("file = {file:?}"), FIELDS, Environment::default());
    assert!(read_file(&mut section, "file").is_some() && section.diagnostics().is_empty());
    std::fs::write(&file, vec![b' '; 70_000]).expect("it is written");
    let mut section = Section::parse(&format!("file = {file:?}"), FIELDS, Environment::default());
    assert!(read_file(&mut section, "file").is_none());
    assert_eq!(section.diagnostics()[0].message, "the program is longer than 64 KiB");
}

#[test]
fn a_condition_and_an_assertion_change_nothing() {
    for (program, purpose, message) in [
        (".a = 1; true", Purpose::Condition, "mutation of read-only value"),
        ("del(.a); true", Purpose::Assertion, "mutation of read-only value"),
        ("upcase!(.a)", Purpose::Condition, "the condition doesn't end with true or false"),
        ("if .a == 1 { abort }\ntrue", Purpose::Condition, "`abort` drops a record, and here nothing is dropped"),
        ("abort", Purpose::Assertion, "`abort` drops a record, and here nothing is dropped"),
    ] {
        let (made, found) = read_as(&format!("vrl = '{program}'").replace('\n', "; "), purpose);
        assert!(made.is_none() && found[0].message.contains(message), "{program}: {found:?}");
    }
    let mut night = runner("mod(int!(.at), 10) < 5", Purpose::Condition);
    assert_eq!(night.holds(r#"{"at":12}"#), Ok(true));
    assert_eq!(night.holds(r#"{"at":17}"#), Ok(false));
    assert_eq!(night.holds(r#"{"at":"x"}"#), Err("the program fails on this record"));
    assert_eq!(night.holds("[["), Err("the record has a number or nesting that a program can't hold"));
    let mut assertion = runner("assert!(.a == 1, \"a is one\")\nassert_eq!(.b, 2)", Purpose::Assertion);
    assert_eq!(assertion.check(&serde_json::json!({"a": 1, "b": 2})), Ok(()));
    assert!(assertion.check(&serde_json::json!({"a": 2, "b": 2})).expect_err("it fails").contains("a is one"));
    assert!(runner(".a == 1", Purpose::Assertion).check(&serde_json::json!({"a": 2})).is_err());
}

/// What is as deep as may be compiles and runs on a thread with a stack of 2 MiB, as those that run programs have.
#[test]
fn what_is_not_too_deep_fits_the_stack() {
    let (_, found) = read_as(&format!("vrl = '.a = {}1'", "(".repeat(65)), Purpose::Change);
    assert_eq!(found[0].message, "the program nests deeper than 64 brackets");
    for deepest in [
        format!(".a = {}1{}", "(".repeat(64), ")".repeat(64)),
        format!(".a = 1{}", " + 1".repeat(399)),
        format!(".a = {}true", "!".repeat(399)),
        format!(".a = .b == 1{}", " || .b == 1".repeat(199)),
        format!("if .a == 1 {{ .b = 1 }}{}", " else if .a == 2 { .b = 2 }".repeat(199)),
        format!(".a = {}1{}", "(1 + 1 + 1 + 1 + 1 + 1 + ".repeat(60), ")".repeat(60)),
        format!(".a = {}1{}", "[1 + 1 + 1, {\"a\": 1 + 1, \"b\": ".repeat(30), "}]".repeat(30)),
    ] {
        let work = move || {
            let _ = runner(&deepest, Purpose::Change).change(r#"{"b":2}"#, false, &mut String::new());
        };
        std::thread::Builder::new().stack_size(2 << 20).spawn(work).expect("a thread").join().expect("it fits");
    }
}

/// A clock that goes on by so much each time it is asked, and says how often.
struct Ticking {
    now: Mutex<Timestamp>,
    tick: Duration,
}

impl Clock for Ticking {
    fn now(&self) -> Timestamp {
        let mut now = self.now.lock();
        *now += self.tick;
        *now
    }
}

fn env(tick: Duration) -> Env {
    let clock = Ticking { now: Mutex::new(Timestamp::UNIX_EPOCH), tick };
    Env {
        clock: Arc::new(clock),
        random: Arc::new(SeededRandom::new(7)),
        ..crate::fuzz::env(&MemoryDisk::new(), http::Response::default())
    }
}

#[test]
fn the_clock_and_the_dice_are_those_of_the_pipeline() {
    let program = ".now = now()\n.int = random_int!(-3, 3)\n.float = random_float!(0.5, 0.75)\n.flag = random_bool()\n.id = uuid_v4()";
    let mut dry = runner(program, Purpose::Change);
    let standing = changed(&mut dry);
    assert!(standing.contains(r#""now":"2026-01-01T00:00:00Z""#), "{standing}");
    assert_eq!(changed(&mut runner(program, Purpose::Change)), standing, "a dry run gives the same each time");
    let run = || {
        let mut runner = runner(program, Purpose::Change);
        runner.attach(&env(Duration::from_secs(1)));
        [changed(&mut runner), changed(&mut runner)]
    };
    let [first, second] = run();
    assert!(first.contains("1970-01-01T00:00:01Z") && second.contains("1970-01-01T00:00:02Z"), "{first} {second}");
    assert_eq!(run(), [first, second], "a seed decides");
    assert!(runner(".a = random_int!(3, 3)", Purpose::Change).change("{}", false, &mut String::new()).is_err());
}

/// Without the machine's time zone, a time without one is UTC everywhere.
#[test]
fn a_time_without_a_zone_is_utc() {
    let made =
        changed(&mut runner(".at = parse_timestamp!(\"2026-07-01 12:00\", \"%Y-%m-%d %H:%M\")", Purpose::Change));
    assert_eq!(made, r#"{"at":"2026-07-01T12:00:00Z"}"#);
}

#[test]
fn a_slow_record_is_counted_and_named_once() {
    let telemetry = Telemetry::new();
    let reporter = telemetry.component(ComponentKind::Transform, "shape");
    let settle = |pace: &mut Pace, records: usize| {
        (0..records).for_each(|_| pace.measure(|| {}));
        pace.settle(&reporter);
    };
    let said = logged(LogFormat::Human, LevelFilter::WARN, || {
        let mut quick = Pace::default();
        quick.attach(&env(Duration::from_millis(5)));
        settle(&mut quick, 3);
    });
    assert_eq!(said, "");
    let said = logged(LogFormat::Human, LevelFilter::WARN, || {
        let mut slow = Pace::default();
        slow.attach(&env(Duration::from_millis(20)));
        settle(&mut slow, 2);
        settle(&mut slow, 1);
    });
    assert_eq!(said.matches("its program is slow").count(), 1, "{said}");
    let rendered = telemetry.render();
    assert!(rendered.lines().any(|line| line.starts_with("sentinel_slow_records_total{") && line.ends_with(" 3")));
}
