//! Ten thousand strangers at the listener, during a pairing and in an open room.
//!
//! All traffic stays on the loopback addresses.

use std::collections::VecDeque;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::process::*;
use tete::protocol::handshake::Mode;
use tete::protocol::keys::StaticKey;
use tete::protocol::random::{OsRandom, Randomness as _};
use tete::protocol::session::{Session, Settings};

/// In all, in both halves of the first test.
const STRANGERS: usize = 10_000;
/// Connections before the memory is measured: the pools have been full once.
const WARM_UP: usize = 2_000;
/// Callers that may wait for the one that pairs, and handshakes.
const WAITING: usize = 64 + 16;
/// What the host may grow by, in KiB.
const GROWTH: u64 = 1024;
/// Connections that each of the two attackers holds open: more than the pool has together.
const HELD: usize = 200;

/// Records 1 with an ephemeral key of their own, before the memory is measured: as many as a host remembers, and as many
/// again after.
const DISTINCT: usize = 5_000;
/// Where the ephemeral key of a record 1 begins.
const EPHEMERAL: usize = 10;

/// What strangers send.
struct Garbage {
    kinds: Vec<Vec<u8>>,
    /// The number of the next record with an ephemeral key of its own, if all get one.
    distinct: Option<AtomicUsize>,
}

impl Garbage {
    fn new() -> Self {
        let key = StaticKey::new(OsRandom.secret().unwrap()).unwrap();
        let mut session =
            Session::initiate(Mode::Pair(Arc::new(key)), Box::new(OsRandom), Settings::default(), now()).unwrap();
        let valid = session.transmit(now()).unwrap().unwrap().to_vec();
        let mut version = valid.clone();
        version[6] = 9;
        let mut tampered = valid.clone();
        tampered[100..1200].fill(0xff);
        let mut hello = vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];
        hello.resize(517, 0x5a);
        let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
        let random = std::iter::repeat_with(|| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            noise as u8
        });
        let kinds = vec![
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_vec(),
            hello,
            b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(),
            random.take(3_000).collect(),
            [vec![0x04, 0xff], vec![0; 1278]].concat(),
            [vec![0xff, 0xff], vec![0; 16_384]].concat(),
            Vec::new(),
            vec![0x04, 0xfe],
            valid,
            version,
            tampered,
        ];
        Self { kinds, distinct: None }
    }

    /// Valid records 1, none like another.
    fn distinct() -> Self {
        let kinds = Self::new().kinds.into_iter().skip(VALID).take(1).collect();
        Self { kinds, distinct: Some(AtomicUsize::new(0)) }
    }

    fn of(&self, kind: usize) -> Vec<u8> {
        let mut bytes = self.kinds[kind].clone();
        if let Some(number) = self.distinct.as_ref().map(|next| next.fetch_add(1, Ordering::Relaxed)) {
            bytes[EPHEMERAL..EPHEMERAL + 8].copy_from_slice(&number.to_le_bytes());
        }
        bytes
    }
}

/// The kind that goes on with one byte a second.
const DRIP: usize = 7;
/// The kind that is a valid record 1.
const VALID: usize = 8;

/// Attacks from a thread of its own until `count` have come or `stop` says so.
fn attack(to: SocketAddr, garbage: Arc<Garbage>, count: usize, stop: Arc<AtomicBool>) -> JoinHandle<usize> {
    std::thread::spawn(move || {
        let mut held: VecDeque<(TcpStream, bool)> = VecDeque::new();
        let mut dripped = now();
        let mut came = 0;
        while came < count && !stop.load(Ordering::Relaxed) {
            let kind = came % garbage.kinds.len();
            let mut stream = TcpStream::connect_timeout(&to, PATIENCE).unwrap();
            stream.set_nonblocking(true).unwrap();
            let _ = stream.write(&garbage.of(kind));
            held.push_back((stream, kind == DRIP));
            came += 1;
            if held.len() > HELD {
                held.pop_front();
            }
            if now() > dripped + Duration::from_secs(1) {
                dripped = now();
                for (stream, _) in held.iter_mut().filter(|(_, drips)| *drips) {
                    let _ = stream.write(b"x");
                }
            }
        }
        came
    })
}

/// A text there and one back. Returns how long both took.
#[track_caller]
fn round_trip(host: &mut Process, guest: &mut Process) -> Duration {
    let begun = now();
    guest.say("there");
    assert_eq!(host.text(), "there");
    host.say("back");
    assert_eq!(guest.text(), "back");
    now() - begun
}

#[test]
fn ten_thousand_strangers_disturb_neither_a_pairing_nor_a_room() {
    let (mut host, port) = host();
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let garbage = Arc::new(Garbage::new());
    let never = Arc::new(AtomicBool::new(false));
    let run =
        |count: usize| [count / 2, count - count / 2].map(|count| attack(to, garbage.clone(), count, never.clone()));
    let wait = |attackers: [JoinHandle<usize>; 2]| {
        attackers.into_iter().map(|attacker| attacker.join().unwrap()).sum::<usize>()
    };

    let begun = now();
    let mut partner = guest(port);
    let halves = [host.until("code: "), partner.until("code: ")];
    let quiet = descriptors(&host);
    wait(run(WARM_UP));
    // They may still be in the kernel's queue when the last has come; some wait for their turn to pair.
    let given_up = now() + PATIENCE;
    while descriptors(&host) > quiet + WAITING && now() < given_up {
        std::thread::yield_now();
    }
    let warm = memory(&host, OWN);
    let mut came = wait(run(STRANGERS / 2));
    let during = memory(&host, OWN);
    let said = host.so_far();
    host.say(&halves[1]);
    partner.say(&halves[0]);
    host.until("room open");
    partner.until("room open");
    assert_eq!(said.matches("code: ").count(), 1, "{said}");
    let paired = now();

    let attackers = run(STRANGERS - STRANGERS / 2);
    let (mut trips, mut slowest) = (0, Duration::ZERO);
    while attackers.iter().any(|attacker| !attacker.is_finished()) {
        slowest = slowest.max(round_trip(&mut host, &mut partner));
        trips += 1;
    }
    came += wait(attackers);
    // Each try is a round trip, so that this waits for the host and not for a clock.
    let given_up = now() + PATIENCE;
    while descriptors(&host) > quiet && now() < given_up {
        round_trip(&mut host, &mut partner);
    }
    let (after, open) = (memory(&host, OWN), descriptors(&host));
    println!(
        "{came} strangers: {:?} during the pairing, {:?} in the room; memory {warm} KiB after a warm-up of {WARM_UP}, \
         {during} during, {after} after; descriptors {quiet} before, {open} after; {trips} round trips, slowest {slowest:?}",
        paired - begun,
        now() - paired,
    );
    assert_eq!(came, STRANGERS);
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    assert!(trips > 10, "{trips}");
    assert_eq!(open, quiet);
    assert!(after < warm + GROWTH && during < warm + GROWTH, "{warm} KiB, then {during}, then {after}");
    let [_, end] = part(partner, host);
    let told = end.err.lines().filter(|line| line.starts_with("someone")).count();
    // The one valid record 1 gets a place once, and a busy reply if it still waits when the room opens.
    assert!((1..=2).contains(&told), "{}", end.err);
}

#[test]
fn five_thousand_distinct_records_1_cost_a_host_no_more_memory_than_the_five_thousand_before() {
    let (mut host, port) = host();
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let garbage = Arc::new(Garbage::distinct());
    let never = Arc::new(AtomicBool::new(false));
    let mut partner = guest(port);
    let halves = [host.until("code: "), partner.until("code: ")];
    let [_, warm, after] = [0, DISTINCT, DISTINCT].map(|count| {
        attack(to, garbage.clone(), count, never.clone()).join().unwrap();
        memory(&host, OWN)
    });
    host.say(&halves[1]);
    partner.say(&halves[0]);
    host.until("room open");
    partner.until("room open");
    println!("memory {warm} KiB after {DISTINCT} distinct records 1, {after} KiB after twice as many");
    assert!(after < warm + GROWTH, "{warm} KiB, then {after}");
    let [_, end] = part(partner, host);
    assert!(end.err.contains("Someone else is waiting"), "the records 1 were valid: {}", end.err);
}

#[test]
fn silent_strangers_who_hold_the_pool_and_keep_coming_do_not_lock_the_partner_out() {
    let (mut host, port) = host();
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let stop = Arc::new(AtomicBool::new(false));
    let held = Arc::new(AtomicUsize::new(0));
    let full = Watched::new(false);
    let attackers = [0, 1].map(|_| {
        let (stop, held, full) = (stop.clone(), held.clone(), full.clone());
        std::thread::spawn(move || {
            let mut silent = VecDeque::new();
            let mut came = 0;
            while !stop.load(Ordering::Relaxed) {
                silent.push_back(TcpStream::connect_timeout(&to, PATIENCE).unwrap());
                if silent.len() > HELD {
                    silent.pop_front();
                }
                came += 1;
                if held.fetch_add(1, Ordering::Relaxed) > 2 * HELD {
                    full.with(|full| *full = true);
                }
            }
            came
        })
    });
    assert!(full.wait(PATIENCE, |full| full.then_some(())).is_some());
    let begun = now();
    let mut partner = guest(port);
    pair(&mut host, &mut partner);
    let took = now() - begun;
    let trip = round_trip(&mut host, &mut partner);
    stop.store(true, Ordering::Relaxed);
    let came: usize = attackers.into_iter().map(|attacker| attacker.join().unwrap()).sum();
    println!("{came} silent strangers; the partner was in after {took:?}, a round trip took {trip:?}");
    assert!(took < Duration::from_secs(5) && trip < Duration::from_secs(1), "{took:?}, {trip:?}");
    part(partner, host);
}
