//! The fields of a `credential` table.

use crate::settings::{Field, Kind};

/// The kinds.
const KINDS: &[&str] =
    &["client_secret", "client_certificate", "managed_identity", "workload_identity", "azure_cli", "token"];

/// The fields of a `credential` table.
pub static FIELDS: &[Field] = &[
    Field::required("kind", Kind::Choice(KINDS)).doc(
        "`client_secret`, `client_certificate`: an app registration. `managed_identity`: the identity of the App \
         Service, Function, Container App or VM that runs the program. `workload_identity`: a token that \
         Kubernetes or another platform writes to a file, exchanged at Entra. `azure_cli`: the user signed in \
         with `az login`, for your own machine. `token`: a ready bearer token, usually `${file:PATH}`, renewed \
         elsewhere.",
    ),
    Field::optional("tenant_id", Kind::Text).doc(
        "The directory (tenant) ID. For `client_secret` and `client_certificate`; for `azure_cli` if there are several \
         tenants; for `workload_identity`, which defaults to `AZURE_TENANT_ID`.",
    ),
    Field::optional("client_id", Kind::Text).doc(
        "The application (client) ID. For `client_secret` and `client_certificate`; for `workload_identity`, which \
         defaults to `AZURE_CLIENT_ID`; for `managed_identity`, to select a user-assigned identity instead of the \
         system-assigned one.",
    ),
    Field::optional("client_secret", Kind::Secret)
        .doc("The application's secret; a file is read again for each token. For `client_secret`."),
    Field::optional("certificate_file", Kind::Text).doc(
        "PEM file with the application's certificate first, then its issuers, and the private key unless \
         `private_key_file` is set. RSA. Read again for each token. For `client_certificate`.",
    ),
    Field::optional("private_key_file", Kind::Text)
        .doc("PEM file with the private key of `certificate_file`, without a passphrase. For `client_certificate`."),
    Field::optional("send_certificate_chain", Kind::Flag).doc(
        "Send the certificates with each request (`x5c`), for applications that trust a subject name and issuer \
         instead of single certificates. For `client_certificate`.",
    ),
    Field::optional("federated_token_file", Kind::Text).doc(
        "The file with the platform's token, read again for each token. For `workload_identity`, which defaults to \
         `AZURE_FEDERATED_TOKEN_FILE`, set by Kubernetes.",
    ),
    Field::optional("object_id", Kind::Text).doc(
        "Selects the user-assigned identity by its object (principal) ID instead of `client_id`. For \
         `managed_identity`.",
    ),
    Field::optional("resource_id", Kind::Text).doc(
        "Selects the user-assigned identity by its resource ID (`/subscriptions/…`) instead of `client_id`. For \
         `managed_identity` on a virtual machine; App Service and Container Apps need one of the other two.",
    ),
    Field::optional("azure_cli_path", Kind::Text)
        .doc("The program to run, by default `az`. For `azure_cli`; it has its own proxy and certificate settings."),
    Field::optional("token", Kind::Secret)
        .doc("The bearer token; a file is read again when Azure refuses the token. For `token`."),
    Field::optional("cloud", Kind::Choice(&["public", "us_government", "china"])).doc(
        "Selects the token authority and audience. Rarely needed: by default, `authority_host` and the endpoint's \
         domain decide.",
    ),
    Field::optional("authority_host", Kind::Text).doc(
        "Where to request tokens, such as `https://login.microsoftonline.us`. Defaults to the authority of `cloud`, \
         and for `workload_identity` to `AZURE_AUTHORITY_HOST`.",
    ),
];
