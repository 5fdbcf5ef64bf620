# pyright: reportMissingImports=false
"""BL(x, y) in PyTorch: the same equations on the same numbers, with gradients of PyTorch's own."""

from collections.abc import Callable, Sequence
from functools import reduce, singledispatch
from typing import Any

import numpy as np
import sympy
import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from behavior_learning.core.block import Layer, Weight
from behavior_learning.core.features import BSplines, Clips, Monomials, Ramps, Transforms, Waves
from behavior_learning.core.heads import ROLES, Head
from behavior_learning.errors import OptionError
from behavior_learning.learned.model import LearnedModel

__all__ = ["BehaviorModule"]


class BehaviorModule(nn.Module):
    """The logits BL(x, y)/τ of a learned model (Eq. 5, 13), its numbers as parameters.

    Parameters
    ----------
    model : what was learned.

    Attributes
    ----------
    weights : M, b and λ of every layer, Π of residual skips, W and b of the readout, in the order of `network.arrays`.
    classes : candidates of a response with labels, one line each; None of numbers.
    """

    weights: nn.ModuleList
    classes: Tensor | None

    def __init__(self, model: LearnedModel):
        super().__init__()
        network = model.network
        self.encode_table, self.temperature = model.inputs, float(model.temperature)
        self.basis, self.architecture, self.layers = network.basis, network.architecture, network.layers
        self.heads = [[torch_head(part.head) for part in layer.parts] for layer in network.layers]
        self.weights = nn.ModuleList([RuledWeight(weight) for weight in network.arrays])
        self.projected = [projection is not None for projection in network.projections]
        self.weighted, self.biased = network.readout.weight is not None, network.readout.bias is not None
        labelled = model.response.labelled and not model.response.several
        codes = np.arange(len(getattr(model.response, "levels", None) or ()))
        classes = torch.tensor(model.candidates(codes), dtype=torch.float32) if labelled else None
        self.register_buffer("classes", classes)

    def encode(self, X: Any) -> Tensor:
        """x of a table with the columns of the fit, shape (n, d)."""
        return torch.tensor(np.asarray(self.encode_table(X)))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of candidates.

        Parameters
        ----------
        x : encoded columns, shape (n, d).
        y : encoded candidates, shape (n or 1, k, m); of labels all classes by default.

        Returns
        -------
        Tensor of shape (n, k).

        Raises
        ------
        OptionError
            If a response that is a number has no candidates.
        """
        candidates = self.classes if y is None else y
        if candidates is None:
            raise OptionError("A response that is a number needs candidates: module(x, y) with y of shape (n, k, m).")
        candidates = candidates if candidates.ndim == 3 else candidates[None]
        vector = self.architecture.output == "vector"
        outputs = self._outputs(x, candidates[:1, :1, :0] if vector else candidates)
        utility = (outputs @ candidates.mT)[:, 0] if vector else outputs[..., 0]
        return utility.expand(x.shape[0], candidates.shape[1]) / self.temperature

    def _outputs(self, x: Tensor, y: Tensor) -> Tensor:
        """W·s + b of the last layer, shape (n, k, outputs)."""
        weights = iter([weight() for weight in self.weights])
        arrays = [(next(weights), next(weights), next(weights)) for _ in self.layers]
        projections = [next(weights) if projected else None for projected in self.projected]
        terms, seen = self._terms(x, y), []
        for number, (layer, heads) in enumerate(zip(self.layers, self.heads, strict=True)):
            inputs = self.architecture.inputs(number)
            below = [seen[earlier] for earlier in inputs.layers]
            z = torch.cat([terms, *below] if inputs.terms else below, dim=-1)
            own = blocks(layer, heads, arrays[number], z)
            if self.architecture.skip == "residual" and number:
                projection = projections[number - 1]
                own = own + (below[-1] if projection is None else below[-1] @ projection.T)
            seen.append(own)
        outputs = seen[-1] @ next(weights).T if self.weighted else seen[-1]
        return outputs + next(weights) if self.biased else outputs

    def _terms(self, x: Tensor, y: Tensor) -> Tensor:
        """m(x, y): a function of x times a function of y each; the last of both is the constant 1."""
        of_x = [values(feature_map, x) for feature_map in self.basis.x_maps]
        of_x = torch.cat([*of_x, torch.ones_like(x[:, :1]) if x.shape[1] else x.new_ones(x.shape[0], 1)], dim=-1)
        of_y = [values(feature_map, y) for feature_map in self.basis.y_maps]
        of_y = torch.cat([*of_y, y.new_ones(*y.shape[:-1], 1)], dim=-1)
        i, j = np.array(self.basis.pairing.pairs, int).reshape(-1, 2).T
        return of_x[:, None, i] * of_y[..., j]


class RuledWeight(nn.Module):
    """Numbers under a rule: sign·softplus(raw) where a sign is given, a number where one is fixed, raw elsewhere."""

    signs: Tensor
    numbers: Tensor

    def __init__(self, weight: Weight):
        super().__init__()
        self.raw = nn.Parameter(torch.tensor(np.asarray(weight.raw, np.float32)))
        signs, numbers = weight.rule.wide(np.shape(weight.raw))
        self.register_buffer("signs", torch.tensor(np.array(signs, np.float32)))
        self.register_buffer("numbers", torch.tensor(np.array(numbers, np.float32)))

    def forward(self) -> Tensor:
        value = torch.where(self.signs == 0, self.raw, self.signs * softplus(self.raw))
        return torch.where(self.numbers.isnan(), value, self.numbers.nan_to_num())


def blocks(layer: Layer, heads: Sequence[Callable[[Tensor], Tensor]], weights: tuple[Tensor, ...], z: Tensor) -> Tensor:
    """λ₀ᵀφ(U(z)) − λ₁ᵀρ(C(z)) − λ₂ᵀψ(T(z)) of every block (Eq. 4), shape (n, k, blocks)."""
    coef, intercept, multiplier = weights
    counts = [part.rows * layer.n_blocks for part in layer.parts]
    parts = zip(layer.parts, heads, (z @ coef + intercept).split(counts, -1), multiplier.split(counts), strict=True)
    utilities = [ROLES[part.role] * size * head(p) for part, head, p, size in parts]
    return sum(own.unflatten(-1, (layer.n_blocks, -1)).sum(-1) for own in utilities)  # pyright: ignore[reportReturnType]


def torch_head(head: Head) -> Callable[[Tensor], Tensor]:
    """A head in PyTorch, from its form; log(1 + exp(u)) by a function that does not overflow."""
    t, u = sympy.Symbol("t", real=True), sympy.Wild("u")
    form = sympy.sympify(head.form, locals={"t": t, **head.parameters})
    form = form.replace(sympy.log(1 + sympy.exp(u)), sympy.Function("softplus")(u))
    form = form.replace(sympy.Max, sympy.Function("maximum")).replace(sympy.Min, sympy.Function("minimum"))
    form = form.replace(sympy.Piecewise, lambda *cases: reduce(_otherwise, reversed(cases), sympy.nan))
    return sympy.lambdify(t, form, [{name: _of_tensors(name) for name in ("maximum", "minimum")}, NAMES])


NAMES = {**vars(torch), "softplus": softplus}
"""What stands for the functions of a form."""


def _otherwise(rest: Any, case: Any) -> Any:
    """The value of a case where its condition holds, and the rest where it does not."""
    value, condition = case
    return value if condition == sympy.true else sympy.Function("where")(condition, value, rest)


def _of_tensors(name: str) -> Callable[[Any, Any], Tensor]:
    """A function of two tensors that takes numbers as well."""
    function = getattr(torch, name)
    return lambda first, second: function(*torch.broadcast_tensors(*map(torch.as_tensor, (first, second))))


@singledispatch
def values(feature_map: Any, z: Tensor) -> Tensor:
    """The values of the functions of a feature map."""
    raise OptionError(
        f"{type(feature_map).__name__} has no form in PyTorch. Add one to interchange.torch_module.values."
    )


@values.register
def _(feature_map: Monomials, z: Tensor) -> Tensor:
    if feature_map.shift is not None:
        z = z + torch.tensor(feature_map.shift, dtype=z.dtype)
    products = [z[..., list(columns)].prod(dim=-1) for columns in feature_map.columns]
    return torch.stack(products, dim=-1) if products else z[..., :0]


@values.register
def _(feature_map: Ramps, z: Tensor) -> Tensor:
    low, high = torch.tensor([(ramp.low, ramp.high) for ramp in feature_map.functions], dtype=z.dtype).T
    return ((z[..., [ramp.column for ramp in feature_map.functions]] - low) / (high - low)).clamp(0.0, 1.0)


@values.register
def _(feature_map: Clips, z: Tensor) -> Tensor:
    clips = feature_map.functions
    low, high, zero, unit = torch.tensor([(c.low, c.high, c.zero, c.unit) for c in clips], dtype=z.dtype).T
    return (z[..., [clip.column for clip in clips]].clamp(low, high) - zero) / unit


@values.register
def _(feature_map: Waves, z: Tensor) -> Tensor:
    waves = feature_map.functions
    low, high, turns, shift = torch.tensor(
        [(w.low, w.high, w.frequency, 0.0 if w.function == "sin" else 0.5) for w in waves], dtype=z.dtype
    ).T
    return torch.sin(torch.pi * (turns * (z[..., [w.column for w in waves]] - low) / (high - low) + shift))


@values.register
def _(feature_map: Transforms, z: Tensor) -> Tensor:
    known = {"log": torch.log, "sqrt": torch.sqrt, "inverse": torch.reciprocal}
    inside = [(z[..., t.column].clamp(min=t.low) - t.zero) / t.unit for t in feature_map.functions]
    named = zip(feature_map.functions, inside, strict=True)
    return torch.stack([known[t.function](u) for t, u in named], dim=-1)


@values.register
def _(feature_map: BSplines, z: Tensor) -> Tensor:
    """By the recursion of Cox and de Boor."""
    curves = feature_map.functions
    knots = torch.tensor([curve.knots for curve in curves], dtype=z.dtype).T
    low, high = torch.tensor([(curve.low, curve.high) for curve in curves], dtype=z.dtype).T
    z = z[..., [curve.column for curve in curves]].clamp(low, torch.nextafter(high, low))
    spline = [((z >= knots[i]) & (z < knots[i + 1])).to(z.dtype) for i in range(4)]
    for p in range(1, 4):
        rise = [_ratio(z - knots[i], knots[i + p] - knots[i]) for i in range(5 - p)]
        fall = [_ratio(knots[i + p] - z, knots[i + p] - knots[i]) for i in range(5 - p)]
        spline = [rise[i] * spline[i] + fall[i + 1] * spline[i + 1] for i in range(4 - p)]
    return spline[0]


def _ratio(numerator: Tensor, width: Tensor) -> Tensor:
    """numerator/width, and zero where knots coincide."""
    return torch.where(width > 0, numerator / torch.where(width > 0, width, 1.0), 0.0)
