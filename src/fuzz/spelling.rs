//! The same JSON in another spelling: other white space, other escapes, other key order, other spelling of whole numbers.

use std::fmt::Write as _;

use serde_json::value::RawValue;

use crate::event::raw_entries;
use nordpass_env::{Random, SeededRandom};

/// Deeper values are copied: this walks recursively.
const DEEPEST: u32 = 100;

/// Spells a JSON value in another way. Entries with equal names keep their order, because the last one counts.
pub fn respelled(json: &str, seed: u64) -> Option<String> {
    let mut out = String::with_capacity(json.len() * 2);
    value(json, &SeededRandom::new(seed), DEEPEST, &mut out)?;
    Some(out)
}

fn value(json: &str, dice: &dyn Random, depth: u32, out: &mut String) -> Option<()> {
    let json = json.trim_matches([' ', '\t', '\n', '\r']);
    space(dice, out);
    match json.as_bytes().first()? {
        b'{' | b'[' if depth == 0 => return None,
        b'{' => {
            let mut entries = Vec::new();
            raw_entries(json, |key, value| entries.push((key, value)))?;
            // By a hash of the name, so that equal names stay in their order.
            let salt = dice.next_u64().to_ne_bytes();
            entries.sort_by_cached_key(|(key, _)| {
                let name = serde_json::from_str::<String>(key).unwrap_or_else(|_| (*key).to_owned());
                *blake3::hash(&[&salt, name.as_bytes()].concat()).as_bytes()
            });
            out.push('{');
            for (number, (key, inner)) in entries.into_iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                space(dice, out);
                string(key, dice, out);
                space(dice, out);
                out.push(':');
                value(inner, dice, depth - 1, out)?;
            }
            out.push('}');
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(json).ok()?;
            out.push('[');
            for (number, item) in items.into_iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                value(item.get(), dice, depth - 1, out)?;
            }
            out.push(']');
        }
        b'"' => string(json, dice, out),
        _ => number(json, dice, out),
    }
    space(dice, out);
    Some(())
}

fn space(dice: &dyn Random, out: &mut String) {
    out.push_str(match dice.next_u64() % 8 {
        0 => " ",
        1 => "\n\t",
        _ => "",
    });
}

/// A string with its quotes. One that isn't text (half a surrogate pair) keeps its spelling.
fn string(json: &str, dice: &dyn Random, out: &mut String) {
    let Ok(text) = serde_json::from_str::<String>(json) else { return out.push_str(json) };
    out.push('"');
    for c in text.chars() {
        let must = matches!(c, '"' | '\\') || u32::from(c) < 0x20;
        match dice.next_u64() % 8 {
            0 => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
            _ if !must => out.push(c),
            _ => {
                let quoted = serde_json::to_string(&c).unwrap_or_default();
                out.push_str(quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default());
            }
        }
    }
    out.push('"');
}

/// Whole numbers that a floating-point number holds exactly are the same with a fraction or an exponent.
fn number(json: &str, dice: &dyn Random, out: &mut String) {
    out.push_str(json);
    let digits = json.strip_prefix('-').unwrap_or(json);
    if (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        out.push_str(match dice.next_u64() % 4 {
            0 => ".0",
            1 => "e0",
            2 => ".00E+0",
            _ => "",
        });
    }
}
