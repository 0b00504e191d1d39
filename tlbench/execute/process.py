"""One function in one fresh process, its events and its end told through a pipe.

Processes are forked from a server that has torch, torchvision and timm imported already, so that a fresh one
costs milliseconds and not seconds; the parent itself never imports them.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import tempfile
import threading
import traceback
import types
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from multiprocessing.reduction import ForkingPickler
from pathlib import Path
from typing import Any

from tlbench.errors import UserError
from tlbench.execute.allocator import keep_freed_memory
from tlbench.execute.crash import told
from tlbench.registry.chosen import Chosen, in_use, using
from tlbench.registry.local import import_local
from tlbench.temporary import files_in, temporary_folder

PRELOAD = [
    "torch", "torchvision", "timm", "torchmetrics.functional", "tlbench.trial.batched", "tlbench.plan.preflight",
]  # fmt: skip

LONGEST_WAIT_SECONDS = 1.0
"""A signal that comes just before a wait begins does not end it: Python sees it when the wait is over."""

SAFE_PATH = "PYTHONSAFEPATH"
LONGEST_SOCKET_FOLDER = 70
"""Bytes: macOS takes 104 of a socket's path, and Python appends up to 32."""
GRACE_SECONDS = 5.0
"""How long a process may go on after its result."""


@dataclass(frozen=True)
class Said:
    """An event that the function reported."""

    event: Any


@dataclass(frozen=True)
class Returned:
    """The function's result: the last message."""

    value: Any


@dataclass(frozen=True)
class Raised:
    """The function's exception: the last message. `user` where it was a UserError."""

    message: str
    trace: str
    user: bool


class ProcessDied(Exception):
    """The process ended without a result; `end` says how: a signal's name, or an exit status.

    Where it crashed, `trace` has the Python stack of each of its threads.
    """

    def __init__(self, function: str, end: str, trace: str | None) -> None:
        super().__init__(f"the process of {function} ended by {end}")
        self.end = end
        self.trace = trace
        if trace is not None:
            self.add_note(trace)


class Child:
    """A process that runs `function(*arguments, report)`, and uses the plugins that are used here.

    `connection` is ready when there is a message, or when the process has ended.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        context, temporary = _context(), temporary_folder()
        self._function = getattr(function, "__name__", repr(function))
        ours, theirs = context.Pipe(duplex=False)
        self.connection: multiprocessing.connection.Connection = ours
        self._crash = tempfile.NamedTemporaryFile(mode="r", dir=temporary, errors="replace")  # noqa: SIM115
        given = (theirs, self._crash.name, in_use(), bytes(ForkingPickler.dumps((function, arguments))))
        self._process = context.Process(target=_main, args=given, daemon=True)
        with _without_main_script(), _safe_path(), _sockets_in(temporary):
            self._process.start()
        theirs.close()

    def messages(self) -> Iterator[Said | Returned | Raised | None]:
        """The messages that are there now; None is the process's end without a result."""
        try:
            while self.connection.poll():
                yield self.connection.recv()
        except (EOFError, OSError):
            yield None

    def result(self, on_event: Callable[[Any], object]) -> Any:
        """Wait for the function's result; raises UserError where it does.

        Raises RuntimeError where it raises anything else, ProcessDied where its process does not come so far.
        """
        while True:
            multiprocessing.connection.wait([self.connection], LONGEST_WAIT_SECONDS)
            for message in self.messages():
                if isinstance(message, Said):
                    on_event(message.event)
                elif isinstance(message, Returned):
                    self.end()
                    return message.value
                elif isinstance(message, Raised):
                    if message.user:
                        raise UserError(message.message)
                    raise RuntimeError(f"{message.message}\n{message.trace}")
                else:
                    raise ProcessDied(self._function, self.end(), self.crash_trace())

    def end(self) -> str:
        """Wait for the process to end, and say how it did; one that lives on, in a thread say, is ended."""
        self._process.join(GRACE_SECONDS)
        if self._process.is_alive():
            self.kill()
        code = self._process.exitcode or 0
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def crash_trace(self) -> str | None:
        """The Python stack of each thread of a process that has crashed; None of any other."""
        self._crash.seek(0)
        return told(self._crash.read())

    def kill(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()


def call(function: Callable[..., Any], *arguments: Any, on_event: Callable[[Any], object]) -> Any:
    """Run a function in a fresh process and give its result; raises as `Child.result` does."""
    child = Child(function, *arguments)
    try:
        return child.result(on_event)
    except BaseException:
        child.kill()
        raise


def _main(
    connection: multiprocessing.connection.Connection,
    crash_file: str,
    plugins: Chosen,
    pickled: bytes,
) -> None:
    """Do what a pickled function does with its arguments, whose classes may be those of local plugins."""
    crashes = Path(crash_file).open("w")  # noqa: SIM115 - open as long as the process lives
    tempfile.tempdir = str(Path(crash_file).parent)  # what is left there when this process is killed, the run removes
    faulthandler.enable(crashes)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C in the terminal is the parent's to handle
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _die_with_parent()
    keep_freed_memory()
    _leave_no_semaphores()
    sys.stdout.flush()
    os.dup2(2, 1)  # stdout carries the parent's result alone
    try:
        for local in plugins.local:
            import_local(local)
        function, arguments = pickle.loads(pickled)
        with using(plugins):
            value = function(*arguments, lambda event: connection.send(Said(event)))
        connection.send(Returned(value))
    except BaseException as error:  # of a plugin that calls sys.exit, too
        message = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        connection.send(Raised(message, traceback.format_exc(), isinstance(error, UserError)))
    finally:
        connection.close()


def _leave_no_semaphores() -> None:
    """Give tqdm, which torch.fx uses, a lock of this process alone.

    Its own is shared between processes, and would be warned of as leaked when this one is ended from outside.
    """
    with suppress(ImportError):
        from tqdm import tqdm  # type: ignore[import-untyped]

        tqdm.set_lock(threading.RLock())


def _die_with_parent() -> None:
    """Leave at once when the parent is gone: a killed run must not go on writing behind its successor's back."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _context() -> Any:
    """Forked from a server with the heavy imports done; spawned where there is no fork."""
    if "forkserver" in multiprocessing.get_all_start_methods():
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOAD)
        return context
    return multiprocessing.get_context("spawn")


@contextmanager
def _safe_path() -> Iterator[None]:
    """Keep the fork server from importing modules that lie in the working directory (a `random.py` beside the run)."""
    before = os.environ.get(SAFE_PATH)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = before


def _sockets_in(folder: Path) -> AbstractContextManager[None]:
    """Let the fork server's socket lie in a folder, unless its path would be too long for one."""
    return files_in(folder) if len(os.fsencode(folder)) <= LONGEST_SOCKET_FOLDER else nullcontext()


@contextmanager
def _without_main_script() -> Iterator[None]:
    """Keep a child from running the caller's script again: it needs nothing of it, and the script may lack a
    `__main__` guard."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main
