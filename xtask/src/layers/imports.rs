//! The paths that a file of `src` uses.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

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
        let modules: Vec<String> = folder.split('/').map(str::to_owned).collect();
        let name = self.segments.strip_prefix(modules.as_slice())?.first()?;
        let is_file = |name: &str| {
            files.contains_key(&format!("{folder}/{name}.rs")) || files.contains_key(&format!("{folder}/{name}/mod.rs"))
        };
        if is_file(name) {
            return Some((from.to_owned(), name.clone()));
        }
        let root = format!("{folder}/mod.rs");
        let handed_on = imports(&root, files.get(&root)?).into_iter().find_map(|import| {
            let inside = import.segments.strip_prefix(modules.as_slice())?;
            (inside.len() > 1 && inside.last() == Some(name) && is_file(&inside[0])).then(|| inside[0].clone())
        });
        Some((from.to_owned(), handed_on.unwrap_or_else(|| "mod".to_owned())))
    }
}

/// Returns the paths that a file uses outside of comments, tests and fuzz targets.
pub fn imports(file: &str, text: &str) -> Vec<Import> {
    let is_test = |part: &str| matches!(part, "tests" | "tests.rs" | "testing.rs" | "fuzz" | "fuzz.rs");
    let mut found = BTreeSet::new();
    if !file.split('/').any(is_test) {
        let module: Vec<_> =
            file.trim_end_matches(".rs").trim_end_matches("/mod").split('/').map(str::to_owned).collect();
        // What can't be split into tokens doesn't compile either.
        search(text.parse().unwrap_or_default(), &module, &mut found);
    }
    found.into_iter().map(|segments| Import { file: file.to_owned(), segments }).collect()
}

/// Collects the paths in the code of a module, but for what stands below `#[cfg(test)]`.
fn search(code: TokenStream, module: &[String], found: &mut BTreeSet<Vec<String>>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let word = |at: usize| match tokens.get(at) {
        Some(token @ (TokenTree::Ident(_) | TokenTree::Punct(_))) => token.to_string(),
        _ => String::new(),
    };
    let is_child =
        |name: &str| (0..tokens.len()).any(|at| word(at) == "mod" && word(at + 1) == name && word(at + 2) == ";");
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let before = at.checked_sub(1).map(word).unwrap_or_default();
        match token {
            TokenTree::Group(group) if before == "#" && group.stream().to_string().replace(' ', "") == "cfg(test)" => {
                let ends = |token: &TokenTree| is(token, ';') || is_braced(token);
                at += tokens[at..].iter().position(ends).unwrap_or(tokens.len());
            }
            TokenTree::Group(group) => search(group.stream(), module, found),
            TokenTree::Ident(name) => {
                let begins = match name.to_string().as_str() {
                    // `pub(in crate::…)` uses nothing.
                    "crate" | "super" | "self" => {
                        word(at + 1) + &word(at + 2) == "::" && ![":", "$", "in"].contains(&&*before)
                    }
                    // In `mod.rs`, a path can begin with a child's name.
                    name => before == "use" && is_child(name),
                };
                if begins {
                    paths(&tokens[at..], module, found);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

fn is(token: &TokenTree, sign: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign)
}

fn is_braced(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
}

/// Collects the paths of a `use` tree that begins in the module `base`.
fn paths(tokens: &[TokenTree], base: &[String], found: &mut BTreeSet<Vec<String>>) {
    match tokens {
        [TokenTree::Group(group), ..] => {
            let inner: Vec<_> = group.stream().into_iter().collect();
            inner.split(|token| is(token, ',')).for_each(|tree| paths(tree, base, found));
        }
        [TokenTree::Ident(name), rest @ ..] => {
            let mut whole = base.to_vec();
            match name.to_string().as_str() {
                "crate" => whole.clear(),
                "super" => _ = whole.pop(),
                "self" => {}
                name => whole.push(name.to_owned()),
            }
            match rest {
                [one, two, further @ ..]
                    if is(one, ':')
                        && is(two, ':')
                        && further
                            .first()
                            .is_some_and(|next| matches!(next, TokenTree::Ident(_)) || is_braced(next)) =>
                {
                    paths(further, &whole, found);
                }
                _ => _ = found.insert(whole),
            }
        }
        _ => {}
    }
}
