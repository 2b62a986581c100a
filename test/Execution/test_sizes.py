# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Sizes that only a call knows: results that are larger or smaller than inputs, several dynamic sizes, and calls whose
sizes do not fit. Results are compared with NumPy's, and so are their shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from programs import compile, on_every_plan, on_gpu, run, tensor, windows_text

import bfly

X = tensor(None, 4, 2, of="f32")


def sequences(rng, batch, n=4, d=2):
    return rng.standard_normal((batch, n, d)).astype(np.float32)


@on_every_plan
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_concatenation_is_as_large_as_its_parts(plan, batch, rng):
    kernel = compile(
        f"""func.func @cat(%x: {X}, %y: {X}) -> {X} {{
  %c = tensor.concat dim(0) %x, %y, %x : ({X}, {X}, {X}) -> {X}
  return %c : {X}
}}""",
        plan=plan,
    )
    x, y = sequences(rng, batch), sequences(rng, 2)
    np.testing.assert_array_equal(run(kernel, x, y), np.concatenate([x, y, x]))


@on_every_plan
def test_windows_become_sequences_and_back(plan, rng):
    kernel = compile(windows_text(), plan=plan)
    x = sequences(rng, 3, 8, 4)
    centred = x - x.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    windows, back = run(kernel, x)
    np.testing.assert_allclose(windows, normed.reshape(6, 4, 4), rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(back, normed, rtol=1e-5, atol=1e-5)


@on_every_plan
def test_a_slice_of_the_batch(plan, rng):
    kernel = compile(
        f"""func.func @tail(%x: {X}) -> {X} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : {X}
  %m = arith.subi %n, %c1 : index
  %y = tensor.extract_slice %x[1, 0, 0] [%m, 4, 2] [1, 1, 1] : {X} to {X}
  return %y : {X}
}}""",
        plan=plan,
    )
    x = sequences(rng, 5)
    np.testing.assert_array_equal(run(kernel, x), x[1:])
    assert run(kernel, x[:1]).shape == (0, 4, 2)
    with pytest.raises(bfly.BflyError, match="'tensor.extract_slice' at .*:6:8 needs a size of 0 to be at most -1"):
        kernel(x[:0])


@on_every_plan
def test_several_dynamic_sizes(plan, rng):
    kernel = compile(
        """func.func @outer(%x: tensor<?x?xf32>, %y: tensor<?xf32>) -> (tensor<?xf32>, tensor<?x?xf32>) {
  %flat = tensor.collapse_shape %x [[0, 1]] : tensor<?x?xf32> into tensor<?xf32>
  %c0 = arith.constant 0 : index
  %m = tensor.dim %y, %c0 : tensor<?xf32>
  %n = tensor.dim %flat, %c0 : tensor<?xf32>
  %empty = tensor.empty(%n, %m) : tensor<?x?xf32>
  %z = linalg.generic {
    indexing_maps = [affine_map<(i, j) -> (i)>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i, j)>],
    iterator_types = ["parallel", "parallel"]
  } ins(%flat, %y : tensor<?xf32>, tensor<?xf32>) outs(%empty : tensor<?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %p = arith.mulf %a, %b : f32
    linalg.yield %p : f32
  } -> tensor<?x?xf32>
  return %flat, %z : tensor<?xf32>, tensor<?x?xf32>
}""",
        plan=plan,
    )
    x, y = rng.standard_normal((3, 4)).astype(np.float32), rng.standard_normal(5).astype(np.float32)
    flat, product = run(kernel, x, y)
    np.testing.assert_array_equal(flat, x.reshape(-1))
    np.testing.assert_array_equal(product, np.outer(x, y).astype(np.float32))


@on_every_plan
@pytest.mark.parametrize("fuse", [True, False])
def test_two_layers_with_batches_of_their_own(plan, fuse, rng):
    kernel = compile(
        f"""func.func @two(%x: {X}, %y: {X}) -> ({X}, {X}) {{
  %a = bfly.layer_norm %x epsilon(1.0) : {X}
  %b = bfly.layer_norm %y epsilon(1.0) : {X}
  return %b, %a : {X}, {X}
}}""",
        plan=plan,
        fuse=fuse,
    )
    b, a = run(kernel, sequences(rng, 2), sequences(rng, 7))
    assert a.shape == (2, 4, 2) and b.shape == (7, 4, 2)


@on_every_plan
def test_a_parameter_of_another_batch_is_refused(plan, rng):
    p = tensor(None, 2, of="f32")
    kernel = compile(
        f"""func.func @gain(%x: {X}, %g: {p}) -> {X} {{
  %y = bfly.spectral_filter %x params(%g[batch, channel] : {p}) : {X} -> {X} {{
  ^bb0(%bin: complex<f32>, %k: index, %gc: f32):
    %zero = arith.constant 0.0 : f32
    %c = complex.create %gc, %zero : complex<f32>
    %a = complex.mul %bin, %c : complex<f32>
    bfly.yield %a : complex<f32>
  }}
  return %y : {X}
}}""",
        plan=plan,
    )
    x, g = sequences(rng, 3), rng.standard_normal((3, 2)).astype(np.float32)
    np.testing.assert_allclose(run(kernel, x, g), x * g[:, None], rtol=1e-5, atol=1e-5)
    with pytest.raises(bfly.BflyError, match="input 1 has batch 2, but input 0 has batch 3"):
        kernel(x, g[:2])


def test_what_the_inputs_do_not_determine_is_refused():
    with pytest.raises(
        bfly.BflyError, match=r":2:8: error: 'tensor.reshape' op has a size or an offset that does not follow"
    ):
        bfly.compile("""func.func @f(%x: tensor<4xf32>, %n: tensor<1xi64>) -> tensor<?xf32> {
  %y = tensor.reshape %x(%n) : (tensor<4xf32>, tensor<1xi64>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}""")


def test_a_place_out_of_data_is_blamed_on_the_slice():
    with pytest.raises(bfly.BflyError, match=r":6:8: error: 'tensor.extract_slice' op has a size or an offset that"):
        bfly.compile("""func.func @f(%x: tensor<8xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %v = tensor.extract %x[%c0] : tensor<8xf32>
  %i = arith.fptosi %v : f32 to i64
  %j = arith.index_cast %i : i64 to index
  %y = tensor.extract_slice %x[%j] [4] [1] : tensor<8xf32> to tensor<4xf32>
  return %y : tensor<4xf32>
}""")


def test_a_relayout_of_a_dynamic_size_is_refused():
    with pytest.raises(bfly.BflyError, match=r":2:8: error: 'linalg.pack' op is supported with static sizes alone"):
        bfly.compile("""func.func @f(%x: tensor<?x4xf32>, %e: tensor<?x4x2xf32>) -> tensor<?x4x2xf32> {
  %y = linalg.pack %x inner_dims_pos = [0] inner_tiles = [2] into %e : tensor<?x4xf32> -> tensor<?x4x2xf32>
  return %y : tensor<?x4x2xf32>
}""")


@pytest.mark.parametrize("constant", ["dense<[2, 6]> : tensor<2xindex>", "dense<[2, 6]> : tensor<2xi64>"])
def test_a_reshape_to_a_constant_shape(constant, rng):
    shape = constant.split(" : ")[1]
    kernel = bfly.compile(f"""func.func @f(%x: tensor<?x4xf32>) -> tensor<?x6xf32> {{
  %s = arith.constant {constant}
  %y = tensor.reshape %x(%s) : (tensor<?x4xf32>, {shape}) -> tensor<?x6xf32>
  return %y : tensor<?x6xf32>
}}""")
    x = rng.standard_normal((3, 4)).astype(np.float32)
    np.testing.assert_array_equal(kernel(x), x.reshape(2, 6))
    with pytest.raises(bfly.BflyError, match="'tensor.reshape' at .*needs a size of 16 to be 12"):
        kernel(rng.standard_normal((4, 4)).astype(np.float32))


@pytest.mark.parametrize("first", ["(i, j)", "(j, i)"])
def test_indexing_maps_in_a_text_change_nothing(first, rng):
    """linalg keeps the maps of its named operations in an attribute, which it prints and believes."""
    maps = f"[affine_map<(i, j) -> {first}>, affine_map<(i, j) -> (j)>, affine_map<(i, j) -> (i)>]"
    kernel = bfly.compile(f"""func.func @f(%w: tensor<4x4xf32>, %x: tensor<4xf32>) -> tensor<4xf32> {{
  %zero = arith.constant dense<0.0> : tensor<4xf32>
  %y = linalg.matvec {{linalg.memoized_indexing_maps = {maps}}}
      ins(%w, %x : tensor<4x4xf32>, tensor<4xf32>) outs(%zero : tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}}""")
    w, x = rng.standard_normal((4, 4)).astype(np.float32), rng.standard_normal(4).astype(np.float32)
    np.testing.assert_allclose(kernel(w, x), w @ x, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(bfly.compile(kernel.ir("mixer"))(w, x), kernel(w, x))


@on_every_plan
def test_one_dimension_becomes_several_dynamic_ones(plan, rng):
    kernel = compile(
        """func.func @turn(%x: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?x?xf32>
  %d = tensor.dim %x, %c1 : tensor<?x?xf32>
  %flat = tensor.collapse_shape %x [[0, 1]] : tensor<?x?xf32> into tensor<?xf32>
  %y = tensor.expand_shape %flat [[0, 1]] output_shape [%d, %n] : tensor<?xf32> into tensor<?x?xf32>
  return %y : tensor<?x?xf32>
}""",
        plan=plan,
    )
    for shape in ((3, 5), (1, 4), (0, 2)):
        x = rng.standard_normal(shape).astype(np.float32)
        np.testing.assert_array_equal(run(kernel, x), x.reshape(shape[::-1]))


@on_every_plan
def test_a_reshape_of_a_slice_to_several_dynamic_sizes(plan, rng):
    """With gaps between its rows, and sizes that are computed."""
    wide, tall = tensor(None, 6, of="f32"), tensor(None, None, None, of="f32")
    kernel = compile(
        f"""func.func @f(%x: {wide}, %m: tensor<?xf32>) -> ({tall}, {tall}) {{
  %c0 = arith.constant 0 : index
  %c4 = arith.constant 4 : index
  %n = tensor.dim %x, %c0 : {wide}
  %a = tensor.dim %m, %c0 : tensor<?xf32>
  %b = arith.divui %c4, %a : index
  %v = tensor.extract_slice %x[0, 1] [%n, 4] [1, 1] : {wide} to tensor<?x4xf32>
  %w = tensor.cast %v : tensor<?x4xf32> to tensor<?x?xf32>
  %y = tensor.expand_shape %w [[0], [1, 2]] output_shape [%n, %a, %b] : tensor<?x?xf32> into {tall}
  %s = tensor.from_elements %a, %n, %b : tensor<3xindex>
  %z = tensor.reshape %w(%s) : (tensor<?x?xf32>, tensor<3xindex>) -> {tall}
  return %y, %z : {tall}, {tall}
}}""",
        plan=plan,
    )
    for n, a in ((3, 2), (2, 1), (1, 4), (0, 2)):
        x = rng.standard_normal((n, 6)).astype(np.float32)
        y, z = run(kernel, x, np.zeros(a, np.float32))
        np.testing.assert_array_equal(y, x[:, 1:5].reshape(n, a, 4 // a))
        np.testing.assert_array_equal(z, x[:, 1:5].reshape(a, n, 4 // a))
    with pytest.raises(bfly.BflyError, match="'tensor.expand_shape' at .* needs a size of 4 to be 3"):
        kernel(np.zeros((2, 6), np.float32), np.zeros(3, np.float32))


@on_every_plan
def test_an_empty_dimension_beside_a_dynamic_one(plan):
    kernel = compile(
        """func.func @f(%x: tensor<?xf32>) -> tensor<?x0xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?xf32>
  %y = tensor.expand_shape %x [[0, 1]] output_shape [%n, 0] : tensor<?xf32> into tensor<?x0xf32>
  return %y : tensor<?x0xf32>
}""",
        plan=plan,
    )
    assert run(kernel, np.zeros(0, np.float32)).shape == (0, 0)


@on_every_plan
def test_a_temporary_of_more_bytes_than_64_bits_count(plan):
    """An empty array may have a dimension of any size."""
    kernel = compile(
        """func.func @f(%x: tensor<?x0xf32>) -> tensor<f32> {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  %zero = arith.constant dense<0.0> : tensor<f32>
  %n = tensor.dim %x, %c0 : tensor<?x0xf32>
  %s = tensor.splat %one[%n] : tensor<?x64x1024xf32>
  %sum = linalg.reduce ins(%s : tensor<?x64x1024xf32>) outs(%zero : tensor<f32>) dimensions = [0, 1, 2] (%a: f32, %b: f32) {
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  }
  return %sum : tensor<f32>
}""",
        plan=plan,
    )
    assert run(kernel, np.zeros((2, 0), np.float32)) == 2 * 64 * 1024
    for size in (2**46, 2**46 + 1):
        with pytest.raises(
            bfly.BflyError, match="'tensor.splat' at .*:6:8 needs a size of more than 63 bits to be at most"
        ):
            kernel(np.zeros((size, 0), np.float32))


@on_every_plan
def test_sizes_in_every_block_of_a_function(plan, rng):
    if on_gpu():
        pytest.skip("the sum of all elements is host code's")
    kernel = compile(
        """func.func @f(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<f32> {
  %zero = arith.constant dense<0.0> : tensor<f32>
  cf.br ^bb1
^bb1:
  %z = arith.addf %x, %y : tensor<?xf32>
  %sum = linalg.reduce ins(%z : tensor<?xf32>) outs(%zero : tensor<f32>) dimensions = [0] (%a: f32, %b: f32) {
    %c = arith.addf %a, %b : f32
    linalg.yield %c : f32
  }
  return %sum : tensor<f32>
}""",
        plan=plan,
    )
    x, y = np.arange(3, dtype=np.float32), np.ones(3, np.float32)
    assert run(kernel, x, y) == 6
    with pytest.raises(bfly.BflyError, match="'arith.addf' at .*:5:8 needs them equal"):
        kernel(x, y[:2])


@on_every_plan
def test_a_text_at_affine_level_keeps_its_sizes(plan, rng):
    text = f"""func.func @cat(%x: {X}, %y: {X}) -> {X} {{
  %z = arith.addf %x, %y : {X}
  %c = tensor.concat dim(0) %z, %z : ({X}, {X}) -> {X}
  return %c : {X}
}}"""
    kernel = bfly.compile(bfly.compile(text).ir("affine"))
    x, y = sequences(rng, 3), sequences(rng, 3)
    np.testing.assert_array_equal(run(kernel, x, y), np.concatenate([x + y, x + y]))
    with pytest.raises(bfly.BflyError, match="input 1 has batch 2, but input 0 has batch 3"):
        kernel(x, y[:2])


def test_a_buffer_of_unknown_size_is_refused():
    with pytest.raises(bfly.BflyError, match="result 0 has a dynamic size, but no attribute 'bfly.sizes' says what"):
        bfly.compile("""func.func @f(%x: memref<?xf32>, %y: memref<?xf32> {bufferize.result}) {
  memref.copy %x, %y : memref<?xf32> to memref<?xf32>
  return
}""")


@st.composite
def shape_programs(draw):
    """A chain of operations that change a batch, as (lines of IR, the name of the last value, NumPy's function)."""
    lines, steps, value = [], [], "%x"
    for index in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["concat", "drop", "split", "double", "norm"]))
        new = f"%v{index}"
        lines.append(f"%d{index} = tensor.dim {value}, %c0 : {X}")
        if kind == "concat":
            lines.append(f"{new} = tensor.concat dim(0) {value}, %x : ({X}, {X}) -> {X}")
            steps.append((kind, lambda v, x: np.concatenate([v, x])))
        elif kind == "drop":
            lines.append(f"%m{index} = arith.subi %d{index}, %c1 : index")
            lines.append(f"{new} = tensor.extract_slice {value}[1, 0, 0] [%m{index}, 4, 2] [1, 1, 1] : {X} to {X}")
            steps.append((kind, lambda v, x: v[1:]))
        elif kind == "split":
            lines.append(f"%h{index} = arith.divui %d{index}, %c2 : index")
            lines.append(f"{new} = tensor.extract_slice {value}[0, 0, 0] [%h{index}, 4, 2] [2, 1, 1] : {X} to {X}")
            steps.append((kind, lambda v, x: v[: len(v) // 2 * 2 : 2]))
        elif kind == "double":
            lines.append(f"{new} = arith.addf {value}, {value} : {X}")
            steps.append((kind, lambda v, x: v + v))
        else:
            lines.append(f"%n{index} = bfly.mean {value} : {X} -> tensor<?x2xf32>")
            lines.append(f"%e{index} = tensor.empty(%d{index}) : {X}")
            lines.append(f"""{new} = linalg.generic {{
      indexing_maps = [affine_map<(b, n, c) -> (b, c)>, affine_map<(b, n, c) -> (b, n, c)>],
      iterator_types = ["parallel", "parallel", "parallel"]
    }} ins(%n{index} : tensor<?x2xf32>) outs(%e{index} : {X}) {{
    ^bb0(%a: f32, %o: f32):
      linalg.yield %a : f32
    }} -> {X}""")
            steps.append((kind, lambda v, x: np.broadcast_to(v.mean(1, keepdims=True), v.shape)))
        value = new
    return lines, value, steps


@pytest.mark.parametrize("plan", ["cpu", "sm_90a"])
@settings(max_examples=12)
@given(program=shape_programs(), batches=st.lists(st.integers(0, 5), min_size=2, max_size=2))
def test_random_chains_of_shapes(plan, program, batches):
    lines, value, steps = program
    body = "\n  ".join(lines)
    kernel = compile(
        f"""func.func @chain(%x: {X}) -> {X} {{
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  {body}
  return {value} : {X}
}}""",
        plan=plan,
    )
    for batch in batches:
        x = np.arange(batch * 8, dtype=np.float32).reshape(batch, 4, 2)
        expected, fits = x, True
        for kind, step in steps:
            fits = fits and (kind != "drop" or len(expected) > 0)
            expected = step(expected, x)
        if fits:
            np.testing.assert_allclose(run(kernel, x), expected, rtol=1e-6)
        else:
            with pytest.raises(bfly.BflyError, match="at most"):
                kernel(x)


STATIC_RESULTS = {
    "a cast": (
        """func.func @f(%x: tensor<?xf32>) -> tensor<8xf32> {
  %c = tensor.cast %x : tensor<?xf32> to tensor<8xf32>
  %r = arith.addf %c, %c : tensor<8xf32>
  return %r : tensor<8xf32>
}""",
        [(8,)],
        [(2,)],
        "'tensor.cast' at .* needs a size of 8 to be 2",
    ),
    "a sum": (
        """func.func @f(%x: tensor<?x8x4xf32>, %y: tensor<?x8x4xf32>) -> tensor<4xf32> {
  %s = arith.addf %x, %y : tensor<?x8x4xf32>
  %m = bfly.mean %s : tensor<?x8x4xf32> -> tensor<?x4xf32>
  %z = arith.constant dense<0.0> : tensor<4xf32>
  %r = linalg.reduce ins(%m : tensor<?x4xf32>) outs(%z : tensor<4xf32>) dimensions = [0] (%a: f32, %b: f32) {
    %q = arith.addf %a, %b : f32
    linalg.yield %q : f32
  }
  return %r : tensor<4xf32>
}""",
        [(4, 8, 4), (4, 8, 4)],
        [(4, 8, 4), (1, 8, 4)],
        "input 1 has batch 1, but input 0 has batch 4",
    ),
    "a concatenation": (
        """func.func @f(%x: tensor<?x3xf32>, %y: tensor<?x3xf32>) -> tensor<6x3xf32> {
  %c = tensor.concat dim(0) %x, %y : (tensor<?x3xf32>, tensor<?x3xf32>) -> tensor<6x3xf32>
  return %c : tensor<6x3xf32>
}""",
        [(2, 3), (4, 3)],
        [(2, 3), (2, 3)],
        "'tensor.concat' at ",
    ),
}


@on_every_plan
@pytest.mark.parametrize("name", STATIC_RESULTS)
def test_sizes_are_checked_where_no_result_has_one(name, plan, rng):
    text, good, bad, message = STATIC_RESULTS[name]
    kernel = compile(text, plan=plan)
    assert np.isfinite(run(kernel, *(rng.standard_normal(shape, np.float32) for shape in good))).all()
    with pytest.raises(bfly.BflyError, match=message):
        kernel(*(rng.standard_normal(shape, np.float32) for shape in bad))


@on_every_plan
def test_what_a_source_says_of_sizes_is_inferred_anew(plan):
    kernel = compile(
        """func.func @f(%x: tensor<?xf32>) -> (tensor<?xf32> {bfly.sizes = affine_map<()[s0] -> (1)>}) {
  %y = arith.addf %x, %x : tensor<?xf32>
  return %y : tensor<?xf32>
}""",
        plan=plan,
    )
    assert kernel(np.ones(1000, np.float32)).shape == (1000,)
