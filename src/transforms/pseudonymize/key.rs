//! The key, and what is made with it.

use std::borrow::Cow;
use std::{fmt, sync::Arc};

use ring::hmac;

use super::super::shape::cidr::address;
use crate::event::EventId;

/// The fewest bytes of a key: as many as the hash has.
pub const SHORTEST: usize = 32;

/// A key of pseudonyms. Cloning shares it; `Debug` shows nothing of it.
#[derive(Clone)]
pub struct Key(Arc<hmac::Key>);

impl Key {
    /// A key of at least [`SHORTEST`] bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (bytes.len() >= SHORTEST).then(|| Self(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, bytes))))
    }

    /// The pseudonym of a value. Two spellings of one e-mail or IP address have the same one.
    pub fn pseudonym(&self, value: &str) -> [u8; 32] {
        self.half(usual(value).as_bytes()).hex()
    }

    /// The id that an event's rows show.
    pub fn shown_id(&self, id: EventId) -> EventId {
        self.half(&id.hex())
    }

    fn half(&self, bytes: &[u8]) -> EventId {
        let tag = hmac::sign(&self.0, bytes);
        let mut half = [0; 16];
        half.iter_mut().zip(tag.as_ref()).for_each(|(half, byte)| *half = *byte);
        EventId(u128::from_be_bytes(half))
    }
}

/// A value as it is usually spelled.
fn usual(value: &str) -> Cow<'_, str> {
    let value = value.trim();
    if value.contains('@') {
        return Cow::Owned(value.to_lowercase());
    }
    match address(value) {
        // Only what is an address and nothing else: a port would be lost.
        Some(address) if value.parse::<std::net::IpAddr>().is_ok() => Cow::Owned(address.to_string()),
        _ => Cow::Borrowed(value),
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `printf %s anna@example.com | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`
    #[test]
    fn anybody_with_the_key_can_find_a_pseudonym_again() {
        let key = Key::new(b"0123456789abcdef0123456789abcdef").expect("long enough");
        let pseudonym = key.pseudonym("Anna@Example.com ");
        assert_eq!(std::str::from_utf8(&pseudonym).expect("hex"), PSEUDONYM);
        assert_eq!(key.pseudonym("::FFFF:10.0.0.1"), key.pseudonym("10.0.0.1"));
        assert_ne!(key.pseudonym("u-1"), key.pseudonym("U-1"), "only addresses are spelled in several ways");
        assert_ne!(key.shown_id(EventId(1)), key.shown_id(EventId(2)));
        assert!(Key::new(&[b'x'; 31]).is_none());
        assert_eq!(format!("{key:?}"), "Key");
    }

    const PSEUDONYM: &str = "b4f91fcf9c0343c2df41d24673fe622d";
}
