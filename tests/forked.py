"""Run test files of a copy of the project, each in a fork of a process that has imported what costs most."""

import os
import resource
import signal
import sys
import threading
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

MOST_SECONDS = 900
"""After which a run ends, however busy the machine is."""

MOST_MEMORY = 8 << 30

HEAVY = (
    "hypothesis",
    "jax.numpy",
    "equinox",
    "pandas",
    "pytest",
    "scipy.optimize",
    "scipy.stats",
    "sklearn.utils",
    "sympy",
)


class Run(NamedTuple):
    """How a test file ended.

    Attributes
    ----------
    code : of pytest, 0 where all passed; −1 where it was ended.
    seconds : of CPU.
    """

    code: int
    seconds: float


def import_heavy() -> None:
    """Import what every test file needs, but for the project, and start no thread."""
    for name in HEAVY:
        __import__(name)


def run(project: Path, file: str, *, seen: Path | None = None, most: float = MOST_SECONDS) -> Run:
    """Run the quick tests of a file until the first fails; of `seen`, all of them, and write there what they execute.

    Parameters
    ----------
    seen : a file for ``path:line`` of every line of the package that is executed.
    most : seconds of CPU.
    """
    child = os.fork()
    if not child:
        _tests(project, file, seen, most)
    end = time.monotonic() + MOST_SECONDS
    while True:
        pid, status, used = os.wait4(child, os.WNOHANG)
        if pid:
            break
        if time.monotonic() > end:
            with suppress(ProcessLookupError):
                os.killpg(child, signal.SIGKILL)
        time.sleep(0.05)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # Processes that a test began.
    code = os.waitstatus_to_exitcode(status)
    return Run(code if code >= 0 else -1, used.ru_utime + used.ru_stime)


def _tests(project: Path, file: str, seen: Path | None, most: float) -> None:
    """Be the process of the tests."""
    code = 70
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(most) + 1,) * 2)
        resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY,) * 2)
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        os.chdir(project)
        os.environ["PYTHONPATH"] = str(project / "src")
        for name in [own for own in sys.modules if own.partition(".")[0] == "tests"]:
            del sys.modules[name]
        sys.path[:0] = [str(project / "src"), str(project)]
        sys.dont_write_bytecode = seen is None
        import pytest

        options = ["-q", "-p", "no:cacheprovider", "-m", "not slow", "-W", "ignore::pytest.PytestAssertRewriteWarning"]
        if seen is None:
            import jax

            jax.config.update("jax_persistent_cache_min_compile_time_secs", 1e9)  # Programs of mutants are not kept.
            code = int(pytest.main([*options, "-x", file]))
        else:
            lines = _watched(str(project / "src"))
            code = int(pytest.main([*options, file]))
            found = sorted(f"{os.path.relpath(path, project)}:{line}" for path, own in lines.items() for line in own)
            seen.write_text("\n".join(found), encoding="utf-8")
    finally:
        os._exit(code)


def _watched(package: str) -> dict[str, set[int]]:
    """Lines that are executed from now on in files below a folder, by path."""
    lines: dict[str, set[int]] = defaultdict(set)

    def local(frame, event, argument):
        lines[frame.f_code.co_filename].add(frame.f_lineno)
        return local

    def entered(frame, event, argument):
        return local(frame, event, argument) if frame.f_code.co_filename.startswith(package) else None

    threading.settrace(entered)
    sys.settrace(entered)
    return lines
