//! The sink's table in a pipeline file.

use std::time::Duration;

use super::name;
use crate::azure::blob::{check_container, escaped};
use crate::azure::{self, CredentialSettings};
use crate::http::HttpSettings;
use crate::settings::{Field, Kind, Section, http_fields, read_http};
use crate::sinks::file::encode::Format;
use crate::sinks::file::template::{Problem, Template};

pub(super) static FIELDS: &[Field] = &[
    Field::required("account", Kind::Text)
        .doc("The storage account's blob endpoint, such as `https://ACCOUNT.blob.core.windows.net`, of any cloud."),
    Field::required("container", Kind::Text)
        .doc("The container. It has to exist: who makes it decides about its redundancy, immutability and life cycle."),
    Field::required("path", Kind::Text).doc(
        "The blob's name, such as `{date}/{organization}/{hour}.ndjson.gz`. `{date}` and `{hour}` are the record's UTC date and \
         hour; `{organization}` is its organization, made safe for a name; so are \
         `{organization.name}` and `{organization.labels.KEY}` of the organizations file. A part that is unique to each blob is put before the \
         endings. The ending `.gz` or `.zst` enables compression.",
    ),
    Field::optional("compression_level", Kind::Integer { min: 0, max: 19 })
        .doc("0 to 9 for `.gz` (default 4), 1 to 19 for `.zst` (default 3)."),
    Field::optional("access_tier", Kind::Choice(&["hot", "cool", "cold", "archive"])).doc(
        "The access tier of new blobs; the account's default otherwise. `archive` can't be read without rehydration, which takes \
         hours.",
    ),
    Field::optional("tags", Kind::Map).doc(
        "Index tags of new blobs, at most ten, by which life-cycle rules and queries select blobs. They need the role Storage \
         Blob Data Owner.",
    ),
    Field::required("credential", Kind::Table(azure::FIELDS))
        .doc("The identity to use. It needs the role Storage Blob Data Contributor on the container."),
    Field::optional("batch", Kind::Table(BATCH_FIELDS)).doc("When the open blobs of a source are written."),
    http_fields::REQUEST_TIMEOUT,
    http_fields::PROXY,
    http_fields::TLS,
];

static BATCH_FIELDS: &[Field] = &[
    Field::with_default("max_bytes", Kind::Size { min: 1, max: 64 << 20 }, "16000000")
        .doc("JSON bytes of a source, before compression, after which its open blobs are written."),
    Field::with_default("timeout", Kind::Duration { min: "1s", max: "30m" }, "5m").doc(
        "How long an open blob waits for more records. They are acknowledged once it is written, and the state waits for that: \
         after a crash, the source's other sinks get at most this time's records again.",
    ),
];

/// Azure's limits of index tags.
/// Source: <https://learn.microsoft.com/azure/storage/blobs/storage-manage-find-blobs>
const MOST_TAGS: usize = 10;
const LONGEST_TAG_NAME: usize = 128;
const LONGEST_TAG_VALUE: usize = 256;

/// Checked settings.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The account's blob endpoint, without a slash at its end.
    pub(super) account: String,
    /// The container.
    pub(super) container: String,
    /// The names of blobs.
    pub(super) template: Template,
    /// Plain, gzip or zstd.
    pub(super) format: Format,
    /// Of the compression.
    pub(super) level: u32,
    /// Azure's word for the access tier.
    pub(super) tier: Option<String>,
    /// The index tags as a query string.
    pub(super) tags: String,
    /// The names in `inputs`.
    pub(super) inputs: Vec<String>,
    pub(super) credential: CredentialSettings,
    /// JSON bytes of a source before compression.
    pub(super) max_bytes: usize,
    pub(super) timeout: Duration,
    pub(super) http: HttpSettings,
}

impl Settings {
    /// Reads the component's table, given the names in its `inputs`.
    pub fn read(section: &mut Section, inputs: &[String]) -> Self {
        let account = section.url("account").trim_end_matches('/').to_owned();
        if account.contains(['?', '#']) {
            let hint = "take everything from the `?` on out; a shared access signature would show up in logs: use `credential`";
            section.error("account", "this isn't the address of an account: it has a query", hint);
        }
        let container = section.text("container");
        if section.has("container")
            && let Err((message, hint)) = check_container(&container)
        {
            section.error("container", message, hint);
        }
        let path = section.text("path");
        let template = Template::parse(&path).and_then(|template| name::check(&path).map(|()| template));
        let template = template.unwrap_or_else(|Problem { message, hint }| {
            if section.has("path") {
                section.error("path", message, hint);
            }
            Template::placeholder()
        });
        let format = Format::of(&path);
        let level = format.read_level(section);
        let tier = section.optional_text("access_tier").map(|tier| tier_name(&tier).to_owned());
        let tags = tags(section);
        let credential = CredentialSettings::read(&mut section.table("credential"));
        let mut batch = section.table("batch");
        let max_bytes = usize::try_from(batch.integer("max_bytes")).unwrap_or(usize::MAX);
        let timeout = batch.duration("timeout");
        // Answers are short, but for the container's list.
        let http = HttpSettings { max_body_bytes: 1 << 20, ..read_http(section, Duration::from_secs(30)) };
        let inputs = inputs.to_vec();
        Self { account, container, template, format, level, tier, tags, inputs, credential, max_bytes, timeout, http }
    }
}

/// Azure's spelling.
fn tier_name(tier: &str) -> &'static str {
    match tier {
        "hot" => "Hot",
        "cool" => "Cool",
        "cold" => "Cold",
        _ => "Archive",
    }
}

/// Reads `tags`, by Azure's rules, which Azure would apply only at run time.
fn tags(section: &mut Section) -> String {
    let tags = section.map("tags");
    if tags.len() > MOST_TAGS {
        section.error("tags", format!("a blob has at most {MOST_TAGS} tags"), "remove some");
    }
    let good = |text: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || " +-./:=_".contains(c));
    for (name, value) in &tags {
        let fits = (1..=LONGEST_TAG_NAME).contains(&name.len()) && value.len() <= LONGEST_TAG_VALUE;
        if !fits || !good(name) || !good(value) {
            let hint = "use letters, digits, spaces and + - . / : = _, at most 128 in a name and 256 in a value";
            section.error(&format!("tags.{name}"), "this can't be a blob's tag", hint);
        }
    }
    let pairs: Vec<String> = tags.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    pairs.join("&")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Severity};

    fn read(text: &str) -> (Settings, Vec<String>) {
        let text = format!("{text}\n[credential]\nkind = \"managed_identity\"\n");
        let mut section = Section::parse(&text, FIELDS, Environment::of::<&str, &str>([]));
        let settings = Settings::read(&mut section, &["nordpass".to_owned()]);
        let errors = section.diagnostics().into_iter().filter(|found| found.severity == Severity::Error);
        (settings, errors.map(|found| found.message).collect())
    }

    fn with(line: &str) -> String {
        let mut lines = vec![
            "account = \"https://a.blob.core.windows.net/\"",
            "container = \"archive\"",
            "path = \"{date}/x.ndjson.gz\"",
        ];
        let key = line.split(' ').next().unwrap_or_default();
        lines.retain(|known| !known.starts_with(key) || key.is_empty());
        lines.push(line);
        lines.join("\n")
    }

    #[test]
    fn defaults() {
        let (settings, errors) = read(&with("tags = { source = \"nordpass\", \"a b\" = \"1/2\" }"));
        assert_eq!(errors, [""; 0]);
        assert_eq!((&*settings.account, &*settings.container), ("https://a.blob.core.windows.net", "archive"));
        assert_eq!((settings.format, settings.level, settings.max_bytes), (Format::Gzip, 4, 16_000_000));
        assert_eq!((settings.timeout.as_secs(), settings.tier), (300, None));
        assert_eq!(settings.tags, "source=nordpass&a%20b=1%2F2");
        assert_eq!(read(&with("access_tier = \"cold\"")).0.tier.as_deref(), Some("Cold"));
    }

    #[test]
    fn what_is_wrong_is_told() {
        for (line, word) in [
            ("account = \"https://a.blob.core.windows.net/?sv=1&sig=s3cret\"", "has a query"),
            ("account = \"http://a.blob.core.windows.net\"", "plain http"),
            ("container = \"Archive\"", "container"),
            ("path = \"../other/{date}.ndjson\"", "leaves the container"),
            ("path = \"{date}/./a.ndjson\"", "leaves the container"),
            ("path = \"/{date}.ndjson\"", "begins with a slash"),
            ("path = \"a//{date}.ndjson\"", "empty part"),
            ("path = \"{date}?x.ndjson\"", "character"),
            ("path = \"a\\\\b.ndjson\"", "character"),
            ("path = \"{date}.ndjson.\"", "dot"),
            ("path = \"{day}\"", "unknown placeholder"),
            ("compression_level = 12", "level"),
            ("access_tier = \"warm\"", "access_tier"),
            ("tags = { \"a&b\" = \"1\" }", "tag"),
        ] {
            let errors = read(&with(line)).1;
            assert!(errors.len() == 1 && errors[0].contains(word), "{line}: {errors:?}");
            assert!(!errors[0].contains("s3cret"), "{errors:?}");
        }
        let many: Vec<String> = (0..11).map(|number| format!("t{number} = \"1\"")).collect();
        assert_eq!(read(&with(&format!("tags = {{ {} }}", many.join(", ")))).1, ["a blob has at most 10 tags"]);
    }
}
