"""Discrete choice on real data: published estimates, held-out likelihood, value of time, coverage, speed.

    python experiments/choice.py published | swissmetro | folds | time | coverage [replications] | speed
    python experiments/choice.py tastes | large [blocks]

Data are read from `../shared/data`. Held-out figures are by five folds of choosers, `cross_val_choice(folds=5)`.
"""

import resource
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

import behavior_learning as bl

DATA = Path(__file__).parents[2] / "shared" / "data"

TRAITS = ["GROUP", "SURVEY", "PURPOSE", "FIRST", "TICKET", "WHO", "LUGGAGE", "AGE", "MALE", "INCOME", "GA"]
SIGNS = {"cost": "decreasing", "time": "decreasing"}

SWISS_LOGIT = (
    "cost + time + time:C(alternative)[train] + time:C(alternative)[car] + headway + seats + C(alternative) + "
    "C(PURPOSE)[3.0]:C(alternative) + FIRST:C(alternative) + MALE:C(alternative) + AGE:C(alternative) + "
    "INCOME:C(alternative) + LUGGAGE:C(alternative) + GA:C(alternative) + cost:INCOME + time:FIRST"
)
"""A readable logit of 24 parameters, as in the reference, whose terms are not stated there."""


SWISS_CROSS = (
    "cost + time:C(alternative) + headway:C(alternative)[train] + headway:C(alternative)[swissmetro] + "
    "GA:C(alternative)[train] + GA:C(alternative)[swissmetro] + C(alternative)"
)
"""The utility of Biogeme's example b11a, whose cross-nested logit has the log-likelihood −4997.865."""


def swissmetro() -> bl.ChoiceData:
    """6,768 trips of 752 people; times and costs divided by 100."""
    table = pd.read_parquet(DATA / "swissmetro.parquet")
    table = table[table.PURPOSE.isin([1, 3]) & (table.CHOICE != 0)].astype(float)
    free, rail = table.GA == 1, ("TRAIN", "SM")
    for name in ("TRAIN_CO", "SM_CO", "CAR_CO", "TRAIN_TT", "SM_TT", "CAR_TT", "TRAIN_HE", "SM_HE"):
        table[name] /= 100
    for name in rail:
        table.loc[free, f"{name}_CO"] = 0.0
    for name in ("TRAIN", "CAR"):
        table[f"{name}_AV"] *= table.SP != 0
    alternatives = {
        name: {
            "cost": f"{column}_CO",
            "time": f"{column}_TT",
            "headway": f"{column}_HE" if column in rail else 0,
            "seats": "SM_SEATS" if column == "SM" else 0,
            "available": f"{column}_AV",
        }
        for name, column in {"swissmetro": "SM", "train": "TRAIN", "car": "CAR"}.items()
    }
    codes = {1: "train", 2: "swissmetro", 3: "car"}
    return bl.ChoiceData.from_wide(table, alternatives, "CHOICE", codes, chooser=TRAITS, id="ID")


def as_text(data: bl.ChoiceData) -> bl.ChoiceData:
    """Codes of choosers as categories, which blocks read as indicators."""
    return bl.ChoiceData(**{**vars_of(data), "chooser": data.chooser.astype(str)})


def vars_of(data: bl.ChoiceData) -> dict:
    """The fields of the data."""
    names = ("alternatives", "case", "alternative", "attributes", "chosen", "chooser", "labels", "ids")
    return {name: getattr(data, name) for name in names}


def mode_canada(complete: bool = False) -> bl.ChoiceData:
    """4,324 trips between Montreal and Toronto, sets of 2 to 4 modes."""
    table = pd.read_parquet(DATA / "mode_canada.parquet")
    table = table[table.noalt == 4] if complete else table
    table = table.drop(columns="noalt")
    return bl.ChoiceData.from_long(table, "case", "alt", "choice", chooser=["income", "urban", "dist"])


def travel_mode() -> bl.ChoiceData:
    """210 trips between Sydney, Canberra and Melbourne."""
    table = pd.read_parquet(DATA / "travel_mode.parquet")
    table["choice"] = (table.choice == "yes").astype(int)
    return bl.ChoiceData.from_long(table, "individual", "mode", "choice", chooser=["income", "size"])


def heating() -> bl.ChoiceData:
    """900 houses in California and five heating systems."""
    names = ("hp", "ec", "er", "gc", "gr")
    columns = {name: {"ic": f"ic.{name}", "oc": f"oc.{name}"} for name in names}
    table = pd.read_parquet(DATA / "heating_choice.parquet")
    return bl.ChoiceData.from_wide(table, columns, "depvar", chooser=["income", "agehed", "rooms", "region"])


def published() -> Iterator[dict]:
    """Log-likelihoods beside the reference's."""
    plain = "cost + time + C(alternative)"
    canada = "cost + freq + ovt + C(alternative) + income:C(alternative) + ivt:C(alternative)"
    shared = {"existing": ["train", "car"], "public": ["train", "swissmetro"]}
    cases = {
        "Swissmetro logit": (swissmetro, -5331.252, {"utility": plain}),
        "Swissmetro nested": (swissmetro, -5236.900, {"utility": plain, "nests": {"existing": ["train", "car"]}}),
        "Swissmetro Box-Cox time": (swissmetro, -5292.095, {"utility": "cost + boxcox(time) + C(alternative)"}),
        "Swissmetro mixed, by case": (
            swissmetro,
            -5214.893,
            {"utility": plain, "random": {"time": "normal"}, "panel": False},
        ),
        "Swissmetro mixed, panel": (swissmetro, -4359.364, {"utility": plain, "random": {"time": "normal"}}),
        "Swissmetro mixed, panel, 1000 Sobol draws": (
            swissmetro,
            -4359.364,
            {"utility": plain, "random": {"time": "normal"}, "draws": 1000},
        ),
        "Swissmetro lognormal time, by case": (
            swissmetro,
            -5231.27,
            {"utility": plain, "random": {"time": "lognormal"}, "panel": False},
        ),
        "Swissmetro cross-nested": (
            swissmetro,
            -4997.865,
            {"utility": SWISS_CROSS, "nests": shared},
        ),
        "ModeCanada, complete sets": (lambda: mode_canada(True), -1874.3427, {"utility": canada}),
        "ModeCanada, ragged": (mode_canada, -2629.1209, {"utility": canada}),
        "TravelMode": (travel_mode, -199.9766, {"utility": "gcost + wait + C(alternative)"}),
        "TravelMode, income": (
            travel_mode,
            -182.2186,
            {"utility": "wait + travel + vcost + C(alternative) + income:C(alternative)"},
        ),
        "Heating": (heating, -1095.2371, {"utility": "ic + oc"}),
        "Heating, constants": (heating, -1008.2287, {"utility": "ic + oc + C(alternative)"}),
    }
    for name, (data, reference, options) in cases.items():
        begun = time.process_time()
        model = bl.BLChoice(**options).fit(data())
        error = model.inference().fit.simulation_error
        yield {
            "model": name,
            "reference": reference,
            "log-likelihood": round(model.loglik, 4),
            "stated error": "" if error is None else f"{error:.1g}",
            "CPU s": round(time.process_time() - begun, 2),
        }


def swiss_blocks(**options: object) -> bl.BLChoice:
    """Six blocks beside the four-parameter logit, falling in cost and time."""
    return bl.BLChoice("cost + time + C(alternative)", layers=(6,), monotone=SIGNS, **options)


def swissmetro_held_out() -> Iterator[dict]:
    """Log-likelihood per held-out choice, respondents whole."""
    data = swissmetro()
    nests, plain = {"existing": ["train", "car"]}, "cost + time + C(alternative)"
    models = {
        "logit, 4 parameters": (bl.BLChoice(plain), data),
        "nested": (bl.BLChoice(plain, nests=nests), data),
        "readable logit": (bl.BLChoice(SWISS_LOGIT), data),
        "BL, cost and time monotone": (swiss_blocks(), as_text(data)),
    }
    yield from _compared(models, "readable logit")


def _compared(models: dict[str, tuple[bl.BLChoice, bl.ChoiceData]], against: str) -> Iterator[dict]:
    found = {}
    for name, (model, data) in models.items():
        begun = time.perf_counter()
        found[name] = bl.cross_val_choice(model, data, folds=5)
        seconds = time.perf_counter() - begun
        line = {"model": name, "nats per choice": round(found[name].mean, 4), "seconds of 5 fits": round(seconds, 1)}
        if against in found:
            gain = found[name].better_than(found[against])
            line |= {f"less {against}": f"{gain['difference']:+.4f} ± {gain['std. error']:.4f}"}
        yield line


CANADA = "cost + freq + ovt + C(alternative) + income:C(alternative) + urban:C(alternative) + ivt:C(alternative)"

OTHERS = {
    "ModeCanada": (
        mode_canada,
        {
            "multinomial": bl.BLChoice(CANADA),
            "nested": bl.BLChoice(CANADA, nests={"public": ["train", "bus", "air"]}),
            "mixed": bl.BLChoice(CANADA, random={"cost": "normal"}),
            "BL": bl.BLChoice(CANADA, layers=(4,), l2=3.0),
        },
    ),
    "TravelMode": (
        travel_mode,
        {
            "multinomial": bl.BLChoice("wait + travel + vcost + C(alternative) + income:C(alternative)"),
            "nested": bl.BLChoice(
                "wait + travel + vcost + C(alternative) + income:C(alternative)",
                nests={"land": ["bus", "car", "train"]},
            ),
            "mixed": bl.BLChoice(
                "wait + travel + vcost + C(alternative) + income:C(alternative)", random={"wait": "normal"}
            ),
            "BL": bl.BLChoice("wait + travel + vcost + C(alternative) + income:C(alternative)", layers=(4,), l2=3.0),
        },
    ),
    "Heating": (
        heating,
        {
            "multinomial": bl.BLChoice("ic + oc + C(alternative)"),
            "nested": bl.BLChoice("ic + oc + C(alternative)", nests={"gas": ["gc", "gr"], "electric": ["ec", "er"]}),
            "mixed": bl.BLChoice("ic + oc + C(alternative)", random={"oc": "normal"}),
            "BL": bl.BLChoice("ic + oc + C(alternative)", layers=(4,), l2=3.0),
        },
    ),
}


def by_folds() -> Iterator[dict]:
    """Held-out log-likelihood per choice on the smaller data."""
    for name, (data, models) in OTHERS.items():
        own = data()
        yield from (
            {"data": name, **line} for line in _compared({k: (m, own) for k, m in models.items()}, "multinomial")
        )


def value_of_time() -> Iterator[dict]:
    """CHF per hour: the logit's, and that of blocks falling in cost and time; errors clustered by respondent."""
    data = swissmetro()
    for method in ("delta", "simulation", "fieller"):
        pay = bl.BLChoice("cost + time + C(alternative)").fit(data).willingness_to_pay("time", "cost", method=method)
        yield {"model": f"logit, {method}", "of": "all", **(60 * pay.loc["all"]).round(2)}
    begun = time.perf_counter()
    model = swiss_blocks().fit(as_text(data))
    seconds = time.perf_counter() - begun
    pay = model.willingness_to_pay("time", "cost")
    for of, line in pay.iterrows():
        yield {"model": f"BL (fitted in {seconds:.0f} s)", "of": of, **(60 * line).round(2)}


TRUE = {"cost": -1.0, "time": -0.8}


def simulated_panel(seed: int, choosers: int = 250, tasks: int = 8) -> bl.ChoiceData:
    """Choices of people whose taste for time and for the modes varies: the ratio of the logit is the question."""
    rng, lines = np.random.default_rng(seed), choosers * tasks * 3
    who = np.repeat(np.arange(choosers), tasks * 3)
    mode = np.tile(np.arange(3), choosers * tasks)
    cost, hours = rng.uniform(1, 5, lines), rng.uniform(1, 5, lines)
    taste = TRUE["time"] + 0.6 * rng.standard_normal(choosers)[who]
    liked = 1.0 * rng.standard_normal((choosers, 3))[who, mode]
    v = TRUE["cost"] * cost + taste * hours + liked + rng.gumbel(size=lines)
    case = np.repeat(np.arange(choosers * tasks), 3)
    chosen = np.zeros(lines, int)
    chosen[np.arange(0, lines, 3) + v.reshape(-1, 3).argmax(axis=1)] = 1
    table = pd.DataFrame({"case": case, "mode": mode, "cost": cost, "time": hours, "chosen": chosen, "who": who})
    return bl.ChoiceData.from_long(table, "case", "mode", "chosen", id="who")


def coverage(replications: int = 300) -> Iterator[dict]:
    """How often 95 % intervals of the logit's willingness to pay hold its limit in large samples, by kind of error."""
    logit = bl.BLChoice("cost + time + C(alternative)")
    limit = np.mean([_ratio(logit.fit(simulated_panel(10_000 + i, choosers=20_000))) for i in range(3)])
    hits = {kind: [] for kind in ("hessian", "robust", "clustered", "clustered, fieller")}
    for seed in range(replications):
        model = logit.fit(simulated_panel(seed))
        for kind in hits:
            cov_type, _, method = kind.partition(", ")
            pay = model.willingness_to_pay("time", "cost", cov_type=cov_type, method=method or "delta").loc["all"]
            hits[kind].append(pay["lower"] <= limit <= pay["upper"])
    for kind, own in hits.items():
        error = np.sqrt(np.mean(own) * (1 - np.mean(own)) / replications)
        yield {
            "errors": kind,
            "replications": replications,
            "coverage %": f"{100 * np.mean(own):.1f} ± {100 * error:.1f}",
        }


def _ratio(model: bl.BLChoice) -> float:
    return model.params["time"] / model.params["cost"]


def speed() -> Iterator[dict]:
    """Wall seconds with errors, reading of the table not counted: BL with nothing compiled, the others warm."""
    data, plain = swissmetro(), "cost + time + C(alternative)"
    models = {
        "BL, six blocks": swiss_blocks(),
        "logit": bl.BLChoice(plain),
        "nested": bl.BLChoice(plain, nests={"existing": ["train", "car"]}),
        "mixed, panel, grid": bl.BLChoice(plain, random={"time": "normal"}),
        "mixed, panel, 1000 Sobol draws": bl.BLChoice(plain, random={"time": "normal"}, draws=1000),
    }
    for name, model in models.items():
        if "draws" not in name and "BL" not in name:
            model.fit(data.select(range(200)))
        begun, cpu = time.perf_counter(), time.process_time()
        model.fit(as_text(data) if "BL" in name else data).inference()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
        yield {"model": name, "seconds": round(seconds, 2), "CPU s": round(cpu, 2)}


def large(blocks: int = 0, n: int = 1_000_000) -> Iterator[dict]:
    """1e6 situations x 5 alternatives x 10 attributes: time and the largest resident memory."""
    rng, k, m = np.random.default_rng(0), 5, 10
    attributes = {f"a{j}": rng.standard_normal(n * k) for j in range(m)}
    v = sum(attributes.values()) * 0.2 + rng.gumbel(size=n * k)
    chosen = np.zeros(n * k, bool)
    chosen[np.arange(0, n * k, k) + v.reshape(n, k).argmax(axis=1)] = True
    case, alternative = np.repeat(np.arange(n), k), np.tile(np.arange(k), n)
    data = bl.ChoiceData(
        tuple("abcde"), case, alternative, attributes, chosen, pd.DataFrame(index=range(n)), np.arange(n)
    )
    before = _peak()
    begun = time.perf_counter()
    model = bl.BLChoice(" + ".join(attributes), layers=(blocks,) if blocks else None, max_epochs=15).fit(data)
    fitted, seconds = _peak(), time.perf_counter() - begun
    yield {
        "cases": n,
        "blocks": blocks,
        "first coefficient (0.2)": round(model.params["a0"], 4),
        "log-likelihood per choice": round(model.loglik / n, 5) if not blocks else round(model.score(data), 5),
        "seconds": round(seconds, 1),
        "GiB, data alone": round(before, 2),
        "GiB, fitted": round(fitted, 2),
    }


def _peak() -> float:
    """The largest resident memory of the process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def tastes() -> Iterator[dict]:
    """Swissmetro: held-out likelihood of coefficients from a network of the chooser, and mixtures of value of time."""
    data, plain = swissmetro(), "cost + time + C(alternative)"
    for kind in ("normal", "lognormal"):
        model = bl.BLChoice(plain, money="cost", random={"wtp(time)": kind}).fit(data)
        pay = model.willingness_to_pay("time", "cost")["estimate"] * 60
        yield {
            "model": f"willingness-to-pay space, {kind}",
            "log-likelihood": round(model.loglik, 3),
            "CHF per hour, median": round(pay["median"], 1),
            "mean": round(pay["mean"], 1),
        }
    heads = (None, "softplus", None)
    network = bl.BLChoice(plain, layers=(6,), tastes=True, heads=heads, monotone=SIGNS)
    models = {"readable logit": (bl.BLChoice(SWISS_LOGIT), data), "tastes": (network, as_text(data))}
    yield from _compared(models, "readable logit")


PARTS: dict[str, Callable[..., Iterator[dict]]] = {
    "published": published,
    "swissmetro": swissmetro_held_out,
    "folds": by_folds,
    "time": value_of_time,
    "tastes": tastes,
    "coverage": coverage,
    "speed": speed,
    "large": large,
}

if __name__ == "__main__":
    part, *numbers = sys.argv[1:]
    for line in PARTS[part](*map(int, numbers)):
        print("  ".join(f"{name}: {value}" for name, value in line.items()), flush=True)
