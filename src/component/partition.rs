//! Organizations share leases by partition.

/// How many partitions the organizations have. Fixed: another number would move organizations between leases.
pub const PARTITIONS: usize = 256;

/// A part of the organizations that one process reads at a time. An organization never changes its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(pub u8);

impl Partition {
    /// The partition of the source that has this name in its [`super::SourceKey`]. An organization's never changes.
    pub fn of(name: &str) -> Self {
        Self(blake3::hash(name.as_bytes()).as_bytes()[0])
    }
}

impl std::fmt::Display for Partition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Another partition would be another lease: two replicas could read one organization.
    #[test]
    fn a_partition_never_changes() {
        let partitions = ["@c-0042", "@c-0043", "nordpass", ""].map(|name| Partition::of(name).0);
        assert_eq!(partitions, [4, 159, 237, 175]);
    }
}
