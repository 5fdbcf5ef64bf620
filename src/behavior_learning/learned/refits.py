"""Make a model again from samples of rows: all that made it, selection included, with its encoding kept."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version

import numpy as np

from behavior_learning.core.network import BehaviorNetwork, drawn_like
from behavior_learning.devices import in_threads
from behavior_learning.errors import ConvergenceError, DataError
from behavior_learning.learned.model import LearnedModel, Procedure, Rows, TrainingRows, in_single
from behavior_learning.learned.records import standard_deviations
from behavior_learning.objectives import Objective
from behavior_learning.training.checkpoint import fingerprint
from behavior_learning.training.multistart import average_from, few_blocks, fit_from
from behavior_learning.training.optima import STARTS, from_random
from behavior_learning.training.settings import Settings
from behavior_learning.training.weights import chosen_rows

__all__ = ["KINDS", "Fitting", "Forgotten", "Keep", "procedure_of", "refits", "samples"]

Keep = Callable[[str, Callable[[], LearnedModel]], LearnedModel]
"""Called with the fingerprint of a refit and what makes it: brings what was made before, or makes and keeps it."""

KINDS = ("halves", "bootstrap", "seeds")
"""Samples that a model can be made again from."""


@dataclass(frozen=True, eq=False)
class Fitting:
    """A fit from random networks.

    A model of several layers at an optimum of its loss is made again by descents to such an optimum; where they are not
    for it, and for other models, by training as it was trained.

    Attributes
    ----------
    templates : networks of the shapes that training started from by turns, which differ in their bases.
    settings : of these by turns.
    """

    templates: Sequence[BehaviorNetwork]
    settings: Sequence[Settings]

    def __call__(self, model: LearnedModel, rows: TrainingRows, rng: np.random.Generator) -> LearnedModel:
        recipe, xy = model.recipe, in_single((rows.x, rows.y))
        train, validation = np.flatnonzero(~rows.held_out), np.flatnonzero(rows.held_out)

        def draw(rng: np.random.Generator = rng, number: int = 0) -> BehaviorNetwork:
            template = self.templates[number % len(self.templates)]
            return drawn_like(template, rng, **recipe.initialization.scales)

        objective = model.objective.on(model.space, recipe.temperature)
        part = chosen_rows(xy, rows.weight, train), chosen_rows(xy, rows.weight, validation)
        alone = model.members == 1 and not recipe.settings.penalty.sparse
        if model.l2 is not None and alone and not few_blocks(self.templates[0]):
            [own] = rng.spawn(1)  # What training draws does not depend on whether this was tried.
            many, l2 = [draw(own) for _ in range(STARTS)], recipe.settings.penalty.l2
            found = from_random(many, objective, data=part[0], validation=part[1], l2=l2)
            if found is not None:
                return self._made(model, rows, found.network, objective, found.l2)
        starts, seed = [draw(number=n) for n in range(recipe.initialization.n)], int(rng.integers(2**31))
        stages = [objective]
        if model.members > 1:
            result = average_from(starts, stages, parts=[part], rows=len(train), settings=self.settings, seed=seed)
        else:
            data, validation = part
            result = fit_from(
                starts, draw, stages, data=data, validation=validation, settings=recipe.settings, seed=seed
            )
        return replace(self._made(model, rows, result.network, result.objective, result.l2), biases=result.biases)

    def _made(
        self, model: LearnedModel, rows: TrainingRows, network: BehaviorNetwork, objective: Objective, l2: float | None
    ) -> LearnedModel:
        own = in_single((rows.x[~rows.held_out], rows.y[~rows.held_out]))
        return replace(
            model,
            network=network,
            objective=objective,
            rows=rows,
            block_names={},
            known_deviations=standard_deviations(network, model.space, *own),
            procedure=self,
            l2=l2,
        )


@dataclass(frozen=True, eq=False)
class Forgotten:
    """What a file does not tell of a model that was pruned, penalised to zeros or searched for."""

    def __call__(self, model: LearnedModel, rows: TrainingRows, rng: np.random.Generator) -> LearnedModel:
        raise DataError(
            "This model was made by a selection of terms, which its file does not hold: refits of what was selected "
            "would look too stable. Make it again from its rows."
        )


def procedure_of(model: LearnedModel) -> Procedure:
    """How a model was made: by a fit of its own shape, or of that of each network whose mean it is, unless it says."""
    return model.procedure or Fitting([model.member(0).network], [model.recipe.settings])


def samples(rows: TrainingRows, n: int, kind: str, seed: int, share: float) -> Iterator[TrainingRows]:
    """Samples of rows, each split into those that train and a share that validates.

    Halves come in pairs that have no row in common. Rows are drawn with replacement after the split, so that none both
    trains and validates.
    """
    count = len(rows.x)
    for number in range(n):
        own = np.random.default_rng([seed, number])
        order = own.permutation(count)
        if kind == "halves":
            order = np.random.default_rng([seed, number // 2]).permutation(count)
            order = np.array_split(order[: 2 * (count // 2)], 2)[number % 2]
        held_out = max(1, round(share * len(order)))
        parts = np.split(order, [held_out])
        if kind == "bootstrap":
            parts = [own.choice(part, len(part)) for part in parts]
        chosen = np.concatenate(parts)
        weight = None if rows.weight is None else rows.weight[chosen]
        yield TrainingRows(rows.x[chosen], rows.y[chosen], np.arange(len(chosen)) < held_out, weight)


def refits(
    model: LearnedModel,
    rows: Rows,
    n: int,
    kind: str,
    seed: int,
    weight: np.ndarray | None = None,
    keep: Keep | None = None,
) -> Iterator[tuple[LearnedModel | None, TrainingRows]]:
    """The model made n times more, or None where no parameters are found, and the rows of each.

    Samples have one shape, so that one compiled program serves all; of few rows several are made at a time.
    """
    whole = TrainingRows(*rows, np.zeros(len(rows[0]), bool), weight)
    procedure = procedure_of(model)
    made_by = version("behavior-learning"), repr(model.recipe), [np.asarray(w.raw) for w in model.network.weights]

    def made(number: int, sample: TrainingRows) -> tuple[LearnedModel | None, TrainingRows]:
        again = partial(procedure, model, sample, np.random.default_rng([seed, number, 1]))
        depends = made_by, sample.x, sample.y, sample.held_out, sample.weight, seed, number
        try:
            return (again() if keep is None else keep(fingerprint(*depends), again)), sample
        except ConvergenceError:
            return None, sample

    drawn = enumerate(samples(whole, n, kind, seed, model.recipe.validation_fraction))
    yield from in_threads((partial(made, number, sample) for number, sample in drawn), len(rows[0]))
