//! Reading and compiling a program.

use std::fs::File;
use std::io::{self, Read as _};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use vrl::compiler::{CompilationResult, CompileConfig, TimeZone, compile_with_external, state};
use vrl::diagnostic::{Diagnostic, DiagnosticList};

use super::Purpose;
use super::depth::too_deep;
use super::functions::{allowed, why_refused};
use crate::settings::{Section, Severity};

/// The longest program, in bytes.
const LONGEST: usize = 64 << 10;

/// A compiled program.
pub struct Program {
    pub(super) program: vrl::compiler::Program,
    pub(super) time_zone: TimeZone,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Program")
    }
}

/// What is wrong with a program: where, what and what to do.
struct Flaw {
    severity: Severity,
    at: Range<usize>,
    message: String,
    hint: String,
}

impl Flaw {
    fn error(at: Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { severity: Severity::Error, at, message: message.into(), hint: hint.into() }
    }
}

/// Reads and compiles the program that is a field's value. `None` if it is missing, or after an error.
pub fn read(section: &mut Section, name: &str, purpose: Purpose) -> Option<Arc<Program>> {
    let source = section.optional_text(name)?;
    let (program, flaws) = compile(&source, purpose);
    for Flaw { severity, at, message, hint } in flaws {
        section.program_flaw(name, &source, severity, &at, message, hint);
    }
    program.map(Arc::new)
}

/// Reads and compiles the program in a file that a field names. `None` if it is missing, or after an error.
pub fn read_file(section: &mut Section, name: &str) -> Option<Arc<Program>> {
    let folder = section.place().0.parent().map(Path::to_owned).unwrap_or_default();
    let file = folder.join(section.optional_text(name)?);
    let source = match text_of(&file) {
        Ok(source) => source,
        // Another machine has the file, perhaps; what this one runs isn't the question.
        Err(_) if !section.is_on_its_machine() => return None,
        Err(error) => {
            let hint = "the path is relative to the pipeline file";
            section.error(name, format!("can't read the program: {error}"), hint);
            return None;
        }
    };
    let (program, flaws) = compile(&source, Purpose::Change);
    for Flaw { severity, at, message, hint } in flaws {
        section.program_file_flaw(name, (&file, &source), severity, &at, message, hint);
    }
    program.map(Arc::new)
}

/// The text of a regular file.
fn text_of(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it isn't a file"));
    }
    let mut text = String::new();
    let most = LONGEST as u64 + 1;
    File::open(path)?.take(most).read_to_string(&mut text)?;
    Ok(text)
}

/// Compiles a program. Without one, at least one of the flaws is an error.
fn compile(source: &str, purpose: Purpose) -> (Option<Program>, Vec<Flaw>) {
    if let Some(flaw) = too_large(source) {
        return (None, vec![flaw]);
    }
    let (functions, external) = (allowed(), state::ExternalEnv::default());
    let mut config = CompileConfig::default();
    if purpose != Purpose::Change {
        config.set_read_only();
    }
    match compile_with_external(source, &functions, &external, config) {
        Ok(CompilationResult { program, warnings, .. }) => {
            if let Some(flaw) = unfit(&program, source, purpose) {
                return (None, vec![flaw]);
            }
            let warnings = flaws(&warnings, source, Severity::Warning);
            // Not the machine's time zone.
            let time_zone = TimeZone::parse("UTC").unwrap_or_default();
            (Some(Program { program, time_zone }), warnings)
        }
        Err(diagnostics) => {
            let mut found = flaws(&diagnostics, source, Severity::Error);
            if found.is_empty() {
                found.push(Flaw::error(0..source.len(), "the program can't be compiled", ""));
            }
            (None, found)
        }
    }
}

/// What keeps a program from being compiled at all.
fn too_large(source: &str) -> Option<Flaw> {
    if source.len() > LONGEST {
        let message = format!("the program is longer than {} KiB", LONGEST >> 10);
        return Some(Flaw::error(0..0, message, "split it over several transforms"));
    }
    let (at, message) = too_deep(source)?;
    Some(Flaw::error(at, message, "keep what is inside in a variable of its own"))
}

/// Why a program isn't one for its purpose.
fn unfit(program: &vrl::compiler::Program, source: &str, purpose: Purpose) -> Option<Flaw> {
    let last = source.trim_end();
    let last = last.rfind('\n').map_or(0, |end| end + 1)..last.len();
    if purpose != Purpose::Change && program.info().abortable {
        let at = source.find("abort").map_or(0..source.len(), |start| start..start + "abort".len());
        return Some(Flaw::error(at, "`abort` drops a record, and here nothing is dropped", "end with true or false"));
    }
    if purpose == Purpose::Condition && !program.final_type_info().result.is_boolean() {
        let hint = "end with a comparison, such as .type == \"login\", or a function that gives true or false";
        return Some(Flaw::error(last, "the condition doesn't end with true or false", hint));
    }
    None
}

fn flaws(diagnostics: &DiagnosticList, source: &str, severity: Severity) -> Vec<Flaw> {
    let is_wanted = |diagnostic: &&Diagnostic| diagnostic.is_problem() == (severity == Severity::Error);
    diagnostics.iter().filter(is_wanted).map(|diagnostic| flaw(diagnostic, source, severity)).collect()
}

/// A diagnostic of the language in our words: one message, one place, one hint.
fn flaw(diagnostic: &Diagnostic, source: &str, severity: Severity) -> Flaw {
    let primary = diagnostic.labels.iter().find(|label| label.primary).or(diagnostic.labels.first());
    let at = primary.map_or(0..source.len(), |label| label.span.start()..label.span.end());
    let label = primary.map(|label| label.message.as_str()).filter(|label| !label.is_empty());
    let (advice, label) = match label.and_then(|label| label.strip_prefix("help: ")) {
        Some(advice) => (Some(advice), None),
        None => (None, label),
    };
    let message = match label {
        Some(label) if !diagnostic.message.contains(label) => format!("{}: {label}", diagnostic.message),
        _ => diagnostic.message.clone(),
    };
    let called = source.get(at.start..).unwrap_or_default();
    let name: String = called.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let hint = match why_refused(&name) {
        Some(why) => format!("`{name}` isn't available here: {why}"),
        None => format!("{}see https://errors.vrl.dev/{}", hint(diagnostic, advice), diagnostic.code),
    };
    Flaw { severity, at, message, hint }
}

/// What to do, by the language's number of the error where its own advice is longer than people read. It ends with what goes
/// before another part.
fn hint(diagnostic: &Diagnostic, advice: Option<&str>) -> String {
    let others = diagnostic.labels.iter().filter(|label| !label.primary).map(|label| label.message.as_str());
    let advice = match diagnostic.code {
        100 | 103 => {
            "say what happens when it fails: `f!(…)` refuses the record, `f(…) ?? null` goes on with null".to_owned()
        }
        102 => "compare it, such as `.a == true`".to_owned(),
        200..=203 | 205 => "look for a missing bracket, quote or operator before it".to_owned(),
        204 => "a value or a closing bracket is missing at the end".to_owned(),
        _ => others.chain(advice).filter(|advice| !advice.is_empty()).collect::<Vec<_>>().join("; "),
    };
    if advice.is_empty() { advice } else { format!("{advice}; ") }
}
