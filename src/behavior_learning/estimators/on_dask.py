"""A fit by the workers of a Dask cluster: each is one process of it, and reads its share of the partitions."""

import socket
from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from behavior_learning.errors import DataError
from behavior_learning.launched import Place
from behavior_learning.mesh import join
from behavior_learning.streams import Stream

__all__ = ["fit_by_workers"]


def fit_by_workers(estimator: Any, client: Any, rows: Any, given: Mapping[str, Any]) -> Any:
    """The estimator that all workers of a client have fitted together.

    Parameters
    ----------
    rows : a Dask DataFrame, whose partitions stay on the workers, or a stream that every worker can read.
    given : further arguments of `fit`.

    Raises
    ------
    DataError
        If there are no workers.
    """
    addresses = sorted(client.scheduler_info(n_workers=-1)["workers"])
    if not addresses:
        raise DataError("The client has no workers. Wait for them: client.wait_for_workers(2).")
    stream = rows if isinstance(rows, Stream) else Stream(rows)
    name = None
    if import_module("dask.base").is_dask_collection(stream.rows):
        name = f"behavior-learning-{uuid4().hex}"
        client.publish_dataset(client.compute(list(stream.rows.to_delayed())), name=name)
        stream = replace(stream, rows=None)
    alone: dict[str, Any] = {"pure": False, "allow_other_workers": False, "retries": 0}
    try:
        host = urlsplit(addresses[0]).hostname
        port = client.submit(_free_port, workers=addresses[:1], **alone).result()
        fits = [
            client.submit(_fitted, estimator, Place(number, len(addresses), f"{host}:{port}"), stream, name, given,
                          workers=[address], **alone)
            for number, address in enumerate(addresses)
        ]  # fmt: skip
        return client.gather(fits)[0]
    finally:
        if name is not None:
            client.unpublish_dataset(name)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def _fitted(estimator: Any, place: Place, stream: Stream, name: str | None, given: Mapping[str, Any]) -> Any:
    """What one worker does; the first returns the estimator."""
    join(place)
    if name is not None:
        futures = import_module("distributed").get_client().get_dataset(name)
        stream = replace(stream, rows=[future.result for future in futures])
    fitted = estimator.fit(stream, **given)
    return fitted if place.process == 0 else None
