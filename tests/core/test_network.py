"""Claims about BL(x, y): it is the paper's formula, and its layout saves work without changing a value."""

import itertools
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from behavior_learning.core import network as network_module
from behavior_learning.core import sums
from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import polynomial_basis
from behavior_learning.core.block import FREE, NONNEGATIVE, Rule, Weight
from behavior_learning.core.network import BehaviorNetwork, Thinned, with_head
from behavior_learning.core.sums import FIRST, LAST, for_each_row
from behavior_learning.errors import OptionError
from tests import oracle
from tests.conftest import SPELLED, random_network, randomize, rng

double = pytest.mark.usefixtures("float64")

N, D, M, K = 3, 2, 2, 4
CLASSES = 3

EVERY_HEADS = [heads for heads in itertools.product(*((None, *names) for names in SPELLED.values())) if any(heads)]
OUTPUTS = [
    ("scalar", "identity"),
    ("scalar", "nonnegative"),
    ("scalar", "free"),
    ("vector", "nonnegative"),
    ("vector", "free"),
]
STRUCTURES = [
    (layers, rows, output, readout)
    for layers, rows, (output, readout) in itertools.product([(1,), (3, 1), (2, 3, 2)], [(1, 1, 1), (2, 3, 1)], OUTPUTS)
    if readout != "identity" or layers[-1] == 1
]
CANDIDATES = ["one_hot", "one_hot_per_row", "continuous", "continuous_per_row"]


def label(value):
    return "-".join(str(part) for part in value) if isinstance(value, tuple) else None


def problem(candidates, generator):
    """Rows and candidates of each kind."""
    x = generator.normal(size=(N, D))
    one_hot, per_row = candidates.startswith("one_hot"), candidates.endswith("per_row")
    if one_hot:
        y = np.stack([np.eye(CLASSES)[generator.permutation(CLASSES)] for _ in range(N if per_row else 1)])
    else:
        y = generator.normal(size=(N if per_row else 1, K, M))
    return x, y


def build(architecture, *, degree=1, one_hot=False, features=D, response=None, generator):
    response = (CLASSES if one_hot else M) if response is None else response
    seen = 0 if architecture.output == "vector" else response
    basis = polynomial_basis(features, seen, degree=degree, one_hot=one_hot)
    return random_network(architecture, basis, response, generator)


def assert_equals_paper(network, x, y):
    value = network(jnp.asarray(x), jnp.asarray(y))
    assert value.shape == (len(x), y.shape[1])
    assert value.dtype == jnp.float64
    np.testing.assert_allclose(value, oracle.utility(network, x, y), rtol=1e-10, atol=1e-10)


@double
@pytest.mark.parametrize("layers", [(1,), (3, 2)], ids=label)
@pytest.mark.parametrize("heads", EVERY_HEADS, ids=label)
def test_utility_is_the_paper_formula_for_every_head(heads, layers):
    generator = rng(heads, layers)
    x, y = problem("continuous", generator)
    assert_equals_paper(build(Architecture(layers, (2, 1, 2), heads), degree=2, generator=generator), x, y)


@double
@pytest.mark.parametrize("skip", [None, "dense", "residual"])
@pytest.mark.parametrize("heads", EVERY_HEADS[:: len(EVERY_HEADS) // 12], ids=label)
def test_rows_of_m_may_lie_first_or_last(heads, skip, monkeypatch):
    """Narrow networks are evaluated rows first; the order of axes is that of the arrays, not of the formula."""
    generator = rng("axes", heads, skip)
    x, y = problem("continuous_per_row", generator)
    network = build(Architecture((3, 2), (2, 1, 2), heads, skip=skip), degree=2, generator=generator)
    monkeypatch.setattr(network_module, "NARROW", 0)
    assert_equals_paper(network, x, y)
    last = network(jnp.asarray(x), jnp.asarray(y))
    monkeypatch.setattr(network_module, "NARROW", 1_000)
    np.testing.assert_allclose(network(jnp.asarray(x), jnp.asarray(y)), last, rtol=1e-12)
    gradients = []
    for narrow in (0, 1_000):  # Rows last, a gradient is taken rows first.
        monkeypatch.setattr(network_module, "NARROW", narrow)
        loss = lambda network, y: jnp.sum(jnp.sin(network(jnp.asarray(x), y)))
        gradients.append(ravel_pytree(jax.grad(loss, argnums=(0, 1))(network, jnp.asarray(y)))[0])
    np.testing.assert_allclose(*gradients, rtol=1e-9, atol=1e-12)


@double
@pytest.mark.parametrize("candidates", [*CANDIDATES, "continuous_of_one", "continuous_per_row_of_one"])
@pytest.mark.parametrize("skip", [None, "dense", "residual"])
@pytest.mark.parametrize(
    ("layers", "output"), [((3,), "scalar"), ((3, 2), "scalar"), ((3,), "vector"), ((3, 2), "vector")]
)
def test_a_row_that_does_without_blocks_is_the_formula_without_them(layers, output, skip, candidates):
    """Multipliers of zero leave a block out, and others of λ/(1 − dropout) make up for it."""
    generator = rng("thinned", layers, output, skip, candidates)
    one_hot = output == "vector" or candidates.startswith("one_hot")
    kind = "one_hot" if output == "vector" else candidates.removesuffix("_of_one")
    x, y = problem(kind, generator)
    y = y[..., :1] if candidates.endswith("_of_one") and output == "scalar" else y  # Which lie otherwise.
    shape, response = Architecture(layers, (2, 1, 2), skip=skip, output=output), y.shape[-1]
    network = build(shape, one_hot=one_hot, response=response, generator=generator)
    seen = np.array([[True, False, True], [False, False, False], [True, True, True]])
    found = Thinned(network, jnp.asarray(seen), 0.25)(jnp.asarray(x), jnp.asarray(y))
    for row in range(N):
        alone = network
        for role, rows in network.layers[0].heads.items():
            louder = Weight(rows.multiplier.value * (seen[row] / 0.75)[:, None])
            alone = with_head(alone, 0, role, multiplier=louder)
        own = y[row : row + 1] if len(y) > 1 else y
        np.testing.assert_allclose(found[row], alone(x[row : row + 1], own)[0], rtol=1e-9, atol=1e-9)


@double
@pytest.mark.parametrize("narrow", [0, 1_000])
def test_several_devices_have_the_same_formula(narrow, monkeypatch):
    generator = rng("devices", narrow)
    x, y = problem("continuous_per_row", generator)
    network = build(Architecture((3, 2), (2, 1, 2)), degree=2, generator=generator)
    monkeypatch.setattr(network_module, "NARROW", narrow)
    monkeypatch.setattr(sums, "device_count", lambda: 2)
    assert_equals_paper(network, x, y)


@pytest.mark.parametrize("axis", [FIRST, LAST])
def test_few_rows_of_a_device_lose_no_digit_of_a_gradient(axis, monkeypatch):
    """Terms of a row cancel as those of a normaliser do: a single sum of all was off by 2e-7 and more."""
    monkeypatch.setattr(sums, "device_count", lambda: 2)
    generator, (n, k) = rng("digits"), (16, 64)
    loss = lambda number, own, share: jnp.sum(for_each_row(number, own, axis) * own * share)
    slope, gaps = jax.jit(jax.grad(loss)), []
    for _ in range(40):
        values = np.abs(generator.normal(size=(n, k + 1))).astype(np.float32)
        shares = np.concatenate([-generator.dirichlet(np.ones(k), size=n), np.ones((n, 1))], axis=1)
        shares = (shares / n).astype(np.float32)
        found = slope(jnp.ones(1), *(np.expand_dims(array, axis) for array in (values, shares)))
        gaps.append(float(found[0]) - (values.astype(float) * shares).sum())
    assert np.sqrt(np.mean(np.square(gaps))) < 5e-8


@double
@pytest.mark.parametrize("candidates", CANDIDATES)
@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize(("layers", "rows", "output", "readout"), STRUCTURES, ids=label)
def test_utility_is_the_paper_formula_for_every_structure(layers, rows, output, readout, degree, candidates):
    generator = rng(layers, rows, output, readout, degree, candidates)
    x, y = problem(candidates, generator)
    architecture = Architecture(layers, rows, ("tanh", "softplus(3)", "abs"), output=output, readout=readout)
    network = build(architecture, degree=degree, one_hot=candidates.startswith("one_hot"), generator=generator)
    assert_equals_paper(network, x, y)


@double
@pytest.mark.parametrize("output", ["scalar", "vector"])
def test_readout_bias_is_added_to_every_output(output):
    generator = rng("bias", output)
    x, y = problem("one_hot_per_row", generator)
    architecture = Architecture((3, 2), output=output, readout_bias=True)
    network = build(architecture, one_hot=True, generator=generator)
    assert jnp.all(network.readout.bias.raw != 0)
    assert_equals_paper(network, x, y)


@double
@pytest.mark.parametrize("features", [0, D])
def test_utility_without_features_depends_on_y_alone(features):
    generator = rng("unconditional", features)
    x, y = generator.normal(size=(N, features)), generator.normal(size=(1, K, M))
    network = build(Architecture((2, 1)), degree=2, features=features, generator=generator)
    assert_equals_paper(network, x, y)
    rows_agree = bool(jnp.all(jnp.ptp(network(jnp.asarray(x), jnp.asarray(y)), axis=0) < 1e-12))
    assert rows_agree == (features == 0)


@double
@pytest.mark.parametrize("output", ["scalar", "vector"])
def test_block_utilities_are_the_paper_formula_layer_by_layer(output):
    generator = rng("blocks", output)
    x, y = problem("one_hot_per_row", generator)
    network = build(Architecture((3, 1, 2), output=output), one_hot=True, generator=generator)
    layers, plain = network.block_utilities(jnp.asarray(x), jnp.asarray(y)), oracle.arrays(network)
    assert len(layers) == 3
    for i, c in itertools.product(range(N), range(CLASSES)):
        expected = oracle.block_values(plain, oracle.terms(plain, x[i], y[i, c]))
        for values, by_hand in zip(layers, expected, strict=True):
            np.testing.assert_allclose(
                np.broadcast_to(values, (N, CLASSES, values.shape[-1]))[i, c], by_hand, rtol=1e-10
            )


@double
@pytest.mark.parametrize("output", ["scalar", "vector"])
@pytest.mark.parametrize("layers", [(1,), (2, 2, 2), (3, 1, 2)], ids=label)
@pytest.mark.parametrize("skip", [None, "dense", "residual", "input"])
def test_skips_are_the_paper_formula(skip, layers, output):
    generator = rng(skip, layers, output)
    x, y = problem("one_hot_per_row", generator)
    network = build(Architecture(layers, (1, 2, 1), skip=skip, output=output), one_hot=True, generator=generator)
    assert_equals_paper(network, x, y)


@double
@pytest.mark.parametrize("skip", [None, "dense", "residual", "input"])
@pytest.mark.parametrize("intercepts", [True, False])
@pytest.mark.parametrize("multipliers", ["nonnegative", "free"])
def test_rules_of_weights_enter_the_formula(multipliers, intercepts, skip):
    """Rows of lower degree, no intercepts and free multipliers are the paper's formula with those numbers fixed."""
    generator = rng("rules", multipliers, intercepts, skip)
    x, y = problem("continuous", generator)
    architecture = Architecture(
        (2, 2),
        (1, 2, 2),
        degrees=((2,), (1, 2), (1, 1)),
        skip=skip,
        intercepts=intercepts,
        multipliers=multipliers,
    )
    network = build(architecture, degree=2, generator=generator)
    assert_equals_paper(network, x, y)
    signs = np.concatenate([np.ravel(rows.multiplier.value) for rows in network.layers[0].heads.values()]) > 0
    assert signs.all() == (multipliers == "nonnegative")


@double
def test_terms_above_the_degree_of_a_row_do_not_enter_it():
    generator = rng("degrees")
    x, y = (jnp.asarray(a) for a in problem("continuous", generator))
    network = build(Architecture((2,), (1, 2, 1), degrees=((2,), (1, 2), (1,))), degree=2, generator=generator)
    gradient = eqx.filter_jit(eqx.filter_grad(lambda net: jnp.sum(net(x, y))))(network)
    quadratic = np.array(network.basis.degrees) == 2
    inequality, equality = (
        gradient.layers[0].heads["inequality"].coef.raw,
        gradient.layers[0].heads["equality"].coef.raw,
    )
    assert jnp.all(inequality[:, 0, quadratic] == 0)
    assert jnp.all(equality[:, :, quadratic] == 0)
    assert jnp.all(gradient.layers[0].heads["utility"].coef.raw != 0)
    fixed = 2 * (2 if quadratic.sum() else 0) * quadratic.sum()
    assert network.n_parameters == sum(leaf.size for leaf in jax.tree.leaves(network)) - fixed


@double
@pytest.mark.parametrize("role", ["utility", "inequality", "equality"])
def test_no_rows_and_no_name_both_drop_a_head(role):
    position = ["utility", "inequality", "equality"].index(role)
    rows = tuple(0 if i == position else 1 for i in range(3))
    heads = tuple(None if i == position else name for i, name in enumerate(("tanh", "relu", "abs")))
    x, y = (jnp.asarray(a) for a in problem("continuous", rng(role)))
    values = [
        build(architecture, generator=rng("same"))(x, y)
        for architecture in (Architecture((2, 1), rows), Architecture((2, 1), rows, heads))
    ]
    np.testing.assert_array_equal(*values)


@double
def test_gradient_is_the_slope_of_the_paper_formula():
    generator = rng("gradient")
    x, y = problem("continuous_per_row", generator)
    network = build(Architecture((2, 1), (1, 2, 1), ("tanh", "softplus", "square")), degree=2, generator=generator)
    params, static = eqx.partition(network, eqx.is_inexact_array)
    direction = randomize(params, generator)
    weights = generator.normal(size=(N, K))
    total = lambda p: jnp.sum(weights * eqx.combine(p, static)(jnp.asarray(x), jnp.asarray(y)))
    _, slope = jax.jit(partial(jax.jvp, total))((params,), (direction,))
    step = 1e-5
    moved = [jax.tree.map(lambda p, v, s=s: p + s * step * v, params, direction) for s in (1, -1)]
    above, below = (np.sum(weights * oracle.utility(eqx.combine(p, static), x, y)) for p in moved)
    assert float(slope) == pytest.approx((above - below) / (2 * step), rel=1e-6)


@double
@pytest.mark.parametrize("output", ["scalar", "vector"])
def test_rows_and_candidates_do_not_see_each_other(output):
    generator = rng("looped", output)
    x, y = (jnp.asarray(a) for a in problem("one_hot_per_row", generator))
    network = build(Architecture((3, 2), output=output), degree=2, one_hot=True, generator=generator)
    together = network(x, y)
    for i, c in itertools.product(range(N), range(CLASSES)):
        alone = network(x[i : i + 1], y[i : i + 1, c : c + 1])
        np.testing.assert_allclose(alone[0, 0], together[i, c], rtol=1e-12)


@double
@pytest.mark.parametrize("output", ["scalar", "vector"])
def test_shared_candidates_equal_candidates_repeated_per_row(output):
    generator = rng("shared", output)
    x, y = (jnp.asarray(a) for a in problem("one_hot", generator))
    network = build(Architecture((3, 2), output=output), degree=2, one_hot=True, generator=generator)
    np.testing.assert_allclose(network(x, y), network(x, jnp.repeat(y, N, axis=0)), rtol=1e-12)


@double
def test_compiled_network_equals_eager_network():
    generator = rng("jit")
    x, y = (jnp.asarray(a) for a in problem("continuous", generator))
    network = build(Architecture((3, 2)), degree=2, generator=generator)
    np.testing.assert_allclose(eqx.filter_jit(network)(x, y), network(x, y), rtol=1e-12)


def test_single_precision_stays_single():
    x, y = (jnp.asarray(a) for a in problem("continuous", rng("float32")))
    network = build(Architecture((3, 2)), degree=2, generator=rng("float32"))
    assert network(x, y).dtype == jnp.float32
    np.testing.assert_allclose(
        network(x, y), oracle.utility(network, np.asarray(x), np.asarray(y)), rtol=1e-4, atol=1e-4
    )


def flops(function, *args):
    return jax.jit(function).lower(*args).compile().cost_analysis()["flops"]


@pytest.mark.parametrize(
    ("case", "differentiated"),
    [(case, False) for case in ("affine", "one_hot", "polynomial", "vector")]
    + [(case, True) for case in ("affine", "polynomial")],
    ids=lambda value: value if isinstance(value, str) else "gradient" if value else "value",
)
def test_work_on_x_is_not_repeated_per_candidate(case, differentiated):
    degree, d = (2, 24) if case == "polynomial" else (1, 400)
    architecture = Architecture((4, 2), output="vector" if case == "vector" else "scalar")

    def cost(k):
        one_hot = case in ("one_hot", "vector")
        network = build(
            architecture, degree=degree, one_hot=one_hot, features=d, response=k if one_hot else 1, generator=rng(case)
        )
        params, static = eqx.partition(network, eqx.is_inexact_array)
        total = lambda p, x, y: jnp.sum(jnp.square(eqx.combine(p, static)(x, y)))
        y = jnp.eye(k)[None] if one_hot else jnp.linspace(0, 1, k)[None, :, None]
        return flops(jax.grad(total) if differentiated else total, params, jnp.ones((32, d)), y)

    few, many = cost(2), cost(20)
    assert few > 2 * 32 * d * 12, "the count must contain the product of x with its coefficients"
    assert many < 2 * few, "10 times the candidates must cost far less than 10 times the work"


@double
@pytest.mark.parametrize("readout", ["nonnegative", "free"])
def test_multipliers_and_default_readout_are_never_negative(readout):
    network = build(Architecture((3, 2), readout=readout), generator=rng("signs", readout))
    for layer in network.layers:
        for rows in layer.heads.values():
            assert jnp.all(rows.multiplier.value > 0)
    assert bool(jnp.all(network.readout.weight.value > 0)) == (readout == "nonnegative")


@pytest.mark.parametrize("rule", [FREE, NONNEGATIVE, Rule(sign=-1)], ids=["free", "nonnegative", "nonpositive"])
@given(size=st.floats(min_value=1e-5, max_value=1e4))
def test_weight_holds_the_value_it_is_given(size, rule):
    given_value = -size if rule.signs == -1 else size
    assert float(Weight.from_value(np.array(given_value), rule).value) == pytest.approx(given_value, rel=1e-5)


def test_weight_mixes_learned_signed_and_fixed_entries():
    rule = Rule(sign=(1, -1, 0, 0), fixed=(None, None, None, 7.0))
    weight = randomize(Weight.from_value(np.ones((3, 4)), rule), rng("mixed"))
    assert bool(jnp.all(weight.value[:, 0] > 0))
    assert bool(jnp.all(weight.value[:, 1] < 0))
    np.testing.assert_array_equal(weight.value[:, 2], weight.raw[:, 2])
    np.testing.assert_array_equal(weight.value[:, 3], 7.0)
    assert weight.n_learned == 9


@pytest.mark.parametrize("readout", ["identity", "nonnegative", "free"])
def test_random_network_follows_its_generator(readout):
    draw = lambda seed: BehaviorNetwork.random(
        np.random.default_rng(seed), Architecture((2, 1), readout=readout), features=D, response=1
    )
    assert eqx.tree_equal(draw(1), draw(1))
    pairs = zip(jax.tree.leaves(draw(1)), jax.tree.leaves(draw(2)), strict=True)
    assert all(bool(jnp.all(a != b)) for a, b in pairs)


def assert_fills(values, lower, upper):
    """Values lie in an interval and come near both of its ends."""
    ends = [float(jnp.min(values)), float(jnp.max(values))]
    np.testing.assert_allclose(ends, [lower, upper], atol=0.05)
    assert lower - 1e-3 < ends[0] < ends[1] < upper + 1e-3


def test_random_rows_start_with_unit_variance_and_positive_weights():
    """Coefficients and intercept have standard deviation 1/√inputs; multipliers and readout lie in [1/2, 3/2]."""
    network = BehaviorNetwork.random(rng("start"), Architecture((300, 200)), features=24, response=1)
    for layer, inputs in zip(network.layers, (25, 300), strict=True):
        for rows in layer.heads.values():
            deviation, standard_error = 1 / inputs**0.5, 1 / (2 * rows.coef.raw.size * inputs) ** 0.5
            assert abs(float(jnp.std(rows.coef.raw)) - deviation) < 4 * standard_error
            assert_fills(rows.multiplier.value, 0.5, 1.5)
    assert_fills(network.readout.weight.value, 0.5, 1.5)


@pytest.mark.parametrize(
    ("features", "classes", "layers", "parameters"),
    [
        (784, 10, (88,), 208_384),
        (784, 10, (88, 42), 219_264),
        (784, 10, (88, 42, 20), 221_684),
        (128, 4, (380,), 149_720),
        (128, 4, (512, 128), 397_568),
        (128, 4, (256, 128, 64), 224_128),
        (128, 2, (380,), 148_960),
        (128, 2, (512, 128), 397_312),
        (128, 2, (256, 128, 64), 224_000),
    ],
)
def test_parameters_number_as_in_table_13(features, classes, layers, parameters):
    network = BehaviorNetwork.random(
        rng("table 13"), Architecture(layers, output="vector"), features=features, response=classes
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))) == parameters
    assert network.n_parameters == parameters


@pytest.mark.parametrize("heads", EVERY_HEADS, ids=label)
def test_smooth_architecture_has_no_kinked_head(heads):
    assert Architecture(heads=heads).smooth == (not {"relu", "abs"} & set(heads))


def test_head_without_rows_does_not_count_as_kinked():
    assert Architecture(rows=(1, 0, 0)).smooth
    assert Architecture(rows=(1, 0, 0)).head_rows == {"utility": 1, "inequality": 0, "equality": 0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": ()}, r"layers needs one positive integer per layer.*got \(\)"),
        ({"layers": (2, 0)}, r"layers needs.*got \(2, 0\)"),
        ({"layers": (2.0,)}, r"layers needs.*got \(2\.0,\)"),
        ({"layers": (True,)}, r"layers needs"),
        ({"rows": (1, 1)}, r"rows needs three counts.*got \(1, 1\)"),
        ({"rows": (1, -1, 1)}, r"rows needs three counts"),
        ({"rows": (0, 0, 0)}, "Every head is dropped"),
        ({"heads": (None, None, None)}, "Every head is dropped"),
        ({"heads": ("tanh", "relu")}, "heads needs three names"),
        ({"heads": ("tanh", "abs", "abs")}, "inequality head must be one of.*got 'abs'"),
        ({"readout": "identity", "layers": (2,)}, "readout='identity' needs.*Use 'nonnegative' or 'free'"),
        ({"readout": "identity", "output": "vector"}, "readout='identity' needs output='scalar'"),
        ({"degrees": ((2,), (1, 2), (1,))}, "degrees needs one degree per row"),
        ({"degrees": ((0,), (1,), (1,))}, "A degree must be a whole number of at least 1"),
        ({"readout": "positive"}, "readout"),
        ({"output": "matrix"}, "output"),
        ({"skip": "highway"}, "skip"),
        ({"multipliers": "positive"}, "multipliers"),
    ],
)
def test_architecture_refuses_what_it_cannot_build(options, message):
    with pytest.raises(OptionError, match=message):
        Architecture(**options)
