"""One representative per class of equal distributions: unchanged p(y|x), idempotence, and independence of the copy."""

from functools import cache, partial
from itertools import accumulate
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import affine_basis, polynomial_basis, with_terms, without_pure_x
from behavior_learning.core.block import Rule, Weight
from behavior_learning.core.features import Product
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_head, with_weights
from behavior_learning.core.spaces import Categories
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.identification.canonical_form import Change, canonicalize, distance
from behavior_learning.identification.parameters import LocalParameters, parameter_labels
from behavior_learning.identification.symmetries import EQUIVALENCES, _repeats, order_blocks
from tests import oracle
from tests.conftest import random_network, rng

pytestmark = pytest.mark.usefixtures("float64")

IBL = ("tanh", "softplus", "square")
BL = ("tanh", "relu", "abs")

SHAPES = {
    "single": Architecture((1,), (1, 1, 1), IBL, readout="identity"),
    "rows": Architecture((1,), (2, 2, 3), IBL, readout="identity"),
    "kinked": Architecture((1,), (2, 2, 2), BL, readout="identity"),
    "parallel": Architecture((3,), (1, 2, 2), IBL),
    "identity": Architecture((2,), (2, 2, 1), ("identity", "softplus", "square")),
    "identity-relu": Architecture((1,), (1, 2, 1), ("identity", "relu", "huber(0.7)"), readout="identity"),
    "deep": Architecture((3, 2, 1), (1, 1, 2), IBL),
    "dense": Architecture((2, 2, 2), (1, 1, 2), IBL, skip="dense"),
    "input": Architecture((2, 2), (1, 1, 1), BL, skip="input"),
    "residual": Architecture((3, 2), (1, 1, 1), IBL, skip="residual"),
    "chain": Architecture((2, 2, 2), (1, 1, 2), IBL, skip="residual"),
    "homogeneous": Architecture((2, 2), (0, 1, 2), (None, "relu", "square")),
    "free readout": Architecture((2,), (1, 1, 1), IBL, readout="free"),
    "free": Architecture((2,), (2, 1, 1), IBL, multipliers="free", readout="free"),
    "vector": Architecture((3,), (1, 1, 2), IBL, output="vector", readout="free", readout_bias=True),
    "vector-deep": Architecture((3, 2), (1, 1, 1), BL, output="vector", readout="nonnegative"),
}
"""Every kind of move applies to at least one of them."""

RESPONSE = 3


def drawn(name: str, seed: object = 0) -> BehaviorNetwork:
    architecture = SHAPES[name]
    basis = affine_basis(2, 0 if architecture.output == "vector" else RESPONSE)
    return random_network(architecture, basis, RESPONSE, rng(name, seed))


def candidates(name: str, generator: np.random.Generator):
    x = generator.normal(size=(7, 2))
    vector = SHAPES[name].output == "vector"
    return x, np.eye(RESPONSE)[None] if vector else generator.normal(size=(7, 9, RESPONSE))


def relative_utility(network, x, y):
    """BL(x, y) up to a function of x, by loops that compile nothing."""
    utility = oracle.utility(network, x, y)
    return utility - utility.mean(axis=1, keepdims=True)


def numbers(network) -> np.ndarray:
    return np.concatenate([weight_value(weight).ravel() for weight in network.weights])


@pytest.mark.parametrize("name", SHAPES)
def test_utility_is_unchanged_up_to_functions_of_x(name):
    network, (x, y) = drawn(name), candidates(name, rng("z", name))
    canonical = canonicalize(network).network
    np.testing.assert_allclose(relative_utility(canonical, x, y), relative_utility(network, x, y), atol=1e-10)


def with_raw(network: BehaviorNetwork, role: str, **change) -> BehaviorNetwork:
    """The network with the raw numbers of one head of the first layer changed in place."""
    rows, weights = network.layers[0].heads[role], {}
    for name, alter in change.items():
        weight = getattr(rows, name)
        raw = np.array(weight.raw)
        alter(raw)
        weights[name] = Weight(raw, weight.rule)
    return with_head(network, 0, role, **weights)


def with_an_inactive_row() -> BehaviorNetwork:
    def silence(raw):
        raw[0, 1] = -60.0

    return with_raw(drawn("rows"), "utility", multiplier=silence)


def with_a_duplicate(role: str) -> BehaviorNetwork:
    def repeat(raw):
        raw[:, 1] = raw[:, 0]

    return with_raw(drawn("rows"), role, coef=repeat, intercept=repeat)


def with_parallel_kinks() -> BehaviorNetwork:
    def double(raw):
        raw[:, 1] = 2 * raw[:, 0]

    return with_raw(drawn("kinked"), "inequality", coef=double, intercept=double)


def with_a_row_of_x_alone() -> BehaviorNetwork:
    def hide_the_response(raw):
        raw[..., 2:] = 0.0

    return with_raw(drawn("single"), "utility", coef=hide_the_response)


def one_hot_network(seed: object, heads=IBL, rows=(1, 1, 2), classes: int = 3):
    basis = without_pure_x(polynomial_basis(2, classes, degree=2, one_hot=True))
    single = Architecture((1,), rows, heads, intercepts=False, readout="identity")
    return random_network(single, basis, classes, rng("k", seed))


def a_term_of_one_class_alone():
    basis = with_terms(without_pure_x(polynomial_basis(2, 2, degree=1, one_hot=True)), [(Product((0,)), Product((0,)))])
    single = Architecture((1,), (1, 1, 2), IBL, intercepts=False, readout="identity")
    return random_network(single, basis, 2, rng("one class alone"))


def one_hot_with_intercepts():
    """Terms of x alone are shared by the classes, which then have no signs of their own."""
    basis = polynomial_basis(2, 3, degree=2, one_hot=True)
    return random_network(Architecture((1,), (1, 1, 2), IBL, readout="identity"), basis, 3, rng("shared"))


def odd_blocks():
    architecture = Architecture((3,), (2, 0, 0), ("tanh", None, None), output="vector", readout="free")
    return random_network(architecture, affine_basis(2, 0), 3, rng("odd"))


NETWORKS = {
    **{name: partial(drawn, name) for name in SHAPES},
    "inactive row": with_an_inactive_row,
    "duplicate": partial(with_a_duplicate, "inequality"),
    "parallel kinks": with_parallel_kinks,
    "row of x alone": with_a_row_of_x_alone,
    "odd blocks": odd_blocks,
    "classes": partial(one_hot_network, "classes"),
    "classes with intercepts": one_hot_with_intercepts,
    "classes, two": partial(one_hot_network, "classes", ("tanh", "softplus", "abs"), classes=2),
    "classes, two with squares": partial(one_hot_network, "squares", rows=(1, 1, 4), classes=2),
    "classes, two, a term of one": a_term_of_one_class_alone,
    "classes, identity": partial(one_hot_network, "classes", ("identity", "softplus", "abs")),
}
"""Every equivalence changes at least one of them."""


@cache
def in_turn(name: str) -> list[BehaviorNetwork]:
    """A random network, and what each equivalence makes of what those before it made."""
    one_hot = name.startswith("classes")
    return list(accumulate(EQUIVALENCES, lambda before, move: move(before, one_hot=one_hot), initial=NETWORKS[name]()))


def points(name: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = candidates(name if name in SHAPES else "single", rng("z", name))
    classes = name.startswith("classes") or name == "odd blocks"
    return x, np.eye(2 if "two" in name else RESPONSE)[None] if classes else y


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("equivalence", EQUIVALENCES, ids=lambda equivalence: equivalence.__name__)
def test_distribution_is_unchanged_and_applying_it_twice_changes_nothing(equivalence, name):
    """Both of a random network and of what the equivalences before it make of it."""
    one_hot, (x, y) = name.startswith("classes"), points(name)
    for before in (in_turn(name)[0], in_turn(name)[EQUIVALENCES.index(equivalence)]):
        once = equivalence(before, one_hot=one_hot)
        twice = equivalence(once, one_hot=one_hot)
        np.testing.assert_allclose(numbers(twice), numbers(once), atol=1e-12)
        assert [weight.rule for weight in twice.weights] == [weight.rule for weight in once.weights]
        np.testing.assert_allclose(relative_utility(once, x, y), relative_utility(before, x, y), atol=1e-10)


@pytest.mark.parametrize("equivalence", EQUIVALENCES, ids=lambda equivalence: equivalence.__name__)
def test_equivalence_changes_a_network(equivalence):
    number = EQUIVALENCES.index(equivalence)
    pairs = [in_turn(name)[number : number + 2] for name in NETWORKS]
    assert any(not np.array_equal(numbers(before), numbers(after)) for before, after in pairs)


def test_classes_with_shared_terms_keep_their_distribution():
    network, x = one_hot_with_intercepts(), rng("x").normal(size=(6, 2))
    canonical = canonicalize(network, one_hot=True).network
    np.testing.assert_allclose(probabilities(canonical, x), probabilities(network, x), atol=1e-10)


@pytest.mark.parametrize("name", [n for n in NETWORKS if n not in SHAPES or len(SHAPES[n].layers) == 1])
def test_canonical_form_of_one_layer_is_all_equivalences_in_turn_and_keeps_the_distribution(name):
    canonical = canonicalize(in_turn(name)[0], one_hot=name.startswith("classes")).network
    np.testing.assert_allclose(numbers(in_turn(name)[-1]), numbers(canonical), atol=1e-12)
    before, after = (relative_utility(network, *points(name)) for network in (in_turn(name)[0], canonical))
    np.testing.assert_allclose(after, before, atol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_blocks_come_in_the_order_of_their_lengths(seed):
    network = order_blocks(drawn("deep", seed))
    weights = [weight_value(weight) for rows in network.layers[0].heads.values() for weight in rows.weights]
    assert (np.diff(sum((own**2).reshape(3, -1).sum(axis=1) for own in weights)) <= 0).all()


@pytest.mark.parametrize("name", SHAPES)
def test_form_is_idempotent(name):
    once = canonicalize(drawn(name)).network
    twice = canonicalize(once).network
    np.testing.assert_allclose(numbers(twice), numbers(once), atol=1e-10)
    assert [w.rule for w in twice.weights] == [w.rule for w in once.weights] or name == "free"


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_copies_have_one_form(name, seed):
    network = drawn(name, seed)
    copy, (x, y) = disguised(network, rng("gauge", name, seed)), candidates(name, rng("z", name, seed))
    np.testing.assert_allclose(relative_utility(copy, x, y), relative_utility(network, x, y), atol=1e-9)
    assert not np.allclose(numbers(copy), numbers(network))
    np.testing.assert_allclose(numbers(canonicalize(copy).network), numbers(canonicalize(network).network), atol=1e-8)
    assert distance(copy, network) < 1e-7


@pytest.mark.parametrize("name", SHAPES)
def test_distance_sees_every_change_of_the_distribution(name):
    network, (x, y) = drawn(name), candidates(name, rng("z", name))
    params, static = eqx.partition(network, eqx.is_inexact_array)
    leaves, tree = jax.tree.flatten(params)
    for place, leaf in enumerate(leaves):
        if leaf.size:
            moved = eqx.combine(jax.tree.unflatten(tree, [*leaves[:place], leaf + 0.1, *leaves[place + 1 :]]), static)
            changes = np.abs(relative_utility(moved, x, y) - relative_utility(network, x, y)).max() > 1e-8
            assert not changes or distance(moved, network) > 1e-6
            assert changes or not network.architecture.smooth or distance(moved, network) < 1e-6


@pytest.mark.parametrize("name", SHAPES)
def test_tangent_directions_keep_the_form(name):
    """Moving within the tangent space moves the canonical form by the same amount, to first order."""
    network = drawn(name)
    canonical = canonicalize(network)
    local = LocalParameters.of(canonical, labels(network))
    theta, step = (
        local.theta,
        1e-5 * local.tangent_space @ rng("t", name).normal(size=local.tangent_space.shape[1]),
    )
    moved = local.parametrization.network(jnp.asarray(theta + step))
    again = LocalParameters.of(canonicalize(moved), labels(network)).theta
    np.testing.assert_allclose(again, theta + step, atol=2e-8)


@pytest.mark.parametrize("name", SHAPES)
def test_labels_name_every_number_once(name):
    network = drawn(name)
    named = labels(network)
    assert len(named) == len(set(named)) == len(numbers(network))


def labels(network):
    return parameter_labels(network, ["a", "b"], [f"y{k}" for k in range(RESPONSE)], ["p", "q", "r"])


def test_label_is_the_pinned_one():
    basis = with_terms(affine_basis(2, 1), [(Product((0,)), Product((0,)))])
    network = random_network(Architecture((1, 2), (1, 1, 1), BL), basis, 1, rng("label"))
    named = parameter_labels(network, ["RM", "LSTAT"], ["MEDV"])
    assert "block1.1.inequality[RM*MEDV]" in named
    assert "block2.2.equality.multiplier" in named
    assert "block2.2.utility[block1.1]" in named
    assert "readout[block2.1]" in named


def test_a_row_alone_in_a_named_block_is_called_like_the_block():
    budget = Architecture((1,), (0, 1, 0), (None, "relu", None), readout="identity")
    network = random_network(budget, affine_basis(1, 1), 1, rng("budget"))
    named = parameter_labels(network, ["LSTAT"], ["MEDV"], blocks={"block1.1": "budget"})
    assert named == ["budget[LSTAT]", "budget[MEDV]", "budget.intercept", "budget.multiplier"]


def test_chart_returns_the_canonical_network():
    network = drawn("deep")
    canonical = canonicalize(network).network
    local = LocalParameters.of(canonicalize(network), labels(network))
    again = local.parametrization.network(jnp.asarray(local.theta))
    np.testing.assert_allclose(numbers(again), numbers(canonical))


# Classes.


def probabilities(network, x):
    return np.asarray(Gibbs(network, Categories(3)).mean(jnp.asarray(x)))


@pytest.mark.parametrize("heads", [IBL, ("identity", "relu", "abs"), ("identity", "softplus", "huber(0.5)")])
def test_each_class_has_its_own_signs_and_rotations(heads):
    network, x = one_hot_network(heads, heads), rng("x").normal(size=(6, 2))
    canonical = canonicalize(network, one_hot=True).network
    np.testing.assert_allclose(probabilities(canonical, x), probabilities(network, x), atol=1e-10)
    columns = np.array([t for t, (_, y) in enumerate(network.basis.terms) if y.columns == (1,)])
    equality = weight_value(network.layers[0].heads["equality"].coef).copy()
    equality[..., columns] *= -1
    copy = with_head(network, 0, "equality", coef=Weight(equality))
    np.testing.assert_allclose(probabilities(copy, x), probabilities(network, x), atol=1e-12)
    assert distance(copy, network, one_hot=True) < 1e-9
    assert distance(copy, network, one_hot=False) > 1e-3
    np.testing.assert_allclose(numbers(canonicalize(copy, one_hot=True).network), numbers(canonical), atol=1e-9)


def test_linear_choice_has_a_reference_class():
    network = one_hot_network("linear", ("identity", None, None))
    canonical = canonicalize(network, one_hot=True)
    named = LocalParameters.of(canonical, parameter_labels(network, ["a", "b"], ["y0", "y1", "y2"])).labels
    assert [name for name in named if "y0" in name] == []
    assert len(named) == 6


# Atoms.


def test_inactive_row_is_omitted_with_a_note():
    canonical = canonicalize(with_an_inactive_row())
    assert [note.place for note in canonical.notes if note.change == Change.VANISHED] == [(0, 0, "utility", 1)]


@pytest.mark.parametrize("role", ["utility", "inequality"])
def test_duplicate_rows_are_added_up(role):
    same = with_a_duplicate(role)
    canonical, (x, y) = canonicalize(same), candidates("rows", rng("d"))
    np.testing.assert_allclose(relative_utility(canonical.network, x, y), relative_utility(same, x, y), atol=1e-12)
    assert Change.DUPLICATE in [note.change for note in canonical.notes]


@pytest.mark.parametrize(
    ("given", "strengths", "degree", "factor", "one"),
    [
        (True, (2.0, 2.0), 1, 3.0, True),
        (True, (2.0, 2.0), 1, -3.0, False),
        (True, (2.0, 1.0), 1, 3.0, False),
        (True, (2.0, 2.0), 2, 3.0, False),
        (True, (2.0, 2.0), 2, 1.0, False),
        (False, (2.0, 1.0), 2, 1.0, True),
        (False, (2.0, 2.0), 1, 3.0, False),
    ],
)
def test_rows_are_one_where_equal_under_learned_multipliers_or_parallel_under_one_that_is_given(
    given, strengths, degree, factor, one
):
    row = np.array([1.0, -2.0, 0.5])
    multiplier = SimpleNamespace(learned=np.array([not given] * 2), value=np.array(strengths))
    rows = SimpleNamespace(value=np.array([row, factor * row]), learned=np.ones((2, 3), bool))
    assert _repeats(SimpleNamespace(multiplier=multiplier, rows=rows, degree=degree), 0, 1) == one


def test_parallel_kinks_are_one_row():
    along = with_parallel_kinks()
    canonical, (x, y) = canonicalize(along), candidates("kinked", rng("d"))
    np.testing.assert_allclose(relative_utility(canonical.network, x, y), relative_utility(along, x, y), atol=1e-12)
    assert [note.change for note in canonical.notes] == [Change.DUPLICATE]


def test_rows_of_x_alone_cancel():
    mute = with_a_row_of_x_alone()
    canonical, (x, y) = canonicalize(mute), candidates("single", rng("m"))
    assert [note.change for note in canonical.notes] == [Change.VANISHED]
    np.testing.assert_allclose(relative_utility(canonical.network, x, y), relative_utility(mute, x, y), atol=1e-12)


def test_squares_of_equal_length_are_near_after_a_small_change():
    """Eigenvectors of a double eigenvalue turn freely; the distance is that of the closest rotation."""
    network = drawn("rows")
    rows = network.layers[0].heads["equality"]
    ones = Weight(np.ones(rows.multiplier.raw.shape), rows.multiplier.rule)
    directions = np.eye(3, 5, k=2)[None]
    at = lambda coef: with_head(
        network, 0, "equality", coef=Weight(coef), intercept=Weight(np.zeros((1, 3))), multiplier=ones
    )
    network, moved = at(directions), at(directions + 1e-6 * rng("m").normal(size=(1, 3, 5)))
    assert 0 < distance(network, moved) < 1e-5


def test_sign_of_a_free_readout_goes_to_the_multipliers():
    canonical = canonicalize(drawn("free readout"))
    multipliers = canonical.network.layers[0].heads["inequality"].multiplier.raw.ravel()
    assert (multipliers < 0).any()
    values, signs = numbers(canonical.network), canonical.signs
    assert (signs * values >= 0).all()


def test_direction_beside_an_identity_utility_is_noted():
    changes = [note.change for note in canonicalize(drawn("identity")).notes]
    assert Change.DIRECTION in changes
    assert Change.CANCELS in changes
    assert Change.DIRECTION not in [note.change for note in canonicalize(drawn("kinked")).notes]


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_stated_inequality_keeps_its_direction_in_every_class(scale):
    """A number stated for one class says which way the whole row points."""
    network = one_hot_network("budget", ("identity", "softplus", None))
    coef = network.layers[0].heads["inequality"].coef
    values = -scale * np.abs(np.asarray(coef.value))
    fixed = np.where(np.arange(values.size).reshape(values.shape) == 0, -1.0, np.nan)
    stated = with_head(network, 0, "inequality", coef=Weight(values, Rule(fixed=fixed)))
    kept = canonicalize(stated, one_hot=True)
    assert Change.DIRECTION not in [note.change for note in kept.notes]
    assert (weight_value(kept.network.layers[0].heads["inequality"].coef) < 0).all()


def test_given_coefficients_keep_their_multiplier():
    """A row with a stated number has a known scale, so λ is learned."""
    network = drawn("single")
    rows = network.layers[0].heads["equality"]
    stated = Weight(rows.coef.raw, Rule(fixed=(None, None, 1.0, None, None)))
    network = with_head(network, 0, "equality", coef=stated)
    canonical, (x, y) = canonicalize(network), candidates("single", rng("g"))
    np.testing.assert_allclose(relative_utility(canonical.network, x, y), relative_utility(network, x, y), atol=1e-12)
    assert np.isnan(canonical.network.layers[0].heads["equality"].multiplier.rule.numbers).all()


# A copy with the same utility, written without the library's moves.


def disguised(network: BehaviorNetwork, generator: np.random.Generator) -> BehaviorNetwork:
    """Rows flipped, scaled, rotated and shuffled, blocks scaled and shuffled."""
    architecture, dense = network.architecture, network.architecture.skip == "dense"
    layers = [
        {role: [weight_value(w).copy() for w in rows.weights] for role, rows in layer.heads.items()}
        for layer in network.layers
    ]
    projections = [None if p is None else weight_value(p).copy() for p in network.projections]
    readout = None if network.readout.weight is None else weight_value(network.readout.weight).copy()
    bias = None if network.readout.bias is None else weight_value(network.readout.bias).copy()
    names = dict(zip(("utility", "inequality", "equality"), architecture.heads, strict=True))
    for layer in layers:
        for role, table in layer.items():
            if names[role] is not None:
                for block in range(len(table[0])):
                    disguise_rows(names[role], [part[block] for part in table], generator, architecture.multipliers)
    chained = architecture.skip == "residual" and len(set(architecture.layers)) == 1
    for number in [0] if chained else range(len(layers)):
        width = architecture.layers[number]
        order, factor = generator.permutation(width), np.exp(generator.normal(size=width))
        if readout is None and number == len(layers) - 1:
            continue
        for member in range(len(layers)) if chained else [number]:
            for role, table in layers[member].items():
                power = {"square": 0.5}.get(names[role], 1.0)
                if names[role] in ("square", "relu", "abs", "identity"):
                    table[0] *= factor[:, None, None] ** power
                    table[1] *= factor[:, None] ** power
                else:
                    table[2] *= factor[:, None]
                table[:] = [part[order] for part in table]
            later = range(member + 1, len(layers)) if dense else range(member + 1, min(member + 2, len(layers)))
            for reader in later:
                start = network.basis.size if architecture.skip in ("dense", "input") else 0
                start += sum(architecture.layers[:member]) if dense else 0
                columns = slice(start, start + width)
                for table in layers[reader].values():
                    table[0][..., columns] = (table[0][..., columns] / factor)[..., order]
        if not chained:
            if number and projections[number - 1] is not None:
                projections[number - 1] = (projections[number - 1] * factor[:, None])[order]
            if number < len(layers) - 1 and projections[number] is not None:
                projections[number] = (projections[number] / factor)[:, order]
        if chained or number == len(layers) - 1:
            readout = (readout / factor)[:, order]
    if architecture.output == "vector":
        shift = generator.uniform(0, 1, size=readout.shape[1])
        readout = readout + shift
        bias = None if bias is None else bias + 0.3
    return rebuilt(network, layers, projections, readout, bias)


def disguise_rows(name, table, generator, multipliers):
    """Change the rows of one head of one block in place."""
    coef, intercept, multiplier = table
    lines = np.concatenate([coef, intercept[:, None]], axis=1)
    if name == "square":
        sign, multiplier[:] = np.sign(multiplier[0]), np.abs(multiplier)
        root = np.sqrt(multiplier)[:, None] * lines
        turned = np.linalg.qr(generator.normal(size=(len(root), len(root))))[0] @ root
        multiplier[:] = np.exp(generator.normal(size=len(root)))
        lines = turned / np.sqrt(multiplier)[:, None]
        multiplier *= sign
    if name in ("relu", "abs", "identity"):
        factor = np.exp(generator.normal(size=len(lines)))
        lines, multiplier[:] = lines * factor[:, None], multiplier / factor
    if name in ("abs", "huber(0.7)") or (multipliers == "free" and name == "tanh"):
        sign = generator.choice([-1.0, 1.0], size=len(lines))
        lines = lines * sign[:, None]
        multiplier *= sign if name == "tanh" else 1.0
    order = generator.permutation(len(lines))
    coef[:], intercept[:], multiplier[:] = lines[order, :-1], lines[order, -1], multiplier[order]


def rebuilt(network, layers, projections, readout, bias):
    values = [part for layer in layers for table in layer.values() for part in table]
    values += [part for part in (*projections, readout, bias) if part is not None]
    weights = []
    for weight, value in zip(network.weights, values, strict=True):
        signs = np.broadcast_to(weight.rule.signs, value.shape)
        size = np.maximum(np.abs(value), 1e-300)
        raw = np.where(signs == 0, value, size + np.log(-np.expm1(-size)))
        weights.append(Weight(jnp.asarray(raw), weight.rule))
    return with_weights(network, weights)
