//! What stands between two programs that cannot reach each other: a transit relay, and a SOCKS5 proxy.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::process::{PATIENCE, Watched};

/// A magic-wormhole transit relay.
pub struct Meeting {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    streams: Watched<Vec<TcpStream>>,
    waiting: Waiting,
    ended: Watched<usize>,
}

type Waiting = Arc<Mutex<HashMap<String, Vec<(String, TcpStream)>>>>;

impl Meeting {
    /// One that joins those of the same token.
    pub fn new() -> Self {
        Self::start(0, false)
    }

    /// The same, at that port of this machine.
    pub fn at(port: u16) -> Self {
        Self::listen(TcpListener::bind(("127.0.0.1", port)).unwrap(), 0, false)
    }

    /// One that joins whoever comes with whoever waits, whatever they say.
    pub fn of_strangers() -> Self {
        Self::start(0, true)
    }

    /// The same, but the first so many meet only somebody who died while they waited.
    pub fn with_dead(dead: usize) -> Self {
        Self::start(dead, false)
    }

    fn start(dead: usize, strangers: bool) -> Self {
        Self::listen(TcpListener::bind("127.0.0.1:0").unwrap(), dead, strangers)
    }

    fn listen(listener: TcpListener, dead: usize, strangers: bool) -> Self {
        let port = listener.local_addr().unwrap().port();
        let streams = Watched::new(Vec::new());
        let waiting = Waiting::default();
        let ended = Watched::new(0);
        let (all, there, counted) = (streams.clone(), waiting.clone(), ended.clone());
        std::thread::spawn(move || {
            for (number, mut stream) in listener.incoming().flatten().enumerate() {
                all.with(|all: &mut Vec<TcpStream>| all.push(stream.try_clone().unwrap()));
                if number < dead {
                    let _ = stream.write_all(b"ok\n");
                    continue;
                }
                let (there, counted) = (there.clone(), counted.clone());
                std::thread::spawn(move || join(stream, &there, strangers, &counted));
            }
        });
        Self { port, streams, waiting, ended }
    }

    /// Waits until so many have come.
    #[track_caller]
    pub fn until_met(&self, count: usize) {
        assert!(self.streams.wait(PATIENCE, |all| (all.len() >= count).then_some(())).is_some(), "nobody comes");
    }

    /// Waits until one side of two that met has gone, and the other was told.
    #[track_caller]
    pub fn until_ended(&self) {
        assert!(self.ended.wait(PATIENCE, |ended| (*ended > 0).then_some(())).is_some(), "nobody goes");
    }

    /// Ends every connection.
    pub fn cut(&self) {
        self.waiting.lock().unwrap().clear();
        self.streams.with(|all| {
            for stream in all.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        });
    }
}

fn join(mut stream: TcpStream, waiting: &Waiting, strangers: bool, ended: &Watched<usize>) {
    let mut line = String::new();
    // Nothing comes before the answer, so nothing is lost in the buffer.
    if BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).is_err() {
        return;
    }
    let words: Vec<_> = line.split_whitespace().collect();
    let ["please", "relay", token, "for", "side", side] = words[..] else {
        let _ = stream.write_all(b"bad handshake\n");
        return;
    };
    assert_eq!((token.len(), side.len()), (64, 16));
    let other = {
        let mut waiting = waiting.lock().unwrap();
        let there = waiting.entry(if strangers { String::new() } else { token.to_owned() }).or_default();
        match there.iter().position(|(who, _)| who != side) {
            Some(place) => there.remove(place).1,
            None => return there.push((side.to_owned(), stream)),
        }
    };
    pipe(stream, other, b"ok\n", ended);
}

/// Says `first` to both, and passes on what each says. Counts who has ended.
fn pipe(a: TcpStream, b: TcpStream, first: &'static [u8], ended: &Watched<usize>) {
    for (mut from, mut to) in [(a.try_clone().unwrap(), b.try_clone().unwrap()), (b, a)] {
        let _ = to.write_all(first);
        let ended = ended.clone();
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
            ended.with(|ended| *ended += 1);
        });
    }
}

/// Answers every connection with these bytes, and closes it once the other side has.
pub fn says(bytes: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let _ = stream.write_all(bytes);
                let _ = stream.shutdown(Shutdown::Write);
                let _ = std::io::copy(&mut stream, &mut std::io::sink());
            });
        }
    });
    port
}

/// A SOCKS5 proxy that knows one name, and asks for a password if it is told one. Notes what it was asked for.
pub struct Socks {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// Names it was asked for.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Socks {
    /// `name` is at that port of this machine.
    pub fn new(name: &'static str, to: u16, user: Option<(&'static str, &'static str)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let note = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let note = note.clone();
                std::thread::spawn(move || serve(stream, name, to, user, &note));
            }
        });
        Self { port, asked }
    }
}

fn serve(
    mut stream: TcpStream,
    name: &str,
    to: u16,
    user: Option<(&str, &str)>,
    asked: &Mutex<Vec<String>>,
) -> Option<()> {
    let [version, methods] = take(&mut stream)?;
    assert_eq!(version, 5);
    let mut offered = vec![0; methods.into()];
    stream.read_exact(&mut offered).ok()?;
    match user {
        Some((name, password)) => {
            assert!(offered.contains(&2));
            stream.write_all(&[5, 2]).ok()?;
            let [1] = take(&mut stream)? else { panic!("no password") };
            let given = [text(&mut stream)?, text(&mut stream)?];
            let right = given == [name.to_owned(), password.to_owned()];
            stream.write_all(&[1, u8::from(!right)]).ok()?;
            if !right {
                return None;
            }
        }
        None => stream.write_all(&[5, 0]).ok()?,
    }
    let [5, 1, 0, 3] = take(&mut stream)? else { panic!("not a name") };
    let host = text(&mut stream)?;
    let _port: [u8; 2] = take(&mut stream)?;
    asked.lock().unwrap().push(host.clone());
    if host != name {
        stream.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
        return None;
    }
    let Ok(other) = TcpStream::connect(("127.0.0.1", to)) else {
        stream.write_all(&[5, 5, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
        return None;
    };
    stream.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    pipe(stream, other, b"", &Watched::new(0));
    Some(())
}

fn take<const N: usize>(stream: &mut TcpStream) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn text(stream: &mut TcpStream) -> Option<String> {
    let [length] = take(stream)?;
    let mut bytes = vec![0; length.into()];
    stream.read_exact(&mut bytes).ok()?;
    String::from_utf8(bytes).ok()
}
