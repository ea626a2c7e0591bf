"""Runs the conformance file against the real program, over loopback. The cases of run.py call it.

The format is described in docs/PROTOCOL.md, section 16. States that a connection alone does not lead to are left out.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from peer import PLAINTEXT, WAIT_SECONDS, Ended, Peer, Room, T, record

FILE = Path(__file__).parents[1] / "vectors" / "conformance.txt"
PROGRAM = os.environ.get("TETE", str(Path(__file__).parents[2] / "target/release/tete"))
LARGE_PLAINTEXT = 16_366
LEFT_OUT = {"r-before-open", "leaving"}
AT_ONCE = 4
UNOPENED = {"i-before-open", "pairing", "verified"}
ALWAYS = {T.PAD, T.PING, T.PONG}
NOTHING = bytes.fromhex("af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262")


@dataclass
class Line:
    name: str
    role: str
    state: str
    frames: list[str]
    outcome: str


def lines(role: str) -> list[Line]:
    found = []
    for text in FILE.read_text().splitlines():
        if text and not text.startswith("#"):
            name, roles, state, frames, outcome = (part.strip() for part in text.split("|"))
            if roles in (role, "*") and state not in LEFT_OUT:
                found.append(Line(name, role, state, [frame.strip() for frame in frames.split(";")], outcome))
    return found


def unfold(words: list[str]) -> bytes:
    out = b""
    for word in words:
        unit, _, times = word.partition("*")
        once = unit.strip("'").encode() if unit.startswith("'") else bytes.fromhex(unit)
        out += once * int(times or 1)
    return out


class Tester(Peer):
    """A peer that says what it is told to, and once it is passive keeps what comes without an answer."""

    passive = False

    def _take(self, kind: int, content: bytes) -> None:
        if not self.passive:
            return super()._take(kind, content)
        if kind == T.VERIFIED:
            self.verified_received = True
        elif kind == T.PONG:
            self.pongs.append(content)
        elif kind == T.BYE:
            self.ended = "bye"

    def send_line(self, text: str) -> None:
        words = text.split()
        options = dict(word[1:].partition("=")[::2] for word in words if word.startswith("@"))
        content = unfold([word for word in words if not word.startswith("@")])
        if "raw" in options:
            return self.send_raw(content)
        size = int(options.get("len", len(content) - 1))
        plaintext = content[:1] + size.to_bytes(2, "big") + content[1:]
        plaintext = bytearray(plaintext.ljust(LARGE_PLAINTEXT if "large" in options else PLAINTEXT, b"\0"))
        if "pad" in options:
            plaintext[int(options["pad"])] = 1
        sealed = bytearray(record(self.outgoing.seal(bytes(plaintext))))
        if "flip" in options:
            sealed[int(options["flip"])] ^= 1
        return self.send_raw(bytes(sealed))

    async def until_frame(self, kind: int, number: int = 1) -> None:
        await self.until(lambda: sum(which == kind for which, _ in self.frames) >= number)


class Program:
    """The real program under --json."""

    def __init__(self, process: asyncio.subprocess.Process):
        self.process = process
        self.events: list[dict] = []
        self._news = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for line in self.process.stdout:
            self.events.append(json.loads(line))
            self._news.set()

    async def event(self, name: str) -> dict:
        async with asyncio.timeout(WAIT_SECONDS):
            while True:
                for event in self.events:
                    if event["event"] == name:
                        return event
                self._news.clear()
                await self._news.wait()

    def tell(self, **command) -> None:
        self.process.stdin.write(json.dumps(command).encode() + b"\n")

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        await self._reader


class Trial:
    """One line against one run of the program."""

    def __init__(self, line: Line, folder: Path):
        self.line, self.folder = line, folder
        self.accepted: asyncio.Queue = asyncio.Queue()

    async def run(self, stack: contextlib.AsyncExitStack) -> None:
        options = ["--json", "--linger", "1h", "--save-to", str(self.folder)]
        if self.line.role == "I":
            server = await asyncio.start_server(lambda r, w: self.accepted.put_nowait((r, w)), "127.0.0.1", 0)
            stack.callback(server.close)
            self.port = server.sockets[0].getsockname()[1]
            options += ["127.0.0.1", str(self.port)]
        else:
            options += ["--bind", "127.0.0.1", "--port", "0"]
        pipe = asyncio.subprocess.PIPE
        self.program = Program(await asyncio.create_subprocess_exec(
            PROGRAM, *options, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, limit=2**22))
        stack.push_async_callback(self.program.end)
        if self.line.role == "R":
            self.port = int((await self.program.event("listening"))["address"].rpartition(":")[2])
        self.tester = await self.meet()
        stack.push_async_callback(lambda: self.tester.close())
        await self.reach(self.line.state)
        before = len(self.tester.frames)
        for text in self.line.frames[:-1]:
            self.tester.send_line(text)
        if self.line.frames[1:] and self.line.state not in UNOPENED | {"back", "resumed"} and self.line.outcome != "left":
            await self.answers()
        seen = len(self.tester.frames)
        self.tester.send_line(self.line.frames[-1])
        await self.judge(before, seen)

    async def meet(self, room: Room | None = None) -> Tester:
        if self.line.role == "R":
            return await Tester.connect("127.0.0.1", self.port, receipts=False, room=room)
        async with asyncio.timeout(WAIT_SECONDS):
            reader, writer = await self.accepted.get()
        return Tester(reader, writer, False, receipts=False, room=room)

    async def reach(self, state: str) -> None:
        tester, program = self.tester, self.program
        await tester.handshake()
        if state == "i-before-open":
            return
        await tester.open_sas()
        await program.event("code")
        tester.passive = True
        if state == "pairing":
            return
        await self.confirm()
        if state == "verified":
            return
        tester.verify()
        await self.opens()
        if state in ("said", "back", "resumed"):
            for _ in range(2):
                program.tell(command="say", text="x")
            await tester.until_frame(T.TEXT, 2)
        if state in ("back", "resumed"):
            tester.send_frame(T.RECEIPT, bytes(4))
            await program.event("delivered")
            room = tester.leave_room()
            await tester.cut()
            self.tester = tester = await self.meet(room)
            tester.passive = True
            await tester.handshake()
            await tester.open_sas()
            await tester.until_frame(T.VERIFIED)
            if state == "resumed":
                tester.verify()
                await tester.until_frame(T.RESUME)
        if state in ("rekey-i", "rekey-asked"):
            program.tell(command="rekey")
            await tester.until_frame(T.RK1 if state == "rekey-i" else T.RK_ASK)
        if state in ("offered", "taking"):
            tester.send_line("20 00000000 00000002 000000000000000a 'name'")
            offer = (await program.event("offered"))["offer"]
            if state == "taking":
                program.tell(command="get", offer=offer)
                await tester.until_frame(T.FILE_ACCEPT, 2)
        if state in ("offering", "sent"):
            (self.folder / "from" / "name").mkdir(parents=True)
            (self.folder / "from" / "name" / "a").write_bytes(b"abc")
            (self.folder / "from" / "name" / "b").write_bytes(b"")
            program.tell(command="send", paths=[str(self.folder / "from" / "name")])
            await tester.until_frame(T.FILE_OFFER)
            if state == "sent":
                tester.send_frame(T.FILE_ACCEPT, bytes(16) + NOTHING)
                await tester.until_frame(T.FILE_END)

    async def confirm(self) -> None:
        code = await self.program.event("code")
        self.program.tell(command="half", question=code["question"], half=self.tester.code)
        await self.tester.until_frame(T.VERIFIED)

    async def opens(self) -> None:
        """The program asks whether the room is open here, too, and then says so."""
        await self.tester.until_frame(T.PING)
        self.tester.send_frame(T.PONG, next(content for kind, content in self.tester.frames if kind == T.PING))
        await self.program.event("room_open")

    async def answers(self, token: bytes = b"how now?") -> None:
        """An open room answers a PING, once for each token."""
        number = len(self.tester.pongs)
        self.tester.send_frame(T.PING, token)
        await self.tester.until(lambda: len(self.tester.pongs) > number and self.tester.pongs[-1] == token)

    async def goes_on(self) -> None:
        """The connection is alive: it is led to an open room, which answers."""
        tester, state, sent = self.tester, self.line.state, [text.split()[0] for text in self.line.frames]
        if state == "pairing":
            await self.confirm()
        if state in ("pairing", "verified", "back") and "02" not in sent:
            tester.verify()
        if state in ("pairing", "verified"):
            await self.opens()
        if state == "back" or state == "resumed" and "08" not in sent:
            await tester.until_frame(T.RESUME)
            tester.send_frame(T.RESUME, (1).to_bytes(4, "big"))
        await self.answers(b"and now?")

    async def judge(self, before: int, seen: int) -> None:
        tester, outcome, is_open = self.tester, self.line.outcome, self.line.state not in UNOPENED
        if outcome in ("fatal", "breaks", "left"):
            if self.line.state == "i-before-open":
                await tester.drained()
            else:
                await tester.until_ended()
            if outcome == "breaks" and is_open:
                await self.is_resumed()
            elif is_open or self.line.role == "I":
                async with asyncio.timeout(WAIT_SECONDS):
                    code = await self.program.process.wait()
                assert code != 0 or outcome == "left", "an end in order"
            return
        wanted = {"declined": (T.FILE_CANCEL, -1, 2), "refused": (T.FILE_DONE, -1, 0),
                  "answered": (T.FILE_CANCEL, -1, 1)}.get(outcome)
        if wanted:
            kind, place, value = wanted
            await tester.until(lambda: any(which == kind and content[place] == value
                                           for which, content in tester.frames[before:]))
        await self.goes_on()
        if outcome == "ignored" and is_open and self.line.state not in ("back", "resumed"):
            said = {kind for kind, _ in tester.frames[seen:]} - ALWAYS
            assert not said, f"said {said}"

    async def is_resumed(self) -> None:
        assert self.program.process.returncode is None, "the room has ended"
        room = self.tester.leave_room()
        again = await self.meet(room)
        try:
            await again.handshake()
        finally:
            await again.close()


async def conforms(role: str) -> None:
    """Every line for the program in this role."""
    places, wrong = asyncio.Semaphore(AT_ONCE), []

    async def check(line: Line) -> None:
        async with places:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    async with contextlib.AsyncExitStack() as stack:
                        await Trial(line, Path(folder)).run(stack)
                except (Exception, Ended) as error:
                    wrong.append(f"{line.state} | {line.name} | {'; '.join(line.frames)[:80]} | {line.outcome}: "
                                 f"{type(error).__name__} {error}")

    chosen = os.environ.get("CONFORMANCE", "")
    todo = [line for line in lines(role) if re.search(chosen, f"{line.state} | {line.name}")]
    assert todo
    await asyncio.gather(*(check(line) for line in todo))
    assert not wrong, f"{len(wrong)} of {len(todo)}:\n" + "\n".join(sorted(wrong))
