//! Reasons why a read fails.

use crate::{component::ComponentError, http::Failure, sources::retry::RetryStop};

/// Why a page, a slice or a longer range can't be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// Reading should end.
    Ending,
    /// A response is too large or takes too long. Smaller pages may work.
    TooLarge,
    /// The responses to this query stay unreadable. A narrower query may work, and others may be fine.
    Unreadable(String),
    /// The token shows another organization than the one that the state is pinned to.
    OtherOrganization,
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
    /// Temporary failures were waited out before they became a [`ReadError`].
    fn from(error: ReadError) -> Self {
        Self::Stop(error)
    }
}

/// Converts the result of a part of the source. `None` if it ended because reading should end, which is no error.
pub fn unless_ended<T>(result: Result<T, impl Into<ReadError>>) -> Result<Option<T>, ComponentError> {
    let error = match result {
        Ok(value) => return Ok(Some(value)),
        Err(error) => error.into(),
    };
    match error {
        ReadError::Ending => Ok(None),
        ReadError::Checkpoint(reason) | ReadError::Unreadable(reason) => Err(ComponentError::new(reason)),
        ReadError::OtherOrganization => {
            let message = "the token shows events of another organization than before: none of them was sent";
            Err(ComponentError::new(message).hint(
                "two tokens are probably swapped: check which file in `secrets_dir` holds whose token, then reload or restart. An \
                 organization that has really changed needs a new `id`",
            ))
        }
        ReadError::TooLarge => Err(ComponentError::new("a NordPass response exceeds the size limit")),
    }
}
