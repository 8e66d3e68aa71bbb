//! The runs of the sources that a sink gets chunks of.
//!
//! A source that begins anew in the same process, because a part of what it had sent was dropped elsewhere, reads again what it
//! hasn't committed. Then the files have to be as after a restart: without what comes again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use super::recover::{self, Recovered};
use super::settings::Settings;
use super::writer::Writer;
use crate::component::{ComponentError, Store};
use crate::event::Origin;
use nordpass_env::Disk;

/// What a sink opens its files with.
pub(super) struct Files {
    pub settings: Settings,
    pub disk: Arc<dyn Disk>,
    pub store: Arc<dyn Store>,
    /// The segment log and the journal.
    pub logs: [PathBuf; 2],
    pub root: PathBuf,
}

impl Files {
    /// Repairs the files, and returns what writes to them.
    pub async fn open(&self) -> Result<(Writer, Runs), ComponentError> {
        let Self { settings, disk, store, logs, root } = self;
        let recovered = recover::recover(disk.clone(), logs.clone(), settings.format, store.as_ref()).await?;
        let Recovered { log, journal, open } = recovered;
        let mut runs = Runs::default();
        for segment in open.files.values().flat_map(|tracked| &tracked.segments) {
            runs.see(&segment.origin);
        }
        Ok((Writer::new(disk.clone(), store.clone(), (log, journal), root.clone(), settings), runs))
    }
}

/// The present run of each source, and those before it.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<Arc<str>, Run>);

#[derive(Debug)]
struct Run {
    present: u64,
    over: BTreeSet<u64>,
}

/// What a chunk says about its source's run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is the present one, or the first that is known.
    Known,
    /// It is the next one: the one before is over.
    Next,
    /// It is one before the present one.
    Over,
}

impl Runs {
    /// Notes the run of a chunk.
    pub fn see(&mut self, origin: &Origin) -> Seen {
        let Some(run) = self.0.get_mut(&origin.source) else {
            self.0.insert(origin.source.clone(), Run { present: origin.run, over: BTreeSet::new() });
            return Seen::Known;
        };
        if run.present == origin.run {
            Seen::Known
        } else if run.over.contains(&origin.run) {
            Seen::Over
        } else {
            run.over.insert(std::mem::replace(&mut run.present, origin.run));
            Seen::Next
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_begins_once_and_is_over_for_good() {
        let mut runs = Runs::default();
        let mut see = |source: &str, run| runs.see(&Origin { source: source.into(), run, sequence: 0 });
        assert_eq!([see("a", 9), see("a", 9), see("b", 4)], [Seen::Known; 3]);
        assert_eq!(
            [see("a", 3), see("a", 3), see("a", 9), see("b", 4)],
            [Seen::Next, Seen::Known, Seen::Over, Seen::Known]
        );
        assert_eq!([see("a", 5), see("a", 3), see("a", 9)], [Seen::Next, Seen::Over, Seen::Over]);
    }
}
