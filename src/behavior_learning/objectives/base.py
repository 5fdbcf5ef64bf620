"""What every objective has: a loss per row, in nats for likelihoods, bound to a response space (Section 2.2).

Noise is an argument of a loss, never drawn inside it; an objective that needs some says how to draw it from a key.
"""

from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar, Self, TypeVar, cast

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from behavior_learning.core.arrays import numbers_to_device
from behavior_learning.core.spaces import Space, Utility
from behavior_learning.errors import OptionError
from behavior_learning.options import Option, from_plain, learned, register

__all__ = ["OBJECTIVES", "Objective", "objective_from_json", "register_objective"]

OBJECTIVES: dict[str, type["Objective"]] = {}
"""Every registered objective by its short name."""

Kind = TypeVar("Kind", bound="type[Objective]")


def register_objective(kind: Kind) -> Kind:
    """Make an objective known by its `short_name`: to estimators, files and the tests over all objectives.

    Raises
    ------
    OptionError
        If the name is taken.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.register_objective(bl.Likelihood) is bl.Likelihood  # or a class of one's own
    True
    """
    register(OBJECTIVES, kind)
    return kind


class Objective(Option, eqx.Module):
    """A loss per row of a utility on responses in a space; an option of estimators before it is bound to one.

    A new objective is one class in one file: subclass this, with parameters as fields, and decorate it with
    `register_objective`.

    Attributes
    ----------
    space : where the responses live; None before `on` binds the objective.
    temperature : τ, likewise.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> isinstance(bl.ScoreMatching(), bl.Objective), bl.ScoreMatching().derivatives
    (True, 2)
    """

    space: Space = learned(None)
    temperature: Float[Array, ""] = learned(1.0)

    short_name: ClassVar[str]
    """How strings and files call it."""

    derivatives: ClassVar[int] = 0
    """How many derivatives of the utility in y it takes: with one, heads have no kinks, and classes have none."""

    likelihood: ClassVar[bool] = False
    """Whether the loss is −log p(y|x): it depends on the unit of y, and likelihood-ratio tests apply."""

    # From an option to losses.

    def stages(
        self, space: Space, temperature: Array | float, x: Float[np.ndarray, "n d"], y: np.ndarray
    ) -> tuple["Objective", ...]:
        """Bind it to a response: one for each stage of training, the last of which decides.

        Parameters
        ----------
        x, y : encoded training rows.

        Raises
        ------
        OptionError
            If the response has no such loss.
        """
        self.check_space(space)
        if self.derivatives and len(space.continuous) < len(space.components):
            hybrid: Any = OBJECTIVES["hybrid"]  # Made of other objectives, so that it lies above this module.
            return hybrid(continuous=self).stages(space, temperature, x, y)
        return tuple(level.on(space, temperature) for level in self.levels(space, x, y))

    def check_space(self, space: Space) -> None:
        """Refuse responses that have no such loss."""
        if self.derivatives and not space.continuous:
            raise OptionError(
                f"objective={self.short_name!r} takes derivatives in y, and classes have none. "
                "Use objective='cross_entropy'."
            )
        if self.derivatives and not space.pointwise:
            raise OptionError(
                f"objective={self.short_name!r} needs y itself, and some rows give bounds on it only. "
                "Use objective='likelihood'."
            )

    def levels(self, space: Space, x: Float[np.ndarray, "n d"], y: np.ndarray) -> "tuple[Objective, ...]":
        """The parameters of each stage, from the training rows where they are not stated."""
        return (self,)

    def on(self, space: Space, temperature: Array | float = 1.0) -> Self:
        """The same objective on a space, at a temperature."""
        bound = numbers_to_device(replace(cast(Any, self), space=None, temperature=temperature))
        return replace(bound, space=space)

    # The loss.

    @property
    def estimand(self) -> str:
        """What the parameters are parameters of, where the model is wrong too."""
        return "the minimiser of the expected loss"

    @property
    def evaluations(self) -> int:
        """Candidates per row at which the utility is evaluated together."""
        return self.space.size

    @abstractmethod
    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        """Loss of every row."""

    def with_finer(
        self, finer: "Objective", utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Losses of every row by this objective's candidates and by those of a finer version of it."""
        return self(utility, x, y, *noise), finer(utility, x, y, *noise)

    def noise(self, key: PRNGKeyArray, y: Array) -> tuple[Array, ...]:
        """What the loss needs beside (x, y): nothing, or draws with the rows first."""
        return ()

    def refined(self, factor: float) -> "Objective":
        """The same objective with at least `factor` times the candidates, or itself where there is no quadrature."""
        return self

    # To a file and back.

    def to_json(self) -> dict[str, Any]:
        """Its parameters, and those of the objectives it is made of, without the space."""
        own = {name: _plain(value) for name, value in self.get_params(deep=False).items()}
        return {"kind": self.short_name, "temperature": _plain(self.temperature), **own}


def _plain(value: Any) -> Any:
    return value.to_json() if isinstance(value, Objective) else np.asarray(value).tolist()


def objective_from_json(state: dict[str, Any], space: Space) -> Objective:
    """Read what `to_json` of any registered objective wrote."""
    parts: dict[str, Any] = {k: objective_from_json(v, space) if isinstance(v, dict) else v for k, v in state.items()}
    kind, temperature = cast(Any, OBJECTIVES[parts.pop("kind")]), parts.pop("temperature")
    return kind(**from_plain(parts)).on(space, temperature)
