//! What the engine has to know about a destination.

use super::batch::{Encoded, Rows};
use super::partition::Partition;
use crate::component::Letter;
use crate::event::{Chunk, Record};
use crate::http::{Again, HttpError};

/// Bytes of a body that any proxy accepts.
const SURELY_FITS: usize = 64 << 10;
/// Kinds of failure ([`Again::kind`]) after which the records may have arrived all the same.
const MAY_HAVE_ARRIVED: [&str; 4] = ["no connection", "timeout", "broken answer", "unexpected answer"];

/// The kind of a refusal for too many requests.
pub const THROTTLED: &str = "throttled";
/// The kind of a response that says when to come again.
pub const UNAVAILABLE: &str = "unavailable";

/// A destination: what its bodies and requests look like, and what its responses mean.
pub trait Protocol: Send + Sync + 'static {
    /// What it is called in the reasons of dead letters.
    const NAME: &str;

    /// Longest body that the destination takes, in bytes after compression.
    fn max_body_bytes(&self) -> usize;

    /// By how many bytes a record of `length` bytes makes a body longer, before compression.
    fn added_bytes(&self, length: usize) -> usize;

    /// Shortens a record that the destination would cut or refuse. Returns its new text, and how many fields are shorter.
    fn shorten(&self, record: &str) -> Option<(String, u64)>;

    /// The partition of a record, where the address of a request depends on its records.
    fn partition(&self, record: &Record) -> Option<Partition> {
        let _ = record;
        None
    }

    /// What the stream of a partition is called.
    fn partition_name(&self, partition: &Partition) -> String {
        let _ = partition;
        String::new()
    }

    /// Whether records can be sent to a stream of this name; `is_fixed`: the settings name it.
    fn has_stream(&self, name: &str, is_fixed: bool) -> bool {
        let _ = name;
        is_fixed
    }

    /// Looks at records that a transform has changed, before they are batched.
    fn look_at_changed(&self, stream: usize, chunk: &Chunk) {
        let _ = (stream, chunk);
    }

    /// Encodes the body of a request. It takes some milliseconds for a full batch, so it runs aside.
    fn encode(&self, rows: &Rows) -> Encoded;

    /// Encodes a single record.
    fn encode_letter(&self, letter: Letter<'_>) -> Encoded;

    /// A body without records, if the destination's answer to it says whether it takes others.
    fn encode_nothing(&self) -> Option<Encoded>;

    /// Posts a body once. `takes_others`: another stream has accepted records.
    fn post(
        &self,
        stream: &str,
        takes_others: bool,
        encoded: &Encoded,
        request_id: &str,
    ) -> impl Future<Output = ResponseClass> + Send;

    /// Why a stream waits when all its records are refused.
    fn refuses_all(&self, refusal: &Refusal, stream: &str) -> String;

    /// Why a stream waits when one of its records is refused without proof that the record is at fault.
    fn refuses_one(&self, refusal: &Refusal, stream: &str) -> String;
}

/// What a response says about the records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseClass {
    /// The destination has all of them.
    Accepted,
    /// Something in the body is unacceptable, or the body is too large: find the record.
    Refused(Refusal),
    /// The destination has said something about each record, in their order, and not the same about all.
    Partial(Vec<RecordClass>),
    /// The token is refused, in a sentence.
    TokenRefused(&'static str),
    /// Nothing: try again later.
    Again(Again),
}

/// What a response says about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordClass {
    /// The destination has it.
    Accepted,
    /// It is refused; alone, it will be refused with its reason.
    Refused,
    /// Try again later.
    Again,
}

/// How a destination refused a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status, or Kafka's error code.
    pub status: u16,
    /// The destination's own code for it.
    pub code: Option<String>,
    /// The request id, for the destination's support.
    pub request_id: Option<String>,
    /// What is refused.
    pub kind: RefusalKind,
}

/// What is refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefusalKind {
    /// Something in the body.
    #[default]
    Content,
    /// The body's length.
    Size {
        /// The destination says so itself, and not something between here and there.
        certain: bool,
    },
    /// The body's records are more than this many seconds apart.
    TimeRange(i64),
}

impl Refusal {
    /// Status and code, for messages.
    pub fn answer(&self) -> String {
        let code = self.code.as_deref().map(|code| format!(" ({code})")).unwrap_or_default();
        format!("{}{code}", self.status)
    }

    /// Whether the body is too large. Otherwise something in it is wrong.
    pub fn is_for_size(&self) -> bool {
        matches!(self.kind, RefusalKind::Size { .. })
    }

    /// Whether a record alone, of `length` bytes after compression, is surely too large: the destination itself says so, and the
    /// record fits into no request (of at most `max` bytes) or is longer than `longest`, the longest accepted body (0: none).
    pub fn proves_too_large(&self, length: usize, max: usize, longest: usize) -> bool {
        let is_certain = self.kind == RefusalKind::Size { certain: true };
        is_certain && (length > max || (longest > 0 && length > longest))
    }

    /// Whether a refusal for size can't be the record's fault, because a request at least as long was accepted or any server would
    /// take it. Then it comes from a proxy.
    pub fn is_surely_wrong_about_size(&self, length: usize, longest: usize) -> bool {
        self.is_for_size() && length <= longest.max(SURELY_FITS)
    }
}

/// Whether the records may have arrived although the request failed.
pub fn may_have_arrived(again: &Again) -> bool {
    again.kind.is_some_and(|kind| MAY_HAVE_ARRIVED.contains(&kind))
}

/// Whether all streams must pause: the destination throttles, or says when it will be available again.
pub fn pauses_all(again: &Again) -> bool {
    again.kind == Some(THROTTLED) || again.kind == Some(UNAVAILABLE) && again.wait.is_some()
}

/// Classifies a request without a response.
pub fn no_response(error: &HttpError) -> Again {
    let kind = match error {
        HttpError::Connect { .. } => "no connection",
        HttpError::Tls { .. } => "tls",
        HttpError::Timeout { .. } => "timeout",
        HttpError::Body { .. } | HttpError::TooLarge { .. } => "broken answer",
    };
    Again::because(kind, error.to_string())
}
