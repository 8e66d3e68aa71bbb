//! What an intent says: which blocks become which blobs, and the events in them.
//!
//! JSON, so that an operator can read it. It is written once for each group of blobs and read only after a crash.

use serde::{Deserialize, Serialize};

use super::settings::Settings;

/// The version that this program writes, and the newest that it reads.
pub const VERSION: u32 = 1;

/// All that whoever finishes the blobs needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub version: u32,
    /// The account's blob endpoint.
    pub account: String,
    pub container: String,
    /// The sink's path: by it a sink is recognized that has another name now.
    pub path: String,
    /// The sink's inputs.
    pub inputs: Vec<String>,
    /// The access tier.
    #[serde(default)]
    pub tier: Option<String>,
    /// The index tags as a query string.
    #[serde(default)]
    pub tags: String,
    /// The run of its chunks.
    pub run: u64,
    pub blobs: Vec<BlobIntent>,
}

/// One blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobIntent {
    pub name: String,
    /// The content's BLAKE3 hash in hexadecimal.
    pub hash: String,
    pub content_type: String,
    /// The ids of its blocks, in order.
    pub blocks: Vec<String>,
    pub records: Vec<Recorded>,
}

/// Records of one chunk that came by one input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// [`crate::event::Origin::sequence`]
    pub chunk: u64,
    /// The input, by its number in [`Content::inputs`].
    pub input: usize,
    /// The first and the last second of the events.
    pub from: i64,
    pub to: i64,
    /// The events' ids, in order.
    #[serde(with = "hexadecimal")]
    pub ids: Vec<u128>,
}

impl Content {
    /// An intent of a sink, without blobs yet.
    pub fn of(settings: &Settings, run: u64) -> Self {
        Self {
            version: VERSION,
            account: settings.account.clone(),
            container: settings.container.clone(),
            path: settings.template.text().to_owned(),
            inputs: settings.inputs.clone(),
            tier: settings.tier.clone(),
            tags: settings.tags.clone(),
            run,
            blobs: Vec::new(),
        }
    }

    /// Whether the blobs are where this sink writes.
    pub fn is_at(&self, settings: &Settings) -> bool {
        self.account == settings.account && self.container == settings.container
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads what [`Content::encode`] wrote. The error is a sentence.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        match serde_json::from_slice(bytes) {
            Ok(Version { version }) if version > VERSION => Err(format!(
                "a newer version of nordpass-sentinel wrote this intent (format {version}; this version reads up to {VERSION}): run the \
                 newer version"
            )),
            Ok(_) => serde_json::from_slice(bytes).map_err(|_| "its content isn't an intent of this sink".to_owned()),
            Err(_) => Err("its content isn't an intent of this sink".to_owned()),
        }
    }
}

/// Ids as one text: 32 digits each.
mod hexadecimal {
    use std::fmt::Write as _;

    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(ids: &[u128], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(32 * ids.len());
        for id in ids {
            let _ = write!(text, "{id:032x}");
        }
        serializer.serialize_str(&text)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u128>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (digits, rest) = text.as_bytes().as_chunks::<32>();
        let id = |digits: &[u8; 32]| {
            let digits = std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?;
            u128::from_str_radix(digits, 16).ok()
        };
        let ids: Option<Vec<u128>> = digits.iter().map(id).collect();
        ids.filter(|_| rest.is_empty()).ok_or_else(|| D::Error::custom("not ids"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_and_says_what_it_cannot_read() {
        let recorded = Recorded { chunk: 5, input: 0, from: -7, to: 9, ids: vec![0, 1, u128::MAX] };
        let blob = BlobIntent {
            name: "a.gz".into(),
            hash: "00".into(),
            content_type: "application/gzip".into(),
            blocks: vec!["00000000".into()],
            records: vec![recorded],
        };
        let content = Content {
            version: VERSION,
            account: "https://a.example".into(),
            container: "archive".into(),
            path: "{date}.gz".into(),
            inputs: vec!["nordpass".into()],
            tier: None,
            tags: String::new(),
            run: u64::MAX,
            blobs: vec![blob],
        };
        let bytes = content.encode();
        assert_eq!(Content::decode(&bytes), Ok(content.clone()));
        let newer = Content { version: 2, ..content }.encode();
        assert!(Content::decode(&newer).is_err_and(|error| error.contains("newer version")));
        for wrong in [&b""[..], b"{}", &bytes[..bytes.len() - 1], br#"{"version":1}"#] {
            assert!(Content::decode(wrong).is_err_and(|error| error.contains("isn't an intent")));
        }
        let odd = String::from_utf8(bytes).expect("a text").replace("\"ids\":\"0", "\"ids\":\"");
        assert!(Content::decode(odd.as_bytes()).is_err(), "half an id");
    }
}
