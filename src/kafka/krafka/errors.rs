//! What krafka's errors mean. Their texts can hold what a broker has said, so none of them is passed on.

use krafka::{KrafkaError, ProtocolErrorKind};

use nordpass_env::kafka::{BrokerError, ErrorCode, TopicPartition, Trouble};

/// An error of ours for krafka's.
pub fn broker_error(error: &KrafkaError) -> BrokerError {
    let mut meant = BrokerError::new(Trouble::Protocol);
    meant.trouble = match error {
        KrafkaError::Network(_) => Trouble::Network,
        KrafkaError::Timeout { .. } | KrafkaError::Wakeup => Trouble::Timeout,
        KrafkaError::DeliveryTimeout { possibly_written, .. } => {
            meant.may_be_written = *possibly_written;
            Trouble::Timeout
        }
        KrafkaError::Auth { .. } => Trouble::Authentication,
        KrafkaError::Protocol { kind: ProtocolErrorKind::FrameTooLarge, .. } => Trouble::TooLarge,
        KrafkaError::Protocol { kind: ProtocolErrorKind::CrcMismatch, message } => match damaged(message) {
            Some((partition, offset)) => Trouble::Corrupt(partition, offset),
            None => Trouble::Protocol,
        },
        KrafkaError::Broker { code, .. } => {
            meant = BrokerError::code(ErrorCode(code.to_i16()));
            meant.trouble
        }
        KrafkaError::UnknownTopic { .. } => Trouble::Code(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION),
        KrafkaError::OutOfOrderSequence { .. } => {
            meant = BrokerError::code(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER);
            meant.trouble
        }
        KrafkaError::NoOffset { partitions } => Trouble::NoOffset(
            partitions.iter().map(|(topic, partition)| TopicPartition::new(topic.as_str(), *partition)).collect(),
        ),
        KrafkaError::Closed { .. } | KrafkaError::Fenced { .. } => Trouble::Closed,
        KrafkaError::Config { .. } => Trouble::Settings("the client refuses the settings: check the files of `tls`, and that this machine has certificate authorities (package `ca-certificates`)".to_owned()),
        _ => Trouble::Protocol,
    };
    meant.is_fatal |= meant.trouble == Trouble::Closed || error.is_fatal();
    meant
}

/// The partition and the offset of a damaged batch, which krafka has in its text alone: `… at TOPIC-PARTITION offset OFFSET; …`.
fn damaged(message: &str) -> Option<(TopicPartition, i64)> {
    let (_, rest) = message.split_once(" at ")?;
    let (partition, rest) = rest.split_once(" offset ")?;
    let (topic, partition) = partition.rsplit_once('-')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    Some((TopicPartition::new(topic, partition.parse().ok()?), rest[..digits].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_damaged_partition_is_found_and_no_text_is_passed_on() {
        let text = "undecodable record batch at nord-pass-3 offset 17; the partition cannot advance";
        let error = KrafkaError::protocol_kind(ProtocolErrorKind::CrcMismatch, text);
        assert_eq!(broker_error(&error).trouble, Trouble::Corrupt(TopicPartition::new("nord-pass", 3), 17));
        let secret = "s3cret-of-a-peer";
        for error in [
            KrafkaError::auth(secret),
            KrafkaError::broker(krafka::error::ErrorCode::PolicyViolation, secret),
            KrafkaError::network(std::io::Error::other(secret)),
            KrafkaError::protocol_kind(ProtocolErrorKind::CrcMismatch, secret),
            KrafkaError::config(secret),
        ] {
            assert!(!broker_error(&error).to_string().contains(secret));
        }
    }
}
