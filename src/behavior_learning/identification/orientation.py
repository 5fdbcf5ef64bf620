"""Limits point upward in the response where the data do not say which way: beside a square, or a sum as the utility.

−λ·f(c) = −λ·c − λ·f(−c) for relu and softplus. A utility μ·t of the same terms takes up −λ·c, and what is linear moves
a square: with c = c_y·y + … and t = t_y·y + …, −λ·c − μ·t² = −μ·(t + s)² up to a function of x, s = λ·c_y/(2·μ·t_y).

Source: `identification.signs.orient_inequalities`. Deviation: c turns so that it rises in the response, at the means of
the columns, which no other coefficient can outgrow in another sample: samples are compared.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from behavior_learning.core.bases import ONE, Basis
from behavior_learning.core.block import Rows, Weight
from behavior_learning.core.heads import Identity, Square
from behavior_learning.core.network import BehaviorNetwork, weight_value, with_head

__all__ = ["oriented"]


def oriented(network: BehaviorNetwork) -> BehaviorNetwork:
    """The same distribution with inequalities that limit the response from above, where the other rows allow it."""
    heads = network.layers[0].heads
    limit = heads["inequality"].head
    if len(network.layers) > 1 or limit is None or not limit.flippable:
        return network
    if heads["utility"].head == Identity():
        return _beside_a_sum(network)
    return _beside_a_square(network) if isinstance(heads["equality"].head, Square) else network


def _beside_a_sum(network: BehaviorNetwork) -> BehaviorNetwork:
    """Turned where the first row of the utility has all terms of the limit that see the response."""
    utility, limits = (network.layers[0].heads[role] for role in ("utility", "inequality"))
    responds = np.array([y.degree > 0 for _, y in network.basis.terms])
    c, t = (weight_value(rows.coef)[0] for rows in (limits, utility))
    lam, mu = (weight_value(rows.multiplier)[0] for rows in (limits, utility))
    missing = ((c != 0) & responds & (t[0] == 0)).any(axis=1)
    turned = (c @ _slopes(network.basis) < 0) & ~missing & bool(mu[0] > 0)
    taken = np.zeros_like(utility.coef.raw)
    taken[0, 0] = ((turned * lam) @ c * responds) / mu[0] if turned.any() else 0.0
    network = with_head(network, 0, "utility", coef=Weight(utility.coef.raw - taken, utility.coef.rule))
    return _turned(network, limits, turned)


def _slopes(basis: Basis) -> Float[np.ndarray, " terms"]:
    """What each term gains with the response, where every column is at its mean."""
    d, m = (1 + max(max(product.columns, default=0) for product in side) for side in zip(*basis.terms, strict=True))
    terms = basis(jnp.zeros((1, d)), jnp.stack([jnp.ones((1, m)), -jnp.ones((1, m))], axis=1))
    x, (more, less) = np.asarray(terms.x[0]), np.asarray(terms.y[0])
    gained = (more - less) / 2
    return np.array([0.0 if j == ONE else gained[j] * (1.0 if i == ONE else x[i]) for i, j in basis.pairing.pairs])


def _beside_a_square(network: BehaviorNetwork) -> BehaviorNetwork:
    heads, terms = network.layers[0].heads, network.basis.terms
    squares, limits = heads["equality"], heads["inequality"]
    plain = np.array([x.degree == 0 and y.degree == 1 for x, y in terms])
    beside = np.array([x.degree == 0 or y.degree == 0 for x, y in terms]) & np.array([y.degree < 2 for _, y in terms])
    if plain.sum() != 1:
        return network
    c, t = (weight_value(rows.coef)[0] for rows in (limits, squares))
    strength = t @ plain * ~(t[:, ~beside] != 0).any(axis=1)  # Rows in which nothing multiplies the response.
    at = int(np.argmax(np.abs(strength)))
    turned = (c @ plain < 0) & ~(c[:, ~beside] != 0).any(axis=1) & (abs(strength[at]) > 0)
    lam, mu = (weight_value(rows.multiplier)[0] for rows in (limits, squares))
    shift = (turned * lam * (c @ plain)).sum() / (2 * mu[at] * strength[at]) if turned.any() else 0.0
    moved = np.float32(shift) * (np.arange(len(t)) == at).astype(np.float32)[None]
    network = with_head(network, 0, "equality", intercept=Weight(squares.intercept.raw + moved, squares.intercept.rule))
    return _turned(network, limits, turned)


def _turned(network: BehaviorNetwork, limits: Rows, turned: Bool[np.ndarray, " rows"]) -> BehaviorNetwork:
    """With −c in place of c in some rows of the inequality."""
    sign = np.where(turned, -1.0, 1.0).astype(np.float32)[None]
    return with_head(
        network,
        0,
        "inequality",
        coef=Weight(limits.coef.raw * sign[..., None], limits.coef.rule),
        intercept=Weight(limits.intercept.raw * sign, limits.intercept.rule),
    )
