#!/usr/bin/env python3
"""An epoch change in a running connection (section 9).

Both sides are honest. Texts go both ways meanwhile, R asks for changes, and once the connection breaks
and is resumed. A record carries the epoch of the key that sealed it, and has to be opened with that key.
resume_psk goes along: it is named by the connection and the epoch that made it.

    epochs.py [WORD ...]
"""

from __future__ import annotations

from typing import NamedTuple

from explore import AUTO, CHOICE, Bad, Case, main
from wire import SIDE, I, R

# The state of a change. I: RK1 is out; RK2 was read and RK3 is owed. R: RK_ASK is out; RK2 is owed; RK2 is out.
NONE, WANTED, BEGUN, FINISH = "none", "wanted", "RK1 out", "RK3 owed"
ASKED, ANSWER, ANSWERED = "RK_ASK out", "RK2 owed", "RK2 out"


class Side(NamedTuple):
    sends: int = 0          # epoch of the next record that it seals
    opens: int = 0          # epoch of the next record that it opens
    change: str = NONE
    texts: int = 0          # texts to be written
    psks: tuple = ((0, 0),)  # the resume_psk that it uses, or takes, newest last


class State(NamedTuple):
    sides: tuple[Side, Side]
    ways: tuple[tuple, tuple]   # what is under way to I, to R: (frame, epoch)
    changes: int
    asks: int
    cuts: int
    conn: int = 0


KEY = "a record is opened with the key of another epoch"
TURN = "an RK frame comes out of turn"
APART = "at rest the two sides are in different epochs"
HANGS = "a change never ends"
UNANSWERED = "R asks, and no change comes"
STRANGERS = "after a loss both sides have no common resume_psk"
OLD = "an old resume_psk still opens the room at rest"


class Epochs:
    """The five steps of section 9; `mutant` changes one."""

    def __init__(self, *, texts: int = 2, changes: int = 2, asks: int = 1, cuts: int = 1, mutant: str = ""):
        self.texts, self.changes, self.asks, self.cuts, self.mutant = texts, changes, asks, cuts, mutant

    def start(self) -> State:
        side = Side(texts=self.texts)
        return State((side, side), ((), ()), self.changes, self.asks, self.cuts)

    @staticmethod
    def set(s: State, x: int, **changes) -> State:
        side = s.sides[x]._replace(**changes)
        return s._replace(sides=(side, s.sides[R]) if x == I else (s.sides[I], side))

    @staticmethod
    def seal(s: State, x: int, frame: str, epoch: int | None = None) -> State:
        record = (frame, s.sides[x].sends if epoch is None else epoch)
        to_i, to_r = s.ways
        return s._replace(ways=((*to_i, record), to_r) if x == R else (to_i, (*to_r, record)))

    # --- moves ---------------------------------------------------------------------------

    def moves(self, s: State):
        i, r = s.sides
        for x, me in ((I, i), (R, r)):
            if me.texts:
                yield f"{SIDE[x]} TEXT", AUTO, self.set(self.seal(s, x, "TEXT"), x, texts=me.texts - 1)
        if s.changes and i.change == NONE:
            yield "I wants a change", CHOICE, self.begins(s)
        if i.change == WANTED:
            yield "I does as R asks", AUTO, self.begins(s) if s.changes else self.set(s, I, change=NONE)
        if i.change == FINISH:
            yield "I sends RK3", AUTO, self.finishes(s)
        if s.asks and r.change == NONE:
            yield "R asks", CHOICE, self.set(self.seal(s, R, "RK_ASK"), R, change=ASKED)._replace(asks=s.asks - 1)
        if r.change == ANSWER:
            yield "R sends RK2", AUTO, self.answers(s)
        for x in (I, R):
            if s.ways[x]:
                (frame, epoch), left = s.ways[x][0], s.ways[x][1:]
                after = s._replace(ways=(left, s.ways[R]) if x == I else (s.ways[I], left))
                opened = Bad(KEY) if epoch != s.sides[x].opens else self.reads(after, x, frame)
                yield f"{SIDE[x]} reads {frame}", AUTO, opened
        if s.cuts:
            yield "cut and resume", CHOICE, self.resumes(s)

    def begins(self, s: State) -> State:
        i = s.sides[I]
        s = self.set(self.seal(s, I, "RK1"), I, change=BEGUN)._replace(changes=s.changes - 1)
        if self.mutant == "i_opens_early":
            s = self.set(s, I, opens=i.opens + 1)
        return self.set(s, I, sends=i.sends + 1) if self.mutant == "i_sends_early" else s

    def answers(self, s: State) -> State:
        r = s.sides[R]
        s = self.seal(s, R, "RK2")
        sends = r.sends if self.mutant == "r_sends_late" else r.sends + 1
        opens = r.opens + 1 if self.mutant in ("r_opens_early", "no_rk3") else r.opens
        new = (s.conn, r.sends + 1)
        psks = (new,) if self.mutant in ("drops_old", "no_rk3") else (*r.psks, new)
        return self.set(s, R, sends=sends, opens=opens, psks=psks, change=NONE if self.mutant == "no_rk3" else ANSWERED)

    def finishes(self, s: State) -> State:
        i = s.sides[I]
        if self.mutant == "no_rk3":
            return self.set(s, I, sends=i.sends + 1, change=NONE)
        if self.mutant == "i_sends_early":
            return self.set(self.seal(s, I, "RK3", i.sends - 1), I, change=NONE)
        new = i.sends + 1 if self.mutant == "new_rk3" else None
        return self.set(self.seal(s, I, "RK3", new), I, sends=i.sends + 1, change=NONE)

    def reads(self, s: State, x: int, frame: str) -> State | Bad:
        me = s.sides[x]
        if frame == "RK_ASK":
            return self.set(s, I, change=WANTED) if me.change == NONE else s
        if frame == "RK1":
            may = (NONE,) if self.mutant == "ask_waits" else (NONE, ASKED)
            return self.set(s, R, change=ANSWER) if me.change in may else Bad(TURN)
        if frame == "RK2":
            if me.change != BEGUN:
                return Bad(TURN)
            opens = me.opens if self.mutant == "i_opens_early" else me.opens + 1
            newest = me.psks if self.mutant == "i_keeps_old" else ((s.conn, me.opens + 1),)
            return self.set(s, I, opens=opens, psks=newest, change=FINISH)
        if frame == "RK3":
            if me.change != ANSWERED:
                return Bad(TURN)
            sends = me.sends + 1 if self.mutant == "r_sends_late" else me.sends
            opens = me.opens if self.mutant == "r_opens_early" else me.opens + 1
            psks = me.psks if self.mutant == "keeps_old" else me.psks[-1:]
            return self.set(s, R, opens=opens, sends=sends, psks=psks, change=NONE)
        return s

    def resumes(self, s: State) -> State | Bad:
        """What still arrives before a cut is read before it; the rest is lost. The new connection begins at epoch 0."""
        used = s.sides[I].psks
        if used[0] not in s.sides[R].psks:
            return Bad(STRANGERS)
        for x in (I, R):
            change = s.sides[x].change if self.mutant == "survives" else NONE
            s = self.set(s, x, sends=0, opens=0, psks=used, change=change)
        return s._replace(ways=((), ()), cuts=s.cuts - 1, conn=s.conn + 1)

    # --- what must not be ----------------------------------------------------------------

    def always(self, s: State):
        return ()

    def rest(self, s: State):
        i, r = s.sides
        if i.change != NONE or r.change == ANSWERED:
            yield HANGS
        elif r.change == ASKED:
            if s.changes:
                yield UNANSWERED
        elif i.sends != r.opens or r.sends != i.opens:
            yield APART
        elif i.psks != r.psks:
            yield OLD


CASES = [
    Case("epochs", "two changes, two texts each way, an RK_ASK, a cut and a resume", Epochs(), small=Epochs(texts=1)),
    Case("epochs_three", "three changes, two RK_ASK, two cuts", Epochs(texts=2, changes=3, asks=2, cuts=2),
         small=Epochs(texts=0, changes=3, asks=2, cuts=2)),
    Case("epochs_i_opens_early", "mutant: I receives under the new key from RK1 on", Epochs(mutant="i_opens_early"), (KEY,)),
    Case("epochs_i_sends_early", "mutant: I sends under the new key right after RK1", Epochs(mutant="i_sends_early"), (KEY,)),
    Case("epochs_r_sends_late", "mutant: R changes its sending key at RK3", Epochs(mutant="r_sends_late"), (KEY,)),
    Case("epochs_r_opens_early", "mutant: R changes its receiving key at RK2", Epochs(mutant="r_opens_early"), (KEY,)),
    Case("epochs_new_rk3", "mutant: RK3 goes under the new key", Epochs(mutant="new_rk3"), (KEY,)),
    Case("epochs_no_rk3", "mutant: no RK3", Epochs(cuts=0, mutant="no_rk3"), (KEY, UNANSWERED)),
    Case("epochs_survives", "mutant: a change under way survives a resume", Epochs(mutant="survives"), (TURN, HANGS, UNANSWERED)),
    Case("epochs_ask_waits", "mutant: R takes no RK1 while its RK_ASK is out", Epochs(mutant="ask_waits"), (TURN,)),
    Case("epochs_drops_old", "mutant: R drops the old resume_psk at RK2", Epochs(mutant="drops_old"), (STRANGERS,)),
    Case("epochs_i_keeps_old", "mutant: I does not replace its resume_psk", Epochs(mutant="i_keeps_old"), (STRANGERS, OLD)),
    Case("epochs_keeps_old", "mutant: R keeps the old resume_psk after RK3", Epochs(mutant="keeps_old"), (OLD,)),
]

if __name__ == "__main__":
    main(CASES)
