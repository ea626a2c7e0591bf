#!/usr/bin/env python3
"""The session of one side as a table: state, event, next state, what is sent, what the program is told.

The table is explored with two such sides, whose connections break, and it is what `transitions.txt` holds; the
program's sessions are held to that file by its tests. At most one text is written in a room, mode is 0x00, and
a side sends what it has to send before the next event.

    session.py [WORD ...]     explores
    session.py --table        prints the table
    session.py --check        compares transitions.txt with it
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import wire
from explore import AUTO, CHOICE, Bad, Case, main
from wire import END, SIDE, Conns, I, R

OPENING, PAIRING, OPEN, AWAY, BACK, SAID_BYE, OVER, FATAL = (
    "opening", "pairing", "open", "away", "back", "BYE-out", "over", "fatal")

USER = ("confirms", "says", "rekeys", "leaves")
FRAMES = ("PAD", "SAS_OPEN", "VERIFIED", "TEXT 0", "TEXT 1", "RECEIPT 0", "RECEIPT 1", "BYE", "PING", "PONG", "PONG other",
          "RESUME 0", "RESUME 1", "RESUME 2", "RK_ASK", "RK1", "RK2", "RK3")
HARMLESS = ("PAD", "PING", "PONG", "PONG other")


class Side(NamedTuple):
    role: int
    at: str = OPENING
    mine: bool = False      # VERIFIED was sent, in a pairing
    theirs: bool = False    # VERIFIED was received, in a pairing or a return
    proved: bool = False    # something came that only an open room sends
    text: str = ""          # the text of the room: its own, written, sent or receipted, or got from the partner
    change: str = ""        # RK1 or RK2 is out, or RK_ASK
    older: bool = False     # R takes two keys
    by_older: bool = False  # the partner came by the older one
    leaving: bool = False   # BYE is to be said after a return

    def name(self) -> str:
        """The state in words, the stage first."""
        words = [self.at]
        if self.at in (PAIRING, BACK):
            words += ["mine"] * self.mine + ["theirs"] * self.theirs
        if self.at in (OPEN, AWAY, BACK):
            words += ["unproved"] * (not self.proved)
        words += [w for w in (self.text, self.change) if w]
        if self.older and self.change != "RK2-out":
            words.append("two-keys")
        words += ["by-older"] * self.by_older + ["leaving"] * self.leaving
        return " ".join(words)


class Step(NamedTuple):
    after: Side
    sent: tuple[str, ...] = ()
    told: tuple[str, ...] = ()


class Table:
    """What a side does with an event; `None` where the event is out of the table."""

    def __init__(self, mutant: str = ""):
        self.mutant = mutant

    def step(self, s: Side, event: str) -> Step | None:
        step = {OPENING: self.opening, PAIRING: self.pairing, OPEN: self.open, AWAY: self.away, BACK: self.back,
                SAID_BYE: self.said_bye}.get(s.at, lambda *_: None)(s, event)
        if step and step.after.at in (OVER, FATAL):
            return step._replace(after=Side(s.role, step.after.at))
        return step

    @staticmethod
    def fatal(s: Side) -> Step:
        return Step(s._replace(at=FATAL))

    @staticmethod
    def over(s: Side, *told: str) -> Step:
        return Step(s._replace(at=OVER), told=told)

    def bye(self, s: Side, *before: str) -> Step:
        at = SAID_BYE if s.at in (OPEN, BACK) else OVER
        return Step(s._replace(at=at, leaving=False, by_older=False), (*before, "BYE"))

    # --- before the room is open ---------------------------------------------------------

    def opening(self, s: Side, event: str) -> Step | None:
        """After record 3. SAS_OPEN is R's first frame."""
        if event in USER:
            return None
        if event == "lost":
            return self.over(s)
        if s.role == I:
            return Step(s._replace(at=PAIRING), told=("code",)) if event == "SAS_OPEN" else self.early(s, event)
        if event == "admits":
            return Step(s._replace(at=PAIRING), ("SAS_OPEN",), ("code",))
        if event in HARMLESS:
            return Step(s)
        return self.over(s, "left") if event == "BYE" else self.early(s, event)

    def early(self, s: Side, event: str) -> Step | None:
        return self.fatal(s) if event in FRAMES else None

    def pairing(self, s: Side, event: str) -> Step | None:
        if event == "confirms" and not s.mine:
            s, told = s._replace(mine=True), ("verified",)
            return self.opens(s, ("VERIFIED",), told) if s.theirs else Step(s, ("VERIFIED",), told)
        if event == "leaves":
            return self.bye(s)
        if event == "lost":
            return Step(Side(s.role, AWAY)) if s.mine else self.over(s)
        if event == "VERIFIED" and not s.theirs:
            s = s._replace(theirs=True)
            return self.opens(s, (), ()) if s.mine else Step(s)
        if event == "BYE":
            return self.over(s, "left")
        return Step(s) if event in HARMLESS else self.early(s, event)

    def opens(self, s: Side, sent: tuple, told: tuple) -> Step:
        ping = () if self.mutant == "no_ping" else ("PING",)
        return Step(Side(s.role, OPEN), (*sent, *ping), told)

    # --- the open room -------------------------------------------------------------------

    def open(self, s: Side, event: str) -> Step | None:
        if event == "leaves":
            return self.bye(s)
        if event == "lost":
            return Step(self.lost(s))
        if event in ("returns", "returns by-older"):
            return self.away(self.lost(s), event)
        if event == "says":
            free = not s.text and s.proved
            return Step(s._replace(text="sent"), ("TEXT 0",)) if free else None
        if event == "rekeys":
            if s.change:
                return None
            ask = s.role == R
            return Step(s._replace(change="RK_ASK-out" if ask else "RK1-out"), ("RK_ASK" if ask else "RK1",))
        if event in ("PAD", "PONG other"):
            return Step(s)
        if event == "PING":
            return Step(s, ("PONG",))
        if event == "BYE":
            return self.over(s, *(("left",) if s.proved else ("opened", "left")))
        step = self.taken(s, event)
        if step and step.after.at != FATAL and not s.proved:
            return step._replace(after=step.after._replace(proved=True), told=("opened", *step.told))
        return step

    def taken(self, s: Side, event: str) -> Step | None:
        """A frame that only an open room sends."""
        if event == "PONG":
            return Step(s)
        if event == "TEXT 0":
            if s.text in ("", "got"):
                return Step(s) if s.text else Step(s._replace(text="got"), ("RECEIPT 0",), ("text",))
            return None
        if event == "TEXT 1":
            return None if s.text == "got" else self.fatal(s)
        if event == "RECEIPT 0" and s.text in ("sent", "receipted"):
            return Step(s._replace(text="receipted"), told=("delivered",) if s.text == "sent" else ())
        if event == "RK_ASK" and s.role == I:
            return Step(s) if s.change else Step(s._replace(change="RK1-out"), ("RK1",))
        if event == "RK1" and s.role == R and s.change != "RK2-out":
            if s.change and self.mutant == "ask_waits":
                return self.fatal(s)
            older = self.mutant != "drops_older"
            return Step(s._replace(change="RK2-out", older=older), ("RK2",), ("keys",))
        if event == "RK2" and s.role == I and s.change:
            return Step(s._replace(change=""), ("RK3",), ("keys",))
        if event == "RK3" and s.change == "RK2-out":
            return Step(s._replace(change="", older=False), (), ("keys",))
        return self.early(s, event)

    def said_bye(self, s: Side, event: str) -> Step | None:
        """After one's own BYE: what was delivered still counts, and nothing is sent."""
        if event == "BYE":
            return self.over(s)
        if event in ("RECEIPT 0", "RECEIPT 1"):
            return self.taken(s, event)
        if event in ("RK2", "RK3"):
            return self.taken(s, event)._replace(sent=())
        return Step(s) if event in FRAMES else None

    # --- a room without a connection, and the return -------------------------------------

    def lost(self, s: Side) -> Side:
        return s._replace(at=AWAY, theirs=False, change="", by_older=False)

    def unconnected(self, s: Side, event: str) -> Step | None:
        if event == "says" and s.proved and not s.text and not s.leaving:
            return Step(s._replace(text="written"))
        if event == "leaves" and not s.leaving:
            return Step(s._replace(leaving=True))
        if event == "returns by-older" and not s.older:
            return None
        if event in ("returns", "returns by-older"):
            return Step(s._replace(at=BACK, theirs=False, by_older=event.endswith("older")), ("VERIFIED",))
        return None

    def away(self, s: Side, event: str) -> Step | None:
        return self.unconnected(s, event)

    def back(self, s: Side, event: str) -> Step | None:
        """VERIFIED is out, by itself. RESUME follows once the partner's VERIFIED is there."""
        if event == "lost":
            return Step(self.lost(s))
        if event in ("returns", "returns by-older"):
            return self.unconnected(self.lost(s), event)
        if event in USER:
            return self.unconnected(s, event)
        if event == "BYE":
            return self.over(s, "left")
        if event == "VERIFIED" and not s.theirs:
            told = ("keys",) if s.older else ()
            s = s._replace(theirs=True, older=False, by_older=False)
            return Step(s, (f"RESUME {int(s.text == 'got')}",), told)
        if event.startswith("RESUME") and s.theirs:
            return self.resumes(s, int(event[-1]))
        return Step(s) if event in HARMLESS else self.early(s, event)

    def resumes(self, s: Side, next_id: int) -> Step:
        if not (s.text == "receipted") <= next_id <= (s.text in ("sent", "receipted")):
            return self.fatal(s)
        told = ("resumed",) if s.proved else ("opened", "resumed")
        sent = ("RECEIPT 0",) if s.text == "got" and self.mutant != "no_receipt_again" else ()
        if s.text == "written" or s.text == "sent" and next_id == 0 and self.mutant != "no_text_again":
            s, sent = s._replace(text="sent"), ("TEXT 0",)
        leaving, s = s.leaving, s._replace(at=OPEN, theirs=False, proved=True, leaving=False)
        step = self.bye(s, *sent) if leaving else Step(s, sent)
        return step._replace(told=told)


# --- two sides -----------------------------------------------------------------------------

GIVEN_UP = "one side holds the room open, the other has given it up"
UNPROVED = "both are in the room on one connection, and one does not know that the other is"
UNSENT = "a text never arrives though both are in the room"
UNRECEIPTED = "a text was delivered, and its writer never learns it"
CHANGING = "an epoch change never ends"
MET = "an honest side meets a frame that is fatal"
STRANGERS = "I comes back by a key that R does not take"


class State(NamedTuple):
    sides: tuple[Side, Side]
    conns: Conns
    used: tuple[int, int]   # the connection that each side is on
    cuts: int
    ahead: int = 0          # by how many keys R's newest is newer than I's
    dial: int = 0           # I's connection that waits for SAS_OPEN


class Sessions:
    """Two sides that go by the table."""

    def __init__(self, *, cuts: int = 1, mutant: str = ""):
        self.cuts, self.table = cuts, Table(mutant)

    def start(self) -> State:
        conns, _ = wire.dial((), back=False)
        return State((Side(I), Side(R)), (conns[0]._replace(to_r=()),), (1, 1), self.cuts)

    def moves(self, s: State) -> Iterator:
        for label, kind, after in self.steps(s):
            yield label, kind, after if isinstance(after, Bad) else self.tidy(after)

    @staticmethod
    def tidy(s: State) -> State:
        conns, new = wire.numbered(s.conns, {*s.used, s.dial})
        return s._replace(conns=conns, used=tuple(new[n] for n in s.used), dial=new[s.dial])

    def steps(self, s: State) -> Iterator:
        for x in (I, R):
            for event in (*USER, "admits"):
                # rooms.py explores how a room ends, and with more texts.
                left_out = event == "leaves" or event == "says" and s.sides[1 - x].text
                if not left_out and self.table.step(s.sides[x], event):
                    kind = AUTO if event == "admits" else CHOICE
                    yield f"{SIDE[x]} {event}", kind, self.does(s, x, event)
        if s.sides[I].at == AWAY and not s.dial and s.sides[R].at in (AWAY, BACK, OPEN):
            conns, number = wire.dial(s.conns)
            yield "I dials", AUTO, s._replace(conns=conns, dial=number)
        for conn, x, frame, conns in wire.readable(s.conns):
            yield f"{SIDE[x]} reads {frame}", AUTO, self.reads(s._replace(conns=conns), x, conn.number, frame)
        if s.cuts:
            for label, _, conns in wire.cuts(s.conns):
                yield label, CHOICE, s._replace(conns=conns, cuts=s.cuts - 1)

    def does(self, s: State, x: int, event: str) -> State | Bad:
        step = self.table.step(s.sides[x], event)
        if step.after.at == FATAL:
            return Bad(MET)
        ahead = s.ahead + (event == "RK1") - (event == "RK2") - (event == "VERIFIED" and s.sides[x].by_older)
        sides = (step.after, s.sides[R]) if x == I else (s.sides[I], step.after)
        return s._replace(sides=sides, ahead=ahead, conns=wire.send(s.conns, s.used[x], 1 - x, *step.sent))

    def reads(self, s: State, x: int, number: int, frame: str) -> State | Bad:
        if frame == "record 3":
            return self.host_takes(s, number)
        if number == s.dial and x == I:
            if frame == END:
                return s._replace(dial=0)
            return self.does(s._replace(dial=0, used=(number, s.used[R])), I, "returns")
        if number != s.used[x] or s.sides[x].at == OVER:
            return s
        if frame != END:
            return self.does(s, x, frame)
        used = (0, s.used[R]) if x == I else (s.used[I], 0)
        return self.does(s._replace(conns=wire.close(s.conns, number, x)), x, "lost")._replace(used=used)

    def host_takes(self, s: State, number: int) -> State | Bad:
        r = s.sides[R]
        if r.at not in (AWAY, BACK, OPEN):
            return s._replace(conns=wire.close(s.conns, number, R))
        if s.ahead not in (0, int(r.older)):
            return Bad(STRANGERS)
        conns = wire.close(s.conns, s.used[R], R) if s.used[R] else s.conns
        s = s._replace(conns=wire.send(conns, number, I, "SAS_OPEN"), used=(s.used[I], number))
        return self.does(s, R, "returns by-older" if s.ahead else "returns")

    def always(self, s: State) -> Iterator[str]:
        return iter(())

    def rest(self, s: State) -> Iterator[str]:
        for me, other in (s.sides, s.sides[::-1]):
            if me.at in (OPEN, AWAY, BACK) and me.proved and other.at == OVER:
                yield GIVEN_UP
            if me.at == other.at == OPEN:
                if not me.proved:
                    yield UNPROVED
                if me.text in ("written", "sent") and other.text != "got":
                    yield UNSENT
                if me.text == "sent" and other.text == "got":
                    yield UNRECEIPTED
                if me.change:
                    yield CHANGING


CASES = [
    Case("session", "two sides that go by the table, two cuts", Sessions(cuts=2), small=Sessions(cuts=1)),
    Case("session_no_ping", "mutant: no PING on opening", Sessions(mutant="no_ping"), (UNPROVED,)),
    Case("session_no_text_again", "mutant: a text is not said again", Sessions(mutant="no_text_again"), (UNSENT,)),
    Case("session_no_receipt_again", "mutant: a receipt is not said again", Sessions(mutant="no_receipt_again"),
         (UNRECEIPTED,)),
    Case("session_ask_waits", "mutant: R takes no RK1 while its RK_ASK is out", Sessions(cuts=0, mutant="ask_waits"), (MET,)),
    Case("session_drops_older", "mutant: R drops the older key at RK2", Sessions(mutant="drops_older"), (STRANGERS,)),
]


# --- the table as text ---------------------------------------------------------------------

EVENTS = ("admits", *USER, "lost", "returns", "returns by-older", *FRAMES)
TABLE = Path(__file__).with_name("transitions.txt")


def rows() -> list[str]:
    """A row for each state and outcome: the events that have it stand together."""
    table, lines = Table(), []
    for role in (I, R):
        todo = deque([Side(role)])
        seen = {todo[0]}
        while todo:
            state = todo.popleft()
            outcomes: dict[tuple, list[str]] = {}
            for event in EVENTS:
                if step := table.step(state, event):
                    outcomes.setdefault(step, []).append(event)
                    if step.after not in seen:
                        seen.add(step.after)
                        todo.append(step.after)
            for step, events in outcomes.items():
                after = "=" if step.after == state else step.after.name()
                columns = (SIDE[role], state.name(), "; ".join(events), after,
                           "; ".join(step.sent) or "-", "; ".join(step.told) or "-")
                lines.append(" | ".join(columns))
    return lines


def text() -> str:
    head = [
        "# The session of a tete/1 side. Printed by docs/formal/session.py, which explores it; do not edit.",
        "# role | state | events | next state (= for the same) | what is sent | what the program is told",
    ]
    return "\n".join([*head, *rows(), ""])


if __name__ == "__main__":
    if "--table" in sys.argv:
        print(text(), end="")
    elif "--check" in sys.argv:
        if TABLE.read_text() != text():
            sys.exit("transitions.txt is not what session.py --table prints")
    else:
        main(CASES)
