#!/usr/bin/env python3
# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Run bfly-run on everything that is bad, and see that nothing is worse than an error.

    run_bad_inputs.py static FOLDER            every file of test/Inputs/bad
    run_bad_inputs.py generated FOLDER         nesting, bombs, noise: made here, in FOLDER
    run_bad_inputs.py arrays MAKE FOLDER       the corpus of make_bad_files.py, as inputs and parameters
    run_bad_inputs.py mutations SOURCE FOLDER [COUNT [SEED]]
                                               SOURCE with random damage, as text and as bytecode

Of the first three, every run has to end with exit code 1, exactly one error message and no
output file, within a minute. A damaged file may still be valid, so mutations may also
succeed. Nothing may end by a signal. bfly-run and bfly-opt come from PATH.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

TIMEOUT = 60
failures = []


def run(name, arguments, may_succeed=False, output=None):
    command = ["bfly-run", *map(str, arguments)]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        failures.append(f"{name}: still running after {TIMEOUT} s: {' '.join(command)}")
        return
    text = done.stderr.decode(errors="replace")
    errors = sum("error: " in line for line in text.splitlines())
    if done.returncode == 0 and may_succeed:
        return
    problem = None
    if done.returncode != 1:
        problem = f"exit code {done.returncode}"
    elif errors != 1:
        problem = f"{errors} messages"
    elif output and Path(output).exists():
        problem = f"left {output}"
    if problem:
        failures.append(f"{name}: {problem}: {' '.join(command)}\n{text[:1000]}")


def static(folder):
    files = sorted(Path(folder).glob("*.mlir"))
    assert len(files) > 25, folder
    for path in files:
        run(path.name, [path])
        # Compiled without being run, which a few of them survive; and with arguments.
        run(path.name, [path, "--print-level=llvm"], may_succeed=True)
        run(path.name, [path, "--function=f", "--input=2x8x4xf32", "--output=@/nonexistent/y.npy"])
    return len(files)


def generated(folder):
    def chain(count, first, following):
        return first + "".join(following.format(i=i, before=i - 1) for i in range(1, count))

    identity = "func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> { return %x : tensor<4xf32> }\n"
    files = {
        "nothing": b"",
        "noise": bytes(random.Random(1).randrange(1, 256) for _ in range(10000)),
        "zeros": bytes(10000),
        "deep-regions": "module {" * 20000 + "}" * 20000,
        "deep-types": f"func.func @f(%x: {'tuple<' * 100000}i32{'>' * 100000}) {{ return }}",
        "deep-attributes": f"module attributes {{a.b = {'[' * 50000}{']' * 50000}}} {{}}",
        "deep-locations": identity.rstrip() + " loc(" + "callsite(" * 50000,
        "unclosed": "(" * 1000000,
        "type-bomb": chain(64, "!a0 = tuple<i32>\n", "!a{i} = tuple<!a{before}, !a{before}>\n")
        + "func.func private @f(%x: !a63)\n",
        "attribute-bomb": chain(64, "#a0 = [1]\n", "#a{i} = [#a{before}, #a{before}]\n")
        + "module attributes {a.b = #a63} {}\n",
        "deep-aliases": chain(20000, "!a0 = tuple<i32>\n", "!a{i} = tuple<!a{before}>\n")
        + "func.func private @f(%x: !a19999)\n",
        "long-sum": "#m = affine_map<(d0) -> (d0" + " + d0" * 100000 + ")>\n" + identity,
        "long-sign": "#m = affine_map<(d0) -> (" + "-" * 100000 + "d0)>\n" + identity,
        "open-string": 'module attributes {a.b = "' + "x" * 100000,
        "open-comment": "// only a comment",
        "not-utf8": b'module attributes {a.b = "\xff\xfe"} {}\n',
        "bytecode-magic": b"ML\xefR",
        "bytecode-noise": b"ML\xefR" + bytes(random.Random(2).randrange(256) for _ in range(1000)),
    }
    for name, content in files.items():
        path = Path(folder) / f"{name}.mlir"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        run(name, [path])
        run(name, [path, "--allow-bytecode"])
    return len(files)


def arrays(make, folder):
    folder = Path(folder)
    subprocess.run([sys.executable, make, folder / "files"], check=True)
    module = folder / "module.mlir"
    module.write_text(
        "ml_program.global private @w(#ml_program.extern<tensor<2x3xf32>>) : tensor<2x3xf32>\n"
        "func.func @input(%x: tensor<2x3xf32>) -> tensor<2x3xf32> { return %x : tensor<2x3xf32> }\n"
        "func.func @parameter() -> tensor<2x3xf32> {\n"
        "  %w = ml_program.global_load_const @w : tensor<2x3xf32>\n"
        "  return %w : tensor<2x3xf32>\n}\n"
    )
    output = folder / "y.npy"
    count = 0
    for path in sorted((folder / "files").iterdir()):
        if path.suffix == ".npy":
            run(path.name, [module, "--function=input", f"--input=@{path}", f"--output=@{output}"], output=output)
            run(
                path.name,
                [module, "--function=input", "--input=2x3xf32", f"--expected_output=@{path}", f"--output=@{output}"],
                output=output,
            )
        elif path.suffix == ".safetensors":
            run(
                path.name,
                [module, "--function=parameter", f"--parameters={path}", f"--output=@{output}"],
                output=output,
            )
        else:
            continue
        count += 1
    assert count > 20, folder
    return count


def damage(content, dice):
    """One to four random changes: a byte, a range lost, doubled or moved, a number made large."""
    content = bytearray(content)
    for _ in range(dice.randint(1, 4)):
        if not content:
            break
        at, size = dice.randrange(len(content)), dice.randint(1, 24)
        kind = dice.randrange(5)
        if kind == 0:
            content[at] = dice.randrange(256)
        elif kind == 1:
            del content[at : at + size]
        elif kind == 2:
            content[at:at] = content[at : at + size]
        elif kind == 3:
            other = dice.randrange(len(content))
            content[at:at] = content[other : other + size]
        else:
            digits = [i for i, byte in enumerate(content) if 48 <= byte <= 57]
            if digits:
                at = dice.choice(digits)
                content[at : at + 1] = dice.choice([b"0", b"1", b"-1", b"7", b"4294967296", b"9223372036854775807"])
    return bytes(content)


def mutations(source, folder, count=40, seed=0):
    folder, dice = Path(folder), random.Random(int(seed))
    bytecode = folder / "good.mlirbc"
    subprocess.run(["bfly-opt", source, "--emit-bytecode", "-o", bytecode], check=True)
    for original, flags in ((Path(source), []), (bytecode, ["--allow-bytecode"])):
        content = original.read_bytes()
        for i in range(int(count)):
            path = folder / f"damaged-{i}{original.suffix}"
            path.write_bytes(damage(content, dice))
            before = len(failures)
            run(path.name, [path, "--print-level=llvm", *flags], may_succeed=True)
            if len(failures) == before:
                path.unlink()
    return 2 * int(count)


mode, *arguments = sys.argv[1:]
os.makedirs(arguments[1] if mode in ("arrays", "mutations") else arguments[0], exist_ok=True)
total = {"static": static, "generated": generated, "arrays": arrays, "mutations": mutations}[mode](*arguments)
for failure in failures:
    print(failure)
print(f"{mode}: {total} inputs, {len(failures)} failures")
sys.exit(bool(failures))
