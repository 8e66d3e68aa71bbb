//! The event catalogue: everything that is known about each (type, action) pair, from one data file.

/// The vendor's three groups, which are also the workbook's tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Administrative actions in the Business Admin Panel.
    Admin,
    /// What members do with vault items.
    Vault,
    /// Log-ins, unlocks, passwords and recovery codes.
    Login,
}

/// One (type, action) pair.
#[derive(Debug)]
pub struct Entry {
    /// The event's `type`.
    pub kind: &'static str,
    /// The event's `action`.
    pub action: &'static str,
    /// Its group.
    pub group: Group,
    /// What happened, in a sentence.
    pub meaning: &'static str,
}

/// All pairs, in the order of the data file.
pub fn entries() -> &'static [Entry] {
    &[]
}
