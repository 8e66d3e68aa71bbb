//! The fields of a `credential` table.

use crate::settings::{Field, Kind, Presence};

/// The kinds.
const KINDS: &[&str] =
    &["client_secret", "client_certificate", "managed_identity", "workload_identity", "azure_cli", "token"];

const fn optional(name: &'static str, kind: Kind, doc: &'static str) -> Field {
    Field { name, kind, presence: Presence::Optional, doc }
}

/// The fields of a `credential` table.
pub static FIELDS: &[Field] = &[
    Field {
        name: "kind",
        kind: Kind::Choice(KINDS),
        presence: Presence::Required,
        doc: "`client_secret`, `client_certificate`: an app registration. `managed_identity`: the identity of the App \
              Service, Function, Container App or VM that this runs on. `workload_identity`: a token that Kubernetes or \
              another platform writes into a file, exchanged at Entra. `azure_cli`: whoever is signed in with `az login`, \
              for one's own machine. `token`: a ready bearer token, usually `${file:PATH}` that someone else renews.",
    },
    optional(
        "tenant_id",
        Kind::Text,
        "The directory's (tenant's) id. For `client_secret` and `client_certificate`; for `azure_cli` where there are \
         several; for `workload_identity`, else `AZURE_TENANT_ID`.",
    ),
    optional(
        "client_id",
        Kind::Text,
        "The application's (client's) id. For `client_secret` and `client_certificate`; for `workload_identity`, else \
         `AZURE_CLIENT_ID`; for `managed_identity` the user-assigned identity, without it the system-assigned one.",
    ),
    optional(
        "client_secret",
        Kind::Secret,
        "The application's secret; a file is read again for each token. For `client_secret`.",
    ),
    optional(
        "certificate_file",
        Kind::Text,
        "PEM file with the application's certificate first, those that signed it behind it, and the private key unless \
         `private_key_file` names it. RSA. Read again for each token. For `client_certificate`.",
    ),
    optional(
        "private_key_file",
        Kind::Text,
        "PEM file with the private key of `certificate_file`, without a passphrase. For `client_certificate`.",
    ),
    optional(
        "send_certificate_chain",
        Kind::Flag,
        "Whether the certificates go along with each request (`x5c`): for applications that trust a subject name and \
         issuer instead of single certificates. For `client_certificate`.",
    ),
    optional(
        "federated_token_file",
        Kind::Text,
        "The file with the platform's token, read again for each token. For `workload_identity`, else \
         `AZURE_FEDERATED_TOKEN_FILE`, which Kubernetes sets.",
    ),
    optional(
        "object_id",
        Kind::Text,
        "The user-assigned identity by its object (principal) id, in the place of `client_id`. For `managed_identity`.",
    ),
    optional(
        "resource_id",
        Kind::Text,
        "The user-assigned identity by its resource id (`/subscriptions/…`), in the place of `client_id`. For \
         `managed_identity` on a virtual machine: App Service and Container Apps want one of the others.",
    ),
    optional(
        "azure_cli_path",
        Kind::Text,
        "The program to run, `az` without it. For `azure_cli`; it has proxy and certificate settings of its own.",
    ),
    optional(
        "token",
        Kind::Secret,
        "The bearer token; a file is read again when Azure refuses the token. For `token`.",
    ),
    optional(
        "cloud",
        Kind::Choice(&["public", "us_government", "china"]),
        "Where tokens are asked for, and for which audience. Without it `authority_host` and the endpoint's ending \
         decide, so it is seldom needed.",
    ),
    optional(
        "authority_host",
        Kind::Text,
        "Where tokens are asked for, such as `https://login.microsoftonline.us`; else that of `cloud`. For \
         `workload_identity`, else `AZURE_AUTHORITY_HOST`.",
    ),
];
