"""The harness that runs inside the sandbox: it gives up what root it has, then runs the script as `__main__`.

It is compiled for the script's interpreter and started bare (`-I -S`). Each import here is paid by every run,
so it lives on built-in modules, of which `os` is none, and fetches others only when a script needs them.
The interpreter may be as old as Python 3.9.
"""

# pathlib takes longer to import than all of this takes to run, and what scripts hold has any type.
# ruff: noqa: PTH123
# pyright: basic

import _thread
import builtins
import gc
import marshal
import posix
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn

CONFIG_FD = 3
FRAMES_FD = 4
READY, VALUE, NOTE, EXIT, MORE, LIMIT = 1, 2, 3, 4, 7, 8
EMFILE = 24
PIECE_BYTES = 4000
HARNESS = "/automa"
MODULES = "/automa/modules"
APP = "/app"
WORK = "/work"
ARTIFACTS = "/artifacts"
BIG_PARAMS_BYTES = 64 * 1024
NO_CAPABILITY = b":\t0000000000000000\n"


class Frames:
    """What the harness and the module `automa` tell the shim. What the script starts inherits nothing of it.

    A frame is written in one piece, so those of threads and forked children do not mix.
    """

    def __init__(self) -> None:
        posix.set_inheritable(FRAMES_FD, False)
        self._start()

    def _start(self) -> None:
        self._pid = posix.getpid()
        self._value = _thread.allocate_lock()

    @property
    def is_own(self) -> bool:
        """Whether this is the process of the run, and no child that it forked."""
        return posix.getpid() == self._pid

    def send(self, kind: int, payload: bytes = b"") -> None:
        """For what only the run itself can say: its children stay silent."""
        if self.is_own:
            self.write(kind, payload)

    def send_value(self, text: bytes) -> None:
        with self._value:
            self.send(VALUE, text[:PIECE_BYTES])
            for start in range(PIECE_BYTES, len(text), PIECE_BYTES):
                self.send(MORE, text[start : start + PIECE_BYTES])

    def write(self, kind: int, payload: bytes) -> None:
        data = memoryview(frame(kind, payload))
        try:
            while data:
                data = data[posix.write(FRAMES_FD, data) :]
        except OSError:  # the shim is gone, or the script closed the descriptor: nobody listens
            return

    def has_room(self) -> bool:
        """Whether a frame can be written without waiting for the reader."""
        import select

        try:
            return bool(select.select((), (FRAMES_FD,), (), 0)[1])
        except (OSError, ValueError):  # the script closed it
            return False

    def settle(self) -> None:
        """Return when all of it has been read."""
        harness_module("waiting").wait_until_read(FRAMES_FD)


def frame(kind: int, payload: bytes) -> bytes:
    return bytes((kind,)) + len(payload).to_bytes(4, "little") + payload


class ResultTooLarge(ValueError):
    """The result takes more bytes than the run's limit `result_bytes`."""


class Guest:
    """What the module `automa` finds of the harness, in this process and in children that it forks."""

    def __init__(self, config: "dict[str, Any]", frames: Frames) -> None:
        self.frames = frames
        self.secrets = config.get("secrets", {})
        self.has_result = False
        self.flush = None
        self._result_bytes = config["result_bytes"]

    def set_result(self, value: "Any", said: str = "automa.result was given") -> None:
        if not self.frames.is_own:
            raise RuntimeError("only the process that Automa started can set the result")
        text = harness_module("results").to_json(value, said).encode()
        if len(text) > self._result_bytes:
            raise ResultTooLarge(f"{said} {len(text)} bytes of JSON; the limit is {self._result_bytes}")
        self.frames.send_value(text)
        self.has_result = True

    def finish(self) -> None:
        """The script has ended."""
        if not self.frames.is_own:
            return
        if self.flush is not None:
            self.flush()
        if has_files(ARTIFACTS):
            self.frames.settle()


def main() -> "NoReturn":
    """Run the script that the configuration on its descriptor tells of."""
    prepare_interpreter()
    begin(read_config())


def begin(config: "dict[str, Any]") -> "NoReturn":
    """In a process that holds nothing which was not meant for the script; the interpreter is prepared."""
    frames = Frames()
    give_up_privileges(config)
    tell_and_run(config, frames)


def tell_and_run(config: "dict[str, Any]", frames: Frames) -> "NoReturn":
    """All but the privileges, which not every interpreter has to give up."""
    prepare_process(config)
    prepare_folder()
    gc.freeze()  # what is here stays to the end: the collection at the exit need not look at it
    frames.send(READY)
    code = run(config, frames)
    frames.send(EXIT, code.to_bytes(4, "little", signed=True))
    sys.exit(code)


def has_files(folder: str) -> bool:
    try:
        return bool(posix.listdir(folder))
    except OSError:
        return False


def read_config() -> "dict[str, Any]":
    size = posix.fstat(CONFIG_FD).st_size
    config = marshal.loads(posix.pread(CONFIG_FD, size, 0))  # noqa: S302 - the shim wrote it
    posix.close(CONFIG_FD)
    return config


def give_up_privileges(config: "dict[str, Any]") -> None:
    """Become the run's own user. NO_NEW_PRIVS is set, so no program can bring anything back."""
    uid = config["uid"]
    if uid is not None:
        posix.setgroups([])
        posix.setresgid(uid, uid, uid)
        posix.setresuid(uid, uid, uid)
    if config["processes"] is not None:  # counted per user namespace: only from the inside
        import resource

        resource.setrlimit(resource.RLIMIT_NPROC, (config["processes"], config["processes"]))
    status = read_status()
    # The inheritable and the bounding set stay as they are: under NO_NEW_PRIVS nothing comes of them.
    if not all(is_so(status, name, NO_CAPABILITY) for name in (b"\nCapPrm", b"\nCapEff", b"\nCapAmb")):
        raise RuntimeError("the sandbox left capabilities to the script")
    if not (is_so(status, b"\nNoNewPrivs", b":\t1\n") and is_so(status, b"\nSeccomp", b":\t2\n")):
        raise RuntimeError("the sandbox runs without its system call filter")


def is_so(status: bytes, name: bytes, value: bytes) -> bool:
    """A kernel that has no such line, as gVisor has not each, has no such thing or does not tell."""
    return name + value in status or name + b":" not in status


def read_status() -> bytes:
    descriptor = posix.open("/proc/self/status", posix.O_RDONLY)
    try:
        return posix.read(descriptor, 65536)
    finally:
        posix.close(descriptor)


def prepare_interpreter(has_threads: bool = True) -> None:
    """What is the same for all scripts; a zygote has it done once for all of them."""
    # A script may wait for minutes after a line: it has to be seen at once.
    if has_threads:
        install("gathering")
        if "_socket" in sys.modules:
            install("wanted")
        else:
            sys.meta_path.insert(0, BeforeSockets())
    else:
        stdout: Any = sys.stdout
        stdout.reconfigure(line_buffering=True)
    add_interactive_builtins()


class BeforeSockets:
    """Looks on at what is imported, and finds nothing, until it is `socket`."""

    def find_spec(self, name: str, path: "Any" = None, target: "Any" = None) -> None:
        if name == "socket":
            sys.meta_path.remove(self)
            install("wanted")


def install(name: str) -> None:
    """Let it do its work; no script finds it among its modules."""
    harness_module(name).install()
    for module in (f"automa_guest.{name}", "automa_guest"):
        sys.modules.pop(module, None)


def prepare_process(config: "dict[str, Any]") -> None:
    entry = f"{APP}/{config['entry']}"
    posix.chdir(WORK)
    given = {} if config["call_main"] else hand_over_params(config["params"])
    set_environment({**config["env"], **given})
    sys.argv = [entry]
    sys.path.insert(0, entry.rpartition("/")[0])


def set_environment(values: "dict[str, str]") -> None:
    """These variables and no others. Where `os` is not there yet, it takes over what it finds."""
    if "os" in sys.modules:
        environ = sys.modules["os"].environ
        environ.clear()
        environ.update(values)
        return
    for name in list(posix.environ):
        del posix.environ[name]
        posix.unsetenv(name)
    for name, value in values.items():
        posix.environ[name.encode()] = value.encode()
        posix.putenv(name, value)


def add_interactive_builtins() -> None:
    """`exit()` and its friends, which `site` adds to every other interpreter."""
    import _sitebuiltins

    builtins.exit = _sitebuiltins.Quitter("exit", "Ctrl-D (i.e. EOF)")
    builtins.quit = _sitebuiltins.Quitter("quit", "Ctrl-D (i.e. EOF)")
    builtins.help = _sitebuiltins._Helper()


def hand_over_params(text: str) -> "dict[str, str]":
    """A plain script reads its parameters, as JSON, from the environment, or from a file if they are big."""
    if len(text) <= BIG_PARAMS_BYTES:
        return {"AUTOMA_PARAMS": text}
    path = "/tmp/automa-params.json"  # noqa: S108 - the run's own
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return {"AUTOMA_PARAMS_FILE": path}


def prepare_folder() -> None:
    """The script starts in a writable folder in which its own files can be opened by name."""
    for name in posix.listdir(APP):
        posix.symlink(f"..{APP}/{name}", f"{WORK}/{name}")


def run(config: "dict[str, Any]", frames: Frames) -> int:
    """Run the script to its end and return its exit code."""
    guest: Any = Guest(config, frames)
    sys.modules["_automa_guest"] = guest
    sys.path.append(MODULES)
    code = run_script(config, frames, guest)
    try:
        guest.finish()
    except Exception:  # the script took away what this needs: then it is as if it had been killed
        return code
    return code


def run_script(config: "dict[str, Any]", frames: Frames, guest: Guest) -> int:
    try:
        if config["has_packages"]:
            harness_module("packages").activate()
        module = new_main_module(sys.argv[0])
        with open(sys.argv[0], "rb") as file:
            code = compile(file.read(), sys.argv[0], "exec", dont_inherit=True)
        exec(code, module.__dict__)  # noqa: S102 - what this whole program is for
        if config["call_main"]:
            call_main(module, config, guest)
    except SystemExit as error:
        return exit_code(error.code)
    except BaseException as error:
        return report(error, frames)
    return 0


def new_main_module(path: str) -> "ModuleType":
    # What importlib.machinery offers, without the four modules that it would import.
    from _frozen_importlib_external import SourceFileLoader

    module = type(sys)("__main__")
    module.__dict__.update(
        __file__=path,
        __builtins__=builtins,
        __loader__=SourceFileLoader("__main__", path),
        __cached__=None,
        __annotations__={},
    )
    sys.modules["__main__"] = module
    return module


def call_main(module: "ModuleType", config: "dict[str, Any]", guest: Guest) -> None:
    function = getattr(module, "main", None)
    if not callable(function):
        raise TypeError("this script has no main() to call")
    value: Any = function(**convert(function, config["params"]))
    if type(value).__name__ == "coroutine":
        import asyncio

        value = asyncio.run(value)
    if guest.frames.is_own and not (value is None and guest.has_result):
        guest.set_result(value, "main returned")


def convert(function: "Any", params: "dict[str, Any]") -> "dict[str, Any]":
    """Parameters come as JSON values; dates and enums are made only where an annotation asks for them."""
    plain = (str, int, bool, list, dict)
    annotations = getattr(function, "__annotations__", {})
    if all(annotations.get(name, str) in plain for name in params):
        return params
    return harness_module("params").convert(function, params)


def harness_module(name: str) -> "Any":
    sys.path.insert(0, HARNESS)  # found at once, without a look into the library's folders
    try:
        return getattr(__import__(f"automa_guest.{name}"), name)
    finally:
        sys.path.remove(HARNESS)


def exit_code(code: "Any") -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF
    sys.stderr.write(f"{text_of(code)}\n")
    return 1


def report(error: BaseException, frames: Frames) -> int:
    """Show an uncaught exception as Python would, without the frames of this harness."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(HARNESS_FILES):
        trace = trace.tb_next
    error.__traceback__ = trace
    summary = f"{type(error).__name__}: {text_of(error)}".removesuffix(": ")[:400]
    frames.send(NOTE, summary.encode("utf-8", "replace"))
    limit = limit_of(error)
    if limit is not None:
        frames.send(LIMIT, limit)
    if "socket" in sys.modules:
        hide_harness(error)
    try:
        sys.excepthook(type(error), error, trace)
    except SystemExit as ending:
        return exit_code(ending.code)
    except BaseException:
        sys.__excepthook__(type(error), error, trace)
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def limit_of(error: BaseException) -> "bytes | None":
    """The limit that an error tells of: of itself, or of what its author names as its cause."""
    cause: Any = error
    for _ in range(10):
        if isinstance(cause, ResultTooLarge):
            return b"result_bytes"
        if isinstance(cause, OSError) and cause.errno == EMFILE:
            return b"open_files"
        cause = getattr(cause, "__cause__", None)
    return None


def hide_harness(error: BaseException) -> None:
    """Where a connection failed there is a frame of the harness, between the script and the library."""
    try:
        harness_module("wanted").hide(error)
    except BaseException:  # the script has made something else of its errors
        return


def text_of(value: "Any") -> str:
    """What it says of itself, if it can."""
    try:
        return str(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"


HARNESS_FILES = "<automa"

if __name__ == "__main__":
    main()
