"""Rows that do not fit in memory: where they come from, one pass that learns their scales, and windows to train on."""

from behavior_learning.streams.sources import Source, as_source
from behavior_learning.streams.stream import Opened, Stream

__all__ = ["Opened", "Source", "Stream", "as_source"]
