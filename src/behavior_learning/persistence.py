"""Save and load fitted estimators: one safetensors file of arrays with JSON beside them; no pickle, no data."""

import json
from dataclasses import asdict
from importlib.metadata import version
from os import PathLike
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from safetensors import safe_open

from behavior_learning.encoding import ContinuousResponse, DiscreteResponse, TableEncoder
from behavior_learning.errors import DataError, OptionError
from behavior_learning.estimators.base import BehaviorEstimator
from behavior_learning.estimators.classifier import BLClassifier
from behavior_learning.estimators.regressor import BLRegressor

__all__ = ["load", "save"]
