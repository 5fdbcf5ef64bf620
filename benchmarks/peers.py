"""What a user would pick instead: the paper's package, and plain networks of as many parameters."""

import os
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from blnetwork.model import BLDeep
from blnetwork.training import ContinuousTrainer, DiscreteTrainer, OptimConfig, TrainConfig

__all__ = ["blnetwork_epoch", "built", "mlp_epoch", "mlp_width", "trainer_of"]

torch.set_num_threads(len(os.sched_getaffinity(0)))


def built(layers: Sequence[int], x: np.ndarray, y: np.ndarray, classes: int | None = None) -> BLDeep:
    """blnetwork's model, with its defaults, for these rows."""
    torch.manual_seed(0)
    model = BLDeep(list(layers), task="discrete" if classes else "continuous", num_classes=classes)
    model.build(torch.from_numpy(x), torch.arange(classes) if classes else torch.from_numpy(y))
    return model


def trainer_of(model: BLDeep, *, sigma: float | None = None, learning_rate: float = 0.01, **options):
    """blnetwork's own trainer: Adam and clipped gradients."""
    settings = OptimConfig(lr=learning_rate), TrainConfig(grad_clip_norm=1.0, **options)
    if sigma is None:
        return DiscreteTrainer(model, *settings)
    return ContinuousTrainer(model, *settings, dsm_sigma=sigma)


def blnetwork_epoch(layers: Sequence[int], x: np.ndarray, y: np.ndarray, batch: int, **options) -> Callable[[], float]:
    """A pass of blnetwork's training loop over batches that are cut beforehand, so that its loader costs nothing."""
    classes = options.pop("classes", None)
    model = built(layers, x, y, classes)
    trainer = trainer_of(model, **options)
    from blnetwork.training.utils import build_optimizer

    trainer.optimizer = build_optimizer(model=model, cfg=trainer.optim_cfg)
    target = torch.from_numpy(y.astype(np.int64)) if classes else torch.from_numpy(y)[:, None]
    batches = list(zip(torch.from_numpy(x).split(batch), target.split(batch), strict=True))
    return lambda: trainer._train_one_epoch(batches)


def mlp_width(parameters: int, inputs: int, outputs: int, depth: int) -> int:
    """The width of a plain network whose hidden layers, all of one width, make it about so large."""
    sizes = np.arange(1, 4096)
    counts = inputs * sizes + sizes + (depth - 1) * sizes * (sizes + 1) + outputs * (sizes + 1)
    return int(sizes[np.argmin(np.abs(counts - parameters))])


def mlp_epoch(width: int, depth: int, x: np.ndarray, y: np.ndarray, classes: int, batch: int) -> Callable[[], float]:
    """A pass of PyTorch's usual training loop: relu layers, cross-entropy, clipped gradients, Adam."""
    torch.manual_seed(0)
    sizes = [x.shape[1], *[width] * depth]
    hidden = [part for a, b in pairwise(sizes) for part in (torch.nn.Linear(a, b), torch.nn.ReLU())]
    model = torch.nn.Sequential(*hidden, torch.nn.Linear(width, classes))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    batches = list(
        zip(torch.from_numpy(x).split(batch), torch.from_numpy(y.astype(np.int64)).split(batch), strict=True)
    )

    def epoch() -> float:
        for rows, labels in batches:
            optimizer.zero_grad(set_to_none=True)
            loss = torch.nn.functional.cross_entropy(model(rows), labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return float(loss.detach())

    return epoch
