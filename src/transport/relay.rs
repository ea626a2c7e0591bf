//! Client of the transit relay of magic-wormhole, which joins two connections that send the same token.
//!
//! The relay sees addresses, sizes and times; everything else is inside the channel. Its protocol:
//! <https://github.com/magic-wormhole/magic-wormhole-protocols/blob/main/transit.md>.

use std::io;

use data_encoding::HEXLOWER;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use super::error::ConnectError;
use crate::protocol::keys::Secret;

/// Length of the longest known answer, `bad handshake\n`.
const LONGEST: usize = 14;

/// The line with which one side introduces itself to a relay.
pub struct Token(Zeroizing<String>);

impl Token {
    /// The token of one side. Both have the same `secret`; `side` must differ.
    pub fn new(secret: &Secret, side: [u8; 8]) -> Self {
        let mut line = Zeroizing::new(String::with_capacity(128));
        line.push_str("please relay ");
        HEXLOWER.encode_append(secret.expose(), &mut line);
        line.push_str(" for side ");
        HEXLOWER.encode_append(&side, &mut line);
        line.push('\n');
        Self(line)
    }
}

/// Sends the token and waits for the partner. Afterwards the stream leads to them.
pub async fn meet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), token: &Token) -> Result<(), ConnectError> {
    come(stream, token).await?;
    partner(stream).await
}

/// Sends the token.
pub async fn come(stream: &mut (impl AsyncWrite + Unpin), token: &Token) -> Result<(), ConnectError> {
    let sent = async {
        stream.write_all(token.0.as_bytes()).await?;
        stream.flush().await
    };
    sent.await.map_err(left)
}

/// Waits until the relay says that the partner has come.
pub async fn partner(stream: &mut (impl AsyncRead + Unpin)) -> Result<(), ConnectError> {
    let mut answer = Vec::with_capacity(LONGEST);
    // Byte by byte: everything after the line comes from the partner.
    while answer.last() != Some(&b'\n') {
        if answer.len() >= LONGEST {
            return Err(ConnectError::NotARelay);
        }
        answer.push(stream.read_u8().await.map_err(left)?);
    }
    match answer.as_slice() {
        b"ok\n" => Ok(()),
        _ => Err(ConnectError::NotARelay),
    }
}

/// Tells a connection that the relay closed from other errors.
fn left(error: io::Error) -> ConnectError {
    match error.into() {
        ConnectError::Closed => ConnectError::RelayClosed,
        other => other,
    }
}
