//! The results for programs.

use serde_json::{Value, json};

use super::{Results, Suite, people};
use crate::pipeline::{Difference, Outcome, Problem, Refusal, TestCase};

/// One object.
pub(super) fn json(results: &Results) -> Value {
    json!({
        "tests": results.tests(),
        "failed": results.failed(),
        "sets": results.suites.iter().map(suite).collect::<Vec<_>>(),
    })
}

fn suite(suite: &Suite) -> Value {
    json!({
        "files": suite.files.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>(),
        "tests": suite.results.iter().map(|(case, outcome)| test(suite, case, outcome)).collect::<Vec<_>>(),
        "outputs_without_a_test": suite.unreached,
    })
}

fn test(suite: &Suite, test: &TestCase, outcome: &Outcome) -> Value {
    json!({
        "name": test.name,
        "file": test.file.display().to_string(),
        "line": test.line,
        "passed": outcome.problems.is_empty(),
        "problems": outcome.problems.iter().map(|(line, found)| problem(*line, found)).collect::<Vec<_>>(),
        "text": people::reasons(suite, outcome).join("\n"),
    })
}

fn problem(line: usize, problem: &Problem) -> Value {
    match problem {
        Problem::Count { output, expected, given } => json!({
            "kind": "count", "line": line, "output": output, "expected": expected, "given": given,
        }),
        Problem::Record { output, number, given, differences } => json!({
            "kind": "record", "line": line, "output": output, "record": number, "given": given,
            "differences": differences.iter().map(difference).collect::<Vec<_>>(),
        }),
        Problem::Program { output, number, given, reason } => json!({
            "kind": "program", "line": line, "output": output, "record": number, "records": given, "reason": reason,
        }),
        Problem::Refused { expected, refused } => json!({
            "kind": "refused", "line": line, "expected": expected, "refused": refused.iter().map(refusal).collect::<Vec<_>>(),
        }),
        Problem::ExpectsNothing => json!({ "kind": "expects_nothing", "line": line }),
        Problem::Unreadable(reason) => json!({ "kind": "unreadable", "line": line, "reason": reason }),
    }
}

fn refusal(Refusal { transform, reason, records }: &Refusal) -> Value {
    json!({ "transform": transform, "reason": reason, "records": records })
}

fn difference(difference: &Difference) -> Value {
    let Difference { key, expected, actual, .. } = difference;
    let mut told = json!({ "key": key });
    for (name, value) in [("expected", expected), ("given", actual)] {
        if let Some(value) = value {
            told[name] = value.clone();
        }
    }
    told
}
