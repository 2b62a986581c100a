// What a program may not hold is refused in one line, with the place.

// RUN: split-file %s %t
// RUN: cd %t

// A name leads compiled code to a function of the runtime, or of LLVM's own.
// RUN: not bfly-run intrinsic.mlir --input=4xf32=1 2>&1 | FileCheck %s --check-prefix=INTRINSIC --implicit-check-not=error
// RUN: not bfly-run intrinsic.mlir --input=4xf32=1 --allow-foreign-calls 2>&1 | FileCheck %s --check-prefix=INTRINSIC --implicit-check-not=error
// INTRINSIC: intrinsic.mlir:1:1: error: 'func.func' op is named 'llvm.memcpy.p0.p0.i64', as a function of LLVM's own that compiled code may call: give it another name
// RUN: not bfly-run global.mlir --input=4xi64=9 2>&1 | FileCheck %s --check-prefix=GLOBAL --implicit-check-not=error
// GLOBAL: global.mlir:1:1: error: 'memref.global' op is named 'bflyRuntimeFail', as a function of the runtime that compiled code may call: give it another name
// RUN: not bfly-run math.mlir --input=4xf32=1 2>&1 | FileCheck %s --check-prefix=MATH --implicit-check-not=error
// MATH: math.mlir:1:1: error: 'func.func' op is named 'erff', as a function of the runtime that compiled code may call: give it another name

// Nobody computes these types, nor has memory such a layout.
// RUN: not bfly-run tf32.mlir --input=4xf32=1 2>&1 | FileCheck %s --check-prefix=TF32 --implicit-check-not=error
// TF32: tf32.mlir:2:8: error: {{.*}}of type {{.*}}tf32{{.*}}, which nothing computes: use f16, bf16 or f32
// RUN: not bfly-run f8.mlir --input=4xf32=1 2>&1 | FileCheck %s --check-prefix=F8 --implicit-check-not=error
// F8: f8.mlir:2:8: error: {{.*}}of type {{.*}}f8E4M3FN{{.*}}, which nothing computes: use f16, bf16 or f32
// RUN: not bfly-run layout.mlir --input=4x4xf32=1 2>&1 | FileCheck %s --check-prefix=LAYOUT --implicit-check-not=error
// LAYOUT: layout.mlir:2:8: error: 'memref.alloc' op has a layout, strided<[8, 1], offset: 3>, which only views have: allocate all of the memory, and take a view of it

// Nothing divides by zero, written out or by way of a constant.
// RUN: not bfly-run divisor.mlir --input=4xf32=1 2>&1 | FileCheck %s --check-prefix=DIVISOR --implicit-check-not=error
// DIVISOR: divisor.mlir:2:8: error: 'affine.apply' with a divisor that is not positive is not allowed
// RUN: not bfly-run constant.mlir --input=4xf32=1 2>&1 | FileCheck %s --check-prefix=CONSTANT --implicit-check-not=error
// CONSTANT: constant.mlir:3:8: error: 'affine.apply' with a divisor that is not positive is not allowed
// RUN: not bfly-run divisor.mlir --input=4xf32=1 --allow-foreign-calls 2>&1 | FileCheck %s --check-prefix=POISON --implicit-check-not=error
// POISON: divisor.mlir:{{.*}}: error: a value here is of an operation that has no result, as a quotient by zero

// Text of others stays in its line.
// RUN: not bfly-run what.mlir --input=2x4xf32=1 --input=3x4xf32=1 2>&1 | FileCheck %s --check-prefix=WHAT --implicit-check-not=forged
// WHAT: error: what.mlir: function 'f' cannot be run: its attribute 'bfly.size_checks' is no list of checks as -bfly-infer-sizes makes them

// The place of an operation that was inlined, fused or named elsewhere is the
// first one in a file.
// RUN: not bfly-run fused.mlir --input=4xf32=1 --input=1xi64=9 2>&1 | FileCheck %s --check-prefix=FUSED
// FUSED: a.py:3:4: 'tensor.extract' leaves its array
// RUN: not bfly-run callsite.mlir --input=2x4xf32=1 --input=3x4xf32=1 2>&1 | FileCheck %s --check-prefix=CALLSITE
// CALLSITE: 'arith.addf' at inner.py:3:4 needs them equal
// RUN: not bfly-run named.mlir --print-level=mixer 2>&1 | FileCheck %s --check-prefix=NAMED
// NAMED: inner.py:7:8: error: 'bfly.butterfly_attention' op (C2) heads must divide the 4 channels, got 3

//--- intrinsic.mlir
func.func @"llvm.memcpy.p0.p0.i64"(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = arith.addf %x, %x : tensor<4xf32>
  return %y : tensor<4xf32>
}
//--- global.mlir
memref.global "private" constant @bflyRuntimeFail : memref<4xf32> = dense<1.0>
func.func @f(%x: tensor<4xi64>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %m = tensor.extract %x[%c0] : tensor<4xi64>
  %n = arith.index_cast %m : i64 to index
  %g = memref.get_global @bflyRuntimeFail : memref<4xf32>
  %v = memref.load %g[%n] : memref<4xf32>
  %s = tensor.splat %v : tensor<4xf32>
  return %s : tensor<4xf32>
}
//--- math.mlir
func.func @erff(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = math.erf %x : tensor<4xf32>
  return %y : tensor<4xf32>
}
//--- tf32.mlir
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = arith.truncf %x : tensor<4xf32> to tensor<4xtf32>
  %b = arith.extf %a : tensor<4xtf32> to tensor<4xf32>
  return %b : tensor<4xf32>
}
//--- f8.mlir
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = arith.truncf %x : tensor<4xf32> to tensor<4xf8E4M3FN>
  %b = arith.extf %a : tensor<4xf8E4M3FN> to tensor<4xf32>
  return %b : tensor<4xf32>
}
//--- layout.mlir
func.func @f(%x: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %a = memref.alloc() : memref<4x4xf32, strided<[8, 1], offset: 3>>
  %c0 = arith.constant 0 : index
  %v = memref.load %a[%c0, %c0] : memref<4x4xf32, strided<[8, 1], offset: 3>>
  %s = tensor.splat %v : tensor<4x4xf32>
  return %s : tensor<4x4xf32>
}
//--- divisor.mlir
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %a = affine.apply affine_map<() -> (7 floordiv 0)>()
  %i = arith.index_cast %a : index to i32
  %g = arith.sitofp %i : i32 to f32
  %s = tensor.splat %g : tensor<4xf32>
  return %s : tensor<4xf32>
}
//--- constant.mlir
func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %a = affine.apply affine_map<()[s0] -> (7 mod s0)>()[%c0]
  %i = arith.index_cast %a : index to i32
  %g = arith.sitofp %i : i32 to f32
  %s = tensor.splat %g : tensor<4xf32>
  return %s : tensor<4xf32>
}
//--- what.mlir
func.func @f(%x: memref<?x4xf32>, %z: memref<?x4xf32>,
             %y: memref<?x4xf32> {bufferize.result, bfly.sizes = affine_map<()[s0, s1] -> (s0)>})
    attributes {bfly.size_checks = [{kind = "equal", map = affine_map<()[s0, s1] -> (s1, s0)>, what = "\0Aforged: b"}]} {
  return
}
//--- fused.mlir
func.func @f(%x: tensor<4xf32>, %y: tensor<1xi64>) -> tensor<1xf32> {
  %c0 = arith.constant 0 : index
  %m = tensor.extract %y[%c0] : tensor<1xi64>
  %i = arith.index_cast %m : i64 to index
  %v = tensor.extract %x[%i] : tensor<4xf32> loc(fused[unknown, "a.py":3:4, "b.py":5:6])
  %s = tensor.splat %v : tensor<1xf32>
  return %s : tensor<1xf32>
}
//--- callsite.mlir
func.func @f(%x: tensor<?x4xf32>, %z: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = arith.addf %x, %z : tensor<?x4xf32> loc(callsite("inner.py":3:4 at "outer.py":5:6))
  return %y : tensor<?x4xf32>
}
//--- named.mlir
func.func @f(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %y = bfly.butterfly_attention %x, %x, %x heads(3) : tensor<2x8x4xf32>, tensor<2x8x4xf32> loc("layer"(callsite("inner.py":7:8 at "outer.py":5:6)))
  return %y : tensor<2x8x4xf32>
}
