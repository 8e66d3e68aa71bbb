//! The paths that a file of `src` uses.

use std::collections::BTreeMap;

/// One path that a file uses, from the crate's root on.
#[derive(Debug)]
pub struct Import {
    /// The file that uses it, as its path in `src`.
    pub file: String,
    segments: Vec<String>,
}

impl Import {
    /// Returns the folder of `src` that the file is in.
    pub fn user_layer(&self) -> &str {
        self.file.split('/').next().unwrap_or_default()
    }

    /// Returns the folder of `src` that is used.
    pub fn to_layer(&self) -> &str {
        self.segments.first().map_or("", String::as_str)
    }

    /// Returns what is used, as it would be written behind `crate::`.
    pub fn path(&self) -> String {
        self.segments.join("::")
    }

    /// Returns the two files of a folder that this connects, if it does: a name that the folder's `mod.rs` hands on
    /// belongs to the file that it comes from.
    pub fn files_of(&self, folder: &str, files: &BTreeMap<String, String>) -> Option<(String, String)> {
        let own = self.file.strip_prefix(folder)?.strip_prefix('/')?;
        let from = own.split('/').next()?.trim_end_matches(".rs");
        let modules: Vec<&str> = folder.split('/').collect();
        let rest =
            self.segments.strip_prefix(modules.iter().map(ToString::to_string).collect::<Vec<_>>().as_slice())?;
        let name = rest.first()?;
        let is_file = |name: &str| {
            files.contains_key(&format!("{folder}/{name}.rs")) || files.contains_key(&format!("{folder}/{name}/mod.rs"))
        };
        if is_file(name) {
            return Some((from.to_owned(), name.clone()));
        }
        let root = format!("{folder}/mod.rs");
        let handed_on = imports(&root, files.get(&root)?).into_iter().find_map(|import| {
            let inside = import.segments.strip_prefix(&self.segments[..modules.len()])?;
            (inside.len() > 1 && inside.last() == Some(name) && is_file(&inside[0])).then(|| inside[0].clone())
        });
        Some((from.to_owned(), handed_on.unwrap_or_else(|| "mod".to_owned())))
    }
}

/// Returns the paths that a file uses outside of comments and tests.
pub fn imports(file: &str, text: &str) -> Vec<Import> {
    let is_test = |part: &str| matches!(part, "tests" | "tests.rs" | "testing.rs" | "conformance.rs" | "golden.rs");
    if file.split('/').any(is_test) {
        return Vec::new();
    }
    let code = code_of(text);
    let module = module_of(file);
    let mut found = Vec::new();
    for (root, depth) in [("crate::", None), ("super::", Some(1)), ("self::", Some(0))] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            let part_of_a_name = before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':' || c == '$');
            // `pub(in crate::…)` uses nothing.
            if part_of_a_name || code[..at].ends_with("(in ") {
                continue;
            }
            let mut base = match depth {
                None => Vec::new(),
                Some(up) => module[..module.len().saturating_sub(up)].to_vec(),
            };
            let mut rest = &code[at + root.len()..];
            while let Some(further) = rest.strip_prefix("super::") {
                base.pop();
                rest = further;
            }
            paths(rest, &base, &mut found);
        }
    }
    // In `mod.rs`, a path can begin with a child's name.
    for (at, _) in code.match_indices("use ") {
        let rest = &code[at + 4..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if code.contains(&format!("mod {name};")) {
            paths(rest, &module, &mut found);
        }
    }
    found.sort();
    found.dedup();
    found.into_iter().map(|segments| Import { file: file.to_owned(), segments }).collect()
}

/// Collects the paths of a `use` tree.
fn paths(text: &str, base: &[String], found: &mut Vec<Vec<String>>) {
    let name: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let rest = &text[name.len()..];
    if let Some(inner) = text.strip_prefix('{') {
        let mut depth = 0;
        let mut start = 0;
        for (at, c) in inner.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth > 0 => depth -= 1,
                ',' | '}' if depth == 0 => {
                    let item = inner[start..at].trim();
                    if !item.is_empty() {
                        paths(item, base, found);
                    }
                    start = at + 1;
                    if c == '}' {
                        return;
                    }
                }
                _ => {}
            }
        }
        return;
    }
    let mut whole = base.to_vec();
    if !name.is_empty() && name != "self" {
        whole.push(name);
    }
    match rest.strip_prefix("::") {
        Some(further) if further.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '{') => {
            paths(further, &whole, found);
        }
        _ => found.push(whole),
    }
}

/// The module that a file holds, from the crate's root on.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs").trim_end_matches("/mod");
    path.split('/').map(ToOwned::to_owned).collect()
}

/// The text without comments, and without what stands below `#[cfg(test)]`.
fn code_of(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("#[cfg(test)]") {
            let indent = line.len() - line.trim_start().len();
            let mut item = lines.next().unwrap_or_default();
            while item.trim_start().starts_with("#[") {
                item = lines.next().unwrap_or_default();
            }
            if !item.trim_end().ends_with([';', '}']) {
                let end = format!("{}}}", " ".repeat(indent));
                lines.by_ref().take_while(|line| !line.starts_with(&end)).for_each(drop);
            }
            continue;
        }
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}
