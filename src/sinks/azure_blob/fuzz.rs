//! Fuzz targets: what an intent says.

use std::collections::HashSet;

use super::intent::Content;
use super::skips::Skips;
use crate::fuzz::{marked, silent};

/// An intent's content. It comes from a disk or a container that others can write to.
pub(crate) fn intent(data: &[u8]) {
    let content = match Content::decode(&marked(data)) {
        Ok(content) => content,
        Err(error) => return silent(&error),
    };
    assert_eq!(Content::decode(&content.encode()).as_ref(), Ok(&content), "what was written is read");
    let mut skips = Skips::default();
    let mut expected = 0;
    for blob in &content.blobs {
        skips.expect([0; 32], &content, &blob.records, &content.inputs, &HashSet::new());
        expected += blob.records.iter().map(|recorded| recorded.ids.len()).sum::<usize>();
    }
    let records = content.blobs.iter().flat_map(|blob| &blob.records);
    let mut taken = 0;
    for recorded in records {
        for id in &recorded.ids {
            taken += usize::from(skips.take(*id, recorded.input, recorded.chunk));
            assert!(taken <= expected, "nothing is left out that wasn't expected");
        }
    }
    let _ = skips.settled();
}
