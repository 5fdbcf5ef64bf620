"""Ends one training by signal 9 again and again, each time after a random number of windows, and resumes it.

What comes out must be, bit for bit, what a training that was never interrupted finds.

python benchmarks/kill_during_training.py --kills 10
"""

import argparse
import signal
import subprocess
import sys
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pandas as pd

TRAINER = """
import sys
import numpy as np
import behavior_learning as bl
data, folder, out, windows = sys.argv[1:]
def say(done, loss):
    print(done, flush=True)
reg = bl.BLRegressor(layers=(2, 1), n_restarts=2, max_epochs=int(windows), patience=1000, random_state=0)
stream = bl.Stream(data + "/*.parquet", window=2048)
reg.fit(stream, target="y", progress=say, checkpoint=bl.Checkpoint(folder, minutes=0.0))
np.savez(out, *(np.asarray(weight.raw) for weight in reg.network_.weights))
"""


def trained(data: Path, folder: Path, out: Path, windows: int, kill_after: int | None) -> list[int]:
    """The windows that a process says to have done, until its end or until it is killed after so many."""
    said: list[int] = []
    command = [sys.executable, "-W", "ignore", "-c", TRAINER, *map(str, (data, folder, out, windows))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            said.append(int(line))
            if len(said) == kill_after:
                process.send_signal(signal.SIGKILL)
                break
    return said


def main() -> None:
    """Print where training was killed, and whether its result is that of one that was not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--windows", type=int, default=120)
    given = parser.parse_args()
    rng, folder = np.random.default_rng(0), Path(mkdtemp())
    x = rng.normal(size=(20_000, 5))
    rows = pd.DataFrame(x, columns=list("abcde")).assign(y=np.tanh(x[:, 0]) - x[:, 1] + 0.3 * rng.normal(size=20_000))
    rows.to_parquet(folder / "rows.parquet", row_group_size=1_500)
    whole, resumed = folder / "whole.npz", folder / "resumed.npz"
    trained(folder, folder / "alone", whole, given.windows, None)
    for _ in range(given.kills):
        said = trained(folder, folder / "kept", resumed, given.windows, int(rng.integers(1, 10)))
        print(f"began at window {said[0] - 1}, killed after window {said[-1]}", flush=True)
    trained(folder, folder / "kept", resumed, given.windows, None)
    with np.load(whole) as one, np.load(resumed) as other:
        equal = all(np.array_equal(one[name], other[name]) for name in one.files)
    print(f"{given.kills} kills: the result is {'bit for bit' if equal else 'NOT'} that of an uninterrupted training")


if __name__ == "__main__":
    main()
