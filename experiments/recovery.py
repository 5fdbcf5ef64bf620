"""Recovery of known laws from 5,000 draws, by each objective.

The plane: a mixture of three normal laws, learned without x. The problem: one block with a tanh utility, a softplus
inequality and a squared equality in two inputs, whose Gibbs law is drawn from and learned again by a model of its own
shape and by the default one. For each fit: the Kullback-Leibler divergence from the truth, by quadrature, and the
energy distance of 50,000 draws from five second samples of the truth, beside the sampling floor, which is the distance
of the training sample itself from them.

    python experiments/recovery.py [--out experiments/results/recovery.md]
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.spatial.distance import cdist, pdist
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

import behavior_learning as bl

DRAWS, SECOND_SAMPLES, MODEL_DRAWS = 5000, 5, 50_000
OBJECTIVES = {
    "likelihood": {"objective": "likelihood"},
    "denoising score matching, σ = 0.1": {"objective": bl.DenoisingScoreMatching(sigma=0.1)},
    "denoising score matching, σ = 0.3": {"objective": bl.DenoisingScoreMatching(sigma=0.3)},
    "denoising score matching, σ from 1 to 0.1": {"objective": bl.DenoisingScoreMatching(sigma=(1.0, 0.3, 0.1))},
    "score matching": {"objective": "score_matching"},
}


class Mixture:
    """Three normal laws in the plane, one of them narrow and correlated."""

    weights = np.array([0.5, 0.3, 0.2])
    laws = (
        multivariate_normal([-1.5, 0.0], [[0.3, 0.0], [0.0, 0.6]]),
        multivariate_normal([1.2, 1.0], [[0.3, 0.2], [0.2, 0.3]]),
        multivariate_normal([1.0, -1.5], [[0.15, 0.0], [0.0, 0.15]]),
    )

    def sample(self, rng: np.random.Generator, n: int) -> pd.DataFrame:
        which = rng.choice(3, size=n, p=self.weights)
        drawn = np.stack([law.rvs(n, random_state=rng) for law in self.laws])
        return pd.DataFrame(drawn[which, np.arange(n)], columns=["a", "b"])

    def log_density(self, y: np.ndarray) -> np.ndarray:
        parts = [np.log(w) + law.logpdf(y) for w, law in zip(self.weights, self.laws, strict=True)]
        return logsumexp(parts, axis=0)


class Problem:
    """maximise 2·tanh(u) subject to c ≤ 0 and t = 0, in two inputs and one response on [-4, 4]."""

    grid = np.linspace(-4, 4, 4001)

    def utility(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        u = 1.2 * y - 0.8 * x[:, :1]
        c = 0.9 * y - 0.7 * x[:, :1] - 0.6 * x[:, 1:] - 0.3
        t = y - 0.5 * x[:, :1] + 0.9 * x[:, 1:]
        return 2.0 * np.tanh(u) - 1.5 * np.logaddexp(0, c) - 1.0 * t**2

    def log_density(self, x: np.ndarray) -> np.ndarray:
        utility = self.utility(x, self.grid[None])
        return utility - np.log(np.trapezoid(np.exp(utility), self.grid, axis=1))[:, None]

    def sample(self, rng: np.random.Generator, n: int) -> pd.DataFrame:
        x = rng.normal(size=(n, 2))
        mass = np.exp(self.log_density(x))
        cumulative = np.cumsum(mass, axis=1) / mass.sum(axis=1, keepdims=True)
        at = (cumulative < rng.uniform(size=(n, 1))).sum(axis=1)
        return pd.DataFrame({"x1": x[:, 0], "x2": x[:, 1], "y": self.grid[np.minimum(at, len(self.grid) - 1)]})


def energy_distance(a: np.ndarray, b: np.ndarray, within_b: float) -> float:
    """2E‖A − B‖ − E‖A − A′‖ − E‖B − B′‖ of two samples (V-statistics)."""
    across = np.mean([cdist(part, b).mean() for part in np.array_split(a, max(1, len(a) // DRAWS))])
    return 2 * across - within(a) - within_b


def within(a: np.ndarray) -> float:
    """E‖A − A′‖ of a sample, each point beside itself too; of a large one by blocks of independent pairs."""
    if len(a) <= DRAWS:
        return 2 * pdist(a).sum() / len(a) ** 2
    blocks = np.array_split(a, len(a) // DRAWS)
    pairs = [cdist(first, second).mean() for first, second in zip(blocks, blocks[1:] + blocks[:1], strict=True)]
    return float(np.mean(pairs)) * (1 - 1 / len(a))


def distances(model: np.ndarray, train: np.ndarray, seconds: list[np.ndarray]) -> tuple[float, float]:
    """Mean energy distance of the model's draws and of the training sample from second samples of the truth."""
    spreads = [within(second) for second in seconds]
    mean = lambda sample: np.mean([energy_distance(sample, s, w) for s, w in zip(seconds, spreads, strict=True)])
    return float(mean(model)), float(mean(train))


def plane(options: dict, seed: int) -> tuple[float, float, float]:
    """Kullback-Leibler divergence, energy distance and floor of a density learned without x."""
    truth, rng = Mixture(), np.random.default_rng(seed)
    train = truth.sample(rng, DRAWS)
    seconds = [truth.sample(rng, DRAWS).to_numpy() for _ in range(SECOND_SAMPLES)]
    density = bl.BLDensity(random_state=seed, n_restarts=2, **options).fit(train)
    check = truth.sample(rng, MODEL_DRAWS)
    divergence = np.mean(truth.log_density(check.to_numpy()) - density.log_density(check))
    drawn = density.sample(MODEL_DRAWS, random_state=seed).to_numpy()
    return divergence, *distances(drawn, train.to_numpy(), seconds)


def problem(options: dict, seed: int) -> tuple[float, float, float]:
    """The same for a response given x: divergence over y averaged over x, distances of (x, y)."""
    truth, rng = Problem(), np.random.default_rng(seed)
    train = truth.sample(rng, DRAWS)
    seconds = [truth.sample(rng, DRAWS).to_numpy() for _ in range(SECOND_SAMPLES)]
    shape = {
        "heads": ("tanh", "softplus", "square"),
        "response": bl.Numbers(support=(-4.0, 4.0)),
        "penalty": bl.Penalty(l2=1.0),
    }
    reg = bl.BLRegressor(random_state=seed, **shape, **options).fit(train[["x1", "x2"]], train["y"])
    check = truth.sample(rng, DRAWS)
    x = check[["x1", "x2"]].to_numpy()
    at = np.array([np.interp(y, truth.grid, row) for y, row in zip(check["y"], truth.log_density(x), strict=True)])
    divergence = np.mean(at - reg.log_density(check[["x1", "x2"]], check["y"]))
    inputs = pd.concat([truth.sample(rng, DRAWS)[["x1", "x2"]] for _ in range(MODEL_DRAWS // DRAWS)])
    drawn = np.column_stack([inputs, reg.sample(inputs, 1, random_state=seed)[:, 0]])
    return divergence, *distances(drawn, train.to_numpy(), seconds)


def table(rows: list[tuple[str, str, float, float, float]]) -> str:
    lines = [
        "| truth | objective | KL divergence (nats) | energy distance | sampling floor | ratio |",
        "|---|---|---|---|---|---|",
    ]
    lines += [f"| {t} | {o} | {kl:.4f} | {d:.5f} | {f:.5f} | {d / f:.2f} |" for t, o, kl, d, f in rows]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rows = []
    cases = {
        "mixture in the plane": lambda options, seed: plane(options | {"penalty": bl.Penalty(l2=1.0)}, seed),
        "problem, model of its shape": lambda options, seed: problem(options | {"layers": (1,)}, seed),
        "problem, default layers": problem,
    }
    for truth, learn in cases.items():
        for name, options in OBJECTIVES.items():
            rows.append((truth, name, *learn(options, arguments.seed)))
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    if arguments.out:
        arguments.out.write_text(table(rows) + "\n")


if __name__ == "__main__":
    main()
