"""`bl launch`."""

import os
import re
import shlex
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, NamedTuple

import typer
from rich.markup import escape

from behavior_learning.cli.common import err, without_traceback
from behavior_learning.errors import OptionError, ProcessError
from behavior_learning.launched import NOTES, PLACE, Place

__all__ = ["Worker", "in_slurm", "launch", "on_this_machine", "what_happened"]

GRACE, LOOK = 1.5, 0.05
"""Seconds that processes have to end once one has died, and between two looks at them."""

PORTS = range(61_440, 65_536)
"""Ports of which the number of a job in SLURM chooses one."""


@without_traceback
def launch(
    command: Annotated[list[str], typer.Argument(help="What each process runs, such as: python train.py")],
    processes: Annotated[int | None, typer.Option("-n", help="Processes on this machine.", min=1)] = None,
    port: Annotated[int | None, typer.Option(help="At which the first one listens; a free one by default.")] = None,
) -> None:
    """Run a command in several processes that fit together, on this machine or as the tasks of `srun`.

    Every fit in the command is shared: streams are dealt, batches are cut, and all end with the same model. When one
    process dies, the others are ended.
    """
    places = [in_slurm(os.environ)] if processes is None else on_this_machine(processes, port)
    with TemporaryDirectory() as folder:
        workers = [_started(command, place, Path(folder) / str(place.process), len(places)) for place in places]
        try:
            dead = _first_to_fail(workers)
        finally:
            _end(workers)
        if dead is None:
            return
        err.print(
            f"[bold red]error:[/] {escape(what_happened(dead, ['bl', 'launch', *_options(processes), *command]))}"
        )
    raise typer.Exit(dead.code if dead.code > 0 else 128 - dead.code)


class Worker(NamedTuple):
    """A process that was started, and the file in which it notes how far it is."""

    place: Place
    process: subprocess.Popen[bytes]
    notes: Path

    @property
    def code(self) -> int:
        """Its exit code, negative where a signal ended it; 0 while it runs."""
        return self.process.poll() or 0


def on_this_machine(processes: int, port: int | None) -> list[Place]:
    """Places on the loopback.

    Raises
    ------
    ProcessError
        If the port is taken.
    """
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port or 0))
        except (OSError, OverflowError) as error:
            raise ProcessError(
                f"Port {port} of this machine cannot be used ({error}). Leave --port away, and a free one is chosen."
            ) from error
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    return [Place(number, processes, address) for number in range(processes)]


def in_slurm(environment: Mapping[str, str]) -> Place:
    """The place of a task of `srun`; the first node of the step listens.

    Raises
    ------
    OptionError
        If this is none.
    """
    try:
        process, processes = (int(environment[name]) for name in ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"))
        nodes, job = environment["SLURM_STEP_NODELIST"], int(environment["SLURM_JOB_ID"])
    except (KeyError, ValueError):
        raise OptionError(
            "How many processes? Say bl launch -n 4 COMMAND, or let SLURM start them: srun -n 4 bl launch COMMAND."
        ) from None
    first = re.sub(r"\[(\w+)[^]]*].*", r"\1", nodes) if "[" in nodes.split(",")[0] else nodes.split(",")[0]
    return Place(process, processes, f"{first}:{PORTS[job % len(PORTS)]}")


def what_happened(dead: Worker, command: Sequence[str]) -> str:
    """Which process died, how, how far it was, and how to go on."""
    place, code = dead.place, dead.code
    how = f"with exit code {code}" if code > 0 else f"by signal {-code} ({signal.Signals(-code).name})"
    said = dead.notes.read_text(encoding="utf-8") if dead.notes.exists() else "before training began"
    go_on = "Nothing is kept of it without fit(..., checkpoint='folder', random_state=0)."
    if "kept" in said:
        go_on = f"Run the same again to go on from there: {shlex.join(command)}"
    return f"Process {place.process} of {place.processes} ended {how} {said}. The others were ended. {go_on}"


def _options(processes: int | None) -> list[str]:
    return [] if processes is None else ["-n", str(processes)]


def _started(command: Sequence[str], place: Place, notes: Path, here: int) -> Worker:
    """A process, with cores of its own where there are enough."""
    environment = {**os.environ, PLACE: str(place), NOTES: str(notes)}
    try:
        process = subprocess.Popen(list(command), env=environment)
    except OSError as error:
        raise OptionError(f"{command[0]!r} cannot be run: {error}. Write the command as in a shell.") from error
    if hasattr(os, "sched_setaffinity") and len(cores := sorted(os.sched_getaffinity(0))) >= here > 1:
        os.sched_setaffinity(process.pid, cores[place.process :: here])
    return Worker(place, process, notes)


def _first_to_fail(workers: Sequence[Worker]) -> Worker | None:
    """The first that ends with an error, one ended by a signal before others; None where all end well."""
    while any(worker.process.poll() is None for worker in workers) or any(worker.code for worker in workers):
        failed = sorted((worker for worker in workers if worker.code), key=lambda worker: worker.code)
        if failed:
            return failed[0]
        time.sleep(LOOK)
    return None


def _end(workers: Sequence[Worker]) -> None:
    """End those that still run."""
    for worker in workers:
        if worker.process.poll() is None:
            worker.process.terminate()
    until = time.monotonic() + GRACE
    for worker in workers:
        try:
            worker.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            worker.process.kill()
            worker.process.wait()
