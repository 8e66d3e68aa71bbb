//! What a template needs to become the source of one organization.

use std::sync::Arc;

use crate::event::Organization;
use crate::settings::Secret;

/// An organization, and the access to its events.
#[derive(Clone, Debug)]
pub struct OrganizationAccess {
    /// The organization.
    pub organization: Arc<Organization>,
    /// The API's URL.
    pub endpoint: String,
    /// The token: a file in the folder of secrets.
    pub token: Secret,
}
