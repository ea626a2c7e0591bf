#!/usr/bin/env python3
"""Two machines, as two network namespaces: the real binary over a real link.

Needs root, iproute2 and nftables. TETE names the binary (default target/release/tete).
"""

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time

TETE = os.path.abspath(os.environ.get("TETE", "target/release/tete"))
A, B = f"tete{os.getpid()}a", f"tete{os.getpid()}b"
V4, V6 = "10.99.0.1", "fd99::1"
DEADLINE = 20.0


def sh(command: str, check: bool = True) -> None:
    subprocess.run(command, shell=True, check=check, capture_output=not check)


def up() -> None:
    for name in (A, B):
        sh(f"ip netns add {name} && ip -n {name} link set lo up")
    sh(f"ip link add v{A[-6:]} netns {A} type veth peer name v{B[-6:]} netns {B}")
    for name, last in ((A, 1), (B, 2)):
        link = f"v{name[-6:]}"
        sh(f"ip -n {name} addr add 10.99.0.{last}/24 dev {link}")
        sh(f"ip -n {name} addr add fd99::{last}/64 dev {link} nodad")
        sh(f"ip -n {name} link set {link} up")
    os.makedirs(f"/etc/netns/{B}", exist_ok=True)
    with open(f"/etc/netns/{B}/hosts", "w") as hosts:
        hosts.write(f"{V4} partner.test\n{V6} partner.test\n")


def down() -> None:
    for name in (A, B):
        sh(f"ip netns del {name}", check=False)
    sh(f"rm -rf /etc/netns/{B}", check=False)


class Tete:
    """One side in one namespace, driven through its pipes."""

    def __init__(self, namespace: str, *args: str):
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", namespace, TETE, *args],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1,
        )
        self.status, self.texts = queue.Queue(), queue.Queue()
        for stream, lines in ((self.process.stderr, self.status), (self.process.stdout, self.texts)):
            threading.Thread(target=self._read, args=(stream, lines), daemon=True).start()

    @staticmethod
    def _read(stream, lines) -> None:
        for line in stream:
            lines.put((time.monotonic(), line.rstrip("\n")))
        lines.put((time.monotonic(), None))

    def expect(self, pattern: str) -> tuple[float, re.Match]:
        end = time.monotonic() + DEADLINE
        while True:
            at, line = self.status.get(timeout=max(0.01, end - time.monotonic()))
            if line is None:
                raise AssertionError(f"ended before {pattern!r}")
            if match := re.fullmatch(pattern, line):
                return at, match

    def say(self, line: str) -> None:
        self.process.stdin.write(line + "\n")

    def text(self) -> str:
        return self.texts.get(timeout=DEADLINE)[1]

    def event(self, name: str) -> dict:
        """With --json: the next event of that name."""
        end = time.monotonic() + DEADLINE
        while True:
            line = self.texts.get(timeout=max(0.01, end - time.monotonic()))[1]
            if line is None:
                raise AssertionError(f"ended before {name!r}")
            if (event := json.loads(line))["event"] == name:
                return event

    def tell(self, **command) -> None:
        self.say(json.dumps(command))

    def end(self) -> int:
        self.process.stdin.close()
        return self.exit_code()

    def exit_code(self) -> int:
        return self.process.wait(DEADLINE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def pair(address: str) -> tuple[Tete, Tete, float]:
    """An open room, and the seconds from the joiner's start to its code."""
    host = Tete(A, "--port", "0")
    port = host.expect(r"listening: .*:(\d+)")[1][1]
    joiner = Tete(B, address, port)
    at, own = joiner.expect(r"code: (.*)")
    seconds = at - joiner.started
    joiner.say(host.expect(r"code: (.*)")[1][1])
    host.say(own[1])
    for side in (host, joiner):
        side.expect("room open")
    return host, joiner, seconds


def talk(address: str) -> str:
    host, joiner, seconds = pair(address)
    host.say("你好 🙂")
    joiner.say("回信")
    assert joiner.text() == "你好 🙂" and host.text() == "回信"
    assert [joiner.end(), host.exit_code()] == [0, 0]
    assert seconds < 0.5, f"{seconds:.3f} s from start to code"
    return f"{seconds * 1000:.0f} ms from start to code"


def a_room_opens_over_ipv4() -> str:
    return talk(V4)


def a_room_opens_over_ipv6() -> str:
    return talk(V6)


def a_dead_ipv6_route_does_not_keep_the_partner_waiting() -> str:
    sh(f"ip netns exec {A} nft 'add table ip6 t; add chain ip6 t c {{ type filter hook input priority 0; }};"
       f" add rule ip6 t c meta l4proto tcp drop'")
    try:
        host, joiner, seconds = pair("partner.test")
        assert joiner.end() == 0 and host.exit_code() == 0
        assert 0.2 < seconds < 1, f"{seconds:.3f} s"
        return f"{seconds * 1000:.0f} ms from start to code"
    finally:
        sh(f"ip netns exec {A} nft delete table ip6 t")


def without_ipv4_the_partner_is_reached_through_the_translator_of_the_network() -> str:
    """A network that has IPv6 alone, with NAT64 (RFC 6146) and a name server that tells its prefix (RFC 7050)."""
    links = [f"v{name[-6:]}" for name in (A, B)]
    sh(f"ip -n {A} addr add 2606:4700:99::1/64 dev {links[0]} nodad")
    sh(f"ip -n {A} addr add 64:ff9b::8.8.4.4/128 dev {links[0]} nodad")
    sh(f"ip -n {B} addr add 2606:4700:99::2/64 dev {links[1]} nodad")
    sh(f"ip -6 -n {B} route add default via 2606:4700:99::1")
    sh(f"ip -n {B} addr del 10.99.0.2/24 dev {links[1]}")
    with open(f"/etc/netns/{B}/hosts", "a") as hosts:
        hosts.write("64:ff9b::192.0.0.170 ipv4only.arpa\n")
    try:
        return talk("8.8.4.4")
    finally:
        sh(f"ip -n {B} addr add 10.99.0.2/24 dev {links[1]}")
        sh(f"ip -6 -n {B} route del default")
        sh(f"ip -n {B} addr del 2606:4700:99::2/64 dev {links[1]}")
        sh(f"ip -n {A} addr del 2606:4700:99::1/64 dev {links[0]}")
        sh(f"ip -n {A} addr del 64:ff9b::8.8.4.4/128 dev {links[0]}")


def a_filtered_port_is_no_connection_after_ten_seconds() -> str:
    sh(f"ip netns exec {A} nft 'add table ip t; add chain ip t c {{ type filter hook input priority 0; }};"
       f" add rule ip t c tcp dport 51423 drop'")
    try:
        joiner = Tete(B, V4)
        assert joiner.exit_code() == 3
        seconds = time.monotonic() - joiner.started
        assert 9.5 < seconds < 11.5, f"{seconds:.1f} s"
        return f"{seconds:.1f} s"
    finally:
        sh(f"ip netns exec {A} nft delete table ip t")


def a_pulled_cable_is_noticed_and_healed() -> str:
    host, joiner, _ = pair(V4)
    sh(f"ip -n {A} link set v{A[-6:]} down")
    pulled = time.monotonic()
    try:
        seconds = [side.expect("connection lost")[0] - pulled for side in (host, joiner)]
        assert max(seconds) < 10.5, seconds
    finally:
        sh(f"ip -n {A} link set v{A[-6:]} up")
    plugged = time.monotonic()
    back = [side.expect("reconnected")[0] - plugged for side in (host, joiner)]
    assert max(back) < 3, back
    return f"{seconds[0]:.1f} s and {seconds[1]:.1f} s; back after {max(back):.1f} s"


def taking_files(folder: str) -> tuple[Tete, Tete]:
    """Two in a room, and the host takes whatever comes."""
    host = Tete(A, "--json", "--port", "0", "--save-to", folder, "--auto-accept")
    joiner = Tete(B, "--json", V4, host.event("listening")["address"].rsplit(":", 1)[1])
    codes = [side.event("code") for side in (host, joiner)]
    host.tell(command="half", question=codes[0]["question"], half=codes[1]["own"])
    joiner.tell(command="half", question=codes[1]["question"], half=codes[0]["own"])
    joiner.event("room_open")
    host.event("room_open")
    return host, joiner


def a_full_disk_holds_the_file_back_and_not_the_chat() -> str:
    """Over a line of 40 Mbit/s, onto a file system of 16 MB that something else fills meanwhile."""
    disk = f"/tmp/tete-disk-{os.getpid()}"
    link = f"v{B[-6:]}"
    sh(f"mkdir {disk} && mount -t tmpfs -o size=16m tmpfs {disk}")
    sh(f"ip netns exec {B} tc qdisc add dev {link} root tbf rate 40mbit burst 32kb latency 50ms")
    try:
        sh(f"head -c 12000000 /dev/urandom > {disk}.source")
        host, joiner = taking_files(disk)
        joiner.tell(command="send", paths=[f"{disk}.source"])
        host.event("accepting")
        sh(f"cat /dev/zero > {disk}/filler", check=False)
        host.event("disk_full")
        for text in ("still", "here"):
            joiner.tell(command="say", text=text)
            assert host.event("text")["text"] == text
        sh(f"rm {disk}/filler")
        host.event("resumed")
        assert host.event("stored")["failed"] == 0 and joiner.event("sent")["failed"] == 0
        sh(f"cmp {disk}.source {disk}/{os.path.basename(disk)}.source")
        joiner.tell(command="send", paths=["/usr/lib"])
        assert host.event("no_space")["free"] < 17_000_000
        host.tell(command="decline", offer=host.event("offered")["offer"])
        joiner.event("partner_declined")
        joiner.tell(command="quit")
        assert [joiner.exit_code(), host.exit_code()] == [6, 0]
        return "and what is too large is not begun"
    finally:
        sh(f"ip netns exec {B} tc qdisc del dev {link} root; umount -l {disk}; rm -rf {disk} {disk}.source", check=False)


def a_disk_without_room_for_a_name_holds_the_file_back() -> str:
    disk = f"/tmp/tete-disk-{os.getpid()}"
    sh(f"mkdir {disk} && mount -t tmpfs -o nr_inodes=3 tmpfs {disk} && mkdir {disk}.folder")
    try:
        sh(f"touch {disk}/one {disk}/two && echo content > {disk}.folder/file")
        host, joiner = taking_files(disk)
        joiner.tell(command="send", paths=[f"{disk}.folder"])
        host.event("disk_full")
        # One for the folder, one for the file in it.
        sh(f"rm {disk}/one {disk}/two")
        host.event("resumed")
        assert host.event("stored")["failed"] == 0 and joiner.event("sent")["failed"] == 0
        sh(f"cmp {disk}.folder/file {disk}/{os.path.basename(disk)}.folder/file")
        joiner.tell(command="quit")
        assert [joiner.exit_code(), host.exit_code()] == [0, 0]
        return "and goes on by itself"
    finally:
        sh(f"umount -l {disk}; rm -rf {disk} {disk}.folder", check=False)


def main() -> int:
    cases = [
        a_room_opens_over_ipv4, a_room_opens_over_ipv6, a_dead_ipv6_route_does_not_keep_the_partner_waiting,
        without_ipv4_the_partner_is_reached_through_the_translator_of_the_network,
        a_filtered_port_is_no_connection_after_ten_seconds, a_pulled_cable_is_noticed_and_healed,
        a_full_disk_holds_the_file_back_and_not_the_chat, a_disk_without_room_for_a_name_holds_the_file_back,
    ]
    failed = 0
    try:
        up()
        for case in cases:
            try:
                print(f"ok {case.__name__}: {case()}", flush=True)
            except Exception as error:  # the next case may still tell something
                failed += 1
                print(f"FAILED {case.__name__}: {error!r}", flush=True)
    finally:
        down()
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
