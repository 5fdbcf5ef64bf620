"""Run benchmarks one after the other and write what each prints to benchmarks/results/; one that fails stops no other.

python benchmarks/run.py --data DIR [--only step growth ...]
"""

import argparse
import subprocess
import sys
from pathlib import Path

import jax

FOLDER = Path(__file__).parent
WITHOUT_DATA = {name: [] for name in ("step", "growth", "compilation", "memory", "plane", "devices")}
WITHOUT_DATA["refits"] = ["--n", "200", "--whole"]
WITH_DATA = ("fits", "quality", "optimizers", "search", "prediction", "peers_time", "pairs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    here = [name for name in (*WITHOUT_DATA, *WITH_DATA) if name != "devices" or jax.default_backend() != "cpu"]
    parser.add_argument("--only", nargs="*", default=here)
    arguments = parser.parse_args()
    results = FOLDER / "results"
    results.mkdir(exist_ok=True)
    failed = []
    for name in arguments.only:
        options = WITHOUT_DATA.get(name, ["--data", str(arguments.data)])
        print(f"running {name}", flush=True)
        command = [sys.executable, str(FOLDER / f"{name}.py"), *options]
        ran = subprocess.run(command, capture_output=True, text=True)
        if ran.returncode:
            failed.append(f"{name} ended with status {ran.returncode}\n{ran.stderr}")
        else:
            (results / f"{name}.md").write_text(ran.stdout.strip() + "\n", encoding="utf-8")
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
