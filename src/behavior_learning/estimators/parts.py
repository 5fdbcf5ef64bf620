"""Rows that come in parts, as scikit-learn's `partial_fit` takes them."""

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from sklearn.utils import check_random_state

from behavior_learning.caching import keep_programs, let_go_of_programs
from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.encoding import in_pandas
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.estimators.learning import drawing, stages_of
from behavior_learning.estimators.rows import EncodedRows, ReadRows, is_named
from behavior_learning.estimators.structure import make_architecture
from behavior_learning.learned.model import LearnedModel, Recipe, sampled
from behavior_learning.learned.records import history_of_parts
from behavior_learning.options import as_seed, checked_parameters
from behavior_learning.responses import Response
from behavior_learning.responses.columns import free_name
from behavior_learning.training.progressive import Progressive
from behavior_learning.training.settings import Settings

__all__ = ["PartsEstimator"]


class _Parts(NamedTuple):
    """Where training in parts has come to, and the network that it left in the model."""

    training: Progressive
    network: BehaviorNetwork
    random: np.random.RandomState


@dataclass(kw_only=True, eq=False, repr=False)
class PartsEstimator(BehaviorEstimator):
    """An estimator that also learns from rows in parts."""

    def _learn_part(self, X: Any, y: Any, sample_weight: Any, classes: Any = None) -> Self:
        """One pass over some rows, from the present model where there is one."""
        keep_programs()
        let_go_of_programs()
        chosen = SimpleNamespace(**checked_parameters(self))
        settings = Settings(chosen.optimizer, chosen.penalty, chosen.max_epochs, chosen.patience)
        alone = {"average=True": chosen.average is True, "penalties that make zeros": settings.penalty.sparse}
        alone["class_weight='balanced'"] = getattr(chosen, "class_weight", None) == "balanced"
        given = [name for name, value in alone.items() if value]
        if given:
            raise OptionError(f"partial_fit sees some of the rows, and {given[0]} needs all. Use fit, or do without.")
        X, y = in_pandas(X), in_pandas(y)
        present: LearnedModel | None = getattr(self, "model_", None)
        encoded, rows = self._part(X, y, sample_weight, classes, present)
        parts: _Parts | None = self.__dict__.get("_parts")
        if parts is None or present is None or parts.network is not present.network:
            random = check_random_state(as_seed(self.random_state))
            starts = self._starts(chosen, encoded, random) if present is None else [present.network]
            objective = stages_of(chosen, encoded, np.arange(len(encoded.x)))[-1]
            parts = _Parts(Progressive.begun(starts, objective, settings), starts[0], random)
        training = parts.training.after(encoded.at(np.arange(len(encoded.x))), settings, parts.random)
        own = encoded.kept(rows, np.array([], int))
        model = LearnedModel(
            network=training.network,
            encoder=encoded.encoder,
            response=encoded.response,
            objective=training.objective,
            temperature=chosen.temperature,
            recipe=Recipe(settings, chosen.validation_fraction, chosen.temperature, chosen.n_restarts),
            rows=sampled(None if present is None else present.rows, own, parts.random),
            **history_of_parts(training.losses, training.parts, training.best),
        )
        if present is not None:
            model = replace(model, block_names=present.block_names, legend=present.legend, procedure=present.procedure)
        self._adopt(model, named=is_named(X) if present is None else hasattr(self, "feature_names_in_"))
        self._parts = _Parts(training, model.network, parts.random)
        return self

    def _part(
        self, X: Any, y: Any, sample_weight: Any, classes: Any, present: LearnedModel | None
    ) -> tuple[EncodedRows, ReadRows]:
        """Rows as the present model takes them; those of the first part say how."""
        if present is not None or classes is None:
            response, rows = self._read(X, y, sample_weight, present)
        else:
            table = self._features(X)
            response = self._with_classes(classes, y, table)
            rows = ReadRows.of(table, response.values(y, len(table)), sample_weight)
        every = np.arange(len(rows.table))
        return self._encoded(rows, response, every, every, None, present), rows

    def _with_classes(self, classes: Any, y: Any, table: pd.DataFrame) -> Response:
        """The response of all classes, of which the first rows need not have every one."""
        response, _ = self._stated_response(classes).read(np.asarray(classes), len(classes))
        name = getattr(y, "name", None)
        return replace(response, name=free_name(y, response.name if name is None else str(name), table))

    def _starts(self, chosen: Any, encoded: EncodedRows, random: np.random.RandomState) -> list[BehaviorNetwork]:
        architecture = make_architecture(chosen, self._output, self)
        draw = drawing(chosen, architecture, encoded, np.arange(len(encoded.x)))
        rng = np.random.default_rng(random.randint(2**31))
        return [draw(rng) for _ in range(chosen.n_restarts.n)]

    def _check_classes(self, classes: Any) -> None:
        """Refuse a first part without the classes, and a later one with others.

        Raises
        ------
        DataError
            If so.
        """
        known = self._fitted.response.levels if hasattr(self, "model_") else None
        if known is None and classes is None:
            raise DataError("classes must be passed on the first call to partial_fit: all labels that are to come.")
        if known is not None and classes is not None and set(np.asarray(classes).tolist()) != set(known):
            raise DataError(f"classes={classes!r} is not the same as on the first call to partial_fit: {list(known)}.")
