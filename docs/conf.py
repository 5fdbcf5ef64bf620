"""Settings of Sphinx: pages are Markdown, examples are executed, everything is read offline."""

import re
from importlib import metadata
from typing import Any

project = "behavior_learning"
author = "the behavior_learning developers"
release = metadata.version("behavior-learning")

extensions = [
    "myst_nb",
    "numpydoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx-mathjax-offline",
]
suppress_warnings = ["ref.ref"]  # Inherited docstrings refer to pages of scikit-learn.
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 600
nb_merge_streams = True

autosummary_generate = True
autosummary_imported_members = False
numpydoc_class_members_toctree = False
numpydoc_show_inherited_class_members = True

templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_js_files = ["labels.js"]
html_theme = "pydata_sphinx_theme"
html_title = "behavior_learning"
html_theme_options = {"show_prev_next": True, "navigation_with_keys": False, "secondary_sidebar_items": ["page-toc"]}
html_show_sourcelink = False
html_copy_source = False


def readable(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Bars are absolute values, never substitutions; what follows the name of a parameter describes it."""
    literal, described = re.compile(r"(``.*?``)|\|"), re.compile(r"^(\w[\w, *]*) : (.+)$")
    shown = [line if ">>>" in line else literal.sub(lambda bar: bar[1] or r"\|", line) for line in lines]
    lines[:] = [part for line in shown for part in described.sub(r"\1\n    \2", line).split("\n")]


def setup(app: Any) -> None:
    app.connect("autodoc-process-docstring", readable, priority=100)
