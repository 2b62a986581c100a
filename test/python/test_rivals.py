# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The benchmarks' rivals compute what bfly computes: a comparison with anything else would be worth nothing."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bfly import reference

PATH = Path(__file__).resolve().parents[2] / "bench" / "rivals.py"
spec = importlib.util.spec_from_file_location("rivals", PATH)
rivals = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rivals)


@pytest.mark.parametrize("batch, n, d, heads", [(1, 1, 4, 2), (2, 2, 4, 1), (3, 64, 32, 4), (1, 1024, 16, 8)])
def test_rivals_agree_with_the_oracle(batch, n, d, heads):
    problem = rivals.make_problem(batch, n, d, 2 * d, seed=n)
    mix, attend = problem["spectral_filter"], problem["butterfly"]
    run = rivals.rival_spectral_filter_numpy(**mix)
    floor = reference.spectral_filter_floor(*(mix[name] for name in ("x", "w_base", "w1", "b1", "w2", "b2")))
    for _ in range(2):  # a second call finds its buffers used, and must not care
        out = run()
        assert out.dtype == np.float32
        assert reference.error(out, reference.spectral_filter(**mix), floor) <= reference.bound(
            "spectral_filter", "f32", n
        )
    run = rivals.rival_butterfly_numpy(**attend, heads=heads)
    for _ in range(2):
        out = run()
        assert out.dtype == np.float32
        assert reference.error(out, reference.butterfly_attention(**attend, heads=heads)) <= reference.bound(
            "butterfly_attention", "f32", n
        )


def test_odd_lengths_of_the_filter_and_other_butterflies():
    mix = rivals.make_problem(2, 45, 8, 16)["spectral_filter"]
    assert reference.error(rivals.rival_spectral_filter_numpy(**mix)(), reference.spectral_filter(**mix)) < 1e-6
    attend = rivals.make_problem(2, 16, 8, 16)["butterfly"]
    attend |= {name: attend[name][:1] for name in ("wq", "wk")}
    out = rivals.rival_butterfly_numpy(**attend, heads=2, scale=0.3)()
    assert reference.error(out, reference.butterfly_attention(**attend, heads=2, scale=0.3)) < 4e-6
    with pytest.raises(ValueError, match="power of two"):
        rivals.rival_butterfly_numpy(np.zeros((1, 6, 4), np.float32), *np.zeros((2, 3, 4, 4), np.float32), 1)


def test_the_command(tmp_path):
    flags = ["--batch=1", "--tokens=32", "--channels=16", "--heads=2", f"--json={tmp_path / 'rows.json'}"]
    subprocess.run([sys.executable, PATH, *flags], check=True, stdout=subprocess.DEVNULL)
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["op"] for row in rows] == ["spectral_filter", "butterfly_attention"]
    assert all(0 < row["milliseconds_least"] <= row["milliseconds"] for row in rows)
