"""Ends a process by signal 9 while it saves a model over an old one, again and again: one of the two must be there.

Whole, that is; what a killed process leaves beside it (`.NAME.….part`) may be deleted.

python benchmarks/kill_during_save.py --kills 500
"""

import argparse
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from behavior_learning.files import write_whole

SAVER = """
import sys, itertools
from behavior_learning.files import write_whole
for i in itertools.count():
    write_whole(sys.argv[1], bytes([i % 251]) * {size})
    if i == 0:
        print("going", flush=True)
"""
"""Saves files of one byte repeated, so that a mixture of two or a part of one shows."""


def killed(path: Path, size: int, wait: float) -> bool:
    """Whether a whole file is there after a process that saved it again and again was killed."""
    with subprocess.Popen(
        [sys.executable, "-c", SAVER.format(size=size), str(path)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        process.send_signal(signal.SIGKILL)
    content = path.read_bytes()
    return len(content) == size and len(set(content)) == 1


def main() -> None:
    """Print how many files were whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    given = parser.parse_args()
    rng, path, size = np.random.default_rng(0), Path(mkdtemp()) / "model.bl", 300_000
    write_whole(path, b"\0" * size)
    whole = sum(killed(path, size, rng.uniform(0, 0.05)) for _ in range(given.kills))
    left = len(list(path.parent.glob("*.part")))
    print(f"{whole} of {given.kills} files whole after kill -9 during save; {left} parts left beside")


if __name__ == "__main__":
    main()
