"""Do reported effects hold: over seeds, over refits, over replications, and what explanations and brief problems say.

    python experiments/effects.py --part seeds      # one sign in 5 of 5 seeds where |z| > 2, cosine between refits
    python experiments/effects.py --part coverage   # 95 % intervals of average effects, a BL truth and a hard maximiser
    python experiments/effects.py --part noise      # explanations on additive truths name no noise column
    python experiments/effects.py --part brief      # BL(Single) on Boston in at most 12 terms
    python experiments/effects.py --part optimum    # a fitted BL[2,1] as the truth: is a refit's training loss below it
    python experiments/effects.py --part pruned     # stability of a pruned model, and an outer loop written by hand

Data are read from ``../shared/data`` beside the project, but for Boston, which the package has.
"""

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import behavior_learning as bl
from behavior_learning.explanation.stability import compare_refits

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
MODELS = {"BL[2,1]": {"layers": (2, 1)}, "default": {}}
SMOOTH = {"layers": (1,), "identifiable": True, "n_restarts": 4}
TARGETS = {"concrete_strength": "Concrete compressive strength", "auto_mpg": "mpg"}
KEPT = 0.15
"""Share of the strongest column's movement from which a column is kept in an explanation."""


def tables(small: bool) -> Iterator[tuple[str, pd.DataFrame, pd.Series]]:
    """Boston, concrete and auto MPG."""
    yield "boston", *bl.datasets.load_boston()
    if not small:
        for name in ("concrete_strength", "auto_mpg"):
            table = pd.read_parquet(DATA / f"{name}.parquet").dropna().select_dtypes("number")
            target = TARGETS[name]
            yield name, table.drop(columns=target), table[target].astype(float)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def of_seeds(name: str, X: pd.DataFrame, y: pd.Series, options: dict, seeds: int, refits: int) -> dict[str, object]:
    """Signs over seeds of the effects that one of them reports with |z| > 2, and cosines between its refits."""
    fits = [bl.BLRegressor(random_state=seed, **options).fit(X, y) for seed in range(seeds)]
    signs = np.sign([fit.effects(std_errors="none").table()["estimate"] for fit in fits])
    reference = fits[0].effects(std_errors="bootstrap", n_refits=refits)
    table = reference.table(standardized=True)
    reported = table["z"].abs().to_numpy() > 2
    one_sign = np.abs(signs.sum(axis=0)) == seeds
    answer = reference.estimator.errors
    vectors = [average(reference, answer, network) for network in answer.networks]
    cosines = [cosine(a, b) for i, a in enumerate(vectors) for b in vectors[:i]]
    return {
        "table": name,
        "reported": int(reported.sum()),
        "of": len(table),
        "one sign": int((one_sign & reported).sum()),
        "cosine, mean": float(np.mean(cosines)),
        "cosine, least": float(np.min(cosines)),
    }


def average(effects, answer, network) -> np.ndarray:
    """Standardised average effects of one refit."""
    moved = replace(effects, estimator=type(answer)(network, (network,) * 2))
    return moved.table(standardized=True)["estimate"].to_numpy()


def seeds(arguments: argparse.Namespace) -> None:
    lines = [
        {"model": label, **of_seeds(name, X, y, MODELS[label], arguments.seeds, arguments.refits)}
        for name, X, y in tables(arguments.small)
        for label in arguments.models
    ]
    print(pd.DataFrame(lines).to_string(index=False))


def hard_maximiser(x: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """argmax over y of min(2 + x₁, 3) y − y²/2 with y ≤ 3 + x₂, smoothed by nothing, plus noise."""
    best = np.minimum(np.minimum(2 + x[:, 0], 3.0), 3 + x[:, 1])
    return best if rng is None else best + 0.5 * rng.normal(size=len(x))


def true_effects(x: np.ndarray) -> np.ndarray:
    step = 1e-5 * np.eye(2)
    rises = [hard_maximiser(x + h, None) - hard_maximiser(x - h, None) for h in step]
    return np.mean(rises, axis=1) / 2e-5


def coverage(arguments: argparse.Namespace) -> None:
    """Intervals at 500 rows, by the delta method at the optimum of an identifiable BL."""
    rng = np.random.default_rng(0)
    names = ["a", "b"]
    base = pd.DataFrame(rng.normal(size=(arguments.rows, 2)), columns=names)
    start = base["a"] - 0.5 * base["b"] + 0.4 * rng.normal(size=arguments.rows)
    truth = bl.BLRegressor(random_state=0, **SMOOTH).fit(base, start.rename("y"))
    inside: dict[str, list[np.ndarray]] = {"a BL": [], "a hard maximiser": []}
    for number in range(arguments.replications):
        own = np.random.default_rng([1, number])
        X = pd.DataFrame(own.normal(size=(arguments.rows, 2)), columns=names)
        known = truth.effects(X, std_errors="none").table()["estimate"]
        drawn = {
            "a BL": (truth.sample(X, random_state=number)[:, 0], known),
            "a hard maximiser": (hard_maximiser(X.to_numpy(), own), true_effects(X.to_numpy())),
        }
        for name, (y, effects) in drawn.items():
            model = bl.BLRegressor(random_state=number, **SMOOTH).fit(X, pd.Series(y, name="y"))
            table = model.effects(inference=model.inference(n_restarts=0, l2=arguments.l2)).table()
            inside[name].append(((table["lower"] <= effects) & (effects <= table["upper"])).to_numpy())
    for name, hits in inside.items():
        share = np.mean(hits)
        error = np.sqrt(share * (1 - share) / np.size(hits))
        print(f"{name}: {share:.1%} ± {error:.1%} of {np.size(hits)} intervals, {arguments.replications} replications")


def noise(arguments: argparse.Namespace) -> None:
    """Sets of y = sum of effects of two columns, beside four columns of noise; which an explanation keeps."""
    kept = 0
    for number in range(arguments.replications):
        rng = np.random.default_rng([2, number])
        X = pd.DataFrame(rng.normal(size=(arguments.rows, 6)), columns=["a", "b", *(f"noise{i}" for i in range(4))])
        slope = rng.uniform(0.7, 1.3, 2)
        y = slope[0] * X["a"] - slope[1] * np.abs(X["b"]) + 0.4 * rng.normal(size=len(X))
        model = bl.BLRegressor(layers=(2,), random_state=number).fit(X, y.rename("y"))
        said = [s for s in model.explain().said if s.head != "output" and not s.faint]
        named = {n for s in said for n, v in s.strengths.items() if v * s.share >= KEPT * max(s.strengths.values())}
        kept += any(name.startswith("noise") for name in named)
    print(f"a noise column is kept in {kept} of {arguments.replications} sets")


def brief(arguments: argparse.Namespace) -> None:
    """BL(Single) on Boston: its strongest terms, and a simplified problem of at most 12 terms."""
    X, y = bl.datasets.load_boston()
    model = bl.BLRegressor(degrees=((2,), (2,), (2,)), random_state=0).fit(X, y)
    terms = model.explain().to_terms().query("head != 'output'").groupby("head").head(5)
    print(terms.to_string(index=False))
    for count in (3, 4):
        found = model.simplified(terms=count)
        print(f"{3 * count} terms: R² {found.fidelity.r2:.3f} of the utility, functions of x off")


def optimum(arguments: argparse.Namespace) -> None:
    """The fit to Boston as the truth, 4,000 rows of it: training losses of the truth and of a refit, in nats."""
    X, y = bl.datasets.load_boston()
    truth = bl.BLRegressor(layers=(2, 1), random_state=0).fit(X, y)
    below = []
    for number in range(arguments.replications):
        rows = np.random.default_rng([3, number]).integers(len(X), size=4000)
        own = X.iloc[rows].reset_index(drop=True)
        drawn = pd.Series(truth.sample(own, random_state=number)[:, 0], name=y.name)
        model = bl.BLRegressor(layers=(2, 1), random_state=number).fit(own, drawn)
        train = ~model.model_.rows.held_out
        gap = np.mean(truth.distribution(own[train]).log_prob(drawn[train]))
        gap -= np.mean(model.distribution(own[train]).log_prob(drawn[train]))
        below.append(gap <= 0)
        print(f"set {number}: training loss {gap:+.4f} nats from the truth's, l2_ {model.l2_}", flush=True)
    print(f"not above the truth's in {sum(below)} of {len(below)}")


def pruned(arguments: argparse.Namespace) -> None:
    """Recurrence of statements of a pruned BL(1): by the library, and by fitting and pruning on the samples by hand."""
    X, y = bl.datasets.load_boston()
    X = X[["RM", "LSTAT", "PTRATIO", "CHAS"]]
    options = {"layers": (1,), "n_restarts": 2, "max_epochs": 150}
    model = bl.BLRegressor(random_state=0, **options).fit(X, y).prune(tolerance=0.05, max_epochs=25)
    found = model.stability(n=arguments.refits, kind="bootstrap")
    reference, by_hand = model.explain(), []
    for number in range(arguments.refits):
        rows = np.random.default_rng([4, number]).integers(len(X), size=len(X))
        again = bl.BLRegressor(random_state=number, **options).fit(X.iloc[rows], y.iloc[rows])
        by_hand.append(again.prune(tolerance=0.05, max_epochs=25).explain(X, y))
    outer = compare_refits(reference, by_hand, "bootstrap")
    frame = pd.DataFrame({"library": found.frequencies, "by hand": outer.frequencies})
    print(frame.to_string(float_format="%.2f"))
    shares = frame.mean()
    error = np.sqrt((shares * (1 - shares)).sum() / arguments.refits)
    print(f"on average {shares['library']:.2f} and {shares['by hand']:.2f}, standard error {error:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"seeds": seeds, "coverage": coverage, "noise": noise, "brief": brief}
    parts |= {"optimum": optimum, "pruned": pruned}
    parser.add_argument("--part", choices=list(parts), required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--refits", type=int, default=20)
    parser.add_argument("--replications", type=int, default=50)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--l2", type=float, default=0.1)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--small", action="store_true", help="Boston alone")
    arguments = parser.parse_args()
    parts[arguments.part](arguments)


if __name__ == "__main__":
    main()
