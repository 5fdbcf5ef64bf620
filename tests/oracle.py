"""BL(x, y) written out from the paper in pure Python loops; it reads a network's arrays and shares none of its code.

Source: Eq. 4 and 12 (block), Eq. 5 and 13 (network), A.1 (output modes), A.3.1 (alternative heads).
"""

import math

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


def positive(raw, nonnegative):
    return math.log1p(math.exp(raw)) if nonnegative else raw


def head_total(rows, name, block, z):
    """λᵀ f(M z + b), one row at a time."""
    total = 0.0
    if name is None:
        return total
    coef, intercept, raw = np.asarray(rows.coef), np.asarray(rows.intercept), np.asarray(rows.multiplier.raw)
    for r in range(coef.shape[1]):
        p = intercept[block, r]
        for j in range(coef.shape[2]):
            if rows.mask is None or rows.mask[r][j]:
                p = p + coef[block, r, j] * z[j]
        total += positive(raw[block, r], rows.multiplier.nonnegative) * head(name, p)
    return total


def block_value(layer, names, block, z):
    """B(z) = λ₀ᵀφ(U(z)) − λ₁ᵀρ(C(z)) − λ₂ᵀψ(T(z)) (Eq. 12)."""
    return sum(SIGN[role] * head_total(getattr(layer, role), names[role], block, z) for role in SIGN)


def outputs(network, z):
    """W·𝔹_L(…𝔹₁(z)) + b (Eq. 13)."""
    names = dict(zip(SIGN, network.architecture.heads, strict=True))
    for layer, blocks in zip(network.layers, network.architecture.layers, strict=True):
        z = [block_value(layer, names, block, z) for block in range(blocks)]
    weight, bias = network.readout.weight, network.readout.bias
    if weight is None:
        values = list(z)
    else:
        raw = np.asarray(weight.raw)
        values = [sum(positive(w, weight.nonnegative) * s for w, s in zip(row, z, strict=True)) for row in raw]
    return [v + (0.0 if bias is None else float(bias[o])) for o, v in enumerate(values)]


def utility(network, x, y):
    """BL(x, y) for every row and candidate; `y` has one row where all rows share their candidates."""
    n, k = len(x), y.shape[1]
    result = np.zeros((n, k))
    for i in range(n):
        for c in range(k):
            result[i, c] = candidate_utility(network, x[i], y[i if len(y) > 1 else 0, c])
    return result


def candidate_utility(network, x, y):
    vector = network.architecture.output == "vector"
    seen = () if vector else y
    x_names, y_names = [f"x{j}" for j in range(len(x))], [f"y{j}" for j in range(len(seen))]
    columns = dict(zip(x_names + y_names, [float(v) for v in (*x, *seen)], strict=True))
    z = [monomial(name, columns) for name in network.basis.names(x_names, y_names)]
    value = outputs(network, z)
    return sum(v * float(share) for v, share in zip(value, y, strict=True)) if vector else value[0]
