//! Put Block and Put Block List: blocks are kept unseen until a list commits them.

use bytes::Bytes;
use http::StatusCode;

use super::{Call, LONGEST_BLOCK, NO_BLOB, Refusal};
use crate::reply::Reply;

/// The longest id of a block, in bytes before base64.
const LONGEST_ID: usize = 64;
/// The most blocks of a blob.
const MOST_BLOCKS: usize = 50_000;

/// The headers of a list that the blob shows from then on, and under which names.
const SHOWN: &[(&str, &str)] = &[
    ("x-ms-blob-content-type", "content-type"),
    ("x-ms-blob-content-encoding", "content-encoding"),
    ("x-ms-access-tier", "x-ms-access-tier"),
    ("x-ms-tags", "x-ms-tags"),
];

/// The access tiers of a block blob.
const TIERS: &[&str] = &["Hot", "Cool", "Cold", "Archive"];

impl Call<'_> {
    pub(super) fn put_block(self) -> Result<Reply, Refusal> {
        let id = self.query("blockid").to_owned();
        // Base64 of at most 64 bytes.
        if id.is_empty() || !id.len().is_multiple_of(4) || id.len() > LONGEST_ID.div_ceil(3) * 4 {
            return Err((StatusCode::BAD_REQUEST, "InvalidQueryParameterValue"));
        }
        if self.request.body().is_empty() {
            return Err((StatusCode::BAD_REQUEST, "InvalidHeaderValue"));
        }
        if self.request.body().len() > LONGEST_BLOCK {
            return Err((StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge"));
        }
        if self.account.get(self.container, self.blob).is_ok_and(|stored| stored.blocks.is_some()) {
            return Err((StatusCode::CONFLICT, "InvalidBlobType"));
        }
        if self.account.put_block(self.container, self.blob, &id, self.request.body())? {
            Ok(Reply::new(StatusCode::CREATED, "", Bytes::new()))
        } else {
            Err((StatusCode::BAD_REQUEST, "InvalidBlobOrBlock"))
        }
    }

    pub(super) fn put_block_list(self) -> Result<Reply, Refusal> {
        match self.account.get(self.container, self.blob) {
            Ok(_) if self.header("if-none-match") == "*" => return Err((StatusCode::CONFLICT, "BlobAlreadyExists")),
            Ok(stored) => {
                stored.demand_version(self.request)?;
                stored.demand_lease(self.request, self.now)?;
            }
            Err(NO_BLOB) => {}
            Err(refusal) => return Err(refusal),
        }
        let wrong = (StatusCode::BAD_REQUEST, "InvalidXmlDocument");
        let xml =
            std::str::from_utf8(self.request.body()).ok().filter(|xml| xml.contains("<BlockList>")).ok_or(wrong)?;
        let ids = xml.split("<Uncommitted>").skip(1).map(|rest| rest.split_once("</Uncommitted>").map(|(id, _)| id));
        let ids: Vec<&str> = ids.collect::<Option<_>>().ok_or(wrong)?;
        let tier = self.header("x-ms-access-tier");
        if ids.len() > MOST_BLOCKS || !(tier.is_empty() || TIERS.contains(&tier)) {
            return Err((StatusCode::BAD_REQUEST, "InvalidHeaderValue"));
        }
        let missing = (StatusCode::BAD_REQUEST, "InvalidBlockList");
        let bytes = self.account.joined(self.container, self.blob, &ids).ok_or(missing)?;
        let shown = SHOWN.iter().map(|(given, shown)| ((*shown).to_owned(), self.header(given).to_owned()));
        let mut properties: Vec<(String, String)> = shown.filter(|(_, value)| !value.is_empty()).collect();
        for (name, value) in self.request.headers() {
            if let Some(value) = value.to_str().ok().filter(|_| name.as_str().starts_with("x-ms-meta-")) {
                properties.push((name.as_str().to_owned(), value.to_owned()));
            }
        }
        self.account.write(self.container, self.blob, None, bytes, self.now)?;
        let stored = self.account.get_mut(self.container, self.blob)?;
        stored.properties = properties;
        Ok(stored.reply(StatusCode::CREATED, Bytes::new(), self.now))
    }
}
