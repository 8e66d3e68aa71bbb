//! Finds what in a file is provably ours and may be cut.
//!
//! Others may write to an archive, too: an administrator appends to it, a tool rotates it, a second process gets the
//! same path. So a range counts as ours only if its bytes are those that this sink wrote there. Everything else is
//! kept, even if a record is then in the file twice.

use std::io;
use std::ops::Range;
use std::path::Path;

use nordpass_env::Disk;

/// Maximum bytes of one read.
const READ_BYTES: usize = 1 << 20;

/// The fingerprint of a range, as the log keeps it.
pub fn fingerprint(bytes: &[u8]) -> String {
    short(&blake3::hash(bytes))
}

fn short(hash: &blake3::Hash) -> String {
    hash.to_hex()[..32].to_owned()
}

/// The fingerprint of a file's range as it is now; `None` if the file is too short.
pub async fn fingerprint_of(disk: &dyn Disk, path: &Path, range: Range<u64>) -> io::Result<Option<String>> {
    let mut hasher = blake3::Hasher::new();
    let mut at = range.start;
    while at < range.end {
        let bytes = read(disk, path, at..range.end).await?;
        if bytes.is_empty() {
            return Ok(None);
        }
        hasher.update(&bytes);
        at += bytes.len() as u64;
    }
    Ok(Some(short(&hasher.finalize())))
}

/// Reads at most one block of a range.
pub async fn read(disk: &dyn Disk, path: &Path, range: Range<u64>) -> io::Result<Vec<u8>> {
    let limit = usize::try_from(range.end.saturating_sub(range.start)).unwrap_or(usize::MAX).min(READ_BYTES);
    disk.read_at(path, range.start, limit).await
}

/// Finds an append of `bytes`, started at `start`, in a file of `len` bytes, as far as it was written.
///
/// A whole append is at its intended offset or, if another program was faster, at the end of the file. A torn one must
/// be the whole rest of the file: what another program appends to half a record can't be told from it.
pub async fn written(
    disk: &dyn Disk,
    path: &Path,
    len: u64,
    start: u64,
    bytes: &[u8],
) -> io::Result<Option<Range<u64>>> {
    let size = bytes.len() as u64;
    if size == 0 {
        return Ok(None);
    }
    if len > start {
        let (same, all) = compare(disk, path, start, bytes).await?;
        if same && (all || start + size >= len) {
            return Ok(Some(start..len.min(start + size)));
        }
    }
    if len >= size && len - size != start {
        let (_, all) = compare(disk, path, len - size, bytes).await?;
        if all {
            return Ok(Some(len - size..len));
        }
    }
    Ok(None)
}

/// Whether a file's content from `start` on matches the beginning of `bytes`, allowing for zeros where a power cut lost
/// what was written, and whether it matches all of `bytes` exactly. Both end at the end of the file.
async fn compare(disk: &dyn Disk, path: &Path, start: u64, bytes: &[u8]) -> io::Result<(bool, bool)> {
    let (mut at, mut all) = (0, true);
    while at < bytes.len() {
        let found = read(disk, path, start + at as u64..start + bytes.len() as u64).await?;
        if found.is_empty() {
            return Ok((true, false));
        }
        for (found, written) in found.iter().zip(&bytes[at..]) {
            if found != written {
                all = false;
                if *found != 0 {
                    return Ok((false, false));
                }
            }
        }
        at += found.len();
    }
    // A power cut leaves no holes in the middle of a file that goes on.
    Ok((true, all))
}

#[cfg(test)]
mod tests {
    use super::*;
    use nordpass_env::MemoryDisk;

    async fn found(content: &[u8], start: u64, bytes: &[u8]) -> Option<Range<u64>> {
        let disk = MemoryDisk::new();
        disk.put("a", content);
        written(&disk, Path::new("a"), content.len() as u64, start, bytes).await.unwrap()
    }

    #[tokio::test]
    async fn only_bytes_that_were_written_are_ours() {
        let ours = b"{\"a\":1}\n{\"a\":2}\n";
        assert_eq!(found(b"old\n{\"a\":1}\n{\"a\":2}\n", 4, ours).await, Some(4..20), "whole");
        assert_eq!(found(b"old\n{\"a\":1}\n{\"a\":2}\nmore\n", 4, ours).await, Some(4..20), "whole, with more behind");
        assert_eq!(found(b"old\n{\"a\":1}\n{\"a", 4, ours).await, Some(4..15), "torn");
        assert_eq!(found(b"old\n{\"a\":\0\0\0{\"a\":2}\n", 4, ours).await, Some(4..20), "with a hole");
        assert_eq!(found(b"old\nmore\n{\"a\":1}\n{\"a\":2}\n", 4, ours).await, Some(9..25), "behind what was faster");
        assert_eq!(found(b"{\"a\":1}\n{\"a\":2}\n", 400, ours).await, Some(0..16), "in a new file");
        assert_eq!(found(b"old\n", 4, ours).await, None, "not begun");
        assert_eq!(found(b"old\n{\"a\":7}\n", 4, ours).await, None, "somebody else's, alike in the beginning");
        assert_eq!(found(b"old\n{\"a\":1}\n{\"a{\"b\":7}\n", 4, ours).await, None, "torn, and written on");
        assert_eq!(found(b"o", 4, ours).await, None, "cut");
    }
}
