"""Visits every state a model can reach, and tells what is wrong in them.

A model has `start()`, `moves(state)`, and if it likes `always(state)` and `rest(state)`:

- `moves` yields `(label, kind, next state)`. The kind is `AUTO` for what happens by itself sooner
  or later (a record is read, a clock runs out) and `CHOICE` for what may never happen (a user
  acts, a connection breaks). In place of a state it may yield a `Bad`.
- `always` yields what is wrong with any state, `rest` what is wrong with one in which nothing
  happens by itself any more.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Protocol

AUTO, CHOICE = "auto", "choice"
TRACE = 14


@dataclass(frozen=True)
class Bad:
    """What is wrong, as one sentence without figures."""

    what: str


Move = tuple[str, str, "Hashable | Bad"]


class Model(Protocol):
    def start(self) -> Hashable: ...
    def moves(self, state) -> Iterator[Move]: ...
    def always(self, state) -> Iterator[str]: ...
    def rest(self, state) -> Iterator[str]: ...


@dataclass(frozen=True)
class Case:
    """One model and what has to come out: nothing wrong, or each of `fails` and nothing else."""

    name: str
    what: str
    model: Model
    fails: tuple[str, ...] = ()


@dataclass
class Found:
    """All that was reached."""

    states: int
    resting: int
    bad: dict[str, list[str]]


def explore(model: Model) -> Found:
    """Visits all states breadth first, so that each trace is a shortest one."""
    start = model.start()
    came: dict[Hashable, tuple[Hashable, str] | None] = {start: None}
    todo = deque([start])
    bad: dict[str, list[str]] = {}
    resting = 0

    def trace(state: Hashable) -> list[str]:
        steps = []
        while (step := came[state]) is not None:
            state, label = step
            steps.append(label)
        return steps[::-1]

    while todo:
        state = todo.popleft()
        rests = True
        for label, kind, after in model.moves(state):
            if isinstance(after, Bad):
                if after.what not in bad:
                    bad[after.what] = [*trace(state), label]
                continue
            rests = rests and (kind != AUTO or after == state)
            if after not in came:
                came[after] = (state, label)
                todo.append(after)
        wrong = list(model.always(state))
        if rests:
            resting += 1
            wrong += model.rest(state)
        for what in wrong:
            if what not in bad:
                bad[what] = trace(state)
    return Found(len(came), resting, bad)


def run(cases: list[Case], words: list[str] | None = None) -> tuple[int, int]:
    """Explores the cases with one of the words in their name, or all; returns passed and failed."""
    passed = failed = 0
    for case in cases:
        if words and not any(word in case.name for word in words):
            continue
        began = time.monotonic()
        found = explore(case.model)
        right = set(found.bad) == set(case.fails)
        passed, failed = passed + right, failed + (not right)
        seconds = time.monotonic() - began
        fails = f", fails in {len(case.fails)}" if case.fails else ""
        print(f"{'ok  ' if right else 'DIFF'} {case.name:34} {found.states:7} states {found.resting:6} at rest "
              f"{seconds:5.1f} s  {case.what}{fails}")
        if not right or words:
            for what, steps in found.bad.items():
                mark = "expected" if what in case.fails else "NOT expected"
                print(f"     {mark}: {what}\n         " + "; ".join(steps[-TRACE:]))
            for what in set(case.fails) - set(found.bad):
                print(f"     does not fail: {what}")
    return passed, failed


def main(cases: list[Case]) -> None:
    """The program of one module of cases: `MODULE.py [WORD ...]`; with words, traces are shown."""
    passed, failed = run(cases, sys.argv[1:])
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)
