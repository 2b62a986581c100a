# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The fuzzers find what there is to find."""

import os
import re
import sys
import textwrap
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import fuzz  # noqa: E402
from check_programs import Check  # noqa: E402
from generate import generate  # noqa: E402

ROOT = Path(__file__).parents[2]


def test_every_operation_occurs():
    """Of the levels that people write: those of the mixer and of the network."""
    defined = set()
    for name in ("BflyMixerOps.td", "BflyNetworkOps.td"):
        defined |= set(re.findall(r'Bfly_Op<"(\w+)"', (ROOT / "dialect/bfly/IR" / name).read_text()))
    texts = "".join(generate(seed).text() for seed in range(250))
    assert {name for name in defined if f"bfly.{name} " not in texts} == set()
    for word in ("hermitian", "tensor<?x", "dense<[", "dense<-", "ml_program.extern", "complex<f32>", "carried"):
        assert word in texts, word


def test_a_program_of_a_seed_is_one_program():
    assert generate(7).text() == generate(7).text() != generate(8).text()


def plain(seeds):
    """A check of a program whose numbers rounding does not carry away."""
    for seed in seeds:
        check = Check(seed)
        if None not in check.limits and all(abs(exact).max() > 0.1 for exact in check.exact):
            return check
    raise AssertionError("no such program")


def test_a_wrong_number_is_found():
    check = plain(range(20))
    check.attempt("cpu", check.text)
    right = [finding for finding in check.findings if finding["kind"] == "wrong"]
    check.exact = [exact * 1.5 for exact in check.exact]
    check.attempt("cpu", check.text)
    assert not right and [finding for finding in check.findings if finding["kind"] == "wrong"]


@pytest.mark.parametrize(
    "action, kind",
    [
        ("os.kill(os.getpid(), 11)", "crash: SIGSEGV"),
        ("sys.exit('a reason')", "crash: exit code 1: a reason"),
        ("time.sleep(60)", "hang"),
        ("print(json.dumps(WRONG), flush=True)", "wrong: off"),
    ],
)
def test_workers_that_die_go_on(tmp_path, capsys, monkeypatch, action, kind):
    worker = tmp_path / "worker.py"
    worker.write_text(
        textwrap.dedent(f"""
        import json, os, sys, time
        OFF = {{"way": "cpu", "kind": "wrong", "message": "off"}}
        WRONG = {{"seed": 3, "checked": 1, "refused": {{}}, "findings": [OFF]}}
        for seed in range(int(sys.argv[1]), 10):
            print(json.dumps({{"begin": seed}}), flush=True)
            if seed == 3:
                {action}
            print(json.dumps({{"seed": seed, "checked": 2, "refused": {{}}, "findings": []}}), flush=True)
            time.sleep(0.1 if seed < 9 else 60)
        """)
    )
    monkeypatch.setattr(fuzz, "PATIENCE", 1.5)
    findings = fuzz.Findings()
    # What AddressSanitizer would report is the signal that is waited for.
    environment = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":handle_segv=0"}
    fuzz.run_worker(str(worker), "part", 0, 3.2, environment, findings)
    assert f"FINDING in part, seed 3{', cpu' if 'wrong' in kind else ''}: {kind}" in capsys.readouterr().out
    assert findings.counts["part"] >= 9


def test_whose_a_crash_is():
    ours = "    #1 0x55 in mlir::bfly::PlanAttr::verify(int) /x/lib/Dialect/BflyDialect.cpp:107:28"
    callers = "    #4 0x55 in mlir::bfly::Program::parseText(int) (/x/bfly-fuzz-ir+0x1)"
    static = "    #2 0x55 in getIterations /x/build-asan/../lib/Conversion/AffineToGpu/KernelMapper.cpp:104:42"
    upstream = "    #1 0x7f in mlir::Operation::verify() (/usr/lib/libMLIR.so+0x1)"
    header = "    #3 0x55 in parseSourceFile<mlir::ModuleOp> /usr/lib/llvm-22/include/mlir/Parser/Parser.h:177:10"

    def judge(*lines):
        frames = fuzz.FRAME.findall("\n".join(lines))
        assert len(frames) == len(lines)
        return any(fuzz.OURS.search(frame) and not fuzz.CALLERS.search(frame) for frame in frames)

    assert judge(upstream, ours, callers)
    assert judge(upstream, static, callers)
    assert not judge(upstream, header, callers)
