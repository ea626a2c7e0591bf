"""A user-space wire between two network namespaces, with faults (IPv4, TCP).

One end of the wire is a TUN device in each namespace. What a fault does to a
packet comes from a seeded generator.
"""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import subprocess
import threading
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 0x0001, 0x1000, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def ip(*args: str) -> None:
    subprocess.run(["ip", *args], check=True, capture_output=True)


def checksum(data: bytes) -> int:
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


class Packet:
    """An IPv4 packet that holds TCP, to be changed and written out with right checksums."""

    def __init__(self, raw: bytes):
        self.raw = bytearray(raw)
        self.tcp = (raw[0] & 15) * 4
        self.data = self.tcp + (raw[self.tcp + 12] >> 4) * 4

    @staticmethod
    def is_tcp(raw: bytes) -> bool:
        return len(raw) >= 40 and raw[0] >> 4 == 4 and raw[9] == 6

    def port(self, place: int) -> int:
        return struct.unpack_from("!H", self.raw, self.tcp + place)[0]

    def set_port(self, place: int, port: int) -> None:
        struct.pack_into("!H", self.raw, self.tcp + place, port)

    def fixed(self) -> bytes:
        raw, tcp = self.raw, self.tcp
        raw[10:12] = raw[tcp + 16 : tcp + 18] = b"\0\0"
        struct.pack_into("!H", raw, 10, checksum(bytes(raw[:tcp])))
        pseudo = bytes(raw[12:20]) + struct.pack("!BBH", 0, 6, len(raw) - tcp)
        struct.pack_into("!H", raw, tcp + 16, checksum(pseudo + bytes(raw[tcp:])))
        return bytes(raw)

    def reset_after(self) -> bytes:
        """A reset that the receiver of this packet takes for the sender's."""
        raw, tcp = self.raw, self.tcp
        sequence = struct.unpack_from("!I", raw, tcp + 4)[0] + len(raw) - self.data
        head = bytearray(raw[:20])
        head[0], head[2:4] = 0x45, struct.pack("!H", 40)
        segment = raw[tcp : tcp + 4] + struct.pack("!IIBBHHH", sequence & 0xFFFFFFFF, 0, 0x50, 0x04, 0, 0, 0)
        return Packet(bytes(head + segment)).fixed()


class Faults:
    """What the wire does at the moment."""

    def __init__(self):
        self.drop = [False, False]
        self.loss = self.duplicate = self.corrupt = self.forge = 0.0
        self.delay = self.jitter = 0.0


class Wire:
    """Ends 0 (the host's namespace) and 1 (the joiner's)."""

    def __init__(self, names: list[str], seed: int):
        self.random = random.Random(seed)
        self.faults = Faults()
        self.ends = [self._tun(name) for name in names]
        self.last: list[Packet | None] = [None, None]
        self.offset, self.mapped = 0, {}
        self.counts = dict.fromkeys(["packets", "lost", "duplicated", "corrupted", "forged", "resets"], 0)

    @staticmethod
    def _tun(name: str) -> int:
        here = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/run/netns/{name}", os.O_RDONLY)
        assert libc.setns(there, CLONE_NEWNET) == 0
        try:
            end = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
            fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH22s", b"tun0", IFF_TUN | IFF_NO_PI, b""))
        finally:
            assert libc.setns(here, CLONE_NEWNET) == 0
            os.close(here)
            os.close(there)
        return end

    def rebind(self) -> None:
        """The address translator between the two forgets, and starts anew with other ports."""
        self.mapped.clear()
        self.offset += 997

    def reset(self, to: int) -> None:
        """Both ends must believe that the other has reset the connection; one of them is told."""
        if self.last[1 - to] is not None:
            self.counts["resets"] += 1
            self._write(to, self.last[1 - to].reset_after())

    def passes(self, origin: int, raw: bytes) -> list[tuple[float, bytes]]:
        """When, from now, and in which form a packet arrives at the other end."""
        faults, rnd = self.faults, self.random
        self.counts["packets"] += 1
        if faults.drop[origin] or rnd.random() < faults.loss:
            self.counts["lost"] += 1
            return []
        if not Packet.is_tcp(raw):
            return []
        packet = Packet(raw)
        # The host listens on one port; the joiner's are translated.
        if origin == 1:
            outside = 1024 + (packet.port(0) + self.offset) % 60000
            self.mapped[outside] = packet.port(0)
            packet.set_port(0, outside)
        elif (inside := self.mapped.get(packet.port(2))) is not None:
            packet.set_port(2, inside)
        else:
            return []
        raw = packet.fixed()
        if raw[packet.tcp + 13] & 0x04 == 0:
            self.last[origin] = Packet(raw)
        payload = len(raw) - packet.data
        if payload and rnd.random() < faults.forge:
            packet.raw[packet.data + rnd.randrange(payload)] ^= 1 << rnd.randrange(8)
            raw = packet.fixed()
            self.counts["forged"] += 1
        elif rnd.random() < faults.corrupt:
            place = rnd.randrange(packet.tcp, len(raw))
            raw = raw[:place] + bytes([raw[place] ^ 1 << rnd.randrange(8)]) + raw[place + 1 :]
            self.counts["corrupted"] += 1
        copies = 2 if rnd.random() < faults.duplicate else 1
        self.counts["duplicated"] += copies - 1
        return [(faults.delay + faults.jitter * rnd.random(), raw) for _ in range(copies)]

    def _write(self, to: int, raw: bytes) -> None:
        try:
            os.write(self.ends[to], raw)
        except OSError:
            pass  # the device is down, and so is the network


def carry(wires: list[Wire], stop: threading.Event) -> None:
    """Moves the packets of all wires until told to stop."""
    ends = {end: (wire, origin) for wire in wires for origin, end in enumerate(wire.ends)}
    due: list[tuple[float, int, Wire, int, bytes]] = []
    number = 0
    while not stop.is_set():
        wait = min(0.05, max(0.0, due[0][0] - time.monotonic())) if due else 0.05
        for end in select.select(list(ends), [], [], wait)[0]:
            wire, origin = ends[end]
            for _ in range(64):
                try:
                    raw = os.read(end, 65536)
                except OSError:
                    break
                for delay, form in wire.passes(origin, raw):
                    number += 1
                    heapq.heappush(due, (time.monotonic() + delay, number, wire, 1 - origin, form))
        while due and due[0][0] <= time.monotonic():
            _, _, wire, to, raw = heapq.heappop(due)
            wire._write(to, raw)
