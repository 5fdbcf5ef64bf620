"""Replications of `coverage.py` and `sizes.py` side by side, a processor each.

Jobs are PART:COLUMNS:ROWS:FIRST-LAST with the parts of `first_tries.py`, of which the columns are not used, and
`constraints` and `terms` of `sizes.py`; they are begun in this order. Each that ends adds a line of JSON to a file,
and what stands there already is not run again. `--collect` puts the lines into the tables in `results/`, and says what
searches by default add to searches from the truth.

    python experiments/side_by_side.py lines.jsonl constraints:20:2000:142-399 default-classes:2:1000:47-300 \\
        --processes 14 --seconds 450
    python experiments/side_by_side.py lines.jsonl --collect
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path
from queue import Empty
from typing import Any

Job = tuple[str, int, int, int]

SIZES = ("constraints", "terms")
FIRST_TRIES = ("default-classes", "classes-from-truth", "demand", "weak", "weaker")


def jobs_of(text: str) -> list[Job]:
    part, columns, rows, seeds = text.split(":")
    first, _, last = seeds.partition("-")
    if part not in (*SIZES, *FIRST_TRIES):
        raise argparse.ArgumentTypeError(f"parts are {', '.join((*SIZES, *FIRST_TRIES))}; got {part!r}.")
    return [(part, int(columns), int(rows), seed) for seed in range(int(first), int(last or first) + 1)]


def lines_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def replication(job: Job) -> dict[str, Any]:
    """Hits or p-values of one seed; programs stay compiled in this process."""
    import jax

    import first_tries
    import sizes

    part, columns, rows, seed = job
    if part in SIZES:
        with jax.enable_x64(True):
            return next(sizes.PARTS[part](rows, columns, [seed]))
    return first_tries.PARTS[part](rows, seed)


def work(number: int, jobs: Any, file: Path, until: float) -> None:
    """Take jobs until there are none or the time is up, on one processor."""
    os.environ |= {"JAX_PLATFORMS": "cpu", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    if hasattr(os, "sched_setaffinity"):
        own = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {own[number % len(own)]})
    parent = multiprocessing.parent_process()
    while time.time() < until and parent is not None and parent.is_alive():
        try:
            job = jobs.get(timeout=1)
        except Empty:
            return
        start = time.process_time()
        try:
            found = replication(job)
        except Exception as error:  # One replication that fails is reported, and the others go on.
            print(f"{job}: {type(error).__name__}: {error}", flush=True)
            continue
        seconds = round(time.process_time() - start, 1)
        line = json.dumps({"job": job, "seconds": seconds, "found": found})
        with file.open("a") as lines:
            lines.write(line + "\n")
        print(f"{job}: {seconds} CPU s", flush=True)


def collect(file: Path) -> None:
    """Add lines to the tables that `coverage.py` and `sizes.py` go on from."""
    import pandas as pd

    from coverage import RESULTS
    from first_tries import beside, coverage
    from sizes import summary

    tables: dict[tuple[str, int, int], dict[int, dict[str, Any]]] = {}
    for line in lines_in(file):
        part, columns, rows, seed = line["job"]
        tables.setdefault((part, columns, rows), {})[seed] = line["found"]
    for (part, columns, rows), found in tables.items():
        of_size = part in SIZES
        records = RESULTS / (f"sizes-{part}-{columns}-{rows}.csv" if of_size else f"hits-{part}-{rows}.csv")
        known = pd.read_csv(records, index_col="seed") if records.exists() else pd.DataFrame()
        new = pd.DataFrame.from_dict(found, orient="index").astype(float)
        table = pd.concat([known, new[~new.index.isin(known.index)]]).rename_axis("seed").sort_index()
        table.to_csv(records, float_format="%.6g" if of_size else None)
        print(f"{part}, {rows} rows: {len(table)} replications")
        print((summary(table) if of_size else coverage(table)).round(3).to_string())
    for rows in (1000, 3000):
        kinds = ("default-classes", "classes-from-truth")
        print(rows, beside(*(pd.read_csv(RESULTS / f"hits-{kind}-{rows}.csv", index_col="seed") for kind in kinds)))


def run(jobs: Sequence[Job], file: Path, processes: int, seconds: float) -> None:
    done = {tuple(line["job"]) for line in lines_in(file)}
    context, until = multiprocessing.get_context("spawn"), time.time() + seconds
    queue = context.Queue()
    for job in jobs:
        if job not in done:
            queue.put(job)
    workers = [context.Process(target=work, args=(number, queue, file, until)) for number in range(processes)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(max(0.0, until - time.time()) + 1)
        worker.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("jobs", type=jobs_of, nargs="*", metavar="PART:COLUMNS:ROWS:FIRST-LAST")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=1e6, help="after which what runs is ended")
    parser.add_argument("--collect", action="store_true")
    arguments = parser.parse_args()
    if arguments.collect:
        collect(arguments.file)
    else:
        run([job for some in arguments.jobs for job in some], arguments.file, arguments.processes, arguments.seconds)


if __name__ == "__main__":
    main()
