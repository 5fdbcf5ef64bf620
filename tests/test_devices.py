"""Where to compute."""

import subprocess
import sys
import threading
from functools import partial

import jax
import numpy as np
import pytest

import behavior_learning as bl
from behavior_learning import devices
from behavior_learning.core.arrays import to_device
from behavior_learning.errors import OptionError

TWO = """
import numpy as np
import behavior_learning as bl

X, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 2
make = lambda: bl.BLClassifier(layers=(1,), max_epochs=3, n_restarts=1, random_state=0)
with bl.on_device("cpu:1"):
    there = make().fit(X, y)
    of_there = there.predict_proba(X)
here = make().fit(X, y)
devices = [{str(device) for device in clf.network_.layers[0].weights[0].raw.devices()} for clf in (there, here)]
assert devices[0] != devices[1], devices
for other in (of_there, there.predict_proba(X)):
    np.testing.assert_allclose(other, here.predict_proba(X), rtol=1e-5)
"""


def test_arrays_are_where_they_are_asked_to_be():
    with bl.on_device("cpu:0") as device:
        assert to_device(np.ones(2)).devices() == {device}
    with bl.on_device(None) as device:
        assert device is None


@pytest.mark.parametrize("name", ["abacus", "cpu:99", "cpu:-1", "", "gpu:9", 3])
def test_devices_that_are_not_here_are_refused_with_those_that_are(name):
    with pytest.raises(OptionError, match=r"There is no device .*; here (is|are) .*cpu:0"), bl.on_device(name):
        pass


def test_only_where_much_is_to_be_computed_an_accelerator_does_it(monkeypatch):
    chosen = lambda: jax.config.jax_default_device  # pyright: ignore[reportAttributeAccessIssue]
    few, many = devices.PAYS - 1, devices.PAYS
    monkeypatch.setattr(devices, "_accelerator", lambda: None)
    with devices.suited(many):
        assert chosen() is None
    monkeypatch.setattr(devices, "_accelerator", lambda: "cpu")  # Its name, unlike the device itself.
    with devices.suited(few):
        assert chosen() == jax.devices("cpu")[0]
        with devices.suited(many):
            assert chosen() == "cpu"
            assert devices.platform() == "cpu"
        assert chosen() == jax.devices("cpu")[0]
    assert chosen() is None
    with bl.on_device("cpu:0") as asked, devices.suited(many):
        assert chosen() == asked
    X, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    monkeypatch.setattr(devices, "PAYS", 0)
    monkeypatch.setattr(devices, "_accelerator", lambda: jax.devices("cpu")[0])
    clf = bl.BLClassifier(layers=(1,), max_epochs=1, n_restarts=1, random_state=0).fit(X, y)
    assert np.isfinite(clf.predict_proba(X)).all()


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 2, 3])
def test_calls_are_answered_in_order_where_they_were_made_the_first_one_alone(monkeypatch, cores):
    monkeypatch.setattr(devices, "_cores", lambda: cores)
    made, together = [], threading.Barrier(min(cores, 2))

    def call(number):
        if 0 < number <= 2:
            together.wait(timeout=10)  # Broken where these two are not made at the same time.
        made.append(number)
        return number, to_device(np.ones(2)).devices(), to_device(np.ones(1) / 3).dtype

    with bl.on_device("cpu:0") as device, jax.enable_x64(True):
        answers = devices.in_threads((partial(call, number) for number in range(6)), 100)
        first = next(answers)
        assert made == [0]
        assert [first, *answers] == [(number, {device}, np.float64) for number in range(6)]


def test_a_call_that_fails_does_so_at_its_turn_and_none_is_begun_after_it(monkeypatch):
    monkeypatch.setattr(devices, "_cores", lambda: 2)
    made = []

    def call(number):
        made.append(number)
        return 1 / (number - 2)

    answers = devices.in_threads((partial(call, number) for number in range(9)), 100)
    assert [next(answers), next(answers)] == [-0.5, -1.0]
    with pytest.raises(ZeroDivisionError):
        next(answers)
    assert max(made) <= 4


def test_a_model_from_one_device_answers_on_another(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    subprocess.run([sys.executable, "-c", TWO], check=True)
