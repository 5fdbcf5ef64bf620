"""What `discover(hierarchy=True)` finds where the truth is agents below a block: their columns and heads.

Truths (`--kind`): two agents (``two``) with two columns each among four and the noise columns; an upper block that
wants what the first wants, by a tanh, and keeps the second above a floor (relu) or at a level (abs); of three
(``three``) the third has two columns of its own and is kept at a level; two may share a column (``shared``), or add up
(``sum``). At ``random``, two or three agents of one to three columns, with heads, numbers, tables and rows by chance.

Told are the support of y and that there may be a hierarchy. The problem is the one that Schwarz's criterion prefers on
all rows, without folds. Of a layered set `columns` counts where the blocks of the first layer name exactly the columns
of the agents, and `heads` where these also have exactly the agents' heads; of a sum, where there is one block that
names exactly their columns. `training` is the mean loss of the rows above the truth's (the truth learned again would be
some .004 below), `gap` that on 4,000 new rows, and `criterion` Schwarz's criterion of all rows above that of the truth
learned again from its own numbers: above zero it is the search that misses, below zero the criterion, which does
without what pays too little.

    python experiments/agents.py --sets 50 [--kind three] [--noise 10 --correlation 0.9]

Seeds that count begin at 700; development used 0 to 99.
"""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd

import behavior_learning as bl
from behavior_learning.discovery.discover import POOL_AND_LAYERS
from behavior_learning.discovery.knowledge import Knowledge
from behavior_learning.discovery.path import LAST_STEPS, criterion, lowest_criterion
from behavior_learning.discovery.selection import Rows, searched
from behavior_learning.discovery.shapes import LAYERED, Shape, shape_of
from behavior_learning.learned.model import in_single
from behavior_learning.training.refit import Data, Refit

FIRST_SEED = 700
HEADS = {"utility": np.tanh, "inequality": lambda t: -np.maximum(0, t), "equality": lambda t: -np.abs(t)}
TABLES = ("normal", "correlated", "uniform", "skewed")


class Row(NamedTuple):
    """A row λ·head(by·y + Σ slope·x + constant) of an agent; above them an agent's utility stands in the place of y."""

    head: str
    multiplier: float
    by: float
    slopes: dict[int, float]
    constant: float = 0.0
    agent: int = 0

    def __call__(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        of_x = sum(slope * x[:, [column]] for column, slope in self.slopes.items())
        return self.multiplier * HEADS[self.head](self.by * y + of_x + self.constant)


@dataclass(frozen=True)
class Truth:
    """Agents, and a block above them; without one they add up, twice each."""

    names: list[str]
    agents: list[list[Row]]
    above: list[Row]
    levels: np.ndarray
    n: int = 2000
    columns: str = "normal"
    correlation: float = 0.0

    @property
    def owned(self) -> list[frozenset[str]]:
        """The columns of each agent; of a sum, of all together."""
        each = [frozenset(self.names[column] for row in own for column in row.slopes) for own in self.agents]
        return each if self.above else [frozenset().union(*each)]

    @property
    def heads(self) -> list[frozenset[str]]:
        return [frozenset(row.head for row in own) for own in self.agents]

    def utility(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        agents = [sum(row(x, y) for row in own) for own in self.agents]
        return sum(row(x, agents[row.agent]) for row in self.above) if self.above else 2 * sum(agents)

    def mass(self, x: np.ndarray) -> np.ndarray:
        """Of every level, row by row."""
        utility = self.utility(x, self.levels[None])
        mass = np.exp(utility - utility.max(axis=1, keepdims=True))
        return mass / mass.sum(axis=1, keepdims=True)

    def draw(self, rng: np.random.Generator, n: int) -> tuple[pd.DataFrame, pd.Series]:
        x = self.table(rng, n)
        place = (np.cumsum(self.mass(x), axis=1) < rng.uniform(size=(n, 1))).sum(axis=1)
        y = self.levels[np.minimum(place, len(self.levels) - 1)]
        return pd.DataFrame(x, columns=self.names), pd.Series(y, name="y")

    def table(self, rng: np.random.Generator, n: int) -> np.ndarray:
        if self.columns == "uniform":
            return rng.uniform(-1.7, 1.7, size=(n, len(self.names)))
        x = rng.normal(size=(n, len(self.names)))
        if self.correlation:
            x = self.correlation**0.5 * rng.normal(size=(n, 1)) + (1 - self.correlation) ** 0.5 * x
        return (np.exp(0.5 * x) - np.exp(0.125)) / 0.6 if self.columns == "skewed" else x

    def loss(self, X: pd.DataFrame, y: pd.Series) -> float:
        x = X.to_numpy()
        normalizer = np.log(np.trapezoid(np.exp(self.utility(x, self.levels[None])), self.levels, axis=1))
        return float(np.mean(normalizer - self.utility(x, y.to_numpy()[:, None])[:, 0]))

    def learned(self, shape: Shape, data: Data) -> Refit:
        """The truth learned again from its own numbers, in a shape of three agents below a block."""
        family, columns, (unit,) = shape.family, shape.model.columns, shape.model.response.variables
        support, vector = shape.menu.dense.copy(), np.zeros_like(shape.family.drawn(shape.family.template))
        for coef in chain.from_iterable(layer.values() for layer in support.coefs):
            coef[...] = False

        def placed(layer: int, row: Row, block: int, coef: np.ndarray, intercept: float) -> None:
            places = family.rows[layer][row.head]
            vector[places.coef[block, 0]], vector[places.intercept[block, 0]] = coef, intercept
            vector[places.multiplier[block, 0]] = np.log(np.expm1(row.multiplier))
            support.coefs[layer][row.head][block, 0] = coef != 0

        for agent, row in [(agent, row) for agent, own in enumerate(self.agents) for row in own]:
            coef, intercept = np.zeros(len(shape.menu.moves)), row.by * unit.center + row.constant
            for i, (x, y) in enumerate(family.template.basis.terms):
                coef[i] = row.by * unit.scale if y.degree else 0.0
                for column, slope in row.slopes.items() if x.degree else ():
                    if columns.x_sources[x.columns[0]] == self.names[column]:
                        center, scale = columns.x_units[x.columns[0]]
                        coef[i], intercept = slope * scale, intercept + slope * center
            placed(0, row, agent, coef, intercept)
        for row in self.above:
            placed(1, row, 0, row.by * np.eye(3)[row.agent], row.constant)
        return family.refit(data, vector, support, LAST_STEPS)

    def right(self, statements: pd.DataFrame) -> tuple[bool, bool]:
        """Whether the blocks of the first layer name exactly the agents' columns, and whether with their heads."""
        lines = statements[[bool(set(columns) & set(self.names)) for columns in statements["columns"]]]
        blocks = [
            (frozenset(own["head"]), frozenset(name for names in own["columns"] for name in names) - {"y"})
            for _, own in lines.groupby("block")
        ]
        columns = sorted(sorted(names) for _, names in blocks) == sorted(map(sorted, self.owned))
        heads = not self.above or set(blocks) == set(zip(self.heads, self.owned, strict=True))
        return columns, columns and heads


def stated(rng: np.random.Generator, noise: int, kind: str, correlation: float) -> Truth:
    """Agents of two columns each, among as many and the noise."""
    counts = (2, 2, 2) if kind == "three" else (2, 2)
    own = sum(counts) - (kind == "shared")
    names = [f"x{j + 1}" for j in range(own + noise)]
    columns = [int(column) for column in rng.permutation(len(names))[:own]]
    columns = [*columns, columns[1]] if kind == "shared" else columns
    slopes = rng.choice([-1, 1], sum(counts)) * rng.uniform(0.8, 1.4, sum(counts))
    floor = rng.choice(["relu", "abs"]) == "relu" or kind == "three"
    (a, of_a), (b, of_b), (c, of_c), (d, of_d), *more = zip(columns, slopes.tolist(), strict=True)
    agents = [
        [Row("utility", 1.5, 1.2, {a: -1.2 * of_a}), Row("inequality", 2.0, 1.0, {b: -of_b}, -0.5)],
        [Row("equality", 1.0, 1.0, {c: -of_c, d: -of_d})],
    ]
    kept = Row("inequality", 3.0, -1.0, {}, -0.5, 1) if floor else Row("equality", 3.0, 1.0, {}, 0.5, 1)
    above = [Row("utility", 3.0, 0.8, {}, 0.0, 0), kept]
    if more:
        agents.append([Row("inequality", 1.0, -1.0, dict(more))])
        above.append(Row("equality", 2.0, 1.0, {}, 0.7, 2))
    return Truth(names, agents, [] if kind == "sum" else above, np.linspace(-4, 4, 1001), correlation=correlation)


def by_chance(rng: np.random.Generator, noise: int) -> Truth:
    """Two or three agents, drawn again until a response lies within its bounds, four of five times at least."""
    count = int(rng.integers(2, 4))
    sizes = rng.integers(1, 6 - count, size=count)
    sizes[0] += max(sizes) == 1
    names = [f"x{j + 1}" for j in range(sum(sizes) + noise)]
    columns = np.split(rng.permutation(len(names))[: sum(sizes)], np.cumsum(sizes)[:-1])

    def agent(own: Sequence[int]) -> list[Row]:
        parts = [own[:1], own[1:]] if len(own) > 1 and rng.uniform() < 0.6 else [own]
        heads = rng.choice(list(HEADS), size=len(parts), replace=False)
        return [
            Row(
                head, rng.uniform(0.8, 1.8), _signed(rng, 0.8), {j: _signed(rng, 0.7) for j in part}, 0.4 * rng.normal()
            )
            for head, part in zip(heads.tolist(), parts, strict=True)
        ]

    agents = [agent(own.tolist()) for own in columns]
    above = [
        Row(head, rng.uniform(2, 3), rng.uniform(0.7, 1.2) * (1 if head == "utility" else rng.choice([-1, 1])), {},
            0.5 * rng.normal(), number)
        for number, head in enumerate(rng.permutation(list(HEADS))[:count].tolist())
    ]  # fmt: skip
    table, n = str(rng.choice(TABLES)), int(rng.choice([1000, 1500, 2000]))
    truth = Truth(names, agents, above, np.linspace(-5, 5, 1001), n, table, 0.6 * (table == "correlated"))
    mass = truth.mass(truth.table(rng, 500)).mean(axis=0)
    return truth if mass[:25].sum() + mass[-25:].sum() < 0.2 else by_chance(rng, noise)


def _signed(rng: np.random.Generator, least: float) -> float:
    return rng.uniform(least, 1.4) * rng.choice([-1, 1])


def found(seed: int, kind: str, noise: int, correlation: float) -> dict[str, object]:
    rng = np.random.default_rng([seed, 1])
    truth = by_chance(rng, noise) if kind == "random" else stated(rng, noise, kind, correlation)
    X, y = truth.draw(rng, truth.n)
    new = truth.draw(rng, 4000)
    start, how = time.perf_counter(), {"degree": 1, "most": 30, "knowledge": Knowledge(), "seed": seed}
    space = bl.Numbers(support=(float(truth.levels[0]), float(truth.levels[-1])))
    shapes = [shape_of(LAYERED, X, y, response=space, **plan, **how) for plan in POOL_AND_LAYERS]
    model = shapes[0].model
    data, unseen = (Rows(*in_single(model.given_rows("agents", *given))).data() for given in ((), new))
    searching = searched(shapes, data, rng)
    best = lowest_criterion(searching.path.refits.values(), data)
    unit = float(np.log(model.response.variables[0].scale))
    said = pd.DataFrame(
        [(s.block, s.head, s.variables) for s in searching.shape.explained(best).said if s.layer == 1 and not s.faint],
        columns=["block", "head", "columns"],
    )
    columns, heads = truth.right(said)
    gap = float(searching.shape.finer.losses(best, unseen).mean()) + unit - truth.loss(*new)
    line = {
        "seed": seed,
        "columns": columns,
        "heads": heads,
        "training": best.loss + unit - truth.loss(X, y),
        "gap": gap,
    }
    if truth.above:
        line["criterion"] = float(criterion(best, data) - criterion(truth.learned(shapes[1], data), data))
    true, seconds = [sorted(names) for names in truth.owned], time.perf_counter() - start
    above = [row.head for row in truth.above]
    print(line, f"{seconds:.0f} s; {true}, {above}; said: {said.to_numpy().tolist()}", flush=True)
    return line


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", type=int, default=3)
    parser.add_argument("--first", type=int, default=FIRST_SEED, help="the first seed")
    parser.add_argument("--kind", choices=("two", "three", "shared", "sum", "random"), default="two")
    parser.add_argument("--noise", type=int, default=2, help="noise columns")
    parser.add_argument("--correlation", type=float, default=0.0, help="of all columns, but at random")
    given = parser.parse_args()
    seeds = range(given.first, given.first + given.sets)
    result = pd.DataFrame([found(seed, given.kind, given.noise, given.correlation) for seed in seeds])
    print(result.mean(numeric_only=True).round(3))
