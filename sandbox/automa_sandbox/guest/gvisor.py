"""The first process of a container in gVisor: what `init` is elsewhere, without a socket to the host.

gVisor lets in no socket and no FIFO of the host. So words come over the container's stdin, which its engine
holds, and everything that goes out is copied into files of a folder that the host sees too (`ring`). A shim
that loses the engine says so in that folder, and then lives as long as its beat there goes on.

In gVisor a process may open what another one of its user has open. So this one stays root, which is nothing
outside, and the script is somebody else, without any right.
"""

# What is imported here is time and memory of every run.
# ruff: noqa: PTH208, SIM105
# pyright: basic

import marshal
import os
import resource
import select
import signal
import sys
import time

sys.path.append("/automa")
from automa_guest import first, ring  # pyright: ignore[reportMissingImports]

FOLDER = "/.automa"
STREAMS = ("stdout", "stderr", "frames", "artifacts", "told")
CONFIG_FD, FRAMES_FD = 3, 4
PIECE_BYTES = 64 * 1024
KILL = b"K"
FULL_MS, SELDOM_MS, ALONE_MS, ALONE_S = 5, 2000, 500, 10.0
"""How soon to look again for room; for a shim that has lost the engine; for its words if it has; and how
long it may then be silent."""
_PR_CAPBSET_DROP = 24
_PLACES = ("/tmp", "/work", "/dev/shm", "/artifacts")  # noqa: S108 - the run's own


class Shim:
    """Our way to the supervisor and back."""

    def __init__(self) -> None:
        read = os.open(f"{FOLDER}/read", os.O_RDONLY)
        files = [os.open(f"{FOLDER}/{name}", os.O_RDWR) for name in STREAMS]
        self._read = read
        self.streams = {
            name: ring.Writer(file, read, place)
            for place, (name, file) in enumerate(zip(STREAMS, files))  # noqa: B905 - Python 3.9 too
        }
        self.has_stdin, self.is_alone = True, False
        self._beat, self._beat_at, self._look_at = 0, 0.0, 0.0
        self._obeyed: set[bytes] = set()

    def order(self):
        size = int.from_bytes(_read_all(4), "little")
        return marshal.loads(_read_all(size))  # noqa: S302 - the shim's

    def hear(self) -> None:
        """Words on stdin, or its end."""
        words = os.read(0, 64)
        for word in words:
            self._obey(bytes((word,)))
        if not words:
            self.has_stdin, self.is_alone = False, True
            self._beat_at = time.monotonic()

    def look(self) -> None:
        """Now and then: whether the shim has lost the engine, then whether it lives, and what it says."""
        now = time.monotonic()
        if now < self._look_at:
            return
        beat, flags = ring.heard(self._read)
        self.is_alone = self.is_alone or bool(beat)
        self._look_at = now + self.most_ms / 1100
        if beat != self._beat:
            self._beat, self._beat_at = beat, now
        elif self.is_alone and now - self._beat_at > ALONE_S:
            os._exit(0)
        for word, flag in ring.FLAGS.items():
            if flags & flag:
                self._obey(word)

    def _obey(self, word: bytes) -> None:
        """Once each: a word may come by both ways."""
        if word in self._obeyed:
            return
        self._obeyed.add(word)
        if word == first.TERMINATE:
            first.terminate_all()
        elif word == KILL:
            kill_all()
        else:
            os._exit(0)

    def put(self, name: str, data: bytes) -> None:
        """All of it, however long the shim takes."""
        stream = self.streams[name]
        while data:
            room = stream.room()
            if stream.is_refused:
                return
            if room <= 0:
                self.wait(FULL_MS)
                continue
            stream.write(data[:room])
            data = data[room:]

    def wait(self, wait_ms) -> None:
        """Until there is something to hear, but no longer."""
        wait_ms = min(wait_ms or SELDOM_MS, self.most_ms)
        if select.select([0] if self.has_stdin else [], [], [], wait_ms / 1000)[0]:
            self.hear()
        self.look()

    @property
    def most_ms(self) -> int:
        """How long to wait at the most before the next look."""
        return ALONE_MS if self.is_alone else SELDOM_MS

    def send(self, message: bytes) -> None:
        """How the script ended; but first whatever it left."""
        self.ending = message


def _read_all(size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = os.read(0, size - len(data))
        if not piece:
            os._exit(0)
        data += piece
    return data


def kill_all() -> None:
    try:
        os.kill(-1, signal.SIGKILL)
    except ProcessLookupError:
        pass


def main() -> None:
    shim = Shim()
    order = shim.order()
    counts = first.open_counts()
    first.hide()
    pipes = own_pipes(order["uid"])
    children = first.Children()
    script = os.fork()
    if script == 0:
        become_harness(order, [write_end for _, write_end in pipes])
    most = order["artifacts"]
    order.clear()
    for _, write_end in pipes:
        os.close(write_end)
    open_pipes = dict(zip([read_end for read_end, _ in pipes], STREAMS))  # noqa: B905
    shim.put("told", b"up")
    see_to(shim, script, counts, children, open_pipes)
    finish(shim, open_pipes, most)


def own_pipes(uid: int):
    """The script may open them by name, /dev/stdout for one: they have to be its own."""
    os.setresuid(uid, uid, 0)
    pipes = [os.pipe() for _ in range(3)]
    os.setresuid(0, 0, 0)
    return pipes


def become_harness(order, write_ends) -> None:
    try:
        os.setsid()
        config = os.memfd_create("config")
        os.write(config, order["config"])
        os.lseek(config, 0, os.SEEK_SET)
        out, err, frames, config = (above(end) for end in (*write_ends, config))
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        for source, target in ((out, 1), (err, 2), (config, CONFIG_FD), (frames, FRAMES_FD)):
            os.dup2(source, target)
        os.closerange(FRAMES_FD + 1, 20)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        give_up_privileges(order)
        os.execve(order["command"][0], order["command"], {})  # noqa: S606
    except BaseException as error:
        os.write(2, f"the harness could not be started: {error}\n".encode())
    finally:
        os._exit(126)


def give_up_privileges(order) -> None:
    uid, processes = order["uid"], order["processes"]
    drop_bounding_set()
    resource.setrlimit(resource.RLIMIT_NPROC, (processes, processes))
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    first.protect(order["seccomp"])
    first.show()


def drop_bounding_set() -> None:
    for capability in range(64):
        try:
            first.call("prctl", _PR_CAPBSET_DROP, capability, 0, 0, 0)
        except OSError:  # there are no more
            return


def above(descriptor: int) -> int:
    """A copy out of the way of the first few; it closes when the harness is started."""
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 20)


def see_to(shim: Shim, script: int, counts: int, children: first.Children, pipes) -> None:
    """Copy what the script says, and reap whoever ends, until it is the script."""
    poll = select.poll()
    for descriptor in (0, children.woken, *pipes):
        poll.register(descriptor, select.POLLIN)
    full: set[int] = set()
    while not first.reap(script, shim, counts):
        shim.look()
        for descriptor, _ in poll.poll(FULL_MS if full else shim.most_ms):
            if descriptor == 0:
                shim.hear()
                if not shim.has_stdin:
                    poll.unregister(0)
            elif descriptor == children.woken:
                children.hear()
            elif descriptor in pipes:
                copy(shim, descriptor, pipes, poll, full)
        for descriptor in tuple(full):
            full.discard(descriptor)
            poll.register(descriptor, select.POLLIN)


def copy(shim: Shim, pipe: int, pipes, poll, full) -> None:
    """One piece, if there is room; who is refused, or has ended, is closed."""
    stream = shim.streams[pipes[pipe]]
    room = stream.room()
    if room <= 0 and not stream.is_refused:
        poll.unregister(pipe)
        full.add(pipe)
        return
    data = b"" if stream.is_refused else os.read(pipe, min(room, PIECE_BYTES))
    if data:
        stream.write(data)
        return
    poll.unregister(pipe)
    os.close(pipe)
    stream.close()
    del pipes[pipe]


def finish(shim: Shim, pipes, most) -> None:
    """Nothing else may run: then what is left in the pipes, the artifacts, and how the script ended."""
    kill_all()
    for pipe, name in pipes.items():
        os.set_blocking(pipe, False)
        while data := _read_left(pipe):
            shim.put(name, data)
        shim.streams[name].close()
    if os.listdir("/artifacts"):
        from automa_guest import parcel  # pyright: ignore[reportMissingImports]

        parcel.send("/artifacts", lambda data: shim.put("artifacts", data), *most)
    shim.put("told", shim.ending + bytes((is_full(),)))
    while True:
        shim.wait(None)


def _read_left(pipe: int) -> bytes:
    try:
        return os.read(pipe, PIECE_BYTES)
    except BlockingIOError:
        return b""


def is_full() -> bool:
    """Whether one of the places that the script may write into is."""
    return any(os.statvfs(place).f_bfree == 0 for place in _PLACES)


main()
