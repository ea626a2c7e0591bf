#!/usr/bin/env python3
"""Ways into one room, with real peers: two routers that translate addresses, a transit relay of magic-wormhole, a SOCKS5
proxy, and a Tor network of its own.

Needs root, iproute2, nftables, tor, microsocks, miniupnpd, and `twist` with magic-wormhole-transit-relay (TWIST names it). TETE
names the binary (default target/release/tete). `--only relay` runs what has that in its name.

    a (10.1.0.2) - ra (11.9.0.1) - w (11.9.0.9) - rb (11.9.0.2) - b (10.2.0.2)        t: Tor, with a link to w

The addresses between the routers look public, for a router does not pass a port on from others.
"""

import argparse
import base64
import errno
import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import tornet

TETE = os.path.abspath(os.environ.get("TETE", "target/release/tete"))
TETE_UPNP = os.path.abspath(os.environ.get("TETE_UPNP", "target/debug/tete"))
TWIST = os.environ.get("TWIST", "target/interop-venv/bin/twist")
TAG = f"r{os.getpid() % 100000}"
NAMES = ["a", "ra", "w", "rb", "b", "t"]
WORK = tempfile.mkdtemp()


def ns(name: str) -> str:
    return f"{TAG}{name}"


def sh(command: str, check: bool = True) -> None:
    subprocess.run(command, shell=True, check=check, capture_output=not check)


def inside(name: str, *words: str, **options) -> subprocess.Popen:
    return subprocess.Popen(["ip", "netns", "exec", ns(name), *words], **options)


def link(one: str, address: str, other: str, other_address: str) -> None:
    left, right = f"{one}-{other}", f"{other}-{one}"
    sh(f"ip link add {left} netns {ns(one)} type veth peer name {right} netns {ns(other)}")
    for name, device, place in ((one, left, address), (other, right, other_address)):
        if place:
            sh(f"ip -n {ns(name)} addr add {place} dev {device}")
        sh(f"ip -n {ns(name)} link set {device} up")


def up() -> None:
    for name in NAMES:
        sh(f"ip netns add {ns(name)} && ip -n {ns(name)} link set lo up")
    sh(f"ip -n {ns('w')} link add wan type bridge && ip -n {ns('w')} addr add 11.9.0.9/24 dev wan")
    sh(f"ip -n {ns('w')} link set wan up")
    for router, home, number in (("ra", "a", 1), ("rb", "b", 2)):
        link(home, f"10.{number}.0.2/24", router, f"10.{number}.0.1/24")
        link(router, f"11.9.0.{number}/24", "w", "")
        sh(f"ip -n {ns('w')} link set w-{router} master wan")
        sh(f"ip -n {ns(home)} route add default via 10.{number}.0.1")
        sh(f"ip netns exec {ns(router)} sysctl -qw net.ipv4.ip_forward=1")
        # Fully random: each connection leaves by another port, as behind a symmetric router.
        rules = f"""table inet r {{
            chain passed {{ }}
            chain passed_in {{ }}
            chain passed_out {{ }}
            chain forward {{ type filter hook forward priority 0; policy drop;
                ct state established,related accept; iifname "{router}-{home}" accept; jump passed; }}
            chain in {{ type nat hook prerouting priority -100; jump passed_in; }}
            chain out {{ type nat hook postrouting priority 100; jump passed_out;
                oifname "{router}-w" masquerade {'fully-random' if number == 2 else ''}; }}
        }}"""
        subprocess.run(["ip", "netns", "exec", ns(router), "nft", "-f", "-"], input=rules, text=True, check=True)
    link("t", "10.3.0.2/24", "w", "10.3.0.1/24")
    sh(f"ip -n {ns('t')} route add default via 10.3.0.1")


def down() -> None:
    for name in NAMES:
        sh(f"ip netns pids {ns(name)} | xargs -r kill -9", check=False)
        sh(f"ip netns del {ns(name)}", check=False)
    shutil.rmtree(WORK, ignore_errors=True)


class Side:
    """A tete that is driven by its events."""

    def __init__(self, name: str, *args: str):
        self.process = inside(name, TETE, "--json", *args, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True)
        self.events: list[tuple[float, dict]] = []
        self.changed = threading.Condition()
        self.next = 0
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.process.stdout:
            with self.changed:
                self.events.append((time.monotonic(), json.loads(line)))
                self.changed.notify_all()

    def until(self, name: str, seconds: float = 30, fits=lambda event: True) -> tuple[float, dict]:
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                while self.next < len(self.events):
                    at, event = self.events[self.next]
                    self.next += 1
                    if event["event"] == name and fits(event):
                        return at, event
                if not self.changed.wait(end - time.monotonic()) and self.next >= len(self.events):
                    told = [event for _, event in self.events if event["event"] != "status"]
                    raise AssertionError(f"no {name}, but {told[-8:]}")

    def tell(self, **command) -> None:
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def texts(self) -> list[str]:
        return [event["text"] for _, event in self.events if event["event"] == "text"]

    def exit(self) -> int:
        return self.process.wait(30)


class Capture:
    """What leaves or enters a device, without what the kernel says by itself."""

    def __init__(self, name: str, device: str):
        # The socket stays where it was made; only this thread moves.
        self.packets: list[bytes] = []
        ready = threading.Event()

        def watch() -> None:
            with open(f"/run/netns/{ns(name)}") as there:
                os.setns(there.fileno(), 0x40000000) if hasattr(os, "setns") else libc_setns(there.fileno())
            wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
            wire.bind((device, 0))
            ready.set()
            while True:
                try:
                    packet = wire.recv(65536)
                except OSError as error:
                    # Down, and perhaps up again; or gone.
                    if error.errno == errno.ENETDOWN and os.path.exists(f"/run/netns/{ns(name)}"):
                        continue
                    return
                kind = packet[12:14]
                ping6 = kind == b"\x86\xdd" and packet[20] in (58, 0)
                if kind != b"\x08\x06" and not ping6:
                    self.packets.append(packet)

        threading.Thread(target=watch, daemon=True).start()
        assert ready.wait(5)

    def udp_ports(self) -> set[int]:
        ports = set()
        for packet in self.packets:
            if packet[12:14] == b"\x08\x00" and packet[23] == 17:
                start = 14 + (packet[14] & 15) * 4
                ports |= {int.from_bytes(packet[start + 2 : start + 4], "big")}
        return ports


def libc_setns(descriptor: int) -> None:
    import ctypes

    assert ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000) == 0


def hints(invite: str) -> list[bytes]:
    said = base64.urlsafe_b64decode(invite.removeprefix("tete1") + "==")
    at, found = 34, []
    for _ in range(said[33]):
        start = at
        at += {4: 7, 6: 19, 14: 35}.get(said[at]) or said[at + 1] + 4
        found.append(said[start:at])
    return found


def without_ways(invite: str, *kinds: int) -> str:
    """The invite with none but these kinds of ways."""
    kept = [hint for hint in hints(invite) if hint[0] in kinds]
    said = base64.urlsafe_b64decode(invite.removeprefix("tete1") + "==")
    body = said[:33] + bytes([len(kept)]) + b"".join(kept)
    checksum = hashlib.sha256(b"tete/1 invite\0" + body).digest()[:4]
    return "tete1" + base64.urlsafe_b64encode(body + checksum).decode().rstrip("=")


def invited(host_in: str, guest_in: str, host_args: list[str], guest_args: list[str], patience: float = 60,
            change=lambda invite: invite):
    """Two in a room by an invite. Returns them, and the seconds from the guest's start to the open room."""
    host = Side(host_in, "--port", "0", "--invite", *host_args)
    invite = host.until("invite", 240)[1]["invite"]
    path = f"{WORK}/invite-{time.monotonic()}"
    with open(path, "w") as out:
        out.write(change(invite))
    start = time.monotonic()
    guest = Side(guest_in, "--invite-file", path, *guest_args)
    opened = guest.until("room_open", patience)[0] - start
    host.until("room_open")
    return host, guest, opened


def talk_through(host: Side, guest: Side, breaks, limit: float) -> float:
    """Both talk while the line breaks. Every text arrives once and in order. Returns how long it took to be back."""
    def codes() -> int:
        return sum(event["event"] in ("code", "compare") for side in (host, guest) for _, event in side.events)

    before = codes()
    took = 0.0
    number = 0
    for cut, mend in breaks:
        for _ in range(5):
            host.tell(command="say", text=str(number))
            guest.tell(command="say", text=str(number))
            number += 1
        cut()
        guest.until("connection_lost", 90)
        for _ in range(5):
            host.tell(command="say", text=str(number))
            guest.tell(command="say", text=str(number))
            number += 1
        mend()
        mended = time.monotonic()
        guest.until("reconnected", limit)
        took = max(took, time.monotonic() - mended)
    both_heard(host, guest, [str(text) for text in range(number)])
    assert codes() == before, "a code was asked for"
    return took


def both_heard(host: Side, guest: Side, everything: list[str]) -> None:
    end = time.monotonic() + 20
    while (host.texts() != everything or guest.texts() != everything) and time.monotonic() < end:
        time.sleep(0.05)
    assert host.texts() == everything and guest.texts() == everything, (host.texts(), guest.texts())


def leave(host: Side, guest: Side) -> None:
    guest.tell(command="quit")
    assert [guest.exit(), host.exit()] == [0, 0]


def wan(state: str):
    return lambda: sh(f"ip -n {ns('w')} link set wan {state}")


def relay_up() -> subprocess.Popen:
    relay = inside("w", TWIST, "transitrelay", "--port=tcp:4001", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for("w", 4001)
    return relay


def wait_for(name: str, port: int) -> None:
    end = time.monotonic() + 20
    while subprocess.run(
        ["ip", "netns", "exec", ns(name), "ss", "-Hltn", f"sport = :{port}"], capture_output=True
    ).stdout == b"":
        assert time.monotonic() < end, f"nothing listens on {port}"
        time.sleep(0.1)


def two_routers_without_a_relay_lead_nowhere() -> str:
    host = Side("a", "--port", "0", "--invite")
    path = f"{WORK}/alone"
    with open(path, "w") as out:
        out.write(host.until("invite")[1]["invite"])
    start = time.monotonic()
    guest = Side("b", "--invite-file", path)
    assert guest.exit() == 3
    host.tell(command="quit")
    return f"said so after {time.monotonic() - start:.1f} s"


def two_routers_and_a_relay() -> str:
    relay = relay_up()
    told = []
    for home, away in (("a", "b"), ("b", "a")):
        host, guest, opened = invited(home, away, ["--relay", "11.9.0.9:4001"], [])
        assert guest.events and any("relay" in json.dumps(event) for _, event in guest.events)
        back = talk_through(host, guest, [(wan("down"), wan("up"))] * 2, 30)
        leave(host, guest)
        told.append(f"host at {home}: open after {opened:.2f} s, back {back:.1f} s after the network")
    relay.kill()
    return "; ".join(told)


def a_proxy_looks_up_the_names() -> str:
    os.makedirs(f"/etc/netns/{ns('w')}", exist_ok=True)
    try:
        with open(f"/etc/netns/{ns('w')}/hosts", "w") as hosts:
            hosts.write("11.9.0.9 partner.test\n")
        proxy = inside("w", "microsocks", "-i", "11.9.0.9", "-p", "1080", stderr=subprocess.DEVNULL)
        wait_for("w", 1080)
        watched = Capture("b", "b-rb")
        host = Side("w", "--port", "0")
        port = host.until("listening")[1]["address"].rsplit(":", 1)[1]
        start = time.monotonic()
        guest = Side("b", "--proxy", "socks5://11.9.0.9:1080", "partner.test", port)
        at, code = guest.until("code")
        codes = [host.until("code")[1], code]
        host.tell(command="half", question=codes[0]["question"], half=codes[1]["own"])
        guest.tell(command="half", question=codes[1]["question"], half=codes[0]["own"])
        guest.until("room_open")
        host.until("room_open")
        back = talk_through(host, guest, [(wan("down"), wan("up"))], 30)
        leave(host, guest)
        proxy.kill()
        assert watched.packets, "nothing was captured"
        assert watched.udp_ports() == set(), watched.udp_ports()
        return f"code after {at - start:.2f} s, back {back:.1f} s after the network; {len(watched.packets)} packets, none to a name server"
    finally:
        shutil.rmtree(f"/etc/netns/{ns('w')}", ignore_errors=True)


def folders() -> set[str]:
    return {name for name in os.listdir(tempfile.gettempdir()) if name.startswith("tete-")}


def kill_tor_of(side: Side) -> None:
    """Ends the tor that a tete has started."""
    found = subprocess.run(["pgrep", "-x", "-P", str(side.process.pid), "tor"], capture_output=True, text=True, check=True)
    os.kill(int(found.stdout), 9)


def running_tor(config: str) -> float:
    """Both sides by a tor that was there before them. Returns the seconds to the open room."""
    folder = f"{WORK}/running"
    os.makedirs(folder, mode=0o700)
    with open(config) as lines, open(f"{folder}/torrc", "w") as out:
        out.write(lines.read())
        out.write(f"DataDirectory {folder}/data\nSocksPort 127.0.0.1:9050\nControlPort 127.0.0.1:9051\n")
        out.write("CookieAuthentication 1\nAvoidDiskWrites 1\n")
    open(f"{folder}/empty", "w").close()
    tor = inside("t", "tor", "--quiet", "-f", f"{folder}/torrc", "--defaults-torrc", f"{folder}/empty")
    wait_for("t", 9051)
    args = ["--tor", "--tor-control", "127.0.0.1:9051"]
    assert doctor("t", *args)["tor"][0] == "works"
    host, guest, opened = invited("t", "t", args, args, 240)
    assert subprocess.run(f"ip netns pids {ns('t')} | xargs -r ps -o args= -p | grep -c '/tete-'", shell=True,
                          capture_output=True, text=True).stdout == "0\n", "another tor was started"
    leave(host, guest)
    assert tor.poll() is None, "it ended with us"
    tor.kill()
    tor.wait()
    return opened


def tor_only_and_nothing_else() -> str:
    # Whoever asks for a name is seen, too.
    os.makedirs(f"/etc/netns/{ns('t')}", exist_ok=True)
    with open(f"/etc/netns/{ns('t')}/resolv.conf", "w") as servers:
        servers.write("nameserver 10.3.0.1\n")
    try:
        return through_tor()
    finally:
        shutil.rmtree(f"/etc/netns/{ns('t')}", ignore_errors=True)


def through_tor() -> str:
    config = f"{WORK}/client"
    with open(config, "w") as out:
        out.write(tornet.up(f"{WORK}/tor", ns("t")))
    watched = Capture("t", "t-w")
    before = folders()
    args = ["--tor", "--tor-config", config]
    found = doctor("t", *args)
    assert found["tor"][0] == "works" and set(found) == {"tor", "relay"}, found
    assert folders() == before, "the doctor's tor has left its folder"
    begun = time.monotonic()
    host, guest, opened = invited("t", "t", args, args, 240)
    ready = time.monotonic() - begun - opened
    assert guest.events and any(event.get("address") == "Tor" for _, event in guest.events)
    kill_own = f"ip netns pids {ns('t')} | xargs -r ps -o pid=,args= -p | grep '/tete-' | awk '{{print $1}}' | head -1"

    def cut() -> None:
        # The guest's own tor, or the host's, stands still: nothing moves on any circuit through it.
        os.kill(int(subprocess.run(kill_own, shell=True, capture_output=True, text=True).stdout), 19)

    def mend() -> None:
        os.kill(int(subprocess.run(kill_own, shell=True, capture_output=True, text=True).stdout), 18)

    # Nothing is open but our tors' ports on this machine, and the door that the onion service leads to.
    inner = subprocess.run(["ip", "netns", "exec", ns("t"), "ss", "-Hltnup"], capture_output=True, text=True).stdout
    tetes = [line.split()[4] for line in inner.splitlines() if '"tete"' in line]
    assert len(tetes) == 1 and tetes[0].startswith("127.0.0.1:"), inner
    assert all(line.split()[4].startswith("127.0.0.1:") for line in inner.splitlines()), inner
    back = talk_through(host, guest, [(cut, mend)], 120)
    # A tor that ends is started anew, on either side, and the onion service is where it was.
    again, everything = 0.0, guest.texts()
    for side in (guest, host):
        start = time.monotonic()
        kill_tor_of(side)
        if side is host:
            assert host.until("route_down", 60)[1]["why"] == {"tor": "ended"}
            host.until("route_up", 120)
        everything.append(f"after {len(everything)}")
        for each in (host, guest):
            each.tell(command="say", text=everything[-1])
        guest.until("reconnected", 240)
        again = max(again, time.monotonic() - start)
    both_heard(host, guest, everything)
    leave(host, guest)
    assert folders() == before, "a tor has left its folder"
    took = running_tor(config)
    assert watched.packets == [], f"{len(watched.packets)} packets left, such as {watched.packets[0].hex()}"
    tornet.down(f"{WORK}/tor")
    # The watch would have seen it.
    Side("t", "nobody.invalid").exit()
    assert 53 in watched.udp_ports(), "the capture does not work"
    return f"invite after {ready:.0f} s, open after {opened:.1f} s, back {back:.1f} s after the stop; by a tor that runs after {took:.1f} s; back {again:.1f} s after a tor was killed; nothing else on the wire, nothing open but 127.0.0.1"


def router_up(name: str, port: str, *lines: str) -> subprocess.Popen:
    """A router that passes ports on when asked, once it listens on that port."""
    return miniupnpd(f"r{name}", f"r{name}-{name}", f"r{name}-w", {"a": 1, "b": 2}[name], port, *lines)


def miniupnpd(where: str, inner: str, outer: str, number: int, port: str, *lines: str) -> subprocess.Popen:
    with open(f"{WORK}/upnpd", "w") as out:
        out.write(
            f"ext_ifname={outer}\nlistening_ip={inner}\nhttp_port=0\nsecure_mode=yes\n"
            "upnp_table_name=r\nupnp_nat_table_name=r\nupnp_forward_chain=passed\nupnp_nat_chain=passed_in\n"
            "upnp_nat_postrouting_chain=passed_out\nuuid=7a6b0f0e-0000-4000-8000-000000000001\n"
            f"allow 1024-65535 10.{number}.0.0/24 1024-65535\ndeny 0-65535 0.0.0.0/0 0-65535\n"
            + "".join(f"{line}\n" for line in lines)
        )
    router = inside(where, "miniupnpd", "-d", "-f", f"{WORK}/upnpd", "-P", f"{WORK}/upnpd.pid",
                    stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while f":{port}" not in subprocess.run(
        ["ip", "netns", "exec", ns(where), "ss", "-Hlun"], capture_output=True, text=True
    ).stdout:
        assert time.monotonic() < end and router.poll() is None, "the router does not listen"
        time.sleep(0.1)
    return router


def natpmp(*words: str) -> subprocess.Popen:
    program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "natpmp.py")
    router = inside("ra", "python3", program, "10.1.0.1", *words, stdout=subprocess.PIPE, text=True)
    assert router.stdout.readline() == "ready\n"
    return router


def passed() -> str:
    words = ["ip", "netns", "exec", ns("ra"), "nft", "list", "chain", "inet", "r", "passed_in"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def through_a_mapped_port() -> str:
    host, guest, opened = invited("a", "b", [], [])
    assert any(event["event"] == "mapped" for _, event in host.events)
    assert "dnat" in passed(), passed()
    assert any(str(event.get("address")).startswith("11.9.0.1:") for _, event in guest.events)
    back = talk_through(host, guest, [(wan("down"), wan("up"))], 30)
    leave(host, guest)
    assert "dnat" not in passed(), "the mapping is still there"
    return f"open after {opened:.2f} s, back {back:.1f} s after the network; the mapping went with the room"


def a_router_that_passes_a_port_on() -> str:
    router = router_up("a", "5351", "ext_ip=11.9.0.1", "enable_natpmp=yes", "enable_upnp=no")
    try:
        return through_a_mapped_port()
    finally:
        router.kill()
        router.wait()


def a_router_that_knows_only_upnp() -> str:
    global TETE
    router = router_up("a", "1900", "ext_ip=11.9.0.1", "enable_natpmp=no", "enable_upnp=yes")
    plain, TETE = TETE, TETE_UPNP
    try:
        return through_a_mapped_port()
    finally:
        TETE = plain
        router.kill()
        router.wait()


def another_machine_is_not_the_router() -> str:
    """Somebody on the local network answers by UPnP. What it offers would pass, if it were the router's."""
    global TETE
    sh(f"ip -n {ns('a')} link add far type veth peer name near && ip -n {ns('a')} addr add 11.9.0.66/32 dev far")
    sh(f"ip -n {ns('a')} link set far up && ip netns exec {ns('a')} nft add table inet r")
    for chain in ("passed", "passed_in", "passed_out"):
        sh(f"ip netns exec {ns('a')} nft add chain inet r {chain}")
    rogue = miniupnpd("a", "a-ra", "far", 1, "1900", "ext_ip=11.9.0.66", "enable_natpmp=no", "enable_upnp=yes")
    plain, TETE = TETE, TETE_UPNP
    try:
        host = Side("a", "--port", "0", "--invite")
        assert host.until("mapping_failed")[1]["why"] == "no_answer"
        host.tell(command="quit")
        host.exit()
    finally:
        TETE = plain
        rogue.kill()
        rogue.wait()
        sh(f"ip -n {ns('a')} link del far")
    return "not believed"


def a_lease_is_renewed_and_given_back() -> str:
    router = natpmp("11.9.0.1", "20")
    host = Side("a", "--port", "0", "--invite")
    at = host.until("mapped")[0]
    said = [router.stdout.readline().split()[0] for _ in range(2)]
    took = time.monotonic() - at
    host.tell(command="quit")
    host.exit()
    said.append(router.stdout.readline().split()[0])
    router.kill()
    assert said == ["+", "+", "-"] and took < 15, (said, took)
    return f"one of 20 s renewed after {took:.0f} s"


def a_router_behind_another_is_of_no_use() -> str:
    for ip in ("100.64.0.1", "192.168.7.1"):
        router = natpmp(ip)
        host = Side("a", "--port", "0", "--invite")
        said = host.until("mapping_failed")[1]
        assert said["why"] == "useless" and said["address"] == ip, said
        invite = host.until("invite")[1]["invite"]
        assert all(hint[:5] != b"\x04" + socket.inet_aton(ip) for hint in hints(invite)), "it is in the invite"
        host.tell(command="quit")
        host.exit()
        made, removed = router.stdout.readline().split(), router.stdout.readline().split()
        assert [made[0], removed[0]] == ["+", "-"] and made[1] == removed[1], (made, removed)
        router.kill()
    return "said so, kept out of the invite, given back"


def doctor(name: str, *args: str) -> dict[str, tuple[str, str]]:
    """What the doctor finds there: the verdict and why, by what it is about."""
    found = inside(name, TETE, "doctor", "--json", *args, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    lines, _ = found.communicate(timeout=120)
    findings = map(json.loads, lines.splitlines())
    return {said["what"]: (said["verdict"], said["why"]) for said in findings if said["event"] == "finding"}


def the_doctor_knows_these_networks() -> str:
    lone = doctor("a")
    assert lone["nat"][0] == "unknown" and "its public address is not known" in lone["nat"][1], lone
    assert lone["mapping"] == ("does_not_work", "the router does not answer such requests"), lone
    router = router_up("a", "5351", "ext_ip=11.9.0.1", "enable_natpmp=yes", "enable_upnp=no")
    helped = doctor("a")
    router.kill()
    assert helped["mapping"][0] == "works" and "11.9.0.1:" in helped["mapping"][1], helped
    assert "with the public address 11.9.0.1" in helped["nat"][1] and "dnat" not in passed(), helped
    router = natpmp("100.64.0.1")
    doubled = doctor("a")
    router.kill()
    assert doubled["nat"][0] == "does_not_work" and "two NATs in a row" in doubled["nat"][1], doubled
    public = doctor("w")
    assert public["nat"] == ("works", "no NAT, 11.9.0.9 is this machine's own address"), public
    rule = f"ip netns exec {ns('ra')} nft add rule inet r swallow tcp dport 4444 drop"
    sh(f"ip netns exec {ns('ra')} nft add chain inet r swallow '{{ type filter hook input priority 0; }}' && {rule}")
    for port, fact in (("4444", "nothing answers"), ("4445", "tete is not running on that port")):
        assert fact in doctor("b", "11.9.0.1", port)["way"][1]
    assert "no route to it" in doctor("b", "11.9.0.77")["way"][1]
    return "no router's answer, a mapped port, two routers in a row, none; filtered, refused, no route"


def the_host_is_found_on_the_local_network() -> str:
    watched = Capture("t", "t-w")
    relay = relay_up()

    def multicast() -> list[bytes]:
        # To 224.0.0.251 or ff02::fb.
        ends = (b"\xe0\x00\x00\xfb", b"\xff\x02" + bytes(13) + b"\xfb")
        return [packet for packet in watched.packets if packet[30:34] == ends[0] or packet[38:54] == ends[1]]

    for guest_args in ([], ["--lan"]):
        # Without `--lan` nothing is said or asked on the network.
        assert multicast() == [], multicast()
        host, guest, opened = invited("t", "w", guest_args, guest_args)
        leave(host, guest)
    names = set()
    took = []
    for _ in range(2):
        watched.packets.clear()
        host, guest, opened = invited("t", "w", ["--lan"], ["--lan"], change=without_ways)
        took.append(opened)
        at = next(event["address"] for _, event in guest.events if event["event"] == "connected")
        assert at.startswith("10.3.0.2:") or at.startswith("[fd"), at
        back = talk_through(host, guest, [(lambda: sh(f"ip -n {ns('w')} link set w-t down"),
                                           lambda: sh(f"ip -n {ns('w')} link set w-t up"))], 30)
        leave(host, guest)
        said = {name for packet in multicast() for name in re.findall(rb"[0-9a-f]{16}", packet)}
        assert len(said) >= 3 and not said & names, "a name was used twice"
        assert all(socket.gethostname().encode() not in packet for packet in multicast())
        names |= said
    # At another address than the invite, or the first announcement, said.
    host, guest, _ = invited("t", "w", ["--lan"], ["--lan"], change=without_ways)

    sh(f"ip -n {ns('t')} addr del 10.3.0.2/24 dev t-w && ip -n {ns('t')} addr add 10.3.0.77/24 dev t-w")
    start = time.monotonic()
    said = ["one", "two", "three"]
    for text in said:
        host.tell(command="say", text=text)
        guest.tell(command="say", text=text)
    moved_back = guest.until("reconnected")[0] - start
    both_heard(host, guest, said)
    leave(host, guest)
    sh(f"ip -n {ns('t')} addr del 10.3.0.77/24 dev t-w && ip -n {ns('t')} addr add 10.3.0.2/24 dev t-w")
    sh(f"ip -n {ns('t')} route replace default via 10.3.0.1")
    # Who met at a relay moves to the local network.
    host, guest, _ = invited("t", "w", ["--lan", "--relay", "10.3.0.1:4001"], ["--lan"],
                             change=lambda invite: without_ways(invite, 15))
    start = time.monotonic()
    assert guest.until("better_route", 30)[1]["address"].startswith("10.3.0.2:")
    moved = time.monotonic() - start
    host.tell(command="say", text="here")
    guest.until("text")
    leave(host, guest)
    relay.kill()
    return (f"open after {took[0]:.2f} s and {took[1]:.2f} s, back {back:.1f} s after the network, "
            f"at a new address after {moved_back:.1f} s; from a relay to it in {moved:.1f} s")


CHECKS = [
    two_routers_without_a_relay_lead_nowhere,
    two_routers_and_a_relay,
    a_router_that_passes_a_port_on,
    a_router_that_knows_only_upnp,
    another_machine_is_not_the_router,
    a_lease_is_renewed_and_given_back,
    a_router_behind_another_is_of_no_use,
    the_doctor_knows_these_networks,
    the_host_is_found_on_the_local_network,
    a_proxy_looks_up_the_names,
    tor_only_and_nothing_else,
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    try:
        up()
        for check in CHECKS:
            if options.only in check.__name__:
                print(f"{check.__name__.replace('_', ' ')}: {check()}", flush=True)
    finally:
        down()


main()
