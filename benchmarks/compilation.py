"""What compiling costs: imports, first fits, second fits, predictions of many sizes, and whole cold processes.

python benchmarks/compilation.py
"""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable

import jax
import numpy as np

import behavior_learning as bl
from timing import alternately, heading, table

COMPILE, TRACE, LOWER = (
    f"/jax/core/compile/{name}_duration" for name in ("backend_compile", "jaxpr_trace", "jaxpr_to_mlir_module")
)

IMPORT, IMPORT_ESTIMATOR = "import behavior_learning", "from behavior_learning import BLRegressor"

HELP = """
import sys
from behavior_learning.cli import app
sys.argv = ["bl", "--help"]
app()
"""

OUR_FIT = """
import behavior_learning as bl
X, y = bl.datasets.load_boston()
bl.BLRegressor(layers=(2, 1), objective=bl.DenoisingScoreMatching(sigma=1.2), n_restarts=1, random_state=0).fit(X, y)
"""

THEIR_FIT = """
import numpy as np, torch
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from blnetwork.model import BLDeep
from blnetwork.training import ContinuousTrainer, OptimConfig, TrainConfig
import pandas as pd
from pathlib import Path
table = pd.read_csv(next(Path({folder!r}).glob("boston*.csv")), comment="#")
X, y = table.drop(columns="MEDV").to_numpy(np.float32), table["MEDV"].to_numpy(np.float32)[:, None]
X_train, X_held, y_train, y_held = train_test_split(X, y, test_size=0.2, random_state=0)
sx, sy = StandardScaler().fit(X_train), StandardScaler().fit(y_train)
ready = lambda X, y: (torch.from_numpy(sx.transform(X)), torch.from_numpy(sy.transform(y)))
settings = OptimConfig(lr=0.01), TrainConfig(max_epochs=500, batch_size=64, patience=40, grad_clip_norm=1.0, seed=0)
ContinuousTrainer(BLDeep([2, 1]), *settings, dsm_sigma=1.2).fit(*ready(X_train, y_train), *ready(X_held, y_held))
"""


class Compilations:
    """Seconds and counts of what JAX compiles inside a with block."""

    def __enter__(self) -> "Compilations":
        self.seconds, self.counts = Counter(), Counter()
        jax.monitoring.register_event_duration_secs_listener(self._note)
        return self

    def __exit__(self, *error: object) -> None:
        jax.monitoring.unregister_event_duration_listener(self._note)

    def _note(self, event: str, seconds: float, **_: object) -> None:
        self.seconds[event] += seconds
        self.counts[event] += 1

    @property
    def line(self) -> tuple[str, int]:
        """Seconds of tracing, lowering and compiling, and programs."""
        return f"{sum(self.seconds[event] for event in (COMPILE, TRACE, LOWER)):.2f}", self.counts[COMPILE]


def fits() -> None:
    rng = np.random.default_rng(0)
    X, y = bl.datasets.load_boston()
    classes = np.where(rng.random(len(X)) < 0.5, "a", "b")
    models: dict[str, Callable[[], object]] = {
        "BLRegressor, BL[2,1]": lambda: bl.BLRegressor(layers=(2, 1), n_restarts=1, random_state=0).fit(X, y),
        "BLRegressor, default": lambda: bl.BLRegressor(random_state=0).fit(X, y),
        "BLRegressor, objective='dsm', BL[2,1]": lambda: bl.BLRegressor(
            layers=(2, 1), objective="dsm", n_restarts=1, random_state=0
        ).fit(X, y),
        "BLClassifier, BL[2,1]": lambda: bl.BLClassifier(layers=(2, 1), random_state=0).fit(X, classes),
    }
    bl.BLRegressor(max_epochs=1, random_state=1, layers=(1,)).fit(
        X.iloc[:30], y.iloc[:30]
    )  # Imports are not compiling.
    lines = []
    for name, fit in models.items():
        jax.clear_caches()
        with Compilations() as first:
            fit()
        with Compilations() as second:
            fit()
        lines.append((name, *first.line, second.line[1]))
    table(
        ("first affine fit (Boston)", "trace and compile, s (aim 2)", "programs (aim 2)", "of a second fit (aim 0)"),
        lines,
    )


def sizes() -> None:
    X, y = bl.datasets.load_boston()
    reg = bl.BLRegressor(layers=(2, 1), max_epochs=2, random_state=0).fit(X, y)
    wide = X.iloc[np.random.default_rng(0).integers(len(X), size=5_000)]
    with Compilations() as programs:
        for n in range(1, 5_000, 37):
            reg.predict(wide.iloc[:n])
    table(("predictions of 136 sizes from 1 to 5,000 rows", "programs"), [("BLRegressor.predict", programs.line[1])])


def processes() -> None:
    folder = str(next(iter(bl.datasets.__path__)))
    process = lambda code: lambda: subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    runs = {
        IMPORT: process(IMPORT),
        IMPORT_ESTIMATOR: process(IMPORT_ESTIMATOR),
        "bl --help": process(HELP),
        "a whole process: import, compile, fit BL[2,1] to Boston by denoising score matching": process(OUR_FIT),
        "the same by blnetwork": process(THEIR_FIT.format(folder=folder)),
        "import torch, blnetwork.training": process("import torch, blnetwork.training"),
    }
    seconds = alternately(runs, 3)
    table(("cold process", "s"), [(name, f"{s:.2f}") for name, s in seconds.items()])


def main() -> None:
    heading("Compilation and cold starts")
    begun = time.perf_counter()
    fits()
    sizes()
    processes()
    print(f"({time.perf_counter() - begun:.0f} s)\n")


if __name__ == "__main__":
    main()
