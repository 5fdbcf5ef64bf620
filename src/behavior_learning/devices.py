"""Where to compute."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import jax

from behavior_learning.errors import OptionError
from behavior_learning.processes import begin_computing

__all__ = ["on_device"]


@contextmanager
def on_device(name: str | None) -> Generator[Any]:
    """Compute on a device whatever is called in a ``with`` block: fits, predictions, inference, searches.

    A setting of the place and not of the model: estimators have no parameter for it, files do not hold it, and a model
    that was fitted on one device answers on another. Outside of such blocks JAX chooses (``JAX_PLATFORMS=cpu`` in the
    environment keeps it from GPUs). Other threads are not concerned.

    Parameters
    ----------
    name : ``"cpu"``, ``"gpu"``, ``"tpu"``, or one of several by its number, ``"gpu:1"``; None leaves the choice to JAX.

    Raises
    ------
    OptionError
        If there is no such device; the message names those that there are.

    Examples
    --------
    >>> import behavior_learning as bl
    >>> X, y = bl.datasets.load_boston()
    >>> with bl.on_device("cpu") as device:
    ...     reg = bl.BLRegressor(layers=(1,), max_epochs=5, random_state=0).fit(X, y)
    >>> device.platform
    'cpu'
    """
    if name is None:
        yield None
        return
    device = _found(name)
    with jax.default_device(device):
        yield device


def _found(name: str) -> Any:
    begin_computing()
    spelled = re.fullmatch(r"([a-z]+)(?::([0-9]+))?", str(name))
    try:
        kind, number = ("none", None) if spelled is None else spelled.groups()
        return jax.devices(kind)[int(number or 0)]
    except (RuntimeError, IndexError) as error:
        own = dict.fromkeys(f"{device.platform}:{device.id}" for device in [*jax.devices(), *jax.devices("cpu")])
        raise OptionError(
            f"There is no device {name!r}; here {'is' if len(own) == 1 else 'are'} {', '.join(own)}. GPUs need the JAX "
            "that was built for them: pip install jax[cuda12]."
        ) from error
