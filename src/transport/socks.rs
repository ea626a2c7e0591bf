//! Connections through a SOCKS5 proxy (RFC 1928), which looks up the names.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_socks::Error;
use tokio_socks::tcp::Socks5Stream;

use crate::address::{Address, Proxy};

/// Asks the proxy at the other end of `stream` for a connection to `to`, whose name nobody else looks up.
pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: S, proxy: &Proxy, to: &Address) -> io::Result<S> {
    let target = (to.host.as_str(), to.port);
    let asked = match &proxy.user {
        Some((name, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, name, password.as_str()).await
        }
        None => Socks5Stream::connect_with_socket(stream, target).await,
    };
    asked.map(Socks5Stream::into_inner).map_err(|error| match error {
        Error::Io(error) => error,
        Error::ConnectionRefused => io::ErrorKind::ConnectionRefused.into(),
        Error::TtlExpired => io::ErrorKind::TimedOut.into(),
        error => io::Error::other(format!("the proxy says: {error}")),
    })
}
