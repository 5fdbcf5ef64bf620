"""Claims about compiling: a fit compiles one program, its like none, and predictions a bounded number."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pandas as pd
import pytest
from jax.experimental.compilation_cache import compilation_cache

import behavior_learning as bl
from behavior_learning import caching
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


FIT = """
import jax, numpy as np
hits = []
jax.monitoring.register_event_listener(lambda event, **_: hits.append(event.endswith("cache_hits")))
import behavior_learning as bl
X = np.random.default_rng(0).normal(size=(40, 2))
bl.BLRegressor(layers=(1,), max_epochs=1, n_restarts=1, random_state=0).fit(X, X[:, 0])
print(sum(hits))
"""


def test_a_later_process_loads_what_an_earlier_one_compiled(tmp_path):
    told = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    run = lambda: subprocess.run(
        [sys.executable, "-c", FIT],
        check=True,
        capture_output=True,
        text=True,
        env=told | {"XDG_CACHE_HOME": str(tmp_path)},
    )
    assert [int(run().stdout) for _ in range(2)] == [0, 1]


CACHE = (
    *("jax_compilation_cache_dir", "jax_compilation_cache_max_size"),
    *("jax_persistent_cache_min_compile_time_secs", "jax_persistent_cache_min_entry_size_bytes"),
)


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """The user's folder of caches, of which JAX has not been told."""
    before = {name: getattr(jax.config, name) for name in CACHE}
    jax.config.update("jax_compilation_cache_dir", None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.delenv(caching.SWITCH, raising=False)
    yield tmp_path
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def test_programs_are_kept_below_the_users_folder_of_caches_with_a_bound(caches):
    caching.keep_programs()
    assert (caches / "behavior_learning") in Path(jax.config.jax_compilation_cache_dir).parents
    assert 0 < jax.config.jax_compilation_cache_max_size < 2**30


def test_processors_have_folders_of_their_own(caches, monkeypatch):
    folders = set()
    for flags in ("avx2", "avx2 avx512"):
        (caches / "cpuinfo").write_text(f"cpu MHz : 1\nflags : {flags}\n")
        monkeypatch.setattr(caching, "PROCESSOR", caches / "cpuinfo")
        folders.add(bl.cache_programs())
    assert len(folders) == 2


def test_programs_are_not_kept_where_the_user_says_so(caches, monkeypatch):
    monkeypatch.setenv(caching.SWITCH, "off")
    caching.keep_programs()
    assert jax.config.jax_compilation_cache_dir is None


def test_programs_stay_where_the_user_wants_them(caches):
    folder = bl.cache_programs(caches / "chosen")
    caching.keep_programs()
    assert jax.config.jax_compilation_cache_dir == str(folder)


def test_a_folder_that_cannot_be_written_to_is_no_obstacle(caches, monkeypatch):
    (caches / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(caches / "file"))
    caching.keep_programs()
    assert jax.config.jax_compilation_cache_dir is None


def test_a_cache_needs_a_folder_that_can_be_written_to(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OptionError, match=r"folder that can be written to; .*file.* Name another"):
        bl.cache_programs(tmp_path / "file")


@pytest.mark.parametrize("folder", [5, b"folder", ["folder"], ""])
def test_a_cache_needs_a_path(folder):
    with pytest.raises(OptionError, match="folder must be the path of a folder"):
        bl.cache_programs(folder)
