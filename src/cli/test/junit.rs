//! The results as JUnit XML, which continuous integration shows.

use std::fmt::Write as _;

use super::{Results, people};

/// A whole file.
pub(super) fn xml(results: &Results) -> String {
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"nordpass-sentinel test\" tests=\"{}\" \
         failures=\"{}\" time=\"{:.3}\">\n",
        results.tests(),
        results.failed(),
        results.seconds,
    );
    for suite in &results.suites {
        let (name, tests, failed) = (escaped(&suite.name()), suite.results.len(), suite.failed());
        let _ = writeln!(xml, "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failed}\">");
        for (test, outcome) in &suite.results {
            let file = escaped(&test.file.display().to_string());
            let _ = write!(
                xml,
                "    <testcase name=\"{}\" classname=\"{file}\" file=\"{file}\" line=\"{}\"",
                escaped(&test.name),
                test.line
            );
            let reasons = people::reasons(suite, outcome);
            match reasons.first() {
                None => xml.push_str("/>\n"),
                Some(first) => {
                    let (first, all) = (escaped(first), escaped(&reasons.join("\n")));
                    let _ = write!(xml, ">\n      <failure message=\"{first}\">{all}</failure>\n    </testcase>\n");
                }
            }
        }
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

/// A text without what means something in XML, or isn't allowed in it.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push_str("&#9;"),
            control if control < ' ' || matches!(control, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn nothing_gets_out_of_its_attribute() {
        assert_eq!(escaped("a \"b\" <c>&\n\u{1}ü"), "a &quot;b&quot; &lt;c&gt;&amp;&#10;\u{fffd}ü");
    }
}
