#!/usr/bin/env python3
"""One file through tete, scp, ncat --ssl, socat with TLS, and plaintext nc, side by side; or a folder of small files.

    benches/files.py                     1 GiB, seven rounds, on loopback in a network namespace of its own
    benches/files.py --small 20000       so many files of 150 bytes, on the disk, through tete, scp -r, rsync, tar | ssh
    benches/files.py --rate 100mbit --size 64M
    benches/files.py --size 10G --rounds 1 --tools tete --work /tmp

Needs root, iproute2, openssh-server, ncat, socat, netcat-openbsd, rsync, openssl, GNU time, and the release build. Source
and destination are on a memory file system by default, small files on the disk; what arrived of them stays until the
end, as ext4 is slow to give inodes anew that were just freed. Of these tools only tete syncs what it stores. Rounds are interleaved; the first of two more than asked for warms up and
compares contents. Seconds run from the start of the sender to the end of both; quote the ratios.
"""

import argparse
import filecmp
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

TETE = os.path.abspath(os.environ.get("TETE", "target/release/tete"))
PORT = "54321"


def in_namespace(rate: str | None) -> None:
    """Starts this script anew where only loopback is, with cubic on it."""
    name = f"bench{os.getpid()}"
    run = lambda command: subprocess.run(command, shell=True, check=True)
    run(f"ip netns add {name} && ip -n {name} link set lo up")
    try:
        for local in ("127.0.0.0/8", "127.0.0.1"):
            run(f"ip -n {name} route change local {local} dev lo proto kernel scope host src 127.0.0.1 table local congctl cubic")
        if rate:
            # A packet larger than the bucket would never leave.
            run(f"ip -n {name} link set lo mtu 1500")
            run(f"ip netns exec {name} tc qdisc add dev lo root tbf rate {rate} burst 64kb latency 50ms")
        again = [sys.executable, os.path.abspath(__file__), *sys.argv[1:], "--here"]
        sys.exit(subprocess.run(["ip", "netns", "exec", name, *again]).returncode)
    finally:
        run(f"ip netns del {name}")


class End:
    """A process, its processor seconds and its largest memory, measured by GNU time: the memory of this script, from
    which a process begins, must not count."""

    def __init__(self, command: list[str], **files):
        self.figures = tempfile.NamedTemporaryFile("r")
        timed = ["/usr/bin/time", "-q", "-o", self.figures.name, "-f", "%U %S %M", *command]
        self.process = subprocess.Popen(timed, start_new_session=True, **files)

    def wait(self) -> None:
        self.process.wait()
        user, system, peak = self.figures.read().split()[-3:]
        self.cpu, self.peak = float(user) + float(system), int(peak)


def listening() -> None:
    """Waits until somebody listens on the port."""
    hexport = f":{int(PORT):04X} "
    while not any(
        hexport in line and " 0A " in line for file in ("tcp", "tcp6") for line in open(f"/proc/net/{file}")
    ):
        time.sleep(0.002)


def shell(receiver: str, sender: str):
    """The tool is two commands; the receiver is started first."""

    def run(source: str, target: str, keys: str):
        words = {"source": source, "target": target, "keys": keys, "port": PORT}
        ends = [End(["bash", "-c", "exec " + receiver.format(**words)])]
        listening()
        start = time.monotonic()
        ends.append(End(["bash", "-c", "exec " + sender.format(**words)]))
        for end in reversed(ends):
            end.wait()
        return time.monotonic() - start, ends

    return run


def by_ssh(command: str):
    """The tool is a command that reaches an sshd."""

    def run(source: str, target: str, keys: str):
        options = "-q -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
        options += f" -i {keys}/user -o Port={PORT}"
        above, name = os.path.split(source)
        words = {"options": options, "source": source, "target": target, "above": above, "name": name}
        server = End(["/usr/sbin/sshd", "-D", "-e", "-f", f"{keys}/sshd"], stderr=subprocess.DEVNULL)
        listening()
        start = time.monotonic()
        client = End(["bash", "-c", command.format(**words)], stderr=subprocess.DEVNULL)
        client.wait()
        seconds = time.monotonic() - start
        with open(f"/proc/{server.process.pid}/task/{server.process.pid}/children") as children:
            os.kill(int(children.read()), signal.SIGTERM)
        server.wait()
        while subprocess.run(["pgrep", "-f", f"{keys}/sshd"], capture_output=True).returncode == 0:
            time.sleep(0.01)
        return seconds, [server, client]

    return run


def tete(source: str, target: str, keys: str):
    folder = os.path.dirname(target)
    start_of = lambda *words: End([TETE, "--json", *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def until(end: End, *names: str) -> dict:
        while True:
            event = json.loads(end.process.stdout.readline())
            if event["event"] in names:
                return event

    def tell(end: End, **command) -> None:
        end.process.stdin.write(json.dumps(command) + "\n")
        end.process.stdin.flush()

    host = start_of("--port", PORT, "--save-to", folder, "--auto-accept")
    until(host, "listening")
    start = time.monotonic()
    guest = start_of("127.0.0.1", PORT)
    codes = [until(end, "code") for end in (host, guest)]
    for end, asked, other in zip((host, guest), codes, reversed(codes)):
        tell(end, command="half", question=asked["question"], half=other["own"])
    until(guest, "room_open")
    tell(guest, command="send", paths=[source])
    threads = [threading.Thread(target=lambda: until(host, "stored"))]
    threads[0].start()
    until(guest, "sent")
    threads[0].join()
    seconds = time.monotonic() - start
    tell(guest, command="quit")
    for end in (guest, host):
        end.process.stdout.read()
        end.wait()
    return seconds, [host, guest]


TOOLS = {
    "tete": tete,
    "scp": by_ssh("scp {options} {source} 127.0.0.1:{target}"),
    "ncat --ssl": shell(
        "ncat --ssl --ssl-cert {keys}/cert --ssl-key {keys}/key --send-only -l 127.0.0.1 {port} < {source}",
        "ncat --ssl --recv-only 127.0.0.1 {port} > {target}",
    ),
    "socat": shell(
        "socat -u -b 65536 OPENSSL-LISTEN:{port},bind=127.0.0.1,reuseaddr,cert={keys}/pem,verify=0 CREATE:{target}",
        "socat -u -b 65536 OPEN:{source} OPENSSL:127.0.0.1:{port},verify=0",
    ),
    "nc": shell("nc.openbsd -l 127.0.0.1 {port} > {target}", "nc.openbsd -N 127.0.0.1 {port} < {source}"),
}

SMALL = {
    "tete": tete,
    "scp -r": by_ssh("scp {options} -r {source} 127.0.0.1:{target}"),
    "rsync": by_ssh("rsync -r -e 'ssh {options}' {source}/ 127.0.0.1:{target}"),
    "tar | ssh": by_ssh(
        "tar -C {above} -cf - {name} | ssh {options} 127.0.0.1 'mkdir {target} && tar -C {target} --strip 1 -xf -'"
    ),
}


def make_keys(keys: str) -> None:
    run = lambda command: subprocess.run(command, shell=True, check=True, capture_output=True)
    run(f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {keys}/key -out {keys}/cert")
    run(f"cat {keys}/key {keys}/cert > {keys}/pem")
    for name in ("user", "host"):
        run(f"ssh-keygen -q -t ed25519 -N '' -f {keys}/{name}")
    with open(f"{keys}/sshd", "w") as out:
        out.write(
            f"Port {PORT}\nListenAddress 127.0.0.1\nHostKey {keys}/host\nAuthorizedKeysFile {keys}/user.pub\n"
            "StrictModes no\nUsePAM no\nPidFile none\nSubsystem sftp internal-sftp\nPermitRootLogin yes\n"
        )
    os.makedirs("/run/sshd", exist_ok=True)


def is_same(source: str, target: str, thorough: bool) -> bool:
    if not os.path.isdir(source):
        return os.path.getsize(target) == os.path.getsize(source) and (
            not thorough or filecmp.cmp(source, target, shallow=False)
        )
    names = os.listdir(source)
    if not thorough:
        return len(os.listdir(target)) == len(names)
    _, different, failed = filecmp.cmpfiles(source, target, names, shallow=False)
    return not different and not failed and len(os.listdir(target)) == len(names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="1G")
    parser.add_argument("--small", type=int, default=0, help="a folder with so many files of 150 bytes instead")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--rate", help="shapes loopback, as tc writes it: 100mbit")
    parser.add_argument("--tools", help="names with commas between them")
    parser.add_argument("--work", help="where source and destination are: twice the size")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.here:
        in_namespace(options.rate)
    unit = {"K": 10, "M": 20, "G": 30}[options.size[-1]]
    small, tools = options.small, SMALL if options.small else TOOLS
    size = 150 * small if small else int(options.size[:-1]) << unit
    work = tempfile.mkdtemp(dir=options.work or ("/var/tmp" if small else "/dev/shm"))
    try:
        keys, into = f"{work}/keys", f"{work}/into"
        os.mkdir(keys)
        os.mkdir(into)
        make_keys(keys)
        source = f"{work}/file"
        if small:
            os.mkdir(source)
            for number in range(small):
                with open(f"{source}/{number}", "wb") as file:
                    file.write(os.urandom(150))
        else:
            subprocess.run(f"openssl enc -aes-256-ctr -nosalt -pass pass:x -in /dev/zero 2>/dev/null | head -c {size} > {source}", shell=True)
        figures: dict[str, list] = {name: [] for name in (options.tools.split(",") if options.tools else tools)}
        for turn in range(options.rounds + 1):
            for name, rounds in figures.items():
                # A folder of its own for each, as what is in it can stay.
                target = tempfile.mkdtemp(dir=into) + "/file"
                seconds, ends = tools[name](source, target, keys)
                same = is_same(source, target, thorough=turn == 0)
                codes = [end.process.returncode for end in ends]
                if not same or any(code not in (0, -15, 143, 255) for code in codes):
                    print(f"{name}: not whole, exits {codes}", flush=True)
                if turn > 0:
                    rounds.append((seconds, ends[1].cpu, ends[0].cpu, max(end.peak for end in ends)))
                if not small:
                    os.unlink(target)
        middle = lambda values: statistics.median(values)
        what = f"{small} files of 150 bytes" if small else options.size
        print(f"{what}, {options.rounds} rounds, {options.rate or 'loopback'}; medians")
        print(f"{'':12}{'s':>8}{'MB/s':>8}{'CPU s':>8}{'peak MiB':>10}   as fast as tete in the same round, CPU")
        for name, rounds in figures.items():
            ratios = [own[0] / other[0] for own, other in zip(figures.get("tete", rounds), rounds)]
            cpu = [(other[1] + other[2]) / (own[1] + own[2]) for own, other in zip(figures.get("tete", rounds), rounds)]
            seconds = middle(figure[0] for figure in rounds)
            print(
                f"{name:12}{seconds:8.2f}{size / seconds / 1e6:8.0f}{middle(f[1] + f[2] for f in rounds):8.2f}"
                f"{middle(f[3] for f in rounds) / 1024:10.1f}   {middle(ratios):.2f}  {middle(cpu):.2f}",
                flush=True,
            )
    finally:
        shutil.rmtree(work)


main()
