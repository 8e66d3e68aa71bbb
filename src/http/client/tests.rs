//! The real client over real loopback sockets. Nothing here asserts how long something took.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::*;

/// What a server does with a connection once it has read a request.
#[derive(Clone, Copy)]
enum Then {
    /// Writes this and closes.
    Write(&'static str),
    /// Writes this and keeps the connection open for ever.
    Hang(&'static str),
    /// Writes the request's first line as the body.
    Echo,
}

const OK: Then = Then::Write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\nx-a: b\r\n\r\nok");

/// An authority, a server's certificate of it for `localhost`, and one for a client.
struct Authority {
    pem: String,
    certificate: CertificateDer<'static>,
    server: (CertificateDer<'static>, PrivateKeyDer<'static>),
    client_pem: (String, String),
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let leaf = |names: &[&str]| {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
        (params.signed_by(&key, &issuer).unwrap(), key)
    };
    let (server, server_key) = leaf(&["localhost"]);
    let (client, client_key) = leaf(&["client"]);
    Authority {
        pem: issuer.pem(),
        certificate: issuer.der().clone(),
        server: (server.der().clone(), PrivatePkcs8KeyDer::from(server_key.serialize_der()).into()),
        client_pem: (client.pem(), client_key.serialize_pem()),
    }
}

fn acceptor(authority: &Authority, wants_client: bool) -> TlsAcceptor {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().unwrap();
    let builder = if wants_client {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let (certificate, key) = (authority.server.0.clone(), authority.server.1.clone_key());
    TlsAcceptor::from(Arc::new(builder.with_single_cert(vec![certificate], key).unwrap()))
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, then: Then) {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let mut part = [0; 1024];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&part[..length]),
        }
    }
    let line = String::from_utf8_lossy(&request).lines().next().unwrap_or_default().to_owned();
    let (text, hang) = match then {
        Then::Write(text) => (text.to_owned(), false),
        Then::Hang(text) => (text.to_owned(), true),
        Then::Echo => (format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{line}", line.len()), false),
    };
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.flush().await;
    if hang {
        std::future::pending::<()>().await;
    }
    let _ = stream.shutdown().await;
}

/// A server on loopback; it ends with the test's runtime.
async fn server(then: Then, tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move { connection(stream, then, tls).await });
        }
    });
    port
}

async fn connection(stream: TcpStream, then: Then, tls: Option<TlsAcceptor>) {
    match tls {
        None => serve(stream, then).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                serve(stream, then).await;
            }
        }
    }
}

async fn get(settings: &HttpSettings, url: &str) -> Result<(u16, String), HttpError> {
    let client = SystemNetwork::default().client(settings).expect("a client");
    let request = http::Request::get(url).body(Bytes::new()).expect("a request");
    let answer = client.send(request).await?;
    Ok((answer.status().as_u16(), String::from_utf8_lossy(answer.body()).into_owned()))
}

fn with_file(name: &str, content: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join(name);
    std::fs::write(&path, content).expect("written");
    (dir, path)
}

#[tokio::test]
async fn tls_is_trusted_by_the_given_authority_and_by_no_other() {
    let (ours, other) = (authority("ours"), authority("another"));
    let port = server(OK, Some(acceptor(&ours, false))).await;
    let url = format!("https://localhost:{port}/path?secret=hush");

    let (_dir, path) = with_file("ca.pem", &ours.pem);
    let settings = HttpSettings { ca_file: Some(path), ..HttpSettings::default() };
    assert_eq!(get(&settings, &url).await, Ok((200, "ok".to_owned())));

    let (_dir, path) = with_file("ca.pem", &other.pem);
    for settings in [HttpSettings { ca_file: Some(path), ..HttpSettings::default() }, HttpSettings::default()] {
        let error = get(&settings, &url).await.expect_err("not trusted");
        assert!(matches!(&error, HttpError::Tls { host, .. } if *host == format!("localhost:{port}")), "{error:?}");
        assert!(error.to_string().contains("tls.ca_file") && !error.to_string().contains("hush"), "{error}");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown() {
    let authority = authority("ours");
    let port = server(OK, Some(acceptor(&authority, true))).await;
    let url = format!("https://localhost:{port}/");
    let (_ca, ca) = with_file("ca.pem", &authority.pem);
    let (_cert, cert) = with_file("cert.pem", &authority.client_pem.0);
    let (_key, key) = with_file("key.pem", &authority.client_pem.1);
    let without = HttpSettings { ca_file: Some(ca), ..HttpSettings::default() };
    get(&without, &url).await.expect_err("no certificate");
    let with = HttpSettings { cert_file: Some(cert), key_file: Some(key), ..without };
    assert_eq!(get(&with, &url).await, Ok((200, "ok".to_owned())));
}

#[tokio::test]
async fn a_certificate_for_another_name_is_a_tls_failure() {
    let authority = authority("ours");
    let (_dir, path) = with_file("ca.pem", &authority.pem);
    let settings = HttpSettings { ca_file: Some(path), ..HttpSettings::default() };
    let port = server(OK, Some(acceptor(&authority, false))).await;
    let error = get(&settings, &format!("https://127.0.0.1:{port}/")).await.expect_err("another name");
    assert!(matches!(error, HttpError::Tls { .. }), "{error:?}");
}

#[tokio::test]
async fn failures_are_told_apart() {
    let short = HttpSettings { request_timeout: Duration::from_millis(300), ..HttpSettings::default() };
    let url = |port: u16| format!("http://127.0.0.1:{port}/path?secret=hush");
    // Only what hangs waits out its time: a busy machine may need longer for the rest.
    let long = HttpSettings::default();
    for (settings, then, name) in [
        (&short, Then::Hang(""), "Timeout"),
        (&short, Then::Hang("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"), "Timeout"),
        (&long, Then::Write(""), "Connect"),
        (&long, Then::Write("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab"), "Body"),
    ] {
        let error = get(settings, &url(server(then, None).await)).await.expect_err("a failure");
        assert!(format!("{error:?}").starts_with(name), "{error:?} isn't {name}");
        assert!(error.to_string().contains("127.0.0.1") && !error.to_string().contains("hush"), "{error}");
    }
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let error = get(&long, &url(free)).await.expect_err("nobody there");
    assert!(matches!(&error, HttpError::Connect { reason, .. } if reason.contains("refused")), "{error:?}");
    let error = get(&long, "/no/host").await.expect_err("no URL");
    assert!(matches!(error, HttpError::Connect { .. }), "{error:?}");
}

#[tokio::test]
async fn long_answers_are_not_read() {
    let small = HttpSettings { max_body_bytes: 4, ..HttpSettings::default() };
    for text in [
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcde",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nabcde",
    ] {
        let host = format!("127.0.0.1:{}", server(Then::Write(text), None).await);
        let error = get(&small, &format!("http://{host}/")).await.expect_err("too large");
        assert_eq!(error, HttpError::TooLarge { host, limit: 4 });
    }
    let fits = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    let url = format!("http://127.0.0.1:{}/", server(Then::Write(fits), None).await);
    assert_eq!(get(&small, &url).await, Ok((200, "abcd".to_owned())));
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let then = Then::Write("HTTP/1.1 302 Found\r\nlocation: http://elsewhere.example/\r\ncontent-length: 0\r\n\r\n");
    let url = format!("http://127.0.0.1:{}/", server(then, None).await);
    assert_eq!(get(&HttpSettings::default(), &url).await, Ok((302, String::new())));
}

#[tokio::test]
async fn a_proxy_is_asked_unless_the_client_is_direct() {
    let proxy = server(Then::Echo, None).await;
    let through = HttpSettings { proxy: Some(format!("http://me:hush@127.0.0.1:{proxy}")), ..HttpSettings::default() };
    let error = get(&through, "https://nowhere.example/path").await.expect_err("no tunnel");
    assert!(error.to_string().contains("nowhere.example through the proxy"), "{error}");

    let target = server(Then::Echo, None).await;
    let direct = HttpSettings { direct: true, ..through };
    let (_, line) = get(&direct, &format!("http://127.0.0.1:{target}/path")).await.expect("the target answers");
    assert_eq!(line, "GET /path HTTP/1.1");
}

/// The token would go through it in clear.
#[tokio::test]
async fn plain_http_goes_to_loopback_addresses_and_through_no_proxy() {
    let target = server(Then::Echo, None).await;
    let through = HttpSettings { proxy: Some("http://127.0.0.1:1".to_owned()), ..HttpSettings::default() };
    for host in ["127.0.0.1", "localhost"] {
        let (_, line) = get(&through, &format!("http://{host}:{target}/path")).await.expect("the target answers");
        assert_eq!(line, "GET /path HTTP/1.1");
    }
    for settings in [through, HttpSettings::default()] {
        for host in ["evil.localhost", "192.0.2.1", "nowhere.example", "127.0.0.1.example", "[::ffff:127.0.0.1]"] {
            let error = get(&settings, &format!("http://{host}:{target}/path")).await.expect_err("not this machine");
            assert!(error.to_string().contains("plain http goes to loopback addresses only"), "{host}: {error}");
        }
    }
}

/// "no connection to api-activities.eu.nordpass.com: tls handshake eof" sent everybody to the wrong machine.
#[tokio::test]
async fn an_error_names_the_proxy_without_its_password() {
    let through = HttpSettings { proxy: Some("http://me:hush@127.0.0.1:1".to_owned()), ..HttpSettings::default() };
    let error = get(&through, "https://nowhere.example/path").await.expect_err("nobody listens").to_string();
    assert!(error.starts_with("no connection to nowhere.example through the proxy 127.0.0.1:1: "), "{error}");
    assert!(!error.contains("hush"), "{error}");
}

#[test]
fn equal_settings_share_a_client_and_others_do_not() {
    let network = SystemNetwork::default();
    let client = |settings: &HttpSettings| network.client(settings).expect("a client");
    let (one, patient) =
        (HttpSettings::default(), HttpSettings { request_timeout: Duration::MAX, ..HttpSettings::default() });
    assert!(Arc::ptr_eq(&client(&one), &client(&one)));
    assert!(Arc::ptr_eq(&client(&one), &network.clone().client(&one).expect("a client")));
    assert!(!Arc::ptr_eq(&client(&one), &client(&patient)));
    assert!(!Arc::ptr_eq(&client(&one), &SystemNetwork::default().client(&one).expect("a client")));
}

/// Sources share connections: an answer that nobody takes for a while must not hold up those of others.
#[tokio::test]
async fn an_answer_is_read_to_its_end_though_nobody_asks_for_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (begun, is_asked) = tokio::sync::oneshot::channel();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        // All of the request: a connection that is closed with bytes unread is reset.
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        begun.send(()).unwrap();
        // Far more than the buffers of both sides hold.
        let length = 16 << 20;
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&vec![b' '; length]).await.unwrap();
    });
    let client = SystemNetwork::default().client(&HttpSettings::default()).expect("a client");
    let request = http::Request::get(format!("http://127.0.0.1:{port}/")).body(Bytes::new()).expect("a request");
    let mut answer = client.send(request);
    assert!(futures::poll!(&mut answer).is_pending());
    // `answer` isn't polled again before all of it is written. The bound only ends a test that fails.
    let written = async {
        is_asked.await.unwrap();
        server.await.unwrap();
    };
    tokio::time::timeout(Duration::from_secs(60), written).await.expect("all of it is read");
    assert_eq!(answer.await.expect("an answer").body().len(), 16 << 20);
}

/// Over HTTP/2 all requests share a connection. One whose other end has stopped without closing it was used for ever: each
/// request ran into its time-out, and the next one took the same way.
#[tokio::test]
async fn a_connection_whose_other_end_says_nothing_any_more_is_not_used_for_ever() {
    let authority = authority("ours");
    let mut silent = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![authority.server.0.clone()], authority.server.1.clone_key())
        .unwrap();
    silent.alpn_protocols = vec![b"h2".to_vec()];
    let (silent, works) = (TlsAcceptor::from(Arc::new(silent)), acceptor(&authority, false));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut stream = silent.accept(listener.accept().await.unwrap().0).await.unwrap();
        // Empty settings; after that it reads and says nothing.
        stream.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.unwrap();
        stream.flush().await.unwrap();
        tokio::spawn(async move { while stream.read_u8().await.is_ok() {} });
        while let Ok((stream, _)) = listener.accept().await {
            let works = works.clone();
            tokio::spawn(async move { connection(stream, OK, Some(works)).await });
        }
    });
    let (_dir, path) = with_file("ca.pem", &authority.pem);
    let request_timeout = Duration::from_secs(3);
    let settings = HttpSettings { ca_file: Some(path), request_timeout, ..HttpSettings::default() };
    let client = SystemNetwork::default().client(&settings).expect("a client");
    let mut failures = 0;
    loop {
        let request = http::Request::get(format!("https://localhost:{port}/")).body(Bytes::new()).expect("a request");
        match client.send(request).await {
            Ok(answer) => break assert_eq!(answer.status(), 200),
            Err(_) => failures += 1,
        }
        assert!(failures < 3, "the way is the same each time");
    }
    assert!(failures > 0, "the first way leads nowhere");
}

#[test]
fn wrong_files_are_named() {
    let (_dir, empty) = with_file("x.pem", "no PEM here");
    let refusal = |settings: &HttpSettings| SystemNetwork::default().client(settings).map(drop).expect_err("no client");
    let none = HttpSettings::default();
    let missing = refusal(&HttpSettings { ca_file: Some("/does/not/exist.pem".into()), ..none.clone() });
    assert!(missing.contains("ca_file") && missing.contains("/does/not/exist.pem"), "{missing}");
    assert!(refusal(&HttpSettings { ca_file: Some(empty.clone()), ..none.clone() }).contains("contains no PEM"));
    // It used to be read until the memory was gone.
    let endless = refusal(&HttpSettings { ca_file: Some("/dev/zero".into()), ..none.clone() });
    assert!(endless.contains("can't read `ca_file` /dev/zero: it's a device, not a regular file"), "{endless}");
    let pair = HttpSettings { cert_file: Some(empty.clone()), key_file: Some(empty.clone()), ..none.clone() };
    assert!(refusal(&pair).contains("don't contain a PEM certificate"));
    assert!(
        refusal(&HttpSettings { cert_file: Some(empty), ..none.clone() })
            .contains("set both `cert_file` and `key_file`")
    );
    let proxy = refusal(&HttpSettings { proxy: Some("http://me:hush@[".to_owned()), ..none });
    assert!(proxy.contains("proxy") && !proxy.contains("hush"), "{proxy}");
}

mod words;
