# pyright: reportMissingImports=false, reportMissingTypeStubs=false
"""Predictions as an ONNX graph, from the columns of the user's table to probabilities or a mean."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from behavior_learning.core.numerics import unit_rule
from behavior_learning.encoding.tables import EncodedColumn
from behavior_learning.errors import OptionError
from behavior_learning.interchange.torch_module import BehaviorModule
from behavior_learning.learned.model import LearnedModel
from behavior_learning.symbolic.sources import HASHED

__all__ = ["onnx_model"]

OPSET = 20
"""The first in which runtimes compare text and exporters agree."""


def onnx_model(model: LearnedModel) -> Any:
    """The graph of a learned model, an `onnx.ModelProto`; see `interchange.to_onnx`."""
    table, prediction = _encoding(model), _exported(model)
    merged = onnx.compose.merge_models(table, prediction, io_map=[("x", "x")])
    if (levels := model.response.levels) is not None:
        merged.metadata_props.append(
            onnx.StringStringEntryProto(key="levels", value=json.dumps(list(map(str, levels))))
        )
    onnx.checker.check_model(merged, full_check=True)
    return merged


# From x to predictions.


class Probabilities(nn.Module):
    """p_τ(y|x) of every label (Eq. 3), shape (n, k)."""

    def __init__(self, module: BehaviorModule):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        return torch.softmax(self.module(x), dim=-1)


class Mean(nn.Module):
    """E[y|x] of a number in the user's units, shape (n,): a sum over the values that it may have."""

    nodes: Tensor
    weights: Tensor

    def __init__(self, module: BehaviorModule, model: LearnedModel):
        super().__init__()
        self.module = module
        zero, one = model.response.mean(np.array([[0.0], [1.0]]))
        self.center, self.unit = float(zero), float(one - zero)
        nodes, weights = self.rule(model.gibbs().space)
        self.register_buffer("nodes", torch.tensor(np.array(nodes, np.float32)))
        self.register_buffer("weights", torch.tensor(np.array(weights, np.float32)))

    def rule(self, space: Any) -> tuple[Any, Any]:
        """Candidates that are the same for all rows, and their weights, shape (k,) each."""
        return space.table[:, 0], np.ones(space.size)

    def candidates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates (n or 1, k) and logarithms of their weights."""
        return self.nodes[None], torch.log(self.weights)[None]

    def forward(self, x: Tensor) -> Tensor:
        mean, _ = self.moments(x, *self.candidates(x))
        return self.center + self.unit * mean[:, 0]

    def moments(self, x: Tensor, y: Tensor, log_weights: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over the candidates, shape (n, 1) each."""
        mass = torch.softmax(self.module(x, y[..., None]) + log_weights, dim=-1)
        mean = (mass * y).sum(-1, keepdim=True)
        return mean, (mass * (y - mean) ** 2).sum(-1, keepdim=True).sqrt()


class FocusedMean(Mean):
    """The same of a continuous number, by candidates that crowd where the mass is; see `core.spaces.Interval`."""

    ends: Tensor

    def rule(self, space: Any) -> tuple[Any, Any]:
        self.refinements = space.refinements
        self.register_buffer("ends", torch.tensor(np.array(space.ends[:, 0], np.float32)))
        return unit_rule(space.size, np.dtype(np.float32))

    def candidates(self, x: Tensor) -> tuple[Tensor, Tensor]:
        low, high = self.ends[0], self.ends[1]
        y, log_weights = (low + (high - low) * self.nodes)[None], torch.log(self.weights * (high - low))[None]
        gap = (high - low) / len(self.nodes)
        for _ in range(self.refinements):
            mean, spread = self.moments(x, y, log_weights)
            spread = spread.maximum(gap)
            y, log_weights = self.focused(mean, spread)
            gap = 4 * spread / len(self.nodes)
        return y, log_weights

    def focused(self, mean: Tensor, spread: Tensor) -> tuple[Tensor, Tensor]:
        """Gauss–Legendre in u, y = mean + spread·sinh(u), and the logarithms of its weights."""
        start, end = -_arcsinh((mean - self.ends[0]) / spread), _arcsinh((self.ends[1] - mean) / spread)
        growth = torch.exp(start + (end - start) * self.nodes)
        weights = self.weights * (end - start) * spread * 0.5 * (growth + 1 / growth)
        return mean + spread * 0.5 * (growth - 1 / growth), torch.log(weights)


def _arcsinh(t: Tensor) -> Tensor:
    """Of a number that is not negative."""
    return torch.log(t + torch.sqrt(t**2 + 1))


def _exported(model: LearnedModel) -> Any:
    """The graph from x to predictions."""
    response = model.response
    if response.several or not (response.labelled or response.affine):
        reason = "several responses" if response.several else "a response whose tails count by their logarithm"
        raise OptionError(
            f"to_onnx writes the probabilities of one label or the mean of one number; this model has {reason}. "
            "to_torch writes its utility, whatever the response."
        )
    module = BehaviorModule(model)
    kind = FocusedMean if model.space.continuous else Mean
    predictor = Probabilities(module) if response.labelled else kind(module, model)
    x = torch.zeros(2, len(model.encoder.columns))
    exported: Any = torch.onnx.export(
        predictor.eval(),
        (x,),
        input_names=["x"],
        output_names=["probabilities" if response.labelled else "mean"],
        dynamic_shapes={"x": {0: torch.export.Dim("rows")}},
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    return exported.model_proto


# From the table to x.


def _encoding(model: LearnedModel) -> Any:
    """The graph from one input per column of the table, numbers or text, each of shape (rows,), to x."""
    graph = _Graph()
    parts = [
        graph.column(name, [model.encoder.columns[i] for i in places]) for name, places in model.encoder.places.items()
    ]
    graph.add("Concat", parts, "x", axis=1)
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", len(model.encoder.columns)])
    made = helper.make_graph(graph.nodes, "table", graph.inputs, [x], graph.constants)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=10)


class _Graph:
    """Nodes, constants and inputs of a graph in the making; a value is its name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []

    def add(self, operator: str, inputs: Sequence[str], name: str = "", **attributes: Any) -> str:
        name = name or f"table_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def constant(self, value: Any) -> str:
        name = f"table_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def column(self, name: str, own: Sequence[EncodedColumn]) -> str:
        """The columns of the matrix that one of the table becomes, shape (rows, len(own))."""
        kind = TensorProto.DOUBLE if own[0].is_number else TensorProto.STRING
        self.inputs.append(helper.make_tensor_value_info(name, kind, ["rows"]))
        value = self.add("Unsqueeze", [name, self.constant(np.array([1]))])
        return self.number(value, own) if own[0].is_number else self.text(value, own)

    def number(self, value: str, own: Sequence[EncodedColumn]) -> str:
        """(value − center)/scale between the ends, 0 where there is no value, and whether there is none."""
        column, missing = own[0], self.add("IsNaN", [value])
        for end, operator in ((column.low, "Max"), (column.high, "Min")):
            value = value if end is None else self.add(operator, [value, self.constant(float(end))])
        centered = self.add("Sub", [value, self.constant(column.center)])
        scaled = self.add("Div", [centered, self.constant(column.scale if column.spread else np.inf)])
        filled = self.add("Where", [missing, self.constant(0.0), scaled])
        return self.joined([filled, missing][: len(own)])

    def text(self, value: str, own: Sequence[EncodedColumn]) -> str:
        """Which level a text is, or is at or above; whether it is another; whether it is none."""
        columns = [column for column in own if column.kind in ("category", "step")]
        if columns[0].level.startswith(HASHED):
            raise OptionError(
                "to_onnx writes the text of categories, of which this model has digests (hash_levels=True)."
            )
        levels = list(columns[0].levels or (column.level for column in columns))
        at = np.array([[_counts(levels, level, column) for column in columns] for level in levels], np.float32)
        equal = self.joined([self.add("Equal", [value, self.constant(np.array(levels, object))])])
        parts = {"levels": self.add("MatMul", [equal, self.constant(at)])}
        known = self.add("Cast", [self.add("ReduceMax", [equal, self.constant(np.array([1]))])], to=TensorProto.BOOL)
        parts["missing"] = self.add("Not", [known])
        if any(column.kind == "other" for column in own):
            empty = self.add("Equal", [value, self.constant(np.array([""], object))])
            parts["other"] = self.add("Not", [self.add("Or", [known, empty])])
            parts["missing"] = empty
        return self.joined([parts["levels"], *(parts[column.kind] for column in own[len(columns) :])])

    def joined(self, parts: Sequence[str]) -> str:
        return self.add("Concat", [self.add("Cast", [part], to=TensorProto.FLOAT) for part in parts], axis=1)


def _counts(levels: Sequence[str], level: str, column: EncodedColumn) -> bool:
    """Whether a value at this level sets an indicator."""
    return level == column.level if column.kind == "category" else levels.index(level) >= levels.index(column.level)
