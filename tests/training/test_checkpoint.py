"""Claims about checkpoints: what goes on ends as what was never interrupted, and nothing else is gone on from."""

from errno import ENOSPC

import jax.numpy as jnp
import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning.errors import DataError, OptionError
from behavior_learning.training import checkpoint as module
from behavior_learning.training.checkpoint import Checkpoint, Keeper, fingerprint
from behavior_learning.training.minimize import Change, Losses, minimize
from behavior_learning.training.optimizers import Adam
from tests.conftest import rng

STARTS = rng("checkpoint").normal(size=(2, 3)).astype(np.float32)
DATA = (rng("checkpoint rows").normal(size=(40, 3)).astype(np.float32),)


def squared(params, data):
    return jnp.mean((data[0] @ params - 1.0) ** 2)


def halved(params, data):
    return 0.5 * squared(params, data)


def refine(losses, latest, stopped):
    """Other losses after the tenth epoch."""
    return Change(Losses(halved, halved), False) if losses.train is squared and latest.shape[1] == 5 else None


def train(folder=None, until=30, **options):
    """Best parameters and trace of training that is ended from outside after so many epochs."""
    keeper = None if folder is None else Keeper(Checkpoint(folder, minutes=0.0), "same")
    optimizer = Adam(batch_size=16, learning_rate=0.05).on(decay=0.0, half_squared=jnp.sum, proximal=None)
    how = {"data": DATA, "validation": DATA, "seed": 1, "max_epochs": 30, "patience": 30, "chunk": 5, "refine": refine}
    ends = {"progress": lambda done, loss: done >= until} if until < 30 else {}
    best, trace, _ = minimize(jnp.asarray(STARTS), Losses(squared, squared), optimizer, keeper=keeper, **how, **ends)
    return np.asarray(best), trace


@pytest.mark.parametrize("until", [5, 10, 25])
def test_training_that_goes_on_ends_bit_for_bit_as_uninterrupted(until, tmp_path):
    whole, trace = train()
    train(tmp_path, until)
    resumed, other = train(tmp_path)
    np.testing.assert_array_equal(resumed, whole)
    for own, same in zip(other, trace, strict=True):
        np.testing.assert_array_equal(own, same)
    again, _ = train(tmp_path)  # What has ended is not trained on.
    np.testing.assert_array_equal(again, whole)


def damaged(path, monkeypatch):
    path.write_bytes(path.read_bytes()[:100])


def other_version(path, monkeypatch):
    monkeypatch.setattr(module, "version", lambda name: "9.9")


@pytest.mark.parametrize(
    ("change", "own", "match"),
    [
        (damaged, "same", "is no checkpoint"),
        (other_version, "same", "was written by version .*, and this is 9.9"),
        (lambda path, patch: None, "other", "of a training with other rows, settings or random_state"),
    ],
)
def test_other_checkpoints_are_not_gone_on_from(change, own, match, tmp_path, monkeypatch):
    keeper = Keeper(Checkpoint(tmp_path), "same")
    keeper.write(module.Kept((jnp.zeros(2),), [np.zeros((1, 1))] * 3, [(0, False)], [{}]))
    change(tmp_path / module.FILE, monkeypatch)
    with pytest.raises(DataError, match=match):
        Keeper(Checkpoint(tmp_path), own).read((jnp.zeros(2),))


def test_full_disk_ends_training_and_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    whole, _ = train()
    train(tmp_path, 10)

    def full(*_):
        raise OSError(ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(DataError, match="No space left on device"):
            train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [module.FILE]
    np.testing.assert_array_equal(train(tmp_path)[0], whole)


def test_checkpoint_in_no_folder_is_refused(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="is no folder to write to"):
        Keeper(Checkpoint(tmp_path / "file" / "inside"), "same").write(module.Kept((), [np.zeros((1, 0))], [], []))


def test_fingerprints_tell_numbers_and_settings_apart():
    parts = (np.arange(4.0), {"a": 1})
    assert fingerprint(*parts) == fingerprint(np.arange(4.0), {"a": 1})
    others = [(np.arange(4.0) + 1e-9, {"a": 1}), (np.arange(4), {"a": 1}), (np.arange(4.0), {"a": 2})]
    assert fingerprint(*parts) not in {fingerprint(*other) for other in others}


def test_checkpoints_need_a_seed():
    with pytest.raises(OptionError, match="checkpoint= needs random_state="):
        bl.BLRegressor().fit([[0.0]] * 9, range(9), checkpoint="folder")
