//! From patterns to files, in a fixed order.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use nordpass_env::Disk;

/// Folders below `**` that are looked into: far more than anybody nests, and an end in any case.
const DEPTH: usize = 64;

/// How names match patterns.
pub const OPTIONS: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What is wrong with a pattern; `None` if nothing is.
pub fn problem(pattern: &str) -> Option<String> {
    if pattern.is_empty() {
        return Some("the path is empty".to_owned());
    }
    Pattern::new(pattern).err().map(|error| format!("this isn't a valid pattern: {}", error.msg))
}

/// The files that match any of the patterns, sorted, each once.
pub async fn expand(disk: &dyn Disk, patterns: &[String]) -> io::Result<Vec<String>> {
    let mut files = BTreeSet::new();
    for pattern in patterns {
        // A file of exactly this name, whatever characters it has.
        if is_wild(pattern) && disk.len(Path::new(pattern)).await.is_ok_and(|len| len.is_some()) {
            files.insert(pattern.clone());
            continue;
        }
        files.extend(matches(disk, pattern).await?);
    }
    Ok(files.into_iter().collect())
}

fn is_wild(part: &str) -> bool {
    part.contains(['*', '?', '['])
}

async fn matches(disk: &dyn Disk, pattern: &str) -> io::Result<Vec<String>> {
    let mut dirs: Vec<PathBuf> = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
    let mut parts: Vec<&str> = pattern.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let Some(name) = parts.pop() else { return Ok(Vec::new()) };
    for part in parts {
        let mut next = Vec::new();
        for dir in dirs {
            if part == "**" {
                below(disk, dir, &mut next).await?;
            } else if is_wild(part) {
                let names = disk.list_dirs(here(&dir)).await?;
                next.extend(names.iter().filter(|name| fits(part, name)).map(|name| dir.join(name)));
            } else {
                next.push(dir.join(part));
            }
        }
        dirs = next;
    }
    let mut files = Vec::new();
    for dir in dirs {
        if is_wild(name) {
            let names = disk.list_with_links(here(&dir)).await?;
            files.extend(names.iter().filter(|found| fits(name, found)).map(|found| dir.join(found)));
        } else if disk.len(&dir.join(name)).await?.is_some() {
            files.push(dir.join(name));
        }
    }
    Ok(files.into_iter().map(|path| path.to_string_lossy().into_owned()).collect())
}

/// `dir` and all folders below it.
async fn below(disk: &dyn Disk, dir: PathBuf, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut open = vec![(dir, 0)];
    while let Some((dir, depth)) = open.pop() {
        if depth < DEPTH {
            let names = disk.list_dirs(here(&dir)).await?;
            open.extend(names.iter().filter(|name| !name.starts_with('.')).map(|name| (dir.join(name), depth + 1)));
        }
        found.push(dir);
    }
    Ok(())
}

fn fits(pattern: &str, name: &str) -> bool {
    Pattern::new(pattern).is_ok_and(|pattern| pattern.matches_with(name, OPTIONS))
}

/// A folder in a spelling that can be opened.
fn here(dir: &Path) -> &Path {
    if dir.as_os_str().is_empty() { Path::new(".") } else { dir }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nordpass_env::{MemoryDisk, SystemDisk};

    const FILES: [&str; 6] = [
        "a/2025-01-02/x.gz",
        "a/2025-01-01/x.gz",
        "a/2025-01-01/y.gz",
        "a/2025-01-01/.hidden.gz",
        "top.ndjson",
        "a[1].ndjson",
    ];

    async fn expanded(disk: &dyn Disk, root: &str, patterns: &[&str]) -> Vec<String> {
        let patterns: Vec<String> = patterns.iter().map(|pattern| format!("{root}{pattern}")).collect();
        let files = expand(disk, &patterns).await.unwrap();
        files.into_iter().map(|file| file[root.len()..].to_owned()).collect()
    }

    #[tokio::test]
    async fn sorted_and_each_once() {
        let memory = MemoryDisk::new();
        let folder = tempfile::tempdir().unwrap();
        for file in FILES {
            memory.put(file, b"x".to_vec());
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, b"x").unwrap();
        }
        let root = format!("{}/", folder.path().display());
        let disks: [(&dyn Disk, &str); 2] = [(&memory, ""), (&SystemDisk, &root)];
        for (disk, root) in disks {
            let all = ["a/2025-01-01/x.gz", "a/2025-01-01/y.gz", "a/2025-01-02/x.gz"];
            assert_eq!(expanded(disk, root, &["a/*/*.gz", "a/2025-01-02/x.gz"]).await, all);
            assert_eq!(expanded(disk, root, &["**/[xy].gz"]).await, all);
            assert_eq!(expanded(disk, root, &["a/2025-01-0?/x.gz"]).await, [all[0], all[2]]);
            assert_eq!(expanded(disk, root, &["./top.ndjson"]).await.len(), 1);
            assert_eq!(expanded(disk, root, &["*.ndjson"]).await, ["a[1].ndjson", "top.ndjson"]);
            assert_eq!(expanded(disk, root, &["a[1].ndjson"]).await, ["a[1].ndjson"]);
            assert_eq!(expanded(disk, root, &["none/*", "nothing"]).await, [""; 0]);
        }
    }

    #[test]
    fn problems() {
        assert!(problem("a[").unwrap().contains("isn't a valid pattern"));
        assert!(problem("").is_some() && problem("a/**/*.gz").is_none());
    }
}
