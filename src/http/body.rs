//! A response's body while it is read.

use bytes::{Bytes, BytesMut};

/// A block's length in bytes.
const BLOCK: usize = 1 << 20;

/// Blocks instead of one buffer that doubles: a body that is refused at its limit then has cost that much memory, and
/// not up to four times as much.
pub struct Body {
    full: Vec<Bytes>,
    last: BytesMut,
    length: usize,
}

impl Body {
    /// An empty one. A large announced length isn't allocated at once: a server's word alone must not make us allocate it.
    pub fn announced(bytes: u64) -> Self {
        let capacity = usize::try_from(bytes).unwrap_or(BLOCK).min(BLOCK);
        Self { full: Vec::new(), last: BytesMut::with_capacity(capacity), length: 0 }
    }

    /// How long it is so far, in bytes.
    pub fn len(&self) -> usize {
        self.length
    }

    /// Adds a part.
    pub fn push(&mut self, part: &[u8]) {
        self.last.extend_from_slice(part);
        self.length += part.len();
        if self.last.len() >= BLOCK {
            self.full.push(std::mem::replace(&mut self.last, BytesMut::with_capacity(BLOCK)).freeze());
        }
    }

    /// All of it.
    pub fn finish(mut self) -> Bytes {
        if self.full.is_empty() {
            return self.last.freeze();
        }
        self.full.push(self.last.freeze());
        self.full.concat().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_together_in_order() {
        for (announced, parts) in
            [(0, vec![]), (3, vec![3]), (u64::MAX, vec![BLOCK - 1, 1, 1]), (0, vec![3 * BLOCK, 7])]
        {
            let mut body = Body::announced(announced);
            let mut expected = Vec::new();
            for (number, length) in parts.into_iter().enumerate() {
                let part = vec![u8::try_from(number).unwrap(); length];
                body.push(&part);
                expected.extend(part);
                assert_eq!(body.len(), expected.len());
            }
            assert_eq!(body.finish(), expected);
        }
    }
}
