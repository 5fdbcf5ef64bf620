"""What denoising score matching learns: a density wider than the data, and what that costs on Boston.

Width: 20,000 draws of a standard normal law, learned as a normal law (a linear utility and a squared equality) at
several σ. Boston: five 60/20/20 splits, the likelihood beside every σ and score matching, all with the same smooth
heads, scored by the held-out negative log-likelihood in nats on the standardised response.

    python experiments/denoising.py [--out experiments/results/denoising.md]
"""

import argparse
from pathlib import Path

import numpy as np

import behavior_learning as bl

SIGMAS = (0.1, 0.3, 0.6, 1.2)
NORMAL = {"layers": (1,), "degrees": ((1,), (), (1,))}
SMOOTH = ("tanh", "softplus(5)", "smooth_abs(0.2)")


def widths(sigmas: tuple[float, ...]) -> str:
    """The fitted standard deviation beside √(σ² + s²)."""
    y = np.random.default_rng(0).normal(size=20_000)
    lines = ["| σ | √(σ² + s²) | fitted width |", "|---|---|---|"]
    for sigma in sigmas:
        density = bl.BLDensity(
            objective=bl.DenoisingScoreMatching(sigma=sigma),
            heads=("identity", None, "square"),
            response={"y": bl.Numbers(support=(-12.0, 12.0))},
            penalty=bl.Penalty(l2=0.0),
            optimizer=bl.Adam(batch_size=1000),
            n_restarts=2,
            max_epochs=400,
            random_state=0,
            **NORMAL,
        ).fit(y)
        drawn = density.distribution().interval(0.6826895)[0]
        lines.append(f"| {sigma:g} | {np.hypot(sigma * y.std(), y.std()):.4f} | {np.diff(drawn)[0] / 2:.4f} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def boston(seeds: range) -> str:
    """Mean and standard deviation over splits of the held-out negative log-likelihood."""
    X, y = bl.datasets.load_boston()
    objectives = {"likelihood": {}} | {
        f"DSM, σ = {s:g}": {"objective": bl.DenoisingScoreMatching(sigma=s)} for s in SIGMAS
    }
    objectives |= {"DSM, default σ": {"objective": "dsm"}, "score matching": {"objective": "score_matching"}}
    lines = ["| objective | BL[2,1] | default layers |", "|---|---|---|"]
    for name, options in objectives.items():
        cells = []
        for layers in ((2, 1), None):
            losses = [loss(X, y, seed, layers, options) for seed in seeds]
            cells.append(f"{np.mean(losses):.3f} ± {np.std(losses, ddof=1):.3f}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    return "\n".join(lines)


def loss(X, y, seed: int, layers, options: dict) -> float:
    order = np.random.default_rng(seed).permutation(len(X))
    train, held_out, test = (X.index[rows] for rows in np.split(order, [int(0.6 * len(X)), int(0.8 * len(X))]))
    reg = bl.BLRegressor(layers=layers, heads=SMOOTH, random_state=seed, **options)
    reg.fit(X.loc[train], y.loc[train], validation_data=(X.loc[held_out], y.loc[held_out]))
    return -reg.log_density(X.loc[test], y.loc[test]).mean() - np.log(y.loc[train].std(ddof=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    parts = ["**Width**", widths((0.05, *SIGMAS)), "**Boston, held-out NLL**", boston(range(5))]
    if arguments.out:
        arguments.out.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
