//! Why something can't be read.

use crate::{component::ComponentError, http::Failure, sources::retry::RetryStop};

/// Why a page, a slice or a longer time can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Reading is to end.
    Ending,
    /// An answer is larger than the limit, or takes too long: smaller pages may do.
    TooLarge,
    /// The answers to this query stay unreadable: a narrower query may do, and others may be fine.
    Unreadable(String),
    /// The checkpoint can't be used.
    Checkpoint(String),
}

impl From<RetryStop> for ReadError {
    fn from(stop: RetryStop) -> Self {
        match stop {
            RetryStop::Ending => Self::Ending,
            RetryStop::Unusable(error) => Self::Checkpoint(error.to_string()),
        }
    }
}

impl From<ReadError> for Failure<ReadError> {
    /// What can be waited out was waited for before it became an error.
    fn from(error: ReadError) -> Self {
        Self::Stop(error)
    }
}

/// What a part of the source has come to: `None` if it ended because reading is to end, which is no error.
pub fn unless_ended<T>(result: Result<T, impl Into<ReadError>>) -> Result<Option<T>, ComponentError> {
    let error = match result {
        Ok(value) => return Ok(Some(value)),
        Err(error) => error.into(),
    };
    match error {
        ReadError::Ending => Ok(None),
        ReadError::Checkpoint(reason) | ReadError::Unreadable(reason) => Err(ComponentError::new(reason)),
        ReadError::TooLarge => Err(ComponentError::new("a NordPass response exceeds the size limit")),
    }
}
