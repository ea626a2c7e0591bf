#!/usr/bin/env python3
"""The key that brings I back: a resume_psk for every epoch (sections 5, 8 and 9).

Both sides are honest. The connection breaks at any moment, in an epoch change and in a return; I may
dial beside a connection that it doubts. Each key is a number; a higher one is newer.

    resumekey.py [WORD ...]
"""

from __future__ import annotations

from typing import NamedTuple

import wire
from explore import AUTO, CHOICE, Bad, Case, main
from wire import END, SIDE, Conn, Conns, I, R


class Caller(NamedTuple):
    """I. It has one key, the newest."""

    key: int = 0
    conn: int = 1           # the connection in use
    dial: int = 0           # a connection in mode 0x02 that waits for SAS_OPEN
    changing: bool = False  # RK1 is out


class Host(NamedTuple):
    """R. It takes two keys while it cannot know which one I has."""

    keys: tuple[int, ...] = (0,)
    conn: int = 1
    entered: int = 0        # the key by which the connection was entered
    verified: bool = True   # VERIFIED came on this connection
    changing: bool = False  # RK2 is out


class State(NamedTuple):
    i: Caller
    r: Host
    conns: Conns
    changes: int
    cuts: int
    doubts: int
    newest: int = 0


STRANGERS = "I has a key that R does not take"
THREE = "R takes more than two keys"
OLD = "R takes an old key at rest"
APART = "both are in the room and do not meet"
TURN = "an RK frame comes out of turn"


class ResumeKey:
    """The rules; `mutant` changes one."""

    def __init__(self, *, changes: int = 3, cuts: int = 2, doubts: int = 0, mutant: str = ""):
        self.changes, self.cuts, self.doubts, self.mutant = changes, cuts, doubts, mutant

    def start(self) -> State:
        return State(Caller(), Host(), (Conn(1, False, (), ()),), self.changes, self.cuts, self.doubts)

    # --- moves ---------------------------------------------------------------------------

    def moves(self, s: State):
        for label, kind, after in self.steps(s):
            yield label, kind, after if isinstance(after, Bad) else self.tidy(after)

    @staticmethod
    def tidy(s: State) -> State:
        conns, new = wire.numbered(s.conns, {s.i.conn, s.i.dial, s.r.conn})
        return s._replace(conns=conns, i=s.i._replace(conn=new[s.i.conn], dial=new[s.i.dial]),
                          r=s.r._replace(conn=new[s.r.conn]))

    def steps(self, s: State):
        i = s.i
        if i.conn and not i.changing and s.changes:
            new = s.newest + 1
            begun = s._replace(i=i._replace(changing=True), newest=new, changes=s.changes - 1)
            yield "I sends RK1", CHOICE, self.send(begun, i.conn, R, ("RK1", new))
        # A call by a key that R does not take changes nothing.
        if not i.dial and (not i.conn or s.doubts) and i.key in s.r.keys:
            conns, number = wire.dial(s.conns, i.key)
            after = s._replace(conns=conns, doubts=s.doubts - bool(i.conn))
            kind = CHOICE if i.conn else AUTO
            yield f"I dials with key {i.key}", kind, after._replace(i=i._replace(dial=number))
        for conn, to, frame, conns in wire.readable(s.conns):
            after = s._replace(conns=conns)
            read = self.host_reads if to == R else self.caller_reads
            yield f"{SIDE[to]} reads {wire.said(frame)}", AUTO, read(after, conn, frame)
        if s.cuts:
            for label, _, conns in wire.cuts(s.conns):
                yield label, CHOICE, s._replace(conns=conns, cuts=s.cuts - 1)

    @staticmethod
    def send(s: State, number: int, to: int, *frames) -> State:
        return s._replace(conns=wire.send(s.conns, number, to, *frames))

    @staticmethod
    def close(s: State, number: int, by: int) -> State:
        return s._replace(conns=wire.close(s.conns, number, by)) if number else s

    # --- I -------------------------------------------------------------------------------

    def caller_reads(self, s: State, conn: Conn, frame) -> State | Bad:
        i = s.i
        if conn.number == i.dial:
            if frame == END:
                return self.close(s._replace(i=i._replace(dial=0)), conn.number, I)
            s = self.close(s, i.conn, I)
            s = s._replace(i=i._replace(conn=i.dial, dial=0, changing=False))
            return self.send(s, conn.number, R, "VERIFIED")
        if conn.number != i.conn or frame == "VERIFIED":
            return s
        if frame == END:
            return self.close(s._replace(i=i._replace(conn=0, changing=False)), conn.number, I)
        if not i.changing:
            return Bad(TURN)
        s = s._replace(i=i._replace(changing=False, key=frame[1]))
        if i.dial and self.mutant != "goes_on":
            # An attempt with an older key is dropped.
            s = self.close(s._replace(i=s.i._replace(dial=0)), i.dial, I)
        return self.send(s, i.conn, R, ("RK3", frame[1]))

    # --- R -------------------------------------------------------------------------------

    def host_reads(self, s: State, conn: Conn, frame) -> State | Bad:
        r = s.r
        if frame == "record 3":
            return self.takes(s, conn)
        if conn.number != r.conn:
            return s
        if frame == END:
            keys = r.keys[-1:] if self.mutant == "loss_new" else r.keys[:1] if self.mutant == "loss_old" else r.keys
            return self.close(s._replace(r=r._replace(conn=0, changing=False, keys=keys)), conn.number, R)
        if frame == "VERIFIED":
            keys = r.keys if self.mutant == "never" else (r.entered,)
            return s._replace(r=r._replace(verified=True, keys=keys))
        kind, key = frame
        if not r.verified or r.changing != (kind == "RK3"):
            return Bad(TURN)
        if kind == "RK3":
            keys = r.keys if self.mutant == "never" else (key,)
            return s._replace(r=r._replace(changing=False, keys=keys))
        keys = (key,) if self.mutant == "drops" else (*r.keys, key)
        return self.send(s._replace(r=r._replace(changing=True, keys=keys)), r.conn, I, ("RK2", key))

    def takes(self, s: State, conn: Conn) -> State:
        """The handshake of a return fits if the caller's key is one that R takes."""
        key, r = conn.caller, s.r   # it calls by its key
        if key not in r.keys:
            return self.close(s, conn.number, R)
        s = self.close(s, r.conn, R)
        keys = (key,) if self.mutant == "record_3" else r.keys
        s = s._replace(r=r._replace(conn=conn.number, entered=key, verified=False, changing=False, keys=keys))
        return self.send(s, conn.number, I, "SAS_OPEN", "VERIFIED")

    # --- what must not be ----------------------------------------------------------------

    def always(self, s: State):
        if s.i.key not in s.r.keys:
            yield STRANGERS
        if len(s.r.keys) > 2:
            yield THREE

    def rest(self, s: State):
        if s.i.conn != s.r.conn or not s.i.conn:
            yield APART
        elif len(s.r.keys) > 1:
            yield OLD


CASES = [
    Case("resumekey", "three changes, two cuts", ResumeKey(), small=ResumeKey(changes=2)),
    Case("resumekey_beside", "two changes, one cut, I dials twice beside a living connection",
         ResumeKey(changes=2, cuts=1, doubts=2), small=ResumeKey(changes=2, cuts=1, doubts=1)),
    Case("resumekey_drops", "mutant: R drops the old key at RK2", ResumeKey(mutant="drops"), (STRANGERS, APART)),
    Case("resumekey_never", "mutant: R never drops an old key", ResumeKey(mutant="never"), (THREE, OLD)),
    Case("resumekey_loss_new", "mutant: R keeps the new key only when the connection is lost",
         ResumeKey(mutant="loss_new"), (STRANGERS, APART)),
    Case("resumekey_loss_old", "mutant: R keeps the old key only when the connection is lost",
         ResumeKey(mutant="loss_old"), (STRANGERS, APART)),
    Case("resumekey_record_3", "mutant: R drops the other key at record 3, before I's VERIFIED",
         ResumeKey(changes=1, doubts=1, mutant="record_3"), (STRANGERS, APART)),
    Case("resumekey_goes_on", "mutant: I goes on with an attempt whose key is not its newest",
         ResumeKey(changes=1, doubts=1, mutant="goes_on"), (STRANGERS, APART)),
]

if __name__ == "__main__":
    main(CASES)
