//! What a session may say and hear of files, beside a peer that says anything.

use tete::protocol::frame::{EntryKind, Frame, Hash};
use tete::protocol::session::{Event, Session};
use tete::protocol::transfer::{Content, ENTRIES, Item, Offer, Received, Sent, UNKNOWN, WINDOW};

/// Both directions, as the session's driver sees them.
#[derive(Default)]
pub struct Files {
    /// Offers of the peer's.
    pub offers: u32,
    coming: Option<Coming>,
    /// Offers of ours.
    ours: u32,
    /// Entries of the last, and what was sent of the one that was begun last.
    sending: Option<(u32, Option<(u32, u64)>)>,
}

struct Coming {
    offer: Offer,
    bytes: u64,
    /// Size of the entry that comes, where it goes on, and from where on the peer knows of it.
    entry: Option<(u32, u64, Option<u64>)>,
    seen: u64,
    accepted: u64,
}

const HASH: Hash = [7; 32];

impl Files {
    /// What the peer said, judged, and answered as a driver would.
    pub fn judge_event(&mut self, event: Event, session: &mut Session) {
        match event {
            Event::Received(received) => self.received(received, session),
            Event::Sent(sent) => self.sent(sent, session),
            Event::Cancelled { sending, receiving } => {
                assert!(sending || receiving);
                assert!(!sending || self.sending.take().is_some());
                assert!(!receiving || self.coming.take().is_some());
            }
            _ => panic!("not about files"),
        }
    }

    fn received(&mut self, received: Received, session: &mut Session) {
        let receiving = session.receiving().unwrap();
        match (received, &mut self.coming) {
            (Received::Offered(offer), None) => {
                assert!(offer.batch == self.offers && (1..=ENTRIES).contains(&offer.entries));
                self.offers += 1;
                if offer.name.len() % 4 == 3 {
                    return receiving.cancel();
                }
                receiving.want();
                let accepted = offer.bytes % 3;
                while receiving.next_entry().is_some() {
                    receiving.accept(accepted, HASH);
                }
                self.coming = Some(Coming { offer, bytes: 0, entry: None, seen: 0, accepted });
            }
            (Received::Begun { index, size, path, .. }, Some(coming)) => {
                assert!(coming.entry.is_none() && index < coming.offer.entries && path.len() <= 1024);
                assert!(coming.bytes + size <= coming.offer.bytes);
                coming.entry = Some((index, size, None));
            }
            (
                Received::Data { offset, bytes },
                Some(Coming { entry: Some((index, size, next)), seen, accepted, .. }),
            ) => {
                assert!(match *next {
                    Some(next) => offset == next,
                    None => offset == 0 || offset == *accepted,
                });
                if next.is_none() {
                    *seen = offset;
                }
                let end = offset + bytes.0.len() as u64;
                assert!(!bytes.0.is_empty() && end <= *size && end <= *seen + WINDOW);
                *next = Some(end);
                if bytes.0[0] % 2 == 1 {
                    receiving.seen(*index, end);
                    *seen = end;
                }
            }
            (Received::Ended { hash, size }, Some(coming)) => {
                let (index, begun, _) = coming.entry.take().unwrap();
                assert!(size <= begun);
                coming.bytes += if begun == UNKNOWN { 0 } else { begun };
                if receiving.done(index, hash[0] % 2 == 1) == Some(true) {
                    self.coming = None;
                }
            }
            _ => panic!("out of order"),
        }
    }

    fn sent(&mut self, sent: Sent, session: &mut Session) {
        let (entries, _) = self.sending.unwrap();
        match sent {
            Sent::Wanted { index, offset, .. } => {
                assert!(index < entries);
                let sending = session.sending().unwrap();
                sending.feed(Item::Begin { index, size: 3, kind: EntryKind::File, path: "n".into() });
                let bytes = Content(b"abc"[offset.min(2) as usize..].to_vec());
                sending.feed(Item::Data { index, offset: offset.min(2), bytes });
                sending.feed(Item::End { index, hash: HASH });
            }
            Sent::Seen { index, .. } => assert!(index < entries),
            Sent::Working => {}
            Sent::Renamed { count, names } => assert!(count > 0 && names.len() < 400),
            Sent::Done { index, last, .. } => {
                assert!(index < entries);
                if last {
                    self.sending = None;
                }
            }
        }
    }

    /// What our side says.
    pub fn judge_frame(&mut self, frame: Frame<'_>) {
        match frame {
            Frame::FileOffer { batch, entries, .. } => assert!(batch < self.ours && entries <= 3),
            Frame::FileAccept { batch, offset, .. } => assert!(batch < self.offers && offset < 3),
            Frame::FileBegin { batch, index, size: 3, .. } => {
                assert!(batch < self.ours);
                if let Some((_, entry)) = &mut self.sending {
                    *entry = Some((index, 0));
                }
            }
            Frame::FileData { batch, index, offset, part } => {
                assert!(batch < self.ours);
                if let Some((_, Some((current, sent)))) = &mut self.sending {
                    assert!(*current == index && (*sent == 0 || *sent == offset));
                    *sent = offset + part.len() as u64;
                }
            }
            Frame::FileEnd { batch, hash: &HASH, .. } => assert!(batch < self.ours),
            Frame::FileSeen { batch, .. } | Frame::FileDone { batch, .. } => assert!(batch < self.offers),
            Frame::FileCancel { batch, .. } => assert!(batch < self.offers.max(self.ours)),
            frame => panic!("{frame:?}"),
        }
    }

    /// What the user does.
    pub fn act(&mut self, what: u8, session: &mut Session) {
        match what % 3 {
            0 => {
                let entries = 1 + u32::from(what / 3 % 3);
                if session.sending().and_then(|sending| sending.offer(entries, 9, "n".into())).is_some() {
                    self.ours += 1;
                    self.sending = Some((entries, None));
                }
            }
            1 => {
                if let Some(sending) = session.sending() {
                    sending.cancel();
                    self.sending = None;
                }
            }
            _ => {
                if let Some(receiving) = session.receiving() {
                    receiving.cancel();
                    self.coming = None;
                }
            }
        }
    }

    /// What ended with a batch of the same number that goes the other way.
    pub fn notice_ends(&mut self, session: &mut Session) {
        if session.sending().is_none_or(|sending| !sending.is_open()) {
            self.sending = None;
        }
        if session.receiving().is_none_or(|receiving| !receiving.is_open()) {
            self.coming = None;
        }
    }
}
