//! Connections through a SOCKS5 proxy (RFC 1928), which also looks up the names.

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_socks::Error;
use tokio_socks::tcp::Socks5Stream;

use super::error::{ConnectError, SocksError};
use crate::address::{Address, Proxy};

/// Asks the proxy at the other end of `stream` to connect to `to`.
pub async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: S, proxy: &Proxy, to: &Address) -> Result<S, ConnectError> {
    let target = (to.host.as_str(), to.port);
    let asked = match &proxy.user {
        Some((name, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, target, name, password.as_str()).await
        }
        None => Socks5Stream::connect_with_socket(stream, target).await,
    };
    asked.map(Socks5Stream::into_inner).map_err(|error| match error {
        Error::ConnectionRefused => ConnectError::Refused,
        Error::TtlExpired => ConnectError::Timeout,
        Error::HostUnreachable | Error::NetworkUnreachable => ConnectError::NoRoute,
        Error::ConnectionNotAllowedByRuleset => SocksError::Forbidden.into(),
        Error::NoAcceptableAuthMethods | Error::PasswordAuthFailure(_) | Error::AuthorizationRequired => {
            SocksError::Login.into()
        }
        Error::InvalidResponseVersion
        | Error::UnknownAuthMethod
        | Error::InvalidReservedByte
        | Error::UnknownAddressType => SocksError::NotSocks.into(),
        _ => SocksError::Failed.into(),
    })
}
