"""Does the answer depend on the start? Twenty default fits with default restarts, and twenty single random starts.

One data set of 2,000 rows from `designs.continuous` (IBL(Single), nine raw parameters). Fits differ in `random_state`
alone: starts and batches; 1,600 rows train and 400 validate in all of them, so that columns are scaled alike. Each is
followed by `inference()`. Single starts are random networks polished on all rows, without training and without others.

    python experiments/basins.py
"""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

import behavior_learning as bl
from behavior_learning.core.identification import canonicalise, distance
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.inference.estimation import Search, polish
from behavior_learning.inference.fitted import numbers_of
from coverage import RESULTS
from designs import continuous

ROWS, FITS = 2000, 20


def main() -> None:
    with jax.enable_x64(True):
        design = continuous()
        x, y = map(np.asarray, design.draw(jax.random.key(7), ROWS, jnp.asarray(design.truth)))
    table, response = pd.DataFrame({"x": x[:, 0]}), pd.Series(y, name="y")
    train, held_out = slice(0, 1600), slice(1600, ROWS)
    results = []
    for seed in range(FITS):
        model = bl.BLRegressor(
            layers=(1,), identifiable=True, basis="affine", extra_terms=["x:y"], support=(-4, 4), random_state=seed
        )
        model.fit(table[train], response[train], validation_data=(table[held_out], response[held_out]))
        results.append(model.inference(seed=seed))
        best = results[-1]
        print(seed, best.convergence.name, best.fitted.optimum.loss, best.basins["reached"].tolist(), flush=True)
    fitted = [result.fitted for result in results]
    top = min(fitted, key=lambda f: float(f.optimum.loss))
    gaps = [distance(f.network, top.network) for f in fitted]
    lines = [
        ("default fit", seed, float(f.optimum.loss), gap)
        for seed, (f, gap) in enumerate(zip(fitted, gaps, strict=True))
    ]
    lines += single_starts(top)
    frame = pd.DataFrame(lines, columns=["kind", "seed", "loss", "distance"])
    frame["same"] = frame["distance"] < 1e-4
    frame.to_csv(RESULTS / "basins.csv", index=False, float_format="%.8g")
    print(frame.groupby("kind")["same"].agg(["sum", "count"]))
    print("largest distance among the same:", frame.loc[frame["same"], "distance"].max())


def single_starts(top) -> list[tuple[str, int, float, float]]:
    """Polish one random network at a time on all rows."""
    lines, learned = [], np.asarray(top.coordinates.chart.learned)
    architecture, basis = top.network.architecture, top.network.basis
    with jax.enable_x64(True):
        for seed in range(FITS):
            rng = np.random.default_rng([seed, 11])
            start = BehaviorNetwork.random(rng, architecture, features=1, response=1, basis=basis)
            point = numbers_of(canonicalise(start, prune=False).network)[learned]
            end = polish(top.problem, jnp.asarray(point), jnp.asarray(top.coordinates.signs), Search())
            gap = distance(top.problem.chart.network(end.theta), top.network)
            lines.append(("single start", seed, float(end.loss), gap))
    return lines


if __name__ == "__main__":
    main()
