# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The examples' parameters: the names and shapes that examples/make_parameters.py documents, the same every time."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from bfly import reference

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "make_parameters.py"


def make(out, *flags):
    subprocess.run([sys.executable, SCRIPT, out, *flags], check=True, stdout=subprocess.DEVNULL)
    return {path.name: path for path in out.iterdir()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return make(tmp_path_factory.mktemp("parameters"))


def documented():
    """{example: {parameter: shape}} out of the script's own table."""
    table, example = {}, None
    for line in SCRIPT.read_text().split("---\n", 1)[1].split('"""', 1)[0].splitlines():
        if start := re.match(r" {4}(\w+)", line):
            example = table.setdefault(start[1], {})
        if row := re.search(r" ([\w.]+)  +\(([\d, ]+)\)  ", line + "  "):
            example[row[1]] = tuple(map(int, row[2].split(",")))
    layer = table["fftnet_layer"]
    table["fftnet_model"] |= {f"layers.{i}.{name}": shape for i in range(2) for name, shape in layer.items()}
    return table


def test_names_and_shapes_are_the_documented_ones(files):
    table = documented()
    assert len(table) == 5 and not table["fnet_mixing"] and "fnet_mixing.safetensors" not in files
    assert len(files) == 14
    for example, shapes in table.items():
        if shapes:
            parameters = load_file(files[example + ".safetensors"])
            assert {name: array.shape for name, array in parameters.items()} == shapes
            assert {array.dtype for array in parameters.values()} == {np.dtype(np.float32)}


def test_the_expected_output_belongs_to_the_files(files):
    """Read back, the parameters and the input give the expected output: what is stored is what was computed."""
    for example, forward in {
        "fftnet_layer": lambda x, p: reference.fftnet_layer(x, p),
        "fftnet_model": lambda x, p: reference.fftnet_model(x, p),
        "fft_ia_layer": lambda x, p: reference.butterfly_attention(x, p["to_q.weight"], p["to_k.weight"], 4),
        "fft_inspired_attention": lambda x, p: reference.fft_inspired_attention(
            x, p["to_v.weight"], p["to_q.weight"], p["to_k.weight"], 4
        ),
        "fnet_mixing": lambda x, p: reference.fnet_mixing(x),
    }.items():
        name = files.get(example + ".safetensors")
        given, expected = (np.load(files[f"{example}.{what}.npy"]) for what in ("input", "expected"))
        assert expected.dtype == np.float32 and expected.flags.c_contiguous
        assert reference.error(expected, forward(given, load_file(name) if name else {})) < 1e-7


def test_some_bins_are_silenced_and_some_are_not(files):
    p = load_file(files["fftnet_layer.safetensors"])
    x = np.load(files["fftnet_layer.input.npy"])
    bins = abs(np.fft.fft(reference.layer_norm(x, p["input_norm.weight"], p["input_norm.bias"]), axis=1))
    silenced = (bins + p["modrelu.bias"] < 0).mean()
    assert 0.02 < silenced < 0.5


def test_the_same_seed_gives_the_same_files(files, tmp_path):
    again, other = make(tmp_path / "again"), make(tmp_path / "other", "--seed=1", "--batch=3")
    for name, path in files.items():
        if not name.endswith(".expected.npy"):
            assert path.read_bytes() == again[name].read_bytes()
            assert path.read_bytes() != other[name].read_bytes()
    assert np.load(other["fftnet_model.input.npy"]).shape == (3, 64)
