"""Several responses in any mixture: each part, given any others, from one joint utility."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from behavior_learning.encoding import in_pandas
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.learned.predictive import predictive
from behavior_learning.options import check_sequence
from behavior_learning.responses import Joint, Response
from behavior_learning.responses.columns import response_columns

__all__ = ["JointEstimator"]


@dataclass(kw_only=True, eq=False, repr=False)
class JointEstimator(BehaviorEstimator):
    """What BLHybrid and BLDensity share: reading several responses, and densities of some of them given others."""

    response: Mapping[str, Any] | None = None

    def _stated_response(self, y: Any) -> Response:
        return Joint(stated=self.response)

    def _log_density(self, X: Any, y: Any, of: Sequence[str] | None, given: Sequence[str]) -> np.ndarray:
        names = [part.name for part in self._fitted.response.components]
        fixed = list(check_sequence("given", given, f"[{names[0]!r}]"))
        asked = [name for name in names if name not in fixed] if of is None else list(check_sequence("of", of, "[...]"))
        y = in_pandas(y)
        needed = [name for name in names if name in (*fixed, *asked)]
        table = response_columns(y, len(X), needed if isinstance(y, pd.DataFrame) else names)
        known = {name: table[name] for name in fixed if name in table}
        distribution = predictive(self._fitted, X, of=of, given=known | dict.fromkeys(set(fixed) - set(known)) or None)
        return distribution.log_prob(table[asked[0]] if len(asked) == 1 else table)
