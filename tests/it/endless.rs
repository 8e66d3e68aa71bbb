//! A body that doesn't end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nordpass_simulator::SimulationOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Process, World, skipped, until};

/// What is read of an answer at most.
const LIMIT: u64 = 32 << 20;
/// What may be under way in the sockets besides.
const UNDER_WAY: u64 = 16 << 20;

/// Sends spaces until the client hangs up. Answers how many bytes that were.
async fn pour(mut stream: TcpStream) -> u64 {
    let mut head = [0; 4096];
    let _ = stream.read(&mut head).await;
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    if stream.write_all(answer.as_bytes()).await.is_err() {
        return 0;
    }
    let mut sent = 0;
    while stream.write_all(&chunk).await.is_ok() {
        sent += 0x10000;
    }
    sent
}

/// D15 of the official connector: a body is read to its end, so that an endless one uses up the memory. Here it is
/// refused at a limit, and asked for again.
#[tokio::test(flavor = "multi_thread")]
async fn d15_a_body_without_an_end_is_refused_at_a_limit() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let (refused, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (count, longest) = (refused.clone(), most.clone());
    let server = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            longest.fetch_max(pour(stream).await, Ordering::Relaxed);
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    let world = World::new(SimulationOptions::default()).await;
    let mut command = world.command(&["run", world.both().to_str().expect("a path")]);
    command.env("NORDPASS_ENDPOINT_URL", format!("http://{address}/activities/query"));
    let process = Process::start(command);
    until("two bodies to be refused", || refused.load(Ordering::Relaxed) >= 2).await;
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.0.id()));
    process.kill();
    server.abort();
    let most = most.load(Ordering::Relaxed);
    assert!((LIMIT..LIMIT + UNDER_WAY).contains(&most), "{most} bytes were taken");
    let Ok(status) = status else {
        skipped("there is no /proc here, so that the memory wasn't measured");
        return;
    };
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the peak");
    let kib: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    // The answer as far as it is read, what the allocator keeps of the first one, and the program.
    assert!(kib < 112 << 10, "{kib} KiB at most");
}
