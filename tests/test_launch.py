"""Claims about processes that fit together: who they are, what ends them, and what is said then."""

import pickle
import socket
import subprocess
import sys

import jax
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from behavior_learning import launched, mesh
from behavior_learning.cli import app
from behavior_learning.cli import launch as module
from behavior_learning.cli.launch import Worker, in_slurm, on_this_machine, what_happened
from behavior_learning.errors import DataError, OptionError, ProcessError
from behavior_learning.estimators.rows import EncodedRows
from behavior_learning.launched import Place
from tests.conftest import rng

TASK = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8", "SLURM_JOB_ID": "100"}


def test_a_place_is_read_as_it_was_written():
    place = Place(2, 4, "10.0.0.1:4567")
    assert Place.read(str(place)) == place


@pytest.mark.parametrize("text", ["", "4/4@here:1", "1/4", "a/b@here:1", "1/4@here"])
def test_what_is_no_place_is_refused(text):
    with pytest.raises(ProcessError, match="does not say which process this is"):
        Place.read(text)


@pytest.mark.parametrize(
    ("nodes", "first"),
    [("node7", "node7"), ("node[003-010,012]", "node003"), ("gpu-a12,gpu-b1", "gpu-a12"), ("n[1,5]", "n1")],
)
def test_tasks_of_slurm_find_their_place(nodes, first):
    place = in_slurm({**TASK, "SLURM_STEP_NODELIST": nodes})
    host, port = place.address.split(":")
    assert (place.process, place.processes, host) == (3, 8, first)
    assert int(port) in module.PORTS


def test_without_slurm_the_number_of_processes_must_be_said():
    with pytest.raises(OptionError, match="How many processes"):
        in_slurm({})


def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ProcessError, match=f"Port {port} of this machine cannot be used"):
            on_this_machine(2, port)
    assert len({place.address for place in on_this_machine(3, None)}) == 1


class Ended:
    """A process that has ended with a code."""

    def __init__(self, code: int):
        self.code = code

    def poll(self) -> int:
        return self.code


@pytest.mark.parametrize(
    ("code", "note", "said"),
    [
        (-9, "after epoch 7, of which the first 5 are kept in there", "signal 9 (SIGKILL) after epoch 7, of"),
        (1, "after epoch 7", "exit code 1 after epoch 7. The others were ended. Nothing is kept"),
        (2, None, "exit code 2 before training began"),
    ],
)  # fmt: skip
def test_a_dead_process_is_named_with_how_to_go_on(tmp_path, code, note, said):
    if note:
        (tmp_path / "note").write_text(note)
    worker = Worker(Place(1, 2, "here:1"), Ended(code), tmp_path / "note")
    text = what_happened(worker, ["bl", "launch", "-n", "2", "python", "my train.py"])
    assert "Process 1 of 2 ended" in text
    assert said in text
    assert ("bl launch -n 2 python 'my train.py'" in text) == ("kept in" in text)


def test_launched_commands_know_their_place_and_end_together(tmp_path):
    script = f"import os, pathlib; pathlib.Path('{tmp_path}', os.environ['{launched.PLACE}'][0]).touch(); "
    result = CliRunner().invoke(app, ["launch", "-n", "2", sys.executable, "-I", "-c", script])
    assert result.exit_code == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    script += f"import time, sys; os.environ['{launched.PLACE}'][0] == '1' and sys.exit(5); time.sleep(60)"
    result = CliRunner().invoke(app, ["launch", "-n", "2", sys.executable, "-I", "-c", script])
    assert result.exit_code == 5
    assert "Process 1 of 2 ended with exit code 5 before training began" in " ".join(result.stderr.split())


def test_versions_must_agree():
    mesh.check_versions(["a", "a"])
    with pytest.raises(ProcessError, match="Process 0 runs a, and process 2 b"):
        mesh.check_versions(["a", "a", "b"])


def several(monkeypatch, others):
    """As if other processes had sent these."""
    monkeypatch.setattr(mesh, "count", lambda: 1 + len(others))
    monkeypatch.setattr(mesh, "index", lambda: 0)

    def gather(values):
        texts = [values.tobytes(), *(pickle.dumps(other) for other in others)]
        if values.ndim == 0:
            return np.array([values, *(len(text) for text in texts[1:])])
        return np.stack([np.frombuffer(text.ljust(len(values), b" "), np.uint8) for text in texts])

    monkeypatch.setattr(mesh, "process_allgather", gather)


def test_what_processes_have_is_gathered_whatever_its_length(monkeypatch):
    several(monkeypatch, ["b", list(range(9))])
    assert mesh.gathered("a" * 100) == ["a" * 100, "b", list(range(9))]


def test_an_error_of_one_process_is_raised_by_all(monkeypatch):
    several(monkeypatch, [(None, DataError("no rows " * 10))])
    with pytest.raises(DataError, match="Process 1: no rows"):
        mesh.everyone(lambda: list(range(500)))


def test_rows_in_memory_must_be_the_same_everywhere(monkeypatch):
    several(monkeypatch, ["0" * 10])
    module = "behavior_learning.estimators.rows"
    monkeypatch.setattr(f"{module}.count", lambda: 2)
    rows = EncodedRows(*[None] * 3, np.ones((2, 1)), np.ones((2, 1)), None)
    with pytest.raises(DataError, match="Processes 0 and 1 have different rows"):
        rows.check_alike()


def test_a_lost_process_is_said_in_words(monkeypatch):
    monkeypatch.setattr(mesh, "count", lambda: 2)
    with (
        pytest.raises(ProcessError, match=r"lost another one after epoch 3 \(Connection closed"),
        mesh.together(lambda: "after epoch 3"),
    ):
        raise jax.errors.JaxRuntimeError("Connection closed by peer")


TRAIN = """
import sys, numpy as np, pandas as pd, behavior_learning as bl
from behavior_learning.mesh import index
heads = ("tanh", "softplus", "square")
reg = bl.BLRegressor(layers=(1,), heads=heads, n_restarts=2, max_epochs=6, random_state=0)
reg.fit(bl.Stream(sys.argv[1] + "/*.parquet", window=300, shards=2), target="y")
rows = pd.read_parquet(sys.argv[1] + "/0.parquet")
line = bl.BLRegressor(layers=(1,), heads=(None, None, "square"), n_restarts=1, max_epochs=5, random_state=0)
stream = bl.Stream(sys.argv[1] + "/*.parquet", features=["x"])
results = line.fit(rows[["x"]], rows["y"]).inference(stream, target="y", n_restarts=0)
drawn = line.inference(stream, target="y", n_restarts=0, cov_type="bootstrap", draws=20)
effects = line.effects(stream, target="y", inference=results)
tables = [table[["estimate", "std_error"]] for table in (effects.table(), effects.by("x"))]
sums = np.concatenate([results.params, results.bse, drawn.bse, *map(np.ravel, tables)])
line.predict_to(sys.argv[1] + "/*.parquet", f"{sys.argv[1]}/predicted.{sys.argv[2]}", keep=["level"])
numbers = np.concatenate([np.ravel(weight.raw) for weight in reg.network_.weights])
np.savez(f"{sys.argv[1]}/{sys.argv[2]}.{index()}.npz", numbers, sums)
"""
COMMAND = [sys.executable, "-W", "ignore", "-c"]


@pytest.mark.slow
def test_two_processes_train_the_network_of_one(tmp_path):
    for number, rows in enumerate((500, 200, 60)):
        x, noise = rng("two processes", number).normal(size=(2, rows))
        level = "rare" if number == 2 else "a"  # A level that one process alone sees.
        pd.DataFrame({"x": x, "y": x + noise, "level": level}).to_parquet(tmp_path / f"{number}.parquet")
    for count in ("1", "2"):
        launch = [*COMMAND, "from behavior_learning.cli import app; app()", "launch", "-n", count]
        subprocess.run([*launch, *COMMAND, TRAIN, str(tmp_path), count], check=True)
    alone, *both = ([*np.load(tmp_path / f"{name}.npz").values()] for name in ("1.0", "2.0", "2.1"))
    for own, tolerance, name in zip(range(2), (1e-5, 1e-8), ("parameters", "inference and effects"), strict=True):
        np.testing.assert_allclose(both[0][own], alone[own], rtol=tolerance, atol=tolerance, err_msg=name)
        np.testing.assert_array_equal(both[1][own], both[0][own])
    one, two = (pd.read_parquet(tmp_path / f"predicted.{count}") for count in "12")
    assert len(one) == 760
    pd.testing.assert_frame_equal(two, one, check_exact=False, rtol=1e-5, atol=1e-5)
