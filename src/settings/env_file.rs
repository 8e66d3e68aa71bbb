//! Files of variables: `NAME=value` lines, as Docker, Compose, uv and systemd read them.
//!
//! A value is what stands in the line: no reference in it is resolved. Quotes around it are taken away; inside double
//! quotes `\"`, `\\` and `\$` stand for the second character. Behind a value without quotes, a blank and `#` begin a
//! comment. Messages name the file and the line, and a name in capital letters at most: a value may be a secret.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use super::environment::{open_to_others, read_file};
use super::{Diagnostic, Location, Severity};

/// The variables of files, by name.
pub(super) type Variables = BTreeMap<String, Zeroizing<String>>;

/// So many errors of one file are shown: a wrong file is wrong in every line.
const MOST_SHOWN: usize = 20;

/// Variables that libraries read from the process's own environment, so that a file can't set them.
const OUTSIDE: [&str; 10] = [
    "ALL_PROXY",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MSI_ENDPOINT",
    "NO_COLOR",
];

/// Reads files; a later one's variables replace an earlier one's. Returns the variables and the warnings, or everything that
/// is wrong.
pub(super) fn read(paths: &[PathBuf]) -> Result<(Variables, Vec<Diagnostic>), Vec<Diagnostic>> {
    let mut variables = Variables::new();
    let (mut warnings, mut errors) = (Vec::new(), Vec::new());
    for path in paths {
        let text = match read_file(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) => {
                errors.push(unreadable(path, &error));
                continue;
            }
        };
        if open_to_others(path) == Some(true) {
            let message = format!("users other than the owner can access the file of variables {}", path.display());
            warnings.push(Diagnostic {
                severity: Severity::Warning,
                ..Diagnostic::error(message, format!("restrict it: chmod 600 {}", path.display()))
            });
        }
        let mut file = File { path, own: BTreeMap::new(), warnings: Vec::new(), errors: Vec::new() };
        file.read(&text, &mut variables);
        warnings.append(&mut file.warnings);
        let more = file.errors.len().saturating_sub(MOST_SHOWN);
        file.errors.truncate(MOST_SHOWN);
        errors.append(&mut file.errors);
        if more > 0 {
            let message = format!("{more} more lines of {} are wrong", path.display());
            errors.push(Diagnostic::error(message, "check that it's a file of variables"));
        }
    }
    if errors.is_empty() {
        return Ok((variables, warnings));
    }
    warnings.append(&mut errors);
    Err(warnings)
}

fn unreadable(path: &Path, error: &io::Error) -> Diagnostic {
    let hint = match error.kind() {
        io::ErrorKind::InvalidInput => "a pipe or device isn't read: write the variables into a file",
        io::ErrorKind::InvalidData => "save it as UTF-8",
        _ => "check that the path is right and that this user may read it",
    };
    Diagnostic::error(format!("can't read the file of variables {}: {error}", path.display()), hint)
}

/// A file that is being read.
struct File<'a> {
    path: &'a Path,
    /// The line of each name, from 1.
    own: BTreeMap<String, usize>,
    warnings: Vec<Diagnostic>,
    errors: Vec<Diagnostic>,
}

impl File<'_> {
    fn read(&mut self, text: &str, variables: &mut Variables) {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            match assignment(line) {
                Ok(None) => {}
                Ok(Some((name, value))) => {
                    self.warn_about(name, number);
                    variables.insert(name.to_owned(), value);
                }
                Err(wrong) => self.errors.push(self.at(number, wrong.name, Severity::Error, wrong.message, wrong.hint)),
            }
        }
    }

    fn warn_about(&mut self, name: &str, number: usize) {
        if let Some(before) = self.own.insert(name.to_owned(), number) {
            let message = format!("this variable is set in line {before}, too");
            let hint = "the last one counts; remove the other";
            self.warnings.push(self.at(number, Some(name), Severity::Warning, message, hint));
        }
        if OUTSIDE.contains(&name.to_ascii_uppercase().as_str()) {
            let message = "this variable has no effect in a file of variables";
            let hint = "set it in the environment of the process; for a proxy, see also `proxy` in the pipeline file";
            self.warnings.push(self.at(number, Some(name), Severity::Warning, message, hint));
        }
    }

    fn at(
        &self,
        line: usize,
        name: Option<&str>,
        severity: Severity,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Diagnostic {
        // What stands in the place of a name may be a secret.
        let shown = name.filter(|name| name.len() <= 64 && !name.bytes().any(|byte| byte.is_ascii_lowercase()));
        let text = shown.map_or_else(|| "…".to_owned(), |name| format!("{name}=…"));
        let width = shown.map_or(1, str::len);
        let location = Location { file: self.path.to_owned(), line, column: 1, text, indent: 0, width };
        Diagnostic { severity, location: Some(location), ..Diagnostic::error(message, hint) }
    }
}

/// What is wrong with a line. Holds nothing of its value.
#[derive(Debug)]
struct Wrong<'a> {
    name: Option<&'a str>,
    message: &'static str,
    hint: &'static str,
}

/// The name and the value of a line; `None` for a comment or an empty line.
fn assignment(line: &str) -> Result<Option<(&str, Zeroizing<String>)>, Wrong<'_>> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let line = match line.strip_prefix("export") {
        Some(rest) if rest.starts_with([' ', '\t']) => rest.trim_start(),
        _ => line,
    };
    let Some((name, value)) = line.split_once('=') else {
        let hint = "write NAME=value; what the environment sets needs no line here";
        return Err(Wrong { name: None, message: "this line has no `=`", hint });
    };
    let name = name.trim_end();
    if !super::interpolate::is_name(name) {
        let hint = "a name has letters, digits and `_`, and doesn't begin with a digit; a value is one line";
        return Err(Wrong { name: None, message: "this line doesn't begin with a variable's name", hint });
    }
    value_of(value.trim_start()).map(|value| Some((name, value))).map_err(|(message, hint)| Wrong {
        name: Some(name),
        message,
        hint,
    })
}

/// A value without its quotes and the comment behind it; or what is wrong, and a hint.
fn value_of(text: &str) -> Result<Zeroizing<String>, (&'static str, &'static str)> {
    const UNCLOSED: (&str, &str) = ("the value's quotes aren't closed", "close them in the same line");
    let (value, rest) = if let Some(quoted) = text.strip_prefix('\'') {
        let (value, rest) = quoted.split_once('\'').ok_or(UNCLOSED)?;
        (Zeroizing::new(value.to_owned()), rest)
    } else if let Some(quoted) = text.strip_prefix('"') {
        // With room for all of it: growing would leave copies behind.
        let mut value = Zeroizing::new(String::with_capacity(quoted.len()));
        let mut characters = quoted.char_indices();
        loop {
            match characters.next() {
                None => return Err(UNCLOSED),
                Some((at, '"')) => break (value, quoted.get(at + 1..).unwrap_or_default()),
                Some((_, '\\')) => match characters.next() {
                    Some((_, escaped @ ('"' | '\\' | '$'))) => value.push(escaped),
                    _ => {
                        let hint = "write `\\\\` for a backslash, or put the value in single quotes";
                        return Err(("a `\\` in double quotes must be followed by `\"`, `\\` or `$`", hint));
                    }
                },
                Some((_, character)) => value.push(character),
            }
        }
    } else {
        let comment = text.match_indices('#').map(|(at, _)| at);
        let end = comment.filter(|at| text[..*at].ends_with([' ', '\t']) || *at == 0).min().unwrap_or(text.len());
        return Ok(Zeroizing::new(text[..end].trim_end().to_owned()));
    };
    let rest = rest.trim_start();
    if rest.is_empty() || rest.starts_with('#') {
        return Ok(value);
    }
    Err(("something follows the value's quotes", "put all of the value between the quotes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(line: &str) -> Result<String, &'static str> {
        match assignment(line) {
            Ok(Some((name, value))) => {
                assert_eq!(name, "NAME", "{line}");
                Ok(value.to_string())
            }
            Ok(None) => Err("nothing"),
            Err(wrong) => Err(wrong.message),
        }
    }

    #[test]
    fn lines_are_read_as_other_programs_read_them() {
        for (line, expected) in [
            ("NAME=value", "value"),
            ("export NAME=value", "value"),
            ("  export\tNAME = value  ", "value"),
            ("NAME=", ""),
            ("NAME=a=b", "a=b"),
            ("NAME=a#b # a comment", "a#b"),
            ("NAME=# a comment", ""),
            ("NAME=${OTHER}$X", "${OTHER}$X"),
            ("NAME='a # \"b\" \\n'", "a # \"b\" \\n"),
            ("NAME=\"a # 'b' \\\"c\\\" \\\\ \\$d\" # a comment", "a # 'b' \"c\" \\ $d"),
            ("NAME=\"\"", ""),
            ("NAME=\"ü\"", "ü"),
            ("NAME=it's", "it's"),
        ] {
            assert_eq!(value(line).as_deref(), Ok(expected), "{line}");
        }
        for line in ["", "   ", "# NAME=value", "  #"] {
            assert_eq!(value(line), Err("nothing"), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_the_value() {
        for (line, expected) in [
            ("NAME", "this line has no `=`"),
            ("=value", "this line doesn't begin with a variable's name"),
            ("1NAME=value", "this line doesn't begin with a variable's name"),
            ("NA-ME=value", "this line doesn't begin with a variable's name"),
            ("two words=value", "this line doesn't begin with a variable's name"),
            ("NAME='value", "the value's quotes aren't closed"),
            ("NAME=\"value", "the value's quotes aren't closed"),
            ("NAME=\"value\\\"", "the value's quotes aren't closed"),
            ("NAME=\"a\\nb\"", "a `\\` in double quotes must be followed by `\"`, `\\` or `$`"),
            ("NAME=\"a\\", "a `\\` in double quotes must be followed by `\"`, `\\` or `$`"),
            ("NAME='a'b", "something follows the value's quotes"),
            ("NAME=\"a\" b", "something follows the value's quotes"),
        ] {
            assert_eq!(value(line), Err(expected), "{line}");
        }
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn written(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    fn shown(found: &[Diagnostic]) -> String {
        found.iter().map(|found| found.human(false) + &found.json()).collect()
    }

    #[test]
    fn a_later_file_replaces_an_earlier_ones_variables() {
        let folder = folder();
        let first = written(&folder, "a.env", "\u{feff}A=1\r\nB=1\r\n");
        let second = written(&folder, "b.env", "B=2\nC=2");
        let (variables, warnings) = read(&[first, second]).unwrap();
        let variables: Vec<_> = variables.iter().map(|(name, value)| format!("{name}={}", **value)).collect();
        assert_eq!(variables, ["A=1", "B=2", "C=2"]);
        assert!(warnings.is_empty(), "{}", shown(&warnings));
    }

    #[test]
    fn errors_name_the_file_and_the_line_and_never_a_value() {
        let folder = folder();
        let text = "A=fine\ns3cret\nB='s3cret\ns3cretname=\"s3cret\nC=\"s3cret\" s3cret\n";
        let path = written(&folder, "wrong.env", text);
        let found = read(&[path]).unwrap_err();
        let shown = shown(&found);
        for part in ["wrong.env:2:1\n", "wrong.env:3:1\n", "3 | B=…\n", "wrong.env:4:1\n", "4 | …\n", "5 | C=…\n"]
        {
            assert!(shown.contains(part), "{part}: {shown}");
        }
        assert!(found.len() == 4 && !shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn a_wrong_file_is_not_told_line_by_line() {
        let folder = folder();
        let path = written(&folder, "wrong.env", &"x\n".repeat(5_000));
        let found = read(&[path]).unwrap_err();
        assert_eq!(found.len(), MOST_SHOWN + 1);
        assert!(found[MOST_SHOWN].message.starts_with("4980 more lines of "), "{}", found[MOST_SHOWN].message);
    }

    #[test]
    fn what_counts_otherwise_than_one_may_think_is_a_warning() {
        let folder = folder();
        let path = written(&folder, "a.env", "A=1\n# between\nA=2\nhttps_proxy=http://127.0.0.1:3128\n");
        let (variables, warnings) = read(&[path]).unwrap();
        assert_eq!(&*variables["A"], "2");
        assert!(warnings[0].message.ends_with("in line 1, too") && warnings[1].message.contains("no effect"));
        assert!(warnings.len() == 2 && !shown(&warnings).contains("3128"), "{}", shown(&warnings));
    }

    #[cfg(unix)]
    #[test]
    fn only_a_regular_file_of_bounded_size_is_read_and_one_that_others_can_read_is_a_warning() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = folder();
        let open = written(&folder, "open.env", "A=1");
        std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).unwrap();
        let (_, warnings) = read(&[open]).unwrap();
        assert!(warnings.len() == 1 && warnings[0].message.contains("other than the owner"), "{}", shown(&warnings));
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let long = written(&folder, "long.env", &format!("A={}", "x".repeat(1 << 20)));
        let utf16 = folder.path().join("utf-16.env");
        std::fs::write(&utf16, [0xff, 0xfe, b'A', 0]).unwrap();
        for (path, words) in [
            (pipe, "a named pipe"),
            (folder.path().to_owned(), "a folder"),
            (long, "longer than 1024 KiB"),
            (utf16, "not UTF-8"),
            (folder.path().join("none.env"), "No such file"),
        ] {
            let found = read(&[path]).unwrap_err();
            assert!(found.len() == 1 && found[0].message.contains(words), "{}", shown(&found));
        }
    }
}
