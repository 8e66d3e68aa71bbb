//! A server that answers every request with the same bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The server. It ends with the test's runtime.
pub struct Server {
    /// Where it listens.
    pub port: u16,
    answers: Arc<AtomicUsize>,
}

impl Server {
    /// Starts it.
    pub async fn new(body: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (answers, body) = (Arc::<AtomicUsize>::default(), Arc::<[u8]>::from(body));
        let count = answers.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, body.clone(), count.clone()));
            }
        });
        Self { port, answers }
    }

    /// How many answers were begun.
    pub fn answers(&self) -> usize {
        self.answers.load(Ordering::Relaxed)
    }
}

async fn answer(mut stream: TcpStream, body: Arc<[u8]>, count: Arc<AtomicUsize>) {
    let mut head = vec![0; 64 << 10];
    let _ = stream.read(&mut head).await;
    count.fetch_add(1, Ordering::Relaxed);
    let length = body.len();
    let start = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    if stream.write_all(start.as_bytes()).await.is_ok() {
        // It hangs up where it doesn't want more.
        let _ = stream.write_all(&body).await;
        let _ = stream.shutdown().await;
    }
}
