//! As much DER as it takes to find an RSA key inside PKCS #8.
//!
//! `jsonwebtoken` takes the bare key (PKCS #1); what portals and `openssl` write is PKCS #8 around it (RFC 5958:
//! version, algorithm, and an octet string that holds the key).

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// The RSA key (PKCS #1) inside a PKCS #8 structure.
pub fn rsa_key_of_pkcs8(der: &[u8]) -> Option<&[u8]> {
    let (outer, _) = take(der, SEQUENCE)?;
    let (_version, rest) = take(outer, INTEGER)?;
    let (_algorithm, rest) = take(rest, SEQUENCE)?;
    take(rest, OCTETS).map(|(key, _)| key)
}

/// The content of the element at the beginning, which must have this tag, and what comes behind it.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
        }
        _ => return None,
    };
    if found == tag { rest.split_at_checked(length) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_key_and_survives_nonsense() {
        let whole = [SEQUENCE, 12, INTEGER, 1, 0, SEQUENCE, 0, OCTETS, 0x81, 4, 1, 2, 3, 4];
        assert_eq!(rsa_key_of_pkcs8(&whole), Some(&[1, 2, 3, 4][..]));
        for end in 0..whole.len() {
            assert_eq!(rsa_key_of_pkcs8(&whole[..end]), None, "cut at {end}");
        }
        assert_eq!(rsa_key_of_pkcs8(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(rsa_key_of_pkcs8(&[SEQUENCE, 0x80, 0, 0]), None);
    }
}
