//! Who of several callers may pair next.
//!
//! Callers cannot be told apart before they pair, except by where they come from. So each network gets the same chance,
//! in it each host, and whoever was let in longest ago, or never, goes first. An attacker who holds `n` networks can thus
//! come before the partner `n` times, and not once more.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::address::{Origin, most_crowded};

/// Most callers that wait. Each costs a descriptor and a few kilobytes.
pub const WAITING: usize = 64;
/// Head start of one caller's handshake over the next: who is nearer must not win by that.
pub const HEAD_START: Duration = Duration::from_millis(250);
/// Pauses after failed runs of one host; the last one stays.
const PAUSES: [Duration; 4] =
    [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20), Duration::from_secs(40)];
/// Pause of everybody after a failed run.
pub const PAUSE: Duration = PAUSES[0];
/// Pause of everybody after a run that the host's user ended for another caller.
pub const NEXT: Duration = Duration::from_secs(1);
/// Callers that are remembered for having been let in, and failed runs.
const PAST: usize = 256;

/// A choice of one out of so many, at random.
pub trait Dice: FnMut(usize) -> usize {}

impl<F: FnMut(usize) -> usize> Dice for F {}

/// The callers who wait, and those who were let in before.
pub struct Queue<T> {
    waiting: VecDeque<(Origin, T)>,
    past: VecDeque<Past>,
    /// When somebody was let in last.
    drawn: Option<Duration>,
}

/// A caller who was let in, or whose run has failed.
struct Past {
    origin: Origin,
    /// The run failed, and this host comes in again only then.
    until: Option<Duration>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), past: VecDeque::new(), drawn: None }
    }
}

impl<T> Queue<T> {
    /// One more waits. Returns whoever has to go for that: one of the host with most places in the network with most.
    pub fn join(&mut self, origin: Origin, caller: T, dice: impl Dice) -> Option<T> {
        self.waiting.push_back((origin, caller));
        if self.waiting.len() <= WAITING {
            return None;
        }
        let places: Vec<_> = self.waiting.iter().map(|(origin, _)| *origin).collect();
        let gone = one_of(&most_crowded(&places), dice)?;
        self.waiting.remove(gone).map(|(_, caller)| caller)
    }

    /// The next to be let in, if somebody may come now.
    pub fn draw(&mut self, now: Duration, mut dice: impl Dice) -> Option<(Origin, T)> {
        if self.drawn.is_some_and(|drawn| now < drawn + HEAD_START) {
            return None;
        }
        let free: Vec<_> = self.waiting.iter().map(|(origin, _)| *origin).filter(|at| now >= self.shut(at)).collect();
        let network = longest_ago(free.iter().map(Origin::network), &self.latest(Origin::network), &mut dice)?;
        let hosts = free.into_iter().filter(|origin| origin.network() == network);
        let host = longest_ago(hosts, &self.latest(|origin| *origin), &mut dice)?;
        let callers: Vec<_> =
            self.waiting.iter().enumerate().filter(|(_, (at, _))| *at == host).map(|(place, _)| place).collect();
        self.drawn = Some(now);
        self.remember(Past { origin: host, until: None });
        self.waiting.remove(one_of(&callers, &mut dice)?)
    }

    /// The time of the next draw, if somebody waits.
    pub fn next_draw(&self) -> Option<Duration> {
        let free = self.waiting.iter().map(|(origin, _)| self.shut(origin)).min()?;
        Some(self.drawn.map_or(free, |drawn| free.max(drawn + HEAD_START)))
    }

    /// Somebody's run has failed: their host pauses, the longer the more often. Whoever comes from no known host does not:
    /// the next may be anybody.
    pub fn failed(&mut self, origin: Origin, now: Duration) {
        let before = self.past.iter().filter(|past| past.until.is_some() && past.origin == origin).count();
        let pause = PAUSES.get(before).or(PAUSES.last()).copied().unwrap_or_default();
        self.remember(Past { origin, until: Some(now + pause) });
    }

    /// Callers who wait, the longest first.
    pub fn callers(&self) -> impl Iterator<Item = &T> {
        self.waiting.iter().map(|(_, caller)| caller)
    }

    /// Takes out the caller at a place in the order of [`callers`](Self::callers).
    pub fn remove(&mut self, place: usize) -> Option<T> {
        self.waiting.remove(place).map(|(_, caller)| caller)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    fn remember(&mut self, past: Past) {
        self.past.push_back(past);
        if self.past.len() > PAST {
            self.past.pop_front();
        }
    }

    /// When the pause of a host is over.
    fn shut(&self, origin: &Origin) -> Duration {
        let own = self.past.iter().filter(|past| past.origin.is_same_host(origin));
        own.filter_map(|past| past.until).max().unwrap_or_default()
    }

    /// The place of each one's latest entry in the past.
    fn latest<K: std::hash::Hash + Eq>(&self, key: impl Fn(&Origin) -> K) -> HashMap<K, usize> {
        self.past.iter().enumerate().map(|(place, past)| (key(&past.origin), place)).collect()
    }
}

/// The one that was let in longest ago. Those that never were come first, each with the same chance however often it
/// calls.
fn longest_ago<K: std::hash::Hash + Eq + Copy>(
    from: impl Iterator<Item = K>,
    latest: &HashMap<K, usize>,
    dice: impl Dice,
) -> Option<K> {
    let mut kinds: Vec<(Option<usize>, K)> = Vec::new();
    for kind in from {
        if !kinds.iter().any(|(_, known)| *known == kind) {
            kinds.push((latest.get(&kind).copied(), kind));
        }
    }
    let first = kinds.iter().map(|(latest, _)| *latest).min()?;
    kinds.retain(|(latest, _)| *latest == first);
    one_of(&kinds, dice).map(|(_, kind)| kind)
}

fn one_of<K: Copy>(of: &[K], mut dice: impl Dice) -> Option<K> {
    let place = dice(of.len()).min(of.len().checked_sub(1)?);
    of.get(place).copied()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::*;

    /// A simulated door: strangers, the partner, and a clock that moves when told to.
    struct Door {
        queue: Queue<Caller>,
        now: Duration,
        seed: u64,
    }

    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    enum Caller {
        Partner,
        Stranger(IpAddr),
    }

    const PARTNER: [u8; 4] = [203, 0, 113, 7];

    fn origin(at: IpAddr) -> Origin {
        Origin::of(SocketAddr::new(at, 1).into())
    }

    fn stranger(network: usize, host: u8) -> IpAddr {
        [198, 51, u8::try_from(network).unwrap(), host].into()
    }

    impl Door {
        fn new(seed: u64) -> Self {
            Self { queue: Queue::default(), now: Duration::from_secs(1_000), seed: seed.wrapping_mul(0x9e37_79b9) | 1 }
        }

        fn dice(seed: &mut u64) -> impl Dice {
            move |of: usize| {
                *seed ^= *seed << 13;
                *seed ^= *seed >> 7;
                *seed ^= *seed << 17;
                if of == 0 { 0 } else { usize::try_from(*seed >> 8).unwrap() % of }
            }
        }

        fn calls(&mut self, at: IpAddr) -> Option<Caller> {
            let caller = if at == IpAddr::from(PARTNER) { Caller::Partner } else { Caller::Stranger(at) };
            self.queue.join(origin(at), caller, Self::dice(&mut self.seed))
        }

        fn draw(&mut self) -> Option<Caller> {
            self.queue.draw(self.now, Self::dice(&mut self.seed)).map(|(_, caller)| caller)
        }

        fn lets_one_in(&mut self) {
            assert!(self.draw().is_some());
            self.now += HEAD_START;
        }

        /// The host's user ends one run after the other until the partner's begins. Strangers who were let in call again.
        fn runs_until_the_partner(&mut self) -> usize {
            for runs in 0.. {
                let Caller::Stranger(at) = self.draw().unwrap() else { return runs };
                self.now += HEAD_START;
                self.calls(at);
            }
            unreachable!()
        }
    }

    #[test]
    fn strangers_of_n_networks_come_before_the_partner_n_times_at_most() {
        for seed in 0..1_000 {
            let (networks, mut door) = (1 + (seed as usize) % 12, Door::new(seed));
            for _ in 0..5 {
                for network in 0..networks {
                    door.calls(stranger(network, (seed % 200) as u8));
                }
            }
            door.calls(PARTNER.into());
            let runs = door.runs_until_the_partner();
            assert!(runs <= networks, "{runs} runs with {networks} networks, seed {seed}");
        }
    }

    #[test]
    fn a_network_whose_strangers_were_tried_comes_after_the_partner() {
        for seed in 0..1_000 {
            let mut door = Door::new(seed);
            for network in 0..8 {
                door.calls(stranger(network, 1));
                door.lets_one_in();
                door.calls(stranger(network, 2));
            }
            door.calls(PARTNER.into());
            assert_eq!(door.draw(), Some(Caller::Partner), "seed {seed}");
        }
    }

    #[test]
    fn a_flood_from_the_partners_network_lets_each_other_network_come_first_once() {
        for seed in 0..100 {
            let mut door = Door::new(seed);
            for call in 0..100 {
                door.calls([203, 0, 113, 100 + call % 100].into());
                door.lets_one_in();
            }
            for network in 0..4 {
                door.calls(stranger(network, 1));
            }
            door.calls(PARTNER.into());
            assert!(door.runs_until_the_partner() <= 4, "seed {seed}");
        }
    }

    #[test]
    fn a_handshake_that_lasts_does_not_keep_its_network_first() {
        for seed in 0..100 {
            let mut door = Door::new(seed);
            for host in 0..30 {
                door.calls(stranger(1, host));
            }
            door.lets_one_in();
            door.calls(PARTNER.into());
            assert_eq!(door.draw(), Some(Caller::Partner), "seed {seed}");
        }
    }

    #[test]
    fn a_flood_from_fewer_networks_than_places_never_pushes_the_partner_out() {
        for seed in 0..50 {
            let mut door = Door::new(seed);
            door.calls(PARTNER.into());
            for call in 0..2_400 {
                let network = (seed as usize + call * 7) % 48;
                assert_ne!(door.calls(stranger(network, (call % 250) as u8)), Some(Caller::Partner), "seed {seed}");
            }
            assert_eq!(door.queue.len(), WAITING);
            assert!(door.queue.callers().any(|caller| *caller == Caller::Partner));
        }
    }

    #[test]
    fn among_networks_that_were_not_tried_each_has_the_same_chance_however_often_it_calls() {
        let runs = 3_000;
        let first = (0..runs).filter(|seed| {
            let mut door = Door::new(*seed);
            for call in 0..30 {
                door.calls(stranger(call % 2, 1 + (call / 2) as u8));
            }
            door.calls(PARTNER.into());
            door.draw() == Some(Caller::Partner)
        });
        let first = first.count();
        assert!((850..1_150).contains(&first), "{first} of {runs}");
    }

    #[test]
    fn on_one_network_the_hosts_take_turns() {
        for seed in 0..1_000 {
            let mut door = Door::new(seed);
            for host in [1, 1, 1, 2, 2] {
                door.calls([203, 0, 113, host].into());
            }
            door.calls(PARTNER.into());
            assert!(door.runs_until_the_partner() <= 2, "seed {seed}");
        }
    }

    #[test]
    fn one_is_let_in_at_a_time_and_a_host_whose_run_failed_pauses() {
        let mut door = Door::new(1);
        let at = stranger(1, 1);
        door.calls(at);
        door.calls(at);
        assert!(door.draw().is_some());
        assert_eq!((door.draw(), door.queue.next_draw()), (None, Some(door.now + HEAD_START)));
        for pause in [5, 10, 20, 40, 40] {
            door.queue.failed(origin(at), door.now);
            let over = door.now + Duration::from_secs(pause);
            assert_eq!(door.queue.next_draw(), Some(over));
            door.now = over - Duration::from_millis(1);
            assert_eq!(door.draw(), None);
            door.calls(PARTNER.into());
            assert_eq!(door.draw(), Some(Caller::Partner), "nobody else pauses for that");
            door.now = over + HEAD_START;
            assert!(door.draw().is_some());
            door.calls(at);
        }
    }

    #[test]
    fn whoever_comes_from_no_known_host_does_not_pause_for_what_another_did() {
        use crate::address::{PeerAddr, Via};
        for via in [Via::Direct, Via::Proxy, Via::Relay, Via::Tor] {
            let at = Origin::of(PeerAddr { at: SocketAddr::new([127, 0, 0, 1].into(), 1), via });
            let mut door = Door::new(1);
            for _ in 0..PAST {
                door.queue.failed(at, door.now);
            }
            door.queue.join(at, Caller::Partner, |_| 0);
            assert!(door.queue.next_draw() <= Some(door.now), "{via:?}");
            assert_eq!(door.draw(), Some(Caller::Partner), "{via:?}");
        }
    }

    #[test]
    fn what_is_remembered_of_callers_is_bounded() {
        let mut door = Door::new(1);
        for call in 0..10_000_usize {
            if call % 2 == 0 {
                door.now += HEAD_START;
                door.draw();
            }
            door.queue.failed(origin(stranger(call % 256, 2)), door.now);
            door.calls(stranger(call % 256, (call % 251) as u8));
        }
        assert_eq!((door.queue.len(), door.queue.past.len()), (WAITING, PAST));
    }
}
