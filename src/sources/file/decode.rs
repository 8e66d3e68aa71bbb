//! Decompression in steps of bounded size.

use std::io::{self, Write};

use flate2::write::MultiGzDecoder;
use zstd::stream::raw::{self, Operation};

/// So many bytes show what a file is.
pub const SHOWS: usize = 4;
/// The most that one zstd step gives.
const STEP: usize = 64 << 10;

/// Decompresses by what the bytes are, not by the file's name. Several gzip members or zstd frames are one text.
pub enum Decoder {
    /// As it is.
    Plain,
    /// gzip
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    /// zstd
    Zstd(Box<Zstd>),
}

/// The state of a zstd file.
pub struct Zstd {
    decoder: raw::Decoder<'static>,
    /// Inside a frame.
    open: bool,
    /// The last step filled its room: there may be more without more input.
    full: bool,
    room: Vec<u8>,
}

impl Decoder {
    /// A decoder for bytes that begin like this.
    pub fn detect(begin: &[u8]) -> io::Result<Self> {
        Ok(match *begin {
            [0x1f, 0x8b, ..] => Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
            // A frame, or one that is passed over.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
                let decoder = raw::Decoder::new()?;
                Self::Zstd(Box::new(Zstd { decoder, open: false, full: false, room: vec![0; STEP] }))
            }
            _ => Self::Plain,
        })
    }

    /// Whether there may be more text without more input.
    pub fn has_more(&self) -> bool {
        matches!(self, Self::Zstd(zstd) if zstd.full)
    }

    /// Decodes some of the input, until there are about `enough` bytes of text more. Answers how much input was used.
    pub fn decode(&mut self, input: &[u8], text: &mut Vec<u8>, enough: usize) -> io::Result<usize> {
        let target = text.len() + enough;
        let mut used = 0;
        match self {
            Self::Plain => {
                used = input.len().min(enough);
                text.extend_from_slice(&input[..used]);
            }
            Self::Gzip(decoder) => {
                while used < input.len() && text.len() < target {
                    // One call gives at most its inner buffer of 32 KiB, however much the input could give.
                    let result = decoder.write(&input[used..]);
                    text.append(decoder.get_mut());
                    match result? {
                        0 => return Err(io::ErrorKind::InvalidData.into()),
                        some => used += some,
                    }
                }
            }
            Self::Zstd(zstd) => {
                while (used < input.len() || zstd.full) && text.len() < target {
                    let step = zstd.decoder.run_on_buffers(&input[used..], &mut zstd.room)?;
                    used += step.bytes_read;
                    text.extend_from_slice(&zstd.room[..step.bytes_written]);
                    zstd.full = step.bytes_written == zstd.room.len();
                    if step.remaining == 0 {
                        zstd.open = false;
                        zstd.full = false;
                        zstd.decoder.reinit()?;
                    } else if step.bytes_read > 0 {
                        zstd.open = true;
                    } else if step.bytes_written == 0 && used < input.len() {
                        return Err(io::ErrorKind::InvalidData.into());
                    }
                }
            }
        }
        Ok(used)
    }

    /// The file has ended: the rest of the text, or an error if it ends in the middle.
    pub fn finish(&mut self, text: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Zstd(zstd) if zstd.open => Err(io::ErrorKind::UnexpectedEof.into()),
            Self::Plain | Self::Zstd(_) => Ok(()),
            Self::Gzip(decoder) => {
                let result = decoder.try_finish();
                text.append(decoder.get_mut());
                result
            }
        }
    }
}
