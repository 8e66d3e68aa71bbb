//! Compares what third-party checkers find in `deploy/` with the explanations in `deploy/checks/findings.txt`.

use std::collections::BTreeMap;

/// A finding: the check's id, and what it is about.
pub type Finding = (String, String);

/// Returns findings without an explanation, and explanations without a finding.
pub fn unexplained(found: &[Finding], explanations: &str) -> Result<Vec<String>, String> {
    let mut open: BTreeMap<Finding, bool> =
        read(explanations)?.into_iter().map(|explanation| (explanation, false)).collect();
    let mut wrong = Vec::new();
    for finding in found {
        match open.get_mut(finding) {
            Some(seen) => *seen = true,
            None => wrong.push(format!("new: {} on {}", finding.0, finding.1)),
        }
    }
    let stale = open.into_iter().filter(|(_, seen)| !seen);
    wrong.extend(stale.map(|((check, on), _)| format!("stale: {check} on {on} isn't found any more")));
    wrong.dedup();
    Ok(wrong)
}

/// Reads lines of `check | resource | reason`.
fn read(explanations: &str) -> Result<Vec<Finding>, String> {
    let mut found: Vec<Finding> = Vec::new();
    for (number, line) in explanations.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let finding = match cells.as_slice() {
            // "The same." is the shortest reason: that of the line before.
            [check, on, reason] if !check.is_empty() && !on.is_empty() && reason.len() >= 9 => {
                ((*check).to_owned(), (*on).to_owned())
            }
            _ => return Err(format!("line {}: `check | resource | reason` with a reason in words", number + 1)),
        };
        if found.contains(&finding) {
            return Err(format!("line {}: {} on {} is explained twice", number + 1, finding.0, finding.1));
        }
        found.push(finding);
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPLANATIONS: &str = "# comment\n\nC1 | Type/a | because of that\nC2 | Type/b | The same.\n";

    fn finding(check: &str, on: &str) -> Finding {
        (check.to_owned(), on.to_owned())
    }

    #[test]
    fn new_and_stale_ones_are_told() {
        let all = [finding("C1", "Type/a"), finding("C1", "Type/a"), finding("C2", "Type/b")];
        assert_eq!(unexplained(&all, EXPLANATIONS), Ok(vec![]));
        assert_eq!(
            unexplained(&all[..2], EXPLANATIONS),
            Ok(vec!["stale: C2 on Type/b isn't found any more".to_owned()])
        );
        let more = [&all[..], &[finding("C1", "Type/b")]].concat();
        assert_eq!(unexplained(&more, EXPLANATIONS), Ok(vec!["new: C1 on Type/b".to_owned()]));
    }

    #[test]
    fn an_explanation_needs_a_reason_and_is_there_once() {
        for wrong in [
            "C1 | Type/a",
            "C1 | Type/a | no",
            "C1 | | because of that",
            "C1 | T | a reason here\nC1 | T | a reason here",
        ] {
            assert!(unexplained(&[], wrong).is_err(), "{wrong}");
        }
    }
}
