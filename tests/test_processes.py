"""Claims about processes: a forked copy of one that computed says so at once instead of waiting for ever."""

import os
import subprocess
import sys

import numpy as np
import pytest

from behavior_learning.errors import ProcessError
from behavior_learning.options import as_seed

CHILD = """
import os, warnings
warnings.simplefilter("ignore")
from behavior_learning.core.arrays import to_device
from behavior_learning.errors import ProcessError
if {computed}:
    to_device(1.0)
child = os.fork()
if child == 0:
    try:
        to_device(1.0)
    except ProcessError:
        os._exit(3)
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.parametrize(("computed", "code"), [(True, "3"), (False, "0")])
def test_forked_child_computes_only_if_its_parent_had_not(computed, code):
    ran = subprocess.run(
        [sys.executable, "-c", CHILD.format(computed=computed)], capture_output=True, text=True, timeout=120, check=True
    )
    assert ran.stdout.split() == [code]
    assert issubclass(ProcessError, RuntimeError)


@pytest.mark.parametrize("seed", [np.random.default_rng, lambda value: 2**40 + value, lambda value: -5 - value])
def test_generators_and_whole_numbers_of_any_size_are_seeds(seed):
    one, same, other = (as_seed(seed(value)).uniform(size=3) for value in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
