//! Whether a TCP connection can be made.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::{Host, Outcome};

#[derive(Debug)]
pub(in super::super) struct Tcp {
    target: SocketAddr,
}

impl Tcp {
    pub(super) const fn new(target: SocketAddr) -> Self {
        Self { target }
    }

    pub(super) async fn run(&self, host: &Host) -> Outcome {
        connect(self.target, host).await.map(|_| format!("connected to {}", self.target))
    }
}

/// Connects where the policy of the host allows it.
pub(super) async fn connect(target: SocketAddr, host: &Host) -> Result<TcpStream, String> {
    host.admit(target.ip())?;
    TcpStream::connect(target).await.map_err(|error| format!("{} at {target}", word(&error)))
}

/// What the kernel says, without its number.
pub(super) fn word(error: &io::Error) -> String {
    let words = [
        (io::ErrorKind::ConnectionRefused, "connection refused"),
        (io::ErrorKind::HostUnreachable, "host unreachable"),
        (io::ErrorKind::NetworkUnreachable, "network unreachable"),
        (io::ErrorKind::ConnectionReset, "connection reset"),
    ];
    let word = words.iter().find(|(kind, _)| *kind == error.kind()).map(|(_, word)| (*word).to_owned());
    word.unwrap_or_else(|| error.to_string())
}
