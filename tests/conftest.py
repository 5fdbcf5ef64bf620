"""What every test shares: random parameters, double precision, and spelled heads."""

import gc
import os
from dataclasses import MISSING, fields
from pathlib import Path
from zlib import crc32

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import settings

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import Basis
from behavior_learning.core.heads import ROLES, Head, registered_heads
from behavior_learning.core.network import BehaviorNetwork

os.environ.setdefault("BEHAVIOR_LEARNING_CACHE", "off")  # Tests leave the user's folders alone.

settings.register_profile("suite", deadline=None, derandomize=True, max_examples=30)
settings.load_profile("suite")

PARAMETERS = {"softplus": (3,), "smooth_abs": (0.2,)}


def spellings(head: type[Head]) -> list[str]:
    """A registered head with its defaults, where it has them, and with other parameters."""
    names = [field.default for field in fields(head)]
    parameters = PARAMETERS.get(head.family, (0.7,) * len(names))
    return [head(*given).name for given in dict.fromkeys([(), parameters]) if len(given) >= names.count(MISSING)]


SPELLED = {role: tuple(name for head in registered_heads(role) for name in spellings(head)) for role in ROLES}
"""Every registered head by role."""


COSTLY = frozenset((Path(__file__).parent / "costly.txt").read_text(encoding="utf-8").splitlines())
"""What only `make test-all` runs: with nothing compiled before, of several cases of a claim all but the cheapest above
0.6 CPU seconds and all but the two cheapest above 0.25, and claims that cost most."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Of a product of parametrisations the quick suite runs a cover, which has every value of every parameter.

    Cases are taken in an order of their own, so that a new test does not change which cases of other claims run.
    """
    seen: set[tuple[str, str, int]] = set()
    for item in sorted(items, key=lambda item: (item.nodeid in COSTLY, crc32(item.nodeid.encode()))):
        claim, given = item.nodeid.partition("[")[0], getattr(item, "callspec", None)
        values = {(claim, name, id(value)) for name, value in given.params.items()} if given else {(claim, "", 0)}
        if values <= seen or item.nodeid in COSTLY:
            item.add_marker(pytest.mark.slow)
        seen |= values


MAPS = Path("/proc/self/maps")
MOST_MAPS = 25_000
"""Memory maps above which compiled programs are let go: each holds several, and Linux ends a process at 65,530."""


@pytest.fixture(autouse=True, scope="module")
def few_programs():
    """Let go of compiled programs after a module that leaves too many."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


@pytest.fixture
def float64():
    """Double precision for the duration of a test."""
    with jax.enable_x64(True):
        yield


def rng(*seed: object) -> np.random.Generator:
    """A NumPy generator seeded by the spelling of what is tested, so that each case has its own numbers."""
    return np.random.default_rng(list(repr(seed).encode()))


def randomize(network, generator: np.random.Generator, scale: float = 0.8):
    """`network` with every inexact leaf (coefficients, intercepts, multipliers, readout) drawn anew."""
    draw = lambda leaf: jnp.asarray(scale * generator.normal(size=leaf.shape))
    return jax.tree.map(lambda leaf: draw(leaf) if eqx.is_inexact_array(leaf) else leaf, network)


def random_network(architecture: Architecture, basis: Basis, response: int, generator: np.random.Generator):
    """A network of which only the shapes come from the library: every number is random, in the precision in force."""
    network = BehaviorNetwork.random(generator, architecture, features=0, response=response, basis=basis)
    return randomize(network, generator)
