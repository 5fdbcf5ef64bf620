"""Exceptions and warnings, each named for what went wrong."""

__all__ = [
    "AtomWarning",
    "BLError",
    "BLWarning",
    "ConvergenceError",
    "ConvergenceWarning",
    "DataError",
    "ExtrapolationWarning",
    "FewClustersWarning",
    "FewValuesWarning",
    "ManyLevelsWarning",
    "NoQuadratureError",
    "OptionError",
    "OutlierWarning",
    "OutsideDataWarning",
    "OutsideSupportWarning",
    "ProcessError",
    "SamplingError",
    "SamplingWarning",
    "SmoothHeadsWarning",
    "TextColumnWarning",
    "TrainingWarning",
    "TruncationWarning",
    "UnseenCategoryWarning",
    "UnseenMissingWarning",
]


LONGEST = 2000
"""Characters of a message; of a longer one, which quotes a long value, both ends are kept."""


class BLError(Exception):
    """Root of every exception this library raises on purpose."""

    def __init__(self, message: str = ""):
        cut = f"{message[: LONGEST // 2]} … {message[-LONGEST // 4 :]}"
        super().__init__(message if len(message) <= LONGEST else cut)


class OptionError(BLError, ValueError):
    """An option has a value that is not one of the valid ones."""


class DataError(BLError, ValueError):
    """Rows, columns or responses that no model can be fitted to or predicted from."""


class NoQuadratureError(BLError, NotImplementedError):
    """A normaliser is asked for in more dimensions than quadrature can do."""


class ConvergenceError(BLError, RuntimeError):
    """Training found no parameters worth keeping."""


class SamplingError(BLError, RuntimeError):
    """Markov chains left the finite numbers, or never moved."""


class ProcessError(BLError, RuntimeError):
    """A process was started in a way in which it cannot compute."""


class BLWarning(UserWarning):
    """Root of every warning this library gives."""


class AtomWarning(BLWarning):
    """A number takes one value so often that it has no density there."""


class ConvergenceWarning(BLWarning):
    """Training may stop short of an optimum."""


class ExtrapolationWarning(BLWarning):
    """Inputs lie far outside the training rows and are taken to be at the end of their range."""


class FewClustersWarning(BLWarning):
    """There are fewer clusters than parameters, so that clustered errors are too small."""


class FewValuesWarning(BLWarning):
    """A numeric response takes so few values that it looks like classes or counts."""


class ManyLevelsWarning(BLWarning):
    """A category has so many levels that the rare ones share a column."""


class OutlierWarning(BLWarning):
    """A few values of the response lie far outside the others, and count less the further they are."""


class OutsideSupportWarning(BLWarning):
    """Some rows lie where the model says that no response can be."""


class OutsideDataWarning(BLWarning):
    """A scenario leaves the range of the rows that a model has learned from."""


class SmoothHeadsWarning(BLWarning):
    """Heads with kinks were replaced by their smooth versions."""


class SamplingWarning(BLWarning):
    """Draws from Markov chains may not follow their target."""


class TextColumnWarning(BLWarning):
    """A column of text looks like numbers, dates or names of rows."""


class TrainingWarning(ConvergenceWarning):
    """A fit ended before it had converged, learned nothing of x, or had too few rows."""


class TruncationWarning(BLWarning):
    """A fitted distribution has mass at an end that was chosen for it."""


class UnseenCategoryWarning(BLWarning):
    """A category at prediction was absent from training and is treated as missing."""


class UnseenMissingWarning(BLWarning):
    """Values are missing at prediction in a column that was complete in training."""
