"""Fails the n-th system call of one kind, in one process of a study; nothing in the package knows.

Python imports this at its start, in the controller, the forkserver and so in every worker, where
its folder is on PYTHONPATH. A plan in SELECTOR_FAULT says what happens:

    WHO:WHAT:NUMBER:HOW     controller:rename:3:before · worker:send:2:ENOSPC

WHO       controller, or worker (with the process that forks them: not counted)
WHAT      write, rename, fsync, unlink or send
HOW       before or after: the process ends there, as by kill -9; ENOSPC or EIO: the call fails

SELECTOR_FAULT_FOLDER is where it counts, one file for each process, so that a plan whose number was
never reached can be told from one that did nothing. Only paths below SELECTOR_FAULT_BELOW count.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import sys
from pathlib import Path


class _Plan:
    def __init__(self, text: str) -> None:
        self.who, self.what, number, self.how = text.split(":")
        self.number, self.count = int(number), 0
        self.below = os.environ["SELECTOR_FAULT_BELOW"]
        self.folder = os.environ["SELECTOR_FAULT_FOLDER"]
        self.main = os.getpid()
        self.serves = "selector.launch.forkserver" in " ".join(sys.orig_argv)

    def here(self, what: str, path: object) -> bool:
        """Whether the call counts and it is the one."""
        if what != self.what or self.who != self._me():
            return False
        if isinstance(path, (str, os.PathLike)) and not Path(path).absolute().is_relative_to(
            self.below
        ):
            return False
        self.count += 1
        if self.count != self.number:
            return False
        descriptor = _open(f"{self.folder}/happened", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.close(descriptor)
        return True

    def _me(self) -> str:
        if not self.serves:
            return "controller" if os.getpid() == self.main else "child"
        return "forkserver" if os.getpid() == self.main else "worker"

    def around(self, what, path, call, *given, **named):
        """Make the call, or not."""
        try:
            happens = self.here(what, path)
        except FileExistsError:  # once is enough: a worker that took its place goes on
            happens = False
        if not happens:
            return call(*given, **named)
        if self.how == "after":
            call(*given, **named)
        if self.how in ("before", "after"):
            os._exit(137)
        number = getattr(errno, self.how)
        raise OSError(number, os.strerror(number), str(path))


_open = os.open


def _install(plan: _Plan) -> None:
    replace, path_replace, fsync = os.replace, Path.replace, os.fsync
    unlink, open_ = Path.unlink, builtins.open

    def patched_path_replace(self, target):
        return plan.around("rename", target, path_replace, self, target)

    def patched_unlink(self, missing_ok=False):
        return plan.around("unlink", self, unlink, self, missing_ok)

    def patched_open(file, mode="r", *given, **named):
        """Opening to write counts as the write: the content itself is buffered."""
        if isinstance(file, (str, os.PathLike)) and set(mode) & set("wax+"):
            return plan.around("write", file, open_, file, mode, *given, **named)
        return open_(file, mode, *given, **named)

    os.replace = lambda source, target, **n: plan.around("rename", target, replace, source, target)
    os.fsync = lambda number: plan.around("fsync", None, fsync, number)
    Path.replace, Path.unlink = patched_path_replace, patched_unlink
    builtins.open = io.open = patched_open


def _install_send(plan: _Plan) -> None:
    """Channel.send, once selector.launch.messages is there: by a look at each import."""
    import importlib.abc
    import importlib.machinery

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path, target=None):
            if name != "selector.launch.messages":
                return None
            sys.meta_path.remove(self)
            spec = importlib.machinery.PathFinder.find_spec(name, path)
            load = spec.loader.exec_module

            def exec_module(module):
                load(module)
                patch(module)

            spec.loader.exec_module = exec_module
            return spec

    def patch(module):
        send = module.Channel.send
        module.Channel.send = lambda *given, **named: plan.around(
            "send", None, send, *given, **named
        )

    if "selector.launch.messages" in sys.modules:
        patch(sys.modules["selector.launch.messages"])
    else:
        sys.meta_path.insert(0, Finder())


if "SELECTOR_FAULT" in os.environ:
    _plan = _Plan(os.environ["SELECTOR_FAULT"])
    if _plan.what == "send":
        _install_send(_plan)
    else:
        _install(_plan)
