#!/usr/bin/env python3
"""An independent peer of the protocol tete/1, written from docs/PROTOCOL.md alone.

    peer.py vectors FILE ...       recompute the files of tests/vectors, record by record
    peer.py host [--port N]        wait for a partner
    peer.py join HOST PORT         call a partner

Like tete in a pipe: the first line of stdin is the partner's half of the code, every further
line one text; incoming texts go to stdout, everything else to stderr.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import re
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from kyber_py.ml_kem import ML_KEM_768
from noise.connection import Keypair, NoiseConnection

BODY = 1278
TAG = 16
PLAINTEXT = BODY - TAG
MAX_CONTENT = PLAINTEXT - 3
MAX_PART = MAX_CONTENT - 9
MAX_TEXT = 65_536
MAX_COUNTER = 2**48
EK_SIZE, CT_SIZE = 1184, 1088

MAGIC = b"TETE"
VERSION, MODE, MODE_RESUME = 1, 0x00, 0x02
REJECT_MARK = 0xFF
REJECT_VERSION, REJECT_BUSY = 1, 2
NO_CAPS = bytes(4)
P1_SIZE, P1_PSK_SIZE, P2_SIZE, P3_SIZE = 1238, 1222, 1182, 1214

HANDSHAKE_SECONDS = 15
SAS_OPEN_SECONDS = 5
HEARTBEAT_SECONDS = 4
QUIET_SECONDS = 10
CLOSING_SECONDS = 5
CONFIRM_SECONDS = 300
WAIT_SECONDS = 30


class T(IntEnum):
    PAD = 0x00
    SAS_OPEN = 0x01
    VERIFIED = 0x02
    TEXT = 0x03
    RECEIPT = 0x04
    BYE = 0x05
    PING = 0x06
    PONG = 0x07
    RESUME = 0x08
    RK_ASK = 0x10
    RK1 = 0x11
    RK2 = 0x12
    RK3 = 0x13
    FILE_OFFER = 0x20
    FILE_ACCEPT = 0x21
    FILE_BEGIN = 0x22
    FILE_DATA = 0x23
    FILE_END = 0x24
    FILE_SEEN = 0x25
    FILE_DONE = 0x26
    FILE_CANCEL = 0x27


CONTENT_SIZES = {
    T.PAD: (0, 0),
    T.SAS_OPEN: (32, 32),
    T.VERIFIED: (0, 0),
    T.TEXT: (9, 9 + MAX_PART),
    T.RECEIPT: (4, 4),
    T.BYE: (1, 1),
    T.PING: (8, 8),
    T.PONG: (8, 8),
    T.RESUME: (4, 4),
    T.RK_ASK: (0, 0),
    T.RK1: (1232, 1232),
    T.RK2: (1136, 1136),
    T.RK3: (0, 0),
    T.FILE_OFFER: (16, 1040),
    T.FILE_ACCEPT: (48, 48),
    T.FILE_BEGIN: (17, 1041),
    T.FILE_DATA: (17, 1259),
    T.FILE_END: (40, 40),
    T.FILE_SEEN: (16, 16),
    T.FILE_DONE: (9, 9),
    T.FILE_CANCEL: (5, 5),
}


class Fatal(Exception):
    """The other side broke the protocol."""


class CutOff(Exception):
    """The stream ended without BYE."""


class Ended(Exception):
    """The connection ended while something else was awaited."""


class Rejected(Exception):
    def __init__(self, body: bytes):
        self.reason, self.min_version, self.max_version = body[5:8]
        super().__init__(f"rejected, reason {self.reason}")


# --- keys -------------------------------------------------------------------------------------


def hmac256(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")


def nonce(counter: int) -> bytes:
    return bytes(4) + counter.to_bytes(8, "big")


class Epoch:
    def __init__(self, number: int, h: bytes, split: bytes, ss: bytes):
        self.number = number
        self.h = h
        self.prk = hmac256(h, split + ss)

    def key(self, name: str) -> bytes:
        info = f"tete/1 {name}\0".encode() + self.number.to_bytes(4, "big")
        return hmac256(self.prk, info + b"\1")


class Direction:
    """The frames of one direction: one counter, and one key for each frame."""

    def __init__(self, key: bytes):
        self.key = key
        self.counter = 0

    def seal(self, plaintext: bytes) -> bytes:
        body = AESGCM(self.key).encrypt(self._nonce(), plaintext, None)
        self._step()
        return body

    def open(self, body: bytes) -> bytes:
        try:
            plaintext = AESGCM(self.key).decrypt(self._nonce(), body, None)
        except InvalidTag:
            raise Fatal("a frame's tag is wrong") from None
        self._step()
        return plaintext

    def _nonce(self) -> bytes:
        if self.counter >= MAX_COUNTER:
            raise Fatal("the counter is used up")
        return nonce(self.counter)

    def _step(self) -> None:
        self.counter += 1
        self.key = AESGCM(self.key).encrypt(nonce(2**64 - 1), bytes(32), None)[:32]


def encapsulate(ek: bytes) -> tuple[bytes, bytes]:
    return MLKEM768PublicKey.from_public_bytes(ek).encapsulate()


def encapsulate_from(ek: bytes, m: bytes) -> tuple[bytes, bytes]:
    """ML-KEM.Encaps_internal of FIPS 203, for the vectors: the secret and the ciphertext."""
    ss, ct = ML_KEM_768._encaps_internal(ek, m)
    return bytes(ss), bytes(ct)


def check_ek(ek: bytes) -> None:
    for i in range(0, EK_SIZE - 32, 3):
        pair = int.from_bytes(ek[i : i + 3], "little")
        if pair & 0xFFF >= 3329 or pair >> 12 >= 3329:
            raise Fatal("ek fails the key check")


# --- records and frames -----------------------------------------------------------------------


def record(body: bytes) -> bytes:
    return len(body).to_bytes(2, "big") + body


def preface(version: int = VERSION, mode: int = MODE) -> bytes:
    return MAGIC + bytes([version, mode, 0, 0])


def reject_body(reason: int) -> bytes:
    return (MAGIC + bytes([REJECT_MARK, reason, VERSION, VERSION])).ljust(BODY, b"\0")


def is_reject(body: bytes) -> bool:
    return body.startswith(MAGIC + bytes([REJECT_MARK])) and not any(body[8:])


def frame(kind: int, content: bytes = b"", *, size: int | None = None, padding: int = 0) -> bytes:
    """`size` and `padding` are there to lie about the length and to spoil the padding."""
    size = len(content) if size is None else size
    head = bytes([kind]) + size.to_bytes(2, "big") + content
    return head + bytes([padding]) * (PLAINTEXT - len(head))


def parse(plaintext: bytes) -> tuple[int, bytes]:
    kind, size = plaintext[0], int.from_bytes(plaintext[1:3], "big")
    if size > MAX_CONTENT or any(plaintext[3 + size :]):
        raise Fatal(f"frame {kind:#04x}: length or padding")
    low, high = CONTENT_SIZES.get(kind, (0, MAX_CONTENT))
    if not low <= size <= high:
        raise Fatal(f"frame {kind:#04x} with {size} bytes")
    return kind, plaintext[3 : 3 + size]


def text_frame(ident: int, part: bytes, more: bool = False, age_ms: int = 0) -> bytes:
    return frame(T.TEXT, ident.to_bytes(4, "big") + age_ms.to_bytes(4, "big") + bytes([more]) + part)


# --- handshakes -------------------------------------------------------------------------------


class Noise:
    """The Noise library, with access to what tete/1 needs beyond it."""

    def __init__(self, name: bytes, initiator: bool, prologue: bytes, static: bytes | None = None,
                 ephemeral: bytes | None = None, remote: bytes | None = None, psk: bytes | None = None):
        self.connection = NoiseConnection.from_name(name)
        if initiator:
            self.connection.set_as_initiator()
        else:
            self.connection.set_as_responder()
        self.connection.set_prologue(prologue)
        self.connection.set_keypair_from_private_bytes(Keypair.STATIC, static or os.urandom(32))
        if ephemeral:
            self.connection.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
        if remote:
            self.connection.set_keypair_from_public_bytes(Keypair.REMOTE_STATIC, remote)
        if psk:
            self.connection.set_psks(psk)
        with warnings.catch_warnings(action="ignore"):
            self.connection.start_handshake()
        self.state = self.connection.noise_protocol.handshake_state
        self.initiator = initiator

    def write(self, payload: bytes) -> bytes:
        return bytes(self.connection.write_message(payload))

    def read(self, message: bytes) -> bytes:
        try:
            payload = bytes(self.connection.read_message(message))
        except (InvalidTag, ValueError) as error:
            raise Fatal(f"handshake: {error!r}") from None
        for own, theirs in (self.state.e, self.state.re), (self.state.s, self.state.rs):
            if getattr(own, "public_bytes", own) == getattr(theirs, "public_bytes", None):
                raise Fatal("a reflected key")
        return payload

    @property
    def static(self) -> bytes:
        return self.state.s.public_bytes

    @property
    def remote_static(self) -> bytes:
        return self.state.rs.public_bytes

    @property
    def h(self) -> bytes:
        return self.connection.get_handshake_hash()

    def split(self) -> bytes:
        protocol = self.connection.noise_protocol
        mine, theirs = protocol.cipher_state_encrypt.k, protocol.cipher_state_decrypt.k
        return mine + theirs if self.initiator else theirs + mine


def checked(payload: bytes, used: int) -> bytes:
    if any(payload[used:]):
        raise Fatal("padding in the handshake")
    return payload[:used]


class Handshake:
    """Records 1 to 3. The fixed inputs are for the vectors only."""

    def __init__(self, initiator: bool, *, version: int = VERSION, bad_commit: bool = False,
                 caps: bytes = NO_CAPS, bad_padding: bool = False,
                 static: bytes | None = None, ephemeral: bytes | None = None,
                 random: bytes | None = None, kem_seed: bytes | None = None,
                 encapsulate: Callable[[bytes], tuple[bytes, bytes]] = encapsulate,
                 psk: bytes | None = None, mode: int | None = None):
        self.initiator = initiator
        if mode is None:
            mode = MODE_RESUME if psk else MODE
        self.preface = preface(version, mode)
        self.p1_size = P1_PSK_SIZE if psk else P1_SIZE
        self.private = static or os.urandom(32)
        self.noise = Noise(b"Noise_XXpsk0_25519_AESGCM_SHA256" if psk else b"Noise_XX_25519_AESGCM_SHA256", initiator,
                           b"tete/1 prologue\0" + self.preface, self.private, ephemeral, psk=psk)
        self.random = random or os.urandom(32)
        self.bad_commit = bad_commit
        self.caps = caps
        self.bad_padding = bad_padding
        self.kem = MLKEM768PrivateKey.from_seed_bytes(kem_seed) if kem_seed else MLKEM768PrivateKey.generate()
        self.encapsulate = encapsulate
        self.ek = self.commit = self.ss = self.n_r = b""

    def write1(self) -> bytes:
        ek = self.kem.public_key().public_bytes_raw()
        return self.preface + self.noise.write(self._payload(ek, self.p1_size))

    def read1(self, body: bytes) -> bytes | None:
        """What to answer at once, if anything: a REJECT. Raises Fatal where nothing may be said."""
        if body[:4] != MAGIC:
            raise Fatal("wrong magic")
        if body[4] != VERSION:
            return reject_body(REJECT_VERSION)
        if body[:8] != self.preface:
            raise Fatal("wrong mode or reserved bytes")
        self.ek = checked(self.noise.read(body[8:]), EK_SIZE + 4)[:EK_SIZE]
        check_ek(self.ek)
        return None

    def write2(self) -> bytes:
        self.ss, ct = self.encapsulate(self.ek)
        self.n_r = self.random
        self.commit = self.commitment(self.noise.static)
        if self.bad_commit:
            self.commit = bytes([self.commit[0] ^ 1]) + self.commit[1:]
        return self.noise.write(self._payload(ct + self.commit, P2_SIZE))

    def read2(self, body: bytes) -> None:
        if is_reject(body):
            raise Rejected(body)
        payload = checked(self.noise.read(body), CT_SIZE + 36)
        self.ss = self.kem.decapsulate(payload[:CT_SIZE])
        self.commit = payload[CT_SIZE : CT_SIZE + 32]

    def write3(self) -> bytes:
        return self.noise.write(self._payload(self.random, P3_SIZE))

    def read3(self, body: bytes) -> None:
        checked(self.noise.read(body), 36)

    def _payload(self, content: bytes, size: int) -> bytes:
        payload = (content + self.caps).ljust(size, b"\0")
        return payload[:-1] + b"\1" if self.bad_padding else payload

    def epoch(self) -> Epoch:
        return Epoch(0, self.noise.h, self.noise.split(), self.ss)

    def commitment(self, s_r: bytes) -> bytes:
        return hashlib.sha256(b"tete/1 sas commit\0" + s_r + self.n_r).digest()

    def open(self, n_r: bytes) -> None:
        self.n_r = n_r
        if self.commitment(self.noise.remote_static) != self.commit:
            raise Fatal("the commitment does not open")

    def sas(self) -> bytes:
        return hmac256(self.n_r, b"tete/1 sas\0" + self.noise.h)


def halves(s: bytes) -> tuple[str, str]:
    """code_I and code_R."""
    digits = (f"{int.from_bytes(s[i : i + 8], 'big') % 10**8:08}" for i in (0, 8))
    code_i, code_r = (f"{d[:4]} {d[4:]}" for d in digits)
    return code_i, code_r


class EpochChange:
    """One side of KKpsk0 inside a connection."""

    def __init__(self, initiator: bool, epoch: Epoch, static: bytes, remote: bytes):
        self.number = epoch.number + 1
        prologue = b"tete/1 rekey\0" + self.number.to_bytes(4, "big") + epoch.h
        self.noise = Noise(b"Noise_KKpsk0_25519_AESGCM_SHA256", initiator, prologue, static,
                           remote=remote, psk=epoch.key("chain"))
        self.kem = MLKEM768PrivateKey.generate()
        self.ss = b""

    def write1(self) -> bytes:
        return self.noise.write(self.kem.public_key().public_bytes_raw())

    def answer(self, message: bytes) -> bytes:
        ek = self.noise.read(message)
        check_ek(ek)
        self.ss, ct = encapsulate(ek)
        return self.noise.write(ct)

    def finish(self, message: bytes) -> None:
        self.ss = self.kem.decapsulate(self.noise.read(message))

    def epoch(self) -> Epoch:
        return Epoch(self.number, self.noise.h, self.noise.split(), self.ss)


@dataclass
class Room:
    """What a partner keeps to come back."""

    psk: bytes
    static: bytes
    remote: bytes
    expected_id: int
    unreceipted: list[tuple[int, str]]
    next_id: int
    texts: list[str]


# --- a connection -----------------------------------------------------------------------------


class Peer:
    """One connection. What arrives is checked, answered where the protocol says so, and kept in
    `frames`, `texts`, `receipted`, `pongs`; `ended` says how it ended. Wait with `until`.
    `misdeeds` go to Handshake."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, initiator: bool,
                 *, receipts: bool = True, room: Room | None = None, **misdeeds):
        self.reader, self.writer, self.initiator = reader, writer, initiator
        if room:
            misdeeds = {"psk": room.psk, "static": room.static, **misdeeds}
        self.shake = Handshake(initiator, **misdeeds)
        self.room = room
        self.partner_next: int | None = None
        self.change: EpochChange | None = None
        self.said: list[tuple[int, str]] = []
        self.send_receipts = receipts
        self.muted = False
        self.sent, self.received = bytearray(), bytearray()
        self.frames: list[tuple[int, bytes]] = []
        self.arrivals: list[float] = []
        self.texts: list[str] = room.texts if room else []
        self.pongs: list[bytes] = []
        self.receipted = -1
        self.offered: set[bytes] = set()
        self.next_id = room.next_id if room else 0
        self.verified_sent = self.verified_received = False
        self.ended: str | None = None
        self.wrong = 0
        self._expected_id = room.expected_id if room else 0
        self._partial = b""
        self._last_sent = time.monotonic()
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        if sock := writer.get_extra_info("socket"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @classmethod
    async def connect(cls, host: str, port: int, **options) -> Peer:
        async with asyncio.timeout(10):
            reader, writer = await asyncio.open_connection(host, port)
        return cls(reader, writer, True, **options)

    # records

    def send_raw(self, data: bytes) -> None:
        if self.muted or self.writer.is_closing():
            return
        self.sent += data
        self._last_sent = time.monotonic()
        self.writer.write(data)

    async def _read(self, size: int) -> bytes:
        try:
            data = await self.reader.readexactly(size)
        except (asyncio.IncompleteReadError, OSError):
            raise CutOff from None
        self.received += data
        return data

    async def read_body(self) -> bytes:
        if (size := int.from_bytes(await self._read(2), "big")) != BODY:
            raise Fatal(f"a record of {size} bytes")
        return await self._read(BODY)

    # handshake

    async def handshake(self) -> None:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            if self.initiator:
                self.send_raw(record(self.shake.write1()))
                self.shake.read2(await self.read_body())
                self.send_raw(record(self.shake.write3()))
            else:
                if answer := self.shake.read1(await self.read_body()):
                    self.send_raw(record(answer))
                    raise Fatal("a caller of another version")
                self.send_raw(record(self.shake.write2()))
                self.shake.read3(await self.read_body())
        self.epoch = epoch = self.shake.epoch()
        if self.room and self.shake.noise.remote_static != self.room.remote:
            raise Fatal("another partner")
        i2r, r2i = Direction(epoch.key("key i2r")), Direction(epoch.key("key r2i"))
        self.outgoing, self.incoming = (i2r, r2i) if self.initiator else (r2i, i2r)

    async def reject(self, reason: int) -> None:
        await self.read_body()
        self.send_raw(record(reject_body(reason)))

    async def open_sas(self) -> None:
        """Reveals or checks n_R; from here on the peer reads and keeps its heartbeat by itself."""
        if self.initiator:
            self._start(self._heartbeat())
            async with asyncio.timeout(SAS_OPEN_SECONDS):
                kind, content = parse(self.incoming.open(await self.read_body()))
            if kind != T.SAS_OPEN:
                raise Fatal(f"frame {kind:#04x} before SAS_OPEN")
            self.shake.open(content)
        else:
            self.send_frame(T.SAS_OPEN, self.shake.n_r)
            self._start(self._heartbeat())
        code_i, code_r = halves(self.shake.sas())
        self.code, self.partner_code = (code_i, code_r) if self.initiator else (code_r, code_i)
        self._start(self._listen())

    async def pair(self) -> None:
        await self.handshake()
        await self.open_sas()

    def leave_room(self) -> Room:
        """What is needed to come back; the connection may be gone."""
        # A connection that resumes a room makes no key of its own before its first epoch change.
        psk = self.room.psk if self.room and not self.epoch.number else self.epoch.key("resume psk")
        unreceipted = [(ident, text) for ident, text in self.said if ident > self.receipted]
        return Room(psk, self.shake.private, self.shake.noise.remote_static, self._expected_id, unreceipted,
                    self.next_id, self.texts)

    async def come_back(self) -> None:
        """In mode 0x02: the handshake, and what both sides lack."""
        await self.pair()
        self.verify()
        await self.until_open()
        self.send_frame(T.RESUME, self._expected_id.to_bytes(4, "big"))
        await self.until(lambda: self.partner_next is not None)
        if self._expected_id:
            self.send_frame(T.RECEIPT, (self._expected_id - 1).to_bytes(4, "big"))
        for ident, text in self.room.unreceipted:
            if ident >= self.partner_next:
                self.send_plaintext(text_frame(ident, text.encode(), age_ms=1000))
        self.said = self.room.unreceipted

    # epochs

    def start_epoch(self) -> None:
        self.change = EpochChange(True, self.epoch, self.shake.private, self.shake.noise.remote_static)
        self.send_frame(T.RK1, self.change.write1())

    def _change(self, kind: int, content: bytes) -> None:
        if kind == T.RK_ASK and self.initiator:
            if not self.change:
                self.start_epoch()
        elif kind == T.RK1 and not self.initiator and not self.change:
            self.change = EpochChange(False, self.epoch, self.shake.private, self.shake.noise.remote_static)
            self.send_frame(T.RK2, self.change.answer(content))
            self.epoch = self.change.epoch()
            self.outgoing.key = self.epoch.key("key r2i")
        elif kind == T.RK2 and self.initiator and self.change:
            self.change.finish(content)
            self.epoch = self.change.epoch()
            self.incoming.key = self.epoch.key("key r2i")
            self.send_frame(T.RK3)
            self.outgoing.key = self.epoch.key("key i2r")
            self.change = None
        elif kind == T.RK3 and not self.initiator and self.change:
            self.incoming.key = self.epoch.key("key i2r")
            self.change = None
        else:
            raise Fatal(f"frame {kind:#04x} out of order")

    # sending

    def send_plaintext(self, *plaintexts: bytes) -> None:
        """Several go out in one write."""
        if not self.muted:
            self.send_raw(b"".join(record(self.outgoing.seal(plaintext)) for plaintext in plaintexts))

    def send_frame(self, kind: int, content: bytes = b"") -> None:
        if kind == T.FILE_OFFER:
            self.offered.add(content[:4])
        self.send_plaintext(frame(kind, content))

    def verify(self) -> None:
        self.verified_sent = True
        self.send_frame(T.VERIFIED)

    def enter(self, half: str) -> bool:
        """The partner's half as typed. The third wrong entry ends the connection."""
        digits = re.sub(r"[\s\-‐-―]", "", half).translate({0xFF10 + i: str(i) for i in range(10)})
        if not re.fullmatch("[0-9]{8}", digits) or digits == self.code.replace(" ", ""):
            return False
        if digits == self.partner_code.replace(" ", ""):
            self.verify()
            return True
        self.wrong += 1
        if self.wrong == 3:
            self.send_frame(T.BYE, b"\0")
            raise Fatal("three wrong entries")
        return False

    async def send_text(self, text: str, part_size: int = MAX_PART) -> int:
        ident, data = self.next_id, text.encode()
        if not 0 < len(data) <= MAX_TEXT:
            raise ValueError("a text has 1 to 65,536 bytes")
        for start in range(0, len(data), part_size):
            end = start + part_size
            self.send_plaintext(text_frame(ident, data[start:end], more=end < len(data)))
            await self.writer.drain()
        self.said.append((ident, text))
        self.next_id += 1
        return ident

    async def bye(self) -> None:
        """Sends BYE and reads on until the other side has closed, so that no reset overtakes it."""
        self.send_frame(T.BYE, b"\0")
        with contextlib.suppress(OSError):
            self.writer.write_eof()
        with contextlib.suppress(TimeoutError):
            await self.until(lambda: self.ended is not None, CLOSING_SECONDS)
        await self.close()

    async def cut(self, reset: bool = False) -> None:
        """Ends the stream without BYE, in order or with a TCP reset."""
        if reset:
            linger = (1).to_bytes(4, sys.byteorder) + bytes(4)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        await self.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    # waiting

    @property
    def room_open(self) -> bool:
        return self.verified_sent and self.verified_received

    async def until(self, condition: Callable[[], bool], seconds: float | None = WAIT_SECONDS) -> None:
        async with asyncio.timeout(seconds):
            while not condition():
                if self.ended:
                    raise Ended(self.ended)
                self._changed.clear()
                await self._changed.wait()

    async def until_open(self) -> None:
        await self.until(lambda: self.room_open)

    async def until_receipt(self, ident: int) -> None:
        await self.until(lambda: self.receipted >= ident)

    async def until_texts(self, number: int) -> list[str]:
        await self.until(lambda: len(self.texts) >= number)
        return self.texts

    async def until_ended(self) -> str:
        await self.until(lambda: self.ended is not None)
        return str(self.ended)

    async def drained(self) -> bytes:
        """Whatever still comes until the other side closes."""
        rest = bytearray()
        async with asyncio.timeout(WAIT_SECONDS):
            with contextlib.suppress(OSError):
                while data := await self.reader.read(65_536):
                    rest += data
        self.received += rest
        return bytes(rest)

    # receiving

    def _start(self, work) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _heartbeat(self) -> None:
        while True:
            await asyncio.sleep(max(0.0, self._last_sent + HEARTBEAT_SECONDS - time.monotonic()))
            if self.muted:
                return
            if time.monotonic() >= self._last_sent + HEARTBEAT_SECONDS:
                self.send_frame(T.PAD)

    async def _listen(self) -> None:
        try:
            while not self.ended:
                async with asyncio.timeout(QUIET_SECONDS if self.room_open else None):
                    body = await self.read_body()
                kind, content = parse(self.incoming.open(body))
                self.frames.append((kind, content))
                self.arrivals.append(time.monotonic())
                self._take(kind, content)
                self._changed.set()
        except CutOff:
            self.ended = "cut off"
        except TimeoutError:
            self.ended = "quiet"
        except Fatal as error:
            self.ended = f"fatal: {error}"
        self.writer.close()
        self._changed.set()

    def _take(self, kind: int, content: bytes) -> None:
        match kind:
            case T.PAD:
                pass
            case T.BYE:
                self.ended = "bye"
            case T.VERIFIED if not self.verified_received:
                self.verified_received = True
            case T.PING:
                if self.room_open:
                    self.send_frame(T.PONG, content)
            case T.PONG:
                self.pongs.append(content)
            case T.TEXT if self.room_open:
                self._take_text(content)
            case T.RECEIPT if self.room_open:
                ident = int.from_bytes(content, "big")
                if not self.receipted <= ident < self.next_id or self.room and self.partner_next is None:
                    raise Fatal(f"RECEIPT {ident}")
                self.receipted = ident
            case T.RESUME if self.room and self.verified_received and self.partner_next is None:
                self.partner_next = int.from_bytes(content, "big")
            case T.RK_ASK | T.RK1 | T.RK2 | T.RK3 if self.room_open:
                self._change(kind, content)
            case T.FILE_OFFER if self.room_open:
                self.offered.add(content[:4])
                self.send_frame(T.FILE_CANCEL, content[:4] + b"\2")
            case T.FILE_CANCEL if content[:4] in self.offered:
                pass
            case _ if self.room_open and kind >= 0x80:
                pass
            case _:
                raise Fatal(f"frame {kind:#04x} out of order")

    def _take_text(self, content: bytes) -> None:
        ident, flags, part = int.from_bytes(content[:4], "big"), content[8], content[9:]
        if flags > 1:
            raise Fatal("TEXT flags")
        if ident < self._expected_id and not self._partial:
            return
        if ident != self._expected_id:
            raise Fatal(f"TEXT id {ident} instead of {self._expected_id}")
        if flags and not part:
            raise Fatal("an empty fragment")
        self._partial += part
        if len(self._partial) > MAX_TEXT:
            raise Fatal("a text too long")
        if flags:
            return
        try:
            self.texts.append(self._partial.decode())
        except UnicodeDecodeError:
            raise Fatal("a text that is not UTF-8") from None
        self._partial = b""
        self._expected_id += 1
        if self.send_receipts:
            self.send_frame(T.RECEIPT, content[:4])


# --- vectors ----------------------------------------------------------------------------------


def check_vectors(path: Path) -> bool:
    data = json.loads(path.read_text())
    given = {name: bytes.fromhex(value) for name, value in data["inputs"].items() if name != "note"}
    zero = {k: v if k.startswith("code") else bytes.fromhex(v) for k, v in data["epoch_0"].items()}
    one = {k: v if isinstance(v, int) else bytes.fromhex(v) for k, v in data["epoch_1"].items()}
    kems = [{name: bytes.fromhex(value) for name, value in kem.items()} for kem in data["kem"]]
    records = [bytes.fromhex(entry["hex"]) for entry in data["records"]]
    hashes = [hashlib.sha256(entry).hexdigest() for entry in records]
    sides = [entry["side"] for entry in data["records"]]
    wrong: list[str] = []
    numbers = count()

    def check(name: str, ours: object, theirs: object) -> None:
        print("ok" if ours == theirs else "WRONG", name)
        if ours != theirs:
            wrong.append(name)

    def check_record(side: str, body: bytes) -> bytes:
        i = next(numbers)
        check(f"record {i + 1} from {sides[i]}", (side, record(body)), (sides[i], records[i]))
        return records[i][2:]

    def frame_record(side: str, plaintext: bytes) -> None:
        body = check_record(side, (i_out if side == "I" else r_out).seal(plaintext))
        check("  opened", (r_in if side == "I" else i_in).open(body), plaintext)
        parse(plaintext)

    check("SHA-256 of each record", hashes, [entry["sha256"] for entry in data["records"]])
    for n, kem in enumerate(kems):
        check(f"ct and ss {n} from m", encapsulate_from(kem["ek"], kem["m"]), (kem["ss"], kem["ct"]))
        private = MLKEM768PrivateKey.from_seed_bytes(given[f"mlkem_seed_{n}"])
        check(f"ek {n}", private.public_key().public_bytes_raw(), kem["ek"])
        check(f"ss {n}", private.decapsulate(kem["ct"]), kem["ss"])
        check_ek(kem["ek"])

    initiator = Handshake(True, static=given["s_I"], ephemeral=given["e_I"], random=given["n_I"],
                          kem_seed=given["mlkem_seed_0"])
    responder = Handshake(False, static=given["s_R"], ephemeral=given["e_R"], random=given["n_R"],
                          encapsulate=lambda ek: encapsulate_from(ek, kems[0]["m"]))
    responder.read1(check_record("I", initiator.write1()))
    initiator.read2(check_record("R", responder.write2()))
    responder.read3(check_record("I", initiator.write3()))
    initiator.open(responder.n_r)
    epoch = initiator.epoch()
    check("the same keys on both sides", responder.epoch().prk, epoch.prk)
    check("h", epoch.h, zero["h"])
    check("commit", responder.commit, zero["commit"])
    check("S", initiator.sas(), zero["S"])
    check("codes", [c.replace(" ", "") for c in halves(responder.sas())], [zero["code_i"], zero["code_r"]])
    check("key_i2r", epoch.key("key i2r"), zero["key_i2r_first"])
    check("chain_0", epoch.key("chain"), zero["chain_0"])
    check("resume_psk", epoch.key("resume psk"), zero["resume_psk"])
    check("contact_psk", epoch.key("contact psk"), zero["contact_psk"])

    i_out, r_in = Direction(epoch.key("key i2r")), Direction(epoch.key("key i2r"))
    r_out, i_in = Direction(epoch.key("key r2i")), Direction(epoch.key("key r2i"))
    frame_record("R", frame(T.SAS_OPEN, given["n_R"]))
    frame_record("R", frame(T.VERIFIED))
    frame_record("I", frame(T.VERIFIED))
    frame_record("I", text_frame(0, "你好 🙂".encode()))
    frame_record("R", frame(T.RECEIPT, bytes(4)))
    frame_record("R", text_frame(0, "回信 🙂".encode()))
    frame_record("I", frame(T.RECEIPT, bytes(4)))

    name, prologue = b"Noise_KKpsk0_25519_AESGCM_SHA256", b"tete/1 rekey\0" + bytes([0, 0, 0, 1]) + epoch.h
    psk, s_i, s_r = epoch.key("chain"), initiator.noise.static, responder.noise.static
    kk_i = Noise(name, True, prologue, given["s_I"], given["e_I_1"], s_r, psk)
    kk_r = Noise(name, False, prologue, given["s_R"], given["e_R_1"], s_i, psk)
    rk1 = kk_i.write(kems[1]["ek"])
    frame_record("I", frame(T.RK1, rk1))
    check("ek' in RK1", kk_r.read(rk1), kems[1]["ek"])
    rk2 = kk_r.write(kems[1]["ct"])
    frame_record("R", frame(T.RK2, rk2))
    check("ct' in RK2", kk_i.read(rk2), kems[1]["ct"])
    epoch = Epoch(1, kk_i.h, kk_i.split(), kems[1]["ss"])
    check("the same keys on both sides", kk_r.split(), kk_i.split())
    check("h_1", epoch.h, one["h_1"])
    check("chain_1", epoch.key("chain"), one["chain_1"])
    check("key_i2r", epoch.key("key i2r"), one["key_i2r_1"])
    check("key_r2i", epoch.key("key r2i"), one["key_r2i_1"])
    r_out.key = i_in.key = epoch.key("key r2i")
    frame_record("I", frame(T.RK3))
    i_out.key = r_in.key = epoch.key("key i2r")
    check("counters", (i_out.counter, r_out.counter), (one["counter_i2r"], one["counter_r2i"]))
    frame_record("I", text_frame(1, b"epoch one"))
    frame_record("R", frame(T.BYE, b"\0"))
    check("number of records", next(numbers), len(records))
    print(f"{len(wrong)} wrong")
    return not wrong


# --- command line -----------------------------------------------------------------------------

EXIT_LEFT, EXIT_UNREACHABLE, EXIT_NOT_TETE, EXIT_PAIRING, EXIT_CUT_OFF = 0, 3, 4, 5, 6
PHASES = ("start", "keys", "code", "open")


def status(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def stdin_lines() -> asyncio.Queue[str | None]:
    loop, lines = asyncio.get_running_loop(), asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line.rstrip("\n"))
        loop.call_soon_threadsafe(lines.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    return lines


async def phase(peer: Peer, name: str, args: argparse.Namespace) -> None:
    for entry in args.inject:
        where, kind, *content = entry.split(":")
        if where == name:
            peer.send_frame(int(kind, 16), bytes.fromhex("".join(content)))
    if args.mute == name:
        peer.muted = True
    if args.cut == name:
        await peer.cut()
        raise Ended("cut by ourselves")


async def show_texts(peer: Peer) -> None:
    with contextlib.suppress(Ended):
        for shown in count():
            await peer.until(lambda: len(peer.texts) > shown, None)
            print(peer.texts[shown].replace("\n", "\u2424"), flush=True)


async def next_line(peer: Peer, lines: asyncio.Queue[str | None]) -> str | None:
    """Raises Ended when the connection ends first."""
    line, end = asyncio.create_task(lines.get()), asyncio.create_task(peer.until(lambda: False, None))
    await asyncio.wait({line, end}, return_when=asyncio.FIRST_COMPLETED)
    if end.done():
        line.cancel()
        end.result()
    end.cancel()
    return line.result()


async def converse(peer: Peer, args: argparse.Namespace) -> int:
    lines = stdin_lines()
    await phase(peer, "start", args)
    if args.reject:
        await peer.reject(args.reject)
        await peer.close()
        return EXIT_LEFT
    await peer.handshake()
    await phase(peer, "keys", args)
    await peer.open_sas()
    status(f"code: {peer.code}")
    await phase(peer, "code", args)
    while not peer.verified_sent:
        if (half := await next_line(peer, lines)) is None:
            await peer.bye()
            return EXIT_PAIRING
        if not peer.enter(half):
            status("not the partner's half")
    await peer.until(lambda: peer.room_open, CONFIRM_SECONDS)
    status("room open")
    shower = asyncio.create_task(show_texts(peer))
    await phase(peer, "open", args)
    try:
        while (text := await next_line(peer, lines)) is not None:
            if text:
                await peer.send_text(text, args.fragment)
        await peer.until_receipt(peer.next_id - 1)
    except (Ended, OSError):
        status("partner left" if await peer.until_ended() == "bye" else f"cut off ({peer.ended})")
        await shower
        await peer.close()
        return EXIT_LEFT if peer.ended == "bye" and peer.receipted == peer.next_id - 1 else EXIT_CUT_OFF
    await peer.bye()
    await shower
    return EXIT_LEFT


async def run(args: argparse.Namespace) -> int:
    options = {"version": args.version, "bad_commit": args.bad_commit, "receipts": not args.no_receipts}
    if args.command == "join":
        peer = await Peer.connect(args.host, args.port, **options)
    else:
        caller: asyncio.Future[Peer] = asyncio.get_running_loop().create_future()

        def called(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if caller.done():
                writer.close()
            else:
                caller.set_result(Peer(reader, writer, False, **options))

        server = await asyncio.start_server(called, args.bind, args.port)
        status("listening: %s:%d" % server.sockets[0].getsockname()[:2])
        peer = await caller
    try:
        return await converse(peer, args)
    except Rejected as error:
        status(str(error))
        await peer.close()
        return EXIT_NOT_TETE if error.reason == REJECT_VERSION else EXIT_UNREACHABLE
    except (Fatal, CutOff, Ended, TimeoutError) as error:
        status(f"{type(error).__name__}: {error}")
        await peer.close()
        return EXIT_PAIRING


def main() -> int:
    parser = argparse.ArgumentParser(description="An independent peer of tete/1.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("vectors").add_argument("files", type=Path, nargs="+")
    host, join = commands.add_parser("host"), commands.add_parser("join")
    host.add_argument("--bind", default="127.0.0.1")
    host.add_argument("--port", type=int, default=0)
    join.add_argument("host")
    join.add_argument("port", type=int)
    for command in host, join:
        command.add_argument("--fragment", type=int, default=MAX_PART, help="bytes in each part of a text")
        wrong = command.add_argument_group("misbehaviour", f"PHASE is one of {', '.join(PHASES)}")
        wrong.add_argument("--version", type=int, default=VERSION, help="version in the preface")
        wrong.add_argument("--bad-commit", action="store_true", help="commit to something else")
        wrong.add_argument("--reject", type=int, help="answer record 1 with REJECT and this reason")
        wrong.add_argument("--inject", action="append", default=[], metavar="PHASE:TYPE[:CONTENT]",
                           help="send a frame, type and content in hex; not in phase start")
        wrong.add_argument("--mute", choices=PHASES, help="send nothing from this phase on")
        wrong.add_argument("--cut", choices=PHASES, help="close without BYE in this phase")
        wrong.add_argument("--no-receipts", action="store_true")
    args = parser.parse_args()
    if args.command == "vectors":
        import vectors
        checks = [(check_vectors if "records" in json.loads(path.read_text()) else vectors.check)(path)
                  for path in args.files]
        return 0 if all(checks) else 1
    return asyncio.run(run(args))


if __name__ == "__main__":
    sys.exit(main())
