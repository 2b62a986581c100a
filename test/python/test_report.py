# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The table of a report."""

import json

import pytest

import bfly
from bfly import report as module


def test_prints_a_report(tmp_path, capsys):
    kernel = {
        "name": "butterfly_attention",
        "bytes": 1000,
        "bytes_per_batch": 500,
        "flops": 0,
        "flops_per_batch": 2000,
        "bound": "memory",
        "seconds": 2e-6,
        "rewrites": ["padding_in_kernel"],
        "unfused": "a reason",
        "plan": {"cpu_attention": {"pairs": 64, "parallel": "batch"}, "cpu_panels": {"columns": 32}},
        "state": [{"first": 0, "last": 5, "bytes": 16384, "capacity": 1 << 20, "place": "l2"}],
    }
    report = {
        "function": "layer",
        "batch": 4,
        "compile_seconds": 0.25,
        "machine": {"name": "cpu", "threads": 2},
        "kernels": [kernel],
    }
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    assert module.main([str(path)]) == 0
    text = capsys.readouterr().out
    for part in (
        "layer on cpu, 2 threads",
        "batch 4",
        " 3.0 ",
        " 8.0 ",
        "2.00",
        "stages 0-5 in l2",
        "padding in kernel",
        "not fused: a reason",
    ):
        assert part in text


def test_prints_the_compiler_s_own():
    """Which is of a module, and knows nothing of time."""
    kernel = bfly.compile(
        """func.func @f(%x: tensor<2x8x4xf32>) -> tensor<2x4xf32> {
  %y = bfly.mean %x : tensor<2x8x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}"""
    )
    lines = list(module.text(kernel.report))
    assert lines[0].startswith("f on cpu, ") and lines[2].startswith("mean ")
    report = {key: value for key, value in kernel.report.items() if key != "function"}
    assert list(module.text(report))[0] == lines[0]


@pytest.mark.parametrize("written", [None, "", "[]", "{}", '{"kernels": [1], "machine": {}}'])
def test_refuses_what_is_no_report(tmp_path, capsys, written):
    path = tmp_path / "report.json"
    if written is not None:
        path.write_text(written)
    assert module.main([str(path)]) == 1
    said = capsys.readouterr()
    assert not said.out and said.err.startswith(f"bfly.report: {path}: ") and said.err.count("\n") == 1
