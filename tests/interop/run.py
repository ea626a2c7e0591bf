#!/usr/bin/env python3
"""Runs the independent peer against the real program, over loopback.

    pip install -r requirements.txt
    run.py [WORD ...]      all cases, or those with one of the words in their name

The program is the one named by the environment variable TETE, else target/release/tete.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from conformance import conforms
from peer import BODY, MAX_PART, MAX_TEXT, REJECT_BUSY, REJECT_VERSION, WAIT_SECONDS
from peer import Peer, Room, T, frame, record, reject_body, text_frame

PROGRAM = os.environ.get("TETE", str(Path(__file__).parents[2] / "target/release/tete"))
CASE_SECONDS = 90
HEARTBEAT_LIMIT = 5

LEFT, UNREACHABLE, NOT_TETE, PAIRING_FAILED, CUT_OFF = 0, 3, 4, 5, 6
HOST, JOIN = "host", "join"

CHINESE = "今晚八点,老地方见。"
EMOJI = "好的 👩🏽‍🚀🇨🇳 🙂"
LONGEST = "字🙂" * (MAX_TEXT // 7) + "ab"
assert len(LONGEST.encode()) == MAX_TEXT


class Tete:
    """The real program in a pipe."""

    def __init__(self, process: asyncio.subprocess.Process):
        self.process = process
        self.stderr: list[str] = []
        self._news = asyncio.Event()
        self._stderr_ended = False
        self._collector = asyncio.create_task(self._collect())

    @classmethod
    async def start(cls, *args: str) -> Tete:
        pipe = asyncio.subprocess.PIPE
        return cls(await asyncio.create_subprocess_exec(
            PROGRAM, *args, stdin=pipe, stdout=pipe, stderr=pipe, limit=2**22,
            env={**os.environ, "LC_ALL": "C.UTF-8"}))

    async def _collect(self) -> None:
        async for line in self.process.stderr:
            self.stderr.append(line.decode().rstrip("\n"))
            self._news.set()
        self._stderr_ended = True
        self._news.set()

    async def status(self, start: str) -> str:
        """The rest of the first line of stderr that begins so."""
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                for line in self.stderr:
                    if line.startswith(start):
                        return line[len(start):]
                assert not self._stderr_ended, f"stderr ended without {start!r}"
                self._news.clear()
                await self._news.wait()

    def has_said(self, start: str) -> bool:
        return any(line.startswith(start) for line in self.stderr)

    async def type(self, line: str) -> None:
        self.process.stdin.write(line.encode() + b"\n")
        async with asyncio.timeout(WAIT_SECONDS):
            await self.process.stdin.drain()

    def end_stdin(self) -> None:
        self.process.stdin.close()

    async def line(self) -> str:
        async with asyncio.timeout(WAIT_SECONDS):
            return (await self.process.stdout.readline()).decode().removesuffix("\n")

    async def exit(self) -> tuple[int, str]:
        """The exit code and what was left on stdout."""
        async with asyncio.timeout(WAIT_SECONDS):
            rest = await self.process.stdout.read()
            await self._collector
            return await self.process.wait(), rest.decode()

    async def kill(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._collector


# --- meeting ----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def running(*args: str, linger: str = "0s") -> AsyncIterator[Tete]:
    tete = await Tete.start(*args, "--linger", linger)
    try:
        yield tete
    except BaseException as error:
        error.add_note("stderr: " + " | ".join(tete.stderr))
        raise
    finally:
        await tete.kill()


@contextlib.asynccontextmanager
async def hosting(linger: str = "0s") -> AsyncIterator[tuple[Tete, int]]:
    async with running("--port", "0", "--bind", "127.0.0.1", linger=linger) as tete:
        yield tete, int(await tete.status("listening: 127.0.0.1:"))


@contextlib.asynccontextmanager
async def calling(port: int, **options) -> AsyncIterator[Peer]:
    peer = await Peer.connect("127.0.0.1", port, **options)
    try:
        yield peer
    finally:
        await peer.close()


@contextlib.asynccontextmanager
async def connected(role: str, **options) -> AsyncIterator[tuple[Tete, Peer]]:
    """The program in this role and the peer in the other one, with nothing sent yet."""
    async with contextlib.AsyncExitStack() as stack:
        if role == HOST:
            tete, port = await stack.enter_async_context(hosting())
            peer = await stack.enter_async_context(calling(port, **options))
        else:
            accepted: asyncio.Queue[Peer] = asyncio.Queue()
            server = await asyncio.start_server(
                lambda r, w: accepted.put_nowait(Peer(r, w, False, **options)), "127.0.0.1", 0)
            stack.callback(server.close)
            port = server.sockets[0].getsockname()[1]
            tete = await stack.enter_async_context(running("127.0.0.1", str(port)))
            async with asyncio.timeout(WAIT_SECONDS):
                peer = await accepted.get()
            stack.push_async_callback(peer.close)
        yield tete, peer


async def check_codes(tete: Tete, peer: Peer) -> None:
    half = await tete.status("code: ")
    assert half == peer.partner_code, "the codes differ"
    await tete.type(peer.code)
    assert peer.enter(half)
    await peer.until_open()
    await tete.status("room open")


@contextlib.asynccontextmanager
async def room(role: str, **options) -> AsyncIterator[tuple[Tete, Peer]]:
    async with connected(role, **options) as (tete, peer):
        await peer.pair()
        await check_codes(tete, peer)
        yield tete, peer


async def exchange(tete: Tete, peer: Peer, from_tete: str, from_peer: str) -> None:
    ident = await peer.send_text(from_peer)
    assert await tete.line() == from_peer
    await peer.until_receipt(ident)
    await tete.type(from_tete)
    texts = await peer.until_texts(len(peer.texts) + 1)
    assert texts[-1] == from_tete


async def leave(tete: Tete, peer: Peer) -> None:
    tete.end_stdin()
    assert await peer.until_ended() == "bye"
    await peer.close()
    assert await tete.exit() == (LEFT, "")


async def expect_cut_off(tete: Tete, peer: Peer) -> None:
    assert await peer.until_ended() == "cut off"
    assert await tete.exit() == (CUT_OFF, "")
    assert tete.has_said("cut off") and not tete.has_said("partner left")


# --- cases ------------------------------------------------------------------------------------

Case = Callable[[], Awaitable[None]]
CASES: dict[str, Case] = {}


def case(function: Case) -> Case:
    CASES[function.__name__] = function
    return function


def both_roles(function: Callable[[str], Awaitable[None]]) -> None:
    for role in HOST, JOIN:
        CASES[f"{function.__name__}_{role}"] = lambda role=role: function(role)


@both_roles
async def texts_go_both_ways_and_it_leaves_in_order(role: str) -> None:
    async with room(role) as (tete, peer):
        await exchange(tete, peer, CHINESE, EMOJI)
        await exchange(tete, peer, EMOJI, CHINESE)
        await exchange(tete, peer, "回信", "e\u0301 ﷺ 한국어")
        await leave(tete, peer)


@both_roles
async def epochs_change_while_texts_go_both_ways(role: str) -> None:
    async with room(role) as (tete, peer):
        for number in range(1, 5):
            if peer.initiator:
                peer.start_epoch()
            else:
                peer.send_frame(T.RK_ASK)
            await exchange(tete, peer, CHINESE, EMOJI)
            await peer.until(lambda: peer.epoch.number == number and not peer.change)
            await exchange(tete, peer, EMOJI, CHINESE)
        await leave(tete, peer)


@both_roles
async def a_thousand_frames_are_enough_for_an_epoch(role: str) -> None:
    async with room(role) as (tete, peer):
        for _ in range(1_100):
            peer.send_frame(T.PAD)
        await peer.until(lambda: peer.epoch.number == 1 and not peer.change)
        await exchange(tete, peer, CHINESE, EMOJI)
        await leave(tete, peer)


async def converse_over_a_break(tete: Tete, peer: Peer, again: Callable[[Room], Awaitable[Peer]]) -> None:
    """The peer loses a text of its own and one of the program's with the connection."""
    await peer.pair()
    await check_codes(tete, peer)
    await exchange(tete, peer, CHINESE, EMOJI)
    if peer.initiator:
        peer.start_epoch()
        await peer.until(lambda: peer.epoch.number == 1 and not peer.change)
    for number in range(3):
        kept = peer.leave_room()
        await peer.cut(reset=number == 1)
        kept.unreceipted.append((kept.next_id, f"lost {number}"))
        kept.next_id += 1
        await tete.type(f"typed {number}")
        peer = await again(kept)
        await peer.come_back()
        assert await tete.line() == f"lost {number}"
        assert (await peer.until_texts(2 + 2 * number))[-1] == f"typed {number}"
        await peer.until_receipt(kept.next_id - 1)
        await exchange(tete, peer, EMOJI, CHINESE)
    assert peer.texts == [CHINESE] + [text for number in range(3) for text in (f"typed {number}", EMOJI)]
    assert sum(line.startswith("code: ") for line in tete.stderr) == 1
    await leave(tete, peer)


@case
async def a_joiner_comes_back_without_another_code() -> None:
    async with hosting("1h") as (tete, port):
        await converse_over_a_break(
            tete, await Peer.connect("127.0.0.1", port), lambda room: Peer.connect("127.0.0.1", port, room=room))


@case
async def a_host_is_found_again_without_another_code() -> None:
    accepted: asyncio.Queue = asyncio.Queue()
    server = await asyncio.start_server(lambda r, w: accepted.put_nowait((r, w)), "127.0.0.1", 0)
    try:
        async with running("127.0.0.1", str(server.sockets[0].getsockname()[1]), linger="1h") as tete:
            async def again(room: Room) -> Peer:
                return Peer(*await accepted.get(), False, room=room)
            await converse_over_a_break(tete, Peer(*await accepted.get(), False), again)
    finally:
        server.close()


@both_roles
async def the_partner_leaves_in_order(role: str) -> None:
    async with room(role) as (tete, peer):
        await exchange(tete, peer, CHINESE, EMOJI)
        await peer.bye()
        assert await tete.exit() == (LEFT, "")
        assert tete.has_said("partner left") and not tete.has_said("cut off")


@both_roles
async def a_receipt_together_with_bye_counts(role: str) -> None:
    async with room(role, receipts=False) as (tete, peer):
        await tete.type(CHINESE)
        await peer.until_texts(1)
        peer.send_plaintext(frame(T.RECEIPT, bytes(4)), frame(T.BYE, b"\0"))
        assert await tete.exit() == (LEFT, "")


@both_roles
async def a_text_together_with_bye_is_shown(role: str) -> None:
    async with room(role) as (tete, peer):
        peer.send_plaintext(text_frame(0, CHINESE.encode()), frame(T.BYE, b"\0"))
        assert await tete.exit() == (LEFT, CHINESE + "\n")
        assert tete.has_said("partner left")


@both_roles
async def the_partner_may_close_as_soon_as_bye_came(role: str) -> None:
    for _ in range(10):
        async with room(role) as (tete, peer):
            await tete.type(CHINESE)
            await leave(tete, peer)


@both_roles
async def it_waits_for_the_last_receipt_before_bye(role: str) -> None:
    async with room(role, receipts=False) as (tete, peer):
        await tete.type(CHINESE)
        tete.end_stdin()
        await peer.until_texts(1)
        peer.send_frame(T.PING, bytes(8))
        await peer.until(lambda: bool(peer.pongs))
        assert T.BYE not in [kind for kind, _ in peer.frames]
        peer.send_frame(T.RECEIPT, bytes(4))
        assert await peer.until_ended() == "bye"
        assert await tete.exit() == (LEFT, "")


@both_roles
async def a_text_of_65536_bytes_goes_both_ways(role: str) -> None:
    async with room(role) as (tete, peer):
        await exchange(tete, peer, LONGEST, LONGEST)
        await exchange(tete, peer, CHINESE, EMOJI)
        await leave(tete, peer)


@both_roles
async def fragments_of_one_byte_split_characters(role: str) -> None:
    async with room(role) as (tete, peer):
        ident = await peer.send_text(EMOJI + CHINESE, part_size=1)
        assert await tete.line() == EMOJI + CHINESE
        await peer.until_receipt(ident)
        await leave(tete, peer)


@both_roles
async def a_newline_in_a_text_stays_in_its_line(role: str) -> None:
    async with room(role) as (tete, peer):
        await peer.send_text("一\n二")
        assert await tete.line() == "一\u2424二"
        await leave(tete, peer)


@both_roles
async def many_texts_at_once_keep_their_order(role: str) -> None:
    async with room(role) as (tete, peer):
        texts = [f"{i} {CHINESE}" for i in range(300)]
        for text in texts:
            await tete.type(text)
        for text in texts:
            await peer.send_text(text)
        assert [await tete.line() for _ in texts] == texts
        assert await peer.until_texts(len(texts)) == texts
        await peer.until_receipt(len(texts) - 1)
        await leave(tete, peer)


@both_roles
async def an_idle_room_is_kept_by_heartbeats(role: str) -> None:
    async with room(role) as (tete, peer):
        seen = len(peer.frames)
        await peer.until(lambda: len(peer.frames) >= seen + 3, 4 * HEARTBEAT_LIMIT)
        assert {kind for kind, _ in peer.frames[seen:]} == {T.PAD}
        gaps = [b - a for a, b in zip(peer.arrivals[seen:], peer.arrivals[seen + 1:])]
        assert max(gaps) < HEARTBEAT_LIMIT, gaps
        await exchange(tete, peer, CHINESE, EMOJI)
        await leave(tete, peer)


@both_roles
async def a_silent_partner_is_given_up(role: str) -> None:
    async with room(role) as (tete, peer):
        peer.muted = True
        await expect_cut_off(tete, peer)


@both_roles
async def a_stream_that_ends_without_bye_is_cut_off(role: str) -> None:
    for reset in False, True:
        async with room(role) as (tete, peer):
            await exchange(tete, peer, CHINESE, EMOJI)
            await peer.cut(reset)
            assert await tete.exit() == (CUT_OFF, "")
            assert tete.has_said("cut off") and not tete.has_said("partner left")


@both_roles
async def a_text_without_receipt_is_not_left_in_order(role: str) -> None:
    async with room(role, receipts=False) as (tete, peer):
        await tete.type(CHINESE)
        await peer.until_texts(1)
        await peer.bye()
        code, _ = await tete.exit()
        assert code != LEFT


@both_roles
async def a_ping_is_answered_in_the_open_room_only(role: str) -> None:
    async with connected(role) as (tete, peer):
        await peer.pair()
        peer.send_frame(T.PING, b"too soon")
        await check_codes(tete, peer)
        peer.send_frame(T.PING, b"in time.")
        await peer.until(lambda: bool(peer.pongs))
        assert peer.pongs == [b"in time."]
        await leave(tete, peer)


@both_roles
async def a_file_offer_is_declined(role: str) -> None:
    async with room(role) as (tete, peer):
        peer.send_frame(T.FILE_OFFER, bytes(4) + (1).to_bytes(4, "big") + bytes(8) + b"a.txt")
        await peer.until(lambda: any(kind == T.FILE_CANCEL for kind, _ in peer.frames))
        assert (T.FILE_CANCEL, bytes(4) + b"\2") in peer.frames
        peer.send_frame(T.FILE_CANCEL, bytes(5))
        await exchange(tete, peer, CHINESE, EMOJI)
        await leave(tete, peer)


@both_roles
async def harmless_frames_change_nothing(role: str) -> None:
    async with room(role) as (tete, peer):
        peer.next_id = 1
        peer.send_plaintext(text_frame(0, CHINESE.encode()[:4], more=True))
        for kind, content in (0x80, b""), (0xFF, b"x" * 1259), (T.PAD, b""), (T.PONG, bytes(8)):
            peer.send_frame(kind, content)
        peer.send_plaintext(text_frame(0, CHINESE.encode()[4:], age_ms=2**32 - 1))
        assert await tete.line() == CHINESE
        peer.send_plaintext(text_frame(0, b"an old text"))
        await exchange(tete, peer, CHINESE, EMOJI)
        await leave(tete, peer)


@both_roles
async def a_frame_against_the_rules_cuts_off_the_open_room(role: str) -> None:
    long_text = [text_frame(0, b"x" * MAX_PART, more=True)] * 52 + [text_frame(0, b"x" * 537)]
    complete_before = "an old id between"
    # Only the responder may ask for an epoch change.
    empty_kinds = [kind for kind in (*range(0x08, 0x80), T.SAS_OPEN) if (kind, role) != (T.RK_ASK, JOIN)]
    offences: dict[str, list[bytes]] = {
        **{f"type {kind:#04x}": [frame(kind)] for kind in empty_kinds},
        "a second SAS_OPEN": [frame(T.SAS_OPEN, bytes(32))],
        "a second VERIFIED": [frame(T.VERIFIED)],
        "padding": [frame(T.PAD, padding=1)],
        "padding of an extension": [frame(0x80, padding=1)],
        "too long a len": [frame(0x80, size=1260)],
        "PAD with content": [frame(T.PAD, b"x")],
        "a short TEXT": [frame(T.TEXT, bytes(8))],
        "TEXT flags": [frame(T.TEXT, bytes(8) + b"\2x")],
        "TEXT id too high": [text_frame(1, b"x")],
        "another text between": [text_frame(0, b"x", more=True), text_frame(1, b"x")],
        complete_before: [text_frame(0, b"x"), text_frame(1, b"x", more=True), text_frame(0, b"x")],
        "an empty fragment": [text_frame(0, b"", more=True)],
        "a text of 65,537 bytes": long_text,
        "bad UTF-8": [text_frame(0, b"\xff")],
        "half a character": [text_frame(0, "字".encode()[:2])],
        "a surrogate": [text_frame(0, b"\xed\xa0\x80")],
        "RECEIPT of nothing": [frame(T.RECEIPT, bytes(4))],
        "BYE without reason": [frame(T.BYE)],
        "a short PING": [frame(T.PING, bytes(7))],
        "RK1": [frame(T.RK1, bytes(1232))],
        "RK2": [frame(T.RK2, bytes(1136))],
        "RESUME": [frame(0x08, bytes(4))],
        "FILE_OFFER too short": [frame(T.FILE_OFFER, bytes(15))],
        "FILE_CANCEL of nothing": [frame(T.FILE_CANCEL, bytes(5))],
        "FILE_DATA": [frame(0x23, bytes(16))],
    }
    places = asyncio.Semaphore(8)

    async def offend(name: str, frames: list[bytes]) -> None:
        async with places:
            try:
                async with room(role) as (tete, peer):
                    peer.next_id = 1
                    for plaintext in frames:
                        peer.send_plaintext(plaintext)
                    assert await peer.until_ended() == "cut off"
                    code, shown = await tete.exit()
                    assert code == CUT_OFF and shown in ("", "x\n" if name == complete_before else ""), (code, shown)
            except (Exception, asyncio.CancelledError) as error:
                error.add_note(f"offence: {name}")
                raise

    await all_of(offend(name, frames) for name, frames in offences.items())


@both_roles
async def a_receipt_that_steps_back_cuts_off(role: str) -> None:
    async with room(role) as (tete, peer):
        for number in 1, 2:
            await tete.type(CHINESE)
            await peer.until_texts(number)
        peer.send_frame(T.RECEIPT, bytes(4))
        await expect_cut_off(tete, peer)


@both_roles
async def a_replayed_record_cuts_off_the_open_room(role: str) -> None:
    async with room(role) as (tete, peer):
        await exchange(tete, peer, CHINESE, EMOJI)
        peer.send_raw(bytes(peer.sent[-record_size():]))
        await expect_cut_off(tete, peer)


@both_roles
async def a_changed_record_cuts_off_the_open_room(role: str) -> None:
    for spoil in 0, 1, 2, 700, BODY + 1:
        async with room(role) as (tete, peer):
            sealed = bytearray(record(peer.outgoing.seal(text_frame(0, CHINESE.encode()))))
            sealed[spoil] ^= 1
            peer.send_raw(bytes(sealed))
            await expect_cut_off(tete, peer)


@both_roles
async def a_large_record_cuts_off_the_open_room(role: str) -> None:
    async with room(role) as (tete, peer):
        content = bytes(16) + b"x" * 100
        plaintext = bytes([0x23]) + len(content).to_bytes(2, "big") + content
        peer.send_raw(record(peer.outgoing.seal(plaintext.ljust(16366, b"\0"))))
        await expect_cut_off(tete, peer)


@both_roles
async def a_frame_too_early_ends_the_pairing(role: str) -> None:
    async def offend(plaintext: bytes) -> None:
        async with connected(role) as (tete, peer):
            await peer.pair()
            await tete.status("code: ")
            peer.send_plaintext(plaintext)
            assert await peer.until_ended() == "cut off"
            if role == JOIN:
                assert await tete.exit() == (PAIRING_FAILED, "")
            assert not tete.has_said("room open")

    kinds = 0x08, 0x09, 0x10, 0x11, 0x13, 0x20, 0x27, 0x28, 0x7F, 0x80, 0xFF
    frames = [frame(kind) for kind in kinds]
    frames += [frame(T.RECEIPT, bytes(4)), frame(T.SAS_OPEN, bytes(32)), frame(T.PAD, padding=1)]
    await all_of(offend(plaintext) for plaintext in frames)


@both_roles
async def a_text_before_verified_is_never_shown(role: str) -> None:
    async with connected(role) as (tete, peer):
        await peer.pair()
        await tete.status("code: ")
        await tete.type(peer.code)
        await peer.until(lambda: peer.verified_received)
        await peer.send_text(CHINESE)
        assert await peer.until_ended() == "cut off"
        if role == JOIN:
            assert await tete.exit() == (PAIRING_FAILED, "")
        assert not tete.has_said("room open")


@both_roles
async def no_text_leaves_before_verified_came(role: str) -> None:
    async with connected(role) as (tete, peer):
        await peer.pair()
        await tete.type(peer.code)
        await tete.type(CHINESE)
        await peer.until(lambda: peer.verified_received)
        seen = len(peer.frames)
        await peer.until(lambda: len(peer.frames) > seen)
        assert {kind for kind, _ in peer.frames[seen:]} == {T.PAD}
        assert peer.enter(await tete.status("code: "))
        await peer.until_texts(1)
        await leave(tete, peer)


@case
async def a_commitment_that_does_not_open_ends_the_pairing() -> None:
    async with connected(JOIN, bad_commit=True) as (tete, peer):
        await peer.pair()
        assert await peer.until_ended() == "cut off"
        assert await tete.exit() == (PAIRING_FAILED, "")
        assert not tete.has_said("code:")


@case
async def anything_before_sas_open_ends_the_pairing() -> None:
    for kind in T.PAD, T.VERIFIED, T.BYE:
        async with connected(JOIN) as (tete, peer):
            await peer.handshake()
            peer.send_frame(kind, b"\0" if kind == T.BYE else b"")
            assert await tete.exit() == (PAIRING_FAILED, "")
            assert not tete.has_said("code:")


@case
async def reject_version_is_told() -> None:
    async with connected(JOIN) as (tete, peer):
        await peer.reject(REJECT_VERSION)
        assert await tete.exit() == (NOT_TETE, "")


@case
async def reject_busy_is_told() -> None:
    async with connected(JOIN) as (tete, peer):
        await peer.reject(REJECT_BUSY)
        assert await tete.exit() == (UNREACHABLE, "")


@case
async def a_host_that_never_answers_is_given_up() -> None:
    async with connected(JOIN) as (tete, peer):
        await peer.read_body()
        code, shown = await tete.exit()
        assert code in (UNREACHABLE, NOT_TETE) and not shown, code


@case
async def version_2_gets_exactly_the_reject_record() -> None:
    async with hosting() as (tete, port):
        async with calling(port, version=2) as peer:
            peer.send_raw(record(peer.shake.write1()))
            assert await peer.drained() == record(reject_body(REJECT_VERSION))
        await still_serves(tete, port)


@case
async def a_bad_record_1_gets_nothing() -> None:
    spoils = {
        "magic": (2, b"U"), "mode": (7, b"\1"), "reserved": (9, b"\1"), "padding": (1279, b"\1"),
        "a coefficient of ek": (42, b"\xff\xff"), "e_I": (10, bytes(32)),
    }
    async with hosting() as (tete, port):
        for name, (offset, value) in spoils.items():
            async with calling(port) as peer:
                first = bytearray(record(peer.shake.write1()))
                first[offset : offset + len(value)] = value
                peer.send_raw(bytes(first))
                assert await peer.drained() == b"", name
        for length in 0, BODY - 1, BODY + 1, 16_382, 65_535:
            async with calling(port) as peer:
                peer.send_raw(length.to_bytes(2, "big"))
                assert await peer.drained() == b"", length
        await still_serves(tete, port)


@both_roles
async def padding_in_the_handshake_ends_it(role: str) -> None:
    async with connected(role, bad_padding=True) as (tete, peer):
        if role == HOST:
            peer.shake.bad_padding = False
            peer.send_raw(record(peer.shake.write1()))
            peer.shake.read2(await peer.read_body())
            peer.shake.bad_padding = True
            peer.send_raw(record(peer.shake.write3()))
        else:
            peer.shake.read1(await peer.read_body())
            peer.send_raw(record(peer.shake.write2()))
        assert await peer.drained() == b""
        assert not tete.has_said("code:")


@both_roles
async def unknown_caps_are_ignored(role: str) -> None:
    async with room(role, caps=b"\xff" * 4) as (tete, peer):
        await exchange(tete, peer, CHINESE, EMOJI)
        await leave(tete, peer)


@case
async def a_second_caller_is_told_busy_while_the_room_is_open() -> None:
    async with room(HOST) as (tete, peer):
        port = peer.writer.get_extra_info("peername")[1]
        async with calling(port) as other:
            other.send_raw(record(other.shake.write1()))
            assert await other.drained() == record(reject_body(REJECT_BUSY))
        await exchange(tete, peer, CHINESE, EMOJI)
        await leave(tete, peer)


@case
async def three_wrong_halves_end_the_pairing_with_bye() -> None:
    async with connected(JOIN) as (tete, peer):
        await peer.pair()
        for wrong in wrong_halves(peer):
            await tete.type(wrong)
        assert await peer.until_ended() == "bye"
        assert await tete.exit() == (PAIRING_FAILED, "")
        assert not peer.verified_received


@case
async def three_wrong_halves_at_the_host_end_the_run_with_bye() -> None:
    async with connected(HOST) as (tete, peer):
        await peer.pair()
        for wrong in wrong_halves(peer):
            await tete.type(wrong)
        assert await peer.until_ended() == "bye"
        assert not peer.verified_received


@both_roles
async def two_wrong_halves_are_forgiven(role: str) -> None:
    async with connected(role) as (tete, peer):
        await peer.pair()
        for wrong in wrong_halves(peer)[:2]:
            await tete.type(wrong)
        await check_codes(tete, peer)
        await leave(tete, peer)


@both_roles
async def its_own_half_is_never_accepted(role: str) -> None:
    async with connected(role) as (tete, peer):
        await peer.pair()
        await tete.type(peer.partner_code)
        await check_codes(tete, peer)
        await leave(tete, peer)


@both_roles
async def a_half_may_have_dashes_and_full_width_digits(role: str) -> None:
    async with connected(role) as (tete, peer):
        await peer.pair()
        await tete.type(peer.code.replace(" ", "-").translate({0x30 + i: chr(0xFF10 + i) for i in range(10)}))
        await peer.until(lambda: peer.verified_received)
        assert peer.enter(await tete.status("code: "))
        await leave(tete, peer)


@both_roles
async def the_stream_shows_no_plaintext(role: str) -> None:
    async with room(role) as (tete, peer):
        await exchange(tete, peer, CHINESE, EMOJI)
        await exchange(tete, peer, LONGEST, LONGEST)
        codes = peer.code, peer.partner_code
        await leave(tete, peer)
        for stream in peer.sent, peer.received:
            check_capture(bytes(stream), CHINESE, EMOJI, LONGEST, *codes)


@case
async def two_programs_talk_and_the_stream_shows_no_plaintext() -> None:
    async with contextlib.AsyncExitStack() as stack:
        host, port = await stack.enter_async_context(hosting())
        tap = Tap(port)
        joiner = await stack.enter_async_context(running("127.0.0.1", str(await tap.listen(stack))))
        codes = await host.status("code: "), await joiner.status("code: ")
        await host.type(codes[1])
        await joiner.type(codes[0])
        for tete in host, joiner:
            await tete.status("room open")
        for speaker, hearer in (host, joiner), (joiner, host):
            for text in CHINESE, EMOJI, LONGEST:
                await speaker.type(text)
                assert await hearer.line() == text
        joiner.end_stdin()
        assert await joiner.exit() == (LEFT, "")
        assert await host.exit() == (LEFT, "")
        assert host.has_said("partner left")
        for stream in tap.streams:
            check_capture(bytes(stream), CHINESE, EMOJI, LONGEST, *codes)


CONFORMANCE_SECONDS = 600
for role, letter in (HOST, "R"), (JOIN, "I"):
    CASES[f"every_line_of_the_conformance_file_{role}"] = lambda letter=letter: conforms(letter)


# --- helpers of the cases ---------------------------------------------------------------------


async def all_of(works) -> None:
    """All at once; the first failure is the one reported."""
    results = await asyncio.gather(*works, return_exceptions=True)
    failures = [result for result in results if isinstance(result, BaseException)]
    if failures:
        failures[0].add_note(f"{len(failures)} of {len(results)} failed")
        for failure in failures[1:]:
            failures[0].add_note(" / ".join([repr(failure), *getattr(failure, "__notes__", [])]))
        raise failures[0]


async def still_serves(tete: Tete, port: int) -> None:
    async with calling(port) as peer:
        await peer.pair()
        await check_codes(tete, peer)
        await leave(tete, peer)


def record_size() -> int:
    return 2 + BODY


def wrong_halves(peer: Peer) -> list[str]:
    taken = {peer.code, peer.partner_code}
    return [half for half in (f"{i:04} {i:04}" for i in range(5)) if half not in taken][:3]


def check_capture(stream: bytes, *secrets: str) -> None:
    assert stream and len(stream) % record_size() == 0, "not whole records"
    for start in range(0, len(stream), record_size()):
        assert stream[start : start + 2] == BODY.to_bytes(2, "big"), "a record of another length"
    seen = {stream[i : i + 8] for i in range(len(stream) - 7)}
    for secret in secrets:
        for data in secret.encode(), secret.encode("utf-16-le"):
            parts = {data[i : i + 8] for i in range(max(1, len(data) - 7))}
            assert not parts & seen, f"plaintext of {secret[:20]!r}"


class Tap:
    """Passes one connection on to a port and keeps what goes by."""

    def __init__(self, port: int):
        self.port = port
        self.streams = bytearray(), bytearray()

    async def listen(self, stack: contextlib.AsyncExitStack) -> int:
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        stack.callback(server.close)
        return server.sockets[0].getsockname()[1]

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.port)
        await asyncio.gather(self._pass(reader, far_writer, self.streams[0]),
                             self._pass(far_reader, writer, self.streams[1]))

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                kept += data
                writer.write(data)
                await writer.drain()
        writer.close()


async def run_case(name: str, work: Case) -> bool:
    try:
        async with asyncio.timeout(CONFORMANCE_SECONDS if "conformance" in name else CASE_SECONDS):
            await work()
    except Exception as error:
        places = [f"{at.name}:{at.lineno}: {at.line}" for at in traceback.extract_tb(error.__traceback__)
                  if at.filename == __file__]
        print(f"FAIL {name}: {error!r} at {places[-1]}", *getattr(error, "__notes__", []), sep="\n     ", flush=True)
        return False
    print(f"ok {name}", flush=True)
    return True


async def main() -> int:
    words = sys.argv[1:]
    chosen = {name: work for name, work in CASES.items() if not words or any(w in name for w in words)}
    if not os.access(PROGRAM, os.X_OK):
        print(f"no program at {PROGRAM}; name it in the environment variable TETE", file=sys.stderr)
        return 2
    results = [await run_case(name, work) for name, work in chosen.items()]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
