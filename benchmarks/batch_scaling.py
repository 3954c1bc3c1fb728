"""A night's batch: throughput, memory, and whether anything grows.

    python benchmarks/batch_scaling.py night --folder /var/tmp/night --jobs 50 --workers 2 --memory 3GB
    python benchmarks/batch_scaling.py soak --folder /var/tmp/night --jobs 150
    python benchmarks/batch_scaling.py large --folder /var/tmp/night --jobs 50 --memory 2GB --big 40000
    python benchmarks/batch_scaling.py sizes --folder /var/tmp/night --cells 1024,4096,8192

night   some jobs of each size one after another in one process, one thread (the rate of a single job), then
        all as a batch, then the batch again (everything is kept). Efficiency = time one after another /
        (workers · time of the batch); the same by processor time says what is lost to work and not to waiting
        for others on the machine; occupation = part of the batch during which a worker had a job. Memory: the
        proportional share of all its processes, four times a second.
soak    many small jobs in one process, which after each gives back what a process of a batch does: what it
        holds then (memory, bytes in use, objects, handles, threads), and what files stay in the folders of
        results and of temporary files. Growth is the slope over the second half. Memory is what the process
        alone holds: pages of libraries are divided among those who use them, so that a share that includes
        them grows when any other Python on the machine ends.
large   many small jobs and one of so many cells a side, in one batch within so much memory; then the large
        one and some of the small ones by themselves: their records must be the same. With ``--from`` the
        rasters and the job of a folder are taken for the large one.
sizes   one job of so many cells a side, all reports drawn, one thread: what an office multiplies.

Two of three jobs have 512 cells a side, the others 1,024, one 4,096. Figures go to standard output as JSON,
one line per finding. Nothing else should run on the machine; only ratios within one run mean much.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from excavation_speed import make_rasters

HERE = Path(__file__).parent
SAMPLE_SECONDS = 0.25


def make_jobs(folder: Path, sides: list[int]) -> list[Path]:
    """A job file for each side; rasters of one size are shared by hard links."""
    jobs = []
    for number, cells in enumerate(sides):
        made = folder / "rasters" / str(cells)
        make_rasters(made, cells)
        job = folder / "jobs" / f"{number:03}-{cells}"
        job.mkdir(parents=True, exist_ok=True)
        for name in ("before.tif", "after.tif", "lease.geojson"):
            if not (job / name).exists():
                os.link(made / name, job / name)
        text = (made / "job.toml").read_text().replace("bench-job", f"N-{number:03}")
        (job / "job.toml").write_text(text)
        jobs.append(job / "job.toml")
    return jobs


def night_of(jobs: int) -> list[int]:
    return [4096 if k == 0 else 1024 if k % 3 == 0 else 512 for k in range(jobs)]


# -- what is measured --------------------------------------------------------------------------------------
def one_after_another(jobs: list[Path], out: Path, reports: str) -> list[tuple[float, float]]:
    """Wall and processor seconds of each job, in this process, with one thread; imports and code are warm."""
    from survey.pipelines.job import load_job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import NullProgress
    from survey.pipelines.run import run_run

    options = Options(out=out, workers=1, reports=reports, force=True)
    run_run(load_job(jobs[-1]), options, NullProgress())
    seconds = []
    for job in jobs:
        began, used = time.perf_counter(), time.process_time()
        run_run(load_job(job), options, NullProgress())
        seconds.append((time.perf_counter() - began, time.process_time() - used))
    return seconds


def batch(
    target: Path, out: Path, workers: int, memory: str | None, reports: str
) -> tuple[float, float, int, dict[int, int]]:
    """Wall and processor seconds, peak memory of all processes together, and the peak of each."""
    command = [sys.executable, "-m", "survey.pipelines.cli", "run", str(target), "-o", str(out)]
    command += ["--workers", str(workers), "--reports", reports]
    command += [] if memory is None else ["--memory", memory]
    began, used = time.perf_counter(), of_children()
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(HERE.parent)})
    peak, each = [0], {}

    def watch() -> None:
        while process.poll() is None:
            shares = {pid: share_bytes(pid) for pid in family(process.pid)}
            peak[0] = max(peak[0], sum(shares.values()))
            for pid, share in shares.items():
                each[pid] = max(each.get(pid, 0), share)
            time.sleep(SAMPLE_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    code = process.wait()
    seconds = time.perf_counter() - began
    watcher.join()
    assert code == 0, code
    return seconds, of_children() - used, peak[0], each


def of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def family(pid: int) -> list[int]:
    """A process and all that descend from it."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            try:
                found += [int(child) for child in task.read_text().split()]
            except OSError:
                continue
    return found


def share_bytes(pid: int) -> int:
    """Memory of a process; pages that several share count once among them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


class _Allocated(ctypes.Structure):
    """``struct mallinfo2`` of the C library."""

    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "free_chunks", "fast_chunks", "maps", "mapped")]
    _fields_ += [(name, ctypes.c_size_t) for name in ("most", "fast", "used", "free", "top")]


def in_use_bytes() -> int:
    """What was asked of the C library's allocator and not given back; 0 where it does not tell."""
    try:
        tell_all = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return 0
    tell_all.restype = _Allocated
    found = tell_all()
    return int(found.used + found.mapped)


def own_bytes() -> int:
    """Memory of this process that is no file's: what it alone holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon:"))


def state_of_this_process() -> dict[str, int]:
    return {
        "memory (MB)": own_bytes(),
        "in use (MB)": in_use_bytes(),
        "objects": len(gc.get_objects()),
        "handles": len(os.listdir("/proc/self/fd")),
        "threads": threading.active_count(),
        "temporary": len(os.listdir(tempfile.gettempdir())),
    }


def scale_of(name: str) -> float:
    return 1e6 if name.endswith("(MB)") else 1


def slope(values: list[int]) -> float:
    """By a straight line through the second half of the values: growth per job."""
    half = values[len(values) // 2 :]
    return float(np.polyfit(np.arange(len(half)), half, 1)[0])


def tell(**said: object) -> None:
    print(json.dumps(said), flush=True)


# -- commands ------------------------------------------------------------------------------------------------
def night(folder: Path, args: argparse.Namespace) -> None:
    jobs = make_jobs(folder, night_of(args.jobs))
    sides = night_of(args.jobs)
    some = [k for side in sorted(set(sides)) for k in [i for i, s in enumerate(sides) if s == side][:4]]
    alone = one_after_another([jobs[k] for k in some], folder / "alone", args.reports)
    wall = cpu = 0.0
    for side in sorted(set(sides)):
        mine = [seconds for k, seconds in zip(some, alone, strict=True) if sides[k] == side]
        each_wall, each_cpu = (float(v) for v in np.median(np.array(mine), axis=0))
        wall, cpu = wall + each_wall * sides.count(side), cpu + each_cpu * sides.count(side)
        tell(what="one job, one thread", cells=side, wall_s=round(each_wall, 2), cpu_s=round(each_cpu, 2))
    tell(what="all jobs one after another", jobs=len(jobs), wall_s=round(wall, 1), cpu_s=round(cpu, 1))
    out = folder / "runs"
    shutil.rmtree(out, ignore_errors=True)
    seconds, used, peak, each = batch(folder / "jobs", out, args.workers, args.memory, args.reports)
    with open(out / "batch.csv", encoding="utf-8-sig", newline="") as file:
        at_work = sum(float(row["seconds"]) for row in csv.DictReader(file))
    tell(
        what="batch",
        workers=args.workers,
        memory=args.memory,
        wall_s=round(seconds, 1),
        cpu_s=round(used, 1),
        jobs_per_hour=round(3600 * len(jobs) / seconds),
        efficiency=round(wall / (args.workers * seconds), 3),
        efficiency_cpu=round(cpu / used, 3),
        occupation=round(at_work / (args.workers * seconds), 3),
        peak_all_mb=round(peak / 1e6),
        peak_each_mb=sorted(round(v / 1e6) for v in each.values()),
    )
    same = sum(
        without_clock(folder / "alone" / n / "record.json") == without_clock(out / n / "record.json")
        for n in (f"N-{k:03}" for k in some)
    )
    tell(what="records equal to those of single runs, but for the clock", same=same, of=len(some))
    seconds, _, peak, _ = batch(folder / "jobs", out, args.workers, args.memory, args.reports)
    tell(what="the batch again: all kept", seconds=round(seconds, 1), peak_all_mb=round(peak / 1e6))
    left = [p.name for p in out.iterdir() if p.name.startswith(".")]
    tell(what="hidden files left", files=left)


def without_clock(record: Path) -> dict[str, object]:
    content = json.loads(record.read_text())
    del content["clock"]
    return content


def soak(folder: Path, args: argparse.Namespace) -> None:
    from survey.heap import give_back
    from survey.pipelines.job import load_job
    from survey.pipelines.options import Options
    from survey.pipelines.progress import NullProgress
    from survey.pipelines.run import run_run

    jobs = make_jobs(folder / "soak", [512] * 5)
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(temporary)
    options = Options(out=folder / "soaked", workers=1, reports=args.reports, force=True)
    states = []
    for k in range(args.jobs):
        run_run(load_job(jobs[k % len(jobs)]), options, NullProgress())
        gc.collect()
        give_back()
        states.append(state_of_this_process())
        if k % 20 == 19:
            now = {name: round(v / scale_of(name), 3) for name, v in states[-1].items()}
            tell(what="soak: so far", jobs=k + 1, **now)
    for name in states[0]:
        values = [s[name] for s in states]
        scale = scale_of(name)
        tell(
            what=f"soak: {name}",
            jobs=args.jobs,
            first=round(values[0] / scale, 1),
            middle=round(values[len(values) // 2] / scale, 1),
            last=round(values[-1] / scale, 1),
            growth_per_job=round(slope(values) / scale, 4),
        )
    tell(what="soak: files left", files=sorted(p.name for p in (folder / "soaked").iterdir()))


def large(folder: Path, args: argparse.Namespace) -> None:
    sides = [512] * (args.jobs - 1)
    if args.source is None:
        jobs = make_jobs(folder, [args.big, *sides])
    else:
        big = folder / "jobs" / "N-000"
        big.mkdir(parents=True, exist_ok=True)
        for name in ("before.tif", "after.tif", "lease.geojson"):
            if not (big / name).exists():
                os.link(args.source / name, big / name)
        text = (args.source / "job.toml").read_text().replace("bench-job", "N-000")
        (big / "job.toml").write_text(text)
        jobs = [big / "job.toml", *make_jobs(folder, [512, *sides])[1:]]
        shutil.rmtree(folder / "jobs" / "000-512", ignore_errors=True)
    out = folder / "runs"
    shutil.rmtree(out, ignore_errors=True)
    seconds, used, peak, each = batch(folder / "jobs", out, args.workers, args.memory, args.reports)
    with open(out / "batch.csv", encoding="utf-8-sig", newline="") as file:
        states = [row["state"] for row in csv.DictReader(file)]
    tell(
        what=f"batch with one job of {args.big} cells a side",
        jobs=len(jobs),
        done=states.count("done"),
        workers=args.workers,
        memory=args.memory,
        wall_s=round(seconds, 1),
        cpu_s=round(used, 1),
        peak_all_mb=round(peak / 1e6),
        peak_each_mb=sorted(round(v / 1e6) for v in each.values()),
    )
    alone, same = folder / "alone", 0
    for number in (0, 1, len(jobs) // 2, len(jobs) - 1):
        shutil.rmtree(alone, ignore_errors=True)
        seconds, used, peak, _ = batch(jobs[number], alone, args.workers, None, args.reports)
        name = f"N-{number:03}"
        same += without_clock(alone / name / "record.json") == without_clock(out / name / "record.json")
        tell(what="by itself, no limit set", job=name, wall_s=round(seconds, 1), cpu_s=round(used, 1),
             peak_all_mb=round(peak / 1e6))  # fmt: skip
    tell(what="records equal to those of single runs, but for the clock", same=same, of=4)


def sizes(folder: Path, args: argparse.Namespace) -> None:
    for cells in [int(c) for c in args.cells.split(",")]:
        place = folder / f"size-{cells}"
        [job] = make_jobs(place, [cells])
        script = (
            "import json, resource, sys, time\n"
            "from pathlib import Path\n"
            "from survey.pipelines.job import load_job\n"
            "from survey.pipelines.options import Options\n"
            "from survey.pipelines.progress import NullProgress\n"
            "from survey.pipelines.run import run_run\n"
            "began, progress = time.perf_counter(), NullProgress()\n"
            "with progress:\n"
            "    run_run(load_job(Path(sys.argv[1])), Options(out=Path(sys.argv[2]), workers=1, force=True,"
            " reports=sys.argv[3]), progress)\n"
            "used = resource.getrusage(resource.RUSAGE_SELF)\n"
            "print(json.dumps({'wall_s': round(time.perf_counter() - began, 2), 'cpu_s': round(used.ru_utime"
            " + used.ru_stime, 2), 'peak_mb': round(used.ru_maxrss / 1e3), 'stages': {k: round(v, 2) for k, v"
            " in progress.took().items()}}))\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script, str(job), str(place / "runs"), args.reports],
            env={**os.environ, "PYTHONPATH": str(HERE.parent)}, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
        written = sum(p.stat().st_size for p in (place / "runs").rglob("*") if p.is_file())
        read = sum((job.parent / n).stat().st_size for n in ("before.tif", "after.tif"))
        tell(what="one job", cells=cells, read_mb=round(read / 1e6, 1), written_mb=round(written / 1e6, 1),
             **json.loads(done.stdout))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("night", "soak", "large", "sizes"))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory")
    parser.add_argument("--cells", default="1024,4096,8192")
    parser.add_argument("--big", type=int, default=40000)
    parser.add_argument("--from", dest="source", type=Path)
    parser.add_argument("--reports", default="all", choices=("all", "html", "none"))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    {"night": night, "soak": soak, "large": large, "sizes": sizes}[args.what](args.folder, args)


if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))
    main()
