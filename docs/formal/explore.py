#!/usr/bin/env python3
"""Visits every state a model can reach, and tells what is wrong in them.

    explore.py [--full] [MODULE ...]

explores the cases of these modules, or of all, and ends with `N passed, M failed`. Without `--full` bounds
are smaller, and a mutant is left as soon as it has failed in each way it has to.

A model has `start()`, `moves(state)`, and if it likes `always(state)` and `rest(state)`:

- `moves` yields `(label, kind, next state)`. The kind is `AUTO` for what happens by itself sooner
  or later (a record is read, a clock runs out) and `CHOICE` for what may never happen (a user
  acts, a connection breaks). In place of a state it may yield a `Bad`.
- `always` yields what is wrong with any state, `rest` what is wrong with one in which nothing
  happens by itself any more.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Protocol

AUTO, CHOICE = "auto", "choice"
MODULES = ["opening", "rooms", "epochs", "resumekey", "files", "session"]
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
    small: Model | None = None      # the same with smaller bounds, for every day


@dataclass
class Found:
    """All that was reached."""

    states: int
    resting: int
    bad: dict[str, list[str]]


def explore(model: Model, until: tuple[str, ...] = ()) -> Found:
    """Visits all states breadth first, so that each trace is a shortest one; ends once all of `until` was seen."""
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

    while todo and not (until and bad.keys() >= set(until)):
        state = todo.popleft()
        rests = True
        for label, kind, after in model.moves(state):
            if isinstance(after, Bad):
                rests = rests and kind != AUTO
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


def run(cases: list[Case], words: list[str] | None = None, full: bool = True) -> tuple[int, int]:
    """Explores the cases with one of the words in their name, or all; returns passed and failed."""
    passed = failed = 0
    for case in cases:
        if words and not any(word in case.name for word in words):
            continue
        began = time.monotonic()
        found = explore(case.model) if full else explore(case.small or case.model, case.fails)
        right = set(found.bad) == set(case.fails)
        passed, failed = passed + right, failed + (not right)
        seconds = time.monotonic() - began
        fails = f", fails in {len(case.fails)}" if case.fails else ", smaller" if case.small and not full else ""
        print(f"{'ok  ' if right else 'DIFF'} {case.name:24} {found.states:7} states {found.resting:6} at rest "
              f"{seconds:6.1f} s  {case.what}{fails}", flush=True)
        if not right or words:
            for what, steps in found.bad.items():
                mark = "expected" if what in case.fails else "NOT expected"
                print(f"     {mark}: {what}\n         " + "; ".join(steps[-TRACE:]))
            for what in set(case.fails) - set(found.bad):
                print(f"     does not fail: {what}")
    return passed, failed


def main(cases: list[Case]) -> None:
    """The program of one module of cases: `MODULE.py [WORD ...]` explores those with such names in full, with traces."""
    passed, failed = run(cases, sys.argv[1:])
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


def everything(full: bool, modules: list[str]) -> None:
    """The program of all modules."""
    passed = failed = 0
    for name in modules or MODULES:
        done = run(importlib.import_module(name).CASES, full=full)
        passed, failed = passed + done[0], failed + done[1]
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    # The modules know this one by its name, so that the classes they import must be those that are used.
    importlib.import_module("explore").everything("--full" in sys.argv, [a for a in sys.argv[1:] if a != "--full"])
