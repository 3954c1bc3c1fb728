"""Damaged files for every reader, by the thousand: what ``tests/hostile`` does in seconds, done for longer.

    python benchmarks/fuzz_readers.py [--cases 4000] [--seeds 100 101 …] [--family rasters …] [--keep DIR]

Each family of readers runs in a process of its own under limits of memory and time. A line per family and
seed is printed; ends with 1 if there was any fault.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
SCRIPT = HOME / "tests" / "hostile" / "fuzz.py"
FAMILIES = ("archives", "boundaries", "rasters", "tables")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=4000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[100])
    parser.add_argument("--family", nargs="+", choices=FAMILIES, default=list(FAMILIES))
    parser.add_argument("--keep", type=Path, help="folder for files that caused a fault")
    asked = parser.parse_args()
    faults = 0
    for seed in asked.seeds:
        for family in asked.family:
            command = [sys.executable, "-W", "ignore", str(SCRIPT), family]
            command += ["--cases", str(asked.cases), "--seed", str(seed)]
            if asked.keep is not None:
                command += ["--keep", str(asked.keep)]
            began = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            took = time.monotonic() - began
            if done.returncode != 0:
                faults += 1
                print(f"{family} seed {seed}: died ({done.returncode}): {done.stderr[-800:]}", flush=True)
                continue
            said = json.loads(done.stdout.splitlines()[-1])
            faults += len(said["faults"])
            print(
                f"{family:10s} seed {seed}: {said['cases']} cases, {said['read']} read, "
                f"{said['refused']} refused, {len(said['faults'])} faults, slowest {said['slowest_s']} s, "
                f"memory +{said['growth_mb']} MB, {took:.0f} s",
                flush=True,
            )
            for fault in said["faults"][:20]:
                print("   ", fault, flush=True)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
