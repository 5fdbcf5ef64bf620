"""The path of problems by size: what each costs in likelihood, and how often what it says recurs."""

import pandas as pd
from matplotlib.figure import Figure

from behavior_learning.plots.style import BLUE, VERMILION, canvas, styled

__all__ = ["discovery_path"]


@styled
def discovery_path(path: pd.DataFrame) -> Figure:
    """Held-out loss with its standard error, and mean recurrence, by number of terms; the chosen size is marked.

    Parameters
    ----------
    path : a line per size with `terms`, `loss`, `loss_se`, `recurrence` and `chosen`, as `discover` gives it.

    Examples
    --------
    >>> import behavior_learning as bl, pandas as pd
    >>> path = pd.DataFrame({"terms": [1, 3], "loss": [1.0, 0.5], "loss_se": [0.1, 0.1]})
    >>> figure = bl.plots.discovery_path(path.assign(recurrence=[1.0, 0.9], chosen=[False, True]))
    >>> figure.axes[0].get_xlabel()
    'terms'
    """
    figure, (axis,) = canvas(5.5, 3.4)
    axis.errorbar(path["terms"], path["loss"], path["loss_se"], color=BLUE, marker="o", capsize=2, label="loss")
    axis.axvline(path.loc[path["chosen"], "terms"].iloc[0], color="0.6", linestyle=":")
    axis.set_xlabel("terms")
    axis.set_ylabel("held-out loss (nats)")
    second = axis.twinx()
    second.plot(path["terms"], path["recurrence"], color=VERMILION, linestyle="--", marker="s", label="recurrence")
    second.set_ylim(0, 1.05)
    second.set_ylabel("share of half-samples that say the same")
    lines = [*axis.get_legend_handles_labels()[0], *second.get_legend_handles_labels()[0]]
    axis.legend(lines, ["loss", "recurrence"], loc="upper right")
    return figure
