"""The cross-entropy of classes."""

from typing import ClassVar

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from behavior_learning.core.spaces import Space, Utility
from behavior_learning.errors import OptionError
from behavior_learning.gibbs.components import marginal_distribution
from behavior_learning.gibbs.distribution import Gibbs
from behavior_learning.objectives.base import Objective, register_objective
from behavior_learning.objectives.likelihood import Likelihood

__all__ = ["CrossEntropy"]


@register_objective
class CrossEntropy(Objective):
    """−log p_τ(y_disc | x, y_cont): classes, and the numbers of a hybrid response as observed.

    Source: the first term of Eq. 6. Deviation: the paper writes p(y_disc | x), which integrates the numbers out.
    Given them it is a plain softmax, and together with the score of y_cont given y_disc it identifies the joint
    distribution (a composite likelihood, Besag 1975). Of classes alone it is the likelihood.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]] * 10, ["stay", "stay", "go", "go"] * 10
    >>> clf = bl.BLClassifier(objective=bl.CrossEntropy(), layers=(1,), max_epochs=5, n_restarts=1).fit(X, y)
    >>> clf.classes_.tolist()
    ['go', 'stay']
    """

    short_name: ClassVar[str] = "cross_entropy"

    def stages(
        self, space: Space, temperature: Array | float, x: Float[np.ndarray, "n d"], y: np.ndarray
    ) -> tuple[Objective, ...]:
        self.check_space(space)
        return Likelihood().stages(space, temperature, x, y)

    def check_space(self, space: Space) -> None:
        if space.continuous:
            raise OptionError(
                "objective='cross_entropy' is for classes; numbers need 'likelihood', 'dsm' or 'score_matching'."
            )

    @property
    def evaluations(self) -> int:
        return int(np.prod([part.size for part in self.space.components if not part.continuous]))

    def __call__(self, utility: Utility, x: Float[Array, "n d"], y: Array, *noise: Array) -> Float[Array, " n"]:
        parts = self.space.components
        numbers = [i for i, part in enumerate(parts) if part.continuous]
        classes = [i for i in range(len(parts)) if i not in numbers]
        joint = Gibbs(utility, self.space, self.temperature)
        discrete = marginal_distribution(joint, classes, given=numbers)
        codes = y[:, classes[0]].astype(int) if len(classes) == 1 else y[:, np.array(classes)]
        return -discrete.log_prob(jnp.concatenate([x, y[:, np.array(numbers, int)].astype(x.dtype)], axis=1), codes)
