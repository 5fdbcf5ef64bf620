"""High dimensions (Section 3.3, C.4): images and texts, BL and an energy-based MLP at the counts of Table 13.

Both are trained alike: batches, epochs, Adam with a rate that falls as a cosine, nine tenths of the training rows, the
epoch that is best on the other tenth. BL has one scale for all pixels and, beyond Table 13's count, the biases of its
readout. Strange rows are those of the other set of the pair, told by one less the largest probability or by the entropy
of the probabilities. Texts are TF-IDF of words and pairs of words, 128 components of their SVD, standardised, of length
one. Either model has its own ridge: on texts the best of 0 (BL 3 and 10), 30, 100 and 300 in the mean of three depths
and of three other splits of Yelp's training rows; on images that of 10, 20, 40 and 80 (E-MLP 0, 10 and 40) at depth 3
on 8,000 training rows of each set, where batches of 128 at a rate of .004 were chosen too (`benchmarks/LOG.md`).
Beside them both learn from images that were also moved by a pixel to every side, in twice the steps.
"""

import time
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
from experiments.paper.records import Case, markdown, table_of, write
from scipy.special import entr as entropy

import behavior_learning as bl

SECTION = "dimensions"
OTHER = {"mnist": "fashion_mnist", "fashion_mnist": "mnist", "ag_news": "yelp", "yelp": "ag_news"}
"""The set whose rows are strange."""
IMAGES = ("mnist", "fashion_mnist")
BLOCKS = {True: ((88,), (88, 42), (88, 42, 20)), False: ((380,), (512, 128), (256, 128, 64))}
UNITS = {True: ((256,), (256, 128), (256, 128, 32)), False: ((1024,), (1000, 256), (512, 256, 128))}
"""Widths by depth, of images and of texts, that give Table 13's numbers of parameters."""
MODELS = tuple(f"{kind} depth {depth}" for depth in (1, 2, 3) for kind in ("BL", "E-MLP"))
MOVED = tuple(f"{name} moved" for name in MODELS)
"""The same models of images and of copies of them one pixel to every side."""
TRAINING = {True: {"epochs": 15, "batch_size": 128, "learning_rate": 4e-3}, False: {"epochs": 10, "batch_size": 128, "learning_rate": 3e-3}}  # fmt: skip  # noqa: E501
MOVED_EPOCHS = 6
"""Of five times as many rows: twice the steps."""
RIDGES = {"BL": {True: 40.0, False: 100.0}, "E-MLP": {True: 40.0, False: 30.0}}
"""Of images and of texts."""
SEEDS = range(5)
SIDE = 28
COMPONENTS = 128
WORDS = {"ag_news": 200_000, "yelp": 100_000}
SCORES = ("accuracy", "ECE", "NLL", "AUROC", "AUROC by entropy", "AUPR", "FPR@95", "training seconds")


class Rows(NamedTuple):
    """Rows that train, that say which epoch is best, that test, and that are strange."""

    train: tuple[np.ndarray, np.ndarray]
    held_out: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]
    strange: np.ndarray


def cases(data: Sequence[str] | None, models: Sequence[str] | None, seeds: Sequence[int] | None) -> Iterator[Case]:
    for name in data or OTHER:
        for seed in seeds or SEEDS:
            image = name in IMAGES
            for model in models or (MODELS + MOVED if image else MODELS):
                own = {"epochs": MOVED_EPOCHS} if model in MOVED else {}
                ridge = RIDGES[model.split(" depth ")[0]][image]
                yield Case(SECTION, name, model, seed, {**TRAINING[image], "l2": ridge, **own})


def measure(case: Case) -> dict[str, Any]:
    image, (kind, depth) = case.data in IMAGES, case.model.removesuffix(" moved").split(" depth ")
    rows = split(case.data, case.seed)
    if case.model in MOVED:
        rows = rows._replace(train=with_moved(*rows.train))
    widths = (BLOCKS if kind == "BL" else UNITS)[image][int(depth) - 1]
    train = {"BL": behavior, "E-MLP": energy_mlp}[kind]
    begun = time.process_time()
    predict, parameters = train(rows, widths, case.seed, **case.settings)
    seconds = time.process_time() - begun
    p, strange = predict(rows.test[0]), predict(rows.strange)
    told = bl.metrics.out_of_distribution(1 - p.max(axis=1), 1 - strange.max(axis=1))
    by_entropy = bl.metrics.out_of_distribution(entropy(p).sum(axis=1), entropy(strange).sum(axis=1))
    y = rows.test[1]
    return {
        "accuracy": float((p.argmax(axis=1) == y).mean()),
        "ECE": bl.metrics.calibration_error(y, p, np.arange(p.shape[1])),
        "NLL": float(-np.log(np.clip(p[np.arange(len(y)), y], 1e-12, 1)).mean()),
        "AUROC": float(told["AUROC"]),
        "AUROC by entropy": float(by_entropy["AUROC"]),
        "AUPR": float(told["AUPR outside"]),
        "FPR@95": float(told["FPR at 95 % TPR"]),
        "training seconds": seconds,
        "parameters": parameters,
        "training rows": len(rows.train[1]),
    }


def split(name: str, seed: int) -> Rows:
    X, y, X_test, y_test, strange = (images if name in IMAGES else texts)(name)
    order = np.random.default_rng(seed).permutation(len(X))
    held_out, train = np.split(order, [len(X) // 10])
    return Rows((X[train], y[train]), (X[held_out], y[held_out]), (X_test, y_test), strange)


def with_moved(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Images and copies of them one pixel to every side; what comes in is empty."""
    framed = np.pad(X.reshape(-1, SIDE, SIDE), ((0, 0), (1, 1), (1, 1)), constant_values=X.min())
    places = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))
    copies = [framed[:, down : down + SIDE, right : right + SIDE].reshape(len(X), -1) for down, right in places]
    return np.concatenate(copies), np.tile(y, len(copies))


@cache
def images(name: str) -> tuple[np.ndarray, ...]:
    X, y, X_test, y_test = bl.datasets.fetch_images(name)
    _, _, strange, _ = bl.datasets.fetch_images(OTHER[name])
    center, scale = X.mean() / 255, X.std() / 255
    read = lambda pixels: ((pixels / 255 - center) / scale).astype(np.float32)
    return read(X), y.astype(int), read(X_test), y_test.astype(int), read(strange)


@cache
def texts(name: str) -> tuple[np.ndarray, ...]:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler

    train, y, test, y_test = bl.datasets.fetch_texts(name)
    _, _, strange, _ = bl.datasets.fetch_texts(OTHER[name])
    read = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, max_features=WORDS[name]),
        TruncatedSVD(COMPONENTS, random_state=0),
        StandardScaler(),
        Normalizer(),
    )
    X = read.fit_transform(train)
    _, codes = np.unique(y, return_inverse=True)
    _, codes_test = np.unique(y_test, return_inverse=True)
    return X, codes, read.transform(test), codes_test, read.transform(strange)


def behavior(
    rows: Rows, widths: tuple[int, ...], seed: int, *, epochs: int, batch_size: int, learning_rate: float, l2: float
) -> tuple[Any, int]:
    optimizer = bl.Adam(learning_rate=learning_rate, batch_size=batch_size, schedule="cosine")
    model = bl.BLClassifier(
        layers=widths, basis=bl.Affine(common_scale=True), optimizer=optimizer, penalty=bl.Penalty(l2=l2),
        max_epochs=epochs, n_restarts=1, random_state=seed,
    )  # fmt: skip
    model.fit(*rows.train, validation_data=rows.held_out)
    return model.predict_proba, model.n_parameters_


def energy_mlp(
    rows: Rows, widths: tuple[int, ...], seed: int, *, epochs: int, batch_size: int, learning_rate: float, l2: float
) -> tuple[Any, int]:
    """p(k|x) ∝ exp(−E(x, k)), E a network of rectified layers with an output per class; the ridge is of its weights."""
    (X, y), held_out = rows.train, tuple(map(jnp.asarray, rows.held_out))
    sizes, key = (X.shape[1], *widths, int(y.max()) + 1), jax.random.key(seed)
    draw = lambda k, size, out: (jax.random.normal(k, (size, out)) * np.sqrt(2 / size), jnp.zeros(out))
    keys = jax.random.split(key, len(sizes) - 1)
    params = [draw(own, *shape) for own, shape in zip(keys, pairwise(sizes), strict=True)]
    steps = len(X) // batch_size
    total = epochs * steps
    adam = optax.adam(optax.warmup_cosine_decay_schedule(0.0, learning_rate, total // 10, total))

    def logits(params: Any, x: jax.Array) -> jax.Array:
        *inner, (last, bias) = params
        for weight, shift in inner:
            x = jax.nn.relu(x @ weight + shift)
        return x @ last + bias

    def loss(params: Any, x: jax.Array, y: jax.Array) -> jax.Array:
        ridge = l2 / (2 * len(X)) * sum(jnp.sum(weight**2) for weight, _ in params) if l2 else 0.0
        return optax.softmax_cross_entropy_with_integer_labels(logits(params, x), y).mean() + ridge

    @jax.jit
    def epoch(state: Any, order: jax.Array, X: jax.Array, y: jax.Array) -> tuple[Any, jax.Array]:
        def step(state: Any, batch: jax.Array) -> tuple[Any, None]:
            params, inner = state
            updates, inner = adam.update(jax.grad(loss)(params, X[batch], y[batch]), inner)
            return (optax.apply_updates(params, updates), inner), None

        state, _ = jax.lax.scan(step, state, order)
        return state, loss(state[0], *held_out)

    rng, state, best = np.random.default_rng(seed), (params, adam.init(params)), (np.inf, params)
    data = jnp.asarray(X, jnp.float32), jnp.asarray(y)
    for _ in range(epochs):
        order = rng.permutation(len(X))[: steps * batch_size].reshape(steps, batch_size)
        state, lost = epoch(state, order, *data)
        best = min(best, (float(lost), state[0]), key=lambda kept: kept[0])
    predict = lambda x: np.asarray(jax.nn.softmax(logits(best[1], jnp.asarray(x, jnp.float32))))
    return predict, sum(np.size(own) for pair in params for own in pair)


def render() -> None:
    records = table_of(SECTION)
    if records.empty:
        return
    parts = [HEADING]
    for name in [name for name in OTHER if name in set(records["data"])]:
        own = records[records["data"] == name]
        lines = [line(model, own[own["model"] == model]) for model in MODELS + MOVED if model in set(own["model"])]
        rows = int(own["training rows"].min())
        parts += [f"## {name}, {rows:,} training rows", markdown(["model", "parameters", "seeds", *SCORES], lines)]
    write(SECTION, "\n\n".join(parts))


def line(model: str, records: pd.DataFrame) -> list[str]:
    spread = lambda values: (
        "-" if values.isna().any() else f"{values.mean():.3f} ± {values.std(ddof=len(values) > 1):.3f}"
    )
    counts = [f"{records['parameters'].iloc[0]:,}", str(len(records))]
    return [model, *counts, *(spread(records[score]) for score in SCORES)]


HEADING = """# High dimensions (Section 3.3, Tables 1 to 3, 12 and 13, Figure 5)

Rendered from the JSON files beside this page. Training seconds are of the processor, compilation included; those of
images on one machine with a thread each. BL has the biases of a free readout beyond Table 13's count. Ridges, chosen
for each model on other splits of training rows: BL 40 on images and 100 on texts, E-MLP 40 and 30. Models called moved
learned from the images and from copies of them one pixel to every side, in twice the steps. AG News and Yelp are parts:
44,075 of 120,000 training rows with the whole test set, and 5,000 and 5,000 of 560,000 and 38,000 reviews, lemmatised
and without stop words."""
