"""What CONTRIBUTING.md shows works as it stands: a head, a basis, an objective and a response of one's own."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import behavior_learning as bl
from behavior_learning.core import heads
from behavior_learning.core.basis_families import BASES
from behavior_learning.errors import DataError
from behavior_learning.objectives import OBJECTIVES
from behavior_learning.responses import RESPONSES
from tests.core import test_heads as claims_about_heads
from tests.responses import every

GUIDE = Path(__file__).parents[1] / "CONTRIBUTING.md"

HEAD_CLAIMS = (
    claims_about_heads.test_name_selects_the_head_it_belongs_to,
    claims_about_heads.test_parity_is_what_the_function_does,
    claims_about_heads.test_degree_is_what_the_function_does,
    claims_about_heads.test_flippable_is_what_the_function_does,
    claims_about_heads.test_smoothness_is_how_often_the_derivative_is_continuous,
    claims_about_heads.test_equality_head_is_symmetric_and_zero_only_at_zero,
    claims_about_heads.test_gradient_is_finite_in_single_precision_far_from_zero,
)


@pytest.fixture(scope="module")
def own():
    """The names that the guide defines."""
    registries = (heads._HEADS, BASES, OBJECTIVES, RESPONSES)
    before = [dict(registry) for registry in registries]
    names = {}
    for block in re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.S):
        exec(block, names)
    yield names
    for registry, kinds in zip(registries, before, strict=True):
        registry.clear()
        registry.update(kinds)


@pytest.fixture(scope="module")
def example(own):
    """A fit with all of them at once."""
    X = every.columns()
    y = pd.Series(1 / (1 + np.exp(-every.amount(X))), name="share")
    options = {name: value for name, value in every.OPTIONS.items() if name not in ("layers", "heads")}
    return every.Example(own["reg"].set_params(**options).fit(X, y), X, y)


@pytest.mark.parametrize("claim", HEAD_CLAIMS, ids=lambda claim: claim.__name__.removeprefix("test_"))
def test_claim_about_heads_holds(own, claim, float64):
    claim(own["LogCosh"]())


@pytest.mark.parametrize("claim", every.QUICK, ids=lambda claim: claim.__name__)
def test_claim_about_responses_holds(example, claim):
    claim(example)


def test_file_gives_the_same_answers(example, tmp_path):
    every.file_gives_the_same_answers(example, tmp_path / "own.bl")
    loaded = bl.load(tmp_path / "own.bl")
    assert [type(part).__name__ for part in (loaded.model_.objective, loaded.model_.response)] == [
        "DensityPower",
        "Shares",
    ]


def test_problem_is_printed_with_the_head(example):
    problem = example.estimator.problem_
    assert "log(cosh(" in problem.text()
    assert r"\cosh" in problem.to_latex()
    assert "cosh" in str(problem.to_sympy())


def test_report_is_written(example):
    every.report_is_written(example)


def test_inference_reaches_the_optimum(example):
    every.inference_reaches_the_optimum(example)


def test_objective_tends_to_the_likelihood(own, example):
    """(1 + 1/β)(1 − p^β) → −log p, and the integral of p^{1+β} → 1."""
    import jax.numpy as jnp

    model = example.estimator.model_
    rows = tuple(map(jnp.asarray, (example.X.to_numpy(np.float32), model.responses(example.y, len(example.y)))))
    small, exact = (kind.on(model.space) for kind in (own["DensityPower"](beta=1e-3), bl.Likelihood()))
    gap = np.asarray(small(model.network, *rows)) + 1 / 1e-3 - np.asarray(exact(model.network, *rows))
    assert np.std(gap) < 0.02 * np.std(exact(model.network, *rows))


def test_values_outside_are_refused(own):
    with pytest.raises(DataError, match=r"between 0 and 1; row 1 of 'y' is 40\. Divide"):
        bl.BLRegressor(response="shares").fit([[0.0], [1.0]] * 5, [0.5, 40.0] * 5)
