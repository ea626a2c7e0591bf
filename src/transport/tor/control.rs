//! The control protocol: <https://spec.torproject.org/control-spec/>.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_lc_rs::hmac;
use data_encoding::{HEXLOWER, HEXUPPER_PERMISSIVE};
use rustix::fs::OFlags;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use zeroize::Zeroizing;

use super::within;
use crate::protocol::random::{OsRandom, Randomness as _};
use crate::system::SystemError;
use crate::transport::error::TorError;

/// Limit for one answer.
const ANSWER: Duration = Duration::from_secs(20);
/// Longest line that is read, in bytes.
const LINE: u64 = 16 * 1024;
/// Most lines of one answer, with the events before it.
const LINES: usize = 1_000;
/// Size of the file that proves access to the control port, in bytes.
const COOKIE: usize = 32;

const CHALLENGE_SERVER: &[u8] = b"Tor safe cookie authentication server-to-controller hash";
const CHALLENGE_CLIENT: &[u8] = b"Tor safe cookie authentication controller-to-server hash";

pub(super) type Reads = Box<dyn AsyncBufRead + Send + Unpin>;
pub(super) type Writes = Box<dyn AsyncWrite + Send + Unpin>;

/// Connects to a control port, or to a control socket where `at` is an absolute path. Returns the host of a port, too.
pub(super) async fn connect(at: &str) -> Result<(Control<Reads, Writes>, Option<IpAddr>), TorError> {
    let unreachable = |error: io::Error| TorError::Control(error.into());
    if at.starts_with('/') {
        let (from, to) = UnixStream::connect(at).await.map_err(unreachable)?.into_split();
        return Ok((Control { from: Box::new(BufReader::new(from)), to: Box::new(to) }, None));
    }
    let stream = TcpStream::connect(at).await.map_err(unreachable)?;
    let host = stream.peer_addr().map_err(unreachable)?.ip().to_canonical();
    let (from, to) = stream.into_split();
    Ok((Control { from: Box::new(BufReader::new(from)), to: Box::new(to) }, Some(host)))
}

/// Authenticates with SAFECOOKIE: proves that this side can read the cookie without revealing it to whatever else may
/// listen there, and that the other end knows it.
///
/// A control port without authentication is refused: anybody on its host may listen there, and client keys are handed
/// over. The path of a control socket without it was made by somebody who may write into its folder.
pub(super) async fn authenticate(
    control: &mut Control<Reads, Writes>,
    cookie: Option<PathBuf>,
    is_port: bool,
) -> Result<(), TorError> {
    let info = control.ask("PROTOCOLINFO 1").await?;
    let auth = info.iter().find_map(|line| line.strip_prefix("AUTH METHODS=")).unwrap_or_default();
    let (methods, file) = auth.split_once(' ').unwrap_or((auth, ""));
    let is_open = methods.split(',').any(|method| method == "NULL");
    if is_open && !is_port && cookie.is_none() {
        return control.ask("AUTHENTICATE").await.map(|_| ());
    }
    if !methods.split(',').any(|method| method == "SAFECOOKIE") {
        return Err(if is_open { TorError::Unproven } else { TorError::Password });
    }
    let named = file.strip_prefix("COOKIEFILE=\"").and_then(|rest| rest.strip_suffix('"')).map(PathBuf::from);
    let cookie = read_cookie(&cookie.or(named).ok_or(TorError::Password)?)?;
    let nonce = OsRandom.secret().map_err(|_| SystemError::Cryptography)?;
    let answer = control.ask(&format!("AUTHCHALLENGE SAFECOOKIE {}", HEXLOWER.encode(nonce.expose()))).await?;
    let field = |name: &str| {
        let line = answer.iter().find(|line| line.starts_with("AUTHCHALLENGE "))?;
        let digits = line.split(' ').find_map(|part| part.strip_prefix(name))?;
        HEXUPPER_PERMISSIVE.decode(digits.as_bytes()).ok()
    };
    let (theirs, proof) = field("SERVERNONCE=").zip(field("SERVERHASH=")).ok_or(TorError::NotTor)?;
    let mac = |key: &[u8]| {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        mac.update(&cookie);
        mac.update(nonce.expose());
        mac.update(&theirs);
        mac.sign()
    };
    aws_lc_rs::constant_time::verify_slices_are_equal(mac(CHALLENGE_SERVER).as_ref(), &proof)
        .map_err(|_| TorError::Impostor)?;
    control.ask(&format!("AUTHENTICATE {}", HEXLOWER.encode(mac(CHALLENGE_CLIENT).as_ref()))).await.map(|_| ())
}

fn read_cookie(path: &Path) -> Result<Zeroizing<Vec<u8>>, TorError> {
    let mut cookie = Zeroizing::new(Vec::with_capacity(COOKIE + 1));
    let mut read = || {
        // The other end may name any file: neither a pipe nor an endless device may block us.
        let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
        let mode = file.metadata()?.mode();
        file.take(COOKIE as u64 + 1).read_to_end(&mut cookie).map(|_| mode)
    };
    let mode = read().map_err(|error| TorError::Cookie(error.into()))?;
    // Whoever listens there could know a file that everybody can read without being tor.
    if cookie.len() == COOKIE && mode & 0o004 == 0 { Ok(cookie) } else { Err(TorError::BadCookie) }
}

/// A connection to a control port.
pub struct Control<R, W> {
    /// Lines that tor sends.
    pub from: R,
    /// Commands to tor.
    pub to: W,
}

impl<R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Control<R, W> {
    /// Sends a command and returns the lines of the answer without their status codes.
    ///
    /// # Errors
    /// When the status is not 25x, what comes is not an answer, or none is complete within 20 s.
    pub async fn ask(&mut self, what: &str) -> Result<Vec<String>, TorError> {
        within(ANSWER, TorError::Silent, async {
            let sent = async {
                self.to.write_all(what.as_bytes()).await?;
                self.to.write_all(b"\r\n").await?;
                self.to.flush().await
            };
            sent.await.map_err(|_| TorError::Ended)?;
            self.answer().await
        })
        .await
    }

    async fn answer(&mut self) -> Result<Vec<String>, TorError> {
        let mut lines = Vec::new();
        for _ in 0..LINES {
            let (code, last, text) = self.line().await?;
            // An asynchronous event.
            if code.starts_with('6') {
                continue;
            }
            if !code.starts_with("25") {
                return Err(code.parse().map_or(TorError::NotTor, TorError::Rejected));
            }
            lines.push(text);
            if last {
                return Ok(lines);
            }
        }
        Err(TorError::NotTor)
    }

    /// Waits for an asynchronous event and returns its first line.
    pub async fn event(&mut self) -> Result<String, TorError> {
        loop {
            let (code, _, text) = self.line().await?;
            if code.starts_with('6') {
                return Ok(text);
            }
        }
    }

    /// Reads one line: its status code, whether it ends the answer, and its text.
    async fn line(&mut self) -> Result<(String, bool, String), TorError> {
        let mut line = Vec::new();
        (&mut self.from).take(LINE).read_until(b'\n', &mut line).await.map_err(|_| TorError::Ended)?;
        if line.last() != Some(&b'\n') {
            return Err(if line.len() as u64 == LINE { TorError::NotTor } else { TorError::Ended });
        }
        let line = String::from_utf8(line).map_err(|_| TorError::NotTor)?;
        let line = line.trim_end_matches(['\r', '\n']);
        let parts = line.split_at_checked(3).filter(|(code, _)| code.bytes().all(|byte| byte.is_ascii_digit()));
        let (code, rest) = parts.ok_or(TorError::NotTor)?;
        let mut rest = rest.chars();
        match rest.next() {
            Some(mark @ (' ' | '-' | '+')) => Ok((code.to_owned(), mark == ' ', rest.as_str().to_owned())),
            _ => Err(TorError::NotTor),
        }
    }
}

/// Percentage of the bootstrap in an answer to `GETINFO status/bootstrap-phase`.
pub(super) fn bootstrap(line: &str) -> Option<u8> {
    let (_, rest) = line.split_once("PROGRESS=")?;
    rest.split(' ').next()?.parse().ok().filter(|progress| *progress <= 100)
}

/// The first TCP address in an answer to `GETINFO net/listeners/socks` that is on the host of the control port, or on
/// this machine for a control socket.
pub(super) fn socks_listener(line: &str, host: Option<IpAddr>) -> Option<SocketAddr> {
    let rest = line.strip_prefix("net/listeners/socks=")?;
    let host = host.unwrap_or(Ipv4Addr::LOCALHOST.into());
    rest.split('"').find_map(|part| {
        let at: SocketAddr = part.parse().ok()?;
        let ip = at.ip().to_canonical();
        if ip.is_unspecified() {
            return Some(SocketAddr::new(host, at.port()));
        }
        (ip == host || ip.is_loopback() && host.is_loopback()).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tor_says_is_read_line_by_line_and_bounded() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ask = |said: &str| {
            let mut control = Control { from: BufReader::new(said.as_bytes()), to: tokio::io::sink() };
            runtime.block_on(control.ask("GETINFO x"))
        };
        assert_eq!(ask("250-a=1\r\n250 OK\r\n").unwrap(), ["a=1", "OK"]);
        assert_eq!(ask("650 HS_DESC X\r\n252 fine\r\n").unwrap(), ["fine"]);
        assert_eq!(ask("510 Unrecognized\r\n"), Err(TorError::Rejected(510)));
        for cut in ["", "250 OK", "25"] {
            assert_eq!(ask(cut), Err(TorError::Ended), "{cut:?}");
        }
        for bad in ["hello there\r\n", "250?\r\n", "\u{e9}50 x\r\n"] {
            assert_eq!(ask(bad), Err(TorError::NotTor), "{bad:?}");
        }
        assert_eq!(ask(&"250-x\r\n".repeat(2_000)), Err(TorError::NotTor));
        assert_eq!(ask(&"2".repeat(20_000)), Err(TorError::NotTor));
    }

    #[test]
    fn whatever_answers_cannot_make_us_read_without_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for file in ["/dev/zero", "/dev/null"] {
            let said = format!("250-AUTH METHODS=SAFECOOKIE COOKIEFILE=\"{file}\"\r\n250 OK\r\n");
            let from: Reads = Box::new(BufReader::new(io::Cursor::new(said)));
            let mut control = Control { from, to: Box::new(tokio::io::sink()) as Writes };
            assert_eq!(runtime.block_on(authenticate(&mut control, None, true)), Err(TorError::BadCookie));
        }
    }

    #[test]
    fn what_tor_tells_of_itself_is_understood() {
        let line = "status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=85 TAG=ap_conn_done SUMMARY=\"x\"";
        assert_eq!(bootstrap(line), Some(85));
        assert_eq!(bootstrap("PROGRESS=101"), None);
        let line = "net/listeners/socks=\"unix:/x\" \"127.0.0.1:9050\"";
        assert_eq!(socks_listener(line, None), Some("127.0.0.1:9050".parse().unwrap()));
    }

    #[test]
    fn a_socks_port_that_is_not_on_the_host_of_the_control_port_is_not_used() {
        let socks = |said: &str, host: &str| {
            let line = format!("net/listeners/socks={said}");
            socks_listener(&line, host.parse().ok()).map(|at| at.to_string()).unwrap_or_default()
        };
        for host in ["", "127.0.0.1", "192.0.2.9"] {
            assert_eq!(socks("\"198.51.100.7:9050\"", host), "", "{host}");
        }
        assert_eq!(socks("\"198.51.100.7:1\" \"192.0.2.9:2\"", "192.0.2.9"), "192.0.2.9:2");
        assert_eq!(socks("\"127.0.0.1:1\"", "192.0.2.9"), "", "that would be here");
        assert_eq!(socks("\"0.0.0.0:1\"", "192.0.2.9"), "192.0.2.9:1");
        assert_eq!(socks("\"[::1]:1\"", "127.0.0.1"), "[::1]:1");
    }

    #[test]
    fn whatever_lets_anybody_in_at_a_port_is_not_believed_and_is_told_no_more() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let authenticated = |methods: &str, is_port: bool| {
            let said = format!("250-AUTH METHODS={methods}\r\n250 OK\r\n250 OK\r\n250 OK\r\n");
            let (to, mut told) = tokio::io::duplex(4_096);
            let from: Reads = Box::new(BufReader::new(io::Cursor::new(said)));
            let mut control = Control { from, to: Box::new(to) as Writes };
            let result = runtime.block_on(authenticate(&mut control, None, is_port));
            drop(control);
            let mut commands = String::new();
            runtime.block_on(told.read_to_string(&mut commands)).unwrap();
            (result, commands.lines().count())
        };
        assert_eq!(authenticated("NULL", true), (Err(TorError::Unproven), 1));
        assert_eq!(authenticated("NULL,HASHEDPASSWORD", true), (Err(TorError::Unproven), 1));
        assert_eq!(authenticated("COOKIE", true), (Err(TorError::Password), 1));
        assert_eq!(authenticated("HASHEDPASSWORD", true), (Err(TorError::Password), 1));
        assert_eq!(authenticated("NULL", false), (Ok(()), 2));
    }

    #[test]
    fn a_cookie_that_everybody_can_read_proves_nothing() {
        let path = std::env::temp_dir().join(format!("tete-cookie-{}", std::process::id()));
        std::fs::write(&path, [7; COOKIE]).unwrap();
        let read = |mode| {
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
            read_cookie(&path).map(|cookie| cookie.to_vec())
        };
        let tried = [read(0o644), read(0o640), read(0o600)];
        std::fs::remove_file(&path).unwrap();
        assert_eq!(tried, [Err(TorError::BadCookie), Ok(vec![7; COOKIE]), Ok(vec![7; COOKIE])]);
    }
}
