// RUN: bfly-opt %s -bfly-infer-sizes | FileCheck %s

// Results may be larger than inputs, and two inputs may have a size in common.
// CHECK-DAG: #[[TWICE:.*]] = affine_map<()[s0, s1] -> (s0 * 2)>
// CHECK-DAG: #[[EQUAL:.*]] = affine_map<()[s0, s1] -> (s1, s0)>
// CHECK-DAG: #[[WINDOWS:.*]] = affine_map<()[s0] -> (s0 * 2)>
// CHECK-DAG: #[[JOINED:.*]] = affine_map<()[s0] -> (s0 floordiv 2)>
// CHECK-DAG: #[[EVEN:.*]] = affine_map<()[s0] -> (s0, (s0 floordiv 2) * 2)>
// CHECK-DAG: #[[PRODUCT:.*]] = affine_map<()[s0, s1] -> (s0 * s1)>
// CHECK-DAG: #[[TAIL:.*]] = affine_map<()[s0] -> (s0 - 1)>
// CHECK-DAG: #[[SOME:.*]] = affine_map<()[s0] -> (0, s0 - 1)>
// CHECK-DAG: #[[SAME:.*]] = affine_map<()[s0] -> (s0)>
// CHECK-DAG: #[[BYTES:.*]] = affine_map<()[s0] -> (s0 * 32, 288230376151711744)>
// CHECK-DAG: #[[FIRST:.*]] = affine_map<()[s0, s1] -> (s0)>

// CHECK-LABEL: func.func @twice
// CHECK-SAME: -> (tensor<?x4xf32> {bfly.sizes = #[[TWICE]]})
// CHECK-SAME: attributes {bfly.size_checks = [{kind = "equal", map = #[[EQUAL]], what = "'arith.addf' at {{.*}}infer-sizes.mlir:[[@LINE+2]]:8"}]}
func.func @twice(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %z = arith.addf %x, %y : tensor<?x4xf32>
  %c = tensor.concat dim(0) %z, %z : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %c : tensor<?x4xf32>
}

// CHECK-LABEL: func.func @windows
// CHECK-SAME: {bfly.sizes = #[[WINDOWS]]}) {
func.func @windows(%x: tensor<?x8x4xf32>) -> tensor<?x4x4xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8x4xf32>
  %y = tensor.expand_shape %x [[0], [1, 2], [3]] output_shape [%n, 2, 4, 4]
      : tensor<?x8x4xf32> into tensor<?x2x4x4xf32>
  %z = tensor.collapse_shape %y [[0, 1], [2], [3]] : tensor<?x2x4x4xf32> into tensor<?x4x4xf32>
  return %z : tensor<?x4x4xf32>
}

// CHECK-LABEL: func.func @joined
// CHECK-SAME: {bfly.sizes = #[[JOINED]]}) attributes {bfly.size_checks = [{kind = "equal", map = #[[EVEN]], what = "'tensor.expand_shape'
func.func @joined(%x: tensor<?x4x4xf32>) -> tensor<?x8x4xf32> {
  %c0 = arith.constant 0 : index
  %c2 = arith.constant 2 : index
  %n = tensor.dim %x, %c0 : tensor<?x4x4xf32>
  %h = arith.divui %n, %c2 : index
  %y = tensor.expand_shape %x [[0, 1], [2], [3]] output_shape [%h, 2, 4, 4]
      : tensor<?x4x4xf32> into tensor<?x2x4x4xf32>
  %z = tensor.collapse_shape %y [[0], [1, 2], [3]] : tensor<?x2x4x4xf32> into tensor<?x8x4xf32>
  return %z : tensor<?x8x4xf32>
}

// CHECK-LABEL: func.func @product
// CHECK-SAME: {bfly.sizes = #[[PRODUCT]]}) {
func.func @product(%x: tensor<?x?x4xf32>) -> tensor<?x4xf32> {
  %z = tensor.collapse_shape %x [[0, 1], [2]] : tensor<?x?x4xf32> into tensor<?x4xf32>
  return %z : tensor<?x4xf32>
}

// A slice lies within its tensor.
// CHECK-LABEL: func.func @tail
// CHECK-SAME: {bfly.sizes = #[[TAIL]]}) attributes {bfly.size_checks = [{kind = "at_most", map = #[[SOME]], what = "'tensor.extract_slice'
func.func @tail(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %m = arith.subi %n, %c1 : index
  %y = tensor.extract_slice %x[1, 0] [%m, 4] [1, 1] : tensor<?x4xf32> to tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}

// A layer keeps its batch, a loop what it carries.
// CHECK-LABEL: func.func @loop
// CHECK-SAME: {bfly.sizes = #[[SAME]]}) {
func.func @loop(%x: tensor<?x8x4xf32>) -> tensor<?x8x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %r = scf.for %i = %c0 to %c3 step %c1 iter_args(%a = %x) -> (tensor<?x8x4xf32>) {
    %n = bfly.layer_norm %a epsilon(1.0e-5) : tensor<?x8x4xf32>
    scf.yield %n : tensor<?x8x4xf32>
  }
  return %r : tensor<?x8x4xf32>
}

// CHECK-LABEL: func.func @places
// CHECK-SAME: -> (tensor<?xf32> {bfly.sizes = #[[FIRST]]})
// CHECK-SAME: {kind = "equal", map = #[[EQUAL]], what = "'scf.yield' at
func.func @places(%x: tensor<?xf32>, %y: tensor<?xf32>, %p: i1) -> tensor<?xf32> {
  %r, %s = scf.while (%a = %x, %b = %y) : (tensor<?xf32>, tensor<?xf32>) -> (tensor<?xf32>, tensor<?xf32>) {
    scf.condition(%p) %a, %b : tensor<?xf32>, tensor<?xf32>
  } do {
  ^bb0(%a: tensor<?xf32>, %b: tensor<?xf32>):
    scf.yield %b, %a : tensor<?xf32>, tensor<?xf32>
  }
  return %r : tensor<?xf32>
}

// Every block of a function asks.
// CHECK-LABEL: func.func @blocks
// CHECK-SAME: {kind = "equal", map = #[[EQUAL]], what = "'arith.addf' at
func.func @blocks(%x: tensor<?xf32>, %y: tensor<?xf32>) {
  cf.br ^bb1
^bb1:
  %z = arith.addf %x, %y : tensor<?xf32>
  return
}

// An argument that may be empty has a size of any number, of which 64 bits have to hold another's bytes.
// CHECK-LABEL: func.func @bytes
// CHECK-SAME: bfly.size_checks = [{kind = "at_most", map = #[[BYTES]], what = "'tensor.splat' at
func.func @bytes(%x: tensor<?x0xf32>, %v: f32) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x0xf32>
  %y = tensor.splat %v[%n] : tensor<?x8xf32>
  return
}

// One that is not has not.
// CHECK-LABEL: func.func @few_bytes
// CHECK-NOT: bfly.size_checks
func.func @few_bytes(%x: tensor<?x4xf32>, %v: f32) {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x4xf32>
  %y = tensor.splat %v[%n] : tensor<?x8xf32>
  return
}

// What is not public is inlined.
// CHECK-LABEL: func.func private @hidden
// CHECK-NOT: bfly.size
func.func private @hidden(%x: tensor<?xf32>, %y: tensor<?xf32>) -> tensor<?xf32> {
  %z = arith.addf %x, %y : tensor<?xf32>
  return %z : tensor<?xf32>
}
