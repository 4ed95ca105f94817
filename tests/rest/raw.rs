//! Requests written byte by byte, and what comes back of them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Status, headers in small letters, and body of an answer.
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(named, _)| named == name).map(|(_, value)| value.as_str())
    }
}

pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Connects from an address of this machine.
pub fn connect_from(from: std::net::IpAddr, address: SocketAddr) -> TcpStream {
    connect_with(address, |socket| socket.bind((from, 0).into()))
}

/// Connects with a small buffer for what comes.
pub fn connect_small(address: SocketAddr) -> TcpStream {
    connect_with(address, |socket| socket.set_recv_buffer_size(4096))
}

fn connect_with(address: SocketAddr, prepare: impl Fn(&tokio::net::TcpSocket) -> std::io::Result<()>) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    let stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        prepare(&socket).unwrap();
        socket.connect(address).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream
}

/// Sends a request, and reads until the server hangs up: the request should say `Connection: close`.
pub fn ask(address: SocketAddr, request: &str) -> Answer {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    read(stream)
}

pub fn read(mut stream: impl Read) -> Answer {
    let mut text = Vec::new();
    stream.read_to_end(&mut text).unwrap();
    parse(&String::from_utf8(text).unwrap())
}

pub fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let header = |line: &str| {
        let (name, value) = line.split_once(": ").unwrap();
        (name.to_ascii_lowercase(), value.to_owned())
    };
    Answer { status: status.unwrap(), headers: lines.map(header).collect(), body: body.to_owned() }
}
