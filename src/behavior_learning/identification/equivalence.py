"""What an equivalence is: a move of parameters under which p(y|x) stays as it is.

Source: Definition B.1 and Assumption B.1.
"""

from collections.abc import Callable
from functools import update_wrapper

from behavior_learning.core.network import BehaviorNetwork
from behavior_learning.identification.normalize import Canonicalizer

__all__ = ["Equivalence"]


class Equivalence:
    """A move of the numbers of one layer, as a function of networks."""

    __name__: str

    def __init__(self, move: Callable[[Canonicalizer, int], None]):
        self.move = move
        update_wrapper(self, move)

    def __call__(self, network: BehaviorNetwork, *, one_hot: bool = False) -> BehaviorNetwork:
        """The equivalent network, layer by layer from below; a number that is pinned is fixed by rule."""
        form = Canonicalizer.of(network, one_hot)
        for layer in range(len(form.tables)):
            self.move(form, layer)
        return form.assembled()
