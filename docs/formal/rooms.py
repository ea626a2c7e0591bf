#!/usr/bin/env python3
"""An open room: texts, receipts, cuts, resume, and its end (sections 7 and 8).

Both sides are honest. Users write, confirm and leave at any time; I may dial beside a connection
that it doubts; a cut loses any end of what is under way in each direction. A connection counts from
its record 3 on. BYE that a cut takes with it is lost for good: then the other side waits for 24 h.

    rooms.py [WORD ...]
"""

from __future__ import annotations

from typing import NamedTuple

import wire
from explore import AUTO, CHOICE, Bad, Case, main
from wire import END, SIDE, Conn, Conns, I, R

PAIRING, ROOM, LEAVING, SAID = "pairing", "room", "leaving", "BYE said"
FAILED, LEFT, ENDED = "failed", "left", "ended"


class Side(NamedTuple):
    """One side. `ROOM` is one that has sent VERIFIED, with or without a connection."""

    phase: str
    conn: int = 0           # the connection in use
    dial: int = 0           # a connection in mode 0x02 on which I waits for SAS_OPEN
    checked: bool = False   # SAS_OPEN was read and fits
    here: bool = False      # VERIFIED was received on this connection
    ever: bool = False      # the room has been open
    said: bool = False      # RESUME sent on this connection, or none is due
    heard: bool = False     # RESUME received on this connection, or none is due
    once: bool = False      # one who leaves has come back
    written: int = 0        # texts written
    sent: int = 0           # texts sent at least once
    receipted: int = 0      # texts of which the partner has said that they are delivered
    shown: int = 0          # texts received and delivered
    owed: int = 0           # texts for which a RECEIPT was sent

    def usable(self) -> bool:
        return bool(self.conn) and self.here and self.said and self.heard


class State(NamedTuple):
    sides: tuple[Side, Side]
    conns: Conns
    cuts: int
    doubts: int
    bye_lost: bool = False


GIVEN_UP = "one side holds the room open, the other has given it up and never comes"
APART = "both hold the room open and do not meet"
UNSENT = "a text never arrives though both are in the room"
UNRECEIPTED = "a text was delivered, its RECEIPT never comes though both are in the room"
UNKNOWN = "a text was delivered, and its writer never learns it though no connection broke"
LATE = "a BYE arrives before a text that was written earlier"
WAITS = "one side waits for a partner who has left, though no BYE was lost with a connection"
DOUBLED = "a text is shown twice"
GAP = "an honest side meets a gap in the ids"
EARLY = "an honest side meets a frame before the room is open or before RESUME"
FALSE = "a text is receipted that was not delivered, or delivered that was not written"
IMPOSSIBLE = "an honest side meets a RECEIPT or next_id that cannot be"
SECOND = "an honest side meets a second VERIFIED or RESUME"


class Rooms:
    """The rules of sections 7 and 8. `opened`: the room is open at the start; `mutant` changes one rule."""

    def __init__(self, *, texts: int = 1, cuts: int = 1, doubts: int = 0, leave: tuple[int, ...] = (),
                 opened: bool = True, mutant: str = ""):
        self.texts, self.cuts, self.doubts, self.leave = texts, cuts, doubts, leave
        self.opened, self.mutant = opened, mutant

    def start(self) -> State:
        side = Side(PAIRING, conn=1, said=True, heard=True)
        if self.opened:
            side = side._replace(phase=ROOM, checked=True, here=True, ever=True)
        conn = Conn(1, False, () if self.opened else ("SAS_OPEN",), ())
        return State((side, side), (conn,), self.cuts, self.doubts)

    @staticmethod
    def set(s: State, x: int, **changes) -> State:
        side = s.sides[x]._replace(**changes)
        return s._replace(sides=(side, s.sides[R]) if x == I else (s.sides[I], side))

    @staticmethod
    def send(s: State, x: int, *frames) -> State:
        return s._replace(conns=wire.send(s.conns, s.sides[x].conn, 1 - x, *frames))

    @staticmethod
    def close(s: State, number: int, by: int) -> State:
        return s._replace(conns=wire.close(s.conns, number, by)) if number else s

    @staticmethod
    def tidy(s: State) -> State:
        a, b = s.sides
        conns, new = wire.numbered(s.conns, {a.conn, a.dial, b.conn})
        return s._replace(conns=conns, sides=(a._replace(conn=new[a.conn], dial=new[a.dial]), b._replace(conn=new[b.conn])))

    # --- moves ---------------------------------------------------------------------------

    def moves(self, s: State):
        for label, kind, after in self.steps(s):
            yield label, kind, after if isinstance(after, Bad) else self.tidy(after)

    def steps(self, s: State):
        for x in (I, R):
            yield from self.acts(s, x)
        yield from self.dials(s)
        for conn, x, frame, conns in wire.readable(s.conns):
            after = self.reads(s._replace(conns=conns), x, conn, frame)
            yield f"{SIDE[x]} reads {wire.said(frame)}", AUTO, after
            if self.mutant == "joined" and frame in ("SAS_OPEN", "VERIFIED") and not isinstance(after, Bad):
                dropped = wire.put(after.conns, next(c for c in after.conns if c.number == conn.number),
                                   wire.with_way(conn, x, tuple(f for f in wire.way(conn, x) if f == END)))
                yield f"{SIDE[x]} reads {frame} and drops what came with it", AUTO, after._replace(conns=dropped)
        if s.cuts:
            for label, lost, conns in wire.cuts(s.conns):
                yield label, CHOICE, s._replace(conns=conns, cuts=s.cuts - 1, bye_lost=s.bye_lost or "BYE" in lost)

    def acts(self, s: State, x: int):
        me, name = s.sides[x], SIDE[x]
        if me.phase == PAIRING and me.conn and (x == R or me.checked):
            after = self.send(self.set(s, x, phase=ROOM), x, "VERIFIED")
            yield f"{name} confirms", CHOICE, self.opens(after, x) if me.here else after
        if me.phase != ROOM:
            return
        if me.ever and me.written < self.texts:
            after = self.set(s, x, written=me.written + 1)
            if me.usable():
                after = self.send(self.set(after, x, sent=me.written + 1), x, ("TEXT", me.written))
            yield f"{name} writes text {me.written}", CHOICE, after
        if me.usable() and me.owed < me.shown:
            yield f"{name} receipts", AUTO, self.receipts(s, x)
        if x in self.leave and (me.ever or me.conn):
            # A dial that is under way is the one return of a side that leaves.
            yield f"{name} leaves", CHOICE, self.says_bye(self.set(s, x, phase=LEAVING, once=bool(me.dial)), x)

    def receipts(self, s: State, x: int) -> State:
        shown = s.sides[x].shown
        return self.send(self.set(s, x, owed=shown), x, ("RECEIPT", shown))

    def says_bye(self, s: State, x: int) -> State:
        """BYE as soon as it can be said: the room is usable, or was never open."""
        me = s.sides[x]
        if self.mutant == "no_return" and not me.conn:
            return self.set(s, x, phase=LEFT)
        if me.usable() and me.owed < me.shown:
            s = self.receipts(s, x)
        if me.usable() or me.conn and (not me.ever or self.mutant == "bye_at_once"):
            said = self.send(s, x, "BYE", END)
            # On a connection that has broken without a sign yet it is lost like one under way.
            return self.set(said, x, phase=SAID)._replace(bye_lost=s.bye_lost or said.conns == s.conns)
        return s

    def comes_back(self, s: State, x: int) -> bool:
        me = s.sides[x]
        return me.phase == ROOM or me.phase == LEAVING and not me.once

    def dials(self, s: State):
        me = s.sides[I]
        if me.dial or not self.comes_back(s, I) or not self.comes_back(s, R) and s.sides[R].phase != SAID:
            return
        if s.sides[R].phase == SAID and me.conn == 0:
            return
        if not me.conn:
            after = self.set(s, I, once=me.phase == LEAVING)
            kind, label = AUTO, "I dials"
        elif s.doubts and me.phase == ROOM:
            after = s._replace(doubts=s.doubts - 1)
            if self.mutant == "drop_old":
                after = self.lost(self.close(after, me.conn, I), I)
            kind, label = CHOICE, "I dials beside"
        else:
            return
        conns, number = wire.dial(after.conns)
        yield label, kind, self.set(after._replace(conns=conns), I, dial=number)

    # --- reading -------------------------------------------------------------------------

    def lost(self, s: State, x: int) -> State:
        return self.set(s, x, conn=0, here=False, said=False, heard=False)

    def takes(self, s: State, x: int, number: int) -> State:
        """The new connection takes the place of the old one."""
        s = self.lost(self.close(s, s.sides[x].conn, x), x)
        return self.set(s, x, conn=number, dial=0)

    def reads(self, s: State, x: int, conn: Conn, frame) -> State | Bad:
        me, number = s.sides[x], conn.number
        if frame == "record 3":
            if not self.comes_back(s, R):
                return self.close(s, number, R)
            s = self.set(self.takes(s, R, number), R, once=me.phase == LEAVING)
            return self.send(s, R, "SAS_OPEN", "VERIFIED")
        if number == me.dial:
            if frame == END:
                over = me.phase == LEAVING or me.phase == SAID and not me.conn
                return self.set(s, I, dial=0, phase=LEFT if over else me.phase)
            s = self.set(self.takes(s, I, number), I, phase=LEAVING if me.phase == SAID else me.phase)
            return self.send(s, I, "VERIFIED")
        if number != me.conn or me.phase in (FAILED, LEFT, ENDED):
            return s
        if frame == END:
            return self.ends(s, x)
        if me.dial and self.mutant == "forgets":
            s = self.set(self.close(s, me.dial, I), I, dial=0)   # as the old one speaks again
        if me.phase == SAID:
            return self.hears_after_bye(s, x, frame)
        return self.hears(s, x, conn, frame)

    def ends(self, s: State, x: int) -> State:
        me = s.sides[x]
        s = self.lost(self.close(s, me.conn, x), x)
        if me.phase == SAID and not me.dial or me.phase == LEAVING and me.once:
            return self.set(s, x, phase=LEFT)
        if me.phase == PAIRING or self.mutant == "fails" and not me.ever:
            return self.set(s, x, phase=FAILED)
        return self.says_bye(s, x) if me.phase == LEAVING else s

    def hears_after_bye(self, s: State, x: int, frame) -> State | Bad:
        """One who has said BYE reads RECEIPTs until the other has closed."""
        if frame == "BYE":
            return self.set(self.lost(self.close(s, s.sides[x].conn, x), x), x, phase=LEFT)
        if frame[0] == "RECEIPT" and self.mutant != "deaf":
            return self.receipted(s, x, frame[1])
        return s

    def receipted(self, s: State, x: int, count: int) -> State | Bad:
        me = s.sides[x]
        if not me.receipted <= count <= me.sent:
            return Bad(IMPOSSIBLE)
        return self.set(s, x, receipted=count)

    def hears(self, s: State, x: int, conn: Conn, frame) -> State | Bad:
        me = s.sides[x]
        if frame == "SAS_OPEN":
            return self.set(s, x, checked=True)
        if frame == "VERIFIED":
            if me.here:
                return Bad(SECOND)
            s = self.set(s, x, here=True)
            return s if me.phase == PAIRING else self.opens(s, x)
        if frame == "BYE":
            if me.usable() and me.owed < me.shown and self.mutant != "receiver_closes":
                s = self.receipts(s, x)
            return self.set(self.close(s, me.conn, x), x, phase=ENDED, conn=0)
        kind, number = frame
        if kind == "RESUME":
            return self.resumes(s, x, number)
        if not me.here or not me.heard:
            return Bad(EARLY)
        if kind == "RECEIPT":
            return self.receipted(s, x, number)
        if number > me.shown:
            return Bad(GAP)
        if number < me.shown:
            return Bad(DOUBLED) if self.mutant == "no_dedupe" else s
        return self.set(s, x, shown=number + 1)

    def opens(self, s: State, x: int) -> State:
        me = s.sides[x]
        s = self.set(s, x, ever=True)
        if not me.said:
            s = self.send(self.set(s, x, said=True), x, ("RESUME", me.shown))
        return s

    def resumes(self, s: State, x: int, wanted: int) -> State | Bad:
        me = s.sides[x]
        if not me.here:
            return Bad(EARLY)
        if me.heard:
            return Bad(SECOND)
        if not me.receipted <= wanted <= me.sent:
            return Bad(IMPOSSIBLE)
        s = self.set(s, x, heard=True)
        if me.shown and self.mutant != "no_receipt_again":
            s = self.receipts(s, x)
        first = me.receipted if self.mutant in ("from_receipt", "no_dedupe") else wanted
        if self.mutant != "no_again":
            s = self.send(s, x, *(("TEXT", n) for n in range(first, me.written)))
            s = self.set(s, x, sent=me.written)
        return self.says_bye(s, x) if me.phase == LEAVING else s

    # --- what must not be ----------------------------------------------------------------

    def always(self, s: State):
        for me, other in (s.sides, s.sides[::-1]):
            if me.receipted > other.shown or me.shown > other.written:
                yield FALSE

    def rest(self, s: State):
        for me, other in (s.sides, s.sides[::-1]):
            both = me.phase == other.phase == ROOM
            if both and me.ever and not me.conn:
                yield APART
            if me.phase == ROOM and me.ever and other.phase == FAILED:
                yield GIVEN_UP
            if me.phase == ROOM and other.phase == LEFT and not s.bye_lost:
                yield WAITS
            if me.written > other.shown:
                if both:
                    yield UNSENT
                elif me.phase == LEFT and other.phase == ENDED:
                    yield LATE
            if me.receipted < other.shown:
                if both:
                    yield UNRECEIPTED
                elif s.cuts == self.cuts and self.cuts == 0:
                    yield UNKNOWN


BOTH = (I, R)
CASES = [
    Case("room_opens", "opening, a text each way, two cuts", Rooms(cuts=2, opened=False)),
    Case("room_opens_fails", "mutant: VERIFIED sent and none received is a failed run",
         Rooms(texts=0, opened=False, mutant="fails"), (GIVEN_UP,)),
    Case("room_joined", "mutant: what is read together with SAS_OPEN or VERIFIED is dropped",
         Rooms(cuts=0, opened=False, mutant="joined"), (UNSENT, EARLY)),
    Case("room_texts", "two texts each way, one cut", Rooms(texts=2)),
    Case("room_cuts", "a text each way, two cuts", Rooms(cuts=2)),
    Case("room_no_again", "mutant: texts are not sent again after RESUME", Rooms(mutant="no_again"), (UNSENT,)),
    Case("room_from_receipt", "variant: sent again from the last RECEIPT; ids drop the doubles", Rooms(mutant="from_receipt")),
    Case("room_no_dedupe", "mutant: the same, and a lower id is shown", Rooms(mutant="no_dedupe"), (DOUBLED,)),
    Case("room_no_receipt_again", "mutant: the newest RECEIPT is not sent again", Rooms(mutant="no_receipt_again"),
         (UNRECEIPTED,)),
    Case("room_beside", "I dials twice beside a living connection, one cut", Rooms(doubts=2),
         small=Rooms(doubts=1)),
    Case("leave", "both may leave, no cut", Rooms(cuts=0, leave=BOTH)),
    Case("leave_cut", "both may leave, one cut", Rooms(leave=BOTH)),
    Case("leave_opening", "both may leave while the room opens, one cut", Rooms(texts=0, opened=False, leave=BOTH)),
    Case("leave_beside", "both may leave while I dials beside", Rooms(cuts=0, doubts=1, leave=BOTH)),
    Case("leave_deaf", "mutant: the sender of BYE discards RECEIPTs", Rooms(cuts=0, leave=BOTH, mutant="deaf"), (UNKNOWN,)),
    Case("leave_receiver_closes", "mutant: the receiver of BYE closes without the RECEIPT it owes",
         Rooms(cuts=0, leave=BOTH, mutant="receiver_closes"), (UNKNOWN,)),
    Case("leave_no_return", "mutant: one who leaves without a connection does not come back",
         Rooms(leave=BOTH, mutant="no_return"), (WAITS,)),
    Case("leave_at_once", "mutant: one who comes back says BYE before RESUME", Rooms(leave=BOTH, mutant="bye_at_once"),
         (LATE,)),
    Case("leave_forgets", "mutant: I forgets a dial whose record 3 is out as the old connection speaks again",
         Rooms(cuts=0, doubts=1, leave=BOTH, mutant="forgets"), (WAITS, UNKNOWN)),
    Case("leave_drop_old", "mutant: I drops the old connection when it dials beside",
         Rooms(texts=0, cuts=0, doubts=1, leave=(R,), mutant="drop_old"), (WAITS,)),
]

if __name__ == "__main__":
    main(CASES)
