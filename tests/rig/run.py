#!/usr/bin/env python3
"""Two real programs, a bad network, and nothing lost: the fault rig.

Each pair of programs lives in two network namespaces with a wire of our own
between them, talks both ways all the time, and has one random fault after the
other. Afterwards both must have read exactly what the other wrote. Needs root
and target/release/tete; repeatable by its seed but for the time of day.

    python3 tests/rig/run.py --seconds 120          # what .ci/run does
    python3 tests/rig/run.py --faults 2000 --longest 60
    python3 tests/rig/run.py --soak 30              # minutes over a line that is merely bad
    python3 tests/rig/run.py --folder               # 5,000 files of 200 MB meanwhile
"""

import argparse
import collections
import fcntl
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from wire import Faults, Wire, carry, ip

TETE = Path(__file__).resolve().parents[2] / "target/release/tete"
PORT = 51423
# What the goals allow: a cut is shown in so many seconds, the line is back so soon after the network.
SHOWN, BACK = 10.0, 3.0
PIPE_SIZE = 1031  # F_SETPIPE_SZ


class Side:
    """One program: what it was told to say, and what it has shown."""

    def __init__(self, namespace: str, *args: str):
        command = ["ip", "netns", "exec", namespace, str(TETE), *args]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        fcntl.fcntl(self.process.stdout, PIPE_SIZE, 4096)
        self.said: list[str] = []
        self.heard: list[str] = []
        self.status: list[tuple[float, str]] = []
        self.reading = threading.Event()
        self.reading.set()
        self.changed = threading.Condition()
        threading.Thread(target=self._read_texts, daemon=True).start()
        threading.Thread(target=self._read_status, daemon=True).start()

    def _read_texts(self) -> None:
        for line in self.process.stdout:
            self.reading.wait()
            with self.changed:
                self.heard.append(line.decode().rstrip("\n"))
                self.changed.notify_all()

    def _read_status(self) -> None:
        for line in self.process.stderr:
            with self.changed:
                self.status.append((time.monotonic(), line.decode().rstrip("\n")))
                self.changed.notify_all()

    def write(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def say(self, text: str) -> None:
        self.said.append(text)
        self.write(text)

    def until(self, condition, seconds: float):
        """Waits for a condition to hold, and returns what it gives."""
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                found = condition()
                left = deadline - time.monotonic()
                if found or left <= 0:
                    return found
                self.changed.wait(left)

    def line(self, pattern: str, seconds: float = 20.0):
        found = self.until(lambda: next((m for _, l in self.status if (m := re.match(pattern, l))), None), seconds)
        if not found:
            raise Failed(f"no line {pattern!r}: {self.status}")
        return found

    def has(self, name: str, times: int = 1) -> bool:
        """With --json: whether there were so many events of that name."""
        return sum(json.loads(line)["event"] == name for line in list(self.heard)) >= times

    def event(self, name: str) -> dict:
        """With --json: the first event of that name."""
        events = lambda: (json.loads(line) for line in self.heard)
        found = self.until(lambda: next((event for event in events() if event["event"] == name), None), 20)
        if not found:
            raise Failed(f"no event {name}: {self.heard}")
        return found

    def first(self, line: str, since: float) -> float | None:
        return next((at for at, told in self.status if told == line and at >= since), None)

    def resident(self) -> int:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status).group(1))


class Failed(Exception):
    pass


class Pair(threading.Thread):
    """Two namespaces, a wire, two programs, and their faults."""

    def __init__(self, number: int, seed: int, longest: float):
        super().__init__(daemon=True)
        self.number, self.longest = number, longest
        self.random = random.Random(f"{seed}/{number}")
        self.names = [f"tete-rig-{os.getpid()}-{number}-{end}" for end in "ab"]
        self.net = f"10.200.{number}"
        self.joiner_host = 2
        for name in self.names:
            ip("netns", "add", name)
        self.wire = Wire(self.names, self.random.randrange(1 << 32))
        for name, host in zip(self.names, (1, 2)):
            ip("-n", name, "link", "set", "lo", "up")
            ip("-n", name, "addr", "add", f"{self.net}.{host}/24", "dev", "tun0")
            ip("-n", name, "link", "set", "tun0", "up")
        self.sides: list[Side] = []
        self.stopping = threading.Event()
        self.saying = threading.Event()
        self.faults = collections.Counter()
        self.shown: list[tuple[float, str]] = []
        self.given_up: list[tuple[float, str]] = []
        self.back: list[tuple[float, str]] = []
        self.texts = self.runs = self.largest = 0
        self.failure: str | None = None

    def run(self) -> None:
        try:
            while not self.stopping.is_set():
                self.talk()
        except Exception as error:  # whatever it is, the run has failed
            self.failure = f"pair {self.number}: {type(error).__name__}: {error}"
        finally:
            for side in self.sides:
                side.process.kill()

    def close(self) -> None:
        for name in self.names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)

    def meet(self) -> None:
        """Two fresh programs in an open room."""
        host = Side(self.names[0], "--linger", "1h")
        host.line("listening: 0")
        joiner = Side(self.names[1], f"{self.net}.1", "--linger", "1h")
        self.sides = [host, joiner]
        halves = [side.line("code: (.*)").group(1) for side in self.sides]
        for side, half in zip(self.sides, reversed(halves)):
            side.write(half)
        for side in self.sides:
            side.line("room open")

    def talk(self) -> None:
        """From one pairing to its end, with some faults."""
        self.meet()
        self.saying.set()
        talkers = [threading.Thread(target=self.chat, args=(side,), daemon=True) for side in self.sides]
        for talker in talkers:
            talker.start()
        for _ in range(self.random.randint(8, 16)):
            if self.stopping.is_set():
                break
            self.fault()
        self.saying.clear()
        for talker in talkers:
            talker.join()
        self.largest = max([self.largest] + [side.resident() for side in self.sides])
        self.finish(killed=not self.stopping.is_set() and self.random.random() < 0.3)

    def soak(self, minutes: int) -> list[list[int]]:
        """A text every second each way over a bad line. Returns the memory of both sides for each minute."""
        self.meet()
        vars(self.wire.faults).update(loss=0.05, duplicate=0.05, corrupt=0.02, delay=0.02, jitter=0.1)
        memory = []
        for minute in range(minutes):
            for second in range(60):
                for side in self.sides:
                    side.say(f"{minute}:{second} {'x' * 100}")
                time.sleep(1)
            memory.append([side.resident() for side in self.sides])
            print(f"{minute + 1:3} min: {memory[-1]} KiB", flush=True)
        vars(self.wire.faults).update(vars(Faults()))
        self.finish(killed=False)
        return memory

    def folder(self, files: int, size: int) -> tuple[float, int]:
        """A folder is sent while faults go on. Returns the seconds it took and the largest memory of both sides."""
        work = Path(tempfile.mkdtemp(dir="/dev/shm"))
        source, target = work / "folder", work / "target"
        target.mkdir()
        for number in range(files):
            path = source / f"{number % 50}" / f"{number % 7}" / f"文件 {number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.random.randbytes(self.random.randrange(2 * size // files)))
        try:
            host = Side(self.names[0], "--json", "--save-to", str(target), "--auto-accept")
            host.event("listening")
            joiner = Side(self.names[1], "--json", f"{self.net}.1")
            self.sides = [host, joiner]
            codes = [side.event("code") for side in self.sides]
            for side, code, other in zip(self.sides, codes, reversed(codes)):
                side.write(json.dumps({"command": "half", "question": code["question"], "half": other["own"]}))
            joiner.event("room_open")
            begin = time.monotonic()
            joiner.write(json.dumps({"command": "send", "paths": [str(source)]}))
            host.event("accepting")
            while not host.has("stored") or not joiner.has("sent"):
                name = self.random.choice([name for name in FAULTS if name != "stalled reader"])
                FAULTS[name](self)
                self.faults[name] += 1
                time.sleep(self.random.uniform(0.5, 3.0))
                if time.monotonic() > begin + 900:
                    raise Failed(f"not sent in 900 s: {[side.heard[-3:] for side in self.sides]}")
            took, memory = time.monotonic() - begin, max(side.resident() for side in self.sides)
            joiner.write(json.dumps({"command": "quit"}))
            codes = [side.process.wait(30) for side in (joiner, host)]
            subprocess.run(["diff", "-r", str(source), str(target / "folder")], check=True)
            if codes != [0, 0] or any(side.has("code", 2) for side in self.sides):
                raise Failed(f"exits {codes}, or a second code check")
            return took, memory
        finally:
            shutil.rmtree(work)

    def chat(self, side: Side) -> None:
        rnd = random.Random(f"{self.number}/{id(side)}")
        while self.saying.is_set():
            side.say(f"{len(side.said)} {'x' * rnd.choice([0, 20, 200, 2000])}")
            time.sleep(rnd.choice([0.02, 0.1, 0.3]))

    def finish(self, killed: bool) -> None:
        for side, other in (self.sides, self.sides[::-1]):
            if not side.until(lambda: len(side.heard) >= len(other.said), 60):
                raise Failed(f"{len(other.said) - len(side.heard)} texts did not arrive: {side.status[-5:]}")
        for side, other in (self.sides, self.sides[::-1]):
            if side.heard != other.said:
                raise Failed("the transcripts differ")
            self.texts += len(side.heard)
        host, joiner = self.sides
        if killed:
            self.faults["kill -9 of the joiner"] += 1
            since = time.monotonic()
            joiner.process.kill()
            if not host.until(lambda: host.first("connection lost", since), SHOWN + 1):
                raise Failed("the host does not notice that the joiner was killed")
            host.process.send_signal(signal.SIGTERM)
            if host.process.wait(5) != 6:
                raise Failed("a host whose joiner was killed did not exit with 6")
        else:
            joiner.process.stdin.close()
            codes = [side.process.wait(20) for side in (joiner, host)]
            if codes != [0, 0]:
                raise Failed(f"exit {codes}: {host.status[-3:]} {joiner.status[-3:]}")
        joiner.process.wait(5)
        for side in self.sides:
            if codes := [line for _, line in side.status if line.startswith("code: ")][1:]:
                raise Failed(f"a second code check: {codes}")
        self.runs += 1

    def fault(self) -> None:
        rnd = self.random
        time.sleep(rnd.uniform(0.2, 1.0))
        name = rnd.choice(list(FAULTS))
        begin = time.monotonic()
        silent = FAULTS[name](self)
        clear = time.monotonic()
        self.faults[name] += 1
        # Silence both ways for longer than this must have been shown by both sides in time.
        if silent and clear - begin > SHOWN + 0.5:
            for side in self.sides:
                told = [side.first(line, begin - 1) for line in ("quiet", "connection lost")]
                at = min((at for at in told if at), default=None)
                if at is None:
                    raise Failed(f"{name} for {clear - begin:.1f} s was not shown: {side.status[-5:]}")
                self.shown.append((max(0.0, at - begin), name))
                self.given_up.append((max(0.0, (told[1] or clear) - begin), name))
        # The line is back once something said from now on is read on both sides.
        marks = [len(side.said) for side in self.sides]
        for side, mark in zip(self.sides, reversed(marks)):
            if not side.until(lambda: len(side.heard) > mark, 60):
                raise Failed(f"not healed after {name}: {[s.status[-4:] for s in self.sides]}")
        self.back.append((time.monotonic() - clear, name))

    # The faults. Each ends with the network as good as new, and says whether all was silent meanwhile.

    def hold(self, shortest: float = 1.0, longest: float | None = None) -> None:
        longest = min(longest or self.longest, self.longest)
        time.sleep(self.random.uniform(shortest, max(shortest, longest)))

    def cable(self) -> bool:
        self.wire.faults.drop = [True, True]
        self.hold()
        self.wire.faults.drop = [False, False]
        return True

    def half_open(self) -> bool:
        self.wire.faults.drop[self.random.randrange(2)] = True
        self.hold()
        self.wire.faults.drop = [False, False]
        return False

    def noisy(self, **faults: float) -> bool:
        for name, value in faults.items():
            setattr(self.wire.faults, name, value)
        self.hold(2, 12)
        for name in faults:
            setattr(self.wire.faults, name, 0.0)
        return False

    def loss(self) -> bool:
        return self.noisy(loss=0.3)

    def delay(self) -> bool:
        return self.noisy(delay=1.7, jitter=0.5)

    def reorder(self) -> bool:
        return self.noisy(jitter=0.05, duplicate=0.1)

    def corruption(self) -> bool:
        return self.noisy(corrupt=0.1)

    def forgery(self) -> bool:
        return self.noisy(forge=0.02)

    def reset(self) -> bool:
        for to in self.random.choice([[0], [1], [0, 1]]):
            self.wire.reset(to)
        return False

    def stop(self) -> bool:
        side = self.random.choice(self.sides)
        side.process.send_signal(signal.SIGSTOP)
        self.hold()
        side.process.send_signal(signal.SIGCONT)
        return False

    def sleep(self) -> bool:
        """As a laptop that sleeps: the program stands still, the network is gone, the clock goes on."""
        side = self.random.choice(self.sides)
        side.process.send_signal(signal.SIGSTOP)
        self.wire.faults.drop = [True, True]
        self.hold(5)
        self.wire.faults.drop = [False, False]
        side.process.send_signal(signal.SIGCONT)
        return False

    def address(self) -> bool:
        old, self.joiner_host = self.joiner_host, 5 - self.joiner_host
        ip("-n", self.names[1], "addr", "add", f"{self.net}.{self.joiner_host}/24", "dev", "tun0")
        ip("-n", self.names[1], "addr", "del", f"{self.net}.{old}/24", "dev", "tun0")
        ip("-n", self.names[1], "addr", "replace", f"{self.net}.{self.joiner_host}/24", "dev", "tun0")
        return False

    def rebind(self) -> bool:
        self.wire.rebind()
        return False

    def link(self) -> bool:
        """The network of the joiner is restarted."""
        ip("-n", self.names[1], "link", "set", "tun0", "down")
        self.hold(1, 15)
        ip("-n", self.names[1], "link", "set", "tun0", "up")
        return False

    def stall(self) -> bool:
        side = self.random.choice(self.sides)
        side.reading.clear()
        self.hold(1, 15)
        side.reading.set()
        return False


FAULTS = {
    "cable pulled": Pair.cable,
    "half-open": Pair.half_open,
    "loss of 30 %": Pair.loss,
    "delay of 2 s with jitter": Pair.delay,
    "reordering and duplication": Pair.reorder,
    "corruption": Pair.corruption,
    "forged payload, right checksum": Pair.forgery,
    "reset injected": Pair.reset,
    "SIGSTOP and SIGCONT": Pair.stop,
    "sleep, the clock jumps": Pair.sleep,
    "address change of the joiner": Pair.address,
    "NAT rebinding": Pair.rebind,
    "link down and up": Pair.link,
    "stalled reader": Pair.stall,
}


def soak(minutes: int, seed: int) -> int:
    pair, stop = Pair(0, seed, 0.0), threading.Event()
    threading.Thread(target=carry, args=([pair.wire], stop), daemon=True).start()
    try:
        memory = pair.soak(minutes)
    finally:
        stop.set()
        for side in pair.sides:
            side.process.kill()
        pair.close()
    print(f"{pair.texts} texts: 0 lost, 0 doubled, 0 reordered; wire: {pair.wire.counts}")
    settled = memory[min(4, len(memory) - 1)]
    growth = [last / first - 1 for first, last in zip(settled, memory[-1])]
    print("memory at the end against the fifth minute: " + ", ".join(f"{share:+.1%}" for share in growth))
    return int(max(growth) > 0.05)


def folder(seed: int, longest: float) -> int:
    pair, stop = Pair(0, seed, longest), threading.Event()
    threading.Thread(target=carry, args=([pair.wire], stop), daemon=True).start()
    try:
        took, memory = pair.folder(5_000, 200_000_000)
    finally:
        stop.set()
        for side in pair.sides:
            side.process.kill()
        pair.close()
    print(f"{sum(pair.faults.values())} faults in {took:.0f} s: {dict(pair.faults)}; wire: {pair.wire.counts}")
    print(f"5,000 files are the same; largest resident memory: {memory} KiB")
    return 0


def distribution(measured: list[tuple[float, str]]) -> str:
    values = [value for value, _ in measured]
    if not values:
        return "none"
    values = sorted(values)
    at = lambda share: values[min(len(values) - 1, int(share * len(values)))]
    return f"p50 {at(0.5):.2f}, p90 {at(0.9):.2f}, p99 {at(0.99):.2f}, p100 {values[-1]:.2f} s ({len(values)})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--faults", type=float, default=float("inf"))
    parser.add_argument("--longest", type=float, default=15.0, help="longest fault, in seconds")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--folder", action="store_true")
    parser.add_argument("--soak", type=int, metavar="MINUTES")
    options = parser.parse_args()
    if options.soak:
        return soak(options.soak, options.seed)
    if options.folder:
        print(f"seed {options.seed}", flush=True)
        return folder(options.seed, options.longest)
    if options.seconds == options.faults == float("inf"):
        options.seconds = 120.0
    print(f"seed {options.seed}", flush=True)
    pairs = [Pair(number, options.seed, options.longest) for number in range(options.pairs)]
    stop = threading.Event()
    carrier = threading.Thread(target=carry, args=([pair.wire for pair in pairs], stop), daemon=True)
    carrier.start()
    try:
        begin = told = time.monotonic()
        for pair in pairs:
            pair.start()
        done = lambda: sum(sum(pair.faults.values()) for pair in pairs)
        while time.monotonic() < begin + options.seconds and done() < options.faults:
            if any(pair.failure for pair in pairs):
                break
            time.sleep(0.2)
            if time.monotonic() > told + 30:
                told = time.monotonic()
                print(f"{told - begin:5.0f} s: {done()} faults", flush=True)
        for pair in pairs:
            pair.stopping.set()
        for pair in pairs:
            pair.join(options.longest + 150)
    finally:
        for pair in pairs:
            for side in pair.sides:
                side.process.kill()
        stop.set()
        carrier.join()
        for pair in pairs:
            pair.close()

    faults = sum((pair.faults for pair in pairs), collections.Counter())
    wire = sum((collections.Counter(pair.wire.counts) for pair in pairs), collections.Counter())
    for name, count in sorted(faults.items()):
        print(f"  {count:6} {name}")
    print(f"{done()} faults in {sum(pair.runs for pair in pairs)} rooms, {time.monotonic() - begin:.0f} s; wire: {dict(wire)}")
    print(f"{sum(pair.texts for pair in pairs)} texts: 0 lost, 0 doubled, 0 reordered")
    shown, back = [t for pair in pairs for t in pair.shown], [t for pair in pairs for t in pair.back]
    print(f"a cut was shown after: {distribution(shown)}")
    print(f"and given up after: {distribution([t for pair in pairs for t in pair.given_up])}")
    print(f"the line was back after the network: {distribution(back)}")
    print(f"largest resident memory: {max(pair.largest for pair in pairs)} KiB")
    failures = [pair.failure for pair in pairs if pair.failure]
    for failure in failures:
        print(failure)
    late = [f"{name}: shown after {t:.2f} s" for t, name in shown if t > SHOWN]
    late += [f"{name}: back after {t:.2f} s" for t, name in back if t > BACK]
    if late:
        print(f"late: {', '.join(late)}")
    return 1 if failures or pairs and any(pair.is_alive() for pair in pairs) else 0


if __name__ == "__main__":
    sys.exit(main())
