"""The paper's theorems as far as numbers can speak of them.

Exact penalties (2.1): how far the maximiser of a penalised utility is from the constrained one. Universal
approximation (2.3): Kullback-Leibler divergence from a smooth law that is no BL, where the expected loss itself is
minimised. Universal consistency (2.7): the same of samples, with blocks that grow as the cube root of their size. What
draws new samples many times is in scripts of its own: coverage.py (normality), efficiency.py (efficiency) and
local_optima.py (identifiability).
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from experiments.paper.records import Case, markdown, table_of, write
from scipy.special import expit

import behavior_learning as bl
from behavior_learning.core.heads import get_head
from behavior_learning.decision.problem import DecisionProblem
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm

SECTION = "theory"
LAYERS = ((1,), (2,), (4,), (8,), (16,), (32,), (4, 2), (8, 4), (16, 8), (8, 4, 2), (16, 8, 4))
SIZES = {250: 6, 1_000: 10, 4_000: 16, 16_000: 25}
"""Rows of a sample, and blocks: their cube root."""
HEADS = (
    ("inequality", "relu"),
    ("inequality", "softplus"),
    ("inequality", "softplus(20)"),
    ("equality", "abs"),
    ("equality", "square"),
)
SEEDS = range(3)
POINTS = 41
"""Of the grid in each direction."""


def cases(data: Sequence[str] | None, models: Sequence[str] | None, seeds: Sequence[int] | None) -> Iterator[Case]:
    every = (*penalties(), *fits(seeds or SEEDS))
    return (case for case in every if case.data in (data or (case.data,)) and case.model in (models or (case.model,)))


def penalties() -> Iterator[Case]:
    for role, head in HEADS:
        yield Case(SECTION, "exact penalties", head, 0, {"role": role, "multiplier": 5.0})


def fits(seeds: Sequence[int]) -> Iterator[Case]:
    for seed in seeds:
        for layers in LAYERS:
            name = f"BL[{','.join(map(str, layers))}]"
            yield Case(SECTION, "approximation", name, seed, {"layers": layers, "l2": 1e-3, "epochs": 400})
        for rows, blocks in SIZES.items():
            yield Case(SECTION, "consistency", f"{rows} rows", seed, {"rows": rows, "layers": (blocks,)})


def measure(case: Case) -> dict[str, Any]:
    return {"exact penalties": penalty, "approximation": approximation, "consistency": sample}[case.data](case)


def penalty(case: Case) -> dict[str, float]:
    """Maximise 4q − q²/2 under price·q ≤ 2 or = 2, penalty 5 times the head, at prices 1 and 2."""
    X = pd.DataFrame({"price": [1.0, 2.0], "income": 2.0})
    wanted = HeadTerm(get_head("utility", "identity"), 1.0, Polynomial({(("q", 1),): 4.0, (("q", 2),): -0.5}))
    row = Polynomial({(("price", 1), ("q", 1)): 1.0, (("income", 1),): -1.0})
    head = get_head(case.settings["role"], case.model)
    block = Block("block1.1", (wanted, HeadTerm(head, case.settings["multiplier"], row)), ("q",), {})
    solved = DecisionProblem.of(LearnedProblem.of_block(block), {"q": (0.0, 20.0)})
    away = solved.solve(X).y.astype(float) - solved.solve(X, kind="hard").y.astype(float)
    return {"price 1": float(away[0]), "price 2": float(away[1])}


def probability(x: np.ndarray) -> np.ndarray:
    """p(yes|x), smooth and no BL."""
    return expit(2 * np.sin(3 * x[:, 0]) * np.cos(2 * x[:, 1]) + 2 * x[:, 0] * x[:, 1])


def grid() -> np.ndarray:
    line = np.linspace(-1, 1, POINTS)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def approximation(case: Case) -> dict[str, Any]:
    """Every point of the grid takes part as both classes, each as often as it is likely."""
    x, p = grid(), probability(grid())
    X, y, weight = np.vstack([x, x]), np.repeat([1, 0], len(x)), np.concatenate([p, 1 - p])
    order = np.random.default_rng(case.seed).permutation(len(X))
    model = bl.BLClassifier(
        layers=case.settings["layers"],
        penalty=bl.Penalty(l2=case.settings["l2"]),
        optimizer=bl.Adam(learning_rate=0.02, schedule="cosine"),
        max_epochs=case.settings["epochs"],
        random_state=case.seed,
    )
    model.fit(X[order], y[order], sample_weight=weight[order], validation_data=(X, y, weight))
    return divergence(model) | {"parameters": model.n_parameters_}


def sample(case: Case) -> dict[str, Any]:
    rng = np.random.default_rng(case.seed)
    x = rng.uniform(-1, 1, size=(case.settings["rows"], 2))
    y = (rng.random(len(x)) < probability(x)).astype(int)
    model = bl.BLClassifier(layers=case.settings["layers"], random_state=case.seed).fit(x, y)
    return divergence(model) | {"parameters": model.n_parameters_}


def divergence(model: bl.BLClassifier) -> dict[str, float]:
    """KL of the model from the law, in nats, the mean over the grid and the largest."""
    p = probability(grid())
    q = model.predict_proba(grid())[:, 1]
    own = p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
    return {"mean": float(own.mean()), "largest": float(own.max())}


def render() -> None:
    records = table_of(SECTION)
    if records.empty:
        return
    parts = [HEADING]
    away = records[records["data"] == "exact penalties"].set_index("model")
    if len(away):
        lines = [
            [f"5·{head}", role, *(f"{away.loc[head, name]:+.1e}" for name in ("price 1", "price 2"))]
            for role, head in HEADS
        ]
        parts += ["## Exact penalties", markdown(["penalty", "of an", "price 1", "price 2"], lines)]
    for data, title in (
        ("approximation", "## Universal approximation"),
        ("consistency", "## Universal consistency"),
    ):
        own = records[records["data"] == data]
        if len(own):
            order = own.groupby("model")["parameters"].first().sort_values().index
            found = own.groupby("model")[["parameters", "mean", "largest"]].median().loc[order]
            counts = own.groupby("model")["seed"].nunique()
            lines = [
                [name, f"{line['parameters']:.0f}", str(counts[name]), f"{line['mean']:.5f}", f"{line['largest']:.4f}"]
                for name, line in found.iterrows()
            ]
            parts += [title, markdown(["", "parameters", "seeds", "mean KL", "largest KL"], lines)]
    write(SECTION, "\n\n".join(parts))


HEADING = """# Theory

Exact penalties: soft less constrained maximiser of 4q − q²/2 under price·q ≤ 2 (inequalities) or = 2 (equalities).
Approximation and consistency: divergence, in nats, from p(yes|x) = σ(2 sin 3x₁ cos 2x₂ + 2x₁x₂) on [−1, 1]², medians
over seeds; the first minimises the expected loss, the second has samples and default fits of cube-root many blocks.
Normality, efficiency and identifiability are on the page of experiments (`coverage.py`, `efficiency.py`,
`local_optima.py`)."""
