"""The transcripts in tests/vectors: made from fixed keys by the independent peer, and checked against them.

    vectors.py make [DIRECTORY]    write the files
    peer.py vectors FILE ...       compute every value and record of the files again

A transcript holds whatever its connections draw at random, and what each side says, in order. All else follows.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import sys
from pathlib import Path

from blake3 import blake3
from kyber_py.ml_kem import ML_KEM_768

from peer import CT_SIZE, EK_SIZE, PLAINTEXT, Direction, Epoch, Handshake, Noise, T
from peer import check_ek, encapsulate_from, halves, hmac256, parse, record

LARGE_PLAINTEXT = 16_366
LARGE_PART = 16_347
DIRECTORY = Path(__file__).parents[1] / "vectors"
SIDES = "IR"


def unfold(text: str) -> bytes:
    """Bytes in hex; `xx*N` is one byte N times, and spaces mean nothing."""
    folded = re.sub(r"([0-9a-f]{2})\*(\d+)", lambda match: match[1] * int(match[2]), text)
    return bytes.fromhex(folded)


def seq(start: int, size: int = 32) -> str:
    """Consecutive byte values."""
    return bytes((start + i) % 256 for i in range(size)).hex()


class Connection:
    """Both ends of one connection of a transcript."""

    def __init__(self, data: dict, statics: dict[str, bytes], psk: bytes | None):
        self.data = data
        draws = {name: bytes.fromhex(value) for name, value in data["inputs"].items()}
        self.statics = statics
        initiator = Handshake(True, static=statics["I"], ephemeral=draws["e_I"], random=draws["n_I"],
                              kem_seed=draws["mlkem_seed"], psk=psk, mode=data["mode"])
        responder = Handshake(False, static=statics["R"], ephemeral=draws["e_R"], random=draws["n_R"],
                              encapsulate=lambda ek: encapsulate_from(ek, draws["m"]), psk=psk, mode=data["mode"])
        bodies = [initiator.write1()]
        assert responder.read1(bodies[0]) is None
        bodies.append(responder.write2())
        initiator.read2(bodies[1])
        bodies.append(initiator.write3())
        responder.read3(bodies[2])
        initiator.open(responder.n_r)
        self.epoch = epoch = initiator.epoch()
        assert epoch.prk == responder.epoch().prk
        self.publics = {"I": initiator.noise.static, "R": responder.noise.static}
        codes = [code.replace(" ", "") for code in halves(initiator.sas())]
        split = initiator.noise.split()
        data["psk"] = psk.hex() if psk else None
        data["results"] = {
            "ek": responder.ek.hex(), "ct": encapsulate_from(responder.ek, draws["m"])[1].hex(), "ss": initiator.ss.hex(),
            "commit": responder.commit.hex(), "h": epoch.h.hex(),
            "k_i2r": split[:32].hex(), "k_r2i": split[32:].hex(), "PRK": epoch.prk.hex(),
            **epoch_results(epoch),
            "S": initiator.sas().hex(), "code_I": codes[0], "code_R": codes[1],
        }
        data["handshake"] = [{"from": side, "sha256": sha256(record(body)), "hex": record(body).hex()}
                             for side, body in zip("IRI", bodies)]
        self.out = {side: Direction(epoch.key(name)) for side, name in zip(SIDES, ("key i2r", "key r2i"))}
        self.into = {side: Direction(epoch.key(name)) for side, name in zip(SIDES, ("key i2r", "key r2i"))}
        self.change: dict[str, Noise] = {}
        data["epochs"] = []

    def play(self) -> None:
        for step in self.data["frames"]:
            plaintext = self._plaintext(step)
            size = LARGE_PLAINTEXT if step.get("large") else PLAINTEXT
            side = step["from"]
            padded = plaintext.ljust(size, b"\0")
            step["counter"] = self.out[side].counter
            body = self.out[side].seal(padded)
            step["sha256"] = sha256(record(body))
            if size == PLAINTEXT:
                parse(padded)
            if not step.get("lost"):
                assert self.into[side].open(body) == padded
                self._arrived(plaintext[0])

    def _plaintext(self, step: dict) -> bytes:
        name = step["frame"]
        if name == "RK1":
            draws = {key: bytes.fromhex(value) for key, value in step["inputs"].items()}
            number = self.epoch.number + 1
            prologue = b"tete/1 rekey\0" + number.to_bytes(4, "big") + self.epoch.h
            suite, psk = b"Noise_KKpsk0_25519_AESGCM_SHA256", self.epoch.key("chain")
            for side, other in ("I", "R"), ("R", "I"):
                self.change[side] = Noise(suite, side == "I", prologue, self.statics[side], draws[f"e_{side}"],
                                          self.publics[other], psk)
            d, z = draws["mlkem_seed"][:32], draws["mlkem_seed"][32:]
            ek, _ = ML_KEM_768._keygen_internal(d, z)
            check_ek(ek)
            self.ss, self.ct = encapsulate_from(ek, draws["m"])
            message = self.change["I"].write(ek)
            assert self.change["R"].read(message) == ek and len(ek) == EK_SIZE
        elif name == "RK2":
            message = self.change["R"].write(self.ct)
            assert self.change["I"].read(message) == self.ct and len(self.ct) == CT_SIZE
        else:
            return unfold(step["plaintext"])
        plaintext = bytes([T[name]]) + len(message).to_bytes(2, "big") + message
        step["plaintext"] = plaintext.hex()
        if name == "RK1":
            step |= {"ek": ek.hex(), "ct": self.ct.hex(), "ss": self.ss.hex()}
        return plaintext

    def _arrived(self, kind: int) -> None:
        if kind == T.RK2:
            side_i, side_r = self.change["I"], self.change["R"]
            assert side_i.h == side_r.h and side_i.split() == side_r.split()
            self.next = Epoch(self.epoch.number + 1, side_i.h, side_i.split(), self.ss)
            self.out["R"].key = self.into["R"].key = self.next.key("key r2i")
            split = side_i.split()
            self.data["epochs"].append({
                "number": self.next.number, "ss": self.ss.hex(), "h": self.next.h.hex(),
                "k_i2r": split[:32].hex(), "k_r2i": split[32:].hex(), "PRK": self.next.prk.hex(),
                **epoch_results(self.next)})
        elif kind == T.RK3:
            self.epoch = self.next
            self.out["I"].key = self.into["I"].key = self.epoch.key("key i2r")


def epoch_results(epoch: Epoch) -> dict[str, str]:
    names = {"key_i2r": "key i2r", "key_r2i": "key r2i", "chain": "chain", "resume_psk": "resume psk",
             "contact_psk": "contact psk"}
    return {name: epoch.key(label).hex() for name, label in names.items()}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def replay(transcript: dict) -> dict:
    """The transcript with everything that follows from its inputs computed again."""
    data = copy.deepcopy(transcript)
    statics = {side: bytes.fromhex(data["inputs"][f"s_{side}"]) for side in SIDES}
    resume_psk = b""
    for connection in data["connections"]:
        match connection["mode"]:
            case 0:
                psk = None
            case 1:
                prk = hmac256(b"tete/1 invite\0", bytes.fromhex(data["inputs"]["invite_secret"]))
                psk = hmac256(prk, b"tete/1 psk\0\1")
            case _:
                psk = resume_psk
        played = Connection(connection, statics, psk)
        played.play()
        if connection["mode"] != 2 or played.epoch.number:
            resume_psk = played.epoch.key("resume psk")
    return data


def check(path: Path) -> bool:
    """Whether the file holds what its inputs lead to."""
    given = json.loads(path.read_text())
    wrong = list(differences(given, replay(given), ""))
    records = sum(3 + len(connection["frames"]) for connection in given["connections"])
    for where in wrong:
        print("WRONG", path.name, where)
    print(f"{path.name}: {records} records, {len(wrong)} wrong")
    return not wrong


def differences(given, computed, where: str):
    if isinstance(given, dict) and isinstance(computed, dict):
        for name in given.keys() | computed.keys():
            yield from differences(given.get(name), computed.get(name), f"{where}/{name}")
    elif isinstance(given, list) and isinstance(computed, list) and len(given) == len(computed):
        for number, pair in enumerate(zip(given, computed)):
            yield from differences(*pair, f"{where}/{number}")
    elif given != computed:
        yield where


# --- what the transcripts say -----------------------------------------------------------------


def be(value: int, size: int = 4) -> str:
    return value.to_bytes(size, "big").hex()


def say(side: str, name: str, content: str = "", **more) -> dict:
    size = len(unfold(content))
    return {"from": side, "frame": name, "plaintext": f"{T[name]:02x} {be(size, 2)} {content}".strip(), **more}


def text(side: str, ident: int, words: str, age_ms: int = 0, **more) -> dict:
    return say(side, "TEXT", f"{be(ident)} {be(age_ms)} 00 {words.encode().hex()}", **more)


def receipt(side: str, ident: int, **more) -> dict:
    return say(side, "RECEIPT", be(ident), **more)


def opening(draws: dict) -> list[dict]:
    return [say("R", "SAS_OPEN", draws["n_R"]), say("R", "VERIFIED"), say("I", "VERIFIED")]


def draws(start: int) -> dict[str, str]:
    """What a connection draws at random, distinct for each start."""
    return {"e_I": seq(start + 0x60), "e_R": seq(start + 0xA0), "n_I": seq(start + 0x80), "n_R": seq(start + 0xE0),
            "mlkem_seed": seq(start, 64), "m": seq(start + 0x20)}


def connection(mode: int, start: int, frames: list[dict]) -> dict:
    drawn = draws(start)
    return {"mode": mode, "inputs": drawn, "frames": opening(drawn) + frames}


def secret() -> dict:
    return {
        "about": "Mode 0x01: two who share an invite. A text each way, an epoch change, a text under the new keys, BYE.",
        "inputs": {"s_I": seq(0x40), "s_R": seq(0x20), "invite_secret": seq(0)},
        "connections": [connection(1, 1, [
            text("I", 0, "hello"), receipt("R", 0), text("R", 0, "你好"), receipt("I", 0), *rekey(3),
            text("I", 1, "epoch one"), receipt("R", 1), say("I", "BYE", "00")])],
    }


def rekey(start: int) -> list[dict]:
    drawn = draws(start)
    return [{"from": "I", "frame": "RK1", "inputs": {name: drawn[name] for name in ("e_I", "e_R", "mlkem_seed", "m")}},
            {"from": "R", "frame": "RK2"}, say("I", "RK3")]


def resume() -> dict:
    return {
        "about": "Mode 0x02: a room of mode 0x00 whose connection breaks twice, the second time after an epoch change. "
                 "R has received two texts and shown one, so that its RECEIPT is below its next_id; a third is lost and "
                 "comes again with its age.",
        "inputs": {"s_I": seq(0x40), "s_R": seq(0x20)},
        "connections": [
            connection(0, 5, [
                text("I", 0, "shown"), receipt("R", 0), text("R", 0, "shown too"), receipt("I", 0),
                text("I", 1, "received, not shown"), text("I", 2, "lost", lost=True)]),
            connection(2, 7, [
                say("I", "RESUME", be(1)), say("R", "RESUME", be(2)), receipt("I", 0), receipt("R", 0),
                text("I", 2, "lost", age_ms=4000), receipt("R", 2), *rekey(9),
                text("R", 1, "lost under the new keys", lost=True)]),
            connection(2, 11, [
                say("R", "RESUME", be(3)), say("I", "RESUME", be(1)), receipt("R", 2), receipt("I", 0),
                text("R", 1, "lost under the new keys", age_ms=2500), receipt("I", 1), say("R", "BYE", "00")]),
        ],
    }


def files() -> dict:
    first, second = "68656c6c6f", 17_000
    nothing = blake3(b"").hexdigest()
    whole = [blake3(bytes.fromhex(first)).hexdigest(), blake3(b"x" * second).hexdigest()]
    rest = second - LARGE_PART

    def entry(index: int) -> str:
        return be(0) + " " + be(index)

    def accept(index: int, offset: int = 0, prefix: str = nothing) -> dict:
        return say("R", "FILE_ACCEPT", f"{entry(index)} {be(offset, 8)} {prefix}")

    def begin(index: int, size: int, path: str) -> dict:
        return say("I", "FILE_BEGIN", f"{entry(index)} {be(size, 8)} 00 {path.encode().hex()}")

    def data(index: int, offset: int, part: str, **more) -> dict:
        return say("I", "FILE_DATA", f"{entry(index)} {be(offset, 8)} {part}", **more)

    def end(index: int) -> dict:
        return say("I", "FILE_END", f"{entry(index)} {whole[index]}")

    def done(index: int, **more) -> dict:
        return say("R", "FILE_DONE", f"{entry(index)} 01", **more)

    return {
        "about": "A folder of two files goes from I to R and the connection breaks in the second, which goes on at its "
                 "offset; R's FILE_DONE for the first is lost and said again. I declines a file of R's.",
        "inputs": {"s_I": seq(0x40), "s_R": seq(0x20), "invite_secret": seq(0)},
        "connections": [
            connection(1, 13, [
                say("I", "FILE_OFFER", f"{be(0)} {be(2)} {be(5 + second, 8)} {b'docs'.hex()}"),
                accept(0), accept(1),
                begin(0, 5, "docs/a.txt"), data(0, 0, first), end(0), begin(1, second, "docs/b.bin"),
                data(1, 0, f"78*{LARGE_PART}", large=True), done(0, lost=True)]),
            connection(2, 15, [
                say("I", "RESUME", be(0)), say("R", "RESUME", be(0)),
                done(0), accept(1, LARGE_PART, blake3(b"x" * LARGE_PART).hexdigest()),
                begin(1, second, "docs/b.bin"), data(1, LARGE_PART, f"78*{rest}"), end(1),
                say("R", "FILE_SEEN", f"{entry(1)} {be(second, 8)}"), done(1),
                say("R", "FILE_OFFER", f"{be(0)} {be(1)} {be(5, 8)} {b'no.txt'.hex()}"),
                say("I", "FILE_CANCEL", f"{be(0)} 02"), say("I", "BYE", "00")]),
        ],
    }


TRANSCRIPTS = {"tete1-secret.json": secret, "tete1-resume.json": resume, "tete1-files.json": files}


def main() -> int:
    directory = Path(sys.argv[2]) if len(sys.argv) > 2 else DIRECTORY
    for name, transcript in TRANSCRIPTS.items():
        made = {"protocol": "tete/1", **replay(transcript())}
        (directory / name).write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
        check(directory / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
