//! What a field of the pipeline file is.

/// One field of a TOML table.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its key.
    pub name: &'static str,
    /// The type of its value.
    pub kind: Kind,
    /// Whether it must be there, and what holds if it isn't.
    pub presence: Presence,
    /// One or two sentences for the reference page: what it is for, its unit.
    pub doc: &'static str,
}

impl Field {
    /// A field that must be there.
    pub const fn required(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, presence: Presence::Required, doc: "" }
    }

    /// A field that must be there, unless the component is a template: then each organization has its own.
    pub const fn per_organization(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, presence: Presence::PerOrganization, doc: "" }
    }

    /// A field that may be missing.
    pub const fn optional(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, presence: Presence::Optional, doc: "" }
    }

    /// A field that may be missing, and the value that holds then: written as in TOML but without quotes.
    pub const fn with_default(name: &'static str, kind: Kind, default: &'static str) -> Self {
        Self { name, kind, presence: Presence::Default(default), doc: "" }
    }

    /// Describes the field for the reference page.
    #[must_use]
    pub const fn doc(self, doc: &'static str) -> Self {
        Self { doc, ..self }
    }
}

/// The type of a field's value.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A string; `${VAR}` and `${file:…}` are resolved in it.
    Text,
    /// A program, which is taken as it is: no references are resolved in it, and an error shows its line.
    Program,
    /// A string that is a secret: never shown; a warning when written into the file.
    Secret,
    /// A string that is one of these.
    Choice(&'static [&'static str]),
    /// A string like `"60s"`, `"10m"`, `"7d"`, `"500ms"`, within bounds given the same way.
    Duration {
        /// Shortest.
        min: &'static str,
        /// Longest.
        max: &'static str,
    },
    /// A whole number within bounds.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number of bytes within bounds: a whole number, or a string like `"1MB"`, `"8MiB"`.
    Size {
        /// Smallest, in bytes.
        min: i64,
        /// Largest, in bytes.
        max: i64,
    },
    /// `true` or `false`.
    Flag,
    /// A list of strings.
    List,
    /// A list of whole numbers within bounds.
    Integers {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A table whose keys the user chooses, with strings as values.
    Map,
    /// A table with these fields.
    Table(&'static [Field]),
    /// A list of tables with these fields: `[[…]]`.
    Tables(&'static [Field]),
    /// A table whose keys the user chooses, each a table with these fields.
    NamedTables(&'static [Field]),
    /// A table with any content, which is taken as it is: no references are resolved in it.
    Object,
    /// A table with any content, or a list of such tables.
    Objects,
}

impl Kind {
    /// The fields of the table or tables, if that is what it is.
    pub fn fields(&self) -> Option<&'static [Field]> {
        match self {
            Self::Table(fields) | Self::Tables(fields) | Self::NamedTables(fields) => Some(fields),
            _ => None,
        }
    }
}

/// Whether a field must be there.
#[derive(Clone, Copy, Debug)]
pub enum Presence {
    /// An error when missing.
    Required,
    /// An error when missing, but for a template: the component then takes it from the organizations file.
    PerOrganization,
    /// May be missing; then it is off.
    Optional,
    /// May be missing; then this value holds, written as in TOML but without quotes.
    Default(&'static str),
}

impl Presence {
    /// Whether the key must be there, in a component that is no template.
    pub fn is_required(self) -> bool {
        matches!(self, Self::Required | Self::PerOrganization)
    }
}
