//! What a table says, as a hash: two tables with the same one make the same component.

use std::fmt;

use super::{Section, Slot};
use crate::settings::value::Checked;
use nordpass_env::read_bounded;

/// More than any certificate or program has, in bytes.
const LONGEST_FILE: usize = 16 << 20;

/// A hash of settings after their variables are filled in. It is compared and never shown: the settings may hold secrets.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint")
    }
}

/// Adds parts to a fingerprint. Each has its length in front, so two neighbours never look like two others.
#[derive(Default)]
pub(crate) struct Fingerprinter(blake3::Hasher);

impl Fingerprinter {
    /// Adds text or bytes.
    pub fn add(&mut self, part: impl AsRef<[u8]>) {
        let part = part.as_ref();
        self.0.update(&(part.len() as u64).to_le_bytes());
        self.0.update(part);
    }

    /// Adds whatever has a debug form that shows all of it.
    pub fn debug(&mut self, part: &impl fmt::Debug) {
        self.add(format!("{part:?}"));
    }

    /// Adds a table.
    pub fn section(&mut self, section: &Section) {
        self.add("{");
        for (name, slot) in &section.slots {
            self.add(name);
            self.slot(name, slot);
        }
        self.add("}");
    }

    /// The fingerprint of all that was added.
    pub fn finish(&self) -> Fingerprint {
        Fingerprint(self.0.finalize().into())
    }

    fn slot(&mut self, name: &str, slot: &Slot) {
        self.checked(&slot.value);
        // A certificate or a program is read when its component begins: the same name with other content is a change.
        if let Checked::Text(path) = &slot.value
            && (name == "file" || name.ends_with("_file"))
            && let Ok(content) = read_bounded(path.as_ref(), LONGEST_FILE)
        {
            self.add(content);
        }
    }

    fn checked(&mut self, value: &Checked) {
        match value {
            Checked::Text(text) => self.add(text),
            Checked::Secret(secret) => secret.fingerprint(self),
            Checked::Duration(duration) => self.debug(duration),
            Checked::Integer(integer) => self.debug(integer),
            Checked::Integers(integers) => self.debug(integers),
            Checked::Flag(flag) => self.debug(flag),
            Checked::List(list) => self.debug(list),
            Checked::Map(map) => self.debug(map),
            Checked::Table(section) => self.section(section),
            Checked::Tables(sections) => sections.iter().for_each(|section| self.section(section)),
            Checked::NamedTables(sections) => {
                for (name, section) in sections {
                    self.add(name);
                    self.section(section);
                }
            }
            Checked::Object(object) => self.debug(object),
            Checked::Objects(objects) => self.debug(objects),
            Checked::Nothing => self.add("nothing"),
            Checked::Wrong => self.add("wrong"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Field, Kind};

    static FIELDS: &[Field] = &[
        Field::optional("token", Kind::Secret).doc("A secret."),
        Field::optional("rate", Kind::Integer { min: 0, max: 100 }).doc("A number."),
        Field::optional("ca_file", Kind::Text).doc("A file."),
    ];

    fn of(text: &str, token: &str) -> Fingerprint {
        let mut fingerprinter = Fingerprinter::default();
        fingerprinter.section(&Section::parse(text, FIELDS, Environment::of([("TOKEN", token)])));
        fingerprinter.finish()
    }

    #[test]
    fn what_a_table_says_counts_and_how_it_is_written_does_not() {
        let text = "token = \"${TOKEN}\"\nrate = 5\n";
        let first = of(text, "s3cret");
        assert_eq!(first, of("# moved\n\nrate = 5\ntoken = \"s3cret\"\n", "another"));
        assert!(first != of(text, "renewed") && first != of("token = \"${TOKEN}\"\nrate = 6\n", "s3cret"));
        assert_eq!(format!("{first:?}"), "Fingerprint");
    }

    #[test]
    fn another_certificate_under_the_same_name_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let text = format!("ca_file = {:?}\n", path.display().to_string());
        std::fs::write(&path, "one").unwrap();
        let first = of(&text, "");
        assert_eq!(first, of(&text, ""));
        std::fs::write(&path, "two").unwrap();
        assert!(first != of(&text, ""));
    }

    /// It is read again whenever it is used.
    #[test]
    fn a_renewed_secret_file_is_no_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let text = format!("token = \"${{file:{}}}\"\n", path.display());
        std::fs::write(&path, "one").unwrap();
        let first = of(&text, "");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(first, of(&text, ""));
    }
}
