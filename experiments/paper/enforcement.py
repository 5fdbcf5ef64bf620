"""Constraint enforcement in 64 dimensions (Section 3.4, Figure 6), with a closed form beside every number.

BL(x, y) = −λT², T = ‖y‖² − ‖x‖², 512 chains with an x each, 1500 steps of which 500 are burn-in. Four samplers for
every (λ, τ): MALA with an adapted step; the unadjusted update at the paper's step η = 1e-4 with the correct noise
√(2η); the paper's own update, noise √(2ητ), which samples exp(BL/τ²); and the unadjusted update with an adapted step.

By symmetry s = ‖y‖² has density ∝ s^(d/2−1) exp{−λ(s − ‖x‖²)²/τ}: mean, 95th percentile and P(|T| ≤ 0.1) are
one-dimensional integrals, averaged over the same 512 values of x. Where −log p has curvature H = 8λ‖x‖²/τ across the
constraint, an unadjusted step needs ηH < 2 and inflates the variance of T by 1/(1 − ηH/2).
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib as mpl
import numpy as np
import pandas as pd
from experiments.paper.records import RESULTS, Case, write
from matplotlib.figure import Figure

from behavior_learning.gibbs.enforcement import ADAPTED, Enforcement, enforce, violation
from behavior_learning.gibbs.kernels import Langevin

SECTION = "enforcement"
DIMENSION, CHAINS, BURN_IN, KEPT, THIN = 64, 512, 500, 50, 20
STEP = 1e-4
TEMPERATURES = (2.0, 1.0, 0.5, 0.25, 0.1, 0.05, 0.02, 0.01, 0.005)
MULTIPLIERS = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 200.0, 500.0)
SETTINGS = [("τ", 25.0, temperature) for temperature in TEMPERATURES] + [("λ", m, 0.05) for m in MULTIPLIERS]


def energy(squared_norms: jax.Array):
    """T(x, y) = ‖y‖² − ‖x‖² for rows with a ‖x‖² each."""
    return jax.tree_util.Partial(_residual, squared_norms)


def _residual(squared_norms, y):
    return jnp.sum(y**2, axis=-1) - squared_norms[:, None]


def exact_violation(
    squared_norms: np.ndarray, multiplier: float, temperature: float, *, dimension: int = DIMENSION, tolerance=0.1
) -> tuple[float, float, float]:
    """E|T|, its 95th percentile and P(|T| ≤ tolerance) under exp{−λT²/τ}, averaged over the given ‖x‖²."""
    if multiplier == 0:
        return np.inf, np.inf, 0.0
    center, width = squared_norms[:, None], np.sqrt(temperature / (2 * multiplier))
    reach = np.linspace(-12, 12, 4001) * width * np.sqrt(1 + (dimension / 2 / squared_norms.min() * width) ** 2)
    s = np.maximum(center + reach, np.finfo(float).tiny)
    log_density = (dimension / 2 - 1) * np.log(s) - (reach / width) ** 2 / 2
    mass = np.exp(log_density - log_density.max(axis=1, keepdims=True))
    mass = (mass / mass.sum(axis=1, keepdims=True)).mean(axis=0)
    order = np.argsort(np.abs(reach))
    size, cumulative = np.abs(reach)[order], np.cumsum(mass[order])
    percentile, feasible = np.interp(0.95, cumulative, size), np.interp(tolerance, size, cumulative)
    return float(np.abs(reach) @ mass), float(percentile), float(feasible)


def wandering(squared_norms: np.ndarray, starts: np.ndarray, variance: float) -> tuple[float, float, float]:
    """The same three numbers for y = start + N(0, variance), what is left at λ = 0 where no density exists."""
    noise = np.random.default_rng(1).normal(size=(20, *starts.shape)) * np.sqrt(variance)
    return tuple(map(float, violation(((np.sum((starts + noise) ** 2, axis=-1)) - squared_norms).ravel())))


SAMPLERS = {
    "MALA, adapted step": (ADAPTED, None),
    "unadjusted, adapted step": (Langevin(adjusted=False, preconditioned=False, target_acceptance=0.95), None),
    "unadjusted, η = 1e-4": (Langevin(adjusted=False), STEP),
    "paper's update, η = 1e-4": (Langevin(adjusted=False), STEP),
}
"""A method and a step size, None where it is adapted."""


def run(seed: int = 0, chains: int = CHAINS) -> pd.DataFrame:
    """Every sampler at every setting that has a density for it; a row of the table for each."""
    for_x, for_start, for_chains = jax.random.split(jax.random.key(seed), 3)
    squared_norms = jnp.sum(jax.random.normal(for_x, (chains, DIMENSION)) ** 2, axis=1)
    starts = jax.random.normal(for_start, (chains, 1, DIMENSION))
    rows = []
    for name, (method, step) in SAMPLERS.items():
        settings = [setting for setting in SETTINGS if setting[1] > 0 or step is not None]
        _, multiplier, temperature = (np.array(column) for column in zip(*settings, strict=True))
        if name.startswith("paper"):
            theta = jnp.repeat(jnp.asarray(temperature, jnp.float32), chains)
            method = Langevin(adjusted=False, noise_temperature=theta)
        result = enforce(
            energy(squared_norms), starts, for_chains, multiplier=multiplier, temperature=temperature,
            method=method, step_size=step, draws=KEPT, thin=THIN, warmup=BURN_IN, checked=step is None,
        )  # fmt: skip
        norms, begun = np.asarray(squared_norms, float), np.asarray(starts[:, 0], float)
        rows += [row(name, i, result, norms, begun) for i in range(len(settings))]
    table = pd.DataFrame(rows)
    table.insert(0, "sweep", np.where(table["λ"] == 25, "τ", "λ"))
    return table.sort_values(["sweep", "λ"], ascending=[False, True], kind="stable")


def row(name: str, i: int, result: Enforcement, squared_norms: np.ndarray, starts: np.ndarray) -> dict:
    """One setting of one sampler beside the closed form of the law that the sampler is meant for."""
    multiplier, temperature = result.multiplier[i], result.temperature[i]
    theta = temperature if name.startswith("paper") else 1.0
    if multiplier > 0:
        exact = exact_violation(squared_norms, multiplier, temperature * theta)
    else:
        exact = wandering(squared_norms, starts, 2 * STEP * theta * (BURN_IN + KEPT * THIN))
    diverged = float(np.mean(~np.isfinite(result.residual[i]).all(axis=-1)))
    mean, percentile, feasible = (float(value[i]) if diverged == 0 else np.nan for value in result.violations)
    end, step = np.abs(result.residual[i, ..., -1]), float(np.median(result.step_size[i]))
    return {
        "λ": multiplier, "τ": temperature, "sampler": name, "diverged": diverged,
        "η": step, "ηH": step * 8 * multiplier * DIMENSION / temperature, "acceptance": result.acceptance[i].mean(),
        "mean": mean, "mean exact": exact[0], "mean s.e.": np.std(end) / np.sqrt(end.size) if diverged == 0 else np.nan,
        "p95": percentile, "p95 exact": exact[1], "P(|T|<=0.1)": feasible, "P exact": exact[2],
    }  # fmt: skip


def introduction(table: pd.DataFrame) -> str:
    mala = table[table["sampler"] == "MALA, adapted step"]
    worst = ((mala["mean"] - mala["mean exact"]).abs() / mala["mean s.e."]).max()
    return f"""# Constraint enforcement in {DIMENSION} dimensions (Section 3.4, Figure 6)

Cells are the mean of |T|, its 95th percentile, and P(|T| ≤ 0.1), from the final states of {CHAINS} chains after
{BURN_IN + KEPT * THIN} steps. H = 8λd/τ is the curvature across the constraint; an unadjusted step is stable where
ηH < 2, and inflates the variance of T by 1/(1 − ηH/2). The paper's update, noise √(2ητ) with drift ∇BL/τ, is meant for
exp(BL/τ²), so it stands beside that law. Means by MALA lie within {worst:.1f} standard errors of the closed form."""


def markdown(table: pd.DataFrame) -> str:
    """One line per setting: the closed form, MALA, and both updates at the paper's step."""
    lines = [
        "| λ | τ | ηH at η = 1e-4 | exact exp(BL/τ) | MALA | unadjusted, η = 1e-4 | exact exp(BL/τ²) | paper's update, η = 1e-4 |",  # noqa: E501
        "|---|---|---|---|---|---|---|---|",
    ]
    for (_, multiplier, temperature), rows in table.groupby(["sweep", "λ", "τ"], sort=False):
        by = rows.set_index("sampler")
        unadjusted, paper = by.loc["unadjusted, η = 1e-4"], by.loc["paper's update, η = 1e-4"]
        mala = reached(by.loc["MALA, adapted step"]) if multiplier > 0 else "no density"
        cells = [f"{multiplier:g}", f"{temperature:g}", f"{unadjusted['ηH']:.3g}", exact(unadjusted), mala,
                 reached(unadjusted), exact(paper), reached(paper)]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def exact(row: pd.Series) -> str:
    return f"{row['mean exact']:.3g} / {row['p95 exact']:.3g} / {row['P exact']:.3f}"


def reached(row: pd.Series) -> str:
    if row["diverged"] > 0:
        return f"{100 * row['diverged']:.3g} % of chains diverge"
    return f"{row['mean']:.3g} / {row['p95']:.3g} / {row['P(|T|<=0.1)']:.3f}"


def figure(table: pd.DataFrame, file: Path) -> None:
    """Figure 6: violations against τ and against λ, points drawn and lines exact."""
    drawn = table[table["sampler"] == "MALA, adapted step"]
    drawing = Figure(figsize=(10, 4), layout="constrained")
    axes = drawing.subplots(1, 2)
    for ax, sweep, fixed in zip(axes, ("τ", "λ"), ("λ = 25", "τ = 0.05"), strict=True):
        rows = drawn[drawn["sweep"] == sweep].sort_values(sweep)
        for color, column in zip(("C0", "C1", "C2"), ("mean", "p95", "P(|T|<=0.1)"), strict=True):
            closed = rows["P exact" if column.startswith("P") else f"{column} exact"]
            ax.plot(rows[sweep], closed, color=color, label=f"{column}, closed form")
            ax.plot(rows[sweep], rows[column], "o", color=color, label=f"{column}, MALA")
        ax.set(xscale="log", yscale="log", xlabel=sweep, ylabel="|T|, or probability", title=fixed)
    axes[1].legend(loc=(0.5, 0.52))
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": SECTION}):
        drawing.savefig(file, metadata={"Date": None})


def cases(data: Sequence[str] | None, models: Sequence[str] | None, seeds: Sequence[int] | None) -> Iterator[Case]:
    for seed in seeds or (0,):
        yield Case(SECTION, "norms", "four samplers", seed, {"chains": CHAINS, "dimension": DIMENSION})


def measure(case: Case) -> dict[str, Any]:
    """A line per sampler and setting; what is not finite is None."""
    table = run(case.seed, case.settings["chains"]).replace([np.inf, -np.inf], np.nan)
    return {"settings": table.astype(object).where(table.notna(), None).to_dict("records")}


def render() -> None:
    path = next(iter(cases(None, None, None))).path
    if not path.exists():
        return
    lines = json.loads(path.read_text(encoding="utf-8"))["measured"]["settings"]
    table = pd.DataFrame(lines).fillna(np.nan)
    figure(table, RESULTS / f"{SECTION}.svg")
    write(SECTION, f"{introduction(table)}\n\n{markdown(table)}\n\n![Violations against τ and λ]({SECTION}.svg)")
