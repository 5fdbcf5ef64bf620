"""Which moves of the parameters leave p(y|x) as it is: random pairs of equal distributions, and a search for more.

    python experiments/symmetries.py pairs 1000     # distances of networks that are equal by a formula
    python experiments/symmetries.py search 1000    # parameters that the canonical form has and the data do not see

`search` compares, for every head, basis and kind of response, the directions in which the canonical form of a random
network can move with the rank of E[Σ_y p(y|x)·s sᵀ], s the score, over a random design: the information matrix itself,
without data. A deficit is a one-parameter family of equal distributions that no equivalence knows. What was found
stands in `results/symmetries-*.csv`; a further call adds what is missing.
"""

import argparse
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from behavior_learning.core.architecture import Architecture
from behavior_learning.core.bases import Basis, affine_basis, polynomial_basis, with_terms, without_pure_x
from behavior_learning.core.block import Weight
from behavior_learning.core.features import Product
from behavior_learning.core.heads import registered_heads
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_weights
from behavior_learning.identification.canonical_form import canonicalize, distance
from behavior_learning.identification.parameters import LocalParameters, parameter_labels

RESULTS = Path(__file__).parent / "results"

RANK = 1e-11
"""Eigenvalue of the information, scaled to a unit diagonal, below which a direction is flat."""

HEADS = tuple(
    tuple(family.family if not family.n_required() else f"{family.family}(0.5)" for family in registered_heads(role))
    for role in ("utility", "inequality", "equality")
)
CLASSES = 3

CHUNK = 25
"""Pairs or configurations after which the table is written."""


def bases() -> dict[str, tuple[Basis, int, bool]]:
    """Basis, dimension of y and whether it is one-hot, by name."""
    joint = with_terms(affine_basis(2, 1), [(Product((j,)), Product((0,))) for j in range(2)])
    return {
        "number, affine": (affine_basis(2, 1), 1, False),
        "number, affine and x*y": (joint, 1, False),
        "number, degree 2": (polynomial_basis(2, 1, degree=2), 1, False),
        "two numbers, affine": (affine_basis(2, 2), 2, False),
        "classes, x*y": (without_pure_x(polynomial_basis(2, CLASSES, degree=2, one_hot=True)), CLASSES, True),
        "two classes, x*y": (without_pure_x(polynomial_basis(2, 2, degree=2, one_hot=True)), 2, True),
        "vector": (affine_basis(2, 0), CLASSES, False),
    }


def drawn(heads: tuple[str | None, ...], kind: str, rows: tuple[int, ...], seed: int) -> BehaviorNetwork:
    basis, response, one_hot = bases()[kind]
    architecture = Architecture(
        layers=(2,) if kind == "vector" else (1,),
        rows=rows,
        heads=heads,
        output="vector" if kind == "vector" else "scalar",
        readout="free" if kind == "vector" else "identity",
        intercepts=not one_hot,
    )
    rng = np.random.default_rng([seed, 3])
    network = BehaviorNetwork.random(rng, architecture, features=2, response=response, basis=basis)
    weights = [Weight(jnp.asarray(rng.normal(size=np.shape(w.raw))), w.rule) for w in network.weights]
    return with_weights(network, weights)


def candidates(kind: str, rng: np.random.Generator, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    _, response, one_hot = bases()[kind]
    x = rng.normal(size=(n, 2))
    if one_hot or kind == "vector":
        return x, np.broadcast_to(np.eye(response), (n, response, response)).copy()
    return x, rng.normal(size=(n, 12, response))


def configurations() -> Iterator[tuple[tuple[str | None, ...], str, tuple[int, ...]]]:
    """Every choice of heads, each alone and all together, with one row and with two, for every kind of response."""
    for heads in product(*((None, *names) for names in HEADS)):
        for kind in bases():
            for count in (1, 2):
                if any(heads):
                    yield heads, kind, tuple(count if head else 0 for head in heads)


def deficit(
    heads: tuple[str | None, ...], kind: str, rows: tuple[int, ...], seed: int = 0
) -> tuple[int, int, list[str]]:
    """Free directions, how many of them are flat, and the parameters in the flattest."""
    network, one_hot = drawn(heads, kind, rows, seed), bases()[kind][2]
    names = parameter_labels(network, ["a", "b"], [f"y{k}" for k in range(bases()[kind][1])], ["p", "q", "r"])
    local = LocalParameters.of(canonicalize(network, one_hot=one_hot), names)
    x, y = map(jnp.asarray, candidates(kind, np.random.default_rng(seed), 80))

    def utilities(theta):
        return local.parametrization.network(theta)(x, y)

    slope = np.asarray(jax.jacfwd(utilities)(jnp.asarray(local.theta)))
    mass = np.asarray(jax.nn.softmax(utilities(jnp.asarray(local.theta)), axis=-1))
    scores = slope - np.einsum("nk,nkp->np", mass, slope)[:, None]
    information = np.einsum("nk,nkp,nkq->pq", mass, scores, scores) / len(x)
    inner = local.tangent_space.T @ information @ local.tangent_space
    units = 1 / np.sqrt(np.maximum(np.diag(inner), 1e-14 * np.diag(inner).max(initial=1e-300)))
    values, vectors = np.linalg.eigh(units[:, None] * inner * units)
    flat = int(np.sum(values < RANK))
    move = local.tangent_space @ (units * vectors[:, 0]) if len(values) else np.zeros(0)
    involved = [local.labels[i] for i in np.argsort(-np.abs(move))[:4] if abs(move[i]) > 0.05 * np.abs(move).max()]
    return len(values), flat, involved if flat else []


def searched(number: int) -> dict[str, object]:
    """One configuration of smooth heads, in a random order of all."""
    choices = [chosen for chosen in configurations() if not {"relu", "abs"} & set(chosen[0])]
    heads, kind, rows = choices[np.random.default_rng(11).permutation(len(choices))[number % len(choices)]]
    free, flat, involved = deficit(heads, kind, rows, number // len(choices))
    if flat:
        print(
            f"{number} {kind}, {heads}, {max(rows)} rows: {free} free, {flat} flat: {', '.join(involved)}", flush=True
        )
    return {"kind": kind, "heads": heads, "rows": max(rows), "free": free, "flat": flat, "involved": " ".join(involved)}


def disguised(network: BehaviorNetwork, heads: tuple[str | None, ...], kind: str, rng: np.random.Generator):
    """Another network with the same distribution: rows shuffled, mirrored and turned, inequalities turned round."""
    basis, _, one_hot = bases()[kind]
    rows = {
        role: [weight_value(weight).copy() for weight in head.weights] for role, head in network.layers[0].heads.items()
    }
    of_x = np.array([not y.columns for _, y in basis.terms])
    utility, inequality, equality = rows["utility"], rows["inequality"], rows["equality"]
    turned = heads[1] and heads[1].startswith(("relu", "softplus")) and kind != "vector"
    home = heads[0] == "identity" and utility[0].shape[1] > 0
    squares = heads[2] == "square" and kind == "number, affine" and equality[0].shape[1] > 0
    for i in range(inequality[0].shape[1]) if turned and (home or squares) else ():
        c, lam = inequality[0][0, i].copy(), inequality[2][0, i]
        if home:
            utility[0][0, 0] -= lam * c / utility[2][0, 0]
        else:
            equality[1][0, 0] += lam * c[~of_x][0] / (2 * equality[2][0, 0] * equality[0][0, 0, ~of_x][0])
        inequality[0][0, i], inequality[1][0, i] = -c, -inequality[1][0, i]
    if heads[2] in ("abs", "square", "huber(0.5)", "smooth_abs(0.5)"):
        sign = rng.choice([-1.0, 1.0], size=equality[1].shape)
        equality[0], equality[1] = equality[0] * sign[..., None], equality[1] * sign
    if heads[2] == "square" and equality[0].shape[1] > 1:
        for block in range(len(equality[0])):
            root = np.sqrt(equality[2][block])[:, None] * np.c_[equality[0][block], equality[1][block]]
            root = np.linalg.qr(rng.normal(size=(len(root), len(root))))[0] @ root
            equality[0][block], equality[1][block], equality[2][block] = root[:, :-1], root[:, -1], 1.0
    for role, table in rows.items():
        order = rng.permutation(table[1].shape[1])
        rows[role] = [part[:, order] for part in table]
    if home and not one_hot and kind != "vector":
        rows["utility"][0][0, 0, of_x] += rng.normal(size=of_x.sum())
    values = [part for role in ("utility", "inequality", "equality") for part in rows[role]]
    values += [weight_value(weight) for weight in network.weights[len(values) :]]
    weights = []
    for weight, value in zip(network.weights, values, strict=True):
        size = np.maximum(np.abs(value), 1e-300)
        signs = np.broadcast_to(weight.rule.signs, value.shape)
        raw = np.where(signs == 0, value, size + np.log(-np.expm1(-size)))
        weights.append(Weight(jnp.asarray(raw), weight.rule))
    return with_weights(network, weights)


def relative(network: BehaviorNetwork, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    utility = np.asarray(network(jnp.asarray(x), jnp.asarray(y)))
    return utility - utility.mean(axis=1, keepdims=True)


def paired(number: int) -> dict[str, object]:
    """The distance of a random network from its disguise, and by how much their utilities differ."""
    rng, choices = np.random.default_rng([7, number]), list(configurations())
    heads, kind, rows = choices[rng.integers(len(choices))]
    network, one_hot = drawn(heads, kind, rows, number), bases()[kind][2]
    other = disguised(network, heads, kind, rng)
    x, y = candidates(kind, rng, 6)
    gap = np.abs(relative(network, x, y) - relative(other, x, y)).max()
    apart = distance(network, other, one_hot=one_hot)
    if apart > 1e-8:
        print(f"{number}: distance {apart:.2g}, utilities differ by {gap:.1g}:", kind, heads, rows, flush=True)
    return {"kind": kind, "heads": heads, "rows": max(rows), "gap": gap, "distance": apart}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("pairs", "search"))
    parser.add_argument("count", type=int, nargs="?", default=1000)
    parser.add_argument("--seconds", type=float, default=np.inf, help="after which nothing begins")
    arguments = parser.parse_args()
    records = RESULTS / f"symmetries-{arguments.what}.csv"
    known = pd.read_csv(records, index_col="number") if records.exists() else pd.DataFrame()
    one, start = {"pairs": paired, "search": searched}[arguments.what], time.perf_counter()
    missing = np.setdiff1d(np.arange(arguments.count), known.index)
    found = known
    for chunk in np.split(missing, range(CHUNK, len(missing), CHUNK)):
        if time.perf_counter() - start > arguments.seconds:
            break
        with jax.enable_x64(True), jax.disable_jit():
            lines = {number: one(int(number)) for number in chunk}
        found = pd.concat([found, pd.DataFrame.from_dict(lines, "index")]).rename_axis("number")
        found.to_csv(records, float_format="%.3g")
    if arguments.what == "pairs":
        near = int((found["distance"] < 1e-8).sum())
        print(
            f"{len(found)} pairs: utilities differ by at most {found['gap'].max():.1g}; {near} at distance below 1e-8, "
            f"the largest {found['distance'].max():.2g}."
        )
    else:
        print(f"{len(found)} configurations, {int((found['flat'] > 0).sum())} with flat directions.")


if __name__ == "__main__":
    main()
