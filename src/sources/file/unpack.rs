//! From bytes to text: decompressed and as UTF-8, by what the bytes are.

use std::io;

use super::charset::{self, Charset};
use super::decode::{self, Decoder};

/// Unpacks one file or pipe, in steps of bounded size.
#[derive(Default)]
pub struct Unpacker {
    /// Bytes that don't show yet what they are.
    begin: Vec<u8>,
    decoder: Option<Decoder>,
    /// Decompressed bytes that aren't text yet.
    bytes: Vec<u8>,
    charset: Option<Charset>,
}

impl Unpacker {
    /// Whether an offset in the text is the same in the file.
    pub fn is_plain(&self) -> bool {
        matches!((&self.decoder, &self.charset), (Some(Decoder::Plain), Some(Charset::Utf8)))
    }

    /// Whether there may be more text without more input.
    pub fn has_more(&self) -> bool {
        self.decoder.as_ref().is_some_and(Decoder::has_more)
    }

    /// Unpacks some of the input, until there are about `enough` bytes of text more. Answers how much input was used.
    pub fn unpack(&mut self, input: &[u8], text: &mut Vec<u8>, enough: usize) -> io::Result<usize> {
        if self.decoder.is_none() {
            let used = input.len().min(decode::SHOWS - self.begin.len());
            self.begin.extend_from_slice(&input[..used]);
            if self.begin.len() == decode::SHOWS {
                self.start(text, enough)?;
            }
            return Ok(used);
        }
        self.decode(input, text, enough)
    }

    /// The input has ended: the rest of the text, or an error if it ends in the middle.
    pub fn finish(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        if self.decoder.is_none() {
            self.start(text, usize::MAX)?;
        }
        let finished = match &mut self.decoder {
            Some(decoder) => {
                decoder.finish(if matches!(self.charset, Some(Charset::Utf8)) { text } else { &mut self.bytes })
            }
            None => Ok(()),
        };
        self.charset.get_or_insert_with(|| Charset::detect(&self.bytes)).decode(&self.bytes, text);
        self.bytes.clear();
        finished
    }

    fn start(&mut self, text: &mut Vec<u8>, enough: usize) -> io::Result<()> {
        let begin = std::mem::take(&mut self.begin);
        self.decoder = Some(Decoder::detect(&begin)?);
        let mut used = 0;
        while used < begin.len() {
            used += self.decode(&begin[used..], text, enough)?;
        }
        Ok(())
    }

    fn decode(&mut self, input: &[u8], text: &mut Vec<u8>, enough: usize) -> io::Result<usize> {
        let Some(decoder) = &mut self.decoder else { return Ok(0) };
        // The usual case costs no copy.
        if matches!(self.charset, Some(Charset::Utf8)) {
            return decoder.decode(input, text, enough);
        }
        let used = decoder.decode(input, &mut self.bytes, enough);
        if self.charset.is_some() || self.bytes.len() >= charset::SHOWS {
            self.charset.get_or_insert_with(|| Charset::detect(&self.bytes)).decode(&self.bytes, text);
            self.bytes.clear();
        }
        used
    }
}
