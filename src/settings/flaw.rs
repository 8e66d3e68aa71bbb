//! What is wrong with a secret as it came: one check for a variable and for a file, at the start and when it is read again.
//!
//! A secret with a blank at its end is refused like a revoked one, and people then renew a good one.

use crate::telemetry::terminal::plain;

/// Why a text can't be the secret that was meant. Shows nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// Nothing, or only white space.
    Empty,
    /// A byte order mark at the beginning, as some editors write it.
    ByteOrderMark,
    /// White space at the beginning or the end, or a line end.
    WhiteSpace,
    /// A character that nobody can see.
    Invisible,
    /// A reference to Azure Key Vault or App Configuration that the platform hasn't replaced.
    KeyVault,
    /// Another placeholder that nobody has replaced.
    Placeholder,
}

impl Flaw {
    /// What is wrong with a secret, if anything is.
    pub fn of(text: &str) -> Option<Self> {
        let trimmed = text.trim();
        if trimmed.trim_start_matches('\u{feff}').is_empty() {
            Some(Self::Empty)
        } else if trimmed.starts_with('\u{feff}') {
            Some(Self::ByteOrderMark)
        } else if ["@Microsoft.KeyVault(", "@Microsoft.AppConfiguration("].iter().any(|start| begins(trimmed, start)) {
            Some(Self::KeyVault)
        } else if trimmed.len() != text.len() || text.contains(['\n', '\r']) {
            Some(Self::WhiteSpace)
        } else if plain(text) != text {
            Some(Self::Invisible)
        } else if is_placeholder(text) {
            Some(Self::Placeholder)
        } else {
            None
        }
    }

    /// What is wrong, as the end of a sentence.
    pub fn what(self) -> &'static str {
        match self {
            Self::Empty => "is empty",
            Self::ByteOrderMark => "begins with a byte order mark",
            Self::WhiteSpace => "begins or ends with white space, or has several lines",
            Self::Invisible => "contains an invisible character",
            Self::KeyVault => "is a Key Vault reference (`@Microsoft.KeyVault(…)`) that the platform hasn't resolved",
            Self::Placeholder => "is a placeholder that nothing has replaced",
        }
    }

    /// What to do.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Empty => "give it a value",
            Self::ByteOrderMark => "save the file as UTF-8 without a byte order mark",
            Self::WhiteSpace => "copy the secret again, without line ends",
            Self::Invisible => "copy the secret again, as plain text",
            Self::KeyVault => {
                "see the app's environment variables in the Azure portal: the app's identity needs the role Key Vault \
                 Secrets User, and the reference the secret's right name"
            }
            Self::Placeholder => "set the secret itself, or check the program that should replace the placeholder",
        }
    }
}

fn begins(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(start))
}

/// The references of Container Apps, and the placeholders of shells, Kubernetes, Azure DevOps, Helm and Octopus.
fn is_placeholder(text: &str) -> bool {
    ["secretref:", "keyvaultref:"].iter().any(|start| begins(text, start))
        || [("$(", ")"), ("${", "}"), ("{{", "}}"), ("#{", "}#"), ("__", "__")]
            .iter()
            .any(|(start, end)| text.len() > start.len() + end.len() && text.starts_with(start) && text.ends_with(end))
}

/// Whether a value brought the quotes of the file along that it comes from.
pub(super) fn is_quoted(text: &str) -> bool {
    text.len() > 1 && ['"', '\''].iter().any(|mark| text.starts_with(*mark) && text.ends_with(*mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_with_a_secret_by_mistake_is_named() {
        for (text, flaw) in [
            ("np-4711", None),
            ("a~B.c_d$e(f)", None),
            ("", Some(Flaw::Empty)),
            (" \n", Some(Flaw::Empty)),
            ("\u{feff}np", Some(Flaw::ByteOrderMark)),
            ("\u{feff}", Some(Flaw::Empty)),
            (" np", Some(Flaw::WhiteSpace)),
            ("np\n", Some(Flaw::WhiteSpace)),
            ("\nnp", Some(Flaw::WhiteSpace)),
            ("n\np", Some(Flaw::WhiteSpace)),
            ("np\u{a0}", Some(Flaw::WhiteSpace)),
            ("n\u{200b}p", Some(Flaw::Invisible)),
            ("n\tp", Some(Flaw::Invisible)),
            ("@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)", Some(Flaw::KeyVault)),
            ("@microsoft.keyvault(VaultName=v;SecretName=s)", Some(Flaw::KeyVault)),
            ("${NORDPASS_TOKEN}", Some(Flaw::Placeholder)),
            ("$(NORDPASS_TOKEN)", Some(Flaw::Placeholder)),
            ("{{ token }}", Some(Flaw::Placeholder)),
            ("secretref:nordpass", Some(Flaw::Placeholder)),
        ] {
            assert_eq!(Flaw::of(text), flaw, "{text:?}");
        }
        assert!(is_quoted("\"np\"") && is_quoted("'np'") && !is_quoted("\"") && !is_quoted("np"));
    }
}
