# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmark runs, checks what it times, and its results make tables."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).resolve().parents[2] / "bench"


def test_the_benchmark_and_its_table(tmp_path):
    results = tmp_path / "cpu.json"
    flags = ["--batch=1", "--tokens=64", "--channels=16", "--heads=2", "--rounds=1", "--seconds=0.01"]
    command = [sys.executable, BENCH / "bench_cpu.py", *flags, f"--output={results}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(results.read_text())
    assert [row["contender"] for row in result["mixers"]] == ["bfly", "scipy.fft + NumPy", "bfly", "NumPy + OpenBLAS"]
    assert all(0 < row["least_ms"] <= row["median_ms"] for row in result["mixers"] + result["filter_per_token"])
    assert [row["tokens"] for row in result["filter_per_token"]] == [256, 65536]
    assert result["commit"] and result["command"].startswith("python bench/bench_cpu.py --batch=1")

    made = subprocess.run(
        [sys.executable, BENCH / "table.py", results, "--output=-"], capture_output=True, text=True, check=True
    ).stdout
    assert "(1, 64, 16)" in made and "spectral_filter: scipy.fft + NumPy" in made and "Goal: under 1 s" in made
    for line in made.splitlines():  # every row has its header's columns
        if line.startswith("|"):
            assert line.endswith("|")


def test_counters_of_kernels(tmp_path):
    """What ncu prints becomes numbers, and those a row; what it could not count is left out."""
    spec = importlib.util.spec_from_file_location("profile_cuda", BENCH / "profile_cuda.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = (
        '==PROF== Connected\n"ID","Kernel Name","Metric Name","Metric Unit","Metric Value"\n'
        '"0","k","dram__bytes_read.sum","byte","2,500,000"\n"0","k","gpu__time_duration.sum","nsecond","1500"\n'
        '"0","k","lts__t_bytes.sum","byte","n/a"\n'
    )
    found = module.metrics_of(text)
    assert found == {"dram__bytes_read.sum": 2500000.0, "gpu__time_duration.sum": 1500.0}
    assert module.metrics_of("nothing") == {}
    row = {"case": "a kernel"} | {name: found[metric] for name, metric in module.METRICS.items() if metric in found}
    result = {"date": "today", "commit": "c", "command": "x", "machine": {"card": "a card"}, "counters": [row]}
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(result))
    made = subprocess.run(
        [sys.executable, BENCH / "table.py", path, "--output=-"], capture_output=True, text=True, check=True
    ).stdout
    assert "| a kernel | 2 | 2 MB | – |" in made


def test_the_benchmark_of_gpus(tmp_path):
    """On a CPU, where it does the same without torch."""
    results = tmp_path / "cuda.json"
    flags = ["--device=cpu", "--small", "--no-torch", "--dtypes", "f32", "bf16", f"--output={results}"]
    command = [sys.executable, BENCH / "bench_cuda.py", *flags]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(results.read_text())
    assert [row["contender"] for row in result["filter"]] == ["bfly", "bfly"]
    assert [row["contender"] for row in result["butterfly"]] == ["bfly, dense", "bfly, per head"]
    for row in result["filter"] + result["butterfly"]:
        assert row["median_ms"] > 0 and row["error"] <= row["limit"]
    assert result["commit"] and len(result["notes"]) == 1

    # With rivals: as they would be recorded.
    dense, plain = result["butterfly"][0], result["filter"][0]
    rivals = {"torch eager": 9, "torch.compile": 5, "copy": 0.5}
    result["filter"] += [
        {**plain, "contender": name, "median_ms": ms * plain["median_ms"]} for name, ms in rivals.items()
    ]
    for name, ms in (("torch.compile, dense", 2), ("attention, flash", 0.5), ("attention, cuDNN", 0.25)):
        result["butterfly"].append({**dense, "contender": name, "median_ms": ms * dense["median_ms"]})
    results.write_text(json.dumps(result))
    made = subprocess.run(
        [sys.executable, BENCH / "table.py", results, "--output=-"], capture_output=True, text=True, check=True
    ).stdout
    assert "at most 6: met" in made and "at most 1: met" in made and "(2, 256, 48) f32" in made
    assert " 10.00 |" in made  # torch.compile over the copy
    for line in made.splitlines():
        if line.startswith("|"):
            assert line.endswith("|")
