"""A router that knows NAT-PMP (RFC 6886), with any address of its own, and leases as short as wanted.

    natpmp.py LISTEN EXTERNAL [SECONDS]     prints a line for each mapping made (+ PORT) and removed (- PORT)
"""

import socket
import struct
import sys

wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.bind((sys.argv[1], 5351))
print("ready", flush=True)
while True:
    asked, who = wire.recvfrom(1100)
    version, operation = asked[0], asked[1]
    if version != 0:
        answer = struct.pack(">BBHI", 0, operation | 128, 1, 1)
    elif operation == 0:
        answer = struct.pack(">BBHI4s", 0, 128, 0, 1, socket.inet_aton(sys.argv[2]))
    else:
        inner, outer, seconds = struct.unpack(">HHI", asked[4:12])
        print("+" if seconds else "-", inner, flush=True)
        lease = min(seconds, int(sys.argv[3])) if len(sys.argv) > 3 else seconds
        answer = struct.pack(">BBHIHHI", 0, operation | 128, 0, 1, inner, outer if seconds else 0, lease)
    wire.sendto(answer, who)
