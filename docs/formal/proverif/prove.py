#!/usr/bin/env python3
"""Runs ProVerif 2.05 over the symbolic models, and compares its answers with those that are expected.

    prove.py [NAME ...]       proves the models whose names begin so, or all; writes results.json if all were run
    prove.py --write FOLDER   writes the models as files, to read them
    prove.py --check          needs no ProVerif: results.json is about these very models, and all is as expected

PROVERIF names the program if it is not `proverif`.
"""

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from models import MODELS

RESULTS = Path(__file__).with_name("results.json")
SECONDS = 120
AT_ONCE = 2


def digest(model):
    return hashlib.sha256(model["text"].encode()).hexdigest()


def fits(expect, answers):
    """A query may be left undecided where `None` is expected."""
    return len(expect) == len(answers) and all(e["holds"] in (None, a) for e, a in zip(expect, answers))


def prove(name, folder):
    """Runs one model; an answer is `True`, `False`, or `None` for "cannot be proved"."""
    path = Path(folder, name).with_suffix(".pv")
    path.write_text(MODELS[name]["text"])
    began = time.monotonic()
    try:
        run = subprocess.run(
            [os.environ.get("PROVERIF", "proverif"), path], capture_output=True, text=True, timeout=SECONDS
        )
        out = run.stdout + run.stderr
    except subprocess.TimeoutExpired:
        out = ""
    lines = re.findall(r"^RESULT .*", out, re.M)
    answers = [True if line.endswith("is true.") else False if "is false" in line else None for line in lines]
    expect = MODELS[name]["expect"]
    right = fits(expect, answers)
    print("ok  " if right else "DIFF", f"{name:22} {time.monotonic() - began:6.1f} s ", *answers, flush=True)
    result = {
        "what": MODELS[name]["what"],
        "mutant_of": MODELS[name]["mutant_of"],
        "sha256": digest(MODELS[name]),
        "seconds": round(time.monotonic() - began, 1),
        "answers": {e["query"]: a for e, a in zip(expect, answers)},
    }
    return name, right, result


def check():
    results = json.loads(RESULTS.read_text())
    wrong = [
        name
        for name in MODELS
        if name not in results
        or results[name]["sha256"] != digest(MODELS[name])
        or not fits(MODELS[name]["expect"], list(results[name]["answers"].values()))
    ]
    wrong += [name for name in results if name not in MODELS]
    if wrong:
        sys.exit("results.json is not about these models: " + ", ".join(wrong))


def main(names):
    chosen = [name for name in MODELS if not names or name.startswith(tuple(names))]
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda name: prove(name, folder), chosen))
    if not names:
        RESULTS.write_text(json.dumps({name: result for name, _, result in done}, indent=1) + "\n")
    failed = sum(not right for _, right, _ in done)
    print(f"{len(done) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    if "--check" in sys.argv:
        check()
    elif "--write" in sys.argv:
        for name, model in MODELS.items():
            Path(sys.argv[2], name).with_suffix(".pv").write_text(f"(* {model['what']} *)\n{model['text']}")
    else:
        main(sys.argv[1:])
