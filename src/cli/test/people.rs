//! The results for people: what failed first catches the eye, key by key.

use std::fmt::Write as _;

use clap::builder::styling::{AnsiColor, Style};

use super::{Results, Suite};
use crate::cli::console::counted;
use crate::pipeline::{Difference, Outcome, Problem, Refusal, outputs};
use crate::telemetry::terminal::plain;

/// Longer values are cut.
const LONGEST: usize = 600;

/// How the text is painted.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, style: Style, text: &str) -> String {
        if self.0 { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    fn good(self, text: &str) -> String {
        self.with(AnsiColor::Green.on_default(), text)
    }

    fn bad(self, text: &str) -> String {
        self.with(AnsiColor::Red.on_default(), text)
    }
}

/// Everything, without a line end.
pub(super) fn text(results: &Results, color: bool) -> String {
    let (paint, mut text) = (Paint(color), String::new());
    for suite in &results.suites {
        add_suite(&mut text, suite, paint);
    }
    let (tests, failed) = (results.tests(), results.failed());
    let sum = match failed {
        0 => paint.good(&format!("{} passed", counted(tests as u64, "test"))),
        _ => paint.bad(&format!("{failed} of {} failed", counted(tests as u64, "test"))),
    };
    let _ = write!(text, "{sum} in {:.2} s", results.seconds);
    text
}

fn add_suite(text: &mut String, suite: &Suite, paint: Paint) {
    let _ = writeln!(text, "{}", plain(&suite.name()));
    if suite.config.tests.is_empty() {
        text.push_str("  no tests\n");
    }
    for (test, outcome) in &suite.results {
        let name = plain(&test.name);
        if outcome.problems.is_empty() {
            let _ = writeln!(text, "  {}      {name}", paint.good("ok"));
            continue;
        }
        let _ = writeln!(text, "  {}  {name} (line {})", paint.bad("FAILED"), test.line);
        for line in problems(suite, outcome, paint) {
            let _ = writeln!(text, "          {line}");
        }
    }
    if !suite.unreached.is_empty() {
        let _ = writeln!(text, "  no test reaches {}", suite.unreached.join(", "));
    }
    text.push('\n');
}

/// Why a test failed, in lines, without color.
pub(super) fn reasons(suite: &Suite, outcome: &Outcome) -> Vec<String> {
    problems(suite, outcome, Paint(false))
}

fn problems(suite: &Suite, outcome: &Outcome, paint: Paint) -> Vec<String> {
    let mut lines = Vec::new();
    for (line, problem) in &outcome.problems {
        match problem {
            Problem::Count { output, expected, given } => {
                let expected = match expected {
                    Some(0) => "none".to_owned(),
                    Some(number) => counted(*number as u64, "record"),
                    None => "at least one".to_owned(),
                };
                lines.push(format!(
                    "{output} gave {}, expected {expected} (line {line})",
                    counted(*given as u64, "record")
                ));
                lines.push(what_came_out(suite, outcome));
            }
            Problem::Record { output, number, given, differences } => {
                lines.push(format!(
                    "{output}, record {number} of {given}: {}, {} expected, {} given (line {line})",
                    if differences.len() == 1 {
                        "1 key differs".to_owned()
                    } else {
                        format!("{} keys differ", differences.len())
                    },
                    paint.bad("-"),
                    paint.good("+"),
                ));
                lines.extend(differences.iter().flat_map(|difference| both(difference, paint)));
            }
            Problem::Program { output, number, given, reason } => {
                lines.push(format!("{output}, record {number} of {given}: `vrl`: {} (line {line})", plain(reason)));
            }
            Problem::Refused { expected, refused } => {
                let given: usize = refused.iter().map(|refusal| refusal.records).sum();
                lines.push(format!(
                    "transforms refused {}, expected {} (line {line})",
                    counted(given as u64, "record"),
                    if *expected == 0 { "none".to_owned() } else { expected.to_string() },
                ));
                lines.extend(refused.iter().map(|Refusal { transform, reason, records }| {
                    format!("{transform}: {}, {}", counted(*records as u64, "record"), plain(reason))
                }));
            }
            Problem::ExpectsNothing => {
                lines.push(format!(
                    "it expects nothing yet (line {line}): `test --record` adds what comes out, or write [[tests.outputs]]"
                ));
                lines.push(what_came_out(suite, outcome));
            }
            Problem::Unreadable(reason) => lines.push(plain(reason).into_owned()),
        }
    }
    lines.dedup();
    lines
}

/// How many records each output gave: a record that is missing in one place is often in another.
fn what_came_out(suite: &Suite, outcome: &Outcome) -> String {
    let given: Vec<String> = outputs(&suite.config)
        .into_iter()
        .filter_map(|(address, output)| Some(format!("{address} {}", outcome.given.get(&output)?.len())))
        .collect();
    format!("what came out: {}", if given.is_empty() { "nothing".to_owned() } else { given.join(", ") })
}

/// A key as expected, and as given.
fn both(difference: &Difference, paint: Paint) -> [String; 2] {
    let Difference { key, expected, actual, near } = difference;
    let key = plain(key);
    let given = match (actual, near) {
        (Some(actual), _) => format!("{key}: {}", shown(actual)),
        (None, Some(near)) => format!("no {key}; did you mean {}?", plain(near)),
        (None, None) => format!("no {key}"),
    };
    let expected =
        expected.as_ref().map_or_else(|| format!("no {key}"), |expected| format!("{key}: {}", shown(expected)));
    [paint.bad(&format!("  - {expected}")), paint.good(&format!("  + {given}"))]
}

fn shown(value: &serde_json::Value) -> String {
    let text = value.to_string();
    let cut: String = text.chars().take(LONGEST).collect();
    let dots = if cut.len() < text.len() { "…" } else { "" };
    format!("{}{dots}", plain(&cut))
}
