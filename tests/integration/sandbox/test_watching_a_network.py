"""What sees the tries of a sandbox is opened before the sandbox's network is up."""

import subprocess
import sys

WATCH_FIRST = """
import ctypes, fcntl, os, socket, struct
from automa_sandbox.egress import packets, routes

namespaces = 0x40000000 | (0 if os.geteuid() == 0 else 0x10000000)
assert ctypes.CDLL(None, use_errno=True).unshare(namespaces) == 0
watched = packets.watch(packets.IP)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH22x", b"lo", 1))  # up
routes.keep_everything()
try:
    socket.create_connection(("192.0.2.1", 443), timeout=20)
except ConnectionRefusedError:
    print(packets.read(watched.recv(packets.BYTES)))
"""


def test_the_first_look_finds_what_was_tried_since_it_is_up() -> None:
    told = subprocess.run(
        [sys.executable, "-c", WATCH_FIRST], capture_output=True, text=True, timeout=60, check=False
    )
    assert told.stdout.strip() == "Try(host='192.0.2.1', port=443, is_datagram=False)", told.stderr
