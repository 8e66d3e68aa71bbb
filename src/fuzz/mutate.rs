//! Seeded changes of an input: small ones as damage makes them, and what hostile peers put in.

use nordpass_env::{Random, SeededRandom};

/// What is put in: ends of numbers, structure, escapes, bytes that are no text.
const SNIPPETS: &[&[u8]] = &[
    b"~",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"\n",
    b"\r\n",
    b"\0",
    b" ",
    b"-",
    b"0",
    b"1e999",
    b"-1",
    b"9223372036854775807",
    b"18446744073709551615",
    b"18446744073709551616",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"\"\"",
    b"\\ud800",
    b"\\u0000",
    b"\xff",
    b"\xff\xff\xff\xff",
    b"\x80",
    b"\xef\xbb\xbf",
    b"\xc3",
    b"..",
    b"/",
    b"${",
    b"}",
    b"<Name>",
    b"</Name>",
    b"%00",
    b"[[[[[[[[",
    b"\x1b[31m",
    b"\xe2\x80\xae",
];

/// Changes an input in one to four places, or mixes it with another one.
pub fn mutated(input: &[u8], other: &[u8], dice: &SeededRandom, longest: usize) -> Vec<u8> {
    let mut out = input.to_vec();
    for _ in 0..=below(dice, 4) {
        let at = below(dice, out.len() + 1);
        let end = (at + 1 + below(dice, 8)).min(out.len());
        match below(dice, 7) {
            0 => {
                if let Some(byte) = out.get_mut(at) {
                    *byte ^= 1 << below(dice, 8);
                }
            }
            1 => drop(out.drain(at..end)),
            2 => out.truncate(at),
            3 => {
                let copy = out[at..end].to_vec();
                out.splice(at..at, copy);
            }
            4 => {
                let from = below(dice, other.len() + 1);
                let to = (from + below(dice, 64)).min(other.len());
                out.splice(at..end, other[from..to].iter().copied());
            }
            5 => {
                if let Some(byte) = out.get_mut(at) {
                    *byte = u8::try_from(below(dice, 256)).unwrap_or_default();
                }
            }
            _ => {
                let snippet = SNIPPETS[below(dice, SNIPPETS.len())];
                out.splice(at..at, snippet.iter().copied());
            }
        }
    }
    out.truncate(longest);
    out
}

/// A number below `bound`, or 0.
fn below(dice: &SeededRandom, bound: usize) -> usize {
    let number = dice.next_u64() % u64::try_from(bound.max(1)).unwrap_or(u64::MAX);
    usize::try_from(number).unwrap_or_default()
}
