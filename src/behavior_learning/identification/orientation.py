"""Inequalities beside a square point upward in the response: the data do not say which way, and samples are compared.

−λ·f(c) = −λ·c − λ·f(−c) for relu and softplus, and what is linear moves a square: with c = c_y·y + … and t = t_y·y + …,
−λ·c − μ·t² = −μ·(t + s)² up to a function of x, where s = λ·c_y/(2·μ·t_y).

Source: `identification.signs.orient_inequalities`. Deviation: c turns so that the response has a positive coefficient,
which no other coefficient can outgrow in another sample.
"""

import numpy as np

from behavior_learning.core.block import Weight
from behavior_learning.core.heads import Square
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_head

__all__ = ["oriented"]


def oriented(network: BehaviorNetwork) -> BehaviorNetwork:
    """The same distribution with inequalities that limit the response from above, where a row of a square allows it."""
    heads, terms = network.layers[0].heads, network.basis.terms
    squares, limits = heads["equality"], heads["inequality"]
    plain = np.array([x.degree == 0 and y.degree == 1 for x, y in terms])
    beside = np.array([x.degree == 0 or y.degree == 0 for x, y in terms]) & np.array([y.degree < 2 for _, y in terms])
    known = isinstance(squares.head, Square) and limits.head is not None and limits.head.flippable
    if not known or len(network.layers) > 1 or plain.sum() != 1:
        return network
    c, t = (weight_value(rows.coef)[0] for rows in (limits, squares))
    strength = t @ plain * ~(t[:, ~beside] != 0).any(axis=1)  # Rows in which nothing multiplies the response.
    at = int(np.argmax(np.abs(strength)))
    turned = (c @ plain < 0) & ~(c[:, ~beside] != 0).any(axis=1) & (abs(strength[at]) > 0)
    lam, mu = (weight_value(rows.multiplier)[0] for rows in (limits, squares))
    shift = (turned * lam * (c @ plain)).sum() / (2 * mu[at] * strength[at]) if turned.any() else 0.0
    sign = np.where(turned, -1.0, 1.0).astype(np.float32)[None]
    moved = np.float32(shift) * (np.arange(len(t)) == at).astype(np.float32)[None]
    network = with_head(
        network,
        0,
        "inequality",
        coef=Weight(limits.coef.raw * sign[..., None], limits.coef.rule),
        intercept=Weight(limits.intercept.raw * sign, limits.intercept.rule),
    )
    return with_head(network, 0, "equality", intercept=Weight(squares.intercept.raw + moved, squares.intercept.rule))
