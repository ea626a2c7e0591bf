//! The real program with cover traffic, watched on the wire. Alone in its file, so that no other
//! test shares the processor with it.
#![allow(dead_code, reason = "tests/e2e uses the other helpers")]

#[path = "support/process.rs"]
mod process;
#[path = "support/relay.rs"]
mod relay;
#[path = "support/wire.rs"]
mod wire;

use std::time::Duration;

use process::*;
use relay::Relay;
use rustix::process::Signal;
use tete::protocol::record::SMALL;

/// Records a second.
const RATE: &str = "50";
/// How long somebody types, and then does not.
const PHASE: Duration = Duration::from_millis(750);
/// How often each.
const PHASES: usize = 6;
/// How often somebody who types sends something.
const KEYSTROKE: Duration = Duration::from_millis(130);

/// The greatest distance of two empirical distributions (Kolmogorov and Smirnov).
fn distance(mut first: Vec<f64>, mut second: Vec<f64>) -> f64 {
    first.sort_by(f64::total_cmp);
    second.sort_by(f64::total_cmp);
    let below =
        |sorted: &[f64], value: f64| sorted.partition_point(|other| *other <= value) as f64 / sorted.len() as f64;
    first.iter().chain(&second).map(|value| (below(&first, *value) - below(&second, *value)).abs()).fold(0.0, f64::max)
}

/// Pauses in seconds between the records that the joiner sends, while nobody types and while both
/// do. The two take turns in one room, so that whatever else the machine does meets both alike;
/// `first` is the phase in which they type first.
fn pauses(first: u128) -> [Vec<f64>; 2] {
    let (mut host, port) = listening(tete(["--port", "0", "--bind", "127.0.0.1", "--quiet-line", RATE]));
    let relay = Relay::new(port);
    let mut guest = Process::start(tete(["127.0.0.1", &relay.port.to_string(), "--quiet-line", RATE]));
    pair(&mut host, &mut guest);

    let opened = now();
    let phase_of = |at: Duration| (at - opened).as_nanos() / PHASE.as_nanos();
    let mut said = 0;
    while phase_of(now()) < 2 * PHASES as u128 {
        if phase_of(now() + KEYSTROKE) % 2 == first {
            guest.say(&format!("{said} {}", "z".repeat(said * 97 % 3_000)));
            host.say("an answer");
            said += 1;
        }
        std::thread::sleep(KEYSTROKE);
    }
    assert!(said > 2 * PHASES, "{said}");
    assert_eq!(host.texts(said).len(), said);

    let seen: Vec<_> = relay.seen().into_iter().filter(|seen| seen.from_joiner && seen.at >= opened).collect();
    assert!(seen.iter().all(|seen| seen.bytes.len() % SMALL == 0), "a record in two pieces");
    guest.signal(Signal::TERM);
    host.exit();
    [1 - first, first].map(|parity| {
        let of_phase = seen.windows(2).filter(|pair| {
            let [before, after] = [phase_of(pair[0].at), phase_of(pair[1].at)];
            before == after && before < 2 * PHASES as u128 && before % 2 == parity
        });
        of_phase.map(|pair| (pair[1].at - pair[0].at).as_secs_f64()).collect()
    })
}

#[test]
fn with_cover_traffic_the_wire_does_not_tell_whether_somebody_types() {
    // One capture in a hundred looks different by chance. What is different does so every time.
    let told_apart = |_| {
        // In two rooms at once: in one they type while in the other they do not.
        let rooms = [0, 1].map(|first| std::thread::spawn(move || pauses(first)));
        let [[idle, typing], [more_idle, more_typing]] = rooms.map(|room| room.join().unwrap());
        let (idle, typing) = ([idle, more_idle].concat(), [typing, more_typing].concat());
        let (count, other) = (idle.len() as f64, typing.len() as f64);
        let found = distance(idle, typing);
        let critical = 1.628 * ((count + other) / (count * other)).sqrt();
        println!("distance {found:.4}, critical at 1 %: {critical:.4}, of {count} and {other} pauses");
        assert!(count > 200.0 && other > 200.0, "{count} {other}");
        found >= critical
    };
    assert!(!(0..3).all(told_apart));
}
