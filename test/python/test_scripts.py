# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The scripts around the build: counting of results, running the examples."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"

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


def test_the_examples_run(tmp_path):
    """examples/run-all, from parameters to pictures; and that it says so where one of them is wrong."""
    data, out = tmp_path / "data", tmp_path / "out"
    examples = ROOT / "examples"
    subprocess.run([sys.executable, examples / "make_parameters.py", data], check=True, stdout=subprocess.DEVNULL)
    environment = {**os.environ, "PYTHON": sys.executable, "BFLY_DEVICE": "cpu"}
    environment.setdefault("BFLY_BUILD_DIR", str(ROOT / "build"))

    def run():
        return subprocess.run([examples / "run-all", data, out], env=environment, capture_output=True, text=True)

    done = run()
    assert done.returncode == 0, done.stderr
    names = {path.stem for path in examples.glob("*.mlir")}
    assert {path.stem for path in out.glob("*.svg")} == names and len(names) == 5
    (data / "fnet_mixing.input.npy").write_bytes((data / "fft_ia_layer.input.npy").read_bytes())
    done = run()
    assert done.returncode == 1 and done.stdout.rstrip().endswith("wrong: fnet_mixing")
