"""Responses with heavy tails, outliers and atoms: default fits beside the law that the rows were drawn from.

    python benchmarks/tails.py --rows 1000

Each response depends on one column x; y is scored on as many new rows. Where a response has atoms, densities and masses
cannot be compared, and the fit is by the response that the warning names.
"""

import argparse
import warnings

import numpy as np
import pandas as pd
from scipy import stats

import behavior_learning as bl


def log_normal(x, rng):
    law = stats.lognorm(s=2.0, scale=np.exp(0.5 * x))
    return law, law.rvs(random_state=rng), bl.Numbers(), (0.0, np.inf)


def cauchy(x, rng):
    law = stats.cauchy(loc=x)
    return law, law.rvs(random_state=rng), bl.Numbers(), (-np.inf, np.inf)


def gaussian(x, rng):
    law = stats.norm(loc=x)
    return law, law.rvs(random_state=rng), bl.Numbers(), (-np.inf, np.inf)


def one_outlier(x, rng):
    law, y, response, possible = gaussian(x, rng)
    y[0] = 1e6
    return law, y, response, possible


def poisson(x, rng):
    law = stats.poisson(np.exp(0.5 * x))
    return law, law.rvs(random_state=rng), bl.Counts(), (0.0, np.inf)


def capped(x, rng):
    law = stats.norm(loc=x)
    return law, np.minimum(law.rvs(random_state=rng), 1.0), bl.Censored(upper=1.0), (-np.inf, np.inf)


def zero_inflated(x, rng):
    law = stats.norm(loc=x)
    return law, np.maximum(law.rvs(random_state=rng), 0.0), bl.Censored(lower=0.0), (-np.inf, np.inf)


CASES = {case.__name__: case for case in (gaussian, log_normal, cauchy, one_outlier, poisson, capped, zero_inflated)}


def truth(name, law, y):
    """Log density or mass of each row under the law that it was drawn from."""
    if name == "capped":
        return np.where(y >= 1.0, law.logsf(1.0), law.logpdf(y))
    if name == "zero_inflated":
        return np.where(y <= 0.0, law.logcdf(0.0), law.logpdf(y))
    return law.logpmf(y) if name == "poisson" else law.logpdf(y)


def line(name, rows, seed):
    """Test NLL of the fit and of the truth, R² and the share of draws outside the possible range."""
    rng = np.random.default_rng(seed)
    x, new = rng.normal(size=rows), rng.normal(size=rows)
    _, y, response, possible = CASES[name](x, rng)
    law, y_new, *_ = CASES["gaussian" if name == "one_outlier" else name](new, rng)
    reg = bl.BLRegressor(response=response, random_state=seed).fit(x[:, None], y)
    X = new[:, None]
    drawn = reg.sample(X, 20, random_state=seed)
    outside = np.mean((drawn < possible[0]) | (drawn > possible[1]))
    loss, best = -reg.log_density(X, y_new).mean(), -truth(name, law, y_new).mean()
    r2 = reg.score(X, y_new)
    return {"NLL": loss, "truth": best, "above": loss - best, "R²": r2, "impossible draws": outside}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("cases", nargs="*", default=list(CASES))
    given = parser.parse_args()
    for name in given.cases:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            table = pd.DataFrame({name: line(name, given.rows, given.seed)}).T
        print(table.round(3).to_string(), "", *{str(w.message)[:150] for w in said}, sep="\n", flush=True)


if __name__ == "__main__":
    main()
