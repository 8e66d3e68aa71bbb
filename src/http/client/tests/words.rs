//! Nothing that the other end says stands in an error: it may quote what it was sent.

use super::*;

/// What was sent, and comes back wherever the other end may put a text.
const ECHO: &str = "np-s3cret-4711";

fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, 0];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Answers the first request of a connection with these bytes, over HTTP/2.
async fn http2_server(authority: &Authority, then: Vec<u8>) -> u16 {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![authority.server.0.clone()], authority.server.1.clone_key())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, then) = (acceptor.clone(), then.clone());
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else { return };
                let _ = stream.write_all(&frame(4, 0, &[])).await;
                // The preface, then frames until the one that begins a request.
                let mut preface = [0; 24];
                let _ = stream.read_exact(&mut preface).await;
                loop {
                    let mut head = [0; 9];
                    if stream.read_exact(&mut head).await.is_err() {
                        return;
                    }
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                    let _ = stream.read_exact(&mut vec![0; length]).await;
                    if head[3] == 1 {
                        break;
                    }
                }
                let _ = stream.write_all(&then).await;
                let _ = stream.flush().await;
                while stream.read_u8().await.is_ok() {}
            });
        }
    });
    port
}

#[tokio::test]
async fn an_http2_error_is_told_by_its_code() {
    let authority = authority("ours");
    let (_dir, path) = with_file("ca.pem", &authority.pem);
    let settings = HttpSettings { ca_file: Some(path), ..HttpSettings::default() };
    // No request was processed, error code 11 (ENHANCE_YOUR_CALM), and data to debug with.
    let go_away = frame(7, 0, &[&[0, 0, 0, 0, 0, 0, 0, 11], ECHO.as_bytes()].concat());
    let reset = frame(3, 1, &[0, 0, 0, 2]);
    for (then, words) in [(go_away, "was closed (error code 11)"), (reset, "was reset (error code 2)")] {
        let port = http2_server(&authority, then).await;
        let error = get(&settings, &format!("https://localhost:{port}/")).await.expect_err("no answer");
        assert!(error.to_string().contains(words), "{error}");
        assert!(!format!("{error:?}").contains(ECHO), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_no_http_is_not_repeated() {
    for answer in [
        "np-s3cret-4711\r\n\r\n",
        "HTTP/1.1 np-s3cret-4711\r\n\r\n",
        "HTTP/1.1 200 OK\r\nnp-s3cret-4711\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: np-s3cret-4711\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: np-s3cret-4711\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnp-s3cret-4711\r\n",
    ] {
        let url = format!("http://127.0.0.1:{}/", server(Then::Write(answer), None).await);
        if let Err(error) = get(&HttpSettings::default(), &url).await {
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error:?}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_is_told_without_its_words() {
    for (answer, words) in [
        ("HTTP/1.1 407 np-s3cret-4711\r\ncontent-length: 0\r\n\r\n", "wants a user name and a password (407)"),
        ("HTTP/1.1 403 np-s3cret-4711\r\ncontent-length: 0\r\n\r\n", "refuses to connect there"),
    ] {
        let proxy = server(Then::Write(answer), None).await;
        let through = HttpSettings { proxy: Some(format!("http://127.0.0.1:{proxy}")), ..HttpSettings::default() };
        let error = get(&through, "https://nowhere.example/").await.expect_err("no tunnel").to_string();
        assert!(error.contains(words) && !error.contains("s3cret"), "{error}");
    }
}
