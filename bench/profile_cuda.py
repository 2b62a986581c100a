# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Counters of the mixers' kernels on a GPU, by Nsight Compute: what a kernel does while it is not at a ceiling.

    python bench/profile_cuda.py            a minute; needs ncu, and leave to read the card's counters
    python bench/table.py                   the newest result, with the benchmarks', as bench/RESULTS.md

Each kernel is launched once, from caches that were emptied, with the clocks as they are.
"""

import argparse
import csv
import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
# Of the checkout or the package that this is part of.
sys.path.append(str(HERE.parent / "python"))

import numpy as np

import bfly
from bfly import reference

# (name, mixer, type, shape): filters are (B, N, D), attention (B, N, D, heads).
CASES = [
    ("filter f32 (8, 1024, 768)", "filter", "f32", (8, 1024, 768)),
    ("filter f32 (8, 4096, 768)", "filter", "f32", (8, 4096, 768)),
    ("filter f32 (1, 65536, 1024)", "filter", "f32", (1, 65536, 1024)),
    ("filter bf16 (8, 4096, 768)", "filter", "bf16", (8, 4096, 768)),
    ("dense bf16 (64, 512, 512), 8", "dense", "bf16", (64, 512, 512, 8)),
    ("dense bf16 (64, 512, 1024), 16", "dense", "bf16", (64, 512, 1024, 16)),
    ("per head bf16 (64, 512, 512), 8", "per_head", "bf16", (64, 512, 512, 8)),
]
# What a result has of each, by ncu's names; in bytes, nanoseconds and percent.
METRICS = {
    "nanoseconds": "gpu__time_duration.sum",
    "bytes_read": "dram__bytes_read.sum",
    "bytes_written": "dram__bytes_write.sum",
    "memory_percent": "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "cache_bytes": "lts__t_bytes.sum",
    "cache_percent": "lts__throughput.avg.pct_of_peak_sustained_elapsed",
    "issue_percent": "smsp__issue_active.avg.pct_of_peak_sustained_active",
    "shared_conflicts": "l1tex__data_bank_conflicts_pipe_lsu.sum",
    "waits_for_memory": "smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio",
    "waits_at_barriers": "smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio",
    "waits_for_matrix_units": "smsp__average_warps_issue_stalled_gmma_per_issue_active.ratio",
}


def call(number):
    """One launch of a case's kernel, on random input."""
    _, mixer, dtype, shape = CASES[number]
    rng = np.random.default_rng(0)

    def normal(*sizes, scale=1.0):
        return reference.store(rng.standard_normal(sizes, dtype=np.float32) * np.float32(scale), dtype)

    if mixer == "filter":
        batch, n, d = shape
        hidden = 4 * d
        weights = [normal(d), normal(hidden, d, scale=d**-0.5), normal(hidden), normal(d, hidden, scale=hidden**-0.5)]
        bfly.spectral_filter(normal(batch, n, d), *weights, normal(d), normal(d), device="cuda")
    else:
        batch, n, d, heads = shape
        stages, dh = (n - 1).bit_length(), d // heads
        sizes = (stages, d, d) if mixer == "dense" else (stages, heads, dh, dh)
        wq, wk = (normal(*sizes, scale=sizes[-1] ** -0.5) for _ in range(2))
        bfly.butterfly_attention(normal(batch, n, d), wq, wk, heads, weights=mixer, device="cuda")


def metrics_of(text):
    """{ncu's name: number} out of its CSV; what it could not count is missing."""
    lines = text.splitlines()
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), len(lines))
    found = {}
    for row in csv.DictReader(lines[start:]):
        try:
            found[row["Metric Name"]] = float(row["Metric Value"].replace(",", ""))
        except ValueError:
            continue
    return found


def profile(number):
    """The counters of one case."""
    command = ["ncu", "--csv", "--print-units", "base", "--clock-control", "none", "--launch-count", "1",
               "--kernel-name", "regex:spectral_filter|butterfly_attention", "--metrics", ",".join(METRICS.values()),
               sys.executable, str(Path(__file__).resolve()), f"--case={number}"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = metrics_of(done.stdout)
    if done.returncode or not found:
        sys.exit(f"{shlex.join(command)}: exit code {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return {"case": CASES[number][0]} | {name: found[metric] for name, metric in METRICS.items() if metric in found}


def main():
    parser = argparse.ArgumentParser(description="Counters of the mixers' kernels, by Nsight Compute.")
    parser.add_argument(
        "--output", type=Path, help="file for the results; bench/results/profile-<date>.json unless given"
    )
    parser.add_argument("--case", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case is not None:
        call(options.case)
        return
    import bench_cuda  # and torch with it, which a profiled process is better without

    if shutil.which("ncu") is None:
        sys.exit("no ncu in PATH: it is Nsight Compute, part of the CUDA toolkit")
    date = bench_cuda.now()
    result = {
        "date": date,
        "commit": bench_cuda.commit(),
        "command": shlex.join(["python", "bench/profile_cuda.py", *sys.argv[1:]]),
        "machine": bench_cuda.machine("cuda"),
        "counters": [profile(number) for number in range(len(CASES))],
    }
    output = options.output or HERE / "results" / f"profile-{date[:10]}.json"
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_name(output.name + ".new")
    temporary.write_text(json.dumps(result, indent=2) + "\n")
    os.replace(temporary, output)
    print(f"written to {output}")


if __name__ == "__main__":
    main()
