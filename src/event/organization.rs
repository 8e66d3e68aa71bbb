//! An organization of the organizations file, as shared components may write it into paths and values.

/// An organization that the organizations file lists.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Organization {
    /// What it is called in the file. Can change.
    pub name: String,
    /// What it is known by. Never changes.
    pub id: String,
    /// The name in the key of its state: made of `id`, or of a source that read it before.
    pub state: String,
    /// Further texts about it, by key, in the order of the file.
    pub labels: Vec<(String, String)>,
    /// Whether its records have a destination of their own. No other one may get them.
    pub has_destination: bool,
}

impl Organization {
    /// The name in the key of an organization's state. No component has such a name.
    pub fn state_of(id: &str) -> String {
        format!("@{id}")
    }
}

/// What `{organization.…}` stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrganizationField {
    /// `{organization.name}`.
    Name,
    /// `{organization.labels.KEY}`.
    Label(String),
}

impl OrganizationField {
    /// What placeholders of the organizations file look like, for hints.
    pub const SHOWN: &'static str = "{organization.name} or {organization.labels.KEY}";

    /// Reads what is between the braces. `None` if it is something else.
    pub fn parse(word: &str) -> Option<Self> {
        let field = word.strip_prefix("organization.")?;
        if field == "name" {
            return Some(Self::Name);
        }
        let key = field.strip_prefix("labels.")?;
        (!key.is_empty() && !key.contains(['.', '{', '}'])).then(|| Self::Label(key.to_owned()))
    }

    /// Its text; empty for an organization without this label, and for events of a source that reads no organization of the
    /// file.
    pub fn of<'o>(&self, organization: Option<&'o Organization>) -> &'o str {
        let Some(organization) = organization else { return "" };
        match self {
            Self::Name => &organization.name,
            Self::Label(key) => {
                let label = organization.labels.iter().find(|(known, _)| known == key);
                label.map_or("", |(_, text)| text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_name_a_field() {
        let labels = vec![("tenant".to_owned(), "t-1".to_owned())];
        let acme = Organization { name: "acme".into(), labels, ..Organization::default() };
        let of = |word: &str| OrganizationField::parse(word).map(|field| field.of(Some(&acme)).to_owned());
        assert_eq!(of("organization.name").as_deref(), Some("acme"));
        assert_eq!(of("organization.labels.tenant").as_deref(), Some("t-1"));
        assert_eq!(of("organization.labels.none").as_deref(), Some(""));
        for word in
            ["organization", "organization.", "organization.id", "organization.labels.", "organization.labels.a.b"]
        {
            assert_eq!(of(word), None, "{word}");
        }
        assert_eq!(OrganizationField::Name.of(None), "");
    }
}
