#!/usr/bin/env python3
"""The full screen in real terminal emulators: whatever a partner says, everything else stays where it was put.

Needs Xvfb, xterm, xfce4-terminal and kitty. TETE names the binary (default target/release/tete). `--only xterm` runs what has
that in its name, `--keep FOLDER` leaves the pictures there.

    this script: partner (tete --json), pictures of the framebuffer
        |  keys                                       ^
        v                                             |
    emulator [ this script --inside [ tete ] ]  ->  Xvfb

In each emulator a person joins by invite. The screen is locked while the room is empty, and plain texts are said: those two
pictures are the measure. Then hostile texts and texts in many scripts are said and written. Every row must have the gutter
of a plain text, the bar and the input must be what they were, and the locked screen that of the empty room.
"""

import argparse
import json
import os
import pty
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty
import zlib

TETE = os.path.abspath(os.environ.get("TETE", "target/release/tete"))
COLUMNS, ROWS = 40, 20
# Without the blank before a text, into which a font may draw a part of its first letter.
GUTTER = 15
PATIENCE = 20.0
# What is cleared to before the program starts shows where the cells are: the first and the last one.
CORNERS = (b"\x1b[?25l\x1b[H\x1b[2J\x1b[48;5;196m \x1b[%d;%dH\x1b[48;5;21m \x1b[m" % (ROWS, COLUMNS), (255, 0, 0), (0, 0, 255))
PASSPHRASE = "correct horse"

FONT = ["-fa", "DejaVu Sans Mono", "-fs", "10"]
XTERM = ["xterm", "-u8", "-geometry", f"{COLUMNS}x{ROWS}", *FONT]
EMULATORS = {
    "xterm": [*XTERM, "-e"],
    "xterm, ambiguous is wide": [*XTERM, "-cjk_width", "-e"],
    "xfce4-terminal (VTE)": ["xfce4-terminal", "--disable-server", f"--geometry={COLUMNS}x{ROWS}", "--hide-menubar",
                             "--hide-scrollbar", "--hide-toolbar", "-x"],
    "kitty": ["kitty", "-o", "remember_window_size=no", "-o", f"initial_window_width={COLUMNS}c", "-o",
              f"initial_window_height={ROWS}c", "-o", "cursor_blink_interval=0", "-o", "update_check_interval=0"],
}

FORGED = "03:42\u00a0\u00a0\u00a0\u00a0\u00a0you\u00a0✓\u00a0I\u00a0did\u00a0it"
HOSTILE = {
    "circled numbers": "xx" + "\u3248" * 31 + FORGED,
    "tone marks": "a" + "\u302e" * 31 + "x" + FORGED,
    "regional indicators": "\U0001f1e6x" * 21 + "x" + FORGED,
    "marks newer than a table": "xx" + "a\u0898" * 31 + FORGED,
    "half-width voiced kana": "\uff76" + "\uff9e" * 63,
    "a family, again and again": "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466" * 9,
    "ambiguous characters": "①" * 60,
    "lines": "─█" * 40,
    "medial vowels": "yes\u1161\u1165\u1173no",
    "one letter, many marks": "a" + "\u0301" * 200,
    "escape sequences": "\x1b[2J\x1b[1;1Hgone\x1b[?7h\x1b]0;x\x07",
}
SCRIPTS = {
    "Bengali": "বাংলা ভাষা, আমি ভালো আছি", "Kannada": "ಕನ್ನಡ ಕೋಟಿ", "Devanagari": "क्षि हिन्दी भाषा", "Thai": "กำ น้ำ ไทย",
    "Hangul": "한글 한글", "kana": "ｶﾞｷﾞｸﾞ かな", "Chinese": "你好，“引号”……", "Hebrew": "שלום עולם",
    "Arabic": "سلام می‌خواهم", "signs": "⌚︎⌛︎⚡︎ ❤️ 1️⃣ 👍🏽", "flags": "🇩🇪🇨🇳 🏳️‍🌈", "Greek": "Ελληνικά", "ligature": "\ufdfd",
}


def inside(folder: str) -> None:
    """Between the emulator and the program: shows where the cells are, and passes keys from a pipe, too."""
    os.write(1, CORNERS[0])
    keys = os.open(f"{folder}/keys", os.O_RDWR)
    tty.setraw(0)
    started = os.read(keys, 1)
    assert started == b"!"
    with open(f"{folder}/invite", "rb") as invite:
        child, terminal = pty.fork()
        if child == 0:
            os.dup2(invite.fileno(), 9)
            os.execv(TETE, [TETE, "join", "--invite-file", f"{folder}/invite", "--lang", "en"])
    termios.tcsetwinsize(terminal, (ROWS, COLUMNS))
    while True:
        for ready in select.select([0, keys, terminal], [], [])[0]:
            try:
                data = os.read(ready, 65536)
            except OSError:
                return
            os.write(1 if ready == terminal else terminal, data)


class Picture:
    """What is in the framebuffer, as rows of pixels."""

    def __init__(self, path: str):
        with open(path, "rb") as file:
            data = file.read()
        header = struct.unpack(">25I", data[:100])
        self.width, self.height, self.stride = header[4], header[5], header[12]
        assert header[11] == 32 and header[7] == 0, "not 32 bits a pixel, the lowest first"
        self.pixels = data[header[0] + header[19] * 12:]

    def box(self, left: int, top: int, right: int, bottom: int) -> bytes:
        rows = range(top, bottom)
        # The fourth byte of a pixel means nothing.
        part = bytearray().join(self.pixels[y * self.stride + left * 4:y * self.stride + right * 4] for y in rows)
        part[3::4] = bytes(len(part) // 4)
        return bytes(part)

    def find(self, color: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
        """The box of the pixels of a colour."""
        pixel = bytes(reversed(color))
        left, top, right, bottom = self.width, self.height, 0, 0
        for y in range(self.height):
            row = self.pixels[y * self.stride:y * self.stride + self.width * 4]
            if pixel in row:
                columns = [x for x in range(self.width) if row[x * 4:x * 4 + 3] == pixel]
                if columns:
                    left, right = min(left, columns[0]), max(right, columns[-1] + 1)
                    top, bottom = min(top, y), y + 1
        return (left, top, right, bottom) if right else None

    def save(self, path: str) -> None:
        rows = b""
        for y in range(self.height):
            row = self.pixels[y * self.stride:y * self.stride + self.width * 4]
            out = bytearray(self.width * 3)
            out[0::3], out[1::3], out[2::3] = row[2::4], row[1::4], row[0::4]
            rows += b"\0" + out

        def chunk(kind: bytes, body: bytes) -> bytes:
            return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

        with open(path, "wb") as file:
            file.write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", self.width, self.height, 8, 2, 0, 0, 0))
                       + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


class Failed(Exception):
    pass


class Sitting:
    """A person at an emulator in a room with a program."""

    def __init__(self, name: str, keep: str | None):
        self.name, self.keep = name, keep
        self.folder = tempfile.mkdtemp()
        os.mkfifo(f"{self.folder}/keys")
        self.keys = os.open(f"{self.folder}/keys", os.O_RDWR)
        self.started: list[subprocess.Popen] = []
        self.events: list[dict] = []
        self.changed = threading.Condition()

    def start(self, command: list[str]) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": self.folder, "XDG_RUNTIME_DIR": self.folder, "LANG": "C.UTF-8",
                       "LC_ALL": "C.UTF-8", "LIBGL_ALWAYS_SOFTWARE": "1", "GDK_BACKEND": "x11", "TETE": TETE, "NO_AT_BRIDGE": "1"}
        shown = f"{self.folder}/display"
        with open(shown, "w") as file:
            self.run(["Xvfb", "-displayfd", str(file.fileno()), "-screen", "0", "1280x1024x24", "-fbdir", self.folder,
                      "-nolisten", "tcp"], pass_fds=[file.fileno()], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        environment["DISPLAY"] = f":{self.until('a display', lambda: open(shown).read().strip())}"
        self.partner = self.run([TETE, "--json", "--invite", "--port", "0", "--bind", "127.0.0.1"], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
        threading.Thread(target=self.listen, daemon=True).start()
        with open(f"{self.folder}/invite", "w") as file:
            file.write(self.event("invite")["invite"] + "\n")
        log = open(f"{self.folder}/log", "wb")
        self.run([*command, sys.executable, os.path.abspath(__file__), "--inside", self.folder], env=environment,
                 stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        first, last = self.until("the cells", self.corners)
        self.left, self.top = first[0], first[1]
        self.cell = (last[2] - first[0]) / COLUMNS, (last[3] - first[1]) / ROWS
        self.press("!")
        self.event("room_open")

    def run(self, command: list[str], **options) -> subprocess.Popen:
        self.started.append(subprocess.Popen(command, **options))
        return self.started[-1]

    def listen(self) -> None:
        for line in self.partner.stdout:
            with self.changed:
                self.events.append(json.loads(line))
                self.changed.notify_all()

    def event(self, kind: str, holds=lambda event: True) -> dict:
        def found() -> dict | None:
            return next((event for event in self.events if event["event"] == kind and holds(event)), None)

        with self.changed:
            if not self.changed.wait_for(found, PATIENCE):
                raise Failed(f"no {kind}: {self.events[-3:]}")
            return found()

    def until(self, what: str, look):
        limit = time.monotonic() + PATIENCE
        while True:
            found = look()
            if found:
                return found
            if time.monotonic() > limit:
                self.save("failed")
                raise Failed(f"{what} did not come")
            time.sleep(0.05)

    def picture(self) -> Picture:
        return Picture(f"{self.folder}/Xvfb_screen0")

    def save(self, name: str) -> None:
        if self.keep:
            self.picture().save(f"{self.keep}/{self.name.split()[0].strip(',')}-{len(self.name)}-{name}.png")

    def corners(self):
        picture = self.picture()
        found = [picture.find(color) for color in CORNERS[1:]]
        return found if all(found) else None

    def at(self, picture: Picture, row: int, first: int, last: int) -> bytes:
        """The pixels of some columns of a row."""
        x, y = [round(self.left + column * self.cell[0]) for column in (first, last)], self.top + row * self.cell[1]
        return picture.box(x[0], round(y), x[1], round(y + self.cell[1]))

    def row(self, picture: Picture, row: int) -> bytes:
        return self.at(picture, row, 0, COLUMNS)

    def whole(self, picture: Picture) -> list[bytes]:
        return [self.row(picture, row) for row in range(ROWS)]

    def gutters(self, picture: Picture) -> list[bytes]:
        return [self.at(picture, row, 0, GUTTER) for row in range(ROWS - 2)]

    def press(self, keys: str) -> None:
        text, enter = keys.removesuffix("\r"), keys.endswith("\r")
        os.write(self.keys, text.encode())
        if enter:
            # As fast as a paste it would be asked about.
            time.sleep(0.05)
            os.write(self.keys, b"\r")

    def says(self, text: str) -> None:
        number = sum(event["event"] == "said" for event in self.events)
        self.partner.stdin.write(json.dumps({"command": "say", "text": text}) + "\n")
        said = self.until("said", lambda: [event for event in self.events if event["event"] == "said"][number:])[0]
        self.event("delivered", lambda event: event["up_to"] >= said["id"])

    def settled(self) -> Picture:
        """The picture, once it stays as it is."""
        before = [None]

        def stays() -> Picture | None:
            picture = self.picture()
            same = picture.pixels == before[0]
            before[0] = picture.pixels
            return picture if same else None

        return self.until("a picture that stays", stays)

    def is_like(self, what: str, look, wanted) -> None:
        """Waits for the emulator to draw what is wanted; it may be behind the program."""
        if not self.becomes(look, wanted):
            self.save("failed")
            raise Failed(what)

    def becomes(self, look, wanted) -> bool:
        limit = time.monotonic() + 5
        while look(self.picture()) != wanted:
            if time.monotonic() > limit:
                return False
            time.sleep(0.05)
        return True

    def clear(self, empty: bytes) -> None:
        self.press("\x18c")
        self.until("an empty talk", lambda: all(self.row(self.picture(), row) == empty for row in range(ROWS - 3)))

    def end(self) -> None:
        for process in reversed(self.started):
            process.terminate()
        for process in reversed(self.started):
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        os.close(self.keys)
        shutil.rmtree(self.folder, ignore_errors=True)


def begun(gutters: list[bytes], head: bytes, rest: bytes, blank: bytes) -> int | None:
    """Number of texts that begin in these rows, if there is nothing but texts."""
    return gutters.count(head) if all(gutter in (head, rest, blank) for gutter in gutters) else None


def check(sitting: Sitting) -> str:
    bar, written = ROWS - 2, ROWS - 1
    sitting.until("a prompt", lambda: len(set(sitting.gutters(sitting.picture()))) > 1)
    opened = sitting.settled()
    empty, blank = sitting.row(opened, ROWS - 3), sitting.at(opened, ROWS - 3, 0, GUTTER)
    # A locked empty room.
    sitting.clear(empty)
    sitting.press("/lock\r")
    sitting.until("a passphrase", lambda: sitting.row(sitting.picture(), bar) == empty)
    for _ in range(2):
        asked = sitting.whole(sitting.settled())
        sitting.press(PASSPHRASE)
        sitting.until("what was typed", lambda: sitting.whole(sitting.picture()) != asked)
        question = sitting.row(sitting.settled(), 0)
        sitting.press("\r")
        sitting.until("the next question", lambda: sitting.row(sitting.picture(), 0) != question)
    locked = sitting.whole(sitting.settled())
    sitting.save("locked-empty")
    sitting.press(PASSPHRASE + "\r")
    sitting.until("a talk", lambda: sitting.row(sitting.picture(), bar) != empty)
    checked = 0
    for kind, texts in (("hostile", HOSTILE), ("scripts", SCRIPTS)):
        for number, (name, text) in enumerate(texts.items()):
            minute, stands = None, False
            # All texts are to have the same time beside them.
            while minute != time.localtime().tm_min:
                # A plain text of two rows: the measure.
                minute = time.localtime().tm_min
                sitting.clear(empty)
                sitting.says("x" * COLUMNS)
                sitting.until("two rows of a text", lambda: sitting.gutters(sitting.picture())[1] != blank)
                plain = sitting.settled()
                head, rest = sitting.gutters(plain)[:2]
                assert len({head, rest, blank}) == 3
                measure = [sitting.row(plain, row) for row in (bar, written)]
                # The last one, too: nothing is drawn over what it might leave below.
                for said in ("x", text, "y", text):
                    sitting.says(said)
                # Five texts, and nothing that begins otherwise.
                stands = sitting.becomes(lambda picture: begun(sitting.gutters(picture), head, rest, blank), 5)
                gutters = sitting.gutters(sitting.settled())
            if not stands:
                sitting.save("failed")
                raise Failed(f"{name}: a row has not the gutter of a plain text")
            if number == 0:
                sitting.save(kind)
            for row, what, wanted in ((bar, "bar", measure[0]), (written, "input", measure[1])):
                sitting.is_like(f"{name}: the {what} is not what it was",
                                lambda picture, row=row: sitting.row(picture, row), wanted)
            # The same as a draft, and gone again.
            draft = "".join(c for c in text if c >= " ")[:60]
            sitting.press(f"\x1b[200~{draft}\x1b[201~")
            sitting.until(f"{name}: a draft", lambda: sitting.row(sitting.picture(), written) != measure[1])
            sitting.press("\x1b[D\x1b[D\x1b[C")
            sitting.press("\x03")
            sitting.is_like(f"{name}: the draft has left something",
                            lambda picture: sitting.row(picture, written), measure[1])
            sitting.is_like(f"{name}: a draft has changed a gutter", sitting.gutters, gutters)
            sitting.press("/lock\r")
            sitting.is_like(f"{name}: the locked screen is not that of an empty room", sitting.whole, locked)
            sitting.press(PASSPHRASE + "\r")
            sitting.until("a talk", lambda: sitting.row(sitting.picture(), bar) != empty)
            checked += 1
    return f"{checked} texts said, written and locked away"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    parser.add_argument("--keep")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return inside(options.inside)
    if options.keep:
        os.makedirs(options.keep, exist_ok=True)
    failed = False
    for name, command in EMULATORS.items():
        if options.only not in name:
            continue
        begun = time.monotonic()
        sitting = Sitting(name, options.keep)
        try:
            sitting.start(command)
            told = check(sitting)
        except Failed as why:
            told, failed = f"FAILED: {why}", True
        finally:
            sitting.end()
        print(f"{name}: {told} ({time.monotonic() - begun:.0f} s)", flush=True)
    sys.exit(failed)


main()
