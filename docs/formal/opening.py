#!/usr/bin/env python3
"""How a room opens, and what becomes of it when the connection breaks on the way (section 6).

A host R, and two callers in turn. Caller 0 is the one that R pairs with first; caller 1 stands for
the same person's next run of the program, for somebody else, and for a stranger. Users confirm or
never do; a cut loses any end of what is under way in each direction; clocks run out at any moment
after a loss, each for itself. R may so take new callers at once after a loss, as the program does,
or later.

    opening.py [WORD ...]
"""

from __future__ import annotations

from typing import NamedTuple

import wire
from explore import AUTO, CHOICE, Bad, Case, main
from wire import END, Conn, Conns, I, R

IDLE, PAIRING, HALF, OPEN, OVER = "idle", "pairing", "half", "open", "over"


class Caller(NamedTuple):
    """An initiator. `HALF`: it has sent VERIFIED and never received one; `OPEN`: both."""

    phase: str
    conn: int = 0           # the connection in use
    dial: int = 0           # a connection in mode 0x02 that waits for SAS_OPEN
    checked: bool = False   # SAS_OPEN was read and fits
    here: bool = False      # VERIFIED was received on this connection
    proof: bool = False     # something of an open room was received


class Pairing(NamedTuple):
    """A run at R whose user has not confirmed."""

    caller: int
    conn: int
    here: bool = False


class Room(NamedTuple):
    """The room for which R has sent VERIFIED."""

    caller: int
    conn: int
    here: bool = False
    ever: bool = False
    proof: bool = False


class State(NamedTuple):
    callers: tuple[Caller, ...]
    pairing: Pairing | None
    room: Room | None
    anew: bool              # R takes a new caller as well as this room's
    conns: Conns
    cuts: int
    confirmed: tuple[tuple[bool, bool], ...]   # for each caller: its user, R's user
    invite_i: bool = True
    invite_r: bool = True


SHUT_OUT = "R keeps everybody out for a caller that has given up"
WAITS = "a caller holds the room open, and R neither takes it nor has begun another room"
UNPROVEN = "both hold the room open on one connection, and one has no proof of it"
KEPT_OUT = "a stranger who pairs keeps the partner out"
UNCONFIRMED = "VERIFIED was sent by a side whose user has not confirmed"
DROPPED = "R drops a room that its partner has proved to hold open"
TWO = "R drops a caller to which it has sent VERIFIED, without a word"
NO_INVITE = "nobody is in or comes back, and one side has no invite left"
FATAL = "an honest side meets a frame that may not come"


class Opening:
    """The rules of section 6 and those for a loss while the room opens; `mutant` changes one."""

    def __init__(self, mode: int = 0, cuts: int = 2, mutant: str = ""):
        self.mode, self.cuts, self.mutant = mode, cuts, mutant

    def start(self) -> State:
        return State((Caller(IDLE), Caller(IDLE)), None, None, False, (), self.cuts, ((False, False),) * 2)

    # --- connections ---------------------------------------------------------------------

    @staticmethod
    def send(s: State, number: int, to: int, *frames: str) -> State:
        return s._replace(conns=wire.send(s.conns, number, to, *frames))

    @staticmethod
    def close(s: State, number: int, by: int) -> State:
        return s._replace(conns=wire.close(s.conns, number, by))

    @staticmethod
    def dial(s: State, k: int, back: bool) -> tuple[State, int]:
        conns, number = wire.dial(s.conns, k, back)
        return s._replace(conns=conns), number

    @staticmethod
    def caller(s: State, k: int, **changes) -> State:
        return s._replace(callers=tuple(c._replace(**changes) if j == k else c for j, c in enumerate(s.callers)))

    @staticmethod
    def confirm(s: State, k: int, side: int) -> State:
        new = tuple(tuple(True if x == side else said for x, said in enumerate(both)) if j == k else both
                    for j, both in enumerate(s.confirmed))
        return s._replace(confirmed=new)

    @staticmethod
    def tidy(s: State | Bad) -> State | Bad:
        """Forgets connections on which nothing can happen any more, and numbers the others anew."""
        if isinstance(s, Bad):
            return s
        used = {n for c in s.callers for n in (c.conn, c.dial)}
        conns, new = wire.numbered(s.conns, used | {p.conn for p in (s.pairing, s.room) if p})
        return s._replace(
            conns=conns,
            callers=tuple(c._replace(conn=new[c.conn], dial=new[c.dial]) for c in s.callers),
            pairing=s.pairing and s.pairing._replace(conn=new[s.pairing.conn]),
            room=s.room and s.room._replace(conn=new[s.room.conn]))

    # --- whom R takes --------------------------------------------------------------------

    @staticmethod
    def takes_anyone(s: State) -> bool:
        return s.pairing is None and (s.room is None or s.anew and not s.room.conn)

    def takes_back(self, s: State, k: int) -> bool:
        if s.room is None or s.room.caller != k or self.mutant == "instead" and s.anew:
            return False
        return not (self.mutant == "later" and s.pairing)

    # --- moves ---------------------------------------------------------------------------

    def moves(self, s: State):
        for label, kind, after in self.steps(s):
            yield label, kind, self.tidy(after)

    def steps(self, s: State):
        yield from self.users(s)
        yield from self.clocks(s)
        for k, me in enumerate(s.callers):
            may = me.phase in (HALF, OPEN) or self.mutant == "unconfirmed" and me.phase == PAIRING
            if may and not me.conn and not me.dial and self.takes_back(s, k):
                after, number = self.dial(s, k, back=True)
                yield f"caller {k} comes back", AUTO, self.caller(after, k, dial=number)
        for c, to, frame, conns in wire.readable(s.conns):
            after = s._replace(conns=conns)
            if to == I:
                yield f"caller {c.caller} reads {frame}", AUTO, self.caller_reads(after, c, frame)
            else:
                yield f"R reads {frame} of {c.caller}", AUTO, self.host_reads(after, c, frame)
        if s.cuts:
            for label, _, conns in wire.cuts(s.conns):
                yield label, CHOICE, s._replace(conns=conns, cuts=s.cuts - 1)

    def users(self, s: State):
        for k, me in enumerate(s.callers):
            invited = self.mode == 0 or s.invite_i and s.invite_r
            if me.phase == IDLE and s.callers[0].phase != (IDLE if k else None) and self.takes_anyone(s) and invited:
                after, number = self.dial(s, k, back=False)
                yield f"caller {k} calls", CHOICE, self.caller(after, k, phase=PAIRING, conn=number)
            if self.mode == 0 and me.phase == PAIRING and me.checked and me.conn:
                yield f"caller {k} confirms", CHOICE, self.caller_confirms(s, k)
        if self.mode == 0 and s.pairing:
            yield "R confirms", CHOICE, self.host_confirms(s)

    def clocks(self, s: State):
        """R takes new callers as well; a caller that never received VERIFIED gives up."""
        room = s.room
        if room and not room.conn and not s.anew and self.mutant != "no_fallback":
            if not room.proof or self.mutant == "despite_proof":
                yield "R pairs anew as well", AUTO, s._replace(anew=True)
        for k, me in enumerate(s.callers):
            gives_up = me.phase == HALF or self.mutant == "same_rule" and me.phase == OPEN and not me.proof
            if gives_up and not me.conn:
                after = self.close(s, me.dial, I) if me.dial else s
                yield f"caller {k} gives up", AUTO, self.caller(after, k, phase=OVER, dial=0)

    # --- a caller ------------------------------------------------------------------------

    def caller_confirms(self, s: State, k: int) -> State:
        me = s.callers[k]
        s = self.caller(self.send(self.confirm(s, k, I), me.conn, R, "VERIFIED"), k, phase=HALF)
        return self.caller_opens(s, k, me.conn, False) if me.here else s

    def caller_opens(self, s: State, k: int, number: int, back: bool) -> State:
        s = self.caller(s, k, phase=OPEN)
        if self.mode == 1:
            s = s._replace(invite_i=False)
        return self.send(s, number, R, *self.first(back))

    def first(self, back: bool) -> tuple[str, ...]:
        """What a side sends as soon as the room is open."""
        return ("RESUME",) if back else () if self.mutant == "no_ping" else ("PING",)

    def caller_reads(self, s: State, c: Conn, frame: str) -> State | Bad:
        k, n = c.caller, c.number
        me = s.callers[k]
        if me.phase == OVER or n not in (me.conn, me.dial):
            return s
        if frame == END and n == me.dial:
            return self.caller(s, k, dial=0)
        if frame == END and (me.phase in (HALF, OPEN) or self.mutant == "unconfirmed"):
            return self.caller(s, k, conn=0, here=False)
        if frame in (END, "BYE"):
            return self.close(self.caller(s, k, phase=OVER, conn=0, dial=0), n, I)
        if frame == "SAS_OPEN" and n == me.dial:
            phase = OPEN if me.phase == OPEN else HALF
            return self.send(self.caller(s, k, conn=n, dial=0, here=False, phase=phase), n, R, "VERIFIED")
        if frame == "SAS_OPEN":
            s = self.caller(s, k, checked=True)
            return s if self.mode == 0 else self.caller_confirms(s, k)
        if frame == "VERIFIED":
            if me.here:
                return Bad(FATAL)
            s = self.caller(s, k, here=True)
            return s if me.phase == PAIRING else self.caller_opens(s, k, n, c.back)
        if frame == "PING":
            return self.send(s, n, R, "PONG") if me.phase == OPEN and me.here else s
        return self.caller(s, k, proof=True) if me.phase == OPEN and me.here else Bad(FATAL)

    # --- the host ------------------------------------------------------------------------

    def host_confirms(self, s: State) -> State | Bad:
        run, old = s.pairing, s.room
        if old and old.proof:
            return Bad(DROPPED)
        if old and old.conn:
            return Bad(TWO)
        s = self.send(self.confirm(s, run.caller, R), run.conn, I, "VERIFIED")
        s = s._replace(pairing=None, anew=False, room=Room(run.caller, run.conn, run.here))
        return self.host_opens(s, False) if run.here else s

    def host_opens(self, s: State, back: bool) -> State:
        s = s._replace(room=s.room._replace(here=True, ever=True))
        if self.mode == 1 and self.mutant == "erased_at_open":
            s = s._replace(invite_r=False)
        return self.send(s, s.room.conn, I, *self.first(back))

    def host_reads(self, s: State, c: Conn, frame: str) -> State | Bad:
        if frame == "record 3":
            return self.host_takes_back(s, c) if c.back else self.host_takes(s, c)
        if s.pairing and c.number == s.pairing.conn:
            return self.host_pairs(s, frame)
        if not s.room or c.number != s.room.conn:
            return s
        if frame == END:
            return s._replace(room=s.room._replace(conn=0, here=False))
        if frame == "VERIFIED":
            return Bad(FATAL) if s.room.here else self.host_opens(s, c.back)
        if frame == "PING":
            return self.send(s, c.number, I, "PONG") if s.room.here else s
        if not s.room.here:
            return Bad(FATAL)
        s = s._replace(room=s.room._replace(proof=True))
        return s._replace(invite_r=False) if self.mode == 1 else s

    def host_takes(self, s: State, c: Conn) -> State | Bad:
        if not self.takes_anyone(s):
            return self.close(s, c.number, R)
        s = self.send(s._replace(pairing=Pairing(c.caller, c.number)), c.number, I, "SAS_OPEN")
        return s if self.mode == 0 else self.host_confirms(s)

    def host_pairs(self, s: State, frame: str) -> State | Bad:
        run = s.pairing
        if frame == END:
            lost = Room(run.caller, 0) if self.mutant == "unconfirmed" else s.room
            return s._replace(pairing=None, room=lost)
        if frame == "VERIFIED":
            return Bad(FATAL) if run.here else s._replace(pairing=run._replace(here=True))
        return s if frame == "PING" else Bad(FATAL)

    def host_takes_back(self, s: State, c: Conn) -> State | Bad:
        if not self.takes_back(s, c.caller):
            return self.close(s, c.number, R)
        if s.room.conn:
            s = self.close(s, s.room.conn, R)
        if s.pairing and self.mutant != "beside":
            # The partner goes before a run that R's user has not confirmed.
            s = self.close(self.send(s, s.pairing.conn, I, "BYE"), s.pairing.conn, R)._replace(pairing=None)
        s = s._replace(anew=False, room=s.room._replace(conn=c.number, here=False))
        return self.send(s, c.number, I, "SAS_OPEN", "VERIFIED")

    # --- what must not be ----------------------------------------------------------------

    def always(self, s: State):
        if self.mode == 1:
            return
        for k, me in enumerate(s.callers):
            if me.phase in (HALF, OPEN) and not s.confirmed[k][I]:
                yield UNCONFIRMED
            if s.room and s.room.caller == k and not s.confirmed[k][R]:
                yield UNCONFIRMED

    def rest(self, s: State):
        room = s.room
        if room:
            me = s.callers[room.caller]
            if me.phase == OVER and not self.takes_anyone(s) and not s.pairing:
                yield SHUT_OUT
            if room.conn and me.phase == OPEN and room.ever and not (me.proof and room.proof):
                yield UNPROVEN
        for k, me in enumerate(s.callers):
            if me.phase == OPEN and not me.conn:
                if room and room.caller == k and s.pairing:
                    yield KEPT_OUT
                elif not room or room.caller == k:
                    yield WAITS
        if self.mode == 1 and s.callers[0].phase == OVER and s.callers[1].phase != OPEN and self.takes_anyone(s) and not (s.invite_i and s.invite_r):
            yield NO_INVITE


CASES = [
    Case("opening", "mode 0x00, two callers in turn, two cuts", Opening(), small=Opening(cuts=1)),
    Case("opening_invite", "mode 0x01, the same", Opening(mode=1), small=Opening(mode=1, cuts=1)),
    Case("opening_no_fallback", "mutant: R waits for 24 h only", Opening(mutant="no_fallback"), (SHUT_OUT,)),
    Case("opening_same_rule", "mutant: I gives up without proof too, though it received VERIFIED",
         Opening(mutant="same_rule"), (SHUT_OUT,)),
    Case("opening_instead", "mutant: R pairs anew instead of as well", Opening(mutant="instead"),
         (WAITS, KEPT_OUT)),
    Case("opening_despite_proof", "mutant: R pairs anew despite a proof", Opening(mutant="despite_proof"), (DROPPED,)),
    Case("opening_later", "mutant: R takes nobody in mode 0x02 while it pairs", Opening(mutant="later"), (KEPT_OUT,)),
    Case("opening_beside", "mutant: R goes on pairing when the partner is back", Opening(mutant="beside"), (TWO, DROPPED)),
    Case("opening_no_ping", "mutant: no PING on opening", Opening(mutant="no_ping"), (UNPROVEN,)),
    Case("opening_unconfirmed", "mutant: a side that has not confirmed comes back too", Opening(cuts=1, mutant="unconfirmed"),
         (UNCONFIRMED,)),
    Case("opening_erased_at_open", "mutant: R erases the invite when it is open", Opening(mode=1, mutant="erased_at_open"),
         (NO_INVITE,)),
]

if __name__ == "__main__":
    main(CASES)
