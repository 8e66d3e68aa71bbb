//! The path template: decides which file a record belongs to.
//!
//! Values from events are made safe before they become part of a path: an organization named `../../etc/cron.d` is an
//! attack, not a folder. Different values always give different names, even on file systems that ignore case.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use glob::Pattern;
use jiff::Timestamp;
use jiff::tz::Offset;

use crate::event::{Organization, OrganizationField, Record};

const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
/// Maximum characters of a value that stay readable in a name.
const VALUE_CHARS: usize = 64;

/// A parsed `path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Date,
    Hour,
    Organization,
    /// What the organizations file says of the organization.
    Listed(OrganizationField),
}

/// What is wrong with a template, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Decides a record's file: records with equal keys go to the same file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The first second of its day or hour; 0 if the path has neither.
    period: i64,
    organization: Option<Arc<str>>,
    listed: Listed,
}

/// An organization of the organizations file, if the path depends on it. Compared by its place in memory: an entry that has
/// changed is another one.
#[derive(Clone, Debug, Default)]
struct Listed(Option<Arc<Organization>>);

impl Listed {
    fn place(&self) -> Option<*const Organization> {
        self.0.as_ref().map(Arc::as_ptr)
    }
}

impl PartialEq for Listed {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for Listed {}

impl Hash for Listed {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}

/// Represents all dates past the bound.
const OTHER: i64 = i64::MIN;

impl Key {
    /// Its date in days since 1970; `None` if the path has none.
    pub fn day(&self) -> Option<i64> {
        (self.period != 0).then(|| self.period.div_euclid(DAY))
    }

    /// The same key with the shared date and hour `other`.
    pub fn of_other_dates(self) -> Self {
        Self { period: OTHER, ..self }
    }
}

/// Maximum dates with their own names. Events choose their dates, and each costs a folder or a blob. Real ones span a few
/// months.
pub const MOST_DATES: usize = 1_000;

/// The days seen so far.
#[derive(Debug, Default)]
pub struct Dates(HashSet<i64>);

impl Dates {
    /// Maps dates past the bound to a shared one.
    pub fn bounded(&mut self, key: Key) -> Key {
        match key.day() {
            Some(day) if !self.0.contains(&day) => {
                if self.0.len() >= MOST_DATES {
                    return key.of_other_dates();
                }
                self.0.insert(day);
                key
            }
            _ => key,
        }
    }
}

impl Template {
    /// Parses a `path`.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let problem = |message: String, hint: &str| Problem { message, hint: hint.to_owned() };
        if text.is_empty() || text.ends_with('/') || text.contains('\0') {
            return Err(problem(
                "the path must name a file".to_owned(),
                "for example archive/{date}/{organization}.ndjson.gz",
            ));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (literal, braced) = rest.split_at(at);
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let name = braced.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let Some((name, after)) = name else {
                return Err(problem(
                    format!("the path has an unmatched {}", &braced[..1]),
                    "write placeholders as {date}, {hour} or {organization}",
                ));
            };
            parts.push(match name {
                "date" => Part::Date,
                "hour" => Part::Hour,
                "organization" => Part::Organization,
                name if OrganizationField::parse(name).is_some() => {
                    Part::Listed(OrganizationField::parse(name).unwrap_or(OrganizationField::Name))
                }
                name if name.starts_with("organization.") => {
                    return Err(problem(
                        "the path has an unknown placeholder for organizations".to_owned(),
                        "use {organization.name} or {organization.labels.KEY}",
                    ));
                }
                _ => {
                    return Err(problem(
                        "the path has an unknown placeholder".to_owned(),
                        "use {date}, {hour} or {organization}",
                    ));
                }
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// A substitute for a template that couldn't be parsed, until the errors are shown.
    pub fn placeholder() -> Self {
        Self { text: String::new(), parts: Vec::new() }
    }

    /// As it is in the pipeline file.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Which file a record belongs to, and where it comes from an organization of the organizations file, this one. Costs no
    /// allocation.
    pub fn key(&self, record: &Record, listed: Option<&Arc<Organization>>) -> Key {
        let period = if self.parts.contains(&Part::Hour) {
            record.time.div_euclid(HOUR) * HOUR
        } else if self.parts.contains(&Part::Date) {
            record.time.div_euclid(DAY) * DAY
        } else {
            0
        };
        let organization = self.parts.contains(&Part::Organization).then(|| record.organization.clone());
        let needs_listed = self.parts.iter().any(|part| matches!(part, Part::Listed(_)));
        Key { period, organization, listed: Listed(listed.filter(|_| needs_listed).cloned()) }
    }

    /// The path for a key.
    pub fn render(&self, key: &Key) -> String {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => path.push_str(text),
                Part::Date | Part::Hour if key.period == OTHER => path.push_str("other"),
                Part::Date => path.push_str(&time_of(key.period).strftime("%Y-%m-%d").to_string()),
                Part::Hour => path.push_str(&time_of(key.period).strftime("%H").to_string()),
                Part::Organization => path.push_str(&safe(key.organization.as_deref().unwrap_or_default())),
                Part::Listed(field) => path.push_str(&safe(field.of(key.listed.0.as_deref()))),
            }
        }
        path
    }

    /// The file, if it is the same for every record.
    pub fn fixed_path(&self) -> Option<&Path> {
        match self.parts.as_slice() {
            [Part::Literal(text)] => Some(Path::new(text)),
            _ => None,
        }
    }

    /// Glob patterns of all paths that it makes, including those of a series.
    pub fn patterns(&self) -> Vec<String> {
        let of = |part: &Part| match part {
            Part::Literal(text) => Pattern::escape(text),
            Part::Date => "????-??-??".to_owned(),
            Part::Hour => "??".to_owned(),
            Part::Organization | Part::Listed(_) => "*".to_owned(),
        };
        let pattern: String = self.parts.iter().map(of).collect();
        let (stem, ending) = split_ending(&pattern);
        let series = format!("{stem}.*{ending}");
        vec![pattern, series]
    }

    /// The folder that doesn't depend on any record.
    pub fn root(&self) -> PathBuf {
        let fixed = match self.parts.first() {
            Some(Part::Literal(text)) => text.as_str(),
            _ => "",
        };
        let folder = fixed.rfind('/').map_or(".", |at| &fixed[..at.max(1)]);
        PathBuf::from(folder)
    }

    /// The template normalized: absolute, without `.` and `..`. Equal for two templates that mean the same files.
    pub fn exclusive_resource(&self) -> String {
        let absolute = std::path::absolute(&self.text).unwrap_or_else(|_| PathBuf::from(&self.text));
        let mut clean = PathBuf::new();
        for part in absolute.components() {
            match part {
                std::path::Component::ParentDir => {
                    clean.pop();
                }
                std::path::Component::CurDir => {}
                other => clean.push(other),
            }
        }
        clean.to_string_lossy().into_owned()
    }
}

fn time_of(second: i64) -> jiff::civil::DateTime {
    let time = Timestamp::from_second(second).unwrap_or(Timestamp::MAX);
    Offset::UTC.to_datetime(time)
}

/// Makes a value safe for a file name. Keeps lower-case letters, digits and `-` (so a UUID doesn't change), replaces
/// everything else by `_`, and then appends a hash of the whole value, so that no two values share a name.
fn safe(value: &str) -> String {
    let keeps = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if value.is_empty() {
        return "_none".to_owned();
    }
    if value.len() <= VALUE_CHARS && value.chars().all(keeps) && !value.starts_with('-') {
        return value.to_owned();
    }
    let readable: String = value
        .chars()
        .take(VALUE_CHARS)
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if keeps(c) { c } else { '_' })
        .collect();
    format!("_{}-{}", readable.trim_matches(['-', '_']), &blake3::hash(value.as_bytes()).to_hex()[..16])
}

/// A path of a series: `events.ndjson.gz`, then `events.1.ndjson.gz` once the first has its size.
pub fn numbered(path: &str, number: u32) -> String {
    if number == 0 {
        return path.to_owned();
    }
    let (stem, ending) = split_ending(path);
    format!("{stem}.{number}{ending}")
}

/// The number of a file in the series of `path`, both given without a folder; `None` if it isn't in the series.
pub fn number_of(name: &str, path: &str) -> Option<u32> {
    if name == path {
        return Some(0);
    }
    let (stem, ending) = split_ending(path);
    let digits = name.strip_prefix(stem)?.strip_suffix(ending)?.strip_prefix('.')?;
    if digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

/// `a/b.ndjson.gz` is `a/b` and `.ndjson.gz`.
pub fn split_ending(path: &str) -> (&str, &str) {
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    let packed = path.strip_suffix(".gz").or_else(|| path.strip_suffix(".zst")).unwrap_or(path);
    let at = match packed[name_at..].rfind('.') {
        Some(dot) if dot > 0 => name_at + dot,
        _ => packed.len(),
    };
    path.split_at(at)
}

/// The folder of a path, in a spelling that can be opened.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventId, Span};

    fn record(time: i64, organization: &str) -> Record {
        Record { id: EventId(0), time, organization: organization.into(), body: Span::default() }
    }

    #[test]
    fn what_the_organizations_file_says_is_a_part_of_the_path() {
        let labels = vec![("tenant".to_owned(), "../T".to_owned())];
        let acme = Arc::new(Organization { name: "acme".into(), labels, ..Organization::default() });
        let template = Template::parse("a/{organization.name}/{organization.labels.tenant}/{date}.ndjson").unwrap();
        let key = |listed| template.key(&record(0, "uuid"), listed);
        let path = template.render(&key(Some(&acme)));
        assert!(path.starts_with("a/acme/_t-") && path.matches('/').count() == 3 && !path.contains(".."), "{path}");
        assert_eq!(template.render(&key(None)), "a/_none/_none/1970-01-01.ndjson");
        let same = acme.clone();
        assert_eq!(key(Some(&acme)), key(Some(&same)));
        let other = Arc::new(Organization { name: "beta".into(), ..Organization::default() });
        assert_ne!(key(Some(&acme)), key(Some(&other)));
        for wrong in ["{organization.id}", "{organization.labels.}", "{organization.token}"] {
            let problem = Template::parse(wrong).unwrap_err();
            assert!(problem.hint.contains("organization.labels.KEY"), "{wrong}");
        }
    }

    fn path(template: &str, time: i64, organization: &str) -> String {
        let template = Template::parse(template).unwrap();
        template.render(&template.key(&record(time, organization), None))
    }

    const UUID: &str = "0f8fad5b-d9cb-469f-a165-70867728950e";

    #[test]
    fn dates_and_hours_are_utc() {
        let template = "archive/{date}/{hour}-{organization}.ndjson.gz";
        assert_eq!(path(template, 1_738_255_186, UUID), format!("archive/2025-01-30/16-{UUID}.ndjson.gz"));
        assert_eq!(path("{date}.ndjson", 1_738_281_599, ""), "2025-01-30.ndjson");
        assert_eq!(path("{date}.ndjson", 1_738_281_600, ""), "2025-01-31.ndjson");
        assert_eq!(path("{hour}.ndjson", 1_738_281_600, ""), "00.ndjson");
        assert_eq!(path("{date}.ndjson", i64::MAX, ""), "9999-12-30.ndjson");
        assert_eq!(path("all.ndjson", 5, "x"), "all.ndjson");
    }

    #[test]
    fn one_key_for_one_file() {
        let template = Template::parse("{date}/{organization}").unwrap();
        assert_eq!(template.key(&record(86_400, "a"), None), template.key(&record(100_000, "a"), None));
        assert_ne!(template.key(&record(86_400, "a"), None), template.key(&record(86_399, "a"), None));
        assert_ne!(template.key(&record(86_400, "a"), None), template.key(&record(86_400, "b"), None));
    }

    #[test]
    fn values_are_safe_and_stay_apart() {
        let long = "x".repeat(10_000);
        let values = [
            "",
            "..",
            ".",
            "../../etc",
            "/etc/passwd",
            "a/b",
            "a\\b",
            "a_b",
            "a.1",
            "A",
            "a",
            "-rf",
            "_none",
            "a\0b",
            "ünï",
            "社",
            &long,
            &long[1..],
            " ",
            "a ",
            "{date}",
            "con:",
        ];
        let mut seen = std::collections::HashSet::new();
        for value in values {
            let name = safe(value);
            assert!(name.len() <= 100 && !name.starts_with('-'), "{value:?} -> {name:?}");
            assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c)), "{name:?}");
            assert!(seen.insert(name.clone()), "{value:?} shares {name:?}");
        }
        assert_eq!(safe(UUID), UUID);
    }

    #[test]
    fn wrong_templates() {
        for (template, part) in [
            ("a/{day}.gz", "unknown placeholder"),
            ("a/{date.gz", "unmatched {"),
            ("a/date}.gz", "unmatched }"),
            ("", "name a file"),
            ("a/", "name a file"),
            ("{}", "unknown placeholder"),
        ] {
            let problem = Template::parse(template).unwrap_err();
            assert!(problem.message.contains(part), "{template}: {}", problem.message);
        }
    }

    #[test]
    fn series() {
        assert_eq!(numbered("a.b/x.ndjson.gz", 2), "a.b/x.2.ndjson.gz");
        assert_eq!(numbered("a.b/x", 1), "a.b/x.1");
        assert_eq!(numbered("x.gz", 1), "x.1.gz");
        assert_eq!(numbered("x.json", 0), "x.json");
        assert_eq!(numbered(".hidden", 1), ".hidden.1");
        assert_eq!(number_of("x.12.ndjson.gz", "x.ndjson.gz"), Some(12));
        assert_eq!(number_of("x.ndjson.gz", "x.ndjson.gz"), Some(0));
        for other in
            ["x.012.ndjson.gz", "x.a.ndjson.gz", "y.1.ndjson.gz", "x.1.ndjson", "x..ndjson.gz", "x.-1.ndjson.gz"]
        {
            assert_eq!(number_of(other, "x.ndjson.gz"), None, "{other}");
        }
    }

    #[test]
    fn roots_and_claims() {
        let template = |text: &str| Template::parse(text).unwrap();
        assert_eq!(template("archive/x-{date}/a").root(), Path::new("archive"));
        assert_eq!(template("/archive/a").root(), Path::new("/archive"));
        assert_eq!(template("/a").root(), Path::new("/"));
        assert_eq!(template("{date}").root(), Path::new("."));
        assert_eq!(template("./a//b/../{date}").exclusive_resource(), template("a/{date}").exclusive_resource());
        assert_ne!(template("a/{date}").exclusive_resource(), template("b/{date}").exclusive_resource());
    }
}
