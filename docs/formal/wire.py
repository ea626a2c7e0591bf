"""Connections between a caller I and a host R: two streams of frames, each with an end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

END = "end"
I, R = 0, 1
SIDE = ("I", "R")


class Conn(NamedTuple):
    """What is under way on one connection; `None` where the reader has closed."""

    number: int
    back: bool              # in mode 0x02
    to_i: tuple | None
    to_r: tuple | None
    caller: int = 0


Conns = tuple[Conn, ...]


def way(conn: Conn, to: int) -> tuple | None:
    return conn.to_r if to else conn.to_i


def with_way(conn: Conn, to: int, frames: tuple | None) -> Conn:
    return conn._replace(to_r=frames) if to else conn._replace(to_i=frames)


def put(conns: Conns, old: Conn, new: Conn) -> Conns:
    return tuple(new if conn is old else conn for conn in conns)


def send(conns: Conns, number: int, to: int, *frames) -> Conns:
    """Sends frames; none goes behind an end or to one who has closed."""
    for conn in conns:
        if conn.number == number:
            queue = way(conn, to)
            if queue is None or END in queue:
                return conns
            return put(conns, conn, with_way(conn, to, queue + frames))
    return conns


def close(conns: Conns, number: int, by: int) -> Conns:
    """Closes one side's end: the other reads what is under way to it, then the end."""
    conns = send(conns, number, 1 - by, END)
    return tuple(with_way(conn, by, None) if conn.number == number else conn for conn in conns)


def dial(conns: Conns, caller: int = 0, back: bool = True) -> tuple[Conns, int]:
    """A connection whose record 3 is under way. What comes before it changes nothing here."""
    number = max((conn.number for conn in conns), default=0) + 1
    return (*conns, Conn(number, back, (), ("record 3",), caller)), number


def readable(conns: Conns) -> Iterator[tuple[Conn, int, object, Conns]]:
    """Each frame that can be read next: its connection, who reads it, and what is left."""
    for conn in conns:
        for to in (I, R):
            if queue := way(conn, to):
                left = with_way(conn, to, queue[1:])
                yield left, to, queue[0], put(conns, conn, left)


def cuts(conns: Conns) -> Iterator[tuple[str, list, Conns]]:
    """Each way a connection can break: any end of each stream is lost."""
    for conn in conns:
        if all(queue is None or queue == (END,) for queue in (conn.to_i, conn.to_r)):
            continue
        for to_i, lost_i in _ends(conn.to_i):
            for to_r, lost_r in _ends(conn.to_r):
                said = ", ".join(f"{_said(queue)} still reaches {side}"
                                 for queue, side in ((to_i, "I"), (to_r, "R")) if queue is not None)
                yield f"cut ({said})", lost_i + lost_r, put(conns, conn, conn._replace(to_i=to_i, to_r=to_r))


def _ends(queue: tuple | None) -> Iterable[tuple[tuple | None, list]]:
    if queue is None:
        return [(None, [])]
    frames = tuple(frame for frame in queue if frame != END)
    return [((*frames[:n], END), list(frames[n:])) for n in range(len(frames) + 1)]


def _said(queue: tuple) -> str:
    return ", ".join(map(said, queue[:-1])) or "nothing"


def said(frame) -> str:
    """A frame as it stands in a trace."""
    return frame if isinstance(frame, str) else " ".join(map(str, frame))


def numbered(conns: Conns, used: set[int]) -> tuple[Conns, dict[int, int]]:
    """Forgets connections on which nothing can happen any more; numbers the others from 1."""
    kept = [conn for conn in conns if conn.to_i or conn.to_r or conn.number in used]
    new = {0: 0} | {conn.number: n for n, conn in enumerate(kept, 1)}
    return tuple(conn._replace(number=new[conn.number]) for conn in kept), new
