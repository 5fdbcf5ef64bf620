"""The search on samples of the rows: held-out losses by size, and what recurs on complementary halves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from behavior_learning.core.arrays import to_device
from behavior_learning.discovery.path import Path, learned_path
from behavior_learning.discovery.shapes import Shape
from behavior_learning.explanation.stability import Stability, compare_refits
from behavior_learning.explanation.statements import Explanation
from behavior_learning.training.refit import Data, Refit

__all__ = ["Found", "Rows", "halves", "held_out_losses", "searched"]


@dataclass(frozen=True, eq=False)
class Rows:
    """Encoded rows of the search."""

    x: Float[np.ndarray, "n d"]
    y: np.ndarray

    def data(self, weight: Float[np.ndarray, " n"] | None = None) -> Data:
        """All of them, with a weight of mean one."""
        counts = np.ones(len(self.x)) if weight is None else weight
        return to_device(self.x), to_device(self.y), to_device((counts / counts.mean()).astype(np.float32))

    def at(self, rows: Int[np.ndarray, " some"]) -> "Rows":
        return Rows(self.x[rows], self.y[rows])


@dataclass(frozen=True, eq=False)
class Found:
    """What a search on some rows found: a path, and the shape it is of.

    Attributes
    ----------
    shape, path : those of the lowest Schwarz criterion.
    explanations : of problems of the path, once they were asked for.
    """

    shape: Shape
    path: Path
    explanations: dict[int, Explanation] = field(default_factory=dict)

    def explained(self, size: int) -> Explanation:
        """What the largest problem of at most so many terms says."""
        refit = self.path.of(size)
        key = id(refit)
        if key not in self.explanations:
            self.explanations[key] = self.shape.explained(refit)
        return self.explanations[key]

    def recurring(self, refit: Refit, samples: Sequence["Found"]) -> Stability | None:
        """How often what a problem says recurs on samples, in their largest problems of at most its size."""
        if not samples:
            return None
        explanations = [other.explained(refit.size) for other in samples]
        return compare_refits(self.shape.explained(refit), explanations, "halves")


def searched(shapes: Sequence[Shape], data: Data, rng: np.random.Generator) -> Found:
    """The path of the shape whose best problem has the lowest Schwarz criterion."""
    rows = float(np.sum(np.asarray(data[2]) > 0))

    def criterion(refit: Refit) -> float:
        return rows * refit.loss + 0.5 * np.log(rows) * refit.size

    found = [Found(shape, learned_path(shape.family, data, shape.menu, rng)) for shape in shapes]
    return min(found, key=lambda f: min(criterion(r) for r in (f.path.empty, *f.path.refits.values())))


def held_out_losses(
    shapes: Sequence[Shape],
    rows: Rows,
    sizes: Sequence[int],
    *,
    folds: int,
    rng: np.random.Generator,
    done: Callable[[], None],
) -> tuple[Float[np.ndarray, "n sizes"], list[Found]]:
    """The loss of every row by problems that the search finds without the row's fold, for the empty problem and sizes.

    A size stands for the largest problem of at most so many terms.
    """
    n = len(rows.x)
    losses, found = np.empty((n, 1 + len(sizes))), []
    for fold in np.array_split(rng.permutation(n), folds):
        weight = np.ones(n)
        weight[fold] = 0.0
        here = searched(shapes, rows.data(weight), rng)
        known: dict[int, np.ndarray] = {}
        for column, refit in enumerate([here.path.empty, *map(here.path.of, sizes)]):
            if id(refit) not in known:
                known[id(refit)] = here.shape.finer.losses(refit, rows.data())[fold]
            losses[fold, column] = known[id(refit)]
        found.append(here)
        done()
    return losses, found


def halves(
    shapes: Sequence[Shape], rows: Rows, *, pairs: int, rng: np.random.Generator, done: Callable[[], None]
) -> list[Found]:
    """The search on both halves of so many random splits.

    Source: complementary pairs (Shah and Samworth 2013).
    """
    half, found = len(rows.x) // 2, []
    for _ in range(pairs):
        order = rng.permutation(len(rows.x))
        for part in (order[:half], order[half : 2 * half]):
            found.append(searched(shapes, rows.at(part).data(), rng))
            done()
    return found
