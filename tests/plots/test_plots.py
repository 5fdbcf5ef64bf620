"""Claims about figures: what is drawn is what the values say, names of any kind stay legible, nothing is shown."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from behavior_learning import plots
from behavior_learning.core.heads import get_head
from behavior_learning.errors import DataError, OptionError
from behavior_learning.inference.tables import Estimates
from behavior_learning.plots.style import BLUE, INK, PAPER, VERMILION, brief_names
from behavior_learning.symbolic.facade import LearnedProblem
from behavior_learning.symbolic.polynomials import Polynomial
from behavior_learning.symbolic.problem import Block, HeadTerm
from tests.conftest import rng
from tests.symbolic.networks import BASES, Drawn

SHAPES = {
    "single": {"layers": (1,)},
    "several rows": {"layers": (1,), "rows": (2, 3, 2)},
    "no constraint": {"layers": (2, 1), "heads": ("identity", None, None)},
    "no utility": {"layers": (2, 1), "heads": (None, "softplus(3)", "huber(0.7)")},
    "deep": {"layers": (3, 2, 1)},
    "wide": {"layers": (12, 1)},
    "dense": {"layers": (2, 2, 1), "skip": "dense"},
    "residual": {"layers": (2, 2, 1), "skip": "residual"},
    "input": {"layers": (2, 1), "skip": "input"},
    "classes": {"layers": (2, 2), "output": "vector"},
    "hostile names": {"layers": (2, 1), "names": ("a$b$_{", "x" * 80, "<script>\n&")},
} | {f"{basis} basis": {"layers": (1,), "basis": basis} for basis in BASES}

every_shape = pytest.mark.parametrize("shape", SHAPES)


def problem(shape):
    return Drawn(**SHAPES[shape]).problem


def drawn(figure):
    """The figure rendered, so that any warning of matplotlib's fails the test; and its SVG."""
    assert isinstance(figure, Figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg")
    return buffer.getvalue()


def texts(figure):
    found = [text for ax in figure.axes for text in ax.texts] + list(figure.texts)
    return [text.get_text() for text in found if text.get_text()]


def legend(figure):
    legends = [ax.get_legend() for ax in figure.axes if ax.get_legend()] + list(figure.legends)
    return [text.get_text() for found in legends for text in found.get_texts()]


def test_notebooks_show_a_figure_without_pyplot():
    learned = problem("single")
    for figure in (plots.hierarchy(learned), plots.block_graph(learned.blocks["block1.1"])):
        assert figure._repr_png_().startswith(b"\x89PNG")


@every_shape
def test_every_block_is_drawn_as_graphs_of_its_rows(shape):
    blocks = list(problem(shape).blocks.values())
    for block in blocks[:1] + blocks[1:][-1:]:
        figure = plots.block_graph(block)
        drawn(figure)
        titles = [ax.get_title(loc="center") for ax in figure.axes if ax.get_title(loc="center")]
        assert len(titles) == len(block.head_terms)
        assert sum("penalty" in title for title in titles) == len(block.head_terms) - len(block.terms_of("utility"))


@every_shape
def test_every_problem_is_drawn_as_a_hierarchy_with_its_strongest_blocks(shape):
    learned = problem(shape)
    figure = plots.hierarchy(learned)
    drawn(figure)
    for layer in learned.layers:
        named = [block.name for block in layer if block.name in texts(figure)]
        assert len(named) == (len(layer) if len(layer) <= 8 else 7)
    assert ("and 5 weaker blocks" in texts(figure)) == (shape == "wide")


def test_a_hierarchy_leads_to_its_blocks():
    svg = drawn(plots.hierarchy(problem("deep"), links={"block1.2": "#there"}))
    assert re.findall(r'<a xlink:href="(.*?)"', svg).count("#there") > 1
    assert set(re.findall(r'<a xlink:href="(.*?)"', svg)) == {"#there"}


def test_lines_of_a_hierarchy_are_as_wide_as_blocks_are_strong():
    row = lambda a, b: HeadTerm(get_head("utility", "tanh"), 2.0, Polynomial({(("p", 1),): a, (("q", 1),): b}))
    below = lambda name: Block(name, (row(1.0, 1.0),), ("p",), {"p": 1.0, "q": 1.0, "u": 3.0, "v": 1.0})
    top = Block(
        "w",
        (HeadTerm(get_head("utility", "tanh"), 1.0, Polynomial({(("u", 1),): 1.0, (("v", 1),): -1.5})),),
        ("p",),
        {"u": 3.0, "v": 1.0},
    )
    learned = LearnedProblem(((below("u"), below("v")), (top,)), {"utility": Polynomial({(("w", 1),): 1.0})}, ("p",))
    lines = [line for line in plots.hierarchy(learned).axes[0].lines if len(line.get_xdata()) == 2]
    ends = {(round(min(line.get_ydata()), 3), line.get_linewidth()) for line in lines}
    widths = sorted(line.get_linewidth() for line in lines if line.get_color() == "#009E73")
    assert widths == pytest.approx([0.6 + 3.2 * 1.5 / 3.0, 0.6 + 3.2])
    assert len(ends) >= 3


def test_signs_in_a_hierarchy_are_those_of_what_a_row_does():
    polynomial = Polynomial({(("p", 1),): 1.0, (("q", 1),): -0.5})

    def shown(multiplier):
        term = HeadTerm(get_head("utility", "tanh"), multiplier, polynomial)
        return texts(plots.hierarchy(LearnedProblem.of_block(Block("b", (term,), ("p",), {}))))

    assert "+p  −q" in shown(2.0)
    assert "−p  +q" in shown(-2.0)


def arrows(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]


def places(figure):
    return {text.get_text(): text.get_position() for text in figure.axes[0].texts}


def test_a_polynomial_has_an_edge_for_each_variable_and_an_edge_on_an_edge_for_an_interaction():
    polynomial = Polynomial({(("x", 1),): 0.5, (("y", 1),): -2.0, (("x", 1), ("y", 1)): 0.3, (): 7.0})
    figure = plots.polynomial_graph(polynomial, name="F")
    drawn(figure)
    assert {"x", "y", "F", "0.5", "-2", "0.3"} <= set(texts(figure))
    (x, y, f), ends = (np.array(places(figure)[name]) for name in "xyF"), [arrow._posA_posB for arrow in arrows(figure)]
    assert sorted(np.allclose(end, f) for _, end in ends) == [False, True, True]
    (start, tip) = next((np.array(a), np.array(b)) for a, b in ends if not np.allclose(b, f))
    assert np.allclose(start, x)  # x acts on the edge of y, whose own effect is stronger,
    along = (tip - y) / (f - y + 1e-300)  # and ends on it between y and F.
    assert 0 < np.linalg.norm(tip - y) < np.linalg.norm(f - y)
    assert abs(np.cross(np.append(tip - y, 0), np.append(f - y, 0))[2]) < 1e-9, along


def test_a_square_acts_on_the_edge_of_its_own_variable():
    figure = plots.polynomial_graph(Polynomial({(("x", 2),): -1.0}), name="F")
    (arrow,) = arrows(figure)
    start, tip = map(np.array, arrow._posA_posB)
    assert np.allclose(start, places(figure)["x"])
    assert 0 < np.linalg.norm(tip) < np.linalg.norm(start)
    dotted = [line for line in figure.axes[0].lines if line.get_linestyle() == ":"]
    assert len(dotted) == 1, "without an effect of its own the edge only carries"


def test_signs_differ_in_color_and_dash_and_strength_in_width():
    spreads = {"x": 4.0, "y": 1.0}
    figure = plots.polynomial_graph(Polynomial({(("x", 1),): 1.0, (("y", 1),): -2.0}), spreads)
    by_start = {tuple(np.round(arrow._posA_posB[0], 6)): arrow for arrow in arrows(figure)}
    at = {name: by_start[tuple(np.round(place, 6))] for name, place in places(figure).items() if name in spreads}
    assert to_hex(at["x"].get_edgecolor()) == BLUE.lower()
    assert to_hex(at["y"].get_edgecolor()) == VERMILION.lower()
    assert at["x"].get_linestyle() == "solid" or at["x"].get_linestyle() == "-"
    assert at["y"].get_linestyle() not in ("-", "solid")
    assert at["x"].get_linewidth() > at["y"].get_linewidth()


def test_only_the_strongest_terms_are_drawn_and_the_rest_is_counted():
    polynomial = Polynomial({((f"x{i}", 1),): float(i) for i in range(1, 11)})
    figure = plots.polynomial_graph(polynomial, terms=3)
    assert {"x8", "x9", "x10"} == {text for text in texts(figure) if text.startswith("x")}
    assert figure.axes[0].get_title(loc="center") == "7 smaller terms left out, 51% of the strength"


def test_names_of_any_length_stay_apart_and_are_no_mathematics():
    names = ["a very long name of a column in the table", "a very long name of a column of the table", "$x$", "a\nb"]
    brief = brief_names(names, 18)
    assert len(set(brief.values())) == len(names)
    assert all(len(text.replace(r"\$", "$")) <= 18 for text in brief.values())
    assert brief["$x$"] == r"\$x\$"
    assert brief["a\nb"] == "a b"


def test_landscape_marks_the_best_response_and_the_observed_one():
    y = np.linspace(0, 10, 101)
    figure = plots.landscape(y, -((y - 3) ** 2), np.exp(-((y - 3) ** 2)), name="p$", observed=5.0, interval=(2, 4))
    drawn(figure)
    above, below = figure.axes
    assert above.lines[1].get_xdata()[0] == pytest.approx(3.0)
    assert above.lines[0].get_ydata().max() == 0.0
    assert {"observed", "interval"} <= set(legend(figure))
    assert [line.get_xdata()[0] for line in below.lines if line.get_label() == "observed"] == [5.0]


def test_landscape_of_classes_has_a_bar_for_each():
    figure = plots.landscape(["bus", "car", "x" * 50], [0.0, -1.0, -2.0], [0.6, 0.3, 0.1], name="mode", observed="car")
    drawn(figure)
    assert [bar.get_height() for bar in figure.axes[1].patches] == [0.6, 0.3, 0.1]
    assert [to_hex(bar.get_edgecolor()) == VERMILION.lower() for bar in figure.axes[1].patches] == [False, True, False]


@pytest.mark.parametrize("shape", ["several rows", "deep", "ramps basis"])
def test_feasible_region_is_bounded_where_constraints_are_zero_and_its_star_is_the_best(shape):
    model = Drawn(**SHAPES[shape])
    row = {name: values[0] for name, values in model.table.items()}
    center = {name: (row[name] - 6, row[name] + 6) for name in ("price", "rooms")}
    figure = plots.feasible_region(model.problem, row, center)
    drawn(figure)
    star = next(line for line in figure.axes[0].lines if line.get_marker() == "*")
    best = {**row, "price": star.get_xdata()[0], "rooms": star.get_ydata()[0]}
    p, r = np.meshgrid(np.linspace(*center["price"], 13), np.linspace(*center["rooms"], 13))
    tried = model.problem.utility({**row, "price": p, "rooms": r})
    assert model.problem.utility(best) >= tried.max() - 1e-9
    first = next(iter(model.problem.blocks.values()))
    assert sum("≤ 0" in text or "= 0" in text for text in legend(figure)) >= len(first.head_terms) - len(
        first.terms_of("utility")
    )


def test_feasible_region_draws_the_boundary_of_its_constraint():
    limit = HeadTerm(get_head("inequality", "relu"), 1.0, Polynomial({(("a", 1),): 1.0, (("b", 1),): 2.0, (): -3.0}))
    wish = HeadTerm(get_head("utility", "tanh"), 1.0, Polynomial({(("a", 1),): 1.0}))
    learned = LearnedProblem.of_block(Block("u", (wish, limit), ("a", "b"), {"a": 1.0, "b": 1.0}))
    figure = plots.feasible_region(learned, {}, {"a": (0.0, 4.0), "b": (0.0, 2.0)})
    (line,) = [c for c in figure.axes[0].collections if np.array_equal(getattr(c, "levels", ()), [0.0])]
    vertices = np.concatenate([path.vertices for path in line.get_paths()])
    assert np.allclose(vertices @ [1.0, 2.0], 3.0)
    assert any("hatched: violated" in text for text in legend(figure))


def test_feasible_region_says_what_it_needs():
    learned = problem("single")
    with pytest.raises(OptionError, match="two variables"):
        plots.feasible_region(learned, {}, {"price": (0, 1)})
    with pytest.raises(DataError, match="rooms"):
        plots.feasible_region(learned, {}, {"price": (0, 1), "tax rate": (0, 1)})
    row = dict.fromkeys(Drawn(**SHAPES["classes"]).table, 0.0)
    with pytest.raises(OptionError, match="one utility per class"):
        plots.feasible_region(problem("classes"), row, {"rooms": (0, 1), "tax rate": (0, 1)})


LABELS = ["utility[p]", "inequality[p]", "equality.multiplier"]


def estimates(values=(1.0, -2.0, 0.5), variances=(0.04, 0.25, np.nan)):
    return Estimates.of(LABELS, np.array(values), np.diag(variances))


def test_forest_draws_every_interval_and_leaves_refused_ones_hollow():
    results = estimates()
    figure = plots.coefficients(results)
    drawn(figure)
    ax = figure.axes[0]
    ends = results.conf_int()
    segments = [line.get_xdata() for line in ax.lines if len(line.get_xdata()) == 2 and line.get_linewidth() == 2]
    assert np.allclose(segments, ends.dropna().to_numpy())
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [dot.get_markerfacecolor() == "none" for dot in dots] == [False, False, True]
    assert [text.get_text() for text in ax.get_yticklabels()] == LABELS


def test_forest_ends_runaway_intervals_in_an_arrow_and_keeps_the_largest_z():
    values, variances = np.r_[np.linspace(-1, 1, 49), 1e6], np.r_[np.full(49, 0.01), 1e10]
    wide = Estimates.of([f"utility[{i}]" for i in range(50)], values, np.diag(variances))
    figure = plots.coefficients(wide, most=45)
    drawn(figure)
    assert figure.axes[0].get_title(loc="left") == "5 parameters with smaller |z| left out"
    assert figure.axes[0].get_xlim()[1] < 1e3
    assert "1e+06" in texts(figure)
    assert any(line.get_marker() == ">" for line in figure.axes[0].lines)


def test_local_optima_are_bars_as_long_as_searches_ended_there():
    table = pd.DataFrame({"loss": [1.0, 1.2], "reached": [3, 2], "distance": [0.0, 4.0], "gradient": [1e-9, 1e-2]})
    figure = plots.local_optima(table)
    drawn(figure)
    assert [bar.get_width() for bar in figure.axes[0].patches] == [3, 2]
    assert "+0.2 nats per row, distance 4" in texts(figure)
    assert figure.axes[0].get_title(loc="left").startswith("3 of 5 searches ended in the best\n(dashed")


def test_training_shows_every_start_and_the_best_epoch_of_the_one_kept():
    epochs = np.arange(1, 21)
    falling = lambda rate: 1 + np.exp(-rate * epochs)
    history = pd.DataFrame({"start": np.repeat([0, 1], 20), "epoch": np.tile(epochs, 2),
                            "train_loss": np.r_[falling(0.1), falling(0.2)],
                            "validation_loss": np.r_[falling(0.1), falling(0.2)] + 0.1})  # fmt: skip
    history.loc[25, "validation_loss"] = np.inf
    restarts = pd.DataFrame({"best_epoch": [20, 18], "validation_loss": [1.2, 1.13], "kept": [False, True]})
    figure = plots.training(history, restarts)
    drawn(figure)
    marker = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert (marker.get_xdata()[0], marker.get_ydata()[0]) == (18, 1.13)
    assert {"other starts", "kept: validation"} <= set(legend(figure))
    assert "gaps" in figure.axes[0].get_title(loc="left")


def test_pit_histogram_of_exact_distributions_is_flat_and_keeps_its_area():
    figure = plots.pit_histogram((np.arange(400) + 0.5) / 400, bins=20)
    drawn(figure)
    heights = figure.axes[0].patches[-1].get_data().values
    assert np.allclose(heights, 1.0)
    bowl = plots.pit_histogram(rng("pit").beta(0.5, 0.5, 400)).axes[0].patches[-1].get_data().values
    assert bowl.mean() == pytest.approx(1.0)
    assert bowl[0] > 1.5 > 1.0 > bowl[10]


def test_coverage_of_exact_distributions_lies_on_the_diagonal_and_of_narrow_ones_below():
    line = lambda pit: next(line for line in plots.coverage(pit).axes[0].lines if line.get_label() == "observed")
    exact = line((np.arange(1000) + 0.5) / 1000)
    assert np.allclose(exact.get_ydata(), exact.get_xdata(), atol=2e-3)
    narrow = line(np.repeat([0.01, 0.99], 10))
    assert (narrow.get_ydata()[:-1] < narrow.get_xdata()[:-1]).all()


def test_reliability_groups_rows_by_what_was_predicted():
    probabilities = np.repeat([[0.75, 0.25], [0.05, 0.95]], [100, 20], axis=0)
    observed = np.r_[np.ones(20), np.zeros(80), np.ones(20)].astype(int)
    figure = plots.reliability(probabilities, observed, ["no", "yes"])
    drawn(figure)
    points = next(line for line in figure.axes[0].lines if line.get_marker() == "o")
    assert np.allclose(points.get_xdata(), [0.25, 0.95])
    assert np.allclose(points.get_ydata(), [0.2, 1.0])


@pytest.mark.parametrize("classes", [2, 3, 9])
def test_reliability_draws_classes_one_by_one_or_the_one_predicted(classes):
    probabilities = rng(classes).dirichlet(np.ones(classes), size=60)
    figure = plots.reliability(
        probabilities, rng("codes").integers(classes, size=60), [f"c{i}" for i in range(classes)]
    )
    drawn(figure)
    assert len(legend(figure)) == {2: 1, 3: 3, 9: 1}[classes]


def test_prediction_intervals_count_the_rows_inside():
    y, predicted = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 2.0])
    figure = plots.prediction_intervals(
        y, predicted, np.c_[predicted - 0.6, predicted + 0.6], coverage=0.9, name="a$b$"
    )
    drawn(figure)
    assert figure.axes[0].get_title(loc="left") == "67% of 3 rows lie inside their 90% interval"


def test_contributions_sum_to_the_total_bar():
    values = pd.Series(
        rng("parts").normal(size=20), pd.MultiIndex.from_product([map(str, range(10)), ["utility", "x"]])
    )
    figure = plots.contributions(values, most=4)
    drawn(figure)
    widths = [bar.get_width() for bar in figure.axes[0].patches]
    assert len(widths) == 6
    assert widths[-1] == pytest.approx(values.sum())
    assert sum(widths[:-1]) == pytest.approx(widths[-1])


def test_effects_are_ordered_by_size_and_hollow_without_errors():
    table = pd.DataFrame({"estimate": [1.0, -3.0, 2.0], "lower": [0.5, -4.0, np.nan], "upper": [1.5, -2.0, np.nan]})
    figure = plots.effects(table.set_axis(pd.Index(list("abc"), name="variable")))
    drawn(figure)
    ax = figure.axes[0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["b", "c", "a"]
    assert [color[3] for color in ax.collections[1].get_facecolors()] == [1.0, 0.0, 1.0]


def test_a_curve_of_effects_has_its_band():
    index = pd.MultiIndex.from_product([[1.0, 2.0, 3.0], ["low", "high"]], names=["x", "outcome"])
    values = pd.Series(rng("band").normal(size=6), index)
    figure = plots.curve(pd.DataFrame({"estimate": values, "lower": values - 1, "upper": values + 1}))
    drawn(figure)
    assert {line.get_label() for line in figure.axes[0].lines} == {"low", "high"}
    assert len(figure.axes[0].collections) == 2


@pytest.mark.parametrize("index", [np.linspace(0, 1, 5), ["north", "south", "$west$", "e", "f"]])
def test_curves_over_numbers_and_levels(index):
    table = pd.DataFrame(rng("curve").normal(size=(5, 8)), index=pd.Index(index, name="x$"), columns=list("abcdefgh"))
    figure = plots.curve(table)
    drawn(figure)
    assert len(figure.axes[0].lines) == 6
    kept = {line.get_label() for line in figure.axes[0].lines}
    spread = (table.max() - table.min()).sort_values()
    assert kept == set(spread.index[2:])


@pytest.mark.parametrize("second", [np.linspace(2, 3, 6), list("uvwxyz")])
def test_a_surface_has_its_first_variable_across(second):
    first = np.linspace(0, 1, 4)
    values = np.outer(first - 0.5, np.arange(6.0) + 1)
    figure = plots.surface(first, second, values, names=("a", "b"))
    drawn(figure)
    mesh = figure.axes[0].collections[0]
    assert np.allclose(mesh.get_array(), values.T)
    low, high = mesh.get_clim()
    assert low == -high


def test_figures_carry_the_two_colors_a_page_replaces_and_open_no_window():
    import matplotlib._pylab_helpers as managers

    svg = drawn(plots.hierarchy(problem("deep")))
    assert INK in svg
    assert PAPER in svg
    assert not managers.Gcf.figs


def test_a_path_is_drawn_with_its_losses_and_the_chosen_size():
    path = pd.DataFrame({"terms": [1, 3, 5], "loss": [1.0, 0.5, 0.4], "loss_se": [0.1, 0.1, 0.2]})
    axis = plots.discovery_path(path.assign(recurrence=[1.0, 0.9, 0.2], chosen=[False, True, False])).axes[0]
    drawn = [list(map(float, line.get_ydata())) for line in axis.lines if len(line.get_xdata()) == len(path)]
    assert path["loss"].tolist() in drawn
    assert 3.0 in [float(line.get_xdata()[0]) for line in axis.lines if len(line.get_xdata()) == 2]


def test_a_scenario_is_drawn_beside_its_baseline():
    index = pd.MultiIndex.from_product([["effect", "baseline", "scenario"], ["demand"]])
    levels = pd.DataFrame({"estimate": [1.0, 2.0, 3.5], "lower": [0.5, 1.0, 2.0], "upper": [1.5, 3.0, 4.0]}, index)
    drawn = [float(container.lines[0].get_xdata()[0]) for container in plots.scenario(levels).axes[0].containers]
    assert drawn == [2.0, 3.5]


def test_a_tornado_has_the_largest_effect_on_top():
    effects = pd.DataFrame({"estimate": [1.0, -2.0], "lower": [0.5, -3.0], "upper": [1.5, -1.0]}, ["tax", "subsidy"])
    axis = plots.tornado(effects).axes[0]
    heights = dict(zip([label.get_text() for label in axis.get_yticklabels()], axis.patches, strict=True))
    assert heights["subsidy"].get_width() == -2.0
    assert heights["subsidy"].get_y() > heights["tax"].get_y()


def test_a_graph_shows_no_edge_below_the_threshold():
    """|coefficient| · scale · standard deviations: 0.6 of RM, 0.2 of TAX and 0.5 of their product."""
    polynomial = Polynomial({(("RM", 1),): 3.0, (("TAX", 1),): 0.1, (("RM", 1), ("TAX", 1)): 1.25})
    term = HeadTerm(get_head("equality", "abs"), 1.0, polynomial, 2.0)
    block = Block("block1.1", (term,), (), {"RM": 0.1, "TAX": 1.0})
    shown = {t: texts(plots.block_graph(block, terms=None, threshold=t)) for t in (0.0, 0.22, 0.3, 0.7)}
    assert [("3" in own, "0.1" in own, "1.25" in own) for own in shown.values()] == [
        (True, True, True),
        (True, False, True),
        (True, False, False),
        (False, False, False),
    ]


def test_violations_are_drawn_by_temperature_and_multiplier():
    lines = [(sweep, value, "T", value, 2 * value) for sweep in ("temperature", "multiplier") for value in (0.5, 1.0)]
    table = pd.DataFrame(lines, columns=["sweep", "value", "row", "mean", "percentile_95"])
    axes = plots.violations(table).axes
    assert [axis.get_xlabel().split(",")[0] for axis in axes] == ["temperature", "multiplier"]
    np.testing.assert_array_equal(axes[0].lines[1].get_ydata(), [1.0, 2.0])
    with pytest.raises(DataError, match=r"model\.violations"):
        plots.violations(table.drop(columns="mean"))


def test_every_public_figure_is_covered_here():
    """A new figure fails until it has a claim."""
    source = Path(__file__).read_text(encoding="utf-8")
    assert [name for name in plots.__all__ if f"plots.{name}(" not in source] == []


def test_a_hierarchy_shows_the_titles_of_its_blocks():
    figure = plots.hierarchy(problem("deep"), titles={"block1.1": "the budget", "block1.2": "block1.2"})
    assert texts(figure).count("the budget") == 1
    assert texts(figure).count("block1.2") == 1
