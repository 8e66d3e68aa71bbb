//! Leases, by the table of outcomes in the documentation of "Lease Blob".

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;

use super::Refusal;
use super::store::Stored;
use crate::reply::{Reply, header_text};

/// A blob's lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Lease {
    /// None.
    #[default]
    Available,
    /// With this id, until then; it lasts so long from each renewal. Over after that, unless it is renewed in time or
    /// nobody else had one since.
    Leased { id: String, until: Timestamp, lasts: Duration },
    /// It is being broken: until then it still protects the blob, and nobody can take or renew it.
    Breaking { id: String, until: Timestamp },
    /// It was broken.
    Broken { id: String },
}

/// What is asked for.
pub enum Action {
    Acquire {
        id: String,
        lasts: Duration,
    },
    Renew {
        id: String,
    },
    Release {
        id: String,
    },
    /// At once, or after this time, but no later than the lease ends; without one when it ends.
    Break {
        after: Option<Duration>,
    },
}

impl Action {
    /// What a request asks for.
    pub fn of(request: &Request<Bytes>) -> Result<Self, Refusal> {
        let wrong = (StatusCode::BAD_REQUEST, "InvalidHeaderValue");
        let id = |name: &str| match header_text(request, name) {
            id if id.len() == 36 => Ok(id.to_owned()),
            _ => Err(wrong),
        };
        match header_text(request, "x-ms-lease-action") {
            "acquire" => {
                let seconds: u64 = header_text(request, "x-ms-lease-duration").parse().map_err(|_| wrong)?;
                if !(15..=60).contains(&seconds) {
                    return Err(wrong);
                }
                Ok(Self::Acquire { id: id("x-ms-proposed-lease-id")?, lasts: Duration::from_secs(seconds) })
            }
            "renew" => Ok(Self::Renew { id: id("x-ms-lease-id")? }),
            "release" => Ok(Self::Release { id: id("x-ms-lease-id")? }),
            "break" => match header_text(request, "x-ms-lease-break-period") {
                "" => Ok(Self::Break { after: None }),
                period => match period.parse() {
                    Ok(seconds @ 0..=60) => Ok(Self::Break { after: Some(Duration::from_secs(seconds)) }),
                    _ => Err(wrong),
                },
            },
            _ => Err(wrong),
        }
    }
}

impl Lease {
    /// Its state, as `x-ms-lease-state` says it.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self {
            Self::Available => "available",
            Self::Leased { until, .. } if now < *until => "leased",
            Self::Leased { .. } => "expired",
            Self::Breaking { until, .. } if now < *until => "breaking",
            Self::Breaking { .. } | Self::Broken { .. } => "broken",
        }
    }

    /// Whether a write with this lease id (or none) may happen.
    pub fn allows(&self, given: &str, now: Timestamp) -> Result<(), Refusal> {
        let failed = |code| Err((StatusCode::PRECONDITION_FAILED, code));
        match self {
            Self::Leased { id, until, .. } | Self::Breaking { id, until } if now < *until => match given {
                "" => failed("LeaseIdMissing"),
                given if given == id => Ok(()),
                _ => failed("LeaseIdMismatchWithBlobOperation"),
            },
            Self::Leased { id, .. } | Self::Breaking { id, .. } | Self::Broken { id } if given == id => {
                failed("LeaseLost")
            }
            _ if given.is_empty() => Ok(()),
            _ => failed("LeaseNotPresentWithBlobOperation"),
        }
    }

    /// Breaks it at once, or slowly.
    pub fn break_after(&mut self, after: Option<Duration>, now: Timestamp) {
        let (Self::Leased { id, until, .. } | Self::Breaking { id, until }) = self else { return };
        let end = after.and_then(|after| now.checked_add(after).ok()).map_or(*until, |end| end.min(*until));
        let id = std::mem::take(id);
        *self = if end <= now { Self::Broken { id } } else { Self::Breaking { id, until: end } };
    }
}

impl Stored {
    /// Does what is asked for.
    pub fn lease_action(&mut self, action: &Action, now: Timestamp) -> Result<Reply, Refusal> {
        let mismatch = Err((StatusCode::CONFLICT, "LeaseIdMismatchWithLeaseOperation"));
        let until = |lasts: Duration| now.checked_add(lasts).unwrap_or(Timestamp::MAX);
        let status = match action {
            Action::Acquire { id, lasts } => {
                match &self.lease {
                    Lease::Leased { id: held, until, .. } | Lease::Breaking { id: held, until }
                        if now < *until && held != id =>
                    {
                        return Err((StatusCode::CONFLICT, "LeaseAlreadyPresent"));
                    }
                    Lease::Breaking { until, .. } if now < *until => {
                        return Err((StatusCode::CONFLICT, "LeaseIsBreakingAndCannotBeAcquired"));
                    }
                    _ => {}
                }
                self.lease = Lease::Leased { id: id.clone(), until: until(*lasts), lasts: *lasts };
                StatusCode::CREATED
            }
            Action::Renew { id } => match &mut self.lease {
                Lease::Leased { id: held, until: end, lasts } if held == id => {
                    *end = until(*lasts);
                    StatusCode::OK
                }
                Lease::Breaking { id: held, .. } | Lease::Broken { id: held } if held == id => {
                    return Err((StatusCode::CONFLICT, "LeaseIsBrokenAndCannotBeRenewed"));
                }
                _ => return mismatch,
            },
            Action::Release { id } => match &self.lease {
                Lease::Leased { id: held, .. } | Lease::Breaking { id: held, .. } | Lease::Broken { id: held }
                    if held == id =>
                {
                    self.lease = Lease::Available;
                    StatusCode::OK
                }
                _ => return mismatch,
            },
            Action::Break { after } => {
                if self.lease == Lease::Available {
                    return Err((StatusCode::CONFLICT, "LeaseNotPresentWithLeaseOperation"));
                }
                self.lease.break_after(*after, now);
                StatusCode::ACCEPTED
            }
        };
        Ok(self.described(Reply::new(status, "", Bytes::new()), now))
    }
}
