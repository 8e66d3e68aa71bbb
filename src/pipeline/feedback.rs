//! Sources that would read what their own set writes: such a set never ends, and grows at each start.

use std::path::{Component, Path, PathBuf};

use glob::Pattern;

/// Existing files that are looked at for links.
const MOST_FILES: usize = 10_000;

/// Whether a source with this pattern reads files that are written under any of these patterns. All that is compared is
/// absolute; links in the folders are followed as far as these are there.
pub(super) fn reads(pattern: &str, written: &[String]) -> bool {
    let patterns: Vec<String> = written.iter().map(|pattern| resolved(pattern)).collect();
    if patterns.iter().any(|written| overlap(&resolved(pattern), written)) {
        return true;
    }
    // Links to files. A name may have characters that mean something in a pattern.
    let real = |path: PathBuf| std::fs::canonicalize(path).ok();
    let files = glob::glob(pattern).into_iter().flatten().filter_map(Result::ok);
    let files = files.chain([PathBuf::from(pattern)]).take(MOST_FILES).filter_map(real);
    let files: Vec<String> = files.map(|file| Pattern::escape(&file.to_string_lossy())).collect();
    files.iter().any(|file| patterns.iter().any(|written| overlap(file, written)))
}

/// A pattern as one spelling of itself: absolute, without `.` and `..`, its folders without links.
fn resolved(pattern: &str) -> String {
    let absolute = std::path::absolute(pattern).unwrap_or_else(|_| PathBuf::from(pattern));
    let (mut fixed, mut rest) = (PathBuf::new(), PathBuf::new());
    for part in absolute.components() {
        let is_wild = !rest.as_os_str().is_empty() || part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
        match part {
            Component::CurDir => {}
            Component::ParentDir if is_wild => drop(rest.pop()),
            Component::ParentDir => drop(fixed.pop()),
            other if is_wild => rest.push(other),
            other => fixed.push(other),
        }
    }
    let mut path = real_folder(&fixed);
    path.extend(rest.components());
    path.to_string_lossy().into_owned()
}

/// Follows the links of the part of a path that is there.
fn real_folder(path: &Path) -> PathBuf {
    path.ancestors()
        .find_map(|there| Some((std::fs::canonicalize(there).ok()?, path.strip_prefix(there).ok()?)))
        .map_or_else(|| path.to_owned(), |(real, rest)| real.components().chain(rest.components()).collect())
}

/// Whether some path matches both patterns.
fn overlap(a: &str, b: &str) -> bool {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('/').collect(), b.split('/').collect());
    meet(&a, &b, |part| *part == "**", |a, b| overlap_names(a, b))
}

fn overlap_names(a: &str, b: &str) -> bool {
    let (a, b) = (characters(a), characters(b));
    meet(
        &a,
        &b,
        |one| *one == Character::Any,
        |a, b| match (a, b) {
            (Character::One(a), Character::One(b)) => a == b,
            (Character::Set(set), Character::One(one)) | (Character::One(one), Character::Set(set)) => {
                Pattern::new(set).is_ok_and(|set| set.matches(one.encode_utf8(&mut [0; 4])))
            }
            _ => true,
        },
    )
}

/// What a pattern says of a name.
#[derive(PartialEq)]
enum Character {
    One(char),
    /// One of some.
    Set(String),
    /// Any one.
    Some,
    /// Any number of them.
    Any,
}

fn characters(pattern: &str) -> Vec<Character> {
    let mut found = Vec::new();
    let mut rest = pattern;
    while let Some(next) = rest.chars().next() {
        let mut used = next.len_utf8();
        found.push(match next {
            '*' => Character::Any,
            '?' => Character::Some,
            // A `]` at the beginning of a set is one of its characters.
            '[' => {
                let begin = if rest[1..].starts_with('!') { 3 } else { 2 };
                match rest.get(begin..).and_then(|set| set.find(']')) {
                    Some(end) => {
                        used = begin + end + 1;
                        Character::Set(rest[..used].to_owned())
                    }
                    None => Character::One('['),
                }
            }
            other => Character::One(other),
        });
        rest = &rest[used..];
    }
    found
}

/// Whether some row fits both rows, in which `is_any` stands for any number of things.
fn meet<T>(a: &[T], b: &[T], is_any: impl Fn(&T) -> bool, fits: impl Fn(&T, &T) -> bool) -> bool {
    // Whether the rests from here on meet, from the ends on.
    let mut below = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let mut row = vec![false; b.len() + 1];
        for j in (0..=b.len()).rev() {
            let (one, other) = (a.get(i), b.get(j));
            row[j] = match (one, other) {
                (None, None) => true,
                // Any number: none, or one more of the other.
                (Some(one), _) if is_any(one) => below[j] || (j < b.len() && row[j + 1]),
                (_, Some(other)) if is_any(other) => row[j + 1] || (i < a.len() && below[j]),
                (Some(one), Some(other)) => fits(one, other) && below[j + 1],
                _ => false,
            };
        }
        below = row;
    }
    below[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_meet_where_one_path_fits_both() {
        for (a, b) in [
            ("/a/*.ndjson", "/a/x.ndjson"),
            ("/a/**/*.gz", "/a/????-??-??/*.ndjson.gz"),
            ("/a/2026-11-*/b.gz", "/a/????-??-??/*.gz"),
            ("/**/x", "/x"),
            ("/a/[xyz].gz", "/a/y.gz"),
            ("/a/[!x]*", "/a/yx"),
            ("/a/[[]1]", "/a/[[]1]"),
            ("/*/b", "/a/*"),
            ("/a/x*z", "/a/*yz"),
        ] {
            assert!(overlap(a, b) && overlap(b, a), "{a} {b}");
        }
        for (a, b) in [
            ("/a/*.ndjson", "/a/x.ndjson.gz"),
            ("/a/*", "/a/b/c"),
            ("/a/[xyz].gz", "/a/w.gz"),
            ("/a/[!x]*", "/a/xy"),
            ("/in/*.gz", "/out/*.gz"),
            ("/a/x?", "/a/x"),
            ("/a/**/x", "/b/x"),
        ] {
            assert!(!overlap(a, b) && !overlap(b, a), "{a} {b}");
        }
        let long = format!("/{}", "*a".repeat(300));
        assert!(!overlap(&long, &format!("{long}b")), "and soon");
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
        std::fs::create_dir(path("out")).unwrap();
        std::os::unix::fs::symlink("out", path("in")).unwrap();
        std::fs::write(path("out/x"), "").unwrap();
        std::os::unix::fs::symlink("out/x", path("link")).unwrap();
        assert!(reads(&path("in/../in/*.gz"), &[path("out/a.gz")]));
        assert!(reads(&path("li*"), &[path("out/x")]) && reads(&path("link"), &[path("o?t/x")]));
        assert!(!reads(&path("li*"), &[path("out/y")]) && !reads(&path("in/*.gz"), &[path("out/*.zst")]));
    }
}
