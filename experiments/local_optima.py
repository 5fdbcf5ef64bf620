"""Does the answer depend on the start? Twenty default fits with default starts, and forty single random starts.

One data set of 2,000 rows from `designs.continuous` (IBL(Single), nine raw parameters). A fit is what
`BLRegressor.fit` and `inference()` do by default, on columns as they are (the truth has no centring): Adam from the
screened of 32 random starts, with ridge and early stopping on 400 of the rows, then the search from the trained
network, more starts and sign flips. Fits differ in the seed of all of these. Single starts do without other starts: one
random network, trained and followed to the optimum (`n_restarts=1` and `inference(n_restarts=0)`, which still flips
signs of rows), or followed to the optimum without training and flipping.

    python experiments/local_optima.py
"""

from itertools import count

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.core.spaces import Interval
from behavior_learning.identification.canonical_form import canonicalize, distance
from behavior_learning.inference.estimation import Search, polish
from behavior_learning.inference.fitted import Fitted, numbers_of
from behavior_learning.learned.inference import infer_network
from behavior_learning.objectives import Likelihood
from behavior_learning.symbolic.polynomials import Variable
from behavior_learning.training.multistart import fit_from
from behavior_learning.training.optimizers import Adam
from behavior_learning.training.settings import Penalty, Settings
from coverage import RESULTS
from designs import SINGLE, continuous, single_basis

ROWS, FITS, N_RESTARTS = 2000, 20, 4
SETTINGS = Settings(Adam(), Penalty(), max_epochs=500, patience=40)


def main() -> None:
    with jax.enable_x64(True):
        design = continuous()
        x, y = map(np.asarray, design.draw(jax.random.key(7), ROWS, jnp.asarray(design.truth)))
    fitted = [infer_from(trained(seed, N_RESTARTS, x, y), x, y, seed) for seed in range(FITS)]
    alone = [infer_from(trained(seed + 100, 1, x, y), x, y, seed, n_restarts=0) for seed in range(FITS)]
    top = min(fitted, key=lambda f: float(f.optimum.loss))
    lines = [
        (kind, seed, float(f.optimum.loss), distance(f.network, top.network))
        for kind, fits in (("default fit", fitted), ("single start, trained", alone))
        for seed, f in enumerate(fits)
    ]
    lines += single_starts(top)
    frame = pd.DataFrame(lines, columns=["kind", "seed", "loss", "distance"])
    frame["same"] = frame["distance"] < 1e-4
    frame.to_csv(RESULTS / "local_optima.csv", index=False, float_format="%.8g")
    print(frame.groupby("kind")["same"].agg(["sum", "count"]))
    print("largest distance among the same:", frame.loc[frame["same"], "distance"].max())


def start(seed: int, number: int) -> BehaviorNetwork:
    """A random network as `fit` draws them."""
    rng = np.random.default_rng([seed, number])
    return BehaviorNetwork.random(rng, SINGLE, features=1, response=1, basis=single_basis())


def trained(seed: int, starts: int, x: np.ndarray, y: np.ndarray) -> BehaviorNetwork:
    """What `fit` does: the best of some random starts on the rows held out."""
    train, held_out = slice(0, 1600), slice(1600, ROWS)
    pair = lambda rows: (jnp.asarray(x[rows], jnp.float32), jnp.asarray(y[rows], jnp.float32))
    numbers = count(starts)
    return fit_from(
        [start(seed, number) for number in range(starts)],
        lambda: start(seed, next(numbers)),
        [Likelihood().on(Interval(np.float32(-4), np.float32(4)))],
        data=pair(train),
        validation=pair(held_out),
        settings=SETTINGS,
        seed=seed,
    ).network


def infer_from(
    network: BehaviorNetwork, x: np.ndarray, y: np.ndarray, seed: int, n_restarts: int | None = None
) -> Fitted:
    """What `inference()` does after training: by default four random starts beside the trained network."""
    column = Variable("x", 0.0, 1.0, 1.0)
    results = infer_network(
        network,
        Likelihood(),
        Interval(np.float32(-4), np.float32(4)),
        1.0,
        (x, y),
        inputs=[column],
        response=[Variable("y", 0.0, 1.0, 1.0)],
        one_hot=False,
        n_restarts=n_restarts,
        seed=seed,
        log_unit=0.0,
    )
    return results.fitted


def single_starts(top: Fitted) -> list[tuple[str, int, float, float]]:
    """Polish one random network at a time on all rows."""
    lines, learned = [], np.asarray(top.local.parametrization.learned)
    with jax.enable_x64(True):
        for seed in range(FITS):
            point = numbers_of(canonicalize(start(seed, 11), prune=False).network)[learned]
            end = polish(top.problem, jnp.asarray(point), jnp.asarray(top.local.signs), Search())
            gap = distance(top.problem.network(end.theta), top.network)
            lines.append(("single start, untrained", seed, float(end.loss), gap))
    return lines


if __name__ == "__main__":
    main()
