//! The edits of an object, and how they are made on its text.

use super::super::shape::facts::each_entry;
use super::super::shape::rewrite::{comma, push_content, write_object};
use super::value::{Of, Template};
use crate::event::Span;

/// The most edits within one object.
const MOST: usize = 64;

/// What is to be done with an object's entries, each by its key.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    root: Vec<Node>,
    /// How many values are moved.
    moved: usize,
}

/// What is to be done with one entry.
#[derive(Clone, Debug)]
struct Node {
    key: String,
    /// The key as it is written for a new entry: with its quotes and the colon.
    quoted: String,
    /// Removed, or moved elsewhere.
    removed: bool,
    /// The number of the value that is moved from here.
    moved: Option<usize>,
    becomes: Becomes,
    /// What is to be done with its own entries.
    within: Vec<Node>,
}

/// What an entry becomes.
#[derive(Clone, Debug)]
enum Becomes {
    Itself,
    Value(Template),
    /// The moved value of this number, if the record has it.
    Moved(usize),
}

impl Node {
    fn new(key: &str) -> Self {
        let mut quoted = String::from("\"");
        push_content(&mut quoted, key);
        quoted.push_str("\":");
        let (key, within) = (key.to_owned(), Vec::new());
        Self { key, quoted, removed: false, moved: None, becomes: Becomes::Itself, within }
    }

    /// Whether it makes an entry where there is none.
    fn creates(&self, moved: &[Option<&str>]) -> bool {
        match &self.becomes {
            Becomes::Value(_) => true,
            Becomes::Moved(number) => moved.get(*number).is_some_and(Option::is_some),
            Becomes::Itself => self.within.iter().any(|node| node.creates(moved)),
        }
    }
}

/// The edits while they are collected. An error is a message and a hint.
#[derive(Debug, Default)]
pub struct Plan(Edits);

type Result<T> = std::result::Result<T, (String, String)>;

impl Plan {
    /// Removes a field.
    pub fn remove(&mut self, path: &[String]) -> Result<()> {
        let node = self.node(path)?;
        if node.removed {
            return Err(twice("removed", path));
        }
        node.removed = true;
        Ok(())
    }

    /// Moves a field.
    pub fn rename(&mut self, from: &[String], to: &[String]) -> Result<()> {
        let number = self.0.moved;
        if from == to {
            return Err((format!("`{}` keeps its name", from.join(".")), "remove this line".into()));
        }
        if to.starts_with(from) || from.starts_with(to) {
            let message = format!("`{}` can't move into or out of itself, to `{}`", from.join("."), to.join("."));
            return Err((message, "give it a name beside the object".into()));
        }
        let node = self.node(from)?;
        if node.removed {
            return Err(twice("removed or renamed", from));
        }
        (node.removed, node.moved) = (true, Some(number));
        self.becomes(to, Becomes::Moved(number))?;
        self.0.moved += 1;
        Ok(())
    }

    /// Sets a field.
    pub fn set(&mut self, path: &[String], value: Template) -> Result<()> {
        self.becomes(path, Becomes::Value(value))
    }

    fn becomes(&mut self, path: &[String], becomes: Becomes) -> Result<()> {
        // A value has no entries, so nothing can be put into it or above it.
        let mut nodes = &self.0.root;
        for (depth, key) in path.iter().enumerate() {
            let Some(node) = nodes.iter().find(|node| node.key == *key) else { break };
            let is_last = depth + 1 == path.len();
            if !matches!(node.becomes, Becomes::Itself) || (is_last && node.within.iter().any(Node::has_new)) {
                return Err(twice("set", path));
            }
            nodes = &node.within;
        }
        self.node(path)?.becomes = becomes;
        Ok(())
    }

    fn node(&mut self, path: &[String]) -> Result<&mut Node> {
        let Some((last, parents)) = path.split_last() else {
            return Err(("an empty path".into(), "name a field".into()));
        };
        let mut nodes = &mut self.0.root;
        for key in parents {
            nodes = &mut child(nodes, key)?.within;
        }
        child(nodes, last)
    }

    /// The edits, checked.
    pub fn done(self) -> Edits {
        self.0
    }
}

impl Node {
    fn has_new(&self) -> bool {
        !matches!(self.becomes, Becomes::Itself) || self.within.iter().any(Self::has_new)
    }
}

fn child<'n>(nodes: &'n mut Vec<Node>, key: &str) -> Result<&'n mut Node> {
    let at = match nodes.iter().position(|node| node.key == key) {
        Some(at) => at,
        None if nodes.len() == MOST => {
            let hint = "use a second transform behind this one for the rest";
            return Err((format!("more than {MOST} fields of one object are changed"), hint.into()));
        }
        None => {
            nodes.push(Node::new(key));
            nodes.len() - 1
        }
    };
    nodes.get_mut(at).ok_or_else(|| ("a field is missing".into(), "please report this".into()))
}

fn twice(word: &str, path: &[String]) -> (String, String) {
    let path = path.join(".");
    (format!("`{path}`, or a field in it or around it, is {word} twice"), "keep one of them".into())
}

impl Edits {
    /// Appends the edited record. The error says why it can't be edited.
    pub fn apply(&self, record: &str, organization: Of<'_>, out: &mut String) -> std::result::Result<(), String> {
        let mut moved = vec![None; self.moved];
        if self.moved > 0 {
            find_moved(record, &self.root, &mut moved);
        }
        Edit { moved: &moved, organization }.object(record, &self.root, out)
    }
}

fn find_moved<'a>(json: &'a str, nodes: &[Node], moved: &mut [Option<&'a str>]) {
    each_entry(json, |key, value| {
        let Some(node) = nodes.iter().find(|node| node.key == key) else { return };
        if let Some(slot) = node.moved.and_then(|number| moved.get_mut(number)) {
            slot.get_or_insert(value);
        }
        if !node.within.is_empty() {
            find_moved(value, &node.within, moved);
        }
    });
}

/// Neighbours that stay as they are: they are copied at once, with what is between them.
#[derive(Default)]
struct Run(Option<(usize, usize)>);

impl Run {
    /// Adds the next entry of an object's text.
    fn extend(&mut self, json: &str, raw: &str) {
        let at = Span::of(json, raw);
        let start = self.0.map_or(at.start as usize, |(start, _)| start);
        self.0 = Some((start, at.end as usize));
    }

    /// Appends them, because the next entry doesn't stay.
    fn flush(&mut self, json: &str, out: &mut String) {
        if let Some((start, end)) = self.0.take() {
            comma(out);
            out.push_str(json.get(start..end).unwrap_or_default());
        }
    }
}

/// The edit of one record.
struct Edit<'e> {
    moved: &'e [Option<&'e str>],
    organization: Of<'e>,
}

impl Edit<'_> {
    fn object(&self, json: &str, nodes: &[Node], out: &mut String) -> std::result::Result<(), String> {
        // One bit for each node that the object has.
        let (mut seen, mut failed, mut run) = (0_u64, None, Run::default());
        out.push('{');
        let written = write_object(json, out, |first, part, out| {
            if first {
                (seen, failed, run) = (0, None, Run::default());
            }
            let Some(number) = nodes.iter().position(|node| node.key == part.key) else {
                return run.extend(json, part.raw);
            };
            run.flush(json, out);
            let (node, bit) = (&nodes[number], 1_u64 << number);
            let again = seen & bit != 0;
            seen |= bit;
            match &node.becomes {
                Becomes::Itself if node.removed => seen &= !bit,
                Becomes::Itself if node.within.is_empty() => run.extend(json, part.raw),
                Becomes::Itself => {
                    let is_object = part.value.starts_with('{');
                    if !is_object && node.creates(self.moved) {
                        if part.value == "null" {
                            seen &= !bit;
                        } else {
                            failed = Some(format!("`{}` isn't an object, so nothing can be set in it", node.key));
                        }
                        return;
                    }
                    comma(out);
                    if is_object {
                        out.push_str(part.key_and_colon());
                        if let Err(reason) = self.object(part.value, &node.within, out) {
                            failed = Some(reason);
                        }
                    } else {
                        // What isn't there can't be removed from it.
                        out.push_str(part.raw);
                    }
                }
                // The first of several keeps its place.
                Becomes::Value(_) | Becomes::Moved(_) if again => {}
                Becomes::Moved(number) if !self.moved.get(*number).is_some_and(Option::is_some) => {
                    if !node.removed {
                        comma(out);
                        out.push_str(part.raw);
                    }
                }
                becomes => {
                    comma(out);
                    out.push_str(part.key_and_colon());
                    self.value(becomes, out);
                }
            }
        });
        if written.is_none() {
            return Err("the record isn't a JSON object".into());
        }
        if let Some(reason) = failed {
            return Err(reason);
        }
        run.flush(json, out);
        self.missing(nodes, seen, out);
        out.push('}');
        Ok(())
    }

    /// Appends the entries that the object doesn't have.
    fn missing(&self, nodes: &[Node], seen: u64, out: &mut String) {
        for (number, node) in nodes.iter().enumerate() {
            if seen & (1_u64 << number) != 0 || !node.creates(self.moved) {
                continue;
            }
            comma(out);
            out.push_str(&node.quoted);
            if matches!(node.becomes, Becomes::Itself) {
                out.push('{');
                self.missing(&node.within, 0, out);
                out.push('}');
            } else {
                self.value(&node.becomes, out);
            }
        }
    }

    fn value(&self, becomes: &Becomes, out: &mut String) {
        match becomes {
            Becomes::Value(template) => template.write(self.organization, out),
            Becomes::Moved(number) => out.push_str(self.moved.get(*number).copied().flatten().unwrap_or("null")),
            Becomes::Itself => {}
        }
    }
}
