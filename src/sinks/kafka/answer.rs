//! What the broker's answers mean for the records of a batch.

use crate::http::Again;
use crate::sinks::delivery::protocol::{RecordClass, Refusal, RefusalKind, ResponseClass, THROTTLED};
use nordpass_env::kafka::{BrokerError, ErrorCode, Trouble};

/// Classifies the outcomes of a batch's records.
pub fn classify(outcomes: &[Result<(), BrokerError>], topic: &str) -> ResponseClass {
    let classes: Vec<RecordClass> = outcomes.iter().map(class).collect();
    let Some(error) = outcomes.iter().find_map(|outcome| outcome.as_ref().err()) else {
        return ResponseClass::Accepted;
    };
    let all = |class| classes.iter().all(|known| *known == class);
    if all(RecordClass::Again) {
        ResponseClass::Again(again(error, topic))
    } else if all(RecordClass::Refused) {
        ResponseClass::Refused(refusal(error))
    } else {
        ResponseClass::Partial(classes)
    }
}

/// What is waited for.
pub fn again(error: &BrokerError, topic: &str) -> Again {
    let kind = if error.kind() == "throttled" { THROTTLED } else { error.kind() };
    Again::because(kind, format!("can't write to the topic {topic}: {error}"))
}

/// Only these are about the record.
fn class(outcome: &Result<(), BrokerError>) -> RecordClass {
    match outcome.as_ref().map_err(|error| &error.trouble) {
        Ok(()) => RecordClass::Accepted,
        Err(
            Trouble::TooLarge
            | Trouble::Code(ErrorCode::MESSAGE_TOO_LARGE | ErrorCode::INVALID_RECORD | ErrorCode::INVALID_TIMESTAMP),
        ) => RecordClass::Refused,
        Err(_) => RecordClass::Again,
    }
}

/// That a record is refused. Whether it is the record's fault shows when others are accepted: a topic can refuse everything, too.
fn refusal(error: &BrokerError) -> Refusal {
    let code = error.answer().unwrap_or(ErrorCode::MESSAGE_TOO_LARGE);
    Refusal { code: code.name().map(str::to_owned), ..too_large(code, RefusalKind::Content) }
}

/// That a record is longer than a request may be.
pub fn never_fits() -> Refusal {
    too_large(ErrorCode::MESSAGE_TOO_LARGE, RefusalKind::Size { certain: true })
}

fn too_large(code: ErrorCode, kind: RefusalKind) -> Refusal {
    Refusal {
        status: u16::try_from(code.0).unwrap_or_default(),
        code: code.name().map(str::to_owned),
        request_id: None,
        kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(codes: &[i16]) -> ResponseClass {
        let outcome = |code: &i16| if *code == 0 { Ok(()) } else { Err(BrokerError::code(ErrorCode(*code))) };
        classify(&codes.iter().map(outcome).collect::<Vec<_>>(), "nordpass")
    }

    #[test]
    fn only_a_few_codes_are_about_the_record() {
        assert_eq!(of(&[0, 0]), ResponseClass::Accepted);
        assert_eq!(of(&[]), ResponseClass::Accepted);
        for code in -1..120 {
            if code == 0 {
                continue;
            }
            let is_refusal = matches!(of(&[code]), ResponseClass::Refused(_));
            assert_eq!(is_refusal, [10, 32, 87].contains(&code), "{code}");
        }
        let classes = vec![RecordClass::Accepted, RecordClass::Again, RecordClass::Refused];
        assert_eq!(of(&[0, 44, 10]), ResponseClass::Partial(classes));
    }

    #[test]
    fn a_wait_says_what_to_do() {
        for (code, words) in
            [(44, "throughput units"), (3, "create it"), (29, "Data Sender"), (58, "check `sasl`"), (19, "in sync")]
        {
            let ResponseClass::Again(again) = of(&[code]) else { panic!("{code} waits") };
            let reason = again.reason.expect("words");
            assert!(reason.contains(words) && reason.contains(&code.to_string()), "{reason}");
            assert_eq!(again.kind == Some(THROTTLED), code == 44);
        }
    }
}
