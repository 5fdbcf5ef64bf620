"""Where to compute."""

import subprocess
import sys

import numpy as np
import pytest

import behavior_learning as bl
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


@pytest.mark.slow
def test_a_model_from_one_device_answers_on_another(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=2")
    subprocess.run([sys.executable, "-c", TWO], check=True)
