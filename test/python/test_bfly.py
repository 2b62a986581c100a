# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""The package: compiling, calling, arrays of every kind, errors that name the argument, the cache, threads."""

import ctypes
import json
import os
import re
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import bfly
from bfly import _arrays, _library, _mixers, reference

SCALE = """
func.func @scale(%x: tensor<?x4x8xf32>) -> tensor<?x4x8xf32> {
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<?x4x8xf32>
  return %y : tensor<?x4x8xf32>
}
"""
WITH_PARAMETERS = """
ml_program.global private @"layer.weight"(#ml_program.extern<tensor<3x8xf32>>) : tensor<3x8xf32>
ml_program.global private @"layer.bias"(#ml_program.extern<tensor<3xf32>>) : tensor<3xf32>
func.func @layer(%x: tensor<2x8xf32>) -> tensor<2x3xf32> {
  %w = ml_program.global_load_const @"layer.weight" : tensor<3x8xf32>
  %b = ml_program.global_load_const @"layer.bias" : tensor<3xf32>
  %y = bfly.linear %x, %w bias(%b : tensor<3xf32>) : tensor<2x8xf32>, tensor<3x8xf32> -> tensor<2x3xf32>
  return %y : tensor<2x3xf32>
}
"""
TWO_RESULTS = """
func.func @both(%x: tensor<2x4x8xf32>) -> (tensor<2x8xf32>, tensor<2x4x8xf32>) {
  %m = bfly.mean %x : tensor<2x4x8xf32> -> tensor<2x8xf32>
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<2x4x8xf32>
  return %m, %y : tensor<2x8xf32>, tensor<2x4x8xf32>
}
"""
TWO_FUNCTIONS = SCALE + SCALE.replace("@scale", "@other")


@pytest.fixture
def x(rng):
    return rng.standard_normal((2, 4, 8)).astype(np.float32)


@pytest.fixture
def rng():
    return np.random.default_rng()


@pytest.fixture(scope="module")
def norm():
    return bfly.compile(SCALE)


@pytest.fixture(scope="module")
def layer():
    return bfly.compile(WITH_PARAMETERS)


def close(out, expected, tolerance=1e-5):
    np.testing.assert_allclose(np.asarray(out, np.float64), expected, rtol=0, atol=tolerance)


# Compiling ----------------------------------------------------------------------------------------------------------


def test_a_kernel_says_what_it_is(norm, layer):
    assert norm.name == "scale" and norm.device == "cpu"
    assert norm.inputs == (("input 0", (None, 4, 8), "f32", False),)
    assert norm.parameters == () and norm.results[0].shape == (None, 4, 8)
    assert [value.name for value in layer.parameters] == ["layer.weight", "layer.bias"]
    assert repr(norm) == "<bfly.Kernel scale(?x4x8xf32) -> (?x4x8xf32) on cpu>"
    assert "layer.weight: 3x8xf32" in repr(layer)
    assert bfly.version().count(".") == 2


def test_text_or_path(tmp_path, x):
    path = tmp_path / "model.mlir"
    path.write_text(SCALE)
    for source in (SCALE, SCALE.encode(), path, str(path)):
        close(bfly.compile(source)(x), reference.layer_norm(x))
    one_line = SCALE.strip().replace("\n", " ")
    close(bfly.compile(one_line)(x), reference.layer_norm(x))
    with pytest.raises(bfly.BflyError, match="no-such-file.mlir"):
        bfly.compile(tmp_path / "no-such-file.mlir")
    with pytest.raises(bfly.BflyError, match="text_or_path"):
        bfly.compile(7)
    with pytest.raises(bfly.BflyError, match="zero byte"):
        bfly.compile("a\0b")
    with pytest.raises(bfly.BflyError, match=r"^text_or_path: '\\ud800' at 1 is no character"):
        bfly.compile("\n\ud800")
    with pytest.raises(bfly.BflyError, match="^text_or_path: a path"):
        bfly.compile("\ud800")


def test_functions(x):
    close(bfly.compile(TWO_FUNCTIONS, function="other")(x), reference.layer_norm(x))
    with pytest.raises(bfly.BflyError, match="scale, other"):
        bfly.compile(TWO_FUNCTIONS)
    with pytest.raises(bfly.BflyError, match="'third'"):
        bfly.compile(TWO_FUNCTIONS, function="third")
    with pytest.raises(bfly.BflyError, match="^function: "):
        bfly.compile(TWO_FUNCTIONS, function=3)


def test_errors_in_the_text_have_a_place():
    with pytest.raises(bfly.BflyError, match="^<text>:3:"):
        bfly.compile(SCALE.replace("bfly.layer_norm", "bfly.layer_morn"))
    with pytest.raises(bfly.BflyError, match="^mine.mlir:3:"):
        bfly.compile(SCALE.replace("tensor<?x4x8xf32>\n  return", "tensor<?x4xf32>\n  return"), name="mine.mlir")
    with pytest.raises(bfly.BflyError):
        bfly.compile("")
    with pytest.raises(bfly.BflyError):
        bfly.compile(b"\xff\xfe{}\n\0")
    # Still usable afterwards.
    assert bfly.compile(SCALE).name == "scale"


def test_options(x):
    assert bfly.compile(SCALE, fuse=False, scoring="definition", threads=1)(x).shape == x.shape
    assert bfly.compile(SCALE, target="sm_90a", emulate=True, to="llvm")(x).shape == x.shape


LEVEL = "which is what runs, got "
SCORINGS = "known: auto, definition, pair_difference, chained, folded, carried$"
OPTIONS = "known: emulate, fuse, scoring, target, threads, to$"
WORD = "expected a truth value, an integer or a word$"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"fuse": "x"}, "compile options 'fuse=x': fuse has to be true or false, got 'x'$"),
        ({"fuse": 2}, "compile options 'fuse=2': fuse has to be true or false, got '2'$"),
        ({"emulate": "perhaps"}, ".*: emulate has to be true or false, got 'perhaps'$"),
        ({"scoring": "fast"}, "compile options 'scoring=fast': unknown scoring 'fast', " + SCORINGS),
        ({"scoring": True}, ".*: unknown scoring 'true', " + SCORINGS),
        ({"target": "tpu"}, "compile options 'target=tpu': unknown target 'tpu', known: cpu, sm_90a, sm_80$"),
        ({"target": "sm_90a"}, "a program for target 'sm_90a' does not run on device 'cpu'$"),
        ({"to": "affine"}, "compile options 'to=affine': to can only be llvm, " + LEVEL + "'affine'; "),
        ({"to": "bogus"}, ".*" + LEVEL + "'bogus'; "),
        ({"fast": True}, "compile options 'fast=true': there is no option 'fast', " + OPTIONS),
        ({"fuse": ""}, "fuse: '', " + WORD),
        ({"fuse": None}, "fuse: None, " + WORD),
        ({"fuse": 1.0}, "fuse: 1.0, " + WORD),
        ({"scoring": "a b"}, "scoring: 'a b', " + WORD),
        ({"scoring": "auto\nfuse=x"}, r"scoring: 'auto\\nfuse=x', " + WORD),
        ({"scoring": "\ud800"}, r"scoring: '\\ud800', " + WORD),
        ({"fuse=false scoring": "auto"}, "'fuse=false scoring' is no name of an option$"),
        ({"": True}, "'' is no name of an option$"),
        ({"threads": -1}, "threads: -1, expected an integer from 0 to 4096$"),
        ({"threads": 4097}, "threads: 4097, expected"),
        ({"threads": 1 << 40}, "threads: 1099511627776, expected"),
        ({"threads": "2"}, "threads: '2', expected"),
        ({"threads": True}, "threads: True, expected"),
        ({"allow_bytecode": "no"}, "allow_bytecode: 'no', expected True or False$"),
        ({"allow_foreign_calls": "no"}, "allow_foreign_calls: 'no', expected True or False$"),
        ({"allow_foreign_calls": None}, "allow_foreign_calls: None, expected True or False$"),
        ({"name": "\udc80"}, r"name: '\\udc80' at 0 is no character$"),
        ({"function": "a\ud800"}, r"function: '\\ud800' at 1 is no character$"),
        ({"device": "cpu\ud800"}, r"device: '\\ud800' at 3 is no character$"),
        ({"device": "cuda:-0"}, "device 'cuda:-0' has no valid number$"),
    ],
)
def test_a_wrong_option_is_one_exception(capfd, options, message):
    with pytest.raises(bfly.BflyError, match="^" + message) as caught:
        bfly.compile(SCALE, **options)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_devices(x):
    assert bfly.compile(SCALE, device="cpu")(x).shape == x.shape
    with pytest.raises(bfly.BflyError, match="cuda"):
        bfly.compile(SCALE, device="cuda:17")
    with pytest.raises(bfly.BflyError, match="'abacus'"):
        bfly.compile(SCALE, device="abacus")
    with pytest.raises(bfly.BflyError, match="^device: "):
        bfly.compile(SCALE, device=0)


def test_ir_and_report(norm):
    assert "bfly.layer_norm" in norm.ir("mixer") and "bfly.kernel" in norm.ir("schedule")
    assert "affine.for" in norm.ir("affine") and "llvm.func" in norm.ir("llvm")
    with pytest.raises(bfly.BflyError, match="^level: 'ptx'"):
        norm.ir("ptx")
    with pytest.raises(bfly.BflyError, match="level 'nvvm' is one of a GPU"):
        norm.ir("nvvm")
    for options in ({}, {"allow_foreign_calls": True}, {"function": "scale"}):
        with pytest.raises(
            bfly.BflyError, match="level llvm; only IR of the levels mixer, network, schedule and affine"
        ):
            bfly.compile(norm.ir("llvm"), **options)
    report = norm.report
    assert report["function"] == "scale" and report["device"] == "cpu"
    assert json.loads(json.dumps(report)) == report and norm.report is report
    assert len(report["kernels"]) == 1


# Calling ------------------------------------------------------------------------------------------------------------


def test_results_are_new_and_aligned(norm, x):
    first, second = norm(x), norm(x)
    assert type(first) is np.ndarray and first.dtype == np.float32 and first.flags.writeable
    assert not np.shares_memory(first, second)
    assert first.__array_interface__["data"][0] % 64 == 0
    close(first, reference.layer_norm(x))


def test_a_dynamic_batch(norm, rng):
    for batch in (1, 5, 0, 2):
        x = rng.standard_normal((batch, 4, 8)).astype(np.float32)
        out = norm(x)
        assert out.shape == x.shape
        close(out, reference.layer_norm(x))


def test_parameters_by_name(layer, rng):
    x, w, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 8), (3, 8), (3,)))
    given = {"layer.bias": b, "layer.weight": w}
    close(layer(x, parameters=given), reference.linear(x, w, b))
    for broken, message in (
        (None, "'layer.weight', 'layer.bias' missing"),
        ({"layer.weight": w}, "'layer.bias' missing"),
        (given | {"more": b}, "'more' unknown; layer has 'layer.weight', 'layer.bias'"),
        (given | {"layer.bias": b[:2]}, "parameter 'layer.bias': shape 2xf32, expected 3xf32"),
        (given | {"layer.bias": b.astype(np.float64)}, "parameter 'layer.bias': dtype f64, expected f32"),
        (given | {"layer.weight": np.asfortranarray(w)}, "parameter 'layer.weight': not contiguous"),
        ([w, b], "parameters: a mapping"),
    ):
        with pytest.raises(bfly.BflyError, match="^(parameters: )?" + message):
            layer(x, parameters=broken)


def test_parameters_of_another_shape_or_type(layer, rng):
    x, w, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 8), (3, 8), (3,)))
    b = np.float32([1, -2, 0.5])  # exact in every type
    names = "layer.weight", "layer.bias"
    expected = layer(x, parameters=dict(zip(names, (w, b))))

    def give(bias, **options):
        return layer(x, parameters={**dict(zip(names, (w[None], bias))), **options.pop("more", {})}, **options)

    for bias in (b[None], b[None, None]):
        np.testing.assert_array_equal(give(bias), expected)
    for bias in (b.astype(np.float16), reference.store(b, "bf16")):
        np.testing.assert_array_equal(give(bias, parameter_types="widen"), expected)
        with pytest.raises(bfly.BflyError, match="parameter 'layer.bias': dtype b?f16, expected f32"):
            give(bias)
    np.testing.assert_array_equal(give(b.astype(np.float64), parameter_types="round"), expected)
    np.testing.assert_array_equal(give(b, more={"other": 7}, ignore_unknown=True), expected)
    for bias, options, message in (
        (b.astype(np.float64), {"parameter_types": "widen"}, "would be rounded to f32"),
        (b.astype(np.int32), {"parameter_types": "round"}, "dtype i32, expected f32"),
        (b[:, None], {}, "shape 3x1xf32, expected 3xf32"),
        (b, {"parameter_types": "any"}, "parameter_types: 'any'"),
        (b, {"ignore_unknown": "no"}, "ignore_unknown: 'no', expected True or False"),
    ):
        with pytest.raises(bfly.BflyError, match=message):
            give(bias, **options)


def test_several_results_and_out(x):
    kernel = bfly.compile(TWO_RESULTS)
    mean, normed = kernel(x)
    close(mean, x.mean(axis=1))
    close(normed, reference.layer_norm(x))
    out = (np.full((2, 8), np.nan, np.float32), np.full(x.shape, np.nan, np.float32))
    assert kernel(x, out=out) is out
    np.testing.assert_array_equal(out[0], mean)
    np.testing.assert_array_equal(out[1], normed)
    with pytest.raises(bfly.BflyError, match="^out: 2 arrays are needed, but 1 were given"):
        kernel(x, out=(out[0],))
    with pytest.raises(bfly.BflyError, match=r"^out\[1\]: shape 2x8xf32"):
        kernel(x, out=(out[0], out[0]))
    with pytest.raises(bfly.BflyError, match="overlap|share"):
        kernel(x, out=(out[0], x))


def test_out(norm, x):
    out = np.empty_like(x)
    assert norm(x, out=out) is out
    np.testing.assert_array_equal(out, norm(x))
    frozen = np.empty_like(x)
    frozen.flags.writeable = False
    for bad, message in (
        (frozen, "out: read-only"),
        (np.empty((2, 8, 4), np.float32).swapaxes(1, 2), "out: not contiguous"),
        (np.empty((3, 4, 8), np.float32), "out: shape 3x4x8xf32, expected 2x4x8xf32"),
        (np.empty(x.shape), "out: dtype f64, expected f32"),
        ("out", "out: an array is expected"),
        (7, "out: an array is expected"),
    ):
        with pytest.raises(bfly.BflyError, match="^" + message):
            norm(x, out=bad)
    with pytest.raises(bfly.BflyError, match="overlap|share"):
        norm(x, out=x)


def test_read_only_inputs_are_read_where_they_lie(norm, x):
    x.flags.writeable = False
    close(norm(x), reference.layer_norm(x))


def test_errors_name_the_input(norm, x):
    for bad, message in (
        (x[0], "input 0: shape 4x8xf32, expected [?]x4x8xf32"),
        (x[:, :3].copy(), "input 0: shape 2x3x8xf32"),
        (x.astype(np.float64), "input 0: dtype f64, expected f32"),
        (x[:, ::-1], "input 0: not contiguous in row-major order; give numpy.ascontiguousarray"),
        (np.asfortranarray(x), "input 0: not contiguous"),
        (x[..., ::2], "input 0: not contiguous"),
        (x.astype(">f4"), "input 0: dtype >f4 is none that bfly has"),
        (x.astype(object), "input 0: dtype object is none that bfly has"),
        (x.astype(np.longdouble), "input 0: dtype float128 is none that bfly has"),
        (x.tolist(), "input 0: an array is expected .*, got list"),
        (None, "input 0: an array is expected .*, got NoneType"),
    ):
        with pytest.raises(bfly.BflyError, match="^" + message):
            norm(bad)
    bytes_ = np.empty(x.nbytes + 1, np.uint8)
    skewed = np.frombuffer(bytes_.data, np.float32, x.size, offset=1).reshape(x.shape)
    if not skewed.flags.aligned:
        with pytest.raises(bfly.BflyError, match="^input 0: not aligned"):
            norm(skewed)
    for arrays in ((), (x, x)):
        with pytest.raises(bfly.BflyError, match=f"1 inputs are needed, but {len(arrays)} were given"):
            norm(*arrays)


def test_sizes_of_one_may_have_any_stride(rng):
    text = SCALE.replace("?x4x8", "?x1x8")
    x = rng.standard_normal((2, 3, 8)).astype(np.float32)[:1, :1]
    close(bfly.compile(text)(x), reference.layer_norm(x))


def test_numbers():
    text = "func.func @add(%x: f32, %n: i64, %y: tensor<2xf32>) -> tensor<2xf32> {\n  return %y : tensor<2xf32>\n}"
    kernel = bfly.compile(text)
    assert [value.is_scalar for value in kernel.inputs] == [True, True, False]
    y = np.ones(2, np.float32)
    for x in (1, 1.5, np.float32(2), np.array(2, np.float32)):
        np.testing.assert_array_equal(kernel(x, 3, y), y)
    for x, n, message in ((1e300, 1, "input 0: 1e[+]300 is no f32"), (1, 1.5, "input 1: 1.5 is no i64")):
        with pytest.raises(bfly.BflyError, match="^" + message):
            kernel(x, n, y)
    with pytest.raises(bfly.BflyError, match=f"^input 1: {1 << 70} is no i64"):
        kernel(1, 1 << 70, y)
    with pytest.raises(bfly.BflyError, match="^input 0: 1j is no f32"):
        kernel(1j, 1, y)


class Exporter:
    """An array of another library: nothing but DLPack, of an old and of a new kind."""

    def __init__(self, array, versioned=True, device=(1, 0)):
        self.array, self.versioned, self.device, self.exports = array, versioned, device, 0

    def __dlpack_device__(self):
        return self.device

    def __dlpack__(self, **arguments):
        if arguments and not self.versioned:
            raise TypeError("no such argument")
        self.exports += 1
        arguments.pop("stream", None)  # of a GPU, which this array only says it is on
        return self.array.__dlpack__(**arguments)


def test_dlpack(norm, x):
    for versioned in (True, False):
        one = Exporter(x, versioned)
        close(norm(one), reference.layer_norm(x))
        assert one.exports == 1
        with pytest.raises(bfly.BflyError, match="^input 0: not contiguous in row-major order"):
            norm(Exporter(x[:, ::-1].swapaxes(1, 2), versioned))
    x.flags.writeable = False
    close(norm(Exporter(x)), reference.layer_norm(x))  # the first version of DLPack can say that it is read-only
    with pytest.raises(bfly.BflyError, match="^input 0: .*Exporter cannot be shared"):
        norm(Exporter(x, False))
    with pytest.raises(bfly.BflyError, match="^out: read-only"):
        norm(x, out=Exporter(x))
    with pytest.raises(bfly.BflyError, match="^input 0: on cuda:1, but the kernel runs on cpu"):
        norm(Exporter(x, device=(2, 1)))


def test_dlpack_gives_the_memory_back(norm, x):
    before = sys.getrefcount(x)
    norm(Exporter(x))
    norm(Exporter(x, False))
    assert sys.getrefcount(x) == before


@pytest.mark.skipif("libclang_rt.asan" in os.environ.get("LD_PRELOAD", ""), reason="a sanitizer keeps what is freed")
def test_memory_stays_level(norm, rng):
    """A result's memory goes with the result, a kernel's with the kernel."""

    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")

    x = rng.standard_normal((4096, 4, 8)).astype(np.float32)
    norm(x)
    before = resident()
    for _ in range(300):
        norm(x)
    assert resident() - before < 64 << 20


@pytest.mark.parametrize("dtype", ["f64", "f32", "f16", "bf16"])
def test_types(dtype, rng):
    text = SCALE.replace("f32", dtype)
    x = reference.store(rng.standard_normal((2, 4, 8)), dtype)
    out = bfly.compile(text)(x)
    assert out.dtype == x.dtype
    assert reference.error(out, reference.layer_norm(x)) < {"f64": 1e-15, "f32": 1e-6, "f16": 1e-3, "bf16": 8e-3}[dtype]


# The mixers ---------------------------------------------------------------------------------------------------------


def attention(rng, dtype="f32", batch=2, n=12, d=8, heads=2, form="dense", lead=None):
    lead = reference.stages(n) if lead is None else lead
    shape = {"dense": (d, d), "per_head": (heads, d // heads, d // heads), "one_head": (d // heads, d // heads)}[form]
    x = reference.store(rng.standard_normal((batch, n, d)), dtype)
    weights = (rng.standard_normal((lead, *shape)) * shape[-1] ** -0.5 for _ in range(2))
    return x, *(reference.store(weight, dtype) for weight in weights)


def filter_arguments(rng, dtype="f32", batch=2, n=12, d=8, hidden=6):
    shapes = {"x": (batch, n, d), "w_base": (d,), "w1": (hidden, d), "b1": (hidden,), "w2": (d, hidden)}
    shapes |= {"b2": (d,), "bias": (d,)}
    return {name: reference.store(rng.standard_normal(shape), dtype) for name, shape in shapes.items()}


@pytest.mark.parametrize("form, weights", [("dense", "dense"), ("per_head", "per_head"), ("one_head", "per_head")])
@pytest.mark.parametrize("lead", [None, 1])
def test_butterfly_attention(rng, form, weights, lead):
    x, wq, wk = attention(rng, form=form, lead=lead)
    out = bfly.butterfly_attention(x, wq, wk, heads=2, weights=weights)
    oracle = reference.butterfly_attention(x, wq, wk, 2, weights)
    assert reference.error(out, oracle) <= reference.bound("butterfly_attention", "f32", 12)
    for scale in (0.25, 1e-20, np.float32(2)):
        out = bfly.butterfly_attention(x, wq, wk, heads=2, weights=weights, scale=scale)
        oracle = reference.butterfly_attention(x, wq, wk, 2, weights, float(scale))
        assert reference.error(out, oracle) <= reference.bound("butterfly_attention", "f32", 12)


@pytest.mark.parametrize("dtype", ["f64", "f32", "f16", "bf16"])
def test_mixers_in_every_type(rng, dtype):
    x, wq, wk = attention(rng, dtype)
    assert bfly.butterfly_attention(x, wq, wk, heads=2).dtype == x.dtype
    given = filter_arguments(rng, dtype)
    out = bfly.spectral_filter(**given)
    assert out.dtype == x.dtype
    floor = reference.spectral_filter_floor(*list(given.values())[:-1])
    assert reference.error(out, reference.spectral_filter(**given), floor) <= reference.bound(
        "spectral_filter", dtype, 12
    )


def test_one_token(rng):
    x, wq, wk = attention(rng, n=1)
    np.testing.assert_array_equal(bfly.butterfly_attention(x, wq, wk, heads=2), x)
    x, wq, wk = attention(rng, n=1, lead=1)
    np.testing.assert_array_equal(bfly.butterfly_attention(x, wq, wk, heads=2), x)


def test_butterfly_attention_names_what_does_not_fit(rng):
    x, wq, wk = attention(rng)
    for change, message in (
        ({"x": x[0]}, r"x: shape \(12, 8\), expected \(B, N, D\)"),
        ({"x": x[:, :0]}, r"x: shape \(2, 0, 8\)"),
        ({"x": x.astype(np.int32)}, "x: dtype i32, expected one of f64, f32, bf16, f16"),
        ({"x": x[..., ::-1]}, r"x: not contiguous in row-major order; give numpy.ascontiguousarray\(x\)"),
        ({"x": [1]}, "x: an array is expected"),
        ({"wq": wq[:2]}, r"wq: shape \(2, 8, 8\), expected \(4, 8, 8\) or \(1, 8, 8\)"),
        ({"wq": wq.astype(np.float64)}, "wq: dtype f64, but x has f32"),
        ({"wk": wk[:1]}, r"wk: shape \(1, 8, 8\), expected \(4, 8, 8\)"),
        ({"wk": None}, "wk: an array is expected"),
        ({"heads": 3}, "heads: 3, expected a divisor of the 8 channels"),
        ({"heads": 0}, "heads: 0"),
        ({"heads": 2.0}, "heads: 2.0"),
        ({"weights": "sparse"}, "weights: 'sparse'"),
        ({"weights": "per_head"}, r"wq: shape \(4, 8, 8\), expected \(4, 2, 4, 4\) or "),
        ({"scale": np.nan}, "scale: a finite number"),
        ({"scale": "big"}, "scale: a finite number"),
        ({"device": "cuda"}, ".*cuda"),
    ):
        with pytest.raises(bfly.BflyError, match="^" + message):
            bfly.butterfly_attention(**({"x": x, "wq": wq, "wk": wk, "heads": 2} | change))


def test_spectral_filter_names_what_does_not_fit(rng):
    given = filter_arguments(rng)
    for name, array in given.items():
        for bad, message in (
            (array[..., None], "shape"),
            (array.astype(np.float16), "dtype f16, but x has f32"),
            ("text", "an array is expected"),
        ):
            if name == "x" and "dtype" in message:
                continue
            with pytest.raises(bfly.BflyError, match=f"^{name}: {message}"):
                bfly.spectral_filter(**(given | {name: bad}))
    with pytest.raises(bfly.BflyError, match="^w1: no hidden channels"):
        bfly.spectral_filter(**(given | {"w1": given["w1"][:0]}))
    with pytest.raises(bfly.BflyError, match="^b1: shape"):
        bfly.spectral_filter(**(given | {"w1": given["w1"][:3].copy()}))
    # No driver, or none of the compiler's targets.
    with pytest.raises(bfly.BflyError, match="cuda|unknown target 'sm_90a'"):
        bfly.spectral_filter(**given, device="cuda")


def test_each_signature_is_compiled_once(rng, monkeypatch):
    _mixers.cache.clear()
    compiled = []
    compile_ = _mixers.compile
    monkeypatch.setattr(_mixers, "compile", lambda *a, **k: compiled.append(a) or compile_(*a, **k))
    given = filter_arguments(rng)
    for _ in range(3):
        bfly.spectral_filter(**given)
    assert len(compiled) == 1 == len(_mixers.cache)
    bfly.spectral_filter(**filter_arguments(rng, "f64"))
    x, wq, wk = attention(rng)
    bfly.butterfly_attention(x, wq, wk, heads=2)
    bfly.butterfly_attention(x, wq, wk, heads=2)
    bfly.butterfly_attention(x, wq, wk, heads=4)
    bfly.butterfly_attention(x, wq, wk, heads=4, scale=0.5)
    assert len(compiled) == 5 == len(_mixers.cache)


def test_what_fails_is_not_kept():
    cache = _mixers._Cache(2)
    with pytest.raises(ZeroDivisionError):
        cache.get("key", lambda: 1 // 0)
    assert len(cache) == 0
    assert cache.get("key", lambda: 7) == 7
    for key in ("a", "key", "b"):  # "a" has waited longest when "b" comes
        cache.get(key, lambda: key)
    assert len(cache) == 2 and cache.get("key", lambda: 0) == 7


# Threads ------------------------------------------------------------------------------------------------------------


def test_threads_ask_for_one_kernel(monkeypatch):
    cache, made = _mixers._Cache(4), []
    barrier = threading.Barrier(8)

    def ask(_):
        barrier.wait()
        return cache.get("key", lambda: made.append(1) or object())

    with ThreadPoolExecutor(8) as pool:
        assert len(set(map(id, pool.map(ask, range(8))))) == 1
    assert len(made) == 1


def test_threads_run_one_kernel(norm, rng):
    inputs = [rng.standard_normal((3 + i, 4, 8)).astype(np.float32) for i in range(8)]
    expected = [norm(x) for x in inputs]
    with ThreadPoolExecutor(8) as pool:
        for _ in range(5):
            for out, want in zip(pool.map(norm, inputs), expected):
                np.testing.assert_array_equal(out, want)


def test_threads_compile_and_fail_on_their_own(rng):
    _mixers.cache.clear()
    given = [filter_arguments(rng, n=n) for n in (4, 5, 6, 7, 8, 9)]

    def work(index):
        if index % 2:
            with pytest.raises(bfly.BflyError, match=f"'f{index}'"):
                bfly.compile(SCALE, function=f"f{index}")
            return None
        return bfly.spectral_filter(**given[index // 2])

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(12)))
    for index in range(0, 12, 2):
        arguments = given[index // 2]
        floor = reference.spectral_filter_floor(*list(arguments.values())[:-1])
        assert reference.error(results[index], reference.spectral_filter(**arguments), floor) < 2e-6


# The package itself -------------------------------------------------------------------------------------------------


def python(code, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], env=os.environ | environment, capture_output=True, text=True, check=False
    )


def test_the_oracle_needs_no_library():
    code = "import bfly.reference, bfly; print(bfly.reference.stages(9))"
    assert python(code, BFLY_LIBRARY="/nowhere/libbfly.so").stdout == "4\n"


def test_a_missing_or_wrong_library_is_said(tmp_path):
    code = "import bfly; bfly.compile('func.func @f() { return }')"
    missing = python(code, BFLY_LIBRARY="/nowhere/libbfly.so")
    assert missing.returncode and "BflyError: libbfly.so is neither in /nowhere/libbfly.so" in missing.stderr
    (tmp_path / "libbfly.so").write_bytes(b"no library")
    wrong = python(code, BFLY_LIBRARY=str(tmp_path / "libbfly.so"))
    assert wrong.returncode and "cannot be loaded" in wrong.stderr


def test_kernels_may_outlive_everything_at_exit():
    code = f"import bfly, numpy; k = bfly.compile({SCALE!r}); k(numpy.zeros((1, 4, 8), 'f')); print('ran')"
    done = python(code)
    assert (done.returncode, done.stdout) == (0, "ran\n"), done.stderr


def test_importing_is_light():
    """Neither torch nor ml_dtypes is loaded by an import; bf16 asks for ml_dtypes when it is met."""
    assert python("import sys, bfly; print([m for m in ('torch', 'ml_dtypes') if m in sys.modules])").stdout == "[]\n"


def test_the_version_is_the_headers():
    header = (Path(__file__).parents[2] / "dialect/bfly/Engine/CAPI.h").read_text()
    stated = tuple(int(re.search(rf"BFLY_VERSION_{part} (\d+)", header)[1]) for part in ("MAJOR", "MINOR"))
    assert stated == _library.VERSION and bfly.version().startswith("{}.{}.".format(*stated))


def test_type_numbers_are_the_headers():
    header = (Path(__file__).parents[2] / "dialect/bfly/Engine/CAPI.h").read_text()
    names = ["F64", "F32", "BF16", "F16", "C64", "C128", "I64", "I32", "I16", "I8", "U8", "I1"]
    for number, name in enumerate(names):
        assert f"BFLY_{name} = {number}" in header
    assert len(_arrays.TYPE_NAMES) == len(names)
    assert ctypes.sizeof(ctypes.c_int32) == 4 and _arrays.ITEM_SIZES[_arrays.BF16] == 2


def test_the_quick_way_is_the_same(norm, monkeypatch):
    """Arrays of NumPy that fit are called without another look; what does not fit goes the way of all arrays."""
    layer = bfly.compile(WITH_PARAMETERS)
    both = bfly.compile(TWO_RESULTS)
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((2, 8), (3, 8), 3))
    weights = {"layer.weight": w, "layer.bias": b}
    tokens = rng.standard_normal((2, 4, 8)).astype(np.float32)
    frozen = tokens.copy()
    frozen.flags.writeable = False

    def results():
        out = np.full((2, 3), np.nan, np.float32)
        pair = [np.full((2, 8), np.nan, np.float32), np.full((2, 4, 8), np.nan, np.float32)]
        assert layer(x, parameters=weights, out=out) is out
        assert both(tokens, out=pair) is pair
        first, second = both(frozen)
        return [
            layer(x, parameters=weights),
            out,
            first,
            second,
            *pair,
            *(norm(np.resize(tokens, (n, 4, 8))) for n in (1, 3)),
        ]

    quick = [layer._fast_calls.run((x,), weights, None, None), *both._fast_calls.run((tokens,), None, None, None)]
    assert all(array.ctypes.data % 64 == 0 for array in quick)
    all_quick = results()
    for kernel in (layer, both, norm):
        monkeypatch.setattr(kernel, "_fast_calls", type("None", (), {"run": lambda *arguments: None})())
    for array, other in zip(all_quick, results()):
        assert type(array) is np.ndarray and array.dtype == other.dtype
        np.testing.assert_array_equal(array, other)
    np.testing.assert_array_equal(quick[0], layer(x, parameters=weights))


@pytest.mark.parametrize(
    "make",
    [
        lambda x: x[:, ::2],
        lambda x: np.asfortranarray(x),
        lambda x: x.astype(">f4"),
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape),
        lambda x: x[:0],
        lambda x: x.astype(np.float64),
        lambda x: x[0],
        lambda x: np.ma.masked_array(x),
        lambda x: x.tolist(),
    ],
)
def test_the_quick_way_leaves_the_rest(norm, make):
    array = make(np.ones((2, 4, 8), np.float32))
    assert norm._fast_calls.run((array,), None, None, None) is None
    assert norm._fast_calls.run((), None, None, None) is None
    assert norm._fast_calls.run((np.ones((2, 4, 8), np.float32),), {"w": 1}, None, None) is None
