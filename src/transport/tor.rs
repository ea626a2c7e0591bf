//! A tor of our own, driven by its control port: connections through the Tor network, and an onion service that only
//! the holder of a key can find.
//!
//! The control protocol: <https://spec.torproject.org/control-spec/>. Onion addresses:
//! <https://spec.torproject.org/rend-spec/encoding-onion-addresses.html>.

use std::fmt::Write as _;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use rustix::fs::OFlags;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};
use zeroize::Zeroizing;

use super::hex;
use crate::protocol::keys::StaticKey;
use crate::protocol::random::{OsRandom, Randomness as _};

/// Until tor's control port is there.
const START: Duration = Duration::from_secs(20);
/// Until tor answers a question.
const ANSWER: Duration = Duration::from_secs(20);
/// Until tor has found the network; bridges may be slow.
const BOOTSTRAP: Duration = Duration::from_secs(240);
/// Until the onion service can be found.
const PUBLISH: Duration = Duration::from_secs(120);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// The longest line that tor may say, in bytes.
const LINE: u64 = 16 * 1024;
/// Lines of one answer, and events before it.
const LINES: usize = 1_000;
/// What opens the control port, in bytes.
const COOKIE: usize = 32;
/// The port of our onion services.
pub const ONION_PORT: u16 = crate::address::PORT;

const CHALLENGE_SERVER: &[u8] = b"Tor safe cookie authentication server-to-controller hash";
const CHALLENGE_CLIENT: &[u8] = b"Tor safe cookie authentication controller-to-server hash";

/// Where tor comes from.
#[derive(Clone)]
pub enum Source {
    /// It is started, and ends with us; lines for its configuration, such as bridges.
    Own(Option<PathBuf>),
    /// It runs: its control port, or the path of its control socket.
    Running(String),
}

/// What happens on the way into the Tor network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// So many of a hundred steps to the network are done.
    Bootstrap(u8),
    /// The onion service is being published.
    Publishing,
}

/// A tor, and our line to it.
pub struct Tor {
    control: Control<Box<dyn AsyncBufRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>>,
    /// Its SOCKS port.
    pub socks: SocketAddr,
    /// Onion services that it was let find.
    allowed: Vec<String>,
    /// Ends with us, after the line to it.
    own: Option<Own>,
}

/// An onion service of ours: what makes it anew.
pub struct Service {
    /// Its public key.
    pub key: [u8; 32],
    private: Zeroizing<String>,
    client: String,
    port: u16,
}

/// A process of ours and the folder it works in.
struct Own {
    child: Child,
    folder: PathBuf,
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.child.start_kill();
        // It may still write while it ends.
        for _ in 0..50 {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Tor {
    /// Starts one, or finds the one that runs, and waits until it knows the network.
    pub async fn start(source: &Source, mut tell: impl FnMut(Step)) -> io::Result<Self> {
        let (own, at, cookie) = match source {
            Source::Own(config) => {
                let (own, at, cookie) = launch(config.as_deref()).await?;
                (Some(own), at, Some(cookie))
            }
            Source::Running(at) => (None, at.clone(), None),
        };
        let mut control = within(START, connect(&at)).await?;
        authenticate(&mut control, cookie).await?;
        if own.is_some() {
            control.ask("TAKEOWNERSHIP").await?;
        }
        let known = async {
            let mut told = None;
            loop {
                let answer = control.ask("GETINFO status/bootstrap-phase").await?;
                let progress = answer.iter().find_map(|line| bootstrap(line)).unwrap_or(0);
                if told.replace(progress) != Some(progress) {
                    tell(Step::Bootstrap(progress));
                }
                if progress >= 100 {
                    return Ok::<_, io::Error>(());
                }
                sleep(LOOK).await;
            }
        };
        within(BOOTSTRAP, known).await?;
        let answer = control.ask("GETINFO net/listeners/socks").await?;
        let socks = answer.iter().find_map(|line| socks_listener(line));
        let socks = socks.ok_or_else(|| wrong("tor has no SOCKS port"))?;
        Ok(Self { control, socks, allowed: Vec::new(), own })
    }

    /// Whether it has not ended, as far as can be seen without asking it.
    pub fn runs(&mut self) -> bool {
        self.own.as_mut().is_none_or(|own| matches!(own.child.try_wait(), Ok(None)))
    }

    /// Waits until it has ended, or no longer takes commands.
    pub async fn ended(&mut self) {
        while self.control.event().await.is_ok() {}
    }

    /// Makes an onion service that leads to `port` of this machine, and that only the holder of `client` can find.
    /// Returns once it can be found. It ends with this tor, or our line to it.
    pub async fn publish(&mut self, client: &StaticKey, port: u16, tell: impl FnMut(Step)) -> io::Result<Service> {
        let (private, client) = (Zeroizing::new("NEW:ED25519-V3".to_owned()), base32(&client.public().0));
        let mut service = Service { key: [0; 32], private, client, port };
        self.publish_again(&mut service, tell).await?;
        Ok(service)
    }

    /// Makes one anew, where it was before.
    pub async fn publish_again(&mut self, service: &mut Service, mut tell: impl FnMut(Step)) -> io::Result<()> {
        tell(Step::Publishing);
        self.control.ask("SETEVENTS HS_DESC").await?;
        let mut line = Zeroizing::new(String::with_capacity(256));
        let _ = write!(
            line,
            "ADD_ONION {} Flags=V3Auth ClientAuthV3={} Port={ONION_PORT},{}:{}",
            service.private.as_str(),
            service.client,
            Ipv4Addr::LOCALHOST,
            service.port
        );
        let answer = Zeroizing::new(self.control.ask(&line).await?);
        let named = |name: &str| answer.iter().find_map(|line| line.strip_prefix(name));
        let id = named("ServiceID=").ok_or_else(|| wrong("tor names no onion service"))?.to_owned();
        service.key = onion_key(&id).ok_or_else(|| wrong("tor names an onion service that cannot be"))?;
        if let Some(private) = named("PrivateKey=") {
            service.private = Zeroizing::new(private.to_owned());
        }
        let uploaded = async {
            loop {
                let line = self.control.event().await?;
                if line.contains("HS_DESC UPLOADED") && line.contains(&id) {
                    return Ok::<_, io::Error>(());
                }
            }
        };
        within(PUBLISH, uploaded).await?;
        self.control.ask("SETEVENTS").await.map(|_| ())
    }

    /// Lets this tor find the onion service of that public key with the private key that it was made for.
    pub async fn allow(&mut self, onion: &[u8; 32], private: &[u8; 32]) -> io::Result<()> {
        let mut line = Zeroizing::new(String::with_capacity(160));
        let _ = write!(line, "ONION_CLIENT_AUTH_ADD {} x25519:", onion_id(onion));
        STANDARD_NO_PAD.encode_string(private, &mut line);
        // Tor wants the padding.
        line.push('=');
        self.control.ask(&line).await?;
        let id = onion_id(onion);
        if !self.allowed.contains(&id) {
            self.allowed.push(id);
        }
        Ok(())
    }

    /// Has a tor of ours forget what it knows of onion services: one that was made anew is elsewhere.
    pub async fn look_again(&mut self) {
        if self.own.is_some() {
            let _ = self.control.ask("SIGNAL NEWNYM").await;
        }
    }

    /// Has a tor that goes on without us forget the private keys that it was given.
    pub async fn forget(&mut self) {
        for id in std::mem::take(&mut self.allowed) {
            let _ = self.control.ask(&format!("ONION_CLIENT_AUTH_REMOVE {id}")).await;
        }
    }
}

/// Starts a tor in a folder of its own. Returns its control port and the cookie that opens it.
async fn launch(config: Option<&Path>) -> io::Result<(Own, String, PathBuf)> {
    let folder = private_folder()?;
    let child = spawn(&folder, config);
    let child = match child {
        Ok(child) => child,
        Err(error) => {
            let _ = fs::remove_dir_all(&folder);
            return Err(error);
        }
    };
    let mut own = Own { child, folder };
    let control = own.folder.join("control");
    let cookie = own.folder.join("data").join("control_auth_cookie");
    let started = async {
        loop {
            if let Some(at) =
                fs::read_to_string(&control).ok().and_then(|text| text.trim().strip_prefix("PORT=").map(str::to_owned))
            {
                return Ok(at);
            }
            if let Some(status) = own.child.try_wait()? {
                return Err(wrong(&format!("tor ended at once ({status}); its configuration may be wrong")));
            }
            sleep(LOOK).await;
        }
    };
    let at = within(START, started).await?;
    Ok((own, at, cookie))
}

fn spawn(folder: &Path, config: Option<&Path>) -> io::Result<Child> {
    let place = |name: &str| folder.join(name).display().to_string();
    let mut lines = match config {
        Some(config) => fs::read_to_string(config)?,
        None => String::new(),
    };
    let _ = write!(
        lines,
        "\nDataDirectory {}\nSocksPort auto\nControlPort auto\nControlPortWriteToFile {}\nCookieAuthentication 1\n\
         AvoidDiskWrites 1\nDormantOnFirstStartup 0\n",
        place("data"),
        place("control"),
    );
    File::create_new(folder.join("torrc"))?.write_all(lines.as_bytes())?;
    File::create_new(folder.join("empty"))?;
    let tor = find("tor").ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "tor is not installed"))?;
    Command::new(tor)
        .args(["-f", &place("torrc"), "--defaults-torrc", &place("empty"), "--quiet"])
        .args(["__OwningControllerProcess", &std::process::id().to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Ctrl-C is for us: without tor there is no farewell.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Whether there is a tor to start.
pub fn is_installed() -> bool {
    find("tor").is_some()
}

/// A program on the PATH, in none but absolute folders: the current one may hold anything.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join(program))
        .find(|at| at.is_file())
}

/// A new folder that nobody else can look into, where possible in memory.
fn private_folder() -> io::Result<PathBuf> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let name = OsRandom.secret().map_err(|error| io::Error::other(error.to_string()))?;
    let mut last = io::ErrorKind::NotFound.into();
    for place in runtime.into_iter().chain([std::env::temp_dir()]) {
        let folder = place.join(format!("tete-{}", hex::text(name.expose().get(..8).unwrap_or_default())));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) => last = error,
        }
    }
    Err(last)
}

type Reads = Box<dyn AsyncBufRead + Send + Unpin>;
type Writes = Box<dyn AsyncWrite + Send + Unpin>;

async fn connect(at: &str) -> io::Result<Control<Reads, Writes>> {
    if at.starts_with('/') {
        let (from, to) = UnixStream::connect(at).await?.into_split();
        return Ok(Control { from: Box::new(BufReader::new(from)), to: Box::new(to) });
    }
    let (from, to) = TcpStream::connect(at).await?.into_split();
    Ok(Control { from: Box::new(BufReader::new(from)), to: Box::new(to) })
}

/// Shows tor that we can read its cookie, without showing the cookie to something else that listens there.
async fn authenticate(control: &mut Control<Reads, Writes>, cookie: Option<PathBuf>) -> io::Result<()> {
    let info = control.ask("PROTOCOLINFO 1").await?;
    let auth = info.iter().find_map(|line| line.strip_prefix("AUTH METHODS=")).unwrap_or_default();
    let (methods, file) = auth.split_once(' ').unwrap_or((auth, ""));
    if methods.split(',').any(|method| method == "NULL") {
        return control.ask("AUTHENTICATE").await.map(|_| ());
    }
    let named = file.strip_prefix("COOKIEFILE=\"").and_then(|rest| rest.strip_suffix('"')).map(PathBuf::from);
    let file = cookie.or(named).ok_or_else(|| wrong("tor asks for a password; let it use a cookie"))?;
    let mut cookie = Zeroizing::new(Vec::with_capacity(COOKIE + 1));
    // Whatever answers may name any file, and a pipe would never end.
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(file)?;
    file.take(COOKIE as u64 + 1).read_to_end(&mut cookie)?;
    if cookie.len() != COOKIE {
        return Err(wrong("tor's cookie is not one"));
    }
    let nonce = OsRandom.secret().map_err(|error| io::Error::other(error.to_string()))?;
    let answer = control.ask(&format!("AUTHCHALLENGE SAFECOOKIE {}", hex::text(nonce.expose()))).await?;
    let field = |name: &str| {
        let line = answer.iter().find(|line| line.starts_with("AUTHCHALLENGE "))?;
        unhex(line.split(' ').find_map(|part| part.strip_prefix(name))?)
    };
    let (theirs, proof) = field("SERVERNONCE=").zip(field("SERVERHASH=")).ok_or_else(|| wrong("tor proves nothing"))?;
    let mac = |key: &[u8]| {
        let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
        mac.update(&cookie);
        mac.update(nonce.expose());
        mac.update(&theirs);
        mac.sign()
    };
    aws_lc_rs::constant_time::verify_slices_are_equal(mac(CHALLENGE_SERVER).as_ref(), &proof)
        .map_err(|_| wrong("what answers is not the tor whose cookie this is"))?;
    control.ask(&format!("AUTHENTICATE {}", hex::text(mac(CHALLENGE_CLIENT).as_ref()))).await.map(|_| ())
}

/// The line to a tor.
pub struct Control<R, W> {
    /// From tor.
    pub from: R,
    /// To tor.
    pub to: W,
}

impl<R: AsyncBufRead + Unpin, W: AsyncWrite + Unpin> Control<R, W> {
    /// Asks, and returns the lines of the answer without their numbers. An answer that is not 25x is an error, and so is
    /// none within 20 s.
    pub async fn ask(&mut self, what: &str) -> io::Result<Vec<String>> {
        within(ANSWER, async {
            self.to.write_all(what.as_bytes()).await?;
            self.to.write_all(b"\r\n").await?;
            self.to.flush().await?;
            self.answer().await
        })
        .await
    }

    async fn answer(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        for _ in 0..LINES {
            let (code, last, text) = self.line().await?;
            // An event that came between.
            if code.starts_with('6') {
                continue;
            }
            if !code.starts_with("25") {
                return Err(io::Error::other(format!("tor says: {text}")));
            }
            lines.push(text);
            if last {
                return Ok(lines);
            }
        }
        Err(wrong("tor does not come to an end"))
    }

    /// Waits for an event.
    pub async fn event(&mut self) -> io::Result<String> {
        loop {
            let (code, _, text) = self.line().await?;
            if code.starts_with('6') {
                return Ok(text);
            }
        }
    }

    /// The number of a line, whether it ends the answer, and the rest.
    async fn line(&mut self) -> io::Result<(String, bool, String)> {
        let mut line = Vec::new();
        (&mut self.from).take(LINE).read_until(b'\n', &mut line).await?;
        if line.pop() != Some(b'\n') {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let line = String::from_utf8(line).map_err(|_| wrong("tor says what is no text"))?;
        let line = line.trim_end_matches('\r');
        let parts = line.split_at_checked(3).filter(|(code, _)| code.bytes().all(|byte| byte.is_ascii_digit()));
        let (code, rest) = parts.ok_or_else(|| wrong("what answers is not tor"))?;
        let mut rest = rest.chars();
        match rest.next() {
            Some(mark @ (' ' | '-' | '+')) => Ok((code.to_owned(), mark == ' ', rest.as_str().to_owned())),
            _ => Err(wrong("what answers is not tor")),
        }
    }
}

/// How far tor is, of a hundred.
fn bootstrap(line: &str) -> Option<u8> {
    let (_, rest) = line.split_once("PROGRESS=")?;
    rest.split(' ').next()?.parse().ok().filter(|progress| *progress <= 100)
}

/// The first SOCKS port that is one of TCP.
fn socks_listener(line: &str) -> Option<SocketAddr> {
    let rest = line.strip_prefix("net/listeners/socks=")?;
    rest.split('"').find_map(|part| part.parse().ok())
}

/// The name of the onion service of a public key, without `.onion`.
pub fn onion_id(key: &[u8; 32]) -> String {
    let [a, b] = onion_checksum(key);
    let mut all = Vec::with_capacity(35);
    all.extend_from_slice(key);
    all.extend_from_slice(&[a, b, 3]);
    base32(&all).to_ascii_lowercase()
}

/// The public key that a name of an onion service, without `.onion`, stands for.
pub fn onion_key(id: &str) -> Option<[u8; 32]> {
    let bytes = unbase32(id)?;
    let (key, rest) = bytes.split_first_chunk::<32>()?;
    let [a, b] = onion_checksum(key);
    (rest == [a, b, 3]).then_some(*key)
}

fn onion_checksum(key: &[u8; 32]) -> [u8; 2] {
    let mut hash = digest::Context::new(&digest::SHA3_256);
    hash.update(b".onion checksum");
    hash.update(key);
    hash.update(&[3]);
    let mut sum = [0; 2];
    sum.iter_mut().zip(hash.finish().as_ref()).for_each(|(sum, byte)| *sum = *byte);
    sum
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn base32(bytes: &[u8]) -> String {
    let mut out = String::new();
    let (mut bits, mut held) = (0u32, 0);
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xfff;
        held += 8;
        while held >= 5 {
            held -= 5;
            out.extend(BASE32.get((bits >> held & 31) as usize).copied().map(char::from));
        }
    }
    if held > 0 {
        out.extend(BASE32.get((bits << (5 - held) & 31) as usize).copied().map(char::from));
    }
    out
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let (mut bits, mut held) = (0u32, 0);
    for letter in text.bytes() {
        let value = BASE32.iter().position(|other| *other == letter.to_ascii_uppercase())?;
        bits = (bits << 5 | u32::try_from(value).ok()?) & 0xfff;
        held += 5;
        if held >= 8 {
            held -= 8;
            out.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(out)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    if rest.is_empty() { pairs.iter().map(byte).collect() } else { None }
}

async fn within<T>(limit: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, what).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_onion_address_and_its_key_stand_for_each_other() {
        // The example of rend-spec-v3.
        let id = "pg6mmjiyjmcrsslvykfwnntlaru7p5svn6y2ymmju6nubxndf4pscryd";
        let key = onion_key(id).unwrap();
        assert_eq!(onion_id(&key), id);
        assert_eq!(onion_key(&id.replacen('p', "q", 1)), None);
        assert_eq!(onion_key("pg6m"), None);
    }

    #[test]
    fn what_tor_says_is_read_line_by_line_and_bounded() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let ask = |said: &str| {
            let mut control = Control { from: BufReader::new(said.as_bytes()), to: tokio::io::sink() };
            runtime.block_on(control.ask("GETINFO x")).map_err(|error| error.to_string())
        };
        assert_eq!(ask("250-a=1\r\n250 OK\r\n").unwrap(), ["a=1", "OK"]);
        assert_eq!(ask("650 HS_DESC X\r\n252 fine\r\n").unwrap(), ["fine"]);
        assert!(ask("510 Unrecognized\r\n").unwrap_err().contains("Unrecognized"));
        for bad in ["", "250 OK", "25", "hello there\r\n", "250?\r\n", "\u{e9}50 x\r\n"] {
            assert!(ask(bad).is_err(), "{bad:?}");
        }
        assert!(ask(&"250-x\r\n".repeat(2_000)).is_err());
        assert!(ask(&"2".repeat(20_000)).is_err());
    }

    #[test]
    fn whatever_answers_cannot_make_us_read_without_end() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        for file in ["/dev/zero", "/dev/null"] {
            let said = format!("250-AUTH METHODS=SAFECOOKIE COOKIEFILE=\"{file}\"\r\n250 OK\r\n");
            let from: Reads = Box::new(BufReader::new(io::Cursor::new(said)));
            let mut control = Control { from, to: Box::new(tokio::io::sink()) as Writes };
            let error = runtime.block_on(authenticate(&mut control, None)).unwrap_err();
            assert_eq!(error.to_string(), "tor's cookie is not one");
        }
    }

    #[test]
    fn what_tor_tells_of_itself_is_understood() {
        let line = "status/bootstrap-phase=NOTICE BOOTSTRAP PROGRESS=85 TAG=ap_conn_done SUMMARY=\"x\"";
        assert_eq!(bootstrap(line), Some(85));
        assert_eq!(bootstrap("PROGRESS=101"), None);
        let line = "net/listeners/socks=\"unix:/x\" \"127.0.0.1:9050\"";
        assert_eq!(socks_listener(line), Some("127.0.0.1:9050".parse().unwrap()));
    }
}
