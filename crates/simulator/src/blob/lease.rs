//! Leases, by the table of outcomes in the documentation of "Lease Blob".

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use jiff::Timestamp;

use super::Refusal;
use crate::reply::header_text;

const WRONG: Refusal = (StatusCode::BAD_REQUEST, "InvalidHeaderValue");

/// A blob's lease.
#[derive(Debug, Default)]
pub struct Lease {
    phase: Phase,
    /// Who has or had it; empty while nobody has.
    id: String,
    /// Until then it protects the blob, unless it was broken.
    until: Timestamp,
    /// How long it lasts from each renewal.
    lasts: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Available,
    /// Over when its time is, unless it is renewed in time or nobody else had one since.
    Leased,
    /// It is being broken: until its time is over it still protects the blob, and nobody can take or renew it.
    Breaking,
    Broken,
}

impl Lease {
    /// Its state, as `x-ms-lease-state` says it.
    pub fn state(&self, now: Timestamp) -> &'static str {
        match self.phase {
            Phase::Available => "available",
            Phase::Leased if now < self.until => "leased",
            Phase::Leased => "expired",
            Phase::Breaking if now < self.until => "breaking",
            Phase::Breaking | Phase::Broken => "broken",
        }
    }

    fn protects(&self, now: Timestamp) -> bool {
        matches!(self.phase, Phase::Leased | Phase::Breaking) && now < self.until
    }

    /// Whether a write with this lease id (or none) may happen.
    pub fn allows(&self, given: &str, now: Timestamp) -> Result<(), Refusal> {
        let code = match (self.protects(now), given) {
            (true, "") => "LeaseIdMissing",
            (true, given) if given == self.id => return Ok(()),
            (true, _) => "LeaseIdMismatchWithBlobOperation",
            (false, "") => return Ok(()),
            (false, given) if given == self.id => "LeaseLost",
            (false, _) => "LeaseNotPresentWithBlobOperation",
        };
        Err((StatusCode::PRECONDITION_FAILED, code))
    }

    /// Breaks it after this time, but no later than it ends; without one when it ends.
    pub fn break_after(&mut self, after: Option<Duration>, now: Timestamp) {
        if matches!(self.phase, Phase::Leased | Phase::Breaking) {
            let end = after.and_then(|after| now.checked_add(after).ok());
            self.until = end.map_or(self.until, |end| end.min(self.until));
            self.phase = if self.until <= now { Phase::Broken } else { Phase::Breaking };
        }
    }

    /// Does what a request asks for.
    pub fn change(&mut self, request: &Request<Bytes>, now: Timestamp) -> Result<StatusCode, Refusal> {
        let conflict = |code| Err((StatusCode::CONFLICT, code));
        let id = |name| Some(header_text(request, name)).filter(|id| id.len() == 36).ok_or(WRONG);
        let until = |lasts: Duration| now.checked_add(lasts).unwrap_or(Timestamp::MAX);
        match header_text(request, "x-ms-lease-action") {
            "acquire" => {
                let lasts = seconds(header_text(request, "x-ms-lease-duration"), 15)?;
                let id = id("x-ms-proposed-lease-id")?.to_owned();
                if self.protects(now) && self.id != id {
                    return conflict("LeaseAlreadyPresent");
                }
                if self.protects(now) && self.phase == Phase::Breaking {
                    return conflict("LeaseIsBreakingAndCannotBeAcquired");
                }
                *self = Self { phase: Phase::Leased, id, until: until(lasts), lasts };
                Ok(StatusCode::CREATED)
            }
            "renew" => match (id("x-ms-lease-id")? == self.id, self.phase) {
                (false, _) => conflict("LeaseIdMismatchWithLeaseOperation"),
                (true, Phase::Leased) => {
                    self.until = until(self.lasts);
                    Ok(StatusCode::OK)
                }
                (true, _) => conflict("LeaseIsBrokenAndCannotBeRenewed"),
            },
            "release" if id("x-ms-lease-id")? == self.id => {
                *self = Self::default();
                Ok(StatusCode::OK)
            }
            "release" => conflict("LeaseIdMismatchWithLeaseOperation"),
            "break" => {
                let period = Some(header_text(request, "x-ms-lease-break-period")).filter(|period| !period.is_empty());
                let after = period.map(|period| seconds(period, 0)).transpose()?;
                if self.phase == Phase::Available {
                    return conflict("LeaseNotPresentWithLeaseOperation");
                }
                self.break_after(after, now);
                Ok(StatusCode::ACCEPTED)
            }
            _ => Err(WRONG),
        }
    }
}

/// A time of at most a minute.
fn seconds(text: &str, least: u64) -> Result<Duration, Refusal> {
    let seconds = text.parse().ok().filter(|seconds| (least..=60).contains(seconds));
    seconds.map(Duration::from_secs).ok_or(WRONG)
}
