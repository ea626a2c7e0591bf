//! What a partner may say of files, and when: anything else ends the room.

use std::collections::VecDeque;
use std::time::Duration;

use crate::raw::{RawPeer, frame};
use crate::sessions::Side;
use tete::protocol::error::Error;
use tete::protocol::frame::{EntryKind, Frame, LARGE_PART, Names, SMALL_FRAME, Whose};
use tete::protocol::session::{Event, Role};
use tete::protocol::transfer::{AHEAD, Content, ENTRIES, Item, NOTHING, Offer, Received, Sent, UNKNOWN, WINDOW};

const NOW: Duration = Duration::from_secs(1_000);

fn plain(frame: &Frame<'_>) -> Vec<u8> {
    let mut out = vec![0; SMALL_FRAME];
    frame.encode(&mut out).unwrap();
    out
}

/// A partner that says what it likes, and our side of an open room.
struct Room {
    peer: RawPeer,
    side: Side,
}

impl Room {
    fn open() -> Self {
        let (peer, side) = RawPeer::opened(Role::Responder, NOW);
        Self { peer, side }
    }

    /// An offer was made and taken: so many entries of so many bytes are accepted.
    fn taking(entries: u32, bytes: u64) -> Self {
        let mut room = Self::open();
        room.ok(&offer(0, entries, bytes));
        let receiving = room.side.session.receiving().unwrap();
        receiving.want();
        while receiving.next_entry().is_some() {
            receiving.accept(0, NOTHING);
        }
        room.said();
        room
    }

    fn hear(&mut self, frame: &Frame<'_>) -> Result<Option<Event>, Error> {
        let record = self.peer.seal(&plain(frame));
        let mut rest = record.as_slice();
        self.side.session.receive(&mut rest, NOW).map(|()| self.side.session.event())
    }

    fn ok(&mut self, frame: &Frame<'_>) -> Option<Event> {
        match self.hear(frame) {
            Ok(event) => event,
            Err(error) => panic!("{frame:?}: {error:?}"),
        }
    }

    fn fatal(mut self, frame: &Frame<'_>) {
        assert_eq!(self.hear(frame).err(), Some(Error::OutOfOrder), "{frame:?}");
    }

    /// What our side has to say, PAD and receipts left out.
    fn said(&mut self) -> Vec<Vec<u8>> {
        self.peer.said(&mut self.side, NOW)
    }
}

fn offer(batch: u32, entries: u32, bytes: u64) -> Frame<'static> {
    Frame::FileOffer { batch, entries, bytes, name: "name" }
}

fn begin(index: u32, size: u64) -> Frame<'static> {
    Frame::FileBegin { batch: 0, index, size, kind: EntryKind::File, path: "name" }
}

fn data(index: u32, offset: u64, part: &[u8]) -> Frame<'_> {
    Frame::FileData { batch: 0, index, offset, part }
}

fn end(index: u32) -> Frame<'static> {
    Frame::FileEnd { batch: 0, index, hash: &NOTHING }
}

fn accept(index: u32) -> Frame<'static> {
    Frame::FileAccept { batch: 0, index, offset: 0, prefix: &NOTHING }
}

#[test]
fn offers_have_numbers_without_gaps_bounds_and_one_at_a_time() {
    Room::open().fatal(&offer(1, 1, 1));
    Room::open().fatal(&offer(0, 0, 0));
    Room::open().fatal(&offer(0, ENTRIES + 1, 1));
    Room::open().fatal(&offer(0, u32::MAX, UNKNOWN - 1));
    Room::open().fatal(&offer(0, 2, UNKNOWN));
    let mut room = Room::open();
    assert!(matches!(room.ok(&offer(0, ENTRIES, 1)), Some(Event::Received(Received::Offered(Offer { batch: 0, .. })))));
    room.fatal(&offer(1, 1, 1));
}

#[test]
fn a_declined_offer_is_answered_and_the_next_may_come() {
    let mut room = Room::open();
    for batch in 0..3 {
        room.ok(&offer(batch, 1, 1));
        room.side.session.receiving().unwrap().cancel();
        assert_eq!(room.said(), [plain(&Frame::FileCancel { batch, whose: Whose::Yours })]);
        // Said again, as after a break, it is still declined; and what was on its way is nothing.
        assert!(room.ok(&offer(batch, 1, 1)).is_none());
        assert!(room.ok(&Frame::FileCancel { batch, whose: Whose::Mine }).is_none());
        assert!(room.ok(&Frame::FileEnd { batch, index: 0, hash: &NOTHING }).is_none());
    }
}

#[test]
fn nothing_of_an_entry_comes_before_it_was_accepted() {
    for frame in [begin(0, 1), data(0, 0, b"x"), end(0)] {
        let mut room = Room::open();
        room.ok(&offer(0, 1, 1));
        room.fatal(&frame);
    }
    Room::taking(1, 1).fatal(&begin(1, 1));
    Room::taking(1, 1).fatal(&data(0, 0, b"x"));
    Room::taking(1, 1).fatal(&end(0));
    let mut room = Room::taking(2, 2);
    room.ok(&begin(0, 1));
    room.fatal(&begin(1, 1));
    let mut room = Room::taking(1, 2);
    room.ok(&begin(0, 1));
    room.fatal(&begin(0, 1));
}

#[test]
fn no_more_comes_than_was_offered() {
    Room::taking(1, 5).fatal(&begin(0, 6));
    Room::taking(1, 5).fatal(&begin(0, UNKNOWN));
    let mut room = Room::taking(3, 5);
    room.ok(&begin(0, 5));
    room.ok(&data(0, 0, b"12345"));
    room.ok(&end(0));
    room.ok(&begin(1, 0));
    room.ok(&end(1));
    room.fatal(&begin(2, 1));
    let mut room = Room::taking(1, 5);
    room.ok(&begin(0, 5));
    room.fatal(&data(0, 0, b"123456"));
}

#[test]
fn pieces_come_one_after_the_other() {
    for (offset, part) in [(2, &b"x"[..]), (4, b"x"), (0, b"x"), (3, b""), (UNKNOWN, b"x"), (3, b"xxxxxxxx")] {
        let mut room = Room::taking(1, 10);
        room.ok(&begin(0, 10));
        room.ok(&data(0, 0, b"123"));
        room.fatal(&data(0, offset, part));
    }
    for frame in [end(0), data(0, 3, b"x"), begin(0, 3)] {
        let mut room = Room::taking(2, 3);
        room.ok(&begin(0, 3));
        room.ok(&data(0, 0, b"123"));
        room.ok(&end(0));
        room.fatal(&frame);
    }
}

#[test]
fn an_entry_has_as_many_bytes_as_it_was_begun_with() {
    for (announced, accepted, came, size) in [
        (5, 0, 3, 5),
        (5, 3, 0, 5),
        (3, 3, 0, 3),
        (0, 3, 0, 0),
        (UNKNOWN, 0, 3, 3),
        (UNKNOWN, 3, 0, 3),
        (UNKNOWN, 0, 0, 0),
    ] {
        let mut room = Room::open();
        room.ok(&offer(0, 1, announced));
        let receiving = room.side.session.receiving().unwrap();
        receiving.want();
        receiving.accept(accepted, [7; 32]);
        room.ok(&begin(0, announced));
        if came > 0 {
            room.ok(&data(0, 0, &b"abc"[..came]));
        }
        let Some(Event::Received(Received::Ended { size: ends, .. })) = room.ok(&end(0)) else { panic!() };
        assert_eq!(ends, size, "{announced} {accepted} {came}");
    }
}

#[test]
fn data_begins_where_it_was_accepted_or_at_the_beginning() {
    for (offset, fine) in [(0, true), (4, true), (3, false), (5, false)] {
        let mut room = Room::open();
        room.ok(&offer(0, 1, 10));
        let receiving = room.side.session.receiving().unwrap();
        receiving.want();
        receiving.accept(4, [7; 32]);
        room.ok(&begin(0, 10));
        assert_eq!(room.hear(&data(0, offset, b"x")).is_ok(), fine, "{offset}");
    }
}

#[test]
fn no_more_is_under_way_than_the_window() {
    let mut room = Room::taking(1, UNKNOWN);
    room.ok(&begin(0, UNKNOWN));
    let part = vec![1; LARGE_PART];
    let mut offset = 0;
    let mut piece = |room: &mut Room| {
        let frame = data(0, offset, &part);
        offset += LARGE_PART as u64;
        let mut out = vec![0; tete::protocol::frame::LARGE_FRAME];
        frame.encode(&mut out).unwrap();
        let record = room.peer.seal(&out);
        room.side.session.receive(&mut record.as_slice(), NOW).err()
    };
    for _ in 0..WINDOW / LARGE_PART as u64 {
        assert_eq!(piece(&mut room), None);
    }
    room.side.session.receiving().unwrap().seen(0, 100_000);
    assert_eq!(room.said().len(), 1);
    for _ in WINDOW / LARGE_PART as u64..(WINDOW + 100_000) / LARGE_PART as u64 {
        assert_eq!(piece(&mut room), None);
    }
    assert_eq!(piece(&mut room), Some(Error::OutOfOrder));
}

#[test]
fn only_so_many_entries_are_accepted_ahead() {
    let mut room = Room::open();
    room.ok(&offer(0, ENTRIES, 1));
    let receiving = room.side.session.receiving().unwrap();
    receiving.want();
    let mut accepted = 0;
    while receiving.next_entry().is_some() {
        receiving.accept(0, NOTHING);
        accepted += 1;
    }
    assert_eq!(accepted, AHEAD);
}

/// Our side offers, and has sent entry 0 whole if `sent`.
fn offering(entries: u32, sent: bool) -> Room {
    let mut room = Room::open();
    assert_eq!(room.side.session.sending().unwrap().offer(entries, 3, "name".into()), Some(0));
    assert_eq!(room.said().len(), 1);
    if sent {
        room.ok(&accept(0));
        let sending = room.side.session.sending().unwrap();
        sending.feed(Item::Begin { index: 0, size: 3, kind: EntryKind::File, path: "name".into() });
        sending.feed(Item::Data { index: 0, offset: 0, bytes: Content(b"abc".to_vec()) });
        sending.feed(Item::End { index: 0, hash: [9; 32] });
        let mut out = Vec::new();
        while room.side.session.transmit_data(&mut out, NOW).unwrap() {}
        let said: Vec<_> = out.chunks(tete::protocol::record::SMALL).map(|record| room.peer.open(record)).collect();
        let hash = [9; 32];
        let expected = [begin(0, 3), data(0, 0, b"abc"), Frame::FileEnd { batch: 0, index: 0, hash: &hash }]
            .map(|frame| plain(&frame));
        assert_eq!(said, expected);
    }
    room
}

#[test]
fn an_entry_is_accepted_once_a_connection() {
    let mut room = offering(2, false);
    assert!(matches!(room.ok(&accept(1)), Some(Event::Sent(Sent::Wanted { index: 1, offset: 0, .. }))));
    room.fatal(&accept(1));
    offering(2, false).fatal(&accept(2));
    Room::open().fatal(&accept(0));
}

#[test]
fn nothing_is_seen_or_done_that_was_not_sent() {
    let seen = |index, offset| Frame::FileSeen { batch: 0, index, offset };
    let done = |index, ok| Frame::FileDone { batch: 0, index, ok };
    for frame in [seen(0, 0), done(0, true), done(0, false), done(7, true)] {
        offering(2, false).fatal(&frame);
    }
    for frame in [seen(1, 0), done(1, true), done(1, false)] {
        offering(2, true).fatal(&frame);
    }
    let mut room = offering(1, true);
    room.ok(&seen(0, 3));
    let last = room.ok(&done(0, true));
    assert!(matches!(last, Some(Event::Sent(Sent::Done { index: 0, ok: true, last: true }))));
    // What was on its way, or is said again after a break, is nothing.
    assert!(room.ok(&done(0, true)).is_none() && room.ok(&seen(0, 3)).is_none());
    assert!(!room.side.session.sending().unwrap().is_open());
}

#[test]
fn a_partner_who_has_accepted_owes_a_word_until_it_is_our_turn() {
    let owed = |room: &mut Room| room.side.session.sending().unwrap().is_owed();
    // Whether to accept, a person decides.
    assert!(!owed(&mut offering(2, false)));
    let mut room = offering(2, false);
    room.ok(&accept(1));
    assert!(!owed(&mut room), "nothing was sent of what is wanted");
    let mut room = offering(2, true);
    assert!(owed(&mut room));
    room.ok(&Frame::FileSeen { batch: 0, index: 0, offset: 3 });
    assert!(owed(&mut room), "it is not stored");
    room.ok(&accept(1));
    assert!(!owed(&mut room), "all of it was seen, and the next is to be sent");
    room.ok(&Frame::FileDone { batch: 0, index: 0, ok: true });
    assert!(!owed(&mut room));
    let mut room = offering(2, true);
    room.ok(&Frame::FileDone { batch: 0, index: 0, ok: true });
    assert!(owed(&mut room), "what does it want next?");
    room.ok(&accept(1));
    let sending = room.side.session.sending().unwrap();
    sending.feed(Item::Begin { index: 1, size: 3, kind: EntryKind::File, path: "name".into() });
    sending.feed(Item::Data { index: 1, offset: 0, bytes: Content(b"abc".to_vec()) });
    assert!(!owed(&mut room));
    while room.side.session.transmit_data(&mut Vec::new(), NOW).unwrap() {}
    assert!(owed(&mut room), "a part was sent and not seen");
    room.ok(&Frame::FileSeen { batch: 0, index: 1, offset: 3 });
    assert!(!owed(&mut room));
    room.ok(&Frame::FileDone { batch: 0, index: 1, ok: false });
    assert!(!owed(&mut room), "it is over");
}

#[test]
fn a_partner_who_is_no_further_says_so_and_claims_no_more_than_was_sent() {
    let seen = |index, offset| Frame::FileSeen { batch: 0, index, offset };
    let mut room = offering(2, true);
    room.ok(&seen(0, 2));
    assert!(matches!(room.ok(&seen(0, 2)), Some(Event::Sent(Sent::Seen { index: 0, offset: 2 }))));
    for offset in [0, 4, u64::MAX] {
        assert!(matches!(room.ok(&seen(0, offset)), Some(Event::Sent(Sent::Working))), "{offset}");
    }
    // Begun, and not sent whole.
    room.ok(&accept(1));
    room.side.session.sending().unwrap().feed(Item::Begin {
        index: 1,
        size: 3,
        kind: EntryKind::File,
        path: "name".into(),
    });
    while room.side.session.transmit_data(&mut Vec::new(), NOW).unwrap() {}
    assert!(matches!(room.ok(&seen(1, u64::MAX)), Some(Event::Sent(Sent::Working))));
}

#[test]
fn what_came_and_is_not_done_can_be_told_again_and_is_no_further_for_that() {
    let seen = |index, offset| plain(&Frame::FileSeen { batch: 0, index, offset });
    let mut room = Room::taking(2, 6);
    let again = |room: &mut Room| {
        room.side.session.receiving().unwrap().say_again();
        room.said()
    };
    assert!(!room.side.session.receiving().unwrap().is_under_way());
    assert_eq!(again(&mut room), Vec::<Vec<u8>>::new(), "nothing has begun");
    room.ok(&begin(0, 3));
    room.ok(&data(0, 0, b"ab"));
    assert_eq!(again(&mut room), [seen(0, 0)]);
    room.side.session.receiving().unwrap().seen(0, 2);
    assert_eq!([again(&mut room), again(&mut room)], [[seen(0, 2)], [seen(0, 2)]]);
    room.ok(&data(0, 2, b"c"));
    room.ok(&end(0));
    room.ok(&begin(1, 3));
    assert_eq!(again(&mut room), [seen(0, 2)]);
    assert!(room.side.session.receiving().unwrap().is_under_way());
    room.side.session.receiving().unwrap().done(0, true);
    assert_eq!(again(&mut room), [plain(&Frame::FileDone { batch: 0, index: 0, ok: true }), seen(1, 0)]);
    room.side.session.receiving().unwrap().done(1, false);
    room.said();
    assert_eq!(again(&mut room), Vec::<Vec<u8>>::new(), "it is over");
}

#[test]
fn changed_names_are_told_once_and_say_nothing_where_nothing_was_sent() {
    let list = Names::list([("name/a:", "a_")]);
    let renamed = |batch, count| Frame::FileRenamed { batch, count, names: Names::of(&list).unwrap() };
    for mut room in [Room::open(), offering(1, false)] {
        assert!(room.ok(&renamed(0, 1)).is_none());
    }
    let mut room = offering(1, true);
    assert!(room.ok(&renamed(0, 0)).is_none() && room.ok(&renamed(1, 1)).is_none());
    let Some(Event::Sent(Sent::Renamed { count: 3, names })) = room.ok(&renamed(0, 3)) else { panic!() };
    assert_eq!(names, [("name/a:".to_owned(), "a_".to_owned())]);
    // Said again, as after a break.
    assert!(room.ok(&renamed(0, 3)).is_none());
    room.ok(&Frame::FileDone { batch: 0, index: 0, ok: true });
    assert!(room.ok(&renamed(0, 3)).is_none());
}

#[test]
fn changed_names_are_told_before_the_last_entry_is_done_and_again_after_a_break() {
    let mut room = Room::taking(1, 0);
    room.ok(&begin(0, 0));
    room.ok(&Frame::FileEnd { batch: 0, index: 0, hash: &NOTHING });
    let receiving = room.side.session.receiving().unwrap();
    assert!(receiving.is_last());
    receiving.renamed(0, []);
    receiving.renamed(2, [("name", "n")]);
    assert_eq!(receiving.done(0, true), Some(true));
    receiving.renamed(1, [("late", "l")]);
    let list = Names::list([("name", "n")]);
    let renamed = plain(&Frame::FileRenamed { batch: 0, count: 2, names: Names::of(&list).unwrap() });
    assert_eq!(room.said(), [renamed, plain(&Frame::FileDone { batch: 0, index: 0, ok: true })]);
}

#[test]
fn a_batch_that_we_ended_is_ended_again_if_the_partner_did_not_hear() {
    let mut room = offering(1, false);
    room.side.session.sending().unwrap().cancel();
    let cancel = plain(&Frame::FileCancel { batch: 0, whose: Whose::Mine });
    assert_eq!(room.said(), std::slice::from_ref(&cancel));
    assert!(room.ok(&accept(0)).is_none());
    assert_eq!(room.said(), [cancel]);
}

#[test]
fn a_cancel_ends_the_batch_of_the_side_that_it_names_and_no_other() {
    for (whose, ends) in [(Whose::Mine, (false, true)), (Whose::Yours, (true, false)), (Whose::Either, (true, true))] {
        let mut room = offering(1, false);
        room.ok(&offer(0, 1, 1));
        let event = room.ok(&Frame::FileCancel { batch: 0, whose });
        let Some(Event::Cancelled { sending, receiving }) = event else { panic!("{whose:?}") };
        assert_eq!((sending, receiving), ends, "{whose:?}");
        assert_eq!(room.side.session.sending().unwrap().is_open(), !sending);
        assert_eq!(room.side.session.receiving().unwrap().is_open(), !receiving);
        // A sender that does not tell may have meant its own.
        let in_return = [plain(&Frame::FileCancel { batch: 0, whose: Whose::Mine })];
        assert_eq!(room.said(), if whose == Whose::Either { &in_return[..] } else { &[] });
        Room::open().fatal(&Frame::FileCancel { batch: 0, whose });
    }
    let mut room = offering(1, false);
    room.ok(&offer(0, 1, 1));
    room.side.session.receiving().unwrap().cancel();
    assert_eq!(room.said(), [plain(&Frame::FileCancel { batch: 0, whose: Whose::Yours })]);
    assert!(room.side.session.sending().unwrap().is_open(), "a decline says nothing of our own batch");
    for reason in [3, 255] {
        let mut room = offering(1, false);
        let record = room.peer.seal(&frame(0x27, &[0, 0, 0, 0, reason]));
        assert_eq!(room.side.session.receive(&mut record.as_slice(), NOW), Err(Error::OutOfOrder));
    }
}

#[test]
fn the_window_holds_our_data_back() {
    let mut room = Room::open();
    room.side.session.sending().unwrap().offer(1, UNKNOWN, "name".into());
    room.said();
    room.ok(&accept(0));
    room.side.session.sending().unwrap().feed(Item::Begin {
        index: 0,
        size: UNKNOWN,
        kind: EntryKind::File,
        path: "name".into(),
    });
    let (mut offset, mut sent) = (0, 0);
    for turn in 0..3 {
        loop {
            let sending = room.side.session.sending().unwrap();
            while sending.wants_items() {
                sending.feed(Item::Data { index: 0, offset, bytes: Content(vec![1; 100_000]) });
                offset += 100_000;
            }
            let mut out = Vec::new();
            if !room.side.session.transmit_data(&mut out, NOW).unwrap() {
                break;
            }
            let said = room.peer.open(&out);
            if let Ok(Frame::FileData { part, .. }) = Frame::decode(&said) {
                sent += part.len() as u64;
            }
        }
        assert_eq!(sent, WINDOW + turn * 1_000_000);
        assert!(!room.side.session.has_data());
        room.ok(&Frame::FileSeen { batch: 0, index: 0, offset: (turn + 1) * 1_000_000 });
        assert!(room.side.session.has_data());
    }
    room.fatal(&Frame::FileSeen { batch: 0, index: 0, offset: 2_999_999 });
}

#[test]
fn the_window_is_one_for_all_entries_of_a_batch() {
    const ENTRY: u64 = 1_000_000;
    let mut room = Room::open();
    room.side.session.sending().unwrap().offer(64, 64 * ENTRY, "name".into());
    room.said();
    // Bytes of each entry that were sent, and the most that the partner has spoken of.
    let (mut sent, mut seen, mut next) = ([0; 64], [0; 64], 0_u32);
    for index in 0..64 {
        room.ok(&accept(index));
    }
    let mut items: VecDeque<_> = (0..64)
        .flat_map(|index| {
            let bytes = Content(vec![1; ENTRY as usize]);
            let path = "name".into();
            [
                Item::Begin { index, size: ENTRY, kind: EntryKind::File, path },
                Item::Data { index, offset: 0, bytes },
                Item::End { index, hash: [9; 32] },
            ]
        })
        .collect();
    for turn in 0.. {
        loop {
            let sending = room.side.session.sending().unwrap();
            while sending.wants_items()
                && let Some(item) = items.pop_front()
            {
                sending.feed(item);
            }
            let mut out = Vec::new();
            if !room.side.session.transmit_data(&mut out, NOW).unwrap() {
                break;
            }
            if let Ok(Frame::FileData { index, part, .. }) = Frame::decode(&room.peer.open(&out)) {
                sent[index as usize] += part.len() as u64;
            }
        }
        let under_way = sent.iter().sum::<u64>() - seen.iter().sum::<u64>();
        assert_eq!(under_way, WINDOW.min(64 * ENTRY - seen.iter().sum::<u64>()), "in turn {turn}");
        // A part of an entry that came whole, or all of it, or it is refused.
        match turn % 3 {
            0 => {
                seen[next as usize] = ENTRY / 2;
                room.ok(&Frame::FileSeen { batch: 0, index: next, offset: ENTRY / 2 });
            }
            of_three => {
                seen[next as usize] = ENTRY;
                room.ok(&Frame::FileDone { batch: 0, index: next, ok: of_three == 1 });
                next += 1;
            }
        }
        if next == 64 {
            break;
        }
    }
}

#[test]
fn the_partner_is_told_how_far_an_entry_is_that_came_whole() {
    let mut room = Room::taking(2, 6);
    room.ok(&begin(0, 3));
    room.ok(&data(0, 0, b"abc"));
    room.ok(&end(0));
    room.ok(&begin(1, 3));
    let receiving = room.side.session.receiving().unwrap();
    receiving.seen(0, 2);
    assert_eq!(room.said(), [plain(&Frame::FileSeen { batch: 0, index: 0, offset: 2 })]);
}
