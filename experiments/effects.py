"""Do reported effects hold: over seeds, over refits, over replications, and what explanations and brief problems say.

    python experiments/effects.py --part seeds      # one sign in 5 of 5 seeds where |z| > 2, cosine between refits
    python experiments/effects.py --part coverage   # 95 % intervals of average effects, a BL truth and a hard maximiser
    python experiments/effects.py --part noise      # explanations on additive truths name no noise column
    python experiments/effects.py --part brief      # BL(Single) on Boston in at most 12 terms
    python experiments/effects.py --part optimum    # a fitted BL[2,1] as the truth: is a refit's training loss below it
    python experiments/effects.py --part mroz --mroz FILE  # a report with inference shows one λ for a row
    python experiments/effects.py --part pruned     # stability of a pruned model, and an outer loop written by hand

Every replication is a line of ``results/effects/PART.csv``, written as it ends; those on file are not run again, so
that ``--minutes 4`` several times gives what one long run gives. Data are read from ``../shared/data`` beside the
project, but for Boston, which the package has.
"""

import argparse
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from time import monotonic

import numpy as np
import pandas as pd

import behavior_learning as bl
from behavior_learning.explanation.effects import Effects
from behavior_learning.explanation.quantities import Number, make_quantity
from behavior_learning.explanation.stability import compare_refits
from behavior_learning.learned.effects import Errors, axes_of, effects_of
from behavior_learning.learned.explain import fidelity
from behavior_learning.learned.refits import refits
from behavior_learning.symbolic.text import format_number

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
RESULTS = Path(__file__).resolve().parent / "results" / "effects"
MODELS = {
    "BL[2,1]": {"layers": (2, 1)},
    "default": {},
    "BL[2,1],_mean_of_4": {"layers": (2, 1), "average": True},
}
SMOOTH = {"layers": (1,), "identifiable": True, "n_restarts": 4}
TARGETS = {"concrete_strength": "Concrete compressive strength", "auto_mpg": "mpg"}
TERMS = 12
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


def replicated(
    name: str, keys: Iterable[tuple], run: Callable[..., Iterable[dict]], arguments: argparse.Namespace
) -> pd.DataFrame:
    """The lines of every key, such as (set,): read from the file of this part, or run and written there."""
    path, end = RESULTS / f"{name}.csv", monotonic() + 60 * arguments.minutes
    RESULTS.mkdir(parents=True, exist_ok=True)
    keys = list(keys)
    known = pd.read_csv(path) if path.exists() else pd.DataFrame()
    done = {tuple(line) for line in known.iloc[:, : len(keys[0])].itertuples(index=False)}
    for key in keys:
        if key in done or monotonic() > end:
            continue
        lines = pd.DataFrame([{**{f"key{i}": part for i, part in enumerate(key)}, **line} for line in run(*key)])
        lines.to_csv(path, mode="a", header=not path.exists(), index=False, float_format="%.6g")
        print(lines.head(4).to_string(index=False, header=False), flush=True)
    found = pd.read_csv(path)
    return found[[tuple(line) in set(keys) for line in found.iloc[:, : len(keys[0])].itertuples(index=False)]]


def seeds(arguments: argparse.Namespace) -> None:
    """Signs over seeds of the effects that one of them reports with |z| > 2, and cosines between its refits."""
    for table in tables(arguments.small):
        for label in arguments.models:
            found = effects_of_fits(*table, label, arguments)
            for which in ("effect", "model"):
                print(which, of_seeds(found, which), flush=True)


def effects_of_fits(
    name: str, X: pd.DataFrame, y: pd.Series, label: str, arguments: argparse.Namespace
) -> pd.DataFrame:
    """Standardised average effects of fits from several seeds, and of bootstrap refits of the first."""

    @cache
    def fit(seed: int) -> bl.BLRegressor:
        return bl.BLRegressor(random_state=seed, **MODELS[label]).fit(X, y)

    def run(table: str, model: str, kind: str, number: int) -> list[dict]:
        made = fit(number if kind == "seed" else 0).model_
        units = [np.std(axis.values(made.rows.x)) if axis.sloped else 1.0 for axis in axes_of(made.encoder)]
        if kind == "refit":
            ((made, _),) = refits(made, (made.rows.x, made.rows.y), 1, "bootstrap", number)
        rows = made.rows.x, made.rows.y
        own, found = (
            effects_of(made, rows, of="mean", errors=Errors(correct=correct), fitted_to=lambda: rows)
            .table()
            .loc[[axis.name for axis in axes_of(made.encoder)], "estimate"]
            for correct in (False, True)
        )
        lines = pd.DataFrame({"variable": found.index, "effect": found * units, "model": own * units})
        return lines.to_dict("records")

    keys = [(name, label, "seed", n) for n in range(arguments.seeds)]
    keys += [(name, label, "refit", n) for n in range(arguments.refits)]
    return replicated("seeds", keys, run, arguments)


def of_seeds(lines: pd.DataFrame, which: str) -> dict[str, object]:
    """What effects of seeds and refits say together: put right by what y leaves over, or the model's."""
    wide = lines.pivot(index=["key2", "key3"], columns="variable", values=which)
    fits, again = wide.loc["seed"], wide.loc["refit"] if "refit" in wide.index else wide.loc["seed"].iloc[:0]
    deviation = again.std() if len(again) > 1 else fits.std()
    reported = (fits.iloc[0] / deviation).abs() > 2
    one_sign = np.abs(np.sign(fits).sum()) == len(fits)
    every, of_reported = cosines(again.to_numpy()), cosines(again.loc[:, reported].to_numpy())
    return {
        "table": lines["key0"].iloc[0],
        "model": lines["key1"].iloc[0],
        "seeds": len(fits),
        "refits": len(again),
        "reported": int(reported.sum()),
        "of": len(reported),
        "one sign": int((one_sign & reported).sum()),
        "not": list(reported.index[reported & ~one_sign]),
        "cosine of all, mean and least": (round(every.mean(), 3), round(every.min(), 3)),
        "cosine of the reported": (round(of_reported.mean(), 3), round(of_reported.min(), 3)),
        "standard deviations": (again.std() / again.mean().abs().mean()).round(2).nlargest(4).to_dict(),
    }


def cosines(vectors: np.ndarray) -> np.ndarray:
    """Between every two rows; NaN where there are no two."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return (unit @ unit.T)[np.tril_indices(len(unit), -1)] if len(unit) > 1 else np.full(1, np.nan)


def hard_maximiser(x: np.ndarray, rng: np.random.Generator | None) -> np.ndarray:
    """argmax over y of min(2 + x₁, 3) y − y²/2 with y ≤ 3 + x₂, smoothed by nothing, plus noise."""
    best = np.minimum(np.minimum(2 + x[:, 0], 3.0), 3 + x[:, 1])
    return best if rng is None else best + 0.5 * rng.normal(size=len(x))


def true_effects(x: np.ndarray) -> np.ndarray:
    step = 1e-5 * np.eye(2)
    rises = [hard_maximiser(x + h, None) - hard_maximiser(x - h, None) for h in step]
    return np.mean(rises, axis=1) / 2e-5


def in_units_of(model: bl.BLRegressor, effects: Effects) -> Effects:
    """Effects on y in standard deviations, whose program serves all replications: y has others in each."""
    return replace(effects, quantity=make_quantity("mean", 0.5, [Number(model.model_.response.name, 0.0, 1.0, ())]))


def coverage(arguments: argparse.Namespace) -> None:
    """Intervals at 500 rows, by the delta method at the optimum of an identifiable BL."""
    rng = np.random.default_rng(0)
    names = ["a", "b"]
    base = pd.DataFrame(rng.normal(size=(arguments.rows, 2)), columns=names)
    start = base["a"] - 0.5 * base["b"] + 0.4 * rng.normal(size=arguments.rows)
    truth = bl.BLRegressor(random_state=0, **SMOOTH).fit(base, start.rename("y"))

    def run(which: str, number: int) -> list[dict]:
        own = np.random.default_rng([1, number])
        X = pd.DataFrame(own.normal(size=(arguments.rows, 2)), columns=names)
        if which == "a BL":
            y, known = truth.sample(X, random_state=number)[:, 0], truth.effects(X, std_errors="none").table()
            known = known["estimate"].to_numpy()
        else:
            y, known = hard_maximiser(X.to_numpy(), own), true_effects(X.to_numpy())
        model = bl.BLRegressor(random_state=number, **SMOOTH).fit(X, pd.Series(y, name="y"))
        results = model.inference(n_restarts=0, l2=arguments.l2)
        table = in_units_of(model, model.effects(inference=results)).table() * model.model_.response.unit
        inside = (table["lower"] <= known) & (known <= table["upper"])
        columns = {"truth": known, "estimate": table["estimate"], "std_error": table["std_error"], "inside": inside}
        return pd.DataFrame({"variable": names, **columns}).to_dict("records")

    numbers = range(arguments.replications)
    keys = [(which, number) for number in numbers for which in ("a BL", "a hard maximiser")]
    found = replicated("coverage", keys, run, arguments)
    for which, lines in found.groupby("key0"):
        for variable, own in [("both", lines), *lines.groupby("variable")]:
            share, count = own["inside"].mean(), own["key1"].nunique()
            error = np.sqrt(share * (1 - share) / len(own))
            spread = (own["estimate"] - own["truth"]).std() / own["std_error"].mean()
            bias = (own["estimate"] - own["truth"]).mean() / own["std_error"].mean()
            print(
                f"{which}, {variable}: {share:.1%} ± {error:.1%} of {len(own)} intervals, {count} replications; "
                f"spread {spread:.2f} and bias {bias:+.2f} standard errors"
            )


def noise(arguments: argparse.Namespace) -> None:
    """Sets of y = sum of effects of two columns, beside four columns of noise; which an explanation keeps."""

    def run(number: int) -> list[dict]:
        rng = np.random.default_rng([2, number])
        X = pd.DataFrame(rng.normal(size=(arguments.rows, 6)), columns=["a", "b", *(f"noise{i}" for i in range(4))])
        slope = rng.uniform(0.7, 1.3, 2)
        y = slope[0] * X["a"] - slope[1] * np.abs(X["b"]) + 0.4 * rng.normal(size=len(X))
        model = bl.BLRegressor(layers=(2,), random_state=number).fit(X, y.rename("y"))
        said = [s for s in model.explain().said if s.head != "output" and not s.faint]
        named = {n for s in said for n, v in s.strengths.items() if v * s.share >= KEPT * max(s.strengths.values())}
        return [{"kept": any(name.startswith("noise") for name in named), "named": " ".join(sorted(named))}]

    found = replicated("noise", [(number,) for number in range(arguments.replications)], run, arguments)
    print(f"a noise column is kept in {found['kept'].sum()} of {len(found)} sets")


def brief(arguments: argparse.Namespace) -> None:
    """BL(Single): its strongest terms, the model of at most 12 terms, and its printed problem; what each loses."""
    for name, X, y in tables(arguments.small):
        rows = np.random.default_rng([5, 0]).permutation(len(X))
        train, test = rows[: len(rows) * 4 // 5], rows[len(rows) * 4 // 5 :]
        model = bl.BLRegressor(degrees=((2,), (2,), (2,)), random_state=0).fit(X.iloc[train], y.iloc[train])
        terms = model.explain().to_terms().query("head != 'output'").groupby("head").head(5)
        print(name, terms.to_string(index=False), sep="\n", flush=True)
        small = model.prune(terms=TERMS)
        for label, made in {"whole": model, "at most 12 terms": small}.items():
            loss = -np.mean(made.distribution(X.iloc[test]).log_prob(y.iloc[test]))
            r2 = made.score(X.iloc[test], y.iloc[test])
            print(f"{label}: {made.n_parameters_} numbers, held-out loss {loss:.3f} nats, R² {r2:.3f}")
        printed = small.simplified(terms=TERMS, digits=3)
        print(printed)
        count = sum(len(t.polynomial.monomials) for b in printed.problem.blocks.values() for t in b.head_terms)
        whole = fidelity(
            model.model_, model.model_.problem, printed.problem, (small.model_.rows.x, small.model_.rows.y)
        )
        print(f"{count} terms: R² {printed.fidelity.r2:.3f} of the utility of the model of at most 12 terms, "
              f"{whole.r2:.3f} of that of the whole, functions of x off", flush=True)  # fmt: skip


def optimum(arguments: argparse.Namespace) -> None:
    """The fit to Boston as the truth, 4,000 rows of it: training losses of the truth and of a refit, in nats."""
    X, y = bl.datasets.load_boston()
    truth = bl.BLRegressor(layers=(2, 1), random_state=0).fit(X, y)
    options = {"layers": (2, 1), "n_restarts": arguments.restarts, "penalty": bl.Penalty(l2=arguments.ridge)}
    changed = (arguments.ridge, arguments.restarts) != (10.0, 4)
    name = f"optimum-{arguments.ridge:g}-{arguments.restarts}" if changed else "optimum"
    name = name if arguments.polish is None else f"{name}-polished-{arguments.polish:g}"

    def run(number: int) -> list[dict]:
        rows = np.random.default_rng([3, number]).integers(len(X), size=4000)
        own = X.iloc[rows].reset_index(drop=True)
        drawn = pd.Series(truth.sample(own, random_state=number)[:, 0], name=y.name)
        model = bl.BLRegressor(random_state=number, **options).fit(own, drawn)
        model = model if arguments.polish is None else model.polish(l2=arguments.polish)
        true, fitted = (of.log_density(own, drawn) for of in (truth, model))
        out = model.model_.rows.held_out
        return [{"gap": (true - fitted)[~out].mean(), "held_out": (true - fitted)[out].mean(), "l2": model.l2_}]

    sets = arguments.sets or range(arguments.replications)
    found = replicated(name, [(number,) for number in sets], run, arguments)
    print(f"training loss not above the truth's in {(found['gap'] <= 0).sum()} of {len(found)}")


def pruned(arguments: argparse.Namespace) -> None:
    """Recurrence of statements of a pruned BL(1): by the library, and by fitting and pruning on the samples by hand."""
    X, y = bl.datasets.load_boston()
    X = X[["RM", "LSTAT", "PTRATIO", "CHAS"]]
    options = {"layers": (1,), "n_restarts": 2, "max_epochs": 150}
    model = bl.BLRegressor(random_state=0, **options).fit(X, y).prune(tolerance=0.05, max_epochs=25)
    reference = model.explain()

    def run(kind: str, number: int) -> list[dict]:
        if kind == "library":
            found = model.stability(n=1, kind="bootstrap", seed=number).frequencies
        else:
            rng = np.random.default_rng([4, number])
            held, train = np.split(rng.permutation(len(X)), [round(0.2 * len(X))])
            held, train = rng.choice(held, len(held)), rng.choice(train, len(train))  # None both trains and validates.
            again = bl.BLRegressor(random_state=number, **options)
            again.fit(X.iloc[train], y.iloc[train], validation_data=(X.iloc[held], y.iloc[held]))
            explained = again.prune(tolerance=0.05, max_epochs=25).explain(X, y)
            found = compare_refits(reference, [explained], "bootstrap").frequencies
        return [{"statement": ".".join(map(str, key)), "recurs": share} for key, share in found.items()]

    keys = [(kind, number) for number in range(arguments.refits) for kind in ("library", "by hand")]
    found = replicated("pruned", keys, run, arguments)
    print(found.groupby(["statement", "key0"])["recurs"].mean().unstack().to_string(float_format="%.2f"))
    by_refit = found.groupby(["key0", "key1"])["recurs"].mean()
    means, counts = by_refit.groupby("key0").mean(), by_refit.groupby("key0").count()
    error = float(np.sqrt((by_refit.groupby("key0").var() / counts).sum()))
    print(f"on average {means.round(3).to_dict()} of {counts.to_dict()} refits, standard error {error:.3f}")


def mroz(arguments: argparse.Namespace) -> None:
    """Hours of married women who work (Mroz 1987): every place of a report that shows the λ of a row shows the same."""
    table = pd.read_csv(arguments.mroz).query("hours > 0")
    X, y = table[["age", "educ"]].reset_index(drop=True), table["hours"].astype(float).reset_index(drop=True)
    model = bl.BLRegressor(layers=(1,), identifiable=True, random_state=0).fit(X, y)
    results = model.inference()
    page = model.report(inference=results).html
    for block in results.problem_.blocks.values():
        for term in block.head_terms:
            number = format_number(term.multiplier)
            brief = f"λ = {format_number(term.multiplier, 2)}"
            label = f"{block.name}.{term.head.role}"
            print(
                f"{label}: λ {number}; in the page {page.count(number)} times, as {brief!r} {page.count(brief)} times"
            )
    said = set(re.findall(r"λ = [^;<]*", page))
    print(f"the page says {sorted(said)}; the results {results.original.params.filter(like='multiplier').to_dict()}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = {"seeds": seeds, "coverage": coverage, "noise": noise, "brief": brief}
    parts |= {"optimum": optimum, "pruned": pruned, "mroz": mroz}
    parser.add_argument("--part", choices=list(parts), required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--refits", type=int, default=20)
    parser.add_argument("--replications", type=int, default=50)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--l2", type=float, default=0.1)
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--ridge", type=float, default=10.0, help="of the refits of --part optimum")
    parser.add_argument("--restarts", type=int, default=4, help="of the refits of --part optimum")
    parser.add_argument("--polish", type=float, help="polish the refits of --part optimum with this ridge")
    parser.add_argument("--sets", type=int, nargs="+", help="of --part optimum, in place of --replications")
    parser.add_argument("--minutes", type=float, default=600.0, help="start no replication after so many")
    parser.add_argument("--mroz", type=Path, help="mroz.csv, as linearmodels ships it")
    parser.add_argument("--small", action="store_true", help="Boston alone")
    arguments = parser.parse_args()
    parts[arguments.part](arguments)


if __name__ == "__main__":
    main()
