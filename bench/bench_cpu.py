# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bfly beside what a user would run without it, on a CPU, in one run and on the same threads.

Every contender computes the whole result and is checked by the oracle first. Then all take turns, a few calls each,
so that whatever else the machine does meets them alike; of each the least and the median time are recorded, with the
machine, the commit and the command.

    PYTHONPATH=build/python python bench/bench_cpu.py                 (4,1024,256), hidden 4D, 8 heads, 2 threads
    PYTHONPATH=build/python python bench/bench_cpu.py --torch         torch too, eager and compiled
    python bench/table.py                                             the results as bench/RESULTS.md
"""

import argparse
import os
import sys

if __name__ == "__main__":
    # Libraries read their thread counts when they are loaded, ahead of the argument parser proper.
    early = argparse.ArgumentParser(add_help=False)
    early.add_argument("--threads", type=int, default=2)
    threads = str(early.parse_known_args()[0].threads)
    os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = threads

import datetime
import json
import platform
import shlex
import statistics
import subprocess
import time
from pathlib import Path

import numpy as np
import rivals
import scipy

import bfly
from bfly import reference

HERE = Path(__file__).resolve().parent
# What is aimed at: at least so many times as fast, or at most so many times the time.
GOALS = {"spectral_filter": 4.0, "butterfly_attention": 1.7, "filter_per_token": 3.0, "compile_seconds": 1.0}


def machine():
    """What the figures are of: processor, cores, memory, system, versions."""
    info = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        info.setdefault(name.strip(), value.strip())
    memory = Path("/proc/meminfo").read_text().split()
    return {
        "processor": info.get("model name", platform.processor()),
        "cores": len(os.sched_getaffinity(0)),
        "caches": {
            f"L{(index / 'level').read_text().strip()} {(index / 'type').read_text().strip()}": (
                (index / "size").read_text().strip()
            )
            for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*"))
            if (index / "size").exists()
        },
        "memory_GiB": round(int(memory[1]) / 2**20, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "bfly": bfly.version(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
    }


def commit():
    """The commit at hand, with "+" if files differ from it."""

    def git(*arguments):
        done = subprocess.run(["git", "-C", HERE, *arguments], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no")
    return (git("rev-parse", "--short=12", "HEAD") or "unknown") + ("+" if changed else "")


def take_turns(runs, rounds, seconds):
    """Times of single calls, in seconds, by label: `rounds` turns of about `seconds` each, two calls at least a turn,
    of which the first (cold caches, sleeping threads) does not count.

    Threads of OpenMP and of OpenBLAS spin for a while when they have nothing to do: a pause lets those of one contender
    fall asleep before the next has its turn."""
    times = {label: [] for label in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for label, run in runs.items():
            time.sleep(0.25)
            run()
            end = time.perf_counter() + seconds
            while True:
                start = time.perf_counter()
                run()
                stop = time.perf_counter()
                times[label].append(stop - start)
                if stop >= end:
                    break
    return times


def figures(times):
    """Milliseconds: the least, the median, and how many calls."""
    return {
        "least_ms": 1e3 * min(times),
        "median_ms": 1e3 * statistics.median(times),
        "calls": len(times),
    }


def timed_compile(text, threads):
    start = time.perf_counter()
    kernel = bfly.compile(text, threads=threads)
    return kernel, time.perf_counter() - start


def texts(batch, n, d, hidden, heads):
    """The IR that the mixers' functions build, at one shape."""
    from bfly import _mixers

    stages = reference.stages(n)
    return {
        "spectral_filter": _mixers.filter_text((batch, n, d), hidden, "f32"),
        "butterfly_attention": _mixers.attention_text((batch, n, d), (stages, d, d), "f32", heads),
    }


def bfly_run(kernel, arrays):
    """A call into memory that is there already, as the rivals' are."""
    arrays = list(arrays.values())
    out = np.empty_like(arrays[0])

    def run():
        return kernel(*arrays, out=out)

    return run


def check(label, op, out, oracle, floor, n):
    wrong, limit = reference.error(out, oracle, floor), reference.bound(op, "f32", n)
    if not wrong <= limit:
        sys.exit(f"{op}, {label}: error {wrong:.2e} is above {limit:.2e}; its time means nothing")
    return wrong


def compare(options):
    """Both mixers beside their rivals: a list of rows."""
    batch, n, d = options.batch, options.tokens, options.channels
    hidden = options.hidden or 4 * d
    problem = rivals.make_problem(batch, n, d, hidden)
    mix, attend = problem["spectral_filter"], problem["butterfly"]
    without_bias = {name: array for name, array in mix.items() if name != "bias"}
    oracles = {
        "spectral_filter": (reference.spectral_filter(**mix), reference.spectral_filter_floor(**without_bias)),
        "butterfly_attention": (reference.butterfly_attention(**attend, heads=options.heads), None),
    }
    contenders = {
        ("spectral_filter", "scipy.fft + NumPy"): rivals.rival_spectral_filter_numpy(**mix, threads=options.threads),
        ("butterfly_attention", "NumPy + OpenBLAS"): rivals.rival_butterfly_numpy(**attend, heads=options.heads),
    }
    if options.torch:
        import torch

        torch.set_num_threads(options.threads)
        for label, compiled in (("torch eager", False), ("torch.compile", True)):
            contenders["spectral_filter", label] = rivals.rival_spectral_filter_torch(**mix, compiled=compiled)
            contenders["butterfly_attention", label] = rivals.rival_butterfly_torch(
                **attend, heads=options.heads, compiled=compiled
            )
    rows = []
    for op, text in texts(batch, n, d, hidden, options.heads).items():
        print(f"{op}: compiling", flush=True)
        kernel, compile_seconds = timed_compile(text, options.threads)
        runs = {"bfly": bfly_run(kernel, mix if op == "spectral_filter" else attend)}
        runs |= {label: run for (of, label), run in contenders.items() if of == op}
        errors = {label: check(label, op, run(), *oracles[op], n) for label, run in runs.items()}
        print(f"{op}: {len(runs)} take turns", flush=True)
        times = take_turns(runs, options.rounds, options.seconds)
        for label, of in times.items():
            row = {"op": op, "contender": label, "error": errors[label], **figures(of)}
            for kind in ("least_ms", "median_ms"):
                row[f"{kind}_over_bfly"] = figures(of)[kind] / figures(times["bfly"])[kind]
            if label == "bfly":
                row["compile_seconds"] = compile_seconds
                row["kernels"] = kernel.report["kernels"]
            rows.append(row)
            print(
                f"{op:20} {label:18} least {row['least_ms']:9.3f} ms   median {row['median_ms']:9.3f} ms"
                f"   x {row['least_ms_over_bfly']:.2f} of bfly",
                flush=True,
            )
    return rows


def dense_products(options):
    """bfly.linear, weights packed at each call, beside the same product by OpenBLAS: a list of rows."""
    rng = np.random.default_rng(0)
    rows = []
    for count, inner, outer in (
        (64, 256, 256),
        (512, 512, 512),
        (4096, 256, 1024),
        (4096, 1024, 256),
        (2048, 1024, 4096),
    ):
        x = rng.standard_normal((count, inner), np.float32)
        w = rng.standard_normal((outer, inner), np.float32) / np.float32(inner**0.5)
        text = (
            f"func.func @product(%x: tensor<{count}x{inner}xf32>, %w: tensor<{outer}x{inner}xf32>)"
            f" -> tensor<{count}x{outer}xf32> {{\n  %y = bfly.linear %x, %w : tensor<{count}x{inner}xf32>,"
            f" tensor<{outer}x{inner}xf32> -> tensor<{count}x{outer}xf32>\n"
            f"  return %y : tensor<{count}x{outer}xf32>\n}}\n"
        )
        kernel = bfly.compile(text, threads=options.threads)
        ours, theirs = np.empty((count, outer), np.float32), np.empty((count, outer), np.float32)
        runs = {"bfly": lambda: kernel(x, w, out=ours), "OpenBLAS": lambda: np.matmul(x, w.T, out=theirs)}
        for run in runs.values():
            run()
        wrong = reference.error(ours, x.astype(np.float64) @ w.T.astype(np.float64))
        if not wrong < 1e-6:
            sys.exit(f"dense product {count, inner, outer}: error {wrong:.2e}")
        times = take_turns(runs, options.rounds, options.seconds / 3)
        row = {"rows": count, "in": inner, "out": outer, "error": wrong}
        for label, of in times.items():
            row[label] = figures(of) | {"gflops": 2e-9 * count * inner * outer / min(of)}
        rows.append(row)
        print(
            f"product {count:5} x {inner:4} x {outer:4}: bfly {row['bfly']['gflops']:6.1f} GFLOP/s,"
            f" OpenBLAS {row['OpenBLAS']['gflops']:6.1f}",
            flush=True,
        )
    return rows


def filter_per_token(options):
    """The filter's time per token at a short and a long N, with as many numbers in all: a list of rows."""
    d, total = options.channels, options.batch * options.tokens
    runs, rows = {}, []
    for n in (256, 65536):
        batch = max(1, max(total, 65536) // n)
        mix = rivals.make_problem(batch, n, d, d)["spectral_filter"]
        print(f"filter per token: compiling for N = {n}", flush=True)
        kernel, compile_seconds = timed_compile(texts(batch, n, d, d, 1)["spectral_filter"], options.threads)
        runs[n] = bfly_run(kernel, mix)
        rows.append({"batch": batch, "tokens": n, "channels": d, "hidden": d, "compile_seconds": compile_seconds})
    times = take_turns(runs, options.rounds, options.seconds)
    for row in rows:
        row |= figures(times[row["tokens"]])
        count = row["batch"] * row["tokens"]
        for kind in ("least", "median"):
            row[f"{kind}_ns_per_token"] = 1e6 * row[f"{kind}_ms"] / count
        print(f"filter, N = {row['tokens']:6}: least {row['least_ns_per_token']:8.1f} ns a token", flush=True)
    return rows


def compile_times(options):
    """Seconds from text to a kernel, the least and the median of five, for layers of some sizes: a list of rows."""
    rows = []
    d = options.channels
    for op, n in (
        ("spectral_filter", 256),
        ("spectral_filter", 1000),
        ("spectral_filter", 1021),
        ("spectral_filter", options.tokens),
        ("spectral_filter", 65536),
        ("butterfly_attention", 256),
        ("butterfly_attention", options.tokens),
        ("butterfly_attention", 65536),
    ):
        text = texts(1, n, d, 4 * d, options.heads)[op]
        seconds = [timed_compile(text, options.threads)[1] for _ in range(5)]
        rows.append(
            {"op": op, "tokens": n, "channels": d, "least_s": min(seconds), "median_s": statistics.median(seconds)}
        )
        print(f"compile {op:20} N = {n:6}: {min(seconds):.3f} s", flush=True)
    return rows


def main():
    parser = argparse.ArgumentParser(description="bfly beside its rivals on a CPU, in one run, checked by the oracle.")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=1024, help="a power of two")
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--hidden", type=int, help="of the filter's MLP; four times the channels unless given")
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=12, help="turns that each contender gets")
    parser.add_argument("--seconds", type=float, default=0.3, help="that a turn lasts")
    parser.add_argument("--torch", action="store_true", help="also torch, eager and compiled; it must be installed")
    parser.add_argument("--output", type=Path, help="file for the results; bench/results/cpu-<date>.json unless given")
    options = parser.parse_args()

    result = {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "command": shlex.join(["python", "bench/bench_cpu.py", *sys.argv[1:]]),
        "machine": machine(),
        "shape": {
            "batch": options.batch,
            "tokens": options.tokens,
            "channels": options.channels,
            "hidden": options.hidden or 4 * options.channels,
            "heads": options.heads,
            "dtype": "f32",
            "threads": options.threads,
        },
        "goals": GOALS,
        "mixers": compare(options),
        "dense_products": dense_products(options),
        "filter_per_token": filter_per_token(options),
        "compile": compile_times(options),
    }
    result["machine"]["load_after"] = [round(load, 2) for load in os.getloadavg()]
    path = options.output or HERE / "results" / f"cpu-{result['date'][:10]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"written to {path}")


if __name__ == "__main__":
    main()
