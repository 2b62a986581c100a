# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The examples give the oracle's answer: by bfly-run and from Python, fused and not, at any batch, at every level."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from programs import Place, run
from safetensors.numpy import load_file
from seed import SEED

import bfly
from bfly import reference

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("BFLY_BUILD_DIR") or ROOT / "build")
EXAMPLES = ROOT / "examples"
sys.path.append(str(EXAMPLES))
import make_parameters

NAMES = [example.__name__ for example in make_parameters.EXAMPLES]
# Single operations are off by 1e-7 to 3e-7; the errors of two layers and their LayerNorms add up.
TOLERANCE = 2e-6


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """make_parameters' files for a batch and a seed, each made once."""
    made = {}

    def folder(batch=2, seed=0):
        if (batch, seed) not in made:
            made[batch, seed] = tmp_path_factory.mktemp("examples")
            make_parameters.write(made[batch, seed], seed, batch)
        return made[batch, seed]

    return folder


def arrays(folder, name):
    file = folder / f"{name}.safetensors"
    parameters = load_file(file) if file.exists() else None
    return parameters, np.load(folder / f"{name}.input.npy"), np.load(folder / f"{name}.expected.npy")


def bfly_run(folder, name, *arguments):
    command = [BUILD / "bin" / "bfly-run", EXAMPLES / f"{name}.mlir", f"--input=@{folder / name}.input.npy"]
    command += [f"--device={Place.device}", *arguments]
    if (folder / f"{name}.safetensors").exists():
        command.append(f"--parameters={folder / name}.safetensors")
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)


def compile_example(name):
    return bfly.compile(EXAMPLES / f"{name}.mlir", device=Place.device)


def test_every_example_has_its_data():
    assert sorted(NAMES) == sorted(path.stem for path in EXAMPLES.glob("*.mlir"))


@pytest.mark.parametrize("options", ["", "fuse=false"])
@pytest.mark.parametrize("name", NAMES)
def test_bfly_run(data, name, options):
    expected = f"--expected_output=@{data() / name}.expected.npy"
    more = [f"--compile-options={options}"] if options else []
    done = bfly_run(data(), name, expected, f"--tolerance={TOLERANCE}", *more)
    assert done.returncode == 0, done.stderr
    assert "matches" in done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_bfly_run_sees_a_difference(data, name):
    """Another seed's answer is not this one's."""
    expected = f"--expected_output=@{data(seed=1) / name}.expected.npy"
    done = bfly_run(data(), name, expected, f"--tolerance={TOLERANCE}")
    assert done.returncode != 0


@pytest.mark.parametrize("batch", [1, 3, 8])
@pytest.mark.parametrize("name", NAMES)
def test_python(data, name, batch):
    """A seed of this session's, and a batch that the IR leaves open."""
    parameters, given, expected = arrays(data(batch, SEED), name)
    kernel = compile_example(name)
    assert reference.error(run(kernel, given, parameters=parameters), expected) <= TOLERANCE


def test_no_sequences(data):
    parameters, given, _ = arrays(data(), "fft_ia_layer")
    assert compile_example("fft_ia_layer")(given[:0], parameters=parameters).shape == (0, 64, 32)


def test_tokens_outside_the_vocabulary(data):
    """They read the nearest row, not memory that is not theirs."""
    parameters, tokens, _ = arrays(data(), "fftnet_model")
    kernel = compile_example("fftnet_model")
    wild = np.where(tokens < 25, tokens - 2**40, tokens + 2**40)
    tame = np.where(tokens < 25, 0, 49)
    assert kernel(wild, parameters=parameters).tobytes() == kernel(tame, parameters=parameters).tobytes()


@pytest.mark.skipif(
    os.environ.get("BFLY_TEST_SANITIZED") == "racecheck", reason="racecheck reports hazards in cuBLASLt's kernels"
)
@pytest.mark.parametrize("name", NAMES)
def test_report_and_picture(data, tmp_path, name):
    report = tmp_path / "report.json"
    done = bfly_run(data(), name, f"--report={report}", "--benchmark=3")
    assert done.returncode == 0, done.stderr
    module = [sys.executable, "-m", "bfly.draw", report, tmp_path / "picture.svg"]
    paths = filter(None, [str(ROOT / "python"), os.environ.get("PYTHONPATH")])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    drawn = subprocess.run(list(map(str, module)), capture_output=True, text=True, env=environment)
    assert drawn.returncode == 0, drawn.stderr
    ET.parse(tmp_path / "picture.svg")
    kernels = compile_example(name).report["kernels"]
    picture = (tmp_path / "picture.svg").read_text(encoding="utf-8")
    assert kernels and all(kernel["name"] in picture for kernel in kernels)
