"""BL(x, y) written out from the paper in pure Python loops; it reads a network's arrays and shares none of its code.

Source: Eq. 4 and 12 (block), Eq. 5 and 13 (network), A.1 (output modes), A.2 and A.3.3 (skips), A.3.1 (heads).
"""

import math

import jax
import numpy as np

SIGN = {"utility": 1.0, "inequality": -1.0, "equality": -1.0}

HEAD = {
    "tanh": lambda t: math.tanh(t),
    "identity": lambda t: t,
    "relu": lambda t: t if t > 0 else 0.0,
    "softplus": lambda t, beta=1.0: (max(beta * t, 0.0) + math.log1p(math.exp(-abs(beta * t)))) / beta,
    "abs": lambda t: t if t > 0 else -t,
    "square": lambda t: t * t,
    "huber": lambda t, delta: t * t / 2 if -delta <= t <= delta else delta * (abs(t) - delta / 2),
    "smooth_abs": lambda t, delta: math.hypot(t, delta) - delta,
}


def arrays(network):
    """The network with the numbers of each weight in its place; all functions below but `utility` expect it so."""
    return jax.tree.map(numbers, network, is_leaf=lambda node: hasattr(node, "rule"))


def numbers(weight):
    """Each entry is fixed, or of a given sign by softplus, or free (Eq. 14)."""
    raw = np.asarray(weight.raw)
    sign, fixed = (np.broadcast_to(rule, raw.shape) for rule in (weight.rule.signs, weight.rule.numbers))
    values = np.zeros(raw.shape)
    for at in np.ndindex(raw.shape):
        learned = raw[at] if sign[at] == 0 else sign[at] * head("softplus", float(raw[at]))
        values[at] = learned if math.isnan(fixed[at]) else fixed[at]
    return values


def head(name, t):
    """f(t) of the head spelled `name`, such as ``tanh`` or ``huber(0.7)``."""
    kind, _, width = name.rstrip(")").partition("(")
    return HEAD[kind](t, *([float(width)] if width else []))


def monomial(name, columns):
    """Value of a term from its spelling, such as ``x0*x1*y0^2``."""
    value = 1.0
    for factor in name.split("*"):
        column, _, power = factor.partition("^")
        value *= columns[column] ** int(power or 1)
    return value


def head_total(layer, role, name, block, z):
    """λᵀ f(M z + b), one row at a time; the rows of a layer's heads, and in them of its blocks, lie side by side."""
    total, start = 0.0, 0
    for part in layer.parts:
        for row in range(start + block * part.rows, start + (block + 1) * part.rows) if part.role == role else ():
            p = float(layer.intercept[row])
            for m, value in zip(layer.coef[:, row].tolist(), z, strict=True):
                p += m * value
            total += float(layer.multiplier[row]) * head(name, p)
        start += part.rows * layer.n_blocks
    return total


def block_value(layer, names, block, z):
    """B(z) = λ₀ᵀφ(U(z)) − λ₁ᵀρ(C(z)) − λ₂ᵀψ(T(z)) (Eq. 12)."""
    return sum(SIGN[role] * head_total(layer, role, names[role], block, z) for role in SIGN)


def block_values(network, m):
    """s_ℓ for every layer ℓ: 𝔹_ℓ of what the layer sees (Eq. 5), plus its shortcut."""
    architecture, names = network.architecture, dict(zip(SIGN, network.architecture.heads, strict=True))
    s = []
    for number, layer in enumerate(network.layers):
        sees_terms = number == 0 or architecture.skip in ("dense", "input")
        seen = s if architecture.skip == "dense" else s[-1:]
        z = (m if sees_terms else []) + [value for values in seen for value in values]
        values = [block_value(layer, names, block, z) for block in range(architecture.layers[number])]
        if architecture.skip == "residual" and number > 0:
            values = [v + p for v, p in zip(values, projected(network.projections[number - 1], s[-1]), strict=True)]
        s.append(values)
    return s


def projected(projection, s):
    """Π s, or s itself where widths agree."""
    return list(s) if projection is None else product(projection, s)


def product(weight, s):
    return [sum(w * v for w, v in zip(row, s, strict=True)) for row in weight.tolist()]


def outputs(network, m):
    """W·s_L + b (Eq. 13)."""
    top, weight, bias = block_values(network, m)[-1], network.readout.weight, network.readout.bias
    values = list(top) if weight is None else product(weight, top)
    return [v + (0.0 if bias is None else float(bias[o])) for o, v in enumerate(values)]


def utility(network, x, y):
    """BL(x, y) for every row and candidate; `y` has one row where all rows share their candidates."""
    network, n, k = arrays(network), len(x), y.shape[1]
    result = np.zeros((n, k))
    for i in range(n):
        for c in range(k):
            result[i, c] = candidate_utility(network, x[i], y[i if len(y) > 1 else 0, c])
    return result


def terms(network, x, y):
    """z = m(x, y), read from the spelling of each term; a vector network sees x alone."""
    seen = () if network.architecture.output == "vector" else y
    x_names, y_names = [f"x{j}" for j in range(len(x))], [f"y{j}" for j in range(len(seen))]
    columns = dict(zip(x_names + y_names, [float(v) for v in (*x, *seen)], strict=True))
    return [monomial(name, columns) for name in network.basis.names(x_names, y_names)]


def candidate_utility(network, x, y):
    """BL(x, y) of one row and one candidate, from `arrays(network)`; in vector output y picks its class."""
    values = outputs(network, terms(network, x, y))
    if network.architecture.output == "scalar":
        return values[0]
    return sum(v * float(share) for v, share in zip(values, y, strict=True))
