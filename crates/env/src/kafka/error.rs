//! What goes wrong between this program and a broker, in words of our own: nothing that a peer has said is repeated.

use super::TopicPartition;

/// An error code of Kafka's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorCode(pub i16);

macro_rules! codes {
    ($($constant:ident = $number:literal: $doc:literal;)*) => {
        impl ErrorCode {
            $(#[doc = $doc] pub const $constant: Self = Self($number);)*

            /// Its name in Kafka's protocol; `None` for a rare one.
            pub fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($constant)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    UNKNOWN_SERVER_ERROR = -1: "The broker has failed.";
    OFFSET_OUT_OF_RANGE = 1: "The partition doesn't have this offset, or no longer.";
    CORRUPT_MESSAGE = 2: "The batch was damaged on its way.";
    UNKNOWN_TOPIC_OR_PARTITION = 3: "There is no such topic or partition.";
    LEADER_NOT_AVAILABLE = 5: "The partition has no leader now.";
    NOT_LEADER_OR_FOLLOWER = 6: "Another broker leads the partition.";
    REQUEST_TIMED_OUT = 7: "The replicas didn't answer in time.";
    MESSAGE_TOO_LARGE = 10: "The batch is longer than the topic allows.";
    COORDINATOR_LOAD_IN_PROGRESS = 14: "The group's coordinator starts.";
    COORDINATOR_NOT_AVAILABLE = 15: "The group has no coordinator now.";
    NOT_COORDINATOR = 16: "Another broker coordinates the group.";
    INVALID_TOPIC_EXCEPTION = 17: "No topic can be called that.";
    NOT_ENOUGH_REPLICAS = 19: "Too few replicas are in sync.";
    NOT_ENOUGH_REPLICAS_AFTER_APPEND = 20: "Too few replicas are in sync, and the batch is written.";
    ILLEGAL_GENERATION = 22: "The group has rebalanced.";
    UNKNOWN_MEMBER_ID = 25: "The group has removed this member.";
    REBALANCE_IN_PROGRESS = 27: "The group rebalances.";
    TOPIC_AUTHORIZATION_FAILED = 29: "The identity may not use the topic.";
    GROUP_AUTHORIZATION_FAILED = 30: "The identity may not use the group.";
    CLUSTER_AUTHORIZATION_FAILED = 31: "The identity may not do that in this cluster.";
    INVALID_TIMESTAMP = 32: "The record's time is out of the topic's range.";
    UNSUPPORTED_SASL_MECHANISM = 33: "The broker doesn't know this SASL mechanism.";
    UNSUPPORTED_VERSION = 35: "The broker is too old, or too new.";
    POLICY_VIOLATION = 44: "A policy forbids it; of Event Hubs: too much at once.";
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45: "The broker misses a batch of this producer.";
    DUPLICATE_SEQUENCE_NUMBER = 46: "The broker has a batch with this number.";
    INVALID_PRODUCER_EPOCH = 47: "The producer id was given to another producer.";
    INVALID_PRODUCER_ID_MAPPING = 49: "The broker has forgotten the producer id.";
    SASL_AUTHENTICATION_FAILED = 58: "The credential is refused.";
    UNKNOWN_PRODUCER_ID = 59: "The broker has forgotten the producer id.";
    FENCED_LEADER_EPOCH = 74: "The partition has a new leader.";
    UNSUPPORTED_COMPRESSION_TYPE = 76: "The topic doesn't take this compression.";
    FENCED_INSTANCE_ID = 82: "Another member has this `group_instance_id`.";
    INVALID_RECORD = 87: "The broker refuses the record.";
    THROTTLING_QUOTA_EXCEEDED = 89: "Too much at once.";
    PRODUCER_FENCED = 90: "Another producer has taken over.";
    FENCED_MEMBER_EPOCH = 110: "The group has removed this member.";
    UNRELEASED_INSTANCE_ID = 111: "Another member has this `group_instance_id`, and lives.";
    STALE_MEMBER_EPOCH = 113: "The group has rebalanced.";
}

impl std::fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name}, {}", self.0),
            None => write!(f, "error code {}", self.0),
        }
    }
}

/// What kind of thing went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// No connection to any broker, or it broke.
    Network,
    /// No answer in time.
    Timeout,
    /// TLS failed, or the credential is refused.
    Authentication,
    /// There is no token or password to authenticate with. A sentence of ours.
    NoCredential(String),
    /// The peer has no version of the protocol in common with this program, or isn't Kafka.
    Protocol,
    /// The broker's answer.
    Code(ErrorCode),
    /// A record alone is longer than a request may be. It wasn't sent.
    TooLarge,
    /// The batch in the log of this partition at this offset is damaged: its checksum is wrong.
    Corrupt(TopicPartition, i64),
    /// These partitions have to be positioned first.
    NoOffset(Vec<TopicPartition>),
    /// The producer or consumer is closed, or can't go on: another one has to be made.
    Closed,
    /// The settings can't work. A sentence of ours.
    Settings(String),
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BrokerError {
    /// What went wrong.
    pub trouble: Trouble,
    /// The producer can't go on: another one has to be made.
    pub is_fatal: bool,
    /// The record may be written all the same.
    pub may_be_written: bool,
}

impl BrokerError {
    /// An error after which the same call may work.
    pub fn new(trouble: Trouble) -> Self {
        let is_fatal = trouble == Trouble::Closed;
        Self { trouble, is_fatal, may_be_written: false }
    }

    /// The broker's answer.
    pub fn code(code: ErrorCode) -> Self {
        let is_fatal = matches!(
            code,
            ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER
                | ErrorCode::DUPLICATE_SEQUENCE_NUMBER
                | ErrorCode::INVALID_PRODUCER_EPOCH
                | ErrorCode::INVALID_PRODUCER_ID_MAPPING
                | ErrorCode::UNKNOWN_PRODUCER_ID
                | ErrorCode::PRODUCER_FENCED
        );
        Self { is_fatal, ..Self::new(Trouble::Code(code)) }
    }

    /// The same, of a record that may be written.
    #[must_use]
    pub fn may_be_written(mut self) -> Self {
        self.may_be_written = true;
        self
    }

    /// The partitions that have to be positioned, if that is the reason.
    pub fn no_offset(&self) -> Option<&[TopicPartition]> {
        match &self.trouble {
            Trouble::NoOffset(partitions) => Some(partitions),
            _ => None,
        }
    }

    /// The broker's answer, if there was one.
    pub fn answer(&self) -> Option<ErrorCode> {
        match self.trouble {
            Trouble::Code(code) => Some(code),
            _ => None,
        }
    }

    /// The kind, as a label of metrics.
    pub fn kind(&self) -> &'static str {
        match &self.trouble {
            Trouble::Network => "no connection",
            Trouble::Timeout => "timeout",
            Trouble::Authentication => "authentication",
            Trouble::NoCredential(_) => "token",
            Trouble::Protocol => "protocol",
            Trouble::Code(ErrorCode::POLICY_VIOLATION | ErrorCode::THROTTLING_QUOTA_EXCEEDED) => "throttled",
            Trouble::Code(code) => code.name().unwrap_or("broker error"),
            Trouble::TooLarge => "too large",
            Trouble::Corrupt(..) => "corrupt batch",
            Trouble::NoOffset(_) => "no offset",
            Trouble::Closed => "closed",
            Trouble::Settings(_) => "settings",
        }
    }
}

/// What happened and what to do, in a sentence without an end.
impl std::fmt::Display for BrokerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let fixed = match &self.trouble {
            Trouble::Network => {
                "no broker can be reached: check `bootstrap_servers`, the network, and the addresses that the brokers advertise"
            }
            Trouble::Timeout => "the brokers don't answer in time: check the network and their load",
            Trouble::Authentication => {
                "the connection is refused at TLS or at authentication: check `sasl`, `tls`, and that the identity has a role \
                 (Event Hubs: Azure Event Hubs Data Sender or Receiver)"
            }
            Trouble::Protocol => {
                "the peer and this program have no version of Kafka's protocol in common, or it closes the connection at the \
                 first request: check that `bootstrap_servers` names Kafka's port (Event Hubs: 9093, not in the Basic tier) and \
                 that TLS is on where the broker wants it"
            }
            Trouble::TooLarge => "the record alone is longer than a request may be",
            Trouble::Corrupt(..) => "a batch in the log is damaged: its checksum is wrong",
            Trouble::NoOffset(_) => "the position in a partition isn't known",
            Trouble::Closed => "the client is closed",
            Trouble::NoCredential(reason) | Trouble::Settings(reason) => reason,
            Trouble::Code(code) => return f.write_str(&code_in_words(*code)),
        };
        f.write_str(fixed)
    }
}

fn code_in_words(code: ErrorCode) -> String {
    let words = match code {
        ErrorCode::UNKNOWN_TOPIC_OR_PARTITION | ErrorCode::INVALID_TOPIC_EXCEPTION => {
            "there is no such topic: create it, or correct its name"
        }
        ErrorCode::TOPIC_AUTHORIZATION_FAILED => {
            "the identity may not use the topic: give it the right (Event Hubs: the role Azure Event Hubs Data Sender or Receiver \
             on the hub)"
        }
        ErrorCode::GROUP_AUTHORIZATION_FAILED => {
            "the identity may not use the group: give it the right to read with `group_id` (Event Hubs: the role Azure Event Hubs \
             Data Receiver on the hub)"
        }
        ErrorCode::CLUSTER_AUTHORIZATION_FAILED => {
            "the identity may not write idempotently: give it the right IdempotentWrite on the cluster"
        }
        ErrorCode::SASL_AUTHENTICATION_FAILED => "the credential is refused: check `sasl`",
        ErrorCode::UNSUPPORTED_SASL_MECHANISM => "the broker doesn't know this mechanism: check `sasl.mechanism`",
        ErrorCode::UNSUPPORTED_COMPRESSION_TYPE => {
            "the topic doesn't take this compression: set `compression` to \"none\" (Event Hubs takes gzip in Premium and Dedicated only)"
        }
        ErrorCode::POLICY_VIOLATION | ErrorCode::THROTTLING_QUOTA_EXCEEDED => {
            "the broker takes no more at this rate (Event Hubs: add throughput units); it is sent again"
        }
        ErrorCode::NOT_ENOUGH_REPLICAS | ErrorCode::NOT_ENOUGH_REPLICAS_AFTER_APPEND => {
            "too few replicas are in sync: look at the brokers"
        }
        ErrorCode::MESSAGE_TOO_LARGE => "the topic takes no batch of this length: raise its `max.message.bytes`",
        ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER => {
            "the broker no longer has records that it had acknowledged: look at its disks, at unclean elections and at \
             `min.insync.replicas`, and compare the topic with its source; a new producer goes on"
        }
        ErrorCode::DUPLICATE_SEQUENCE_NUMBER => {
            "the broker says that it has this batch, and not where: a new producer writes it again"
        }
        ErrorCode::FENCED_INSTANCE_ID | ErrorCode::UNRELEASED_INSTANCE_ID => {
            "another member of the group has this `group_instance_id`: give each process one of its own"
        }
        ErrorCode::UNSUPPORTED_VERSION => {
            "the broker lacks what is asked of it: it may be too old (Event Hubs has only `group_protocol = \"classic\"`)"
        }
        _ => "the broker refuses, for now",
    };
    format!("{words} ({code})")
}

impl std::error::Error for BrokerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_kafkas_names_and_numbers() {
        assert_eq!(ErrorCode::POLICY_VIOLATION.to_string(), "POLICY_VIOLATION, 44");
        assert_eq!(ErrorCode(1234).to_string(), "error code 1234");
        assert!(BrokerError::code(ErrorCode::INVALID_PRODUCER_ID_MAPPING).is_fatal);
        assert!(!BrokerError::code(ErrorCode::POLICY_VIOLATION).is_fatal);
        assert_eq!(BrokerError::code(ErrorCode::POLICY_VIOLATION).kind(), "throttled");
    }

    #[test]
    fn each_error_says_what_to_do() {
        let codes = (-1..120).map(ErrorCode).map(Trouble::Code);
        let others = [Trouble::Network, Trouble::Timeout, Trouble::Authentication, Trouble::Protocol];
        for trouble in codes.chain(others) {
            let text = BrokerError::new(trouble).to_string();
            assert!(text.contains(": ") || text.contains("for now"), "{text}");
        }
    }
}
