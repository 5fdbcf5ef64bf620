"""A response that is defined outside the package: one frozen dataclass, and everything works."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.core.spaces import Finite
from behavior_learning.errors import DataError
from behavior_learning.responses import RESPONSES
from behavior_learning.responses.columns import response_values
from behavior_learning.symbolic.polynomials import Variable
from tests.responses import every


@dataclass(frozen=True)
class Stars(bl.Response):
    """Half stars from 0 to `most`."""

    most: float = 5.0

    short_name: ClassVar[str] = "stars"

    def read(self, y: Any, rows: int) -> tuple[Self, np.ndarray]:
        return replace(self, name=response_values(y, rows)[0]), self.values(y, rows)

    def values(self, y: Any, rows: int) -> np.ndarray:
        name, stars = response_values(y, rows)
        if not np.isin(stars, self.levels).all():
            raise DataError(f"The stars {name!r} must be halves from 0 to {self.most:g}. Round them.")
        return stars

    def learn(self, values: np.ndarray, train: np.ndarray) -> Self:
        return self

    @property
    def levels(self) -> tuple[float, ...]:  # pyright: ignore[reportIncompatibleVariableOverride]
        return tuple(np.arange(0, self.most + 0.25, 0.5).tolist())

    @property
    def variables(self) -> list[Variable]:
        return [Variable(self.name)]

    def space(self, nodes: int | None = None, refinements: int = 1) -> Finite:
        return Finite(np.array(self.levels, np.float32)[:, None])

    def encode(self, values: np.ndarray, dtype: type = np.float32) -> np.ndarray:
        return np.clip(np.round(2 * values), 0, 2 * self.most).astype(np.int32)

    def restore(self, y: np.ndarray) -> np.ndarray:
        return np.round(y) / 2

    def mean(self, candidates: np.ndarray) -> np.ndarray:
        return np.asarray(candidates[:, 0], float)

    def ends(self) -> tuple[float, float]:
        return 0.0, self.most


def stars(X: pd.DataFrame) -> pd.Series:
    return pd.Series(np.clip(np.round(2 * every.amount(X) + 4) / 2, 0, 5), name="stars")


@pytest.fixture(scope="module")
def example():
    bl.register_response(Stars)
    yield every.fit(bl.BLRegressor, "stars", stars)
    del RESPONSES["stars"]


@pytest.mark.parametrize("claim", every.QUICK, ids=lambda claim: claim.__name__)
def test_claim_holds(example, claim):
    claim(example)


def test_file_gives_the_same_answers(example, tmp_path):
    every.file_gives_the_same_answers(example, tmp_path / "model.bl")


@pytest.mark.slow
def test_report_is_written(example):
    every.report_is_written(example)


@pytest.mark.slow
def test_inference_reaches_the_optimum(example):
    every.inference_reaches_the_optimum(example)


def test_bad_values_are_refused_by_the_response_itself():
    with pytest.raises(DataError, match=r"must be halves from 0 to 5. Round them."):
        bl.BLRegressor(response=Stars()).fit([[0.0], [1.0]], [0.5, 0.7])
