"""Explanations of a learned model: its statements, and simplified problems with their fidelity."""

from dataclasses import replace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from scipy.special import softmax

from behavior_learning.core.spaces import MOST_DIMENSIONS, Quadrature
from behavior_learning.explanation.contributions import head_contributions
from behavior_learning.explanation.simplified import Fidelity, SimplifiedProblem, compare_utilities, simplify_problem
from behavior_learning.explanation.stability import Stability
from behavior_learning.explanation.statements import Explanation
from behavior_learning.explanation.words import explain_problem
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.learned.evaluate import by_rows
from behavior_learning.learned.model import LearnedModel, Rows, some_rows
from behavior_learning.options import check_count, check_returned
from behavior_learning.symbolic.evaluate import table_values
from behavior_learning.symbolic.facade import LearnedProblem

__all__ = ["contributions_of", "explain_model", "explained_values", "simplify_model"]

EXPLANATION_ROWS, SIMPLIFIED_ROWS = 1000, 5000
"""Rows on which a problem is explained, and simplified."""

DRAWS = 16
"""Responses of each row, at even levels of its distribution, over which movements are taken."""

CELLS = 2**20
"""Pairs of rows and candidates on which a simplified utility is compared."""

REFINEMENT = 4
"""Candidates to compare on, in multiples of those of training."""

OBSERVED = 64
"""Observed responses that stand for all where there are too many dimensions for quadrature."""

TOLERANCE = 0.1
"""Standard deviations of a number within which two most likely responses count as the same."""


def user_values(model: LearnedModel, x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    """Encoded columns of x (…, d) and of candidates y (…, m) by name, in the user's units."""
    pairs = [(model.encoder.variables, x), (model.response.variables, y)]
    return {v.name: v.center + v.scale * z[..., j] for variables, z in pairs for j, v in enumerate(variables)}


def row_values(model: LearnedModel, problem: LearnedProblem, rows: Rows) -> dict[str, np.ndarray]:
    """Every variable that the blocks of a problem read, curves included, at the observed response of encoded rows."""
    values = user_values(model, rows[0], model.candidates(rows[1]))
    return values | table_values(problem.blocks.values(), values)


def explained_values(model: LearnedModel, problem: LearnedProblem, rows: Rows) -> dict[str, np.ndarray]:
    """The same with draws of the response from p(y|x) along a last axis; blocks that see x alone have rows only."""
    if model.vector:
        return row_values(model, problem, rows)
    drawn = _drawn(model, rows)
    values = user_values(model, rows[0][:, None], drawn)
    flat = {name: np.broadcast_to(column, drawn.shape[:2]).ravel() for name, column in values.items()}
    read = flat | table_values(problem.blocks.values(), flat)
    return {name: column.reshape(drawn.shape[:2]) for name, column in read.items()}


def _drawn(model: LearnedModel, rows: Rows) -> np.ndarray:
    """Candidates (n, DRAWS, m) of each row at even levels of its mass, one candidate after the other."""
    if len(model.space.continuous) > MOST_DIMENSIONS:
        observed = model.candidates(some_rows(rows, OBSERVED)[1])[None].astype(np.float32)
        candidates = np.repeat(observed, len(rows[0]), axis=0)
        mass = softmax(by_rows(Gibbs.scaled, model.gibbs(), (rows[0].astype(np.float32), candidates)), axis=1)
    else:
        candidates, mass = by_rows(_masses, model.gibbs(), (rows[0].astype(np.float32),))
    levels = (np.arange(DRAWS) + 0.5) / DRAWS
    up_to = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
    at = np.minimum((up_to[:, :, None] < levels).sum(axis=1), mass.shape[1] - 1)
    return np.take_along_axis(candidates, at[..., None], axis=1).astype(float)


def _masses(p: Gibbs, x: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Candidates of each row, and the probability that each carries."""
    candidates, mass = p.space.quadrature(p.scaled, x).candidates, p.mass(x)
    return jnp.broadcast_to(candidates, (*mass.shape, candidates.shape[-1])), mass


def explain_model(model: LearnedModel, rows: Rows, stability: Stability | None = None) -> Explanation:
    """The statements of a learned model on rows of data; of a mean of networks of the first, to be read."""
    check_returned("stability", stability, Stability)
    read = model.member(0)
    problem = read.problem
    values = explained_values(read, problem, some_rows(rows, EXPLANATION_ROWS))
    original = set(problem.blocks) - set(model.block_names.values())
    found = explain_problem(problem, values, original=original, legend=model.legend)
    found = replace(found, members=model.members)
    if model.rows is not None and rows[0] is model.rows.x:
        found = replace(found, of=model.rows.of)
    return found if stability is None else found.with_frequencies(stability.frequencies, stability.by_column)


def contributions_of(model: LearnedModel, rows: Rows) -> pd.DataFrame:
    """What each head of the last layer adds to BL(x, y) − E[BL(x, Y)|x], columns (block, head)."""
    x, y = rows[0].astype(np.float32), model.candidates(rows[1]).astype(np.float32)
    return head_contributions(model.gibbs(), x, y).rename(columns=model.block_names, level="block")


def simplify_model(
    model: LearnedModel, rows: Rows, *, terms: int, digits: int, factor: bool, refit: bool
) -> SimplifiedProblem:
    """A simplified problem beside its fidelity."""
    terms, digits, problem = check_count("terms", terms), check_count("digits", digits), model.problem
    values = row_values(model, problem, some_rows(rows, SIMPLIFIED_ROWS))
    shown, closed, residuals = simplify_problem(problem, values, terms=terms, digits=digits, factor=factor, refit=refit)
    return SimplifiedProblem(shown, closed, residuals, fidelity(model, problem, closed, rows), digits)


def fidelity(model: LearnedModel, full: LearnedProblem, brief: LearnedProblem, rows: Rows) -> Fidelity:
    """Compare the utilities of two problems on the candidates of rows."""
    candidates, log_weights, rows = _candidates(model, rows)
    values = user_values(model, rows[0][:, None], candidates)
    shape = (len(rows[0]), candidates.shape[1])
    utilities = []
    for utility in (full.utility(values), brief.utility(values)):
        if not full.chooses:  # Of classes, by the class that each candidate is.
            utility = np.concatenate([np.broadcast_to(column, (shape[0], 1)) for column in utility.values()], axis=1)
        utilities.append(np.broadcast_to(utility, shape))
    probability = softmax(utilities[0] / model.temperature + log_weights, axis=1)
    best = [
        np.take_along_axis(np.broadcast_to(candidates, (*shape, candidates.shape[2])), at[:, None, None], 1)[:, 0]
        for at in (np.argmax(utility, axis=1) for utility in utilities)
    ]
    agree = np.all(np.abs(best[0] - best[1]) <= TOLERANCE, axis=1)
    numbers = any(not part.labelled for part in model.response.components)
    within = f" to within {TOLERANCE:g} standard deviations" if numbers else ""
    same = f"the same most likely {', '.join(part.name for part in model.response.components)}{within}"
    return compare_utilities(utilities[0], utilities[1], probability, agree, same)


def _candidates(model: LearnedModel, rows: Rows) -> tuple[np.ndarray, np.ndarray, Rows]:
    """Candidates (1 or n, k, m), the logarithm of what each stands for, and the rows they are compared on."""
    if len(model.space.continuous) > MOST_DIMENSIONS:
        observed = model.candidates(some_rows(rows, OBSERVED)[1])
        return observed[None], np.zeros((1, len(observed))), some_rows(rows, CELLS // OBSERVED)
    space = model.space.refined(REFINEMENT)
    rows = some_rows(rows, max(1, CELLS // space.size))
    rule = _rule(Gibbs(model.network, space, np.float32(model.temperature)), jnp.asarray(rows[0], jnp.float32))
    return np.asarray(rule.candidates, float), np.asarray(rule.log_weights, float), rows


@eqx.filter_jit
def _rule(distribution: Gibbs, x: jax.Array) -> Quadrature:
    return distribution.space.quadrature(distribution.scaled, x)
