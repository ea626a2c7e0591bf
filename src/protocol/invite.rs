//! Invites: one line that lets exactly one other person into a room, and says where it is
//! (docs/PROTOCOL.md, section 11).

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

use super::keys::{InviteSecret, Secret};

/// Beginning of every invite.
pub const MARK: &str = "tete1";
/// Number of ways to the host that an invite can name.
pub const HINTS: usize = 255;
/// Length of the longest invite, in characters.
pub const LONGEST: usize = MARK.len() + (OVERHEAD + HINTS * (1 + 1 + 255 + 2)).div_ceil(3) * 4;

const VERSION: u8 = 1;
const CHECKSUM: usize = 4;
const CHECKSUM_LABEL: &[u8] = b"tete/1 invite\0";
const OVERHEAD: usize = 1 + 32 + 1 + CHECKSUM;

const KIND_IPV4: u8 = 0x04;
const KIND_IPV6: u8 = 0x06;
const KIND_NAME: u8 = 0x0d;
const KIND_ONION: u8 = 0x0e;
const KIND_RELAY: u8 = 0x0f;

/// Number of marks in a text that are looked at.
const MARKS: usize = 8;
/// Characters after the mark and the version from which on a text is taken for an invite, whatever became of it.
const BEGUN: usize = 20;
/// Characters from which on a text in capitals, small letters and digits is taken for a part of an invite.
const PART: usize = 32;
/// Characters of the longest label of a host name (RFC 1035).
const LABEL: usize = 63;

/// Whether a text holds the beginning of an invite: in any case of its letters, in pieces, with anything around it.
pub fn is_begun_in(text: &str) -> bool {
    runs(text).iter().any(|run| is_begun(run))
}

/// Whether a text holds an invite or may hold a part of one. It is not for a screen, and not for a name server.
pub fn resembles(text: &str) -> bool {
    let has = |run: &str, kind: fn(&char) -> bool| run.chars().any(|c| kind(&c));
    runs(text).iter().any(|run| {
        let mixed = has(run, char::is_ascii_uppercase) && has(run, char::is_ascii_lowercase);
        is_begun(run) || has(run, char::is_ascii_digit) && (run.len() > LABEL || run.len() >= PART && mixed)
    })
}

fn is_begun(run: &str) -> bool {
    let lower = Zeroizing::new(run.to_ascii_lowercase());
    let Some((_, rest)) = lower.split_once(MARK) else { return false };
    let as_written = run.get(run.len() - rest.len()..).unwrap_or_default();
    // The first byte is the version, 1.
    let version = rest.strip_prefix('a').is_some_and(|rest| rest.starts_with(|c| matches!(c, 'a'..='f' | 'q'..='z')));
    version && rest.len() >= BEGUN || rest.len() >= PART && as_written.contains(|c: char| c.is_uppercase())
}

/// The stretches of a text that base64url could have, without what may have come between or around its characters.
fn runs(text: &str) -> Vec<Zeroizing<String>> {
    let mut runs = vec![Zeroizing::new(String::with_capacity(text.len()))];
    for c in text.chars() {
        // Full-width letters are those of an input method.
        let c = u32::from(c).checked_sub(0xfee0).and_then(char::from_u32).filter(char::is_ascii_graphic).unwrap_or(c);
        if matches!(c, '.' | ':' | '/' | '\\' | '@' | '%') {
            runs.push(Zeroizing::new(String::with_capacity(text.len())));
        } else if let (true, Some(run)) = (c.is_ascii_alphanumeric() || matches!(c, '-' | '_'), runs.last_mut()) {
            run.push(c);
        }
    }
    runs
}

/// One way to the host. A port of 0 is invalid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hint {
    /// An IPv4 address and a port.
    Ipv4([u8; 4], u16),
    /// An IPv6 address and a port.
    Ipv6([u8; 16], u16),
    /// A DNS name of 1 to 255 letters, digits, hyphens, dots and underscores, and a port.
    Name(String, u16),
    /// The public key of a v3 onion service, and a port.
    Onion([u8; 32], u16),
    /// The host of a transit relay, as a DNS name or an IP address in its usual spelling, and its port.
    Relay(String, u16),
}

/// Why a line could not be read as an invite.
#[derive(thiserror::Error, Clone, Copy, PartialEq, Eq, Debug)]
pub enum InviteError {
    /// There is no [`MARK`] in the text.
    #[error("this is not an invite")]
    NotAnInvite,
    /// A part of the invite is missing or was changed.
    #[error("the invite is damaged")]
    Damaged,
    /// The invite has a version or a kind of way that this version does not know.
    #[error("the invite was made by a newer version")]
    Newer,
}

/// The secret of a room and the ways to its host.
pub struct Invite {
    /// The secret that only the two people have.
    pub secret: InviteSecret,
    /// The ways to the host. [`Invite::line`] writes the first [`HINTS`] of them.
    pub hints: Vec<Hint>,
}

impl Invite {
    /// Writes the invite as one line to paste.
    pub fn line(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
        bytes.push(VERSION);
        bytes.extend_from_slice(self.secret.expose());
        let hints = self.hints.get(..HINTS).unwrap_or(&self.hints);
        bytes.push(u8::try_from(hints.len()).unwrap_or(u8::MAX));
        hints.iter().for_each(|hint| hint.write(&mut bytes));
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        let mut line = Zeroizing::new(String::with_capacity(LONGEST));
        line.push_str(MARK);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut line);
        line
    }

    /// Reads the first invite in a text, with whatever people and programs put around and into it: other words, line
    /// breaks, quotes, `>`, characters that nobody sees, capitals in the mark.
    ///
    /// # Errors
    ///
    /// [`InviteError::Damaged`] for a changed or missing part, which a checksum of four bytes finds;
    /// [`InviteError::NotAnInvite`] and [`InviteError::Newer`] as they say.
    pub fn read(text: &str) -> Result<Self, InviteError> {
        let mut failure = InviteError::NotAnInvite;
        for run in runs(text) {
            let lower = Zeroizing::new(run.to_ascii_lowercase());
            for (place, _) in lower.match_indices(MARK).take(MARKS) {
                match Self::decode(run.get(place + MARK.len()..).unwrap_or_default()) {
                    Ok(invite) => return Ok(invite),
                    Err(error) if failure == InviteError::NotAnInvite => failure = error,
                    Err(_) => {}
                }
            }
        }
        Err(failure)
    }

    /// Reads what stands behind a mark, and no more of it than belongs to the invite.
    fn decode(encoded: &str) -> Result<Self, InviteError> {
        let encoded = encoded.get(..length(encoded)).ok_or(InviteError::Damaged)?;
        if MARK.len() + encoded.len() > LONGEST {
            return Err(InviteError::Damaged);
        }
        let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded).map_err(|_| InviteError::Damaged)?);
        let (said, sum) = bytes.split_last_chunk::<CHECKSUM>().ok_or(InviteError::Damaged)?;
        if checksum(said) != *sum {
            return Err(InviteError::Damaged);
        }
        let (version, rest) = said.split_first().ok_or(InviteError::Damaged)?;
        if *version != VERSION {
            return Err(InviteError::Newer);
        }
        let (secret, rest) = rest.split_first_chunk::<32>().ok_or(InviteError::Damaged)?;
        let mut kept = Secret::default();
        kept.expose_mut().copy_from_slice(secret);
        let (count, mut rest) = rest.split_first().ok_or(InviteError::Damaged)?;
        let hints = (0..*count).map(|_| Hint::read(&mut rest)).collect::<Result<_, _>>()?;
        if !rest.is_empty() {
            return Err(InviteError::Damaged);
        }
        Ok(Self { secret: InviteSecret(kept), hints })
    }
}

/// Number of characters of an invite behind its mark, by what it says itself; all of them where it does not say.
fn length(encoded: &str) -> usize {
    let whole = encoded.len().min(LONGEST) / 4 * 4;
    let bytes = Zeroizing::new(encoded.get(..whole).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()));
    let said = bytes.as_deref().unwrap_or_default();
    let Some((count, mut rest)) = said.get(33..).and_then(<[u8]>::split_first) else { return encoded.len() };
    let known = said.first() == Some(&VERSION) && (0..*count).all(|_| Hint::read(&mut rest).is_ok());
    if !known {
        return encoded.len();
    }
    let hints = said.len() - rest.len();
    ((hints + CHECKSUM) * 4).div_ceil(3)
}

impl Hint {
    /// Adds the hint as an invite has it.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let named = |out: &mut Vec<u8>, kind, name: &str| {
            let name = name.as_bytes().get(..255).unwrap_or(name.as_bytes());
            out.push(kind);
            out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            out.extend_from_slice(name);
        };
        let port = match self {
            Self::Ipv4(address, port) => {
                out.push(KIND_IPV4);
                out.extend_from_slice(address);
                port
            }
            Self::Ipv6(address, port) => {
                out.push(KIND_IPV6);
                out.extend_from_slice(address);
                port
            }
            Self::Name(name, port) => {
                named(out, KIND_NAME, name);
                port
            }
            Self::Onion(key, port) => {
                out.push(KIND_ONION);
                out.extend_from_slice(key);
                port
            }
            Self::Relay(host, port) => {
                named(out, KIND_RELAY, host);
                port
            }
        };
        out.extend_from_slice(&port.to_be_bytes());
    }

    /// Reads one hint. An unknown kind has an unknown length, so that nothing after it can be read.
    pub(crate) fn read(rest: &mut &[u8]) -> Result<Self, InviteError> {
        let [kind] = take(rest)?;
        let hint = match kind {
            KIND_IPV4 => Self::Ipv4(take(rest)?, port(rest)?),
            KIND_IPV6 => Self::Ipv6(take(rest)?, port(rest)?),
            KIND_NAME => Self::Name(name(rest, b"-._")?, port(rest)?),
            KIND_ONION => Self::Onion(take(rest)?, port(rest)?),
            KIND_RELAY => Self::Relay(name(rest, b"-._:")?, port(rest)?),
            _ => return Err(InviteError::Newer),
        };
        Ok(hint)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], InviteError> {
    let (taken, left) = rest.split_first_chunk().ok_or(InviteError::Damaged)?;
    *rest = left;
    Ok(*taken)
}

fn port(rest: &mut &[u8]) -> Result<u16, InviteError> {
    match u16::from_be_bytes(take(rest)?) {
        0 => Err(InviteError::Damaged),
        port => Ok(port),
    }
}

fn name(rest: &mut &[u8], marks: &[u8]) -> Result<String, InviteError> {
    let [length] = take(rest)?;
    let (name, left) = rest.split_at_checked(length.into()).ok_or(InviteError::Damaged)?;
    *rest = left;
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || marks.contains(byte);
    if name.is_empty() || !name.iter().all(fits) {
        return Err(InviteError::Damaged);
    }
    Ok(name.iter().copied().map(char::from).collect())
}

fn checksum(said: &[u8]) -> [u8; CHECKSUM] {
    let mut hash = digest::Context::new(&digest::SHA256);
    hash.update(CHECKSUM_LABEL);
    hash.update(said);
    let mut sum = [0; CHECKSUM];
    sum.iter_mut().zip(hash.finish().as_ref()).for_each(|(sum, byte)| *sum = *byte);
    sum
}
