"""What a response is: how it is read, where it lives, and how it comes back in the user's units.

A new response is one frozen dataclass in one file: subclass `Response` and decorate it with `register_response`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Self, TypeVar

import numpy as np

from behavior_learning.core.spaces import Space
from behavior_learning.errors import DataError, OptionError
from behavior_learning.options import Option, built, from_plain, learned, register, to_plain
from behavior_learning.symbolic.polynomials import Variable

__all__ = ["RESPONSES", "Response", "as_response", "checked_split", "register_response", "response_from_json"]

RESPONSES: dict[str, type["Response"]] = {}
"""Every registered response by its short name."""

Kind = TypeVar("Kind", bound="type[Response]")


def register_response(kind: Kind) -> Kind:
    """Make a response known by its `short_name`: to strings, files and the tests over all responses.

    Raises
    ------
    OptionError
        If the name is taken.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.register_response(bl.Numbers) is bl.Numbers  # or a class of one's own
    True
    """
    register(RESPONSES, kind)
    return kind


@dataclass(frozen=True)
class Response(Option, ABC):
    """One response: parameters that the user states, and fields that `read` and `learn` fill in.

    Attributes
    ----------
    name : the user's name of it.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> bl.Numbers(support=(0, 60)).set_params(support=(0, 50))
    Numbers(support=(0, 50))
    """

    name: str = learned("y")

    short_name: ClassVar[str]
    """How strings and files call it."""

    several: ClassVar[bool] = False
    """Whether it consists of others, and so is no response of one column."""

    labelled: ClassVar[bool] = False
    """Whether values are labels, which BLClassifier predicts, and not numbers, which BLRegressor does."""

    ordered: ClassVar[bool] = True
    """Whether larger and smaller mean something, so that there are quantiles."""

    one_hot: ClassVar[bool] = False
    """Whether candidates are indicators of which exactly one is 1."""

    indicators: ClassVar[bool] = False
    """Whether candidates are zeros and ones of which any product is zero or one of them."""

    columns: ClassVar[int] = 1
    """How many columns of y are one such response at most."""

    affine: ClassVar[bool] = True
    """Whether an encoded number is (value − center)/scale everywhere."""

    levels: ClassVar[tuple[Any, ...] | None] = None
    """The values in order, where there are finitely many: probabilities come in this order."""

    shares: ClassVar[tuple[float, ...]] = ()
    """Share of each level in the training rows, of labels."""

    unit: ClassVar[float] = 1.0
    """What a candidate's 1 is in the user's units."""

    log_unit: ClassVar[float] = 0.0
    """Logarithm of the encoded response's unit in the user's units, by which their log densities differ."""

    # From the user's column to numbers.

    @abstractmethod
    def read(self, y: Any, rows: int) -> tuple[Self, np.ndarray]:
        """The response with its name and labels, and the parsed values of all rows.

        Raises
        ------
        DataError
            If the values are none of this response.
        """

    @abstractmethod
    def values(self, y: Any, rows: int) -> np.ndarray:
        """Parse values as `read` parsed those of the fit."""

    @abstractmethod
    def learn(self, values: np.ndarray, train: np.ndarray) -> Self:
        """The response with what the training rows say of location, spread and ends.

        Parameters
        ----------
        values : parsed, of all rows.
        train : the rows to learn from.
        """

    def split(
        self, values: np.ndarray, fraction: float, random: np.random.RandomState
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows that train and rows that validate, drawn at random."""
        order = random.permutation(len(values))
        held_out = order[: max(1, round(fraction * len(order)))]
        return checked_split(np.setdiff1d(order, held_out), held_out)

    def must_train(self, values: np.ndarray) -> np.ndarray:
        """Positions of rows without which a value could not be learned: the first of every class."""
        return np.array([], int)

    # From numbers to the model and back.

    @property
    def components(self) -> "tuple[Response, ...]":
        """The responses that this one consists of."""
        return (self,)

    def some(self, chosen: Sequence[int]) -> "Response":
        """Some of the components: one by itself, or several."""
        return self.components[chosen[0]]

    @property
    @abstractmethod
    def variables(self) -> list[Variable]:
        """What the columns of a candidate are called."""

    @abstractmethod
    def space(self, nodes: int | None = None, refinements: int = 1) -> Space:
        """Where the encoded response lives.

        Parameters
        ----------
        nodes, refinements : of a quadrature, where there is one.
        """

    @abstractmethod
    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """Parsed values as the model takes them."""

    def locate(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        """Numbers of any shape in the user's units as encoded responses, the inverse of `restore`."""
        return self.encode(values, dtype)

    def at(self, y: Any, rows: int) -> np.ndarray:
        """Where in the space a distribution function is asked: the encoded responses."""
        return self.encode(self.values(y, rows))

    def exact(self, encoded: np.ndarray) -> np.ndarray:
        """In which rows the response itself was observed, and not only bounds on it."""
        return np.ones(len(encoded), bool)

    def log_units(self, encoded: np.ndarray) -> np.ndarray | float:
        """`log_unit` of each row, 0 where what was observed has a probability."""
        return self.log_unit

    def examine(self, distribution: Any) -> None:
        """Warn of what the fitted distribution at training rows says against the response; see `Predictive`."""

    @abstractmethod
    def restore(self, y: np.ndarray) -> np.ndarray:
        """Encoded responses in the user's units or labels."""

    @abstractmethod
    def mean(self, candidates: np.ndarray) -> np.ndarray:
        """The mean in the user's units from that of the candidates (n, m); of labels the most likely one."""

    def ends(self) -> tuple[float, float]:
        """Smallest and largest value in the user's units."""
        return -np.inf, np.inf

    # To a file and back.

    def to_json(self) -> dict[str, Any]:
        """Everything, as values of JSON."""
        return {"kind": self.short_name, **to_plain(asdict(self))}

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> Self:
        """Read what `to_json` wrote, without its kind."""
        return built(cls, from_plain(state))


def response_from_json(state: dict[str, Any]) -> Response:
    """Read what `to_json` of any registered response wrote."""
    state = dict(state)
    return RESPONSES[state.pop("kind")].from_json(state)


def as_response(response: Any) -> Response:
    """The response of one column, or one spelled by its short name.

    Raises
    ------
    OptionError
        If it is neither.
    """
    known = {name: kind for name, kind in RESPONSES.items() if not kind.several}
    if isinstance(response, str) and response in known:
        return known[response]()
    if isinstance(response, Response) and not response.several:
        return response
    spelled = ", ".join(f"bl.{kind.__name__}() or {name!r}" for name, kind in known.items())
    raise OptionError(f"response must be one of {spelled}; got {response!r}.")


def checked_split(train: np.ndarray, held_out: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The two parts, neither too small."""
    if len(train) < 2 or len(held_out) < 1:
        rows = len(train) + len(held_out)
        raise DataError(
            f"Training needs at least 2 rows and validation at least 1; a split of n_samples={rows} rows leaves "
            f"{len(train)} and {len(held_out)}. Add rows, change validation_fraction or pass validation_data."
        )
    return train, held_out


def stratified(
    codes: np.ndarray, count: int, fraction: float, random: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Validation takes its share of every class, and leaves every class a row that trains."""
    order = random.permutation(len(codes))
    members: Sequence[np.ndarray] = [order[codes[order] == code] for code in range(count)]
    held_out = np.concatenate([rows[: min(round(fraction * len(rows)), len(rows) - 1)] for rows in members])
    return checked_split(np.setdiff1d(order, held_out), held_out)
