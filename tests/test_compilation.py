"""Claims about compiling: a fit compiles one program, its like none, and predictions a bounded number."""

import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.errors import OptionError
from tests.conftest import rng

COMPILED = "/jax/core/compile/backend_compile_duration"

N = 120
X = pd.DataFrame(rng("compilation").normal(size=(N, 3)), columns=list("abc"))
NUMBERS = pd.Series(X["a"] + rng("noise").normal(size=N), name="y")
CLASSES = pd.Series(np.where(X["a"] > 0, "yes", "no"), name="y")

BRIEF = {"layers": (2, 1), "max_epochs": 3, "n_restarts": 2, "random_state": 0}
MODELS = {
    "numbers": (bl.BLRegressor, {}, NUMBERS),
    "numbers, by score": (bl.BLRegressor, {"objective": "dsm", "heads": ("tanh", "softplus", "square")}, NUMBERS),
    "classes": (bl.BLClassifier, {}, CLASSES),
    "classes, scalar": (bl.BLClassifier, {"output": "scalar"}, CLASSES),
}

every_model = pytest.mark.parametrize("name", MODELS)


class Programs:
    """How many programs are compiled inside a with block."""

    def __enter__(self):
        self.count = 0
        jax.monitoring.register_event_duration_secs_listener(self._note)
        return self

    def __exit__(self, *error):
        jax.monitoring.unregister_event_duration_listener(self._note)

    def _note(self, event, seconds, **details):
        self.count += event == COMPILED


def fitted(name, table=X, **options):
    kind, own, y = MODELS[name]
    return kind(**{**BRIEF, **own, **options}).fit(table, y)


@every_model
def test_fit_compiles_one_program_and_its_like_none(name):
    jax.clear_caches()
    with Programs() as first:
        fitted(name)
    with Programs() as second:
        fitted(name, random_state=1)
        fitted(
            name,
            table=-3 * X,
            patience=7,
            max_epochs=2,
            optimizer=bl.Adam(learning_rate=0.02),
            penalty=bl.Penalty(l2=3.0),
        )
    assert (first.count, second.count) == (1, 0)


def test_full_batch_fits_compile_the_start_of_their_optimizer_too_and_their_like_nothing():
    smooth = {"optimizer": "lbfgs", "heads": ("tanh", "softplus", "square")}
    jax.clear_caches()
    with Programs() as first:
        fitted("numbers", **smooth)
    with Programs() as second:
        fitted("numbers", random_state=1, **smooth)
    assert (first.count, second.count) == (2, 0)


@pytest.mark.parametrize("name", MODELS)
def test_fits_take_double_precision_as_the_default(name, float64):
    assert np.isfinite(fitted(name).restarts_["validation_loss"]).all()


def test_fits_take_another_generator_as_the_default():
    before = jax.config.jax_default_prng_impl
    jax.config.update("jax_default_prng_impl", "rbg")
    try:
        assert np.isfinite(fitted("numbers, by score").restarts_["validation_loss"]).all()
    finally:
        jax.config.update("jax_default_prng_impl", before)


@every_model
def test_predictions_of_many_sizes_compile_few_programs(name):
    model = fitted(name)
    jax.clear_caches()
    with Programs() as programs:
        for n in range(1, N + 1):
            model.predict(X.iloc[:n])
    assert programs.count <= len({1, 16, 32, 64, 128})


CACHED = """
import sys, jax, numpy as np
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event.endswith("cache_hits")))
import behavior_learning as bl
bl.cache_programs(sys.argv[1])
X = np.random.default_rng(0).normal(size=(40, 2))
bl.BLRegressor(layers=(1,), max_epochs=1, n_restarts=1, random_state=0).fit(X, X[:, 0])
print(sum(hits))
"""


def test_a_later_process_loads_what_an_earlier_one_compiled(tmp_path):
    run = lambda: subprocess.run(
        [sys.executable, "-c", CACHED, str(tmp_path / "new")], check=True, capture_output=True, text=True
    )
    assert [int(run().stdout) for _ in range(2)] == [0, 1]


def test_a_cache_needs_a_folder_that_can_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match=r"folder that can be written to; .*file.* Name another"):
        bl.cache_programs(tmp_path / "file")


@pytest.mark.parametrize("folder", [5, b"folder", ["folder"], ""])
def test_a_cache_needs_a_path(folder):
    with pytest.raises(OptionError, match="folder must be the path of a folder"):
        bl.cache_programs(folder)
