#!/usr/bin/env python3
"""How long a text takes, there and its receipt back, while a file goes the same way, and what that costs the file.

    benches/texts.py                     at 1 Gbit/s, 100 and 20 Mbit/s
    benches/texts.py --rates 100mbit

Needs root, iproute2 and the release build. Two network namespaces with a shaped link between them; round trips of
texts without a file first, then while one is sent, then the file alone.
"""

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

TETE = os.path.abspath(os.environ.get("TETE", "target/release/tete"))
SECONDS = 10
PAUSE = 0.02


def run(command: str) -> None:
    subprocess.run(command, shell=True, check=True)


class Side:
    def __init__(self, namespace: str, *args: str):
        command = ["ip", "netns", "exec", namespace, TETE, "--json", *args]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.events: list[tuple[float, dict]] = []
        self.changed = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.process.stdout:
            at = time.perf_counter()
            with self.changed:
                self.events.append((at, json.loads(line)))
                self.changed.notify_all()

    def until(self, name: str, fits=lambda event: True, seconds: float = 120) -> tuple[float, dict]:
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                for at, event in self.events:
                    if event["event"] == name and fits(event):
                        return at, event
                assert self.changed.wait(end - time.monotonic()), f"no {name}"

    def tell(self, **command) -> None:
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()


def room(names: list[str], folder: str) -> tuple[Side, Side]:
    host = Side(names[0], "--port", "0", "--save-to", folder, "--auto-accept")
    port = host.until("listening")[1]["address"].rsplit(":", 1)[1]
    guest = Side(names[1], "10.98.0.1", port)
    codes = [side.until("code")[1] for side in (host, guest)]
    for side, asked, other in zip((host, guest), codes, reversed(codes)):
        side.tell(command="half", question=asked["question"], half=other["own"])
    for side in (host, guest):
        side.until("room_open")
    return host, guest


def trips(guest: Side, first: int, going) -> list[float]:
    """Milliseconds from a text to its receipt, one after the other."""
    times = []
    number = first
    while going():
        begin = time.perf_counter()
        guest.tell(command="say", text="x" * 100)
        at, _ = guest.until("delivered", lambda event: event["up_to"] >= number)
        times.append((at - begin) * 1000)
        number += 1
        time.sleep(PAUSE)
    return times


def at(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def measure(names: list[str], work: str, rate: str, size: int) -> None:
    source = f"{work}/file"
    with open(source, "wb") as out:
        out.write(os.urandom(min(size, 1 << 20)) * max(1, size >> 20))
    host, guest = room(names, work + "/into")
    end = time.monotonic() + 3
    idle = trips(guest, 0, lambda: time.monotonic() < end)
    begin = time.perf_counter()
    guest.tell(command="send", paths=[source])
    done = lambda: any(event["event"] == "sent" for _, event in guest.events)
    guest.until("accepted")
    busy = trips(guest, len(idle), lambda: not done())
    with_texts = guest.until("sent")[0] - begin
    guest.events.clear()
    os.unlink(work + "/into/file")
    begin = time.perf_counter()
    guest.tell(command="send", paths=[source])
    alone = guest.until("sent")[0] - begin
    guest.tell(command="quit")
    for side in (host, guest):
        side.process.wait(20)
    os.unlink(work + "/into/file")
    print(
        f"{rate:>8}  idle p50 {at(idle, 0.5):6.2f} p99 {at(idle, 0.99):6.2f}   with a file p50 {at(busy, 0.5):6.2f}"
        f" p99 {at(busy, 0.99):6.2f} ms ({len(busy)})   file {size / alone / 1e6:.1f} MB/s alone,"
        f" {100 * (1 - alone / with_texts):.1f} % less with texts",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rates", default="1gbit,100mbit,20mbit")
    options = parser.parse_args()
    names = [f"texts{os.getpid()}{end}" for end in "ab"]
    work = tempfile.mkdtemp(dir="/dev/shm")
    os.mkdir(work + "/into")
    try:
        for name in names:
            run(f"ip netns add {name} && ip -n {name} link set lo up")
        run(f"ip link add tx0 netns {names[0]} type veth peer name tx0 netns {names[1]}")
        for name, host in zip(names, (1, 2)):
            run(f"ip -n {name} addr add 10.98.0.{host}/24 dev tx0 && ip -n {name} link set tx0 up")
            run(f"ip -n {name} route change 10.98.0.0/24 dev tx0 proto kernel scope link src 10.98.0.{host} congctl cubic")
        for rate in options.rates.split(","):
            bits = float(rate.rstrip("gmbit")) * (1e9 if "g" in rate else 1e6)
            burst = max(16, int(bits / 8 / 1000 / 1000))
            for name in names:
                run(f"ip -n {name} link set tx0 up; ip netns exec {name} tc qdisc replace dev tx0 root tbf rate {rate} burst {burst}kb latency 50ms")
            measure(names, work, rate, int(bits / 8 * SECONDS))
    finally:
        for name in names:
            run(f"ip netns del {name}")
        shutil.rmtree(work)


main()
