//! A stand-in for the Logs Ingestion API and its token endpoint that isn't the bottleneck.
//!
//! While a run is on it does as little as it can: read the body, keep it, answer 204, on one thread. What costs time
//! (gunzip, rows, distinct ids) waits until somebody asks with `?rows=1`, after the run. With `--drop-bodies` each body
//! is counted at once instead, for runs whose bodies don't fit into the memory.
//!
//! `receiver [--drop-bodies]` listens on a free port of 127.0.0.1 and prints `http://127.0.0.1:PORT`.
//!
//! | request | answer |
//! |---|---|
//! | `POST …/oauth2/v2.0/token` | a token |
//! | `POST` anything else | 204; the body is kept |
//! | `GET /stats` | `requests`, `wire_bytes`, `first_arrival`, `last_arrival`, its own `cpu_seconds` |
//! | `GET /stats?rows=1` | also `raw_bytes`, `rows`, `distinct_uids`, `bad_bodies` |
#![expect(clippy::print_stdout, reason = "its address goes to whoever started it")]

mod count;
mod store;

use std::cell::RefCell;
use std::convert::Infallible;
use std::io;
use std::rc::Rc;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::{LocalSet, spawn_local};

use store::{Received, Store};

/// The room for a body whose length isn't stated.
const USUAL_BODY: usize = 64 << 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    let drop_bodies = std::env::args().any(|word| word == "--drop-bodies");
    let store = Rc::new(RefCell::new(Store::new(drop_bodies)));
    LocalSet::new()
        .run_until(async move {
            loop {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let store = store.clone();
                spawn_local(async move {
                    let service = service_fn(move |request| answer(request, store.clone()));
                    // Of a request that breaks off nothing was kept; the rows will be missed.
                    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        })
        .await
}

async fn answer(request: Request<Incoming>, store: Rc<RefCell<Store>>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, mut incoming) = request.into_parts();
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    let length = header(CONTENT_LENGTH).and_then(|text| text.parse().ok()).unwrap_or(USUAL_BODY);
    let mut body = Vec::with_capacity(length);
    while let Some(frame) = incoming.frame().await {
        match frame {
            Ok(frame) => body.extend_from_slice(frame.data_ref().map_or(&[], |data| data)),
            Err(_) => return Ok(reply(StatusCode::BAD_REQUEST, String::new())),
        }
    }
    let path = head.uri.path();
    Ok(match head.method {
        Method::GET if path == "/stats" => {
            let rows = head.uri.query() == Some("rows=1");
            reply(StatusCode::OK, store.borrow_mut().stats(rows).to_string())
        }
        Method::POST if path.ends_with("/oauth2/v2.0/token") => {
            let token = json!({"token_type": "Bearer", "expires_in": 3599, "access_token": "token"});
            reply(StatusCode::OK, token.to_string())
        }
        Method::POST => {
            store.borrow_mut().keep(Received { gzip: header(CONTENT_ENCODING) == Some("gzip"), body });
            reply(StatusCode::NO_CONTENT, String::new())
        }
        _ => reply(StatusCode::NOT_FOUND, String::new()),
    })
}

fn reply(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
}
