//! The transit relay of magic-wormhole, as a client: two who send the same token are joined.
//!
//! The relay sees addresses, sizes and times; all else is within the channel. Its
//! protocol: <https://github.com/magic-wormhole/magic-wormhole-protocols/blob/main/transit.md>.

use std::fmt;
use std::io;

use data_encoding::HEXLOWER;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use zeroize::Zeroizing;

use crate::protocol::keys::Secret;

/// The longest answer that means something: `bad handshake\n`.
const LONGEST: usize = 14;

/// What a side says to a relay.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Both sides have the same `secret`, and each a `side` of its own.
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

/// Comes to the relay and waits there for the partner. From then on the stream leads to them.
pub async fn meet(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), token: &Token) -> io::Result<()> {
    come(stream, token).await?;
    partner(stream).await
}

/// Comes to the relay.
pub async fn come(stream: &mut (impl AsyncWrite + Unpin), token: &Token) -> io::Result<()> {
    stream.write_all(token.0.as_bytes()).await?;
    stream.flush().await
}

/// Waits until the partner has come, too.
pub async fn partner(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<()> {
    let mut answer = Vec::with_capacity(LONGEST);
    // Byte by byte: what comes after the line is the partner's.
    while answer.last() != Some(&b'\n') {
        if answer.len() >= LONGEST {
            return Err(refused("what answers is not a relay"));
        }
        answer.push(stream.read_u8().await?);
    }
    match answer.as_slice() {
        b"ok\n" => Ok(()),
        b"impatient\n" | b"bad handshake\n" => Err(refused("the relay does not understand")),
        _ => Err(refused("what answers is not a relay")),
    }
}

/// The relay is there, and the partner did not come to it.
pub fn alone() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, Alone)
}

/// Whether that was it.
pub fn is_alone(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Alone>())
}

#[derive(Debug)]
struct Alone;

impl std::error::Error for Alone {}

impl fmt::Display for Alone {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("your partner did not come to the relay")
    }
}

fn refused(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
