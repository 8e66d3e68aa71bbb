//! Our HTTP client as `azure_core`'s transport.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use azure_core::error::ErrorKind;
use azure_core::http::headers::Headers;
use azure_core::http::request::Body;
use azure_core::http::{
    AsyncRawResponse, ClientOptions, HttpClient as AzureClient, Request, RetryOptions, StatusCode, Transport,
};

use crate::http::HttpClient;

/// Options for a credential: our client, and no retries of the library's own. Whoever asks for a token waits better.
pub fn options(http: Arc<dyn HttpClient>) -> ClientOptions {
    ClientOptions {
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(Adapter(http)))),
        ..ClientOptions::default()
    }
}

struct Adapter(Arc<dyn HttpClient>);

impl fmt::Debug for Adapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapter")
    }
}

type Answer<'a> = Pin<Box<dyn Future<Output = azure_core::Result<AsyncRawResponse>> + Send + 'a>>;

/// Written out instead of with `async_trait`: one method isn't worth a dependency.
impl AzureClient for Adapter {
    fn execute_request<'life0, 'life1, 'async_trait>(&'life0 self, request: &'life1 Request) -> Answer<'async_trait>
    where
        'life0: 'async_trait,
        'life1: 'async_trait,
        Self: 'async_trait,
    {
        Box::pin(async move {
            let mut builder = http::Request::builder().method(request.method().as_ref()).uri(request.url().as_str());
            for (name, value) in request.headers().iter() {
                builder = builder.header(name.as_str(), value.as_str());
            }
            let body = match request.body() {
                Body::Bytes(bytes) => bytes.clone(),
                Body::SeekableStream(_) => return Err(error("a credential's request isn't streamed".to_owned())),
            };
            let request = builder.body(body).map_err(|_| error("a credential's request can't be built".to_owned()))?;
            let answer = self.0.send(request).await.map_err(|failure| error(failure.to_string()))?;
            let mut headers = Headers::new();
            for (name, value) in answer.headers() {
                if let Ok(value) = value.to_str() {
                    headers.insert(name.as_str().to_owned(), value.to_owned());
                }
            }
            let status = StatusCode::from(answer.status().as_u16());
            Ok(AsyncRawResponse::from_bytes(status, headers, answer.into_body()))
        })
    }
}

fn error(reason: String) -> azure_core::Error {
    azure_core::Error::with_message(ErrorKind::Io, reason)
}
