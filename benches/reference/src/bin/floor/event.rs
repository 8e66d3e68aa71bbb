//! The raw event, borrowed from its line.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// One line.
#[derive(Deserialize)]
pub struct Event<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub action: Cow<'a, str>,
    pub timestamp: u64,
    #[serde(borrow)]
    pub organization_uuid: Cow<'a, str>,
    #[serde(borrow)]
    pub user: User<'a>,
    #[serde(borrow)]
    pub metadata: &'a RawValue,
    #[serde(borrow)]
    pub initiator: Cow<'a, str>,
}

/// Who did it.
#[derive(Deserialize)]
pub struct User<'a> {
    #[serde(borrow)]
    pub uuid: Cow<'a, str>,
    #[serde(borrow)]
    pub email: Cow<'a, str>,
}

/// The few keys of `metadata` that become columns; the object itself is passed on as text.
#[derive(Deserialize)]
pub struct Metadata<'a> {
    #[serde(borrow)]
    pub ip_address: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub platform: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub status: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    pub emails: First<'a>,
    #[serde(borrow, default)]
    pub items: First<'a>,
}

/// The first element of an array of strings.
#[derive(Default)]
pub struct First<'a>(pub Option<Cow<'a, str>>);

/// A string that is borrowed where it can be: `Cow` by itself always copies.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for First<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Head;
        impl<'de> Visitor<'de> for Head {
            type Value = First<'de>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an array of strings")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<First<'de>, A::Error> {
                let first = elements.next_element::<Text<'de>>()?.map(|text| text.0);
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                Ok(First(first))
            }
        }
        deserializer.deserialize_seq(Head)
    }
}
