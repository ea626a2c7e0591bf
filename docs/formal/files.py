#!/usr/bin/env python3
"""Offers of files and their ends (section 7, Files, and section 8).

Both sides are honest and offer batches of one entry each, one after the other in each direction. Users accept,
decline and end at any time; the connection breaks and is resumed. FILE stands for FILE_BEGIN, FILE_DATA and
FILE_END of the entry.

    files.py [WORD ...]
"""

from __future__ import annotations

from typing import NamedTuple

from explore import AUTO, CHOICE, Bad, Case, main
from wire import SIDE, I, R

NEVER, OFFERED, ACCEPTED, OVER = "never offered", "offered", "accepted", "over"
DONE, CANCEL = "DONE", "CANCEL 2"


class Out(NamedTuple):
    """A batch at its sender."""

    phase: str = NEVER
    heard: bool = False     # its receiver knows of it
    ended: bool = False     # this side has ended it, and its receiver may not know that


class In(NamedTuple):
    """A batch at its receiver."""

    phase: str = NEVER
    again: str = ""         # what is said again after a loss


class Side(NamedTuple):
    out: tuple[Out, ...]
    into: tuple[In, ...]


class State(NamedTuple):
    sides: tuple[Side, Side]
    ways: tuple[tuple, tuple]               # what is under way to I, to R: (frame, batch)
    ended: tuple[frozenset, frozenset]      # the batches of each side that a user has ended
    cuts: int


ENDED = "a batch ends that no user has ended"
WAITS = "a sender waits for a batch that its receiver is done with"
WAITS_TOO = "a receiver waits for a batch that its sender is done with"
LOST = "an offer or an answer never arrives"
FATAL = "an honest side meets a frame that may not come"


class Files:
    """The rules of offers; `mutant` changes one."""

    def __init__(self, *, batches: tuple[int, int] = (1, 1), cuts: int = 1, mutant: str = ""):
        self.batches, self.cuts, self.mutant = batches, cuts, mutant

    def start(self) -> State:
        i, r = self.batches
        sides = (Side((Out(),) * i, (In(),) * r), Side((Out(),) * r, (In(),) * i))
        return State(sides, ((), ()), (frozenset(), frozenset()), self.cuts)

    @staticmethod
    def out(s: State, x: int, b: int, **changes) -> State:
        side = s.sides[x]
        side = side._replace(out=tuple(o._replace(**changes) if n == b else o for n, o in enumerate(side.out)))
        return s._replace(sides=(side, s.sides[R]) if x == I else (s.sides[I], side))

    @staticmethod
    def into(s: State, x: int, b: int, **changes) -> State:
        side = s.sides[x]
        side = side._replace(into=tuple(o._replace(**changes) if n == b else o for n, o in enumerate(side.into)))
        return s._replace(sides=(side, s.sides[R]) if x == I else (s.sides[I], side))

    def send(self, s: State, x: int, frame: str, b: int) -> State:
        if self.mutant == "either" and frame.startswith("CANCEL"):
            frame = "CANCEL 0"
        to_i, to_r = s.ways
        return s._replace(ways=((*to_i, (frame, b)), to_r) if x == R else (to_i, (*to_r, (frame, b))))

    @staticmethod
    def by_user(s: State, owner: int, b: int) -> State:
        return s._replace(ended=tuple(who | {b} if x == owner else who for x, who in enumerate(s.ended)))

    # --- moves ---------------------------------------------------------------------------

    def moves(self, s: State):
        for x in (I, R):
            yield from self.sender_acts(s, x)
            yield from self.receiver_acts(s, x)
            if s.ways[x]:
                (frame, b), left = s.ways[x][0], s.ways[x][1:]
                after = s._replace(ways=(left, s.ways[R]) if x == I else (s.ways[I], left))
                yield f"{SIDE[x]} reads {frame} {b}", AUTO, self.reads(after, x, frame, b)
        if s.cuts:
            yield "cut and resume", CHOICE, self.resumes(s)

    def sender_acts(self, s: State, x: int):
        before = OVER
        for b, batch in enumerate(s.sides[x].out):
            if batch.phase == NEVER and before == OVER:
                yield f"{SIDE[x]} offers {b}", CHOICE, self.send(self.out(s, x, b, phase=OFFERED), x, "OFFER", b)
            if batch.phase in (OFFERED, ACCEPTED):
                after = self.by_user(self.out(s, x, b, phase=OVER, ended=True), x, b)
                yield f"{SIDE[x]} ends its batch {b}", CHOICE, self.send(after, x, "CANCEL 1", b)
            before = batch.phase

    def receiver_acts(self, s: State, x: int):
        for b, batch in enumerate(s.sides[x].into):
            if batch.phase == OFFERED:
                yield f"{SIDE[x]} accepts {b}", CHOICE, self.send(self.into(s, x, b, phase=ACCEPTED), x, "ACCEPT", b)
            if batch.phase in (OFFERED, ACCEPTED):
                after = self.by_user(self.into(s, x, b, phase=OVER, again=CANCEL), 1 - x, b)
                word = "declines" if batch.phase == OFFERED else "ends what it receives,"
                yield f"{SIDE[x]} {word} {b}", CHOICE, self.send(after, x, CANCEL, b)

    def resumes(self, s: State) -> State:
        """What still arrives before a cut is read before it; the rest is lost, and each side says again what it must."""
        s = s._replace(ways=((), ()), cuts=s.cuts - 1)
        for x in (I, R):
            for b, batch in enumerate(s.sides[x].out):
                told = self.mutant != "silent"
                if not batch.heard and (batch.phase == OFFERED or batch.ended and self.mutant != "no_offer") and told:
                    s = self.send(s, x, "OFFER", b)
                if batch.ended and told:
                    s = self.send(s, x, "CANCEL 1", b)
            for b, batch in enumerate(s.sides[x].into):
                if batch.again and self.mutant != "silent":
                    s = self.send(s, x, batch.again, b)
                if batch.phase == ACCEPTED:
                    s = self.send(s, x, "ACCEPT", b)
        return s

    # --- reading -------------------------------------------------------------------------

    def reads(self, s: State, x: int, frame: str, b: int) -> State | Bad:
        if frame == "CANCEL 0":
            return self.either(s, x, b)
        return (self.receives if frame in ("OFFER", "FILE", "CANCEL 1") else self.hears)(s, x, frame, b)

    def receives(self, s: State, x: int, frame: str, b: int) -> State | Bad:
        """A frame of a batch's sender."""
        into = s.sides[x].into
        batch = into[b]
        if frame == "OFFER":
            if batch.phase != NEVER:
                return s
            if any(other.phase != OVER for other in into[:b]):
                return Bad(FATAL)
            return self.into(self.settled(s, x, b), x, b, phase=OFFERED)
        if batch.phase == NEVER or batch.phase == OFFERED and frame == "FILE":
            return Bad(FATAL)
        if batch.phase == OVER:
            return s
        if frame == "FILE":
            return self.send(self.into(self.settled(s, x, b), x, b, phase=OVER, again=DONE), x, DONE, b)
        if b not in s.ended[1 - x]:
            return Bad(ENDED)
        return self.into(s, x, b, phase=OVER)

    def settled(self, s: State, x: int, b: int) -> State:
        """The next offer, or an entry that begins, shows that all about earlier batches has arrived."""
        for earlier in range(b):
            s = self.into(s, x, earlier, again="")
        return s

    def hears(self, s: State, x: int, frame: str, b: int) -> State | Bad:
        """A frame of a batch's receiver."""
        batch = s.sides[x].out[b]
        if batch.phase == NEVER:
            return Bad(FATAL)
        # Only FILE_ACCEPT can come from a receiver that does not know of the end of this batch.
        knows = frame != "ACCEPT" or self.mutant in ("accept_knows", "no_answer")
        s = self.out(s, x, b, heard=True, ended=batch.ended and not knows)
        for earlier in range(b):
            s = self.out(s, x, earlier, heard=True, ended=False)
        if frame == "ACCEPT":
            if batch.phase == OVER:
                return s if self.mutant == "no_answer" else self.send(s, x, "CANCEL 1", b)
            return self.send(self.out(s, x, b, phase=ACCEPTED), x, "FILE", b)
        if batch.phase == OVER:
            return s
        if frame == DONE:
            return self.out(s, x, b, phase=OVER) if batch.phase == ACCEPTED else Bad(FATAL)
        if b not in s.ended[x]:
            return Bad(ENDED)
        return self.out(s, x, b, phase=OVER)

    def either(self, s: State, x: int, b: int) -> State | Bad:
        """A FILE_CANCEL that does not say whose batch it means ends both of that number."""
        out, into = s.sides[x].out, s.sides[x].into
        if b < len(out) and out[b].phase in (OFFERED, ACCEPTED):
            if b not in s.ended[x]:
                return Bad(ENDED)
            s = self.send(self.out(s, x, b, phase=OVER, ended=True), x, "CANCEL 1", b)
        if b < len(into) and into[b].phase in (OFFERED, ACCEPTED):
            if b not in s.ended[1 - x]:
                return Bad(ENDED)
            s = self.into(s, x, b, phase=OVER)
        return s

    # --- what must not be ----------------------------------------------------------------

    def always(self, s: State):
        return ()

    def rest(self, s: State):
        if any(s.ways):
            return
        for x in (I, R):
            for mine, theirs in zip(s.sides[x].out, s.sides[1 - x].into):
                if mine.phase in (OFFERED, ACCEPTED) and theirs.phase == OVER:
                    yield WAITS
                elif mine.phase == OVER and theirs.phase in (OFFERED, ACCEPTED):
                    yield WAITS_TOO
                elif mine.phase != theirs.phase and OVER not in (mine.phase, theirs.phase):
                    yield LOST


CASES = [
    Case("files", "a batch each way, two cuts", Files(cuts=2)),
    Case("files_two", "two batches one way, one the other, two cuts", Files(batches=(2, 1), cuts=2),
         small=Files(batches=(2, 0), cuts=2)),
    Case("files_three", "three batches one way, two cuts", Files(batches=(3, 0), cuts=2)),
    Case("files_either", "mutant: FILE_CANCEL does not say whose batch it means, no cut", Files(cuts=0, mutant="either"),
         (ENDED,)),
    Case("files_silent", "mutant: nothing but FILE_ACCEPT is said again", Files(mutant="silent"), (WAITS, WAITS_TOO, LOST, FATAL)),
    Case("files_no_offer", "mutant: FILE_CANCEL is said again without its offer", Files(mutant="no_offer"), (FATAL,)),
    Case("files_accept_knows", "mutant: FILE_CANCEL 1 is not said again once FILE_ACCEPT of that batch came",
         Files(batches=(2, 0), mutant="accept_knows"), (FATAL,)),
    Case("files_no_answer", "mutant: the same, and that FILE_ACCEPT is not answered", Files(mutant="no_answer"),
         (WAITS_TOO,)),
]

if __name__ == "__main__":
    main(CASES)
