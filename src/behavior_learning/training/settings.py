"""How to train: choices that belong together as one value each."""

from dataclasses import dataclass, replace
from typing import Any, get_args

from behavior_learning.errors import OptionError
from behavior_learning.options import Option, check_choice, check_count, check_number, parameter
from behavior_learning.training.optimizers import Optimizer
from behavior_learning.training.proximal import Groups

__all__ = ["Initialization", "Penalty", "Settings", "check_starts"]


@dataclass(frozen=True)
class Penalty(Option):
    """What is added to the loss of n rows to keep weights small or zero; a strength of n is that of all rows together.

    (l2/2·‖M, λ, W‖² + l1·‖M‖₁ + group_l2·Σ √size·‖M_g‖₂)/n on standardised columns, intercepts free.
    What l1 and group_l2 empty is removed, other zeros are no longer learned. They need Adam, and l2 > 0, which holds
    the multipliers.

    Parameters
    ----------
    l2 : ridge, the logarithm of a Gaussian prior of variance 1/l2 on every weight; with AdamW the decoupled decay l2/n.
    l1 : makes exact zeros of coefficients.
    group_l2 : makes exact zeros of whole groups g of coefficients.
    groups : ``"row"``, the rows of heads, or ``"block"``.
    dropout : probability with which a row does without a block of the first layer in a step of a stochastic optimiser;
        the other blocks are divided by 1 − dropout. It adds nothing to the loss.

    Source: Srivastava et al. (2014) for dropout, of units. Deviation: a block is left out with all its heads.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.BLRegressor(penalty=bl.Penalty(l2=1.0)).set_params(penalty__l1=5.0).penalty
    Penalty(l2=1.0, l1=5.0, group_l2=0.0, groups='row', dropout=0.0)
    """

    l2: float = parameter(10.0, check_number, inclusive=True)
    l1: float = parameter(0.0, check_number, inclusive=True)
    group_l2: float = parameter(0.0, check_number, inclusive=True)
    groups: Groups = parameter("row", check_choice, valid=get_args(Groups))
    dropout: float = parameter(0.0, check_number, inclusive=True, below=1.0)

    @property
    def sparse(self) -> bool:
        """Whether it makes exact zeros."""
        return self.l1 > 0 or self.group_l2 > 0

    @property
    def ridge(self) -> "Penalty":
        """The part that makes no zeros and leaves no block out."""
        return replace(self, l1=0.0, group_l2=0.0, dropout=0.0)


def _check_scale(name: str, value: float | None) -> float | None:
    return None if value is None else check_number(name, value)


@dataclass(frozen=True)
class Initialization(Option):
    """From how many random networks training starts, and where they are drawn (C.2).

    Parameters
    ----------
    n : random starts.
    coef_scale : standard deviation σ_params of M and b; None is 1/√(number of inputs of the row).
    multiplier_scale : λ = |N(0, σ_λ²)|; None draws λ from [0.5, 1.5].

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.BLRegressor(n_restarts=bl.Initialization(2, coef_scale=0.1)).n_restarts.coef_scale
    0.1
    """

    n: int = parameter(4, check_count)
    coef_scale: float | None = parameter(None, _check_scale)
    multiplier_scale: float | None = parameter(None, _check_scale)

    @property
    def scales(self) -> dict[str, float | None]:
        """Where starts are drawn, as `BehaviorNetwork.random` takes it."""
        return {"coef_scale": self.coef_scale, "multiplier_scale": self.multiplier_scale}


def check_starts(name: str, value: Any) -> Initialization:
    """A number of random starts, an option that says as well where they are drawn, or ``"auto"``."""
    match value:
        case Initialization():
            return value.checked()
        case "auto":
            return Initialization()
        case str():
            raise OptionError(
                f'{name} must be "auto", a whole number above 0 or a bl.Initialization; got {value!r}. Leave it out.'
            )
        case _:
            return Initialization(check_count(name, value))


@dataclass(frozen=True)
class Settings(Option):
    """How a network is trained.

    Attributes
    ----------
    max_epochs, patience : an epoch is a pass over the rows, or one L-BFGS iteration.

    Raises
    ------
    OptionError
        If exact zeros or dropout are asked of an optimiser that cannot make them.
    """

    optimizer: Optimizer
    penalty: Penalty
    max_epochs: int
    patience: int

    def __post_init__(self):
        if self.penalty.sparse and not self.optimizer.makes_zeros:
            name = self.optimizer.short_name
            raise OptionError(
                f"l1 and group_l2 make zeros by proximal steps, which optimizer={name!r} lacks. Use 'adam'."
            )
        if self.penalty.dropout and not self.optimizer.stochastic:
            raise OptionError(
                f"dropout={self.penalty.dropout:g} leaves blocks out step by step, and "
                f"optimizer={self.optimizer.short_name!r} takes all rows at once. Use 'adam'."
            )
