"""The lines of a flood leave together, whatever becomes of the script meanwhile."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

import automa_sandbox.guest

GUEST = Path(automa_sandbox.guest.__file__).parent
ROOM = 4096
ENDS_WHILE_THEY_LEAVE = f"""
import os, sys, time
sys.path.insert(0, {str(GUEST)!r})
import gathering
gathering.install()
for number in range(300): print('flood')
os.write(1, b'x' * ({ROOM} - 200 * len('flood\\n')))  # the pipe is full
time.sleep(0.2)  # the lines that were collected have begun to leave
"""


def test_a_script_that_ends_while_they_leave_waits_for_them() -> None:
    ours, its = os.pipe()
    fcntl.fcntl(its, fcntl.F_SETPIPE_SZ, ROOM)
    command = [sys.executable, "-I", "-S", "-c", ENDS_WHILE_THEY_LEAVE]
    with subprocess.Popen(command, stdout=its, stderr=subprocess.PIPE) as process:
        os.close(its)
        time.sleep(0.6)  # it would end now, if it could
        with os.fdopen(ours, "rb") as reader:
            printed = reader.read()
        assert process.stderr is not None
        said = process.stderr.read()
    assert (process.returncode, said) == (0, b"")
    assert printed.count(b"flood\n") == 300
