"""The form of a head in other notations: plain text, NumPy source and, in the report, MathML.

A form that has t once is written out; one that has it more often is written by name, `huber(v, 0.5)`.
"""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import fields
from typing import ClassVar, cast

from behavior_learning.core.heads import Head
from behavior_learning.errors import OptionError

__all__ = ["ATOM", "PRODUCT", "Notation", "NumPy", "Text", "by_name"]

SUM, PRODUCT, POWER, ATOM = range(4)
"""How tightly a written expression holds together."""

FOLDED: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}

Written = tuple[str, int]


def by_name(head: Head | type[Head]) -> bool:
    """Whether a head is written by its name."""
    return len(re.findall(r"\bt\b", head.form)) > 1


class Notation(ast.NodeVisitor):
    """Writes the forms of heads; what it visits comes back as text and how tightly it holds together."""

    names: ClassVar[dict[str, str]] = {}

    def __call__(self, head: Head, argument: str) -> str:
        """The head of an argument, in brackets where it is a sum."""
        if head.form == "t":
            return argument
        if by_name(head):
            return self.named(head, argument)
        tree = _WithNumbers(head.parameters).visit(ast.parse(head.form, mode="eval").body)
        self.argument = (argument, ATOM if self.is_atom(argument) else SUM)
        return self.held(self.visit(tree), PRODUCT)

    def is_atom(self, argument: str) -> bool:
        return re.fullmatch(r"[\w.]+|\(\w*\)", argument) is not None

    def held(self, written: Written, least: int) -> str:
        """In brackets where it holds together less tightly than needed."""
        return written[0] if written[1] >= least else f"({written[0]})"

    def named(self, head: Head, argument: str) -> str:
        return f"{head.family}({', '.join([argument, *map(self.number, head.parameters.values())])})"

    def number(self, value: float) -> str:
        return repr(value).removesuffix(".0")

    def function(self, name: str, arguments: list[str]) -> str:
        return f"{self.names.get(name, name)}({', '.join(arguments)})"

    def power(self, base: Written, exponent: Written) -> str:
        return f"{self.held(base, ATOM)}^{self.held(exponent, ATOM)}"

    def product(self, left: Written, right: Written) -> str:
        return f"{self.held(left, PRODUCT)}*{self.held(right, POWER)}"

    def quotient(self, left: Written, right: Written) -> str:
        return f"{self.held(left, PRODUCT)}/{self.held(right, POWER)}"

    def added(self, left: Written, sign: str, right: Written) -> str:
        return f"{left[0]} {sign} {self.held(right, PRODUCT)}"

    def visit_Name(self, node: ast.Name) -> Written:
        return self.argument

    def visit_Constant(self, node: ast.Constant) -> Written:
        value = cast(float, node.value)
        return self.number(value), ATOM if value >= 0 else SUM

    def visit_UnaryOp(self, node: ast.UnaryOp) -> Written:
        return f"-{self.held(self.visit(node.operand), PRODUCT)}", SUM

    def visit_BinOp(self, node: ast.BinOp) -> Written:
        left, right, kind = self.visit(node.left), self.visit(node.right), type(node.op)
        binary = {ast.Pow: (self.power, POWER), ast.Mult: (self.product, PRODUCT), ast.Div: (self.quotient, PRODUCT)}
        if kind in binary:
            write, level = binary[kind]
            return write(left, right), level
        return self.added(left, "+" if kind is ast.Add else "-", right), SUM

    def visit_Call(self, node: ast.Call) -> Written:
        return self.function(ast.unparse(node.func), [self.visit(argument)[0] for argument in node.args]), ATOM

    def generic_visit(self, node: ast.AST) -> Written:
        raise OptionError(
            f"The form of a head may have numbers, t, parameters, + - * / **, functions and Piecewise; got {node!r}."
        )


class Text(Notation):
    """Plain text: `max(0, v)`, `|v|`, `log(1 + exp(5*v))/5`."""

    names: ClassVar = {"Max": "max", "Min": "min"}

    def function(self, name: str, arguments: list[str]) -> str:
        return f"|{arguments[0]}|" if name == "Abs" else super().function(name, arguments)


class NumPy(Notation):
    """Source that needs NumPy alone."""

    names: ClassVar = {"Max": "maximum", "Min": "minimum", "Abs": "abs"} | {f"a{name}": f"arc{name}" for name in (
        "sin", "cos", "tan", "sinh", "cosh", "tanh"
    )}  # fmt: skip

    def helper(self, head: type[Head]) -> str:
        """A function that heads written by name call."""
        self.argument = ("t", ATOM)
        written = self.visit(ast.parse(head.form, mode="eval").body)[0]
        parameters = "".join(f", {field.name}" for field in fields(head))
        return f'def {head.family}(t{parameters}):\n    """{head.form}."""\n    return {written}'

    def number(self, value: float) -> str:
        return repr(float(value))

    def function(self, name: str, arguments: list[str]) -> str:
        return f"np.{super().function(name, arguments)}"

    def power(self, base: Written, exponent: Written) -> str:
        return f"{self.held(base, ATOM)}**{self.held(exponent, ATOM)}"

    def visit_Name(self, node: ast.Name) -> Written:
        return self.argument if node.id == "t" else (node.id, ATOM)

    def visit_Compare(self, node: ast.Compare) -> Written:
        return ast.unparse(node).replace(ast.unparse(node.left), self.visit(node.left)[0]), SUM

    def visit_Call(self, node: ast.Call) -> Written:
        """log(1 + exp(u)) does not overflow as logaddexp(0, u)."""
        match node:
            case ast.Call(
                ast.Name("log"), [ast.BinOp(ast.Constant(1), ast.Add(), ast.Call(ast.Name("exp"), [exponent]))]
            ):
                return f"np.logaddexp(0.0, {self.visit(exponent)[0]})", ATOM
            case ast.Call(ast.Name("Piecewise"), [*pieces, ast.Tuple([last, _])]):
                written = self.visit(last)[0]
                for piece in reversed(pieces):
                    value, condition = map(self.visit, piece.elts)  # pyright: ignore[reportAttributeAccessIssue]
                    written = f"np.where({condition[0]}, {value[0]}, {written})"
                return written, ATOM
            case _:
                return super().visit_Call(node)


class _WithNumbers(ast.NodeTransformer):
    """Parameters as numbers, sums and products of numbers carried out, and factors of 1 left out."""

    def __init__(self, parameters: dict[str, float]):
        self.parameters = parameters

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return ast.Constant(self.parameters[node.id]) if node.id in self.parameters else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        return ast.Call(node.func, [self.visit(argument) for argument in node.args], [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        left, right = self.visit(node.left), self.visit(node.right)
        known = [getattr(part, "value", None) for part in (left, right)]
        if None not in known:
            return ast.Constant(FOLDED[type(node.op)](*cast(list[float], known)))
        if known[0] == 1 and isinstance(node.op, ast.Mult):
            return right
        if known[1] == 1 and type(node.op) in (ast.Mult, ast.Div):
            return left
        return ast.BinOp(left, node.op, right)
