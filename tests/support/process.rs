//! The real program as a child process: every wait has a limit, and no child outlives its test.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError, mpsc};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use rustix::time::{ClockId, clock_gettime};

/// The program under test.
pub const TETE: &str = env!("CARGO_BIN_EXE_tete");
/// How long anything may take that should happen at once, on a machine with much else to do.
pub const PATIENCE: Duration = Duration::from_secs(25);

/// Time since the machine started.
pub fn now() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

/// Something that a thread reports and a test waits for.
pub struct Watched<T>(Arc<(Mutex<T>, Condvar)>);

impl<T> Clone for Watched<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Watched<T> {
    /// Watches a value.
    pub fn new(value: T) -> Self {
        Self(Arc::new((Mutex::new(value), Condvar::new())))
    }

    /// Changes or reads the value and wakes whoever waits for it.
    pub fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> R {
        let result = act(&mut self.0.0.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.1.notify_all();
        result
    }

    /// Waits until `look` finds what it looks for. `None` if it does not in so long.
    pub fn wait<R>(&self, limit: Duration, mut look: impl FnMut(&mut T) -> Option<R>) -> Option<R> {
        let mut found = None;
        let value = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.0.1.wait_timeout_while(value, limit, |value| {
            found = look(value);
            found.is_none()
        });
        drop(waited.unwrap_or_else(PoisonError::into_inner));
        found
    }
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    ended: bool,
}

/// A stream that is read as it comes.
pub struct Stream {
    heard: Watched<Heard>,
    taken: usize,
}

impl Stream {
    /// Reads `from` to its end in a thread of its own.
    pub fn read(mut from: impl Read + Send + 'static) -> Self {
        let heard = Watched::new(Heard::default());
        let tell = heard.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 16 * 1024];
            loop {
                let count = from.read(&mut buffer).unwrap_or(0);
                tell.with(|heard| match count {
                    0 => heard.ended = true,
                    _ => heard.bytes.extend_from_slice(&buffer[..count]),
                });
                if count == 0 {
                    return;
                }
            }
        });
        Self { heard, taken: 0 }
    }

    /// The next line without its end, `Some(None)` at the end of the stream, `None` if neither comes.
    fn next_line(&mut self, limit: Duration) -> Option<Option<Vec<u8>>> {
        let taken = self.taken;
        let line = self.heard.wait(limit, |heard| {
            let rest = &heard.bytes[taken..];
            match rest.iter().position(|byte| *byte == b'\n') {
                Some(end) => Some(Some(rest[..end].to_vec())),
                None if heard.ended => Some(None),
                None => None,
            }
        })?;
        self.taken += line.as_ref().map_or(0, |line| line.len() + 1);
        Some(line)
    }

    /// The next line. Fails at the end of the stream.
    #[track_caller]
    pub fn line(&mut self) -> Vec<u8> {
        match self.next_line(PATIENCE) {
            Some(Some(line)) => line,
            Some(None) => panic!("the stream ended after: {}", self.so_far()),
            None => panic!("nothing came after: {}", self.so_far()),
        }
    }

    /// Waits until `word` has come, somewhere after `mark`.
    #[track_caller]
    pub fn has_after(&self, mark: &str, word: &str) {
        let found = self.heard.wait(PATIENCE, |heard| {
            let text = String::from_utf8_lossy(&heard.bytes);
            text.find(mark).filter(|place| text[*place..].contains(word)).map(drop)
        });
        assert!(found.is_some(), "no {word:?} came, but: {}", self.so_far());
    }

    /// Looks at all that has come until there is what is looked for.
    #[track_caller]
    pub fn until<R>(&self, what: &str, mut look: impl FnMut(&str) -> Option<R>) -> R {
        let found = self.heard.wait(PATIENCE, |heard| look(&String::from_utf8_lossy(&heard.bytes)));
        found.unwrap_or_else(|| panic!("no {what:?} came, but: {}", self.so_far()))
    }

    /// Everything up to the end of the stream.
    #[track_caller]
    pub fn all(&self) -> Vec<u8> {
        match self.heard.wait(PATIENCE, |heard| heard.ended.then(|| heard.bytes.clone())) {
            Some(all) => all,
            None => panic!("the stream did not end: {}", self.so_far()),
        }
    }

    /// What came until now, for a message.
    pub fn so_far(&self) -> String {
        self.heard.with(|heard| String::from_utf8_lossy(&heard.bytes).into_owned())
    }
}

/// `tete` with these arguments and an environment of its own.
pub fn tete<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(TETE);
    command.args(args);
    bare(command)
}

/// `tete` started by a shell, as `exec "$0" "$@"` and what follows it.
pub fn tete_through_shell(setup: &str, args: &[&str], redirections: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{setup}\nexec \"$0\" \"$@\" {redirections}")).arg(TETE).args(args);
    bare(command)
}

/// Takes the environment of the tests away and pipes all three streams.
pub fn bare(mut command: Command) -> Command {
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", "/nonexistent");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// How a program ended.
pub struct End {
    /// Exit code.
    pub code: i32,
    /// All of standard output.
    pub out: String,
    /// All of standard error.
    pub err: String,
}

/// A running program.
pub struct Process {
    child: Child,
    input: Option<mpsc::Sender<Vec<u8>>>,
    out: Option<Stream>,
    err: Option<Stream>,
    ended: mpsc::Receiver<()>,
    code: Option<i32>,
}

impl Process {
    /// Starts a program; what is not piped cannot be read.
    pub fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let input = child.stdin.take().map(writer);
        let out = child.stdout.take().map(Stream::read);
        let err = child.stderr.take().map(Stream::read);
        let ended = watch(child.id());
        Self { child, input, out, err, ended, code: None }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes a line to its standard input. Never waits.
    pub fn say(&self, line: &str) {
        self.send(format!("{line}\n").into_bytes());
    }

    /// Writes bytes to its standard input. Never waits.
    pub fn send(&self, bytes: Vec<u8>) {
        let _ = self.input.as_ref().expect("input is closed").send(bytes);
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.input = None;
    }

    /// Its standard output.
    pub fn out(&mut self) -> &mut Stream {
        self.out.as_mut().expect("no output")
    }

    /// The next line on standard output.
    #[track_caller]
    pub fn text(&mut self) -> String {
        String::from_utf8(self.out().line()).unwrap()
    }

    /// The next lines on standard output.
    #[track_caller]
    pub fn texts(&mut self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.text()).collect()
    }

    /// The next line on standard error.
    #[track_caller]
    pub fn status(&mut self) -> String {
        String::from_utf8(self.err.as_mut().expect("no standard error").line()).unwrap()
    }

    /// The next line on standard error that begins with `start`, without it.
    #[track_caller]
    pub fn until(&mut self, start: &str) -> String {
        loop {
            let line = self.err.as_mut().expect("no standard error").next_line(PATIENCE);
            let Some(Some(line)) = line else { panic!("no line with {start:?} came, but: {}", self.so_far()) };
            if let Some(rest) = String::from_utf8(line).unwrap().strip_prefix(start) {
                return rest.to_owned();
            }
        }
    }

    /// Standard error until now, for a message.
    pub fn so_far(&self) -> String {
        self.err.as_ref().map(Stream::so_far).unwrap_or_default()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for the end and returns the exit code; a signal counts as 128 and its number.
    #[track_caller]
    pub fn exit(&mut self) -> i32 {
        self.exit_within(PATIENCE).unwrap_or_else(|| panic!("it did not end: {}", self.so_far()))
    }

    /// The exit code, if the program ends in so long.
    pub fn exit_within(&mut self, limit: Duration) -> Option<i32> {
        if self.code.is_none() {
            self.ended.recv_timeout(limit).ok()?;
            let status = self.child.wait().unwrap();
            self.code = Some(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()));
        }
        self.code
    }

    /// Waits for the end and for all it has written.
    #[track_caller]
    pub fn finish(mut self) -> End {
        let code = self.exit();
        let all = |stream: &Option<Stream>| {
            stream.as_ref().map(|stream| String::from_utf8(stream.all()).unwrap()).unwrap_or_default()
        };
        End { code, out: all(&self.out), err: all(&self.err) }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.code.is_none() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Writes to a child without ever making the test wait.
fn writer(mut stdin: ChildStdin) -> mpsc::Sender<Vec<u8>> {
    let (sender, receiver) = mpsc::channel::<Vec<u8>>();
    std::thread::spawn(move || {
        for bytes in receiver {
            if stdin.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    sender
}

/// Says when a child has ended, and leaves it to its owner.
pub fn watch(id: u32) -> mpsc::Receiver<()> {
    let (tell, ended) = mpsc::channel();
    let pid = Pid::from_raw(i32::try_from(id).unwrap()).unwrap();
    std::thread::spawn(move || {
        let _ = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
        let _ = tell.send(());
    });
    ended
}

/// A host on 127.0.0.1, and its port.
#[track_caller]
pub fn host() -> (Process, u16) {
    listening(tete(["--port", "0", "--bind", "127.0.0.1"]))
}

/// A host that is started by this command, and its port.
#[track_caller]
pub fn listening(command: Command) -> (Process, u16) {
    let mut host = Process::start(command);
    let address = host.until("listening: ");
    let port = address.rsplit(':').next().unwrap().parse().unwrap();
    (host, port)
}

/// Somebody who joins at 127.0.0.1.
pub fn guest(port: u16) -> Process {
    Process::start(tete(["join", "127.0.0.1", &port.to_string()]))
}

/// Each side types the half that the other shows. Returns the host's half and the guest's.
#[track_caller]
pub fn pair(host: &mut Process, guest: &mut Process) -> [String; 2] {
    let halves = [host.until("code: "), guest.until("code: ")];
    host.say(&halves[1]);
    guest.say(&halves[0]);
    host.until("room open");
    guest.until("room open");
    halves
}

/// An open room: the host and the guest.
#[track_caller]
pub fn room() -> (Process, Process) {
    let (mut host, port) = host();
    let mut guest = guest(port);
    pair(&mut host, &mut guest);
    (host, guest)
}

/// An open room whose host writes its partner's texts there.
#[track_caller]
pub fn room_into(out: impl Into<Stdio>) -> (Process, Process) {
    let mut command = tete(["--port", "0", "--bind", "127.0.0.1"]);
    command.stdout(out);
    let (mut host, port) = listening(command);
    let mut guest = guest(port);
    pair(&mut host, &mut guest);
    (host, guest)
}

/// An open room that ends with its line.
#[track_caller]
pub fn fragile_room() -> (Process, Process) {
    let (mut host, port) = listening(tete(["--port", "0", "--bind", "127.0.0.1", "--linger", "0s"]));
    let mut guest = Process::start(tete(["join", "127.0.0.1", &port.to_string(), "--linger", "0s"]));
    pair(&mut host, &mut guest);
    (host, guest)
}

/// Nobody reads what a host writes, for so long, while its partner sends so many texts and ends its input: the host still
/// speaks, the partner waits, and every text is there for whoever reads at last.
#[track_caller]
pub fn a_host_that_does_not_read(texts: usize, limit: Duration) {
    let (reader, writer) = std::io::pipe().unwrap();
    let (host, mut guest) = room_into(writer);
    let texts: Vec<_> = (0..texts).map(|number| format!("{number} {}", "x".repeat(200))).collect();
    guest.send((texts.join("\n") + "\n").into_bytes());
    guest.end_input();
    assert_eq!(guest.exit_within(limit), None);
    host.say("still here");
    assert_eq!(guest.text(), "still here");
    let mut read = Stream::read(reader);
    for text in &texts {
        assert_eq!(read.line(), text.as_bytes());
    }
    let ends = [guest.finish(), host.finish()];
    assert_eq!(ends.each_ref().map(|end| end.code), [0, 0], "{}\n{}", ends[0].err, ends[1].err);
}

/// Memory that a process has filled by itself, as `/proc/PID/status` calls it: not the program's own pages, which come
/// as its parts are used.
pub const OWN: &str = "RssAnon:";
/// The most it ever used.
pub const PEAK: &str = "VmHWM:";

/// Memory of a process in KiB.
pub fn memory(process: &Process, kind: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(kind)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Open descriptors of a process.
pub fn descriptors(process: &Process) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", process.id())).unwrap().count()
}

/// Ends one side's input: both leave in order and every text was shown.
#[track_caller]
pub fn part(leaver: Process, other: Process) -> [End; 2] {
    let (mut leaver, other) = (leaver, other);
    leaver.end_input();
    let ends = [leaver.finish(), other.finish()];
    assert_eq!([ends[0].code, ends[1].code], [0, 0], "{}\n{}", ends[0].err, ends[1].err);
    assert!(ends[1].err.contains("\npartner left\n"), "{}", ends[1].err);
    ends
}

/// A half like this one, but wrong; never the one that is `not`.
pub fn wrong(half: &str, not: &str) -> String {
    (1..)
        .map(|step| {
            let last = half.chars().last().and_then(|digit| digit.to_digit(10)).unwrap();
            format!("{}{}", &half[..half.len() - 1], (last + step) % 10)
        })
        .find(|wrong| wrong != not && wrong != half)
        .unwrap()
}
