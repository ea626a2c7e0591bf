//! The full screen while the partner floods: echo of keys, processor and memory, with a full scrollback.
//! `cargo bench --bench screen`
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

const TETE: &str = env!("CARGO_BIN_EXE_tete");
/// Texts before the measurement: the scrollback is full.
const BEFORE: usize = 10_000;
/// Texts a second meanwhile.
const RATE: u64 = 1_000;
const KEYS: usize = 400;
const BETWEEN_KEYS: Duration = Duration::from_millis(50);
/// Ticks of the processor's clock a second, as the kernel tells.
const TICKS: f64 = 100.0;

type Seen = Arc<(Mutex<vt100::Parser>, Condvar)>;

fn main() {
    let mut host = Command::new(TETE)
        .args(["--port", "0", "--bind", "127.0.0.1"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut status = BufReader::new(host.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut until = |prefix: &str| status.find_map(|line| line.strip_prefix(prefix).map(str::to_owned)).unwrap();
    let port = until("listening: 127.0.0.1:");

    let terminal = native_pty_system().openpty(PtySize { rows: 24, cols: 80, ..PtySize::default() }).unwrap();
    let mut command = CommandBuilder::new(TETE);
    command.args(["127.0.0.1", &port]);
    command.env("TERM", "xterm-256color");
    let mut guest = terminal.slave.spawn_command(command).unwrap();
    let seen = Seen::default();
    let mut output = terminal.master.try_clone_reader().unwrap();
    let told = seen.clone();
    thread::spawn(move || {
        let mut buffer = [0; 65_536];
        while let Ok(count @ 1..) = output.read(&mut buffer) {
            told.0.lock().unwrap().process(&buffer[..count]);
            told.1.notify_all();
        }
    });
    let mut keys = terminal.master.take_writer().unwrap();

    let mut input = host.stdin.take().unwrap();
    let own = until("code: ");
    let half = wait(&seen, half);
    keys.write_all(format!("{own}\r").as_bytes()).unwrap();
    input.write_all(format!("{half}\n").as_bytes()).unwrap();
    wait(&seen, |shown| shown.contains("open").then_some(()));

    let flood = |count: usize, pause: Duration, mut input: std::process::ChildStdin| {
        let start = Instant::now();
        for number in 0..count {
            let due = start + pause * number as u32;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if input.write_all(format!("text {number} of a flood, as long as people write\n").as_bytes()).is_err() {
                break;
            }
        }
        input
    };
    let input = flood(BEFORE, Duration::ZERO, input);
    wait(&seen, |shown| shown.contains(&format!("{}", BEFORE - 1)).then_some(()));
    let id = guest.process_id().unwrap();
    println!("resident memory, {BEFORE} texts in the scrollback:   {:6} KiB", resident(id));

    let whole = KEYS * BETWEEN_KEYS.as_millis() as usize * RATE as usize / 1_000;
    let flooding = thread::spawn(move || flood(whole + RATE as usize, Duration::from_millis(1_000 / RATE), input));
    let (ticks, start) = (processor(id), Instant::now());
    let mut echoes: Vec<_> = (0..KEYS)
        .map(|number| {
            thread::sleep(BETWEEN_KEYS);
            // A letter that nothing else on the screen has, and one row of input.
            let letter = char::from_u32(0x4e00 + number as u32).unwrap().to_string();
            if number % 20 == 0 {
                keys.write_all(b"\x15").unwrap();
            }
            let pressed = Instant::now();
            keys.write_all(letter.as_bytes()).unwrap();
            wait(&seen, |shown| shown.contains(&letter).then_some(()));
            pressed.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let share = (processor(id) - ticks) / TICKS / start.elapsed().as_secs_f64();
    echoes.sort_by(f64::total_cmp);
    println!(
        "echo of a key at {RATE} texts a second, p50, p99:   {:6.2} ms, {:.2} ms",
        echoes[KEYS / 2],
        echoes[KEYS * 99 / 100]
    );
    println!("processor meanwhile:                              {:6.1} % of one core", share * 100.0);
    println!("resident memory afterwards:                       {:6} KiB", resident(id));
    drop(flooding.join());
    guest.kill().unwrap();
    host.kill().unwrap();
    host.wait().unwrap();
}

fn wait<R>(seen: &Seen, look: impl Fn(&str) -> Option<R>) -> R {
    let mut parser = seen.0.lock().unwrap();
    loop {
        if let Some(found) = look(&parser.screen().contents()) {
            return found;
        }
        parser = seen.1.wait(parser).unwrap();
    }
}

/// The half on the screen: eight digits with a blank between.
fn half(shown: &str) -> Option<String> {
    let digit = |place: usize| shown.as_bytes().get(place).is_some_and(u8::is_ascii_digit);
    let all = |from: usize| (from..from + 4).all(digit);
    let found = (0..shown.len()).find(|at| all(*at) && shown.as_bytes().get(at + 4) == Some(&b' ') && all(at + 5))?;
    Some(shown[found..found + 9].to_owned())
}

fn resident(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Ticks that a process has used.
fn processor(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()
}
