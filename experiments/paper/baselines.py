"""Classifiers that stand beside BL: those of Table 5, and readable, boosted and neural ones of today.

Each takes tables with categories and missing values, and returns probabilities in the order of `classes_`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, PolynomialFeatures, StandardScaler
from sklearn.tree import DecisionTreeClassifier

import behavior_learning as bl
from behavior_learning.errors import DataError

MOST_PRODUCTS = 2_000
"""Terms beyond which a polynomial does not fit into memory with the largest of the tables."""


class Coded(ClassifierMixin, BaseEstimator):
    """A classifier behind codes for labels, one-hot categories and standardised numbers."""

    def __init__(self, classifier: Any):
        self.classifier = classifier

    def fit(self, X: Any, y: Any) -> "Coded":
        numbers = make_pipeline(SimpleImputer(add_indicator=True), StandardScaler())
        levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        self.encoder_ = make_column_transformer(
            (numbers, make_column_selector(dtype_include="number")),
            (levels, make_column_selector(dtype_exclude="number")),
            verbose_feature_names_out=False,
        )
        self.classes_, codes = np.unique(y, return_inverse=True)
        self.classifier.fit(self.encoder_.fit_transform(X), codes)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.classifier.predict_proba(self.encoder_.transform(X))


class Levels(ClassifierMixin, BaseEstimator):
    """A classifier that codes categories itself, for each list of which it is made anew; gaps are a level."""

    def __init__(self, make: Callable[[list[str]], Any]):
        self.make = make

    def fit(self, X: Any, y: Any) -> "Levels":
        self.levels_ = list(X.select_dtypes(exclude="number"))
        self.classifier_ = self.make(self.levels_).fit(self._read(X), y)
        self.classes_ = self.classifier_.classes_
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return self.classifier_.predict_proba(self._read(X))

    def _read(self, X: Any) -> Any:
        return X.assign(**{name: X[name].astype(object).fillna("none").astype(str) for name in self.levels_})


class OneByOne(ClassifierMixin, BaseEstimator):
    """A classifier of two classes for each of several, their probabilities brought to a sum of one."""

    def __init__(self, make: Callable[[np.ndarray], Any]):
        self.make = make

    def fit(self, X: np.ndarray, y: np.ndarray) -> "OneByOne":
        codes = [1] if y.max() == 1 else range(y.max() + 1)
        self.parts_ = [self.make(X).fit(X, (y == code).astype(int)) for code in codes]
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        own = [part.predict_proba(X) for part in self.parts_]
        yes = np.column_stack([p if p.ndim == 1 else p[:, 1] for p in own])
        p = np.hstack([1 - yes, yes]) if yes.shape[1] == 1 else yes
        return np.clip(p, 1e-12, None) / np.clip(p, 1e-12, None).sum(axis=1, keepdims=True)


class Products(PolynomialFeatures):
    """Products of columns, where they are not too many."""

    def fit(self, X: Any, y: Any = None) -> "Products":
        columns = np.shape(X)[1]
        terms = (columns + 1) * (columns + 2) // 2 if self.degree == 2 else np.inf
        if terms > MOST_PRODUCTS:
            raise DataError(
                f"{columns} encoded columns have more than {MOST_PRODUCTS} products of degree {self.degree}"
            )
        return super().fit(X, y)


def additive(X: np.ndarray) -> Any:
    """A logistic GAM: a spline for each number, a line for what has two values."""
    from pygam import LogisticGAM, l, s

    terms = [(s if len(np.unique(column)) > 2 else l)(j) for j, column in enumerate(X.T)]
    return LogisticGAM(sum(terms[1:], terms[0]))


def figs(seed: int) -> Callable[[np.ndarray], Any]:
    from imodels import FIGSClassifier

    return lambda X: FIGSClassifier(random_state=seed)


def imported(module: str, name: str, **options: Any) -> Any:
    return getattr(import_module(module), name)(**options)


@dataclass(frozen=True)
class Model:
    """A classifier by its seed and other settings.

    Attributes
    ----------
    space : where settings are drawn when it is tuned, Table 8's where that has them; empty where it is not.
    packages : by the names under which they are installed.
    watched : whether it takes held-out rows as `validation_data`, and does without them in training.
    """

    make: Callable[..., Any]
    space: Mapping[str, Any] = field(default_factory=dict)
    packages: tuple[str, ...] = ()
    watched: bool = False


def bl_classifier(seed: int, **options: Any) -> Any:
    """BL, and from settings of a search its optimiser, penalty and curves."""
    rate, size, l2, knots = (options.pop(name, None) for name in ("learning_rate", "batch_size", "l2", "knots"))
    if rate is not None:
        options["optimizer"] = bl.Adam(learning_rate=rate, batch_size=size, schedule="cosine")
    if l2 is not None:
        options["penalty"] = bl.Penalty(l2=l2)
    if knots is not None:
        options["basis"] = bl.Spline(knots=knots, straight=True)
    return bl.BLClassifier(random_state=seed, **options)


def boosted(seed: int, **options: Any) -> Any:
    return Coded(imported("lightgbm", "LGBMClassifier", random_state=seed, n_jobs=1, verbose=-1, **options))


def catboost(seed: int, **options: Any) -> Any:
    fixed = {"random_seed": seed, "thread_count": 1, "verbose": False, "allow_writing_files": False}
    return Levels(lambda levels: imported("catboost", "CatBoostClassifier", cat_features=levels, **fixed, **options))


def tabular(name: str, seed: int, **options: Any) -> Any:
    """A network of pytabkit, which stops by the likelihood."""
    fixed = {"random_state": seed, "n_threads": 1, "device": "cpu", "val_metric_name": "cross_entropy"}
    return Levels(lambda levels: imported("pytabkit", name, **fixed, **options))


def network(name: str, seed: int, **options: Any) -> Any:
    return Coded(imported("experiments.paper.networks", name, seed=seed, **options))


BOOSTING = {
    "learning_rate": loguniform(0.01, 0.3),
    "n_estimators": randint(50, 500),
    "subsample": uniform(0.5, 0.5),
    "colsample_bytree": uniform(0.5, 0.5),
    "reg_lambda": loguniform(1e-3, 30),
}
"""Not in Table 8, which leaves the space of LightGBM open."""

MODELS = {
    "BL default": Model(
        bl_classifier,
        {
            "layers": [(24,), (36,), (24, 4), (36, 6), (24, 6, 2), (36, 8, 4)],
            "learning_rate": loguniform(5e-4, 3e-2),
            "batch_size": [64, 128, 256],
            "max_epochs": [50, 100, 200],
            "l2": loguniform(0.3, 100),
        },
    ),
    "BL average": Model(
        lambda seed, **o: bl_classifier(seed, average=True, validation_fraction=0.125, **o),
        {
            "layers": [(24,), (16, 4), (32, 8), (64, 8)],
            "knots": [4, 8, 16],
            "learning_rate": loguniform(5e-3, 5e-2),
            "batch_size": [64, 128, 256],
            "max_epochs": [25, 50, 100],
            "l2": loguniform(2, 60),
        },
    ),
    "BL single": Model(lambda seed: bl_classifier(seed, degrees=((2,), (2, 2, 2), (2, 2))), watched=True),
    "logistic": Model(
        lambda seed, **o: Coded(LogisticRegression(**{"max_iter": 2000} | o)),
        {"C": loguniform(1e-4, 1e2), "fit_intercept": [True, False]},
    ),
    "polynomial logistic": Model(
        lambda seed, **o: Coded(make_pipeline(Products(2), StandardScaler(), LogisticRegression(max_iter=500, **o))),
        {"C": loguniform(1e-3, 1e2)},
    ),
    "ElasticNet": Model(
        lambda seed, **o: Coded(SGDClassifier(loss="log_loss", penalty="elasticnet", random_state=seed, **o)),
        {"alpha": loguniform(1e-4, 1e2), "l1_ratio": uniform(0, 1)},
    ),
    "tree": Model(
        lambda seed, **o: Coded(DecisionTreeClassifier(random_state=seed, **o)),
        {
            "criterion": ["gini", "entropy", "log_loss"],
            "max_depth": randint(3, 21),
            "min_samples_split": randint(2, 21),
            "min_samples_leaf": randint(1, 11),
            "ccp_alpha": uniform(0, 0.1),
        },
    ),
    "random forest": Model(
        lambda seed, **o: Coded(RandomForestClassifier(random_state=seed, **o)),
        {
            "n_estimators": randint(100, 501),
            "max_depth": randint(3, 31),
            "max_features": ["sqrt", "log2"],
            "min_samples_leaf": randint(1, 11),
            "min_samples_split": randint(2, 21),
        },
    ),
    "MLP": Model(
        lambda seed, **o: Coded(MLPClassifier(random_state=seed, **o)),
        {
            "learning_rate_init": loguniform(1e-5, 1e-1),
            "batch_size": [32, 64, 128, 256],
            "hidden_layer_sizes": [(32,) * 2, (128,) * 2, (256,) * 2, (64,) * 3, (128,) * 4],
            "alpha": loguniform(1e-6, 1e-2),
        },
    ),
    "NAM": Model(
        lambda seed, **o: network("NeuralAdditive", seed, **o),
        {"learning_rate": loguniform(1e-3, 1e-1), "batch_size": [128, 256, 512, 1024], "patience": randint(10, 31)},
        ("torch",),
    ),
    "TabNet": Model(
        lambda seed, **o: network("TabNet", seed, **o),
        {
            "learning_rate": loguniform(1e-4, 3e-2),
            "batch_size": [128, 256, 512, 1024],
            "virtual_batch_size": [64, 128],
            "width": randint(16, 65),
            "n_steps": randint(3, 8),
            "gamma": uniform(1.2, 0.5),
            "lambda_sparse": loguniform(1e-6, 1e-3),
        },
        ("pytorch-tabnet", "torch"),
    ),
    "SVGP": Model(
        lambda seed, **o: network("VariationalProcess", seed, **o),
        {
            "kernel": ["rbf", "matern", "rational_quadratic"],
            "lengthscale": loguniform(0.1, 10),
            "points": randint(100, 501),
            "learning_rate": loguniform(1e-2, 5e-1),
            "epochs": randint(50, 201),
        },
        ("gpytorch", "torch"),
    ),
    "EBM": Model(
        lambda seed, **o: imported(
            "interpret.glassbox", "ExplainableBoostingClassifier", random_state=seed, n_jobs=1, **o
        ),
        {"learning_rate": loguniform(0.005, 0.05), "interactions": randint(0, 25), "max_leaves": [2, 3, 4]},
        ("interpret-core",),
    ),
    "pyGAM": Model(lambda seed: Coded(OneByOne(additive)), packages=("pygam",)),
    "FIGS": Model(lambda seed: Coded(OneByOne(figs(seed))), packages=("imodels",)),
    "LightGBM": Model(
        boosted, BOOSTING | {"num_leaves": randint(4, 64), "min_child_samples": randint(5, 60)}, ("lightgbm",)
    ),
    "XGBoost": Model(
        lambda seed, **o: Coded(imported("xgboost", "XGBClassifier", random_state=seed, n_jobs=1, **o)),
        BOOSTING | {"max_depth": randint(2, 8)},
        ("xgboost",),
    ),
    "CatBoost": Model(
        catboost,
        {
            "learning_rate": loguniform(0.01, 0.3),
            "iterations": randint(50, 500),
            "depth": randint(3, 9),
            "l2_leaf_reg": loguniform(1, 30),
        },
        ("catboost",),
    ),
    "RealMLP": Model(lambda seed: tabular("RealMLP_TD_Classifier", seed, use_ls=False), packages=("pytabkit", "torch")),
    "TabM": Model(lambda seed: tabular("TabM_D_Classifier", seed), packages=("pytabkit", "torch")),
}
"""By name; whoever can be tuned also takes part as ``tuned ...``."""
