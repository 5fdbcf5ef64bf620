"""Mutations of model files: what loads or raises DataError is well; `python -m tests.fuzz` goes on until it is told."""

import argparse
import copy
import json
import resource
import sys
from pathlib import Path
from tempfile import mkdtemp
from time import perf_counter

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

import behavior_learning as bl
from behavior_learning.errors import DataError
from behavior_learning.persistence import checksum

VALUES = [
    *(None, True, -1, 0, 1, 2**31, 10**8, 10**30, -1.5, 1e308, float("nan"), float("inf")),
    *("", "a", "<U500000000", "__import__('os')", "\x00", "\ud800"),
    *([], {}, [[]], [[[1]]], [0] * 1000, {"option": "LBFGS"}, {"option": "Nothing"}),
]
"""What a part of a header is replaced by."""


def parts(path):
    """The header of a file and its arrays."""
    with safe_open(path, framework="numpy") as file:
        header = json.loads(file.metadata()["behavior_learning"])
        return header, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118


def write(path, header, arrays):
    """A file with the checksum of what it says."""
    metadata = {"behavior_learning": header, "checksum": checksum(header, arrays)}
    save_file(arrays, str(path), metadata=metadata)


def changed(**parts):
    return lambda header: json.dumps(header | parts)


def with_architecture(**parts):
    return lambda header: json.dumps(header | {"architecture": header["architecture"] | parts})


HOSTILE = {
    "layers": with_architecture(layers=[1] * 10**5),
    "width": with_architecture(layers=[10**7, 1]),
    "rows": with_architecture(rows=[10**7, 1, 1]),
    "dtype": lambda header: json.dumps(header | {"response": header["response"] | {"dtype": "<U500000000"}}),
    "nodes": changed(nodes=10**8),
    "depth": lambda header: json.dumps(header)[:-1] + ', "deep": ' + "[" * 10**5 + "]" * 10**5 + "}",
}
"""Headers that ask for more than the file holds."""


def mutated(content, header, arrays, rng, path):
    """One mutated file, and what was done."""
    kind = rng.integers(4)
    if kind == 0:
        spoiled = bytearray(content)
        for place in rng.integers(len(content), size=rng.integers(1, 9)):
            spoiled[place] = rng.integers(256)
        path.write_bytes(bytes(spoiled[: rng.integers(len(content))] if rng.random() < 0.2 else spoiled))
        return "bytes"
    header, arrays = copy.deepcopy(header), dict(arrays)
    if kind == 1:
        name = list(arrays)[rng.integers(len(arrays))]
        own = arrays[name]
        choices = [
            own.astype(np.float64),
            own.astype(np.int32),
            own[..., None],
            own.ravel(),
            np.full_like(own, np.nan),
            own[:0],
        ]
        arrays[name] = np.ascontiguousarray(choices[rng.integers(len(choices))])
        done = f"array {name}"
    else:
        done = "header " + "/".join(_spoil(header, rng, deep=kind == 3))
    try:
        write(path, json.dumps(header), arrays)
    except UnicodeEncodeError:
        path.write_bytes(b"")
    return done


def _spoil(node, rng, deep):
    """Replace, drop or add a part, and say where."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return []
    key = keys[rng.integers(len(keys))]
    if isinstance(node[key], (dict, list)) and node[key] and (deep or rng.random() < 0.5):
        return [str(key), *_spoil(node[key], rng, deep and rng.random() < 0.9)]
    if rng.random() < 0.1:
        del node[key]
    else:
        node[key] = VALUES[rng.integers(len(VALUES))]
    return [str(key)]


def fuzz(path, seeds, slow=float("inf")):
    """What went wrong, by seed: another exception than DataError, or more seconds than `slow`."""
    content, (header, arrays) = path.read_bytes(), parts(path)
    wrong, spoiled = [], path.with_name("spoiled.bl")
    for seed in seeds:
        done = mutated(content, header, arrays, np.random.default_rng(seed), spoiled)
        start = perf_counter()
        try:
            bl.load(spoiled)
        except DataError:
            pass
        except Exception as error:
            wrong.append((seed, done, repr(error)[:200]))
        if perf_counter() - start > slow:
            wrong.append((seed, done, f"{perf_counter() - start:.1f} s"))
    return wrong


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--first", type=int, default=0, help="first seed")
    given = parser.parse_args()
    X, y = bl.datasets.load_boston()
    path = Path(mkdtemp()) / "model.bl"
    X = X[["RM", "LSTAT"]].assign(river=X["CHAS"].map({0: "no", 1: "yes"}))
    bl.BLRegressor(layers=(2, 1), max_epochs=2, n_restarts=1, random_state=0).fit(X, y).save(path)
    _ = bl.load(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    end, seed, wrong = perf_counter() + 60 * given.minutes, given.first, []
    while perf_counter() < end:
        wrong += fuzz(path, range(seed, seed + 200), slow=1.0)
        seed += 200
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{seed - given.first} mutated files: {len(wrong)} wrong, memory grew by {grown:.0f} MB")
    for line in wrong[:50]:
        print(*line)
    sys.exit(bool(wrong) or grown > 300)


if __name__ == "__main__":
    main()
