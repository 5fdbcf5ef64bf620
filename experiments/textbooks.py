"""Does `inference()` end in finite errors, by default, on tables of textbooks? One line per table.

    python experiments/textbooks.py [NAME ...] [--tables FOLDER ...]

FOLDERS hold the tables that no installed package ships: `mroz.csv` and others of Wooldridge's textbook as CSV or
CSV.bz2, `auto_mpg.parquet` and `concrete_strength.parquet`; tables that are not found are left out, and the last line
says how many there were. The clocks are of `inference()` alone; without `JAX_COMPILATION_CACHE_DIR` and with one name
they are those of a cold start.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm
from sklearn import datasets

import behavior_learning as bl

Folders = list[Path]


class Table(NamedTuple):
    """A response, a few columns, and whether the response is a label."""

    X: pd.DataFrame
    y: pd.Series
    classes: bool = False


def _of(frame: pd.DataFrame, y: str, columns: str, rows: int = 1000, *, classes: bool = False) -> Table:
    kept = frame[[y, *columns.split()]].dropna().head(rows).reset_index(drop=True)
    return Table(kept[columns.split()], kept[y].astype(str) if classes else kept[y].astype(float), classes)


def _iris(folders: Folders) -> Table:
    frame = datasets.load_iris(as_frame=True).frame.set_axis(["sl", "sw", "pl", "pw", "species"], axis=1)
    return _of(frame, "species", "sl sw", classes=True)


def _wine(folders: Folders) -> Table:
    return _of(datasets.load_wine(as_frame=True).frame, "target", "alcohol malic_acid", classes=True)


def _cancer(folders: Folders) -> Table:
    frame = datasets.load_breast_cancer(as_frame=True).frame
    return _of(_joined(frame), "target", "mean_radius mean_texture", classes=True)


def _joined(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.rename(columns=lambda name: name.replace(" ", "_"))


def _read(folders: Folders, name: str) -> pd.DataFrame:
    path = next(path for folder in folders for path in sorted(folder.glob(f"{name}.*")))
    return _joined(pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path))


def _book(name: str, y: str, columns: str, *, classes: bool = False, positive: bool = False):
    def load(folders: Folders) -> Table:
        frame = _read(folders, name)
        return _of(frame[frame[y] > 0] if positive else frame, y, columns, classes=classes)

    return load


def _boston(folders: Folders) -> Table:
    X, y = bl.datasets.load_boston()
    return _of(X.assign(MEDV=y), "MEDV", "RM LSTAT PTRATIO")


TABLES: dict[str, Callable[[Folders], Table]] = {
    "mroz": _book("mroz", "hours", "age educ", positive=True),
    "mroz participation": _book("mroz", "inlf", "age educ nwifeinc", classes=True),
    "boston": _boston,
    "auto mpg": _book("auto_mpg", "mpg", "weight horsepower acceleration"),
    "concrete": _book("concrete_strength", "Concrete_compressive_strength", "Cement Water Age"),
    "wages": _book("wage1", "lwage", "educ exper"),
    "hedonic": _book("hprice1", "lprice", "lotsize sqrft"),
    "birth weight": _book("bwght", "bwght", "cigs faminc"),
    "ceo salaries": _book("ceosal1", "lsalary", "roe sales"),
    "college grades": _book("gpa2", "colgpa", "sat hsperc"),
    "iris": _iris,
    "wine": _wine,
    "breast cancer": _cancer,
    "grunfeld": lambda folders: _of(sm.datasets.grunfeld.load_pandas().data, "invest", "value capital"),
    "diabetes": lambda folders: _of(datasets.load_diabetes(as_frame=True).frame, "target", "bmi bp"),
    "affairs": lambda folders: _of(sm.datasets.fair.load_pandas().data, "rate_marriage", "age educ", 600),
}


def line(name: str, table: Table) -> dict[str, object]:
    """One default analysis: how many errors are finite, what was simplified, and how long inference took."""
    estimator = bl.BLClassifier if table.classes else bl.BLRegressor
    response = [table.y.name] if not table.classes else []
    terms = [f"{column}:{y}" for column in table.X.columns for y in response]
    options = {} if table.classes else {"basis": "affine", "extra_terms": terms}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = estimator(layers=(1,), identifiable=True, random_state=0, **options).fit(table.X, table.y)
        start, busy = time.perf_counter(), time.process_time()
        results = model.inference()
    finite = int(results.bse.notna().sum())
    return {
        "table": name,
        "rows": len(table.y),
        "finite": f"{finite}/{len(results.params)}",
        "share": finite / len(results.params),
        "prior": results.weak_prior,
        "optima": 1 + len(results.rivals),
        "simpler": " ".join(results.cautions),
        "largest": float(np.abs(results.params).max()),
        "wall s": round(time.perf_counter() - start, 1),
        "cpu s": round(time.process_time() - busy, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(TABLES))
    parser.add_argument("--tables", type=Path, nargs="*", default=[Path("../shared/data")])
    arguments = parser.parse_args()
    lines, missing = [], []
    for name in arguments.names:
        try:
            table = TABLES[name](arguments.tables)
        except StopIteration:
            missing.append(name)
            continue
        lines.append(line(name, table))
        print(lines[-1], flush=True)
    good = sum(line["share"] >= 0.95 for line in lines)
    print(f"{good} of {len(lines)} tables have errors for 95 % of the parameters; not found: {missing or 'none'}.")


if __name__ == "__main__":
    main()
