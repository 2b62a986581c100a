# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The fuzzers find what there is to find."""

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import check_derivatives  # noqa: E402
import fuzz  # noqa: E402
from batches import evaluated  # noqa: E402
from buffers import BufferProgram  # noqa: E402
from check_programs import Check  # noqa: E402
from generate import generate  # noqa: E402

ROOT = Path(__file__).parents[2]


# Those of the network level that nobody writes: backward functions have them.
OF_BACKWARD = {"attention_stage_backward", "row_product"}


def test_every_operation_occurs():
    """Of the levels that people write: those of the mixer and of the network."""
    definitions = "".join(path.read_text() for path in (ROOT / "dialect/bfly/IR").glob("*.td"))
    defined = set(re.findall(r'Bfly_NetworkLevelOp<"(\w+)"', definitions)) | {"spectral_filter", "butterfly_attention"}
    assert "attention_stage" in defined
    texts = "".join(generate(seed).text() for seed in range(250))
    assert {name for name in defined if f"bfly.{name} " not in texts} == OF_BACKWARD
    for word in ("hermitian", "tensor<?x", "dense<[", "dense<-", "ml_program.extern", "complex<f32>", "carried"):
        assert word in texts, word


def test_every_form_occurs():
    """Functions whose results say their sizes, casts, choices, functions on buffers and their temporaries."""
    programs = [generate(seed) for seed in range(250)]
    texts = "".join(program.text() for program in programs)
    for word in (
        "tensor.cast", "> to tensor<?x", "arith.select %q", "xi1>, tensor<", "scf.if", "memref.alloca()", "memref.alloc(",
        "memref.dealloc", "memref.cast", "memref.subview", "memref.collapse_shape", "memref.get_global", "bufferize.result",
        "bfly.sizes", 'bfly.kernel "k"', "func.call @f", "scf.parallel", "affine.parallel", "memref<?x",
    ):  # fmt: skip
        assert word in texts, word
    assert re.search(r"arith.select %q\d+, .* : memref<", texts) and re.search(
        r"arith.select %q\d+, .* : tensor<", texts
    )
    settled = [p for p in programs if p.needs() and all(value.batch is None for value in p.results)]
    assert len(settled) > 10 and any(isinstance(p, BufferProgram) for p in settled)
    assert {p.wrong for p in programs} >= {None, "select"}


def test_a_program_of_a_seed_is_one_program():
    assert generate(7).text() == generate(7).text() != generate(8).text()


def plain(seeds, accept=lambda program: True):
    """A check of a program whose numbers rounding does not carry away."""
    for seed in seeds:
        check = Check(seed)
        if not accept(check.program) or check.program.wrong:
            continue
        if None not in check.limits and all(abs(exact).max() > 0.1 for exact in check.exact):
            return check
    raise AssertionError("no such program")


def is_on_buffers(program):
    return isinstance(program, BufferProgram)


def is_settled(program):
    return bool(program.needs()) and all(value.batch is None for value in program.results)


def chooses(program):
    return "arith.select %q" in program.text()


@pytest.mark.parametrize("accept", [lambda program: True, is_on_buffers, is_settled, chooses])
def test_a_wrong_number_is_found(accept):
    check = plain(range(100), accept)
    check.attempt("cpu", check.text)
    right = [finding for finding in check.findings if finding["kind"] == "wrong"]
    check.exact = [exact * 1.5 for exact in check.exact]
    check.attempt("cpu", check.text)
    assert not right and [finding for finding in check.findings if finding["kind"] == "wrong"]


def test_every_operation_with_a_derivative_is_differentiated():
    """All that the generator's programs have, but control flow, calls and what is no number."""
    texts = [check_derivatives.generate(seed).text() for seed in range(250)]
    mixers = {f"bfly.{name}" for name in re.findall(r"bfly\.(\w+) ", "".join(texts))} - {"bfly.yield"}
    assert mixers >= {"bfly.spectral_filter", "bfly.attention_stage", "bfly.bin", "bfly.hadamard", "bfly.fold_weights"}
    done = subprocess.run(
        [check_derivatives.BUILD / "bin/bfly-opt", "-split-input-file", "-inline", "-bfly-differentiate=function=main"],
        input="\n// -----\n".join(texts), capture_output=True, text=True, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:2000]
    assert done.stdout.count("@main_backward(") == len(texts)
    assert all(f"bfly.{name} " in done.stdout for name in OF_BACKWARD)


def test_a_wrong_gradient_is_found():
    for seed in range(100):
        check = check_derivatives.Check(seed)
        wanted = check.wanted()
        if len(wanted) > 2 and all(abs(slope) > 0.1 for _, _, slope, _ in wanted):
            break
    text = check.backward()
    check.compare("cpu", text, wanted)
    assert check.checked == 1 and not check.findings
    name, direction, slope, off = wanted[0]
    check.compare("cpu", text, [(name, direction, 1.01 * slope, off), *wanted[1:]])
    assert [finding["kind"] for finding in check.findings] == ["wrong"]


def resized(check):
    """What is found wrong of calls with other batches."""
    kernel = check.attempt("cpu", check.text)
    for _ in range(8):
        check.resize("cpu", kernel)
    return {finding["kind"] for finding in check.findings}


def test_a_size_that_is_not_refused_is_found():
    check = plain(range(100), lambda program: any(value.batch for value in program.results) and not program.needs())
    assert resized(check) == set()
    batch = next(value.batch for value in check.program.results if value.batch)
    check.program.results[0].needs.append(("equal", {**batch, "": -evaluated(batch, dict.fromkeys(batch, 1000))}))
    assert resized(check) == {"not refused"}


def test_a_size_that_is_refused_for_nothing_is_found():
    check = plain(range(100), is_settled)
    assert resized(check) == set()
    check.program.asides = []
    for value in check.program.values:
        value.needs = []
    assert resized(check) == {"refused"}


def test_a_size_of_a_result_that_is_wrong_is_found():
    check = plain(range(100), lambda program: any(value.batch for value in program.results) and not program.needs())
    for value in check.program.results:
        value.batch = value.batch and {name: 2 * count for name, count in value.batch.items()}
    assert resized(check) == {"shape"}


def test_a_program_that_has_to_be_refused_and_is_not_is_found():
    check = plain(range(20))
    check.program.wrong = "select"
    check.attempt("cpu", check.text)
    assert [(finding["kind"], finding["message"]) for finding in check.findings] == [("not refused", "select")]


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
