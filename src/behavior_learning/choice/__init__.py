"""Discrete choice among alternatives with attributes: data, formulas, and the classical family as exact cases."""
