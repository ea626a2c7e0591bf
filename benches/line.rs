//! A text's way over loopback, against a raw TCP ping-pong of as many bytes in
//! the same run: `cargo bench --bench line`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tete::protocol::handshake::Mode;
use tete::protocol::keys::StaticKey;
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::record::SMALL;
use tete::protocol::session::{Event, Session, Settings, Stage};
use zeroize::Zeroizing;

const TETE: &str = env!("CARGO_BIN_EXE_tete");
const ROUNDS: usize = 7;
const TRIPS: usize = 2_000;
const TEXT: &str =
    "one hundred bytes of text, such as two people send each other when they talk about the weather, no?";

fn main() {
    let (mut raw, mut core, mut pipes) = (RawPair::new(), CorePair::new(), PipePair::new());
    let (mut of_core, mut of_pipes, mut raws) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let base = median(TRIPS, || raw.trip());
        of_core.push(median(TRIPS, || core.trip()) / base);
        of_pipes.push(median(TRIPS, || pipes.trip()) / base);
        raws.push(base);
    }
    println!("raw TCP ping-pong of {SMALL} bytes, p50:       {:8.1} us", middle(raws) * 1e6);
    println!("text and answer, sessions over TCP:         {:8.2} times raw", middle(of_core));
    println!("text and answer, two processes and pipes:   {:8.2} times raw", middle(of_pipes));
    println!("resident memory, idle in an open room:      {:8} KiB, {} KiB", rss(&pipes.host.0), rss(&pipes.joiner.0));
    let mut starts: Vec<_> = (0..25).map(|_| PipePair::seconds_to_code()).collect();
    starts.sort_by(f64::total_cmp);
    println!("joiner's start to its code, p50:            {:8.2} ms", starts[starts.len() / 2] * 1e3);
    let version = median(50, || drop(Command::new(TETE).arg("--version").stdout(Stdio::null()).status()));
    println!("tete --version, p50:                        {:8.2} ms", version * 1e3);
    println!("binary:                                     {:8} bytes", std::fs::metadata(TETE).unwrap().len());
}

fn median(trips: usize, mut trip: impl FnMut()) -> f64 {
    middle((0..trips).map(|_| {
        let start = Instant::now();
        trip();
        start.elapsed().as_secs_f64()
    }))
}

fn middle(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let there = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (here, _) = listener.accept().unwrap();
    for stream in [&here, &there] {
        stream.set_nodelay(true).unwrap();
    }
    (here, there)
}

struct RawPair(TcpStream);

impl RawPair {
    fn new() -> Self {
        let (here, mut there) = connection();
        thread::spawn(move || {
            let mut buffer = [0; SMALL];
            while there.read_exact(&mut buffer).is_ok() && there.write_all(&buffer).is_ok() {}
        });
        Self(here)
    }

    fn trip(&mut self) {
        let mut buffer = [1; SMALL];
        self.0.write_all(&buffer).unwrap();
        self.0.read_exact(&mut buffer).unwrap();
    }
}

/// One session on one end of a connection; both users trust each other blindly.
struct Side {
    session: Session,
    stream: TcpStream,
    start: Instant,
    buffer: Box<[u8; 16 * SMALL]>,
}

impl Side {
    fn open(session: Session, stream: TcpStream, halves: (Sender, Receiver)) -> Self {
        let mut side = Self { session, stream, start: Instant::now(), buffer: Box::new([0; 16 * SMALL]) };
        while side.session.stage() != Stage::Confirming {
            side.send();
            if side.session.stage() == Stage::Established {
                side.session.admit();
                side.send();
            }
            if side.session.stage() != Stage::Confirming {
                side.receive();
            }
        }
        halves.0.send(side.session.code().unwrap().own.to_string()).unwrap();
        side.session.enter(&halves.1.recv().unwrap());
        while side.session.stage() != Stage::Open {
            side.send();
            side.receive();
        }
        side.send();
        side
    }

    fn send(&mut self) {
        let mut out = Vec::with_capacity(2 * SMALL);
        while let Some(record) = self.session.transmit(self.start.elapsed()).unwrap() {
            out.extend_from_slice(record.as_slice());
        }
        self.stream.write_all(&out).unwrap();
    }

    /// Whether a text came.
    fn receive(&mut self) -> bool {
        let count = self.stream.read(self.buffer.as_mut_slice()).unwrap();
        let mut bytes = &self.buffer[..count];
        let mut text = false;
        while !bytes.is_empty() {
            self.session.receive(&mut bytes, self.start.elapsed()).unwrap();
            while let Some(event) = self.session.event() {
                if let Event::Text(incoming) = event {
                    self.session.shown(incoming.id);
                    text = true;
                }
            }
        }
        text
    }

    fn say(&mut self) {
        self.session.say(Zeroizing::new(TEXT.to_owned()), self.start.elapsed()).unwrap();
        self.send();
    }
}

type Sender = std::sync::mpsc::Sender<String>;
type Receiver = std::sync::mpsc::Receiver<String>;

struct CorePair(Side);

impl CorePair {
    fn new() -> Self {
        let (here, there) = connection();
        let (to_there, from_here) = std::sync::mpsc::channel();
        let (to_here, from_there) = std::sync::mpsc::channel();
        let mode = || Mode::Pair(Arc::new(StaticKey::new(OsRandom.secret().unwrap()).unwrap()));
        thread::spawn(move || {
            let session = Session::respond(mode(), Box::new(OsRandom), Settings::default(), Duration::ZERO);
            let mut side = Side::open(session, there, (to_here, from_here));
            loop {
                if side.receive() {
                    side.say();
                }
            }
        });
        let session = Session::initiate(mode(), Box::new(OsRandom), Settings::default(), Duration::ZERO).unwrap();
        Self(Side::open(session, here, (to_there, from_there)))
    }

    fn trip(&mut self) {
        self.0.say();
        while !self.0.receive() {}
    }
}

struct Process(Child, ChildStdin, BufReader<ChildStdout>, BufReader<std::process::ChildStderr>);

impl Process {
    fn start(args: &[&str]) -> Self {
        let mut child = Command::new(TETE)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let status = BufReader::new(child.stderr.take().unwrap());
        Self(child, input, output, status)
    }

    fn status(&mut self, prefix: &str) -> String {
        let mut line = String::new();
        while self.3.read_line(&mut line).unwrap() > 0 {
            if let Some(rest) = line.trim_end().strip_prefix(prefix) {
                return rest.to_owned();
            }
            line.clear();
        }
        panic!("no status line that begins with {prefix}");
    }

    fn say(&mut self, line: &str) {
        self.1.write_all(line.as_bytes()).unwrap();
    }

    fn text(&mut self, line: &mut String) {
        line.clear();
        self.2.read_line(line).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct PipePair {
    host: Process,
    joiner: Process,
}

impl PipePair {
    fn start() -> (Self, f64) {
        let mut host = Process::start(&["--port", "0", "--bind", "127.0.0.1"]);
        let port = host.status("listening: 127.0.0.1:");
        let start = Instant::now();
        let mut joiner = Process::start(&["127.0.0.1", &port]);
        let half = joiner.status("code: ");
        let seconds = start.elapsed().as_secs_f64();
        host.say(&(half + "\n"));
        let half = host.status("code: ");
        joiner.say(&(half + "\n"));
        (Self { host, joiner }, seconds)
    }

    fn seconds_to_code() -> f64 {
        Self::start().1
    }

    fn new() -> Self {
        let (mut pair, _) = Self::start();
        pair.host.status("room open");
        pair.joiner.status("room open");
        pair
    }

    fn trip(&mut self) {
        let mut line = format!("{TEXT}\n");
        self.joiner.say(&line);
        self.host.text(&mut line);
        self.host.say(&line);
        self.joiner.text(&mut line);
    }
}

fn rss(child: &Child) -> String {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().to_owned()
}
