"""Where to compute."""

import subprocess
import sys

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
def test_a_model_from_one_device_answers_on_another(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    subprocess.run([sys.executable, "-c", TWO], check=True)
