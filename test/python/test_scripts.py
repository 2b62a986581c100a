# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The scripts around the build: counting of results, the table of a report."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"

LIT = """<testsuites><testsuite name="bfly" tests="3">
<testcase classname="bfly.Dialect" name="ops.mlir" time="0.1"/>
<testcase classname="bfly.Dialect" name="bad.mlir" time="0.1"><failure><![CDATA[wrong]]></failure></testcase>
<testcase classname="bfly.Tools" name="gpu.mlir" time="0.1"><skipped message="Missing required feature(s): gpu"/></testcase>
</testsuite></testsuites>"""
GTEST = """<testsuites tests="2"><testsuite name="Npy"><testcase name="Reads" status="run" result="completed"/>
<testcase name="DISABLED_Writes" status="notrun" result="suppressed"/></testsuite></testsuites>"""
PYTEST = """<testsuites><testsuite><testcase name="a"/><testcase name="b"><error message="no"/></testcase>
</testsuite></testsuites>"""


def count(folder, ok="true"):
    done = subprocess.run([sys.executable, SCRIPTS / "count_results.py", folder, ok], capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def test_counts_what_every_tool_says(tmp_path):
    (tmp_path / "unit").mkdir()
    (tmp_path / "lit.xml").write_text(LIT)
    (tmp_path / "unit" / "bfly-array-tests.xml").write_text(GTEST)
    (tmp_path / "pytest.xml").write_text(PYTEST)
    code, lines = count(tmp_path, "false")
    assert (code, lines[-1]) == (1, "3 passed, 2 failed")
    assert lines[0].startswith("2 not run")


@pytest.mark.parametrize("ok, code, last", [("true", 0, "1 passed, 0 failed"), ("false", 1, "1 passed, 1 failed")])
def test_a_stage_that_broke_is_a_failure(tmp_path, ok, code, last):
    (tmp_path / "pytest.xml").write_text("<testsuites><testsuite><testcase name='a'/></testsuite></testsuites>")
    assert count(tmp_path, ok) == (code, [last])


def test_prints_a_report(tmp_path):
    kernel = {
        "name": "butterfly_attention", "bytes": 1000, "bytes_per_batch": 500, "flops": 0, "flops_per_batch": 2000,
        "bound": "memory", "seconds": 2e-6, "rewrites": ["padding_in_kernel"], "unfused": "a reason",
        "plan": {"radices": [], "groups": [{"first": 0, "last": 5, "place": "l2"}], "tile": 64, "parallel": "batch"},
    }
    report = {
        "function": "layer", "batch": 4, "compile_seconds": 0.25, "machine": {"name": "cpu", "threads": 2},
        "kernels": [kernel],
    }
    path = tmp_path / "report.json"
    path.write_text(json.dumps(report))
    text = subprocess.run([sys.executable, SCRIPTS / "print_report.py", path], capture_output=True, text=True,
                          check=True).stdout
    for part in ("layer on cpu, 2 threads", "batch 4", " 3.0 ", " 8.0 ", "2.00", "stages 0-5 in l2", "padding in kernel",
                 "not fused: a reason"):
        assert part in text
