"""A Tor network of its own on 127.0.0.1: three authorities and three relays. Needs tor and tor-gencert."""

import os
import re
import subprocess
import time

COMMON = """\
TestingTorNetwork 1
{authorities}
DataDirectory {folder}
PidFile {folder}/pid
Nickname {name}
ShutdownWaitLength 0
RunAsDaemon 1
Address 127.0.0.1
AddressDisableIPv6 1
OutboundBindAddress 127.0.0.1
PathsNeededToBuildCircuits 0.25
AvoidDiskWrites 1
ControlPort 0
SocksPort 0
ORPort 127.0.0.1:{port}
AssumeReachable 1
ExitPolicy reject *:*
ServerDNSResolvConfFile {root}/resolv.conf
ServerDNSDetectHijacking 0
ServerDNSTestAddresses
"""
AUTHORITY = """\
DirPort 127.0.0.1:{directory}
AuthoritativeDirectory 1
V3AuthoritativeDirectory 1
ContactInfo none
TestingV3AuthInitialVotingInterval 10
TestingV3AuthInitialVoteDelay 2
TestingV3AuthInitialDistDelay 2
V3AuthVotingInterval 10
V3AuthVoteDelay 2
V3AuthDistDelay 2
V3AuthNIntervalsValid 2
TestingDirAuthVoteGuard *
TestingDirAuthVoteHSDir *
TestingDirAuthVoteExit *
TestingMinExitFlagThreshold 0
"""
CLIENT = "TestingTorNetwork 1\nAddressDisableIPv6 1\nOutboundBindAddress 127.0.0.1\nPathsNeededToBuildCircuits 0.25\n"


def up(root: str, namespace: str) -> str:
    """Starts it there. Returns the lines that a client of it needs."""

    def run(*words: str, **options) -> str:
        words = ("ip", "netns", "exec", namespace, *words)
        return subprocess.run(words, check=True, capture_output=True, text=True, **options).stdout

    os.makedirs(root, mode=0o700)
    with open(f"{root}/resolv.conf", "w") as out:
        out.write("nameserver 127.0.0.1\n")
    open(f"{root}/empty", "w").close()
    nodes = []
    for number in range(6):
        node = {"name": f"node{number}", "folder": f"{root}/node{number}", "port": 17001 + 10 * number}
        node |= {"directory": node["port"] + 1, "authority": number < 3, "root": root}
        os.makedirs(node["folder"], mode=0o700)
        nodes.append(node)
    lines = []
    for node in nodes[:3]:
        keys = node["folder"] + "/keys"
        os.makedirs(keys, mode=0o700)
        run("tor-gencert", "--create-identity-key", "--passphrase-fd", "0", "-i", f"{keys}/authority_identity_key",
            "-s", f"{keys}/authority_signing_key", "-c", f"{keys}/authority_certificate", "-m", "12",
            "-a", f"127.0.0.1:{node['directory']}", input="x\n")
        with open(f"{keys}/authority_certificate") as certificate:
            identity = re.search(r"^fingerprint (\S+)", certificate.read(), re.M)[1]
        listed = run("tor", "--list-fingerprint", "--quiet", "-f", f"{root}/empty", "--defaults-torrc", f"{root}/empty",
                     "--orport", "1", "--dirauthority", "x 127.0.0.1:1 " + "F" * 40,
                     "--datadirectory", node["folder"], "--nickname", node["name"])
        print_of = re.search(node["name"] + r" ((?:[0-9A-F]{4} ?){10})", listed)[1].replace(" ", "")
        lines.append(f"DirAuthority {node['name']} orport={node['port']} no-v2 v3ident={identity}"
                     f" 127.0.0.1:{node['directory']} {print_of}")
    for node in nodes:
        text = COMMON.format(authorities="\n".join(lines), **node)
        if node["authority"]:
            text += AUTHORITY.format(**node)
        with open(node["folder"] + "/torrc", "w") as out:
            out.write(text)
        run("tor", "--quiet", "-f", node["folder"] + "/torrc", "--defaults-torrc", f"{root}/empty")
    return "\n".join(lines) + "\n" + CLIENT


def down(root: str) -> None:
    for number in range(6):
        try:
            with open(f"{root}/node{number}/pid") as pid:
                os.kill(int(pid.read()), 15)
        except (OSError, ValueError):
            pass
    time.sleep(0.5)
