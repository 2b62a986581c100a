# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""What a module may hold that nobody vouches for: each class that is refused, each that runs, and indices out of bounds."""

import numpy as np
import pytest

import bfly


def program(body, before="", arguments="%x: tensor<8xf32>"):
    """A function of one result, tensor<1xf32>, which `body` leaves in %r as f32."""
    return f"""{before}
func.func @f({arguments}) -> tensor<1xf32> {{
  %c0 = arith.constant 0 : index
  %one = arith.constant 1.0 : f32
  {body}
  %y = tensor.from_elements %r : tensor<1xf32>
  return %y : tensor<1xf32>
}}
"""


RETURN_ONE = "%r = arith.constant 1.0 : f32"
POINTER = "%c = llvm.mlir.constant(64 : i64) : i64\n%p = llvm.inttoptr %c : i64 to !llvm.ptr\n"
ALLOC = "%m = memref.alloc() : memref<8xf32>\n"
LOAD = "\n%r = memref.load %m[%c0] : memref<8xf32>"

REFUSED = {
    "global": (
        program(
            "%p = llvm.mlir.addressof @system : !llvm.ptr\n%r = llvm.call %p(%p) : !llvm.ptr, (!llvm.ptr) -> f32",
            "llvm.mlir.global external @system() : i8",
        ),
        "foreign symbol 'system'",
    ),
    "weak global": (
        program(
            "%p = llvm.mlir.addressof @s : !llvm.ptr\n%r = llvm.load %p : !llvm.ptr -> f32",
            "llvm.mlir.global weak @s(1.0 : f32) : f32",
        ),
        "'llvm.mlir.global'",
    ),
    "declaration": (
        program("%r = func.call @getenv() : () -> f32", "func.func private @getenv() -> f32"),
        "foreign symbol 'getenv'",
    ),
    "llvm function": (
        program(
            "%r = llvm.call @g() : () -> f32",
            "llvm.func @g() -> f32 { %0 = llvm.mlir.constant(1.0 : f32) : f32\n llvm.return %0 : f32 }",
        ),
        "'llvm.func'",
    ),
    "inttoptr": (program(POINTER + "%r = llvm.load %p : !llvm.ptr -> f32"), "'llvm.mlir.constant'|'llvm.inttoptr'"),
    "alloca": (
        program(
            "%n = arith.constant 1 : i64\n%p = llvm.alloca %n x f32 : (i64) -> !llvm.ptr\n%r = llvm.load %p : !llvm.ptr -> f32"
        ),
        "'llvm.alloca'",
    ),
    "assembly": (program('%r = llvm.inline_asm "nop", "=x" : () -> f32'), "'llvm.inline_asm'"),
    "module assembly": (
        'module attributes {llvm.module_asm = ["nop"]} {' + program(RETURN_ONE) + "}",
        "the attribute 'llvm.module_asm'",
    ),
    "intrinsic": (program('%r = llvm.call_intrinsic "llvm.sqrt.f32"(%one) : (f32) -> f32'), "'llvm.call_intrinsic'"),
    "LLVM's arithmetic": (program("%r = llvm.fadd %one, %one : f32"), "'llvm.fadd'"),
    "data layout": (
        "module attributes {dlti.dl_spec = #dlti.dl_spec<index = 32 : i64>} {" + program(RETURN_ONE) + "}",
        "the attribute 'dlti.dl_spec'",
    ),
    "linkage": (
        program(RETURN_ONE).replace(
            "-> tensor<1xf32> {", "-> tensor<1xf32> attributes {llvm.linkage = #llvm.linkage<weak>} {"
        ),
        "the attribute 'llvm.linkage'",
    ),
    "passthrough": (
        program(RETURN_ONE).replace(
            "-> tensor<1xf32> {", '-> tensor<1xf32> attributes {passthrough = [["target-cpu", "x"]]} {'
        ),
        "the attribute 'passthrough'",
    ),
    "argument": (
        program(RETURN_ONE).replace("%x: tensor<8xf32>", "%x: tensor<8xf32> {llvm.noalias}"),
        "the attribute 'llvm.noalias'",
    ),
    "result": (
        program(RETURN_ONE).replace("-> tensor<1xf32> {", "-> (tensor<1xf32> {llvm.signext}) {"),
        "the attribute 'llvm.signext'",
    ),
    "poison": (program("%i = ub.poison : index\n%r = tensor.extract %x[%i] : tensor<8xf32>"), "'ub.poison'"),
    "omp": (program("omp.barrier\n" + RETURN_ONE), "'omp.barrier'"),
    "gpu": (program("gpu.barrier\n" + RETURN_ONE), "'gpu.barrier'"),
    "nvvm": (program("nvvm.barrier0\n" + RETURN_ONE), "'nvvm.barrier"),
    "gpu module": (
        "module attributes {gpu.container_module} {"
        + program(RETURN_ONE, "gpu.module @k { gpu.func @g() kernel { gpu.return } }").replace(
            "%one = ", "gpu.launch_func @k::@g blocks in (%c0, %c0, %c0) threads in (%c0, %c0, %c0)\n%one = "
        )
        + "}",
        "the attribute 'gpu.container_module'",
    ),
    "cast": (
        program(
            "%i = builtin.unrealized_conversion_cast %one : f32 to i32\n%j = builtin.unrealized_conversion_cast %i : i32 to f32\n%r = arith.addf %j, %one : f32"
        ),
        "'builtin.unrealized_conversion_cast'",
    ),
    "function values": (
        program(
            "%g = func.constant @g : () -> f32\n%r = func.call_indirect %g() : () -> f32",
            "func.func private @g() -> f32 { %0 = arith.constant 1.0 : f32\n return %0 : f32 }",
        ),
        "'func.constant'",
    ),
    "address": (
        program(
            ALLOC
            + "%i = memref.extract_aligned_pointer_as_index %m : memref<8xf32> -> index\n%j = arith.index_cast %i : index to i32\n%r = arith.sitofp %j : i32 to f32"
        ),
        "'memref.extract_aligned_pointer_as_index'",
    ),
    "reinterpret": (
        program(
            ALLOC
            + "%n = memref.reinterpret_cast %m to offset: [0], sizes: [800], strides: [1] : memref<8xf32> to memref<800xf32>\n%r = memref.load %n[%c0] : memref<800xf32>"
        ),
        "'memref.reinterpret_cast'",
    ),
    "view": (
        program(
            "%b = memref.alloc() : memref<8xi8>\n%n = memref.view %b[%c0][] : memref<8xi8> to memref<800xf32>\n%r = memref.load %n[%c0] : memref<800xf32>"
        ),
        "'memref.view'",
    ),
    "unranked": (
        program(
            ALLOC
            + "%u = memref.cast %m : memref<8xf32> to memref<*xf32>\n%n = memref.cast %u : memref<*xf32> to memref<800xf32>\n%r = memref.load %n[%c0] : memref<800xf32>"
        ),
        r"memref<\*xf32>",
    ),
    "segment": (
        program("%m = memref.alloc() : memref<8xf32, 257>\n%r = memref.load %m[%c0] : memref<8xf32, 257>"),
        "memref<8xf32, 257",
    ),
    "buffer of buffers": (
        program("%m = memref.alloc() : memref<8xmemref<8xf32>>\n" + RETURN_ONE),
        "memref<8xmemref<8xf32>>",
    ),
    "atomic": (
        program(ALLOC + "%r = memref.atomic_rmw addf %one, %m[%c0] : (f32, memref<8xf32>) -> f32"),
        "'memref.atomic_rmw'",
    ),
    "foreign buffer": (
        program("%m = memref.get_global @g : memref<8xf32>" + LOAD, "memref.global @g : memref<8xf32>"),
        "foreign symbol 'g'",
    ),
    "empty buffer": (
        program("%m = memref.get_global @g : memref<8xf32>" + LOAD, "memref.global @g : memref<8xf32> = uninitialized"),
        "'memref.global' without a value",
    ),
    "stack": (
        program(
            "%n = tensor.dim %x, %c0 : tensor<8xf32>\n%m = memref.alloca(%n) : memref<?xf32>\n%r = memref.load %m[%c0] : memref<?xf32>"
        ),
        "'memref.alloca' of a dynamic size",
    ),
    "layout that is no strides": (
        program(
            "%m = memref.alloc() : memref<8xf32, affine_map<(i) -> (i floordiv 2, i mod 3)>>\n%r = affine.load %m[7] : memref<8xf32, affine_map<(i) -> (i floordiv 2, i mod 3)>>"
        ),
        "a value of type memref<8xf32, affine_map",
    ),
    "tensor's buffer": (
        program("%m = bufferization.to_buffer %x : tensor<8xf32> to memref<8xf32>" + LOAD),
        "'bufferization.to_buffer'",
    ),
    "promised alignment": (
        program(ALLOC + "%a = memref.assume_alignment %m, 4096 : memref<8xf32>" + LOAD),
        "'memref.assume_alignment'",
    ),
    "aligned access": (
        program(ALLOC + "%r = memref.load %m[%c0] {alignment = 4096 : i64} : memref<8xf32>"),
        "'memref.load' with this alignment",
    ),
    "bits": (
        program(
            "%m = memref.alloc() : memref<8xi1>\n%v = vector.load %m[%c0] : memref<8xi1>, vector<8xi1>\n" + RETURN_ONE
        ),
        "'vector.load' of elements that a vector holds packed",
    ),
    "packed elements": (
        program(
            "%m = memref.alloc() : memref<8xi24>\n%v = vector.load %m[%c0] : memref<8xi24>, vector<8xi24>\n"
            + RETURN_ONE
        ),
        "'vector.load' of elements that a vector holds packed",
    ),
    "affine loop that goes nowhere": (
        program(ALLOC + "affine.for %i = 0 to 8 step 0 {\nmemref.store %one, %m[%i] : memref<8xf32>\n}" + LOAD),
        "'affine.for' with a step that is not positive",
    ),
    "loop that goes nowhere": (
        program(
            "%c8 = arith.constant 8 : index\n%r = scf.for %i = %c0 to %c8 step %c0 iter_args(%a = %one) -> f32 {\nscf.yield %a : f32\n}"
        ),
        "'scf.for' with a step that is not positive",
    ),
    "wide integers": (
        program("%w = arith.constant 3 : i2048\n" + RETURN_ONE),
        "a value of type i2048",
    ),
    "buffer of one dimension as one of several": (
        program(
            "%c1 = arith.constant 1 : index\n%m = memref.alloc(%n) : memref<?xf32>\n%e = memref.expand_shape %m [[0, 1]] output_shape [%n, %c1] : memref<?xf32> into memref<?x?xf32>\n"
            + RETURN_ONE,
            arguments="%x: tensor<8xf32>, %n: index",
        ),
        "'memref.expand_shape' of one dimension to several dynamic ones",
    ),
    "gather": (
        program(
            "%i = arith.constant dense<[[900]]> : tensor<1x1xindex>\n%g = tensor.gather %x[%i] gather_dims([0]) : (tensor<8xf32>, tensor<1x1xindex>) -> tensor<1xf32>\n%r = tensor.extract %g[%c0] : tensor<1xf32>"
        ),
        "'tensor.gather'",
    ),
    "reduction": (
        program(
            "%c1 = arith.constant 1 : index\n%r = scf.parallel (%i) = (%c0) to (%c1) step (%c1) init (%one) -> f32 {\n scf.reduce(%one : f32) {\n ^bb0(%a: f32, %b: f32):\n %s = arith.addf %a, %b : f32\n scf.reduce.return %s : f32\n }\n }"
        ),
        "'scf.parallel' with a reduction|'scf.reduce.return'",
    ),
    "freed twice": (
        program(
            ALLOC
            + "memref.store %one, %m[%c0] : memref<8xf32>\nmemref.dealloc %m : memref<8xf32>\nmemref.dealloc %m : memref<8xf32>\n"
            + RETURN_ONE
        ),
        "uses memory that was freed",
    ),
    "used after its end": (
        program(ALLOC + "memref.dealloc %m : memref<8xf32>" + LOAD),
        "'memref.load' uses memory that was freed",
    ),
    "freed through a view": (
        program(
            ALLOC
            + "%v = memref.subview %m[4] [4] [1] : memref<8xf32> to memref<4xf32, strided<[1], offset: 4>>\nmemref.dealloc %v : memref<4xf32, strided<[1], offset: 4>>\n"
            + RETURN_ONE
        ),
        "'memref.dealloc' frees what this block has not allocated",
    ),
    "constant": (
        program(
            "%m = memref.get_global @g : memref<8xf32>\nmemref.store %one, %m[%c0] : memref<8xf32>\n" + RETURN_ONE,
            'memref.global "private" constant @g : memref<8xf32> = dense<1.0>',
        ),
        "'memref.store' writes to a constant",
    ),
    "promised layout": (
        program(
            ALLOC
            + "%v = memref.cast %m : memref<8xf32> to memref<8xf32, strided<[?], offset: ?>>\n%w = memref.cast %v : memref<8xf32, strided<[?], offset: ?>> to memref<8xf32, strided<[100], offset: ?>>\n%r = memref.load %w[%c0] : memref<8xf32, strided<[100], offset: ?>>"
        ),
        "promises a layout",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    text, message = REFUSED[name]
    with pytest.raises(bfly.BflyError, match=message) as raised:
        bfly.compile(text)
    assert "<text>:" in str(raised.value) or "foreign" in str(raised.value)
    assert len(str(raised.value).splitlines()) == 1


def test_an_input_is_not_written():
    text = """func.func @f(%x: memref<8xf32>, %y: memref<8xf32> {bufferize.result}) {
      %0 = affine.load %x[0] : memref<8xf32>
      affine.store %0, %x[1] : memref<8xf32>
      affine.store %0, %y[0] : memref<8xf32>
      return
    }"""
    with pytest.raises(bfly.BflyError, match="'affine.store' writes to an input"):
        bfly.compile(text)


ALLOWED = {
    "arith, math, complex": "%a = math.exp %one : f32\n%z = complex.create %a, %one : complex<f32>\n%r = complex.abs %z : complex<f32>",
    "tensor": "%r = tensor.extract %x[%c0] : tensor<8xf32>",
    "scf": "%c8 = arith.constant 8 : index\n%c1 = arith.constant 1 : index\n%r = scf.for %i = %c0 to %c8 step %c1 iter_args(%s = %one) -> f32 {\n%v = tensor.extract %x[%i] : tensor<8xf32>\n%t = arith.addf %s, %v : f32\nscf.yield %t : f32\n}",
    "memory": ALLOC + "memref.store %one, %m[%c0] : memref<8xf32>" + LOAD + "\nmemref.dealloc %m : memref<8xf32>",
    "affine": ALLOC + "affine.for %i = 0 to 8 { affine.store %one, %m[7 - %i] : memref<8xf32> }" + LOAD,
    "assertion": '%ok = arith.constant true\ncf.assert %ok, "fine"\n' + RETURN_ONE,
    "vector": "%v = vector.broadcast %one : f32 to vector<4xf32>\n%r = vector.reduction <add>, %v : vector<4xf32> into f32",
}


@pytest.mark.parametrize("name", ALLOWED)
def test_allowed(name):
    kernel = bfly.compile(program(ALLOWED[name]))
    assert np.isfinite(kernel(np.ones(8, np.float32))).all()


def test_a_constant_buffer_is_read():
    text = program(
        "%m = memref.get_global @g : memref<8xf32>" + LOAD,
        'memref.global "private" constant @g : memref<8xf32> = dense<3.0>',
    )
    assert bfly.compile(text)(np.ones(8, np.float32))[0] == 3


# Indices that only data knows ---------------------------------------------------------------------------------------

BY_INDEX = {
    "tensor.extract": "%r = tensor.extract %x[%i] : tensor<8xf32>",
    "tensor.insert": "%t = tensor.insert %one into %x[%i] : tensor<8xf32>\n%r = tensor.extract %t[%i] : tensor<8xf32>",
    "memref.load": ALLOC + "%r = memref.load %m[%i] : memref<8xf32>",
    "memref.store": ALLOC + "memref.store %one, %m[%i] : memref<8xf32>\n" + RETURN_ONE,
    "affine.load": ALLOC + "%r = affine.load %m[symbol(%i)] : memref<8xf32>",
    "affine.store": ALLOC + "affine.store %one, %m[symbol(%i)] : memref<8xf32>\n" + RETURN_ONE,
    "memref.subview": ALLOC
    + "%v = memref.subview %m[%i] [1] [1] : memref<8xf32> to memref<1xf32, strided<[1], offset: ?>>\n%r = memref.load %v[%c0] : memref<1xf32, strided<[1], offset: ?>>",
    "vector.extract": "%v = vector.broadcast %one : f32 to vector<8xf32>\n%r = vector.extract %v[%i] : f32 from vector<8xf32>",
    "vector.insert": "%v = vector.broadcast %one : f32 to vector<8xf32>\n%w = vector.insert %one, %v[%i] : f32 into vector<8xf32>\n%r = vector.reduction <add>, %w : vector<8xf32> into f32",
    "scf.for": "%c1 = arith.constant 1 : index\n%n = arith.addi %i, %c1 : index\n%r = scf.for %j = %c0 to %n step %c1 iter_args(%s = %one) -> f32 {\n%v = tensor.extract %x[%j] : tensor<8xf32>\n%t = arith.addf %s, %v : f32\nscf.yield %t : f32\n}",
}


@pytest.mark.parametrize("name", BY_INDEX)
def test_an_index_out_of_bounds_is_an_error(name):
    kernel = bfly.compile(program(BY_INDEX[name], arguments="%x: tensor<8xf32>, %i: index"))
    x = np.ones(8, np.float32)
    for index in (0, 7):
        kernel(x, index)
    for index in (8, 1 << 40, (1 << 63) - 2, *(() if name == "scf.for" else (-1, -(1 << 63)))):
        with pytest.raises(
            bfly.BflyError, match=r"function 'f' failed on cpu: <text>:\d+:\d+: '[a-z_.]+' leaves its array"
        ):
            kernel(x, index)
    assert np.isfinite(kernel(x, 3)).all()


def test_a_slice_that_data_places_is_refused():
    body = "%s = tensor.extract_slice %x[%i] [1] [1] : tensor<8xf32> to tensor<1xf32>\n%r = tensor.extract %s[%c0] : tensor<1xf32>"
    with pytest.raises(bfly.BflyError, match="<text>:.*tensor.extract_slice"):
        bfly.compile(program(body, arguments="%x: tensor<8xf32>, %i: index"))


@pytest.mark.parametrize("count", [-1, 1 << 61, (1 << 62) + 1, -(1 << 63)])
def test_memory_of_any_size(count):
    body = "%m = memref.alloc(%i) : memref<?xf32>\nmemref.store %one, %m[%c0] : memref<?xf32>\n%r = memref.load %m[%c0] : memref<?xf32>"
    kernel = bfly.compile(program(body, arguments="%x: tensor<8xf32>, %i: index"))
    x = np.ones(8, np.float32)
    assert kernel(x, 5)[0] == 1
    with pytest.raises(bfly.BflyError, match="'memref.alloc' leaves its array|out of memory"):
        kernel(x, count)
    with pytest.raises(bfly.BflyError, match="'memref.store' leaves its array"):
        kernel(x, 0)


def test_parts_that_are_not_the_whole():
    body = """%c7 = arith.constant 7 : index
      %m = memref.alloc(%i) : memref<?xf32>
      affine.for %j = 0 to %i {
        affine.store %one, %m[%j] : memref<?xf32>
      }
      %h = arith.divui %i, %c7 : index
      %e = memref.expand_shape %m [[0, 1]] output_shape [%h, 7] : memref<?xf32> into memref<?x7xf32>
      %r = memref.load %e[%c0, %c0] : memref<?x7xf32>"""
    kernel = bfly.compile(program(body, arguments="%x: tensor<8xf32>, %i: index"))
    x = np.ones(8, np.float32)
    assert kernel(x, 14)[0] == 1
    for size in (6, 15):
        with pytest.raises(bfly.BflyError, match="'memref.expand_shape' leaves its array"):
            kernel(x, size)


@pytest.mark.parametrize("kind", ["scalar", "tensor", "vector", "linalg"])
@pytest.mark.parametrize("name", ["divsi", "remsi", "divui", "remui", "floordivsi", "ceildivsi"])
def test_a_division_by_zero_is_zero(name, kind):
    """As NumPy has it: nothing traps, and the least number over -1 is itself."""
    if kind == "tensor":
        text = f"""func.func @f(%x: tensor<4xi64>, %y: tensor<4xi64>) -> tensor<4xi64> {{
          %q = arith.{name} %x, %y : tensor<4xi64>
          return %q : tensor<4xi64>
        }}"""
    elif kind == "linalg":
        text = f"""func.func @f(%x: tensor<4xi64>, %y: tensor<4xi64>) -> tensor<4xi64> {{
          %e = tensor.empty() : tensor<4xi64>
          %r = linalg.map ins(%x, %y : tensor<4xi64>, tensor<4xi64>) outs(%e : tensor<4xi64>) (%a: i64, %b: i64, %c: i64) {{
            %q = arith.{name} %a, %b : i64
            linalg.yield %q : i64
          }}
          return %r : tensor<4xi64>
        }}"""
    elif kind == "vector":
        text = f"""func.func @f(%x: memref<4xi64>, %y: memref<4xi64>, %z: memref<4xi64> {{bufferize.result}}) {{
          %c0 = arith.constant 0 : index
          %a = vector.load %x[%c0] : memref<4xi64>, vector<4xi64>
          %b = vector.load %y[%c0] : memref<4xi64>, vector<4xi64>
          %q = arith.{name} %a, %b : vector<4xi64>
          vector.store %q, %z[%c0] : memref<4xi64>, vector<4xi64>
          return
        }}"""
    else:
        text = f"""func.func @f(%x: tensor<4xi64>, %y: tensor<4xi64>) -> tensor<4xi64> {{
          %c0 = arith.constant 0 : index
          %c1 = arith.constant 1 : index
          %c4 = arith.constant 4 : index
          %e = tensor.empty() : tensor<4xi64>
          %r = scf.for %i = %c0 to %c4 step %c1 iter_args(%t = %e) -> tensor<4xi64> {{
            %a = tensor.extract %x[%i] : tensor<4xi64>
            %b = tensor.extract %y[%i] : tensor<4xi64>
            %q = arith.{name} %a, %b : i64
            %u = tensor.insert %q into %t[%i] : tensor<4xi64>
            scf.yield %u : tensor<4xi64>
          }}
          return %r : tensor<4xi64>
        }}"""
    least = -(1 << 63)
    x, y = np.array([7, least, least, -7]), np.array([0, 0, -1, 2])
    if name.endswith("ui"):
        quotient = [0, 0, 0, ((1 << 64) - 7) // 2]
        remainder = [0, 0, least, 1]  # a remainder by 0 is 0, too
    else:
        quotient = [0, 0, least, {"floordivsi": -4}.get(name, -3)]
        remainder = [0, 0, 0, -1]
    expected = remainder if name.startswith("rem") else quotient
    np.testing.assert_array_equal(bfly.compile(text)(x, y), expected)


@pytest.mark.parametrize("kind", ["for", "parallel"])
def test_a_step_is_checked_where_it_runs(kind):
    loop = {
        "for": "scf.for %i = %c0 to %c8 step %n {",
        "parallel": "scf.parallel (%i) = (%c0) to (%c8) step (%n) {",
    }[kind]
    kernel = bfly.compile(f"""
func.func @f(%x: memref<8xf32>, %n: index, %y: memref<8xf32> {{bufferize.result}}) {{
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  memref.copy %x, %y : memref<8xf32> to memref<8xf32>
  {loop}
    %v = memref.load %x[%i] : memref<8xf32>
    %w = arith.addf %v, %v : f32
    memref.store %w, %y[%i] : memref<8xf32>
  }}
  return
}}""")
    x = np.arange(8, dtype=np.float32)
    expected = x.copy()
    expected[::3] *= 2
    np.testing.assert_array_equal(kernel(x, 3), expected)
    for step in (0, -1, -(1 << 63)):
        with pytest.raises(bfly.BflyError, match=rf"6:3: 'scf.{kind}' has a step that is not positive"):
            kernel(x, step)


PROMISES = {
    # The largest sum that does not overflow is over 2^63 / 8 at most 7.
    "a sum": "%j = arith.addi %i, %large overflow<nsw> : index\n%k = arith.divsi %j, %step : index",
    "a sum of i64": "%n = arith.index_cast %i : index to i64\n%m = arith.constant 9223372036854775807 : i64\n%s = arith.addi %n, %m overflow<nsw> : i64\n%d = arith.constant 1152921504606846976 : i64\n%q = arith.divsi %s, %d : i64\n%k = arith.index_cast %q : i64 to index",
}


@pytest.mark.parametrize("name", PROMISES)
def test_a_promise_proves_nothing(name):
    body = (
        "%large = arith.constant 9223372036854775807 : index\n%step = arith.constant 1152921504606846976 : index\n"
        + PROMISES[name]
    )
    kernel = bfly.compile(
        program(body + "\n%r = tensor.extract %x[%k] : tensor<8xf32>", arguments="%x: tensor<8xf32>, %i: index")
    )
    x = np.arange(8, dtype=np.float32)
    assert kernel(x, 0)[0] == 7 and kernel(x, -(1 << 62))[0] == 3
    with pytest.raises(bfly.BflyError, match="'tensor.extract' leaves its array"):
        kernel(x, 1)


def test_what_a_stack_holds_before_it_is_written_is_one_value():
    """Else a check of an index says nothing about its use: LLVM takes `k | 1` for -1 and `k * 2` for 0."""
    kernel = bfly.compile("""
func.func @f() -> tensor<2xi64> {
  %c0 = arith.constant 0 : index
  %one = arith.constant 1 : i64
  %two = arith.constant 2 : i64
  %m = memref.alloca() : memref<1xi64>
  %k = memref.load %m[%c0] : memref<1xi64>
  %odd = arith.ori %k, %one : i64
  %double = arith.muli %k, %two : i64
  %y = tensor.from_elements %odd, %double : tensor<2xi64>
  return %y : tensor<2xi64>
}""")
    odd, double = kernel()
    assert (odd ^ 1) * 2 == double or odd * 2 == double


@pytest.mark.parametrize("count, size", [(1, 300_000), (8, 40_000)])
@pytest.mark.parametrize("plan", [{}, {"target": "sm_90a", "emulate": True}], ids=["cpu", "gpu"])
def test_what_a_stack_does_not_hold(plan, count, size):
    """One allocation, or all of them."""
    lines = []
    for i in range(count):
        lines.append(f"%a{i} = memref.alloca() : memref<{size}xf32>")
    for i in range(count):
        lines.append(f"memref.store %v, %a{i}[%i] : memref<{size}xf32>")
    lines.append("%s0 = arith.constant 0.0 : f32")
    for i in range(count):
        lines.append(f"%w{i} = memref.load %a{i}[%c0] : memref<{size}xf32>")
        lines.append(f"%s{i + 1} = arith.addf %s{i}, %w{i} : f32")
    text = f"""func.func @f(%i: index, %v: f32) -> tensor<f32> {{
  %c0 = arith.constant 0 : index
  {chr(10).join(lines)}
  %y = tensor.from_elements %s{count} : tensor<f32>
  return %y : tensor<f32>
}}"""
    with pytest.raises(bfly.BflyError, match="error: stack allocations of more than 1.0 MiB in all"):
        bfly.compile(text, **plan)
    small = text.replace(f"<{size}xf32>", "<4xf32>")
    assert bfly.compile(small, **plan)(np.int64(0), np.float32(2)) == 2 * count


@pytest.mark.parametrize("element", ["index", "f32"])
def test_what_a_stack_holds_before_it_is_written(element):
    """Any value, but one: where it is an index, it is inside or an error."""
    to_index = {
        "index": "%k = memref.load %m[%c0] : memref<4xindex>",
        "f32": "%v = memref.load %m[%c0] : memref<4xf32>\n%n = arith.fptosi %v : f32 to i64\n%k = arith.index_cast %n : i64 to index",
    }[element]
    kernel = bfly.compile(
        program(
            f"%m = memref.alloca() : memref<4x{element}>\n{to_index}\n%e = tensor.extract %x[%k] : tensor<8xf32>\n%o = arith.index_cast %k : index to i64\n%s = arith.sitofp %o : i64 to f32\n%r = arith.subf %e, %s : f32",
            arguments="%x: tensor<8xf32>, %i: index",
        )
    )
    x = np.arange(1, 9, dtype=np.float32)
    try:
        assert kernel(x, 1)[0] == 1
    except bfly.BflyError as error:
        assert "'tensor.extract' leaves its array" in str(error)


LOOKUP = """
func.func @lookup(%table: tensor<50x16xf32>, %rows: tensor<?x64xi64>) -> tensor<?x64x16xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %rows, %c0 : tensor<?x64xi64>
  %e = tensor.empty(%n) : tensor<?x64x16xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(b, t, d) -> (b, t)>, affine_map<(b, t, d) -> (b, t, d)>],
      iterator_types = ["parallel", "parallel", "parallel"]} ins(%rows : tensor<?x64xi64>) outs(%e : tensor<?x64x16xf32>) {
  ^bb0(%row: i64, %unused: f32):
    %r = arith.index_cast %row : i64 to index
    %d = linalg.index 2 : index
    %v = tensor.extract %table[%r, %d] : tensor<50x16xf32>
    linalg.yield %v : f32
  } -> tensor<?x64x16xf32>
  return %y : tensor<?x64x16xf32>
}
"""


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_a_lookup_in_a_loop(threads):
    """A thread of several fails; the others, and the process, go on."""
    rng = np.random.default_rng(7)
    kernel = bfly.compile(LOOKUP, threads=threads)
    table = rng.standard_normal((50, 16)).astype(np.float32)
    rows = rng.integers(0, 50, (32, 64))
    np.testing.assert_array_equal(kernel(table, rows), table[rows])
    for place, row in (((0, 0), 50), ((31, 63), -1), ((17, 5), 1 << 40)):
        bad = rows.copy()
        bad[place] = row
        with pytest.raises(
            bfly.BflyError, match="'lookup' failed on cpu: <text>:11:.*'tensor.extract' leaves its array"
        ):
            kernel(table, bad)
        np.testing.assert_array_equal(kernel(table, rows), table[rows])


def test_what_is_proven_is_not_checked():
    text = LOOKUP.replace(
        "%r = arith.index_cast %row : i64 to index",
        """%low = arith.constant 0 : i64
    %high = arith.constant 49 : i64
    %a = arith.maxsi %row, %low : i64
    %b = arith.minsi %a, %high : i64
    %r = arith.index_cast %b : i64 to index""",
    )
    assert "cf.assert" in bfly.compile(LOOKUP).ir("network")
    assert "cf.assert" not in bfly.compile(text).ir("network")
    assert "cf.assert" not in bfly.compile(LOOKUP, allow_foreign_calls=True).ir("network")
