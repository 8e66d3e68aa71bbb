//! A server that answers whatever it likes, without looking at what HTTP allows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// An answer.
#[derive(Clone)]
pub struct Answer {
    /// The status and the headers, each with its line end.
    head: String,
    body: Arc<[u8]>,
    is_endless: bool,
}

impl Answer {
    /// A status such as `200 OK`, and the body with its length.
    pub fn new(status: &str, body: impl Into<Vec<u8>>) -> Self {
        let body: Vec<u8> = body.into();
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        Self { head, body: body.into(), is_endless: false }
    }

    /// The same part again and again, until the client hangs up.
    pub fn endless(status: &str, part: &[u8]) -> Self {
        let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ntransfer-encoding: chunked\r\n");
        let chunk = [format!("{:x}\r\n", part.len()).as_bytes(), part, b"\r\n"].concat();
        Self { head, body: chunk.into(), is_endless: true }
    }

    /// With one more header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.extend([name, ": ", value, "\r\n"]);
        self
    }
}

/// The server. It ends with the test's runtime.
pub struct Server {
    /// Where it listens.
    pub port: u16,
    answers: Arc<AtomicUsize>,
}

impl Server {
    /// Starts it. The function makes an answer of the head of a request.
    pub async fn new(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (answers, answer) = (Arc::<AtomicUsize>::default(), Arc::new(answer));
        let count = answers.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, count) = (answer.clone(), count.clone());
                tokio::spawn(async move { exchange(stream, |head| answer(head), &count).await });
            }
        });
        Self { port, answers }
    }

    /// How many answers were begun.
    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }
}

async fn exchange(mut stream: TcpStream, answer: impl Fn(&str) -> Answer, count: &AtomicUsize) {
    let mut request = vec![0; 64 << 10];
    let length = stream.read(&mut request).await.unwrap_or_default();
    let answer = answer(&String::from_utf8_lossy(request.get(..length).unwrap_or_default()));
    count.fetch_add(1, Ordering::Relaxed);
    if stream.write_all(format!("{}\r\n", answer.head).as_bytes()).await.is_err() {
        return;
    }
    // It hangs up where it doesn't want more.
    while stream.write_all(&answer.body).await.is_ok() && answer.is_endless {}
    let _ = stream.shutdown().await;
    // What it still sends is read: a connection that is closed with bytes unread takes the answer along.
    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
}
