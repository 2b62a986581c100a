# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""docs/adding-a-stage-or-pass.md, followed to the letter: its blocks are built into a bfly-opt, which does what they say."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BFLY_BUILD_DIR", ROOT / "build")).resolve()
PAGE = (ROOT / "docs" / "adding-a-stage-or-pass.md").read_text()
FLAG = "bfly-drop-identity-maps"
sys.path.append(str(ROOT / "docs"))


def cached(name):
    """An entry of the build's CMakeCache.txt, or ''."""
    cache = BUILD / "CMakeCache.txt"
    entry = re.search(rf"^{name}:\w+=(.*)$", cache.read_text(), re.MULTILINE) if cache.exists() else None
    return entry[1] if entry else ""


def blocks(language):
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [text for word, text in fenced if word == language]


def run(command, **more):
    done = subprocess.run(list(map(str, command)), check=False, capture_output=True, text=True, **more)
    assert done.returncode == 0, f"{shlex.join(map(str, command))}\n{done.stdout}{done.stderr}"
    return done.stdout


def build(folder, llvm):
    """Puts a bfly-opt that has the page's pass into folder/bin: declared, written and placed where the page says."""
    included = folder / "bfly" / "Transforms"
    included.mkdir(parents=True)

    (declaration,) = blocks("tablegen")
    definitions = (ROOT / "dialect" / "bfly" / "Transforms" / "Passes.td").read_text()
    before, end = definitions.rsplit("#endif", 1)
    (folder / "Passes.td").write_text(f"{before}{declaration}\n#endif{end}")
    generate = [llvm / "bin" / "mlir-tblgen", "-gen-pass-decls", "-name", "BflyTransforms", folder / "Passes.td"]
    run([*generate, "-I", ROOT / "dialect", "-I", llvm / "include", "-o", included / "Passes.h.inc"])

    source, placing = blocks("cpp")
    (folder / "DropIdentityMaps.cpp").write_text(source)
    pipelines = ROOT / "lib" / "Pipelines"
    place = "  functions.addPass(createRewriteSpectraPass());\n"
    text = (pipelines / "Pipelines.cpp").read_text()
    assert text.count(place) == 1
    (folder / "Pipelines.cpp").write_text(text.replace(place, place + placing))
    shutil.copy(pipelines / "Registration.cpp", folder)

    # Names are the same each time, so that a compiler's cache has them.
    command = [*cached("CMAKE_CXX_COMPILER_LAUNCHER").split(), cached("CMAKE_CXX_COMPILER"), "-std=c++17", "-fPIC"]
    command += ["-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-isystem", llvm / "include"]
    for include in (".", ROOT / "dialect", BUILD / "dialect", pipelines):
        command += ["-I", include]
    sources = sorted(folder.glob("*.cpp"))
    with ThreadPoolExecutor() as threads:
        list(threads.map(lambda file: run([*command, "-c", file.name, "-o", f"{file.stem}.o"], cwd=folder), sources))

    # As the build links it, with these before the libraries.
    command = run(["ninja", "-C", BUILD, "-t", "commands", "bin/bfly-opt"]).splitlines()[-1]
    words = shlex.split(re.search(r"&& (.* -o bin/bfly-opt .*) && :$", command)[1])
    (folder / "bin").mkdir()
    output = words.index("bin/bfly-opt")
    words[output : output + 1] = [folder / "bin" / "bfly-opt", *(file.with_suffix(".o") for file in sources)]
    run(words, cwd=BUILD)


def lit(folder, name, text):
    """Runs the RUN line of a test, as lit would; the exit code and what it printed."""
    (folder / name).write_text(text)
    command = re.search(r"^// RUN: (.*)$", text, re.MULTILINE)[1].replace("%s", shlex.quote(str(folder / name)))
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def check_its_test(folder):
    (text,) = blocks("mlir")
    assert lit(folder, "drop-identity-maps.mlir", text) == (0, "")
    # With a pass that does nothing it fails.
    assert lit(folder, "drop-identity-maps.mlir", text.replace(f"-{FLAG}", ""))[0] == 1


def check_the_ways_to_run_it(folder):
    commands = re.findall(rf"^    (bfly-opt spectrum\.mlir .*{FLAG}.*)$", PAGE, re.MULTILINE)
    assert len(commands) == 2
    (text,) = blocks("mlir")
    (folder / "spectrum.mlir").write_text(text)
    flag, pipeline = (run(shlex.split(command), cwd=folder) for command in commands)
    assert flag == pipeline and "func.func @identity" in flag
    # What the page says of a pipeline without func.func.
    wrong = shlex.split(commands[1].replace("func.func(", "").replace("))", ")"))
    done = subprocess.run(wrong, check=False, cwd=folder, capture_output=True, text=True)
    (message,) = re.findall(r'the pass is\s+"([^"]*)"', PAGE)
    assert done.returncode != 0 and message in done.stderr


def check_before_and_after():
    import check_examples

    (declaration,) = blocks("tablegen")
    examples = {heading: check_examples.Example(heading, text) for heading, text in check_examples.blocks(declaration)}
    check_examples.settle(list(examples.values()))
    assert [example.error for example in examples.values()] == ["", ""]
    assert check_examples.check_pass(FLAG, "function", examples["Before"], examples["After"]) is None


def check_the_pipeline():
    trace = ["bfly-opt", ROOT / "docs" / "tour.mlir", "-bfly-compile=to=network", "-mlir-print-ir-before-all"]
    done = subprocess.run(trace, check=True, capture_output=True, text=True)
    passes = re.findall(r"^// -----// IR Dump Before .*\((bfly-[\w-]+)", done.stderr, re.MULTILINE)
    assert passes[passes.index("bfly-rewrite-spectra") + 1] == FLAG


def check_what_is_no_half_of_a_spectrum(folder):
    """The verifier's messages that the page quotes."""
    (text,) = (block for block in blocks("") if "expected-error" in block)
    run_line = "// RUN: bfly-opt %s -split-input-file -verify-diagnostics"
    assert lit(folder, "half.mlir", f"{run_line}\n{text}")[0] == 0


def test_the_worked_example_is_what_the_page_says():
    """The files of the Hadamard transform, their sizes, where it is registered, and the code that the page quotes."""
    files = re.findall(r"^\| `([\w/.-]+)` \| (\d+) \|", PAGE, re.MULTILINE)
    assert len(files) == 8
    for path, lines in files:
        assert abs((ROOT / path).read_text().count("\n") - int(lines)) <= 0.1 * int(lines), path
    registered = re.findall(r"^\| `([\w/.-]+)` \| `(.+)` \|$", PAGE, re.MULTILINE)
    assert len(registered) == 7
    for path, line in registered:
        assert line in (ROOT / path).read_text(), path
    text = "".join((ROOT / path).read_text() for path, _ in files)
    quoted = re.findall(r"^$\n((?: {7}.*\n)+)", PAGE, re.MULTILINE)
    assert len(quoted) == 3
    for block in quoted:
        assert " ".join(block.split()) in " ".join(text.split()), block


# In a static build the tool is a call of libbfly; a sanitizer's build would want all of it instrumented. One test, since
# building is most of it.
@pytest.mark.skipif(
    not (BUILD / "build.ninja").exists() or "ON" in (cached("BFLY_STATIC"), cached("BFLY_SANITIZE")),
    reason="no shared build by ninja, without sanitizers",
)
def test_the_page_followed_to_the_letter(tmp_path, monkeypatch):
    llvm = Path(cached("MLIR_DIR")).parents[2]
    build(tmp_path, llvm)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path / "bin"), str(llvm / "bin"), os.environ["PATH"]]))
    check_its_test(tmp_path)
    check_the_ways_to_run_it(tmp_path)
    check_before_and_after()
    check_the_pipeline()
    check_what_is_no_half_of_a_spectrum(tmp_path)
