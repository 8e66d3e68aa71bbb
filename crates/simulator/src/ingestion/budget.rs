//! How much a rule takes per minute.

/// The two budgets of a data collection rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests in a minute.
    pub requests: u64,
    /// Bytes in a minute, before compression.
    pub bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests: 12_000, bytes: 2 << 30 }
    }
}

/// What has been used in the running minute.
#[derive(Clone, Copy, Debug, Default)]
pub struct Budget {
    began: i64,
    requests: u64,
    bytes: u64,
}

const MINUTE: i64 = 60;

impl Budget {
    /// Counts a request; when a budget is used up, the seconds until the next minute, and nothing is counted.
    pub fn take(&mut self, limits: Limits, bytes: u64, now: i64) -> Result<(), i64> {
        if !(self.began..self.began + MINUTE).contains(&now) {
            *self = Self { began: now, ..Self::default() };
        }
        // A minute's first request always passes: else one that is larger than the budget would never.
        let fits = self.requests < limits.requests && (self.bytes == 0 || self.bytes + bytes <= limits.bytes);
        if !fits {
            return Err((self.began + MINUTE - now).max(1));
        }
        self.requests += 1;
        self.bytes += bytes;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_budgets_end_and_begin_again() {
        let limits = Limits { requests: 2, bytes: 100 };
        let mut budget = Budget::default();
        assert_eq!(budget.take(limits, 10, 1000), Ok(()));
        assert_eq!(budget.take(limits, 95, 1010), Err(50));
        assert_eq!(budget.take(limits, 90, 1010), Ok(()));
        assert_eq!(budget.take(limits, 0, 1059), Err(1));
        assert_eq!(budget.take(limits, 500, 1060), Ok(()));
    }
}
