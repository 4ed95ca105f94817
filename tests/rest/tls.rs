//! `objsync serve` with TLS, as a program, and a client that trusts its certificate alone.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::program::{Program, install, objsync, set_credentials};
use crate::raw;
use crate::served::BASIC;

/// A certificate for these names, and its key, as files.
struct Certificate {
    cert: PathBuf,
    key: PathBuf,
    der: CertificateDer<'static>,
}

fn certificate(dir: &Path, name: &str, names: &[&str]) -> Certificate {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let (cert, key) = (dir.join(format!("{name}.pem")), dir.join(format!("{name}.key")));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    mode(&key, 0o600);
    Certificate { cert, key, der: made.cert.der().clone() }
}

#[cfg(unix)]
fn mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[cfg(not(unix))]
fn mode(_: &Path, _: u32) {}

fn encrypted(address: &str, name: &str, trusted: &CertificateDer<'static>) -> StreamOwned<ClientConnection, TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::new(config), name).unwrap();
    StreamOwned::new(connection, raw::connect(address.parse().unwrap()))
}

fn ask(
    mut stream: StreamOwned<ClientConnection, TcpStream>,
    host: &str,
    authorization: &str,
    more: &str,
) -> raw::Answer {
    let head = "POST /synchmaster/rest/v1/randomorder HTTP/1.1\r\nConnection: close\r\n";
    let request = format!("{head}Host: {host}\r\nAuthorization: {authorization}\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    raw::read(stream)
}

fn demo(dir: &Path) -> String {
    let demo = dir.join("demo").to_str().unwrap().to_owned();
    install(&demo);
    demo
}

#[test]
fn the_program_serves_with_tls() {
    let dir = tempfile::tempdir().unwrap();
    let demo = demo(dir.path());
    let made = certificate(dir.path(), "here", &["localhost", "sync.example", "127.0.0.1"]);
    let (cert, key) = (made.cert.to_str().unwrap(), made.key.to_str().unwrap());
    let program = Program::serve(&demo, &["--tls-cert", cert, "--tls-key", key]);
    assert_eq!(program.said["url"], format!("https://{}/", program.address));
    let port = program.address.rsplit(':').next().unwrap();
    for name in ["localhost", "sync.example", "127.0.0.1"] {
        let host = format!("{name}:{port}");
        let stream = || encrypted(&program.address, name, &made.der);
        let answer = ask(stream(), &host, BASIC, &format!("Origin: https://{host}\r\n"));
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert_eq!(ask(stream(), &host, BASIC, &format!("Origin: http://{host}\r\n")).status, 403, "{name}");
        assert_eq!(ask(stream(), &format!("evil.example:{port}"), BASIC, "").status, 403);
    }
    // Who trusts another certificate is not served.
    let other = certificate(dir.path(), "other", &["localhost"]);
    let mut stream = encrypted(&program.address, "localhost", &other.der);
    assert!(stream.write_all(b"GET / HTTP/1.1\r\n\r\n").and_then(|()| stream.read(&mut [0])).is_err());
}

#[test]
fn plain_http_where_tls_is_spoken_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let demo = demo(dir.path());
    let made = certificate(dir.path(), "here", &["localhost"]);
    let (cert, key) = (made.cert.to_str().unwrap(), made.key.to_str().unwrap());
    let program = Program::serve(&demo, &["--tls-cert", cert, "--tls-key", key]);
    let address = program.address.parse().unwrap();
    let answer = raw::ask(address, &format!("GET / HTTP/1.1\r\nHost: {address}\r\n\r\n"));
    assert_eq!(answer.status, 400);
    let problem: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert!(problem["hint"].as_str().unwrap().contains("https://"), "{problem}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    // No handshake either: it is hung up on.
    for bytes in [&b"\x16\x03\x01\x00\x05hello"[..], b"\0\0\0\0\0\0\0\0\0\0"] {
        let mut stream = raw::connect(address);
        stream.write_all(bytes).unwrap();
        let mut rest = Vec::new();
        // A reset is an end, too.
        let _ = stream.read_to_end(&mut rest);
        assert!(rest.len() < 100, "{rest:?}");
    }
}

/// More handshakes than are done at once, none of which goes on; they are ended in their time.
#[test]
fn handshakes_that_never_end_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let demo = demo(dir.path());
    let made = certificate(dir.path(), "here", &["localhost"]);
    let (cert, key) = (made.cert.to_str().unwrap(), made.key.to_str().unwrap());
    let program = Program::serve(&demo, &["--tls-cert", cert, "--tls-key", key]);
    let address = program.address.parse().unwrap();
    let begun = Instant::now();
    let mut silent: Vec<TcpStream> = (0..100).map(|_| raw::connect(address)).collect();
    std::thread::sleep(Duration::from_millis(200));
    let port = program.address.rsplit(':').next().unwrap();
    let stream = encrypted(&program.address, "localhost", &made.der);
    let since = Instant::now();
    assert_eq!(ask(stream, &format!("localhost:{port}"), BASIC, "").status, 200);
    assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
    // The earliest made room for later ones, in whatever order the system had them begin; the last is hung up on by time.
    let hung_up = silent.iter().filter(|&stream| {
        stream.set_nonblocking(true).unwrap();
        let read = (&*stream).read(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !matches!(read, Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
    });
    let (hung_up, after) = (hung_up.count(), begun.elapsed());
    assert!(hung_up >= 36 && after < Duration::from_secs(10), "{hung_up} after {after:?}");
    assert_eq!(silent.pop().unwrap().read(&mut [0]).unwrap_or(0), 0);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
}

#[test]
fn the_program_says_what_is_wrong_with_a_certificate() {
    let dir = tempfile::tempdir().unwrap();
    let demo = demo(dir.path());
    let (one, other) =
        (certificate(dir.path(), "one", &["a.example"]), certificate(dir.path(), "other", &["b.example"]));
    let text = dir.path().join("text");
    std::fs::write(&text, "no certificate").unwrap();
    let cut = dir.path().join("cut");
    std::fs::write(&cut, "-----BEGIN CERTIFICATE-----\nAAAA\n").unwrap();
    let missing = dir.path().join("missing");
    for (cert, key, words) in [
        (&missing, &one.key, ["cannot be read", "missing"]),
        (&one.cert, &missing, ["cannot be read", "missing"]),
        (&text, &one.key, ["no certificate", "-----BEGIN"]),
        (&one.cert, &text, ["no private key", "-----BEGIN"]),
        (&one.key, &one.key, ["no certificate", "one.key"]),
        (&one.cert, &one.cert, ["no private key", "one.pem"]),
        (&cut, &one.key, ["damaged", "cut"]),
        (&one.cert, &other.key, ["does not belong to the certificate", "--tls-key"]),
    ] {
        let args = ["serve", "--dir", &demo, "--port", "0", "--tls-cert", cert.to_str().unwrap(), "--tls-key"];
        let done = objsync(&[&args[..], &[key.to_str().unwrap()]].concat()).stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{told}");
        assert!(
            told.contains("nothing is served") && words.iter().all(|word| told.contains(word)),
            "{words:?}: {told}"
        );
    }
}

#[cfg(unix)]
#[test]
fn the_program_warns_of_an_open_key_and_of_no_tls() {
    let dir = tempfile::tempdir().unwrap();
    let demo = demo(dir.path());
    set_credentials(&demo, "me", "long enough");
    let made = certificate(dir.path(), "here", &["localhost"]);
    let tls = ["--tls-cert", made.cert.to_str().unwrap(), "--tls-key", made.key.to_str().unwrap()];
    let told = |more: &[&str]| {
        let (code, told) = Program::serve(&demo, more).end("-TERM");
        assert_eq!(code, Some(0), "{told}");
        told
    };
    assert_eq!(told(&tls), "");
    assert_eq!(told(&["--insecure"]), "", "nobody else can ask");
    let open = told(&[&tls[..], &["--bind", "0.0.0.0"]].concat());
    assert_eq!(open, "", "with TLS");
    mode(&made.key, 0o644);
    let open = told(&tls);
    assert!(
        open.contains("Warning") && open.contains("can read the private key") && open.contains("chmod 600"),
        "{open}"
    );
    let open = told(&["--insecure", "--bind", "0.0.0.0"]);
    assert!(open.contains("Warning") && open.contains("without TLS"), "{open}");
}
