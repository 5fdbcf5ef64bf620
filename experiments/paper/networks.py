"""Table 5's networks and its variational Gaussian process in PyTorch; the library of the additive ones is not kept."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset


class Additive(nn.Module):
    """Logits that are a sum over columns of rectified networks of that column alone, of two hidden layers."""

    def __init__(self, columns: int, classes: int, widths: tuple[int, int] = (64, 32)):
        super().__init__()
        sizes = (1, *widths, classes)
        draw = lambda size, out: nn.Parameter(torch.randn(columns, size, out) * (2 / size) ** 0.5)
        self.weights = nn.ParameterList([draw(*pair) for pair in pairwise(sizes)])
        self.shifts = nn.ParameterList([nn.Parameter(torch.zeros(columns, 1, out)) for out in sizes[1:]])

    def forward(self, x: Tensor) -> Tensor:
        hidden = x.T[:, :, None]
        for weight, shift in zip(self.weights[:-1], self.shifts[:-1], strict=True):
            hidden = torch.relu(hidden @ weight + shift)
        return (hidden @ self.weights[-1] + self.shifts[-1]).sum(dim=0)


class NeuralAdditive(ClassifierMixin, BaseEstimator):
    """Agarwal et al. (2021) without bags; a fifth of the rows says when to stop."""

    def __init__(
        self,
        *,
        seed: int = 0,
        learning_rate: float = 0.01,
        batch_size: int = 256,
        patience: int = 20,
        epochs: int = 500,
    ):
        self.seed = seed
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.patience = patience
        self.epochs = epochs

    def fit(self, X: np.ndarray, y: np.ndarray) -> "NeuralAdditive":
        torch.manual_seed(self.seed)
        order = np.random.default_rng(self.seed).permutation(len(X))
        held_out, own = (_tensors(X[rows], y[rows]) for rows in np.split(order, [len(X) // 5]))
        net = Additive(X.shape[1], int(y.max()) + 1)
        adam, since, best = torch.optim.Adam(net.parameters(), self.learning_rate), 0, (np.inf, deepcopy(net))
        for _ in range(self.epochs):
            for x, label in DataLoader(TensorDataset(*own), self.batch_size, shuffle=True):
                adam.zero_grad()
                cross_entropy(net(x), label).backward()
                adam.step()
            with torch.no_grad():
                lost = float(cross_entropy(net(held_out[0]), held_out[1]))
            since = 0 if lost < best[0] else since + 1
            best = (lost, deepcopy(net)) if lost < best[0] else best
            if since == self.patience:
                break
        self.net_ = best[1]
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return torch.softmax(self.net_(torch.as_tensor(X, dtype=torch.float32)), dim=1).double().numpy()


class TabNet(ClassifierMixin, BaseEstimator):
    """Arık and Pfister (2021) by pytorch-tabnet, for 100 epochs of batches that few rows fill too."""

    def __init__(
        self,
        *,
        seed: int = 0,
        learning_rate: float = 0.02,
        batch_size: int = 256,
        virtual_batch_size: int = 128,
        width: int = 8,
        **options: Any,
    ):
        self.seed = seed
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.virtual_batch_size = virtual_batch_size
        self.width = width
        self.options = options

    def fit(self, X: np.ndarray, y: np.ndarray) -> "TabNet":
        from pytorch_tabnet.tab_model import TabNetClassifier

        fixed = {"seed": self.seed, "verbose": 0, "device_name": "cpu", "n_d": self.width, "n_a": self.width}
        self.net_ = TabNetClassifier(**fixed, optimizer_params={"lr": self.learning_rate}, **self.options)
        batches = {"batch_size": self.batch_size, "virtual_batch_size": self.virtual_batch_size, "drop_last": False}
        self.net_.fit(X.astype(np.float32), y, **batches)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return self.net_.predict_proba(X.astype(np.float32))


class VariationalProcess(ClassifierMixin, BaseEstimator):
    """A Gaussian process for each class behind a softmax, by points that stand for the rows (Hensman et al. 2015)."""

    def __init__(
        self,
        *,
        seed: int = 0,
        kernel: str = "rbf",
        lengthscale: float = 1.0,
        points: int = 200,
        learning_rate: float = 0.05,
        epochs: int = 100,
    ):
        self.seed = seed
        self.kernel = kernel
        self.lengthscale = lengthscale
        self.points = points
        self.learning_rate = learning_rate
        self.epochs = epochs

    def fit(self, X: np.ndarray, y: np.ndarray) -> "VariationalProcess":
        import gpytorch

        torch.manual_seed(self.seed)
        x, label = _tensors(X, y)
        classes = int(label.max()) + 1
        points = x[torch.randperm(len(x))[: self.points]].repeat(classes, 1, 1)
        self.process_ = _process(KERNELS[self.kernel], points, self.lengthscale * X.shape[1] ** 0.5)
        self.likelihood_ = gpytorch.likelihoods.SoftmaxLikelihood(num_classes=classes, mixing_weights=False)
        bound = gpytorch.mlls.VariationalELBO(self.likelihood_, self.process_, num_data=len(x))
        adam = torch.optim.Adam(self.process_.parameters(), self.learning_rate)
        for _ in range(self.epochs):
            for rows, own in DataLoader(TensorDataset(x, label), 1024, shuffle=True):
                adam.zero_grad()
                (-bound(self.process_(rows), own)).backward()
                adam.step()
        self.process_.eval()
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """By 64 draws from the law of each row alone."""
        torch.manual_seed(self.seed)
        with torch.no_grad():
            law = self.process_(torch.as_tensor(X, dtype=torch.float32))
            drawn = law.mean + law.variance.sqrt() * torch.randn(64, *law.mean.shape)
            return torch.softmax(drawn, dim=-1).mean(dim=0).double().numpy()


KERNELS = {"rbf": "RBFKernel", "matern": "MaternKernel", "rational_quadratic": "RQKernel"}


def _process(kernel: str, points: Tensor, lengthscale: float) -> Any:
    from gpytorch import distributions, kernels, means, models, variational

    classes = torch.Size([len(points)])

    class Process(models.ApproximateGP):
        def __init__(self) -> None:
            law = variational.CholeskyVariationalDistribution(points.shape[1], batch_shape=classes)
            inner = variational.VariationalStrategy(self, points, law, learn_inducing_locations=True)
            super().__init__(variational.IndependentMultitaskVariationalStrategy(inner, num_tasks=len(points)))
            self.mean = means.ConstantMean(batch_shape=classes)
            own = getattr(kernels, kernel)(batch_shape=classes)
            own.lengthscale = lengthscale
            self.covariance = kernels.ScaleKernel(own, batch_shape=classes)

        def forward(self, x: Tensor) -> Any:
            return distributions.MultivariateNormal(self.mean(x), self.covariance(x))

    return Process()


def _tensors(X: np.ndarray, y: np.ndarray) -> tuple[Tensor, Tensor]:
    return torch.as_tensor(X, dtype=torch.float32), torch.as_tensor(y, dtype=torch.int64)
