# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""bench/scaling.py runs, checks what is ours, and its results make a table and a plot."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

BENCH = Path(__file__).resolve().parents[2] / "bench"
SMALL = ["--device=cpu", "--dtype=f32", "--channels=16", "--heads=2", "--total=64", "--turns=1", "--seconds=0.001"]


def scaling(*arguments):
    command = [sys.executable, BENCH / "scaling.py", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_small_run(tmp_path, model):
    path = tmp_path / "scaling.json"
    done = scaling(*SMALL, "--tokens", 16, 64, f"--model={model}", f"--output={path}")
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(path.read_text())
    rows = result["scaling"]
    kinds = ["FFTNet", "FFT-IA", "FFT-IA per head"]
    labels = [
        "attention",
        *(f"bfly {kind}" for kind in kinds if model == "bfly"),
        *(f"PyTorch {kind}" for kind in kinds),
    ]
    assert [row["contender"] for row in rows if row["tokens"] == 16 and row["backward"]] == labels
    assert {(row["tokens"], row["batch"]) for row in rows} == {(16, 4), (64, 1)}
    assert all(row["median_ms"] > 0 and row["over_attention"] > 0 and row["flops"] > 0 for row in rows)
    assert all(row["error"] < 1e-4 for row in rows if row["contender"].startswith("bfly"))
    assert result["commit"] and not result["notes"]
    assert b"<svg" in path.with_suffix(".svg").read_bytes()
    made = [sys.executable, BENCH / "table.py", path, "--output=-"]
    table = subprocess.run(made, capture_output=True, text=True, check=True).stdout
    assert "| 64 × 1, attention |" in table and "### Forward and backward" in table
    again = tmp_path / "again.svg"
    assert scaling(f"--draw={path}", f"--output={again}").returncode == 0
    assert again.read_bytes() == path.with_suffix(".svg").read_bytes()


def test_what_is_left_out_is_said(tmp_path):
    path = tmp_path / "scaling.json"
    done = scaling(*SMALL, "--tokens", 64, "--model=torch", "--most_flops=2e5", f"--output={path}")
    assert done.returncode == 0, done.stderr
    result = json.loads(path.read_text())
    assert "attention, N = 64: left out, over --most_flops" in result["notes"]
    assert all("over_attention" not in row for row in result["scaling"])


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--tokens", "100"], "argument --tokens: powers of two are expected"),
        (["--heads=3"], "argument --heads: 3 heads do not share 512 channels equally"),
        (["--device=cuda:99"], "--device: torch finds no cuda:99 here"),
        (["--draw=nowhere.json"], "cannot read nowhere.json"),
    ],
)
def test_bad_arguments(arguments, message):
    done = scaling(*arguments)
    assert done.returncode and message in done.stderr.splitlines()[-1]


def test_operations_of_the_definition():
    spec = importlib.util.spec_from_file_location("scaling", BENCH / "scaling.py")
    sys.path.insert(0, str(BENCH))
    try:
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(BENCH))
    assert module.flops("attention", 2, 8, 4, 2, 16, False) == 2 * (8 * 8 * 16 + 4 * 64 * 4)
    assert module.flops("FFT-IA", 1, 8, 4, 2, 16, True) == 3 * 3 * (4 * 8 * 16 + 7 * 8 * 4)
    assert module.flops("FFT-IA per head", 1, 8, 4, 2, 16, False) == 3 * (4 * 8 * 4 * 2 + 7 * 8 * 4)
    assert module.flops("FFTNet", 1, 8, 4, 2, 16, False) == 5 * 8 * 3 * 4 + 6 * 8 * 4 + 4 * 4 * 16


def test_all_trainings_small(tmp_path):
    (tmp_path / "text.txt").write_text("To be, or not to be: that is the question.\n" * 100)
    command = [BENCH / "train-all", tmp_path / "out", "--small", "--device", "cpu", "--model", "torch"]
    environment = {**os.environ, "PYTHON": sys.executable, "CORPUS": str(tmp_path / "text.txt")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("training-fftnet", "training-fft-ia", "training-text", "scaling"):
        assert json.loads((tmp_path / "out" / f"{name}.json").read_text())["commit"]
    assert (tmp_path / "out" / "generated.log").read_text().startswith("To be, or")
    # A part that fails does not stop the others.
    done = subprocess.run([*command, "--device", "tpu"], capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1 and "fftnet: failed: train_fftnet: error: --device: 'tpu'" in done.stderr
    done = subprocess.run([BENCH / "train-all"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr == "train-all: error: a folder is expected first\n"
