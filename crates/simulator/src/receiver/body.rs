//! A request's body.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::{Request, StatusCode};

use crate::reply::header_text;

/// The most bytes after decompression.
const MOST: u64 = 256 << 20;

/// The body without its compression, or the status of the refusal.
pub fn decompress(request: &Request<Bytes>) -> Result<Bytes, StatusCode> {
    let body = &request.body()[..];
    let mut whole = Vec::new();
    let read = match header_text(request, "content-encoding").to_ascii_lowercase().as_str() {
        "" | "identity" => return Ok(request.body().clone()),
        "gzip" => MultiGzDecoder::new(body).take(MOST).read_to_end(&mut whole),
        "zstd" => zstd::stream::read::Decoder::with_buffer(body)
            .and_then(|decoder| decoder.take(MOST).read_to_end(&mut whole)),
        _ => return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    };
    read.map(|_| whole.into()).map_err(|_| StatusCode::BAD_REQUEST)
}

/// The media type, without its parameters, in lower case.
pub fn media_type(request: &Request<Bytes>) -> String {
    let header = header_text(request, "content-type");
    header.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
