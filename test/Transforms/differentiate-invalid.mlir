// RUN: bfly-opt %s -split-input-file -bfly-differentiate -verify-diagnostics
// RUN: not bfly-opt %S/differentiate.mlir -split-input-file -bfly-differentiate=function=none 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not bfly-opt %S/differentiate.mlir -split-input-file -bfly-differentiate=of=7 2>&1 | FileCheck %s --check-prefix=INPUT
// RUN: not bfly-opt %S/differentiate.mlir -split-input-file -bfly-differentiate=of=v 2>&1 | FileCheck %s --check-prefix=PARAMETER
// RUN: not bfly-opt %s -split-input-file -bfly-differentiate=save=true 2>&1 | FileCheck %s --check-prefix=FORWARD
// RUN: not bfly-opt %S/differentiate.mlir -split-input-file -bfly-differentiate=of=0,0 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE: has gradients of inputs in their order and then of parameters in theirs, each once: '0' is out of place
// FORWARD: has a forward function already: 'taken_forward'
// NONE: has no function 'none' with a body
// INPUT: has no floating-point input 7
// PARAMETER: reads no floating-point parameter 'v'

func.func @loop(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  // expected-error @+1 {{'scf.for' op has no derivative}}
  %y = scf.for %i = %c0 to %c3 step %c1 iter_args(%a = %x) -> tensor<2x4xf32> {
    %b = math.tanh %a : tensor<2x4xf32>
    scf.yield %b : tensor<2x4xf32>
  }
  return %y : tensor<2x4xf32>
}

// -----

func.func private @g(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  return %x : tensor<2x4xf32>
}
func.func @caller(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  // expected-error @+1 {{'func.call' op has no derivative: inline the call first}}
  %y = func.call @g(%x) : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

// An operation that what is wanted does not reach is no error.
func.func @beside(%x: tensor<4xf32>, %n: tensor<4xi32>) -> (tensor<4xf32>, tensor<4xi32>) {
  %y = math.tanh %x : tensor<4xf32>
  %c = tensor.generate {
  ^bb0(%i: index):
    %a = tensor.extract %n[%i] : tensor<4xi32>
    tensor.yield %a : i32
  } : tensor<4xi32>
  return %y, %c : tensor<4xf32>, tensor<4xi32>
}

// -----

func.func @product(%x: tensor<2x4xf32>, %i: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @+1 {{'linalg.reduce' op has no derivative: what it reduces by is no addition}}
  %y = linalg.reduce { arith.mulf } ins(%x : tensor<2x4xf32>) outs(%i : tensor<2xf32>) dimensions = [1]
  return %y : tensor<2xf32>
}

// -----

func.func @windows(%x: tensor<6xf32>, %w: tensor<3xf32>, %i: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'linalg.generic' op has no derivative: operand 0 is read by affine_map<(d0, d1) -> (d0 + d1)>}}
  %y = linalg.generic {indexing_maps = [affine_map<(d0, d1) -> (d0 + d1)>, affine_map<(d0, d1) -> (d1)>,
      affine_map<(d0, d1) -> (d0)>], iterator_types = ["parallel", "reduction"]}
      ins(%x, %w : tensor<6xf32>, tensor<3xf32>) outs(%i : tensor<4xf32>) {
    ^bb0(%a: f32, %b: f32, %c: f32):
      %p = arith.mulf %a, %b : f32
      %s = arith.addf %c, %p : f32
      linalg.yield %s : f32
  } -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

func.func @inside(%x: tensor<6xf32>) -> tensor<6xf32> {
  %e = tensor.empty() : tensor<6xf32>
  %y = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>],
      iterator_types = ["parallel"]} ins(%x : tensor<6xf32>) outs(%e : tensor<6xf32>) {
    ^bb0(%a: f32, %c: f32):
      // expected-error @+1 {{'arith.bitcast' op has no derivative}}
      %p = arith.bitcast %a : f32 to f32
      %q = arith.mulf %p, %a : f32
      linalg.yield %q : f32
  } -> tensor<6xf32>
  return %y : tensor<6xf32>
}

// -----

func.func @padding(%x: tensor<4xf32>, %v: f32) -> tensor<5xf32> {
  // expected-error @+1 {{'tensor.pad' op has no derivative but with a constant for its padding}}
  %y = tensor.pad %x low[0] high[1] {
  ^bb0(%i: index):
    tensor.yield %v : f32
  } : tensor<4xf32> to tensor<5xf32>
  return %y : tensor<5xf32>
}

// -----

func.func @region(%x: tensor<2x8x3xcomplex<f32>>) -> tensor<2x8x3xcomplex<f32>> {
  %y = bfly.spectral_filter %x params() : tensor<2x8x3xcomplex<f32>> -> tensor<2x8x3xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %f = complex.bitcast %bin : complex<f32> to f64
    // expected-error @+1 {{'complex.bitcast' op has no derivative}}
    %a = complex.bitcast %f : f64 to complex<f32>
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<2x8x3xcomplex<f32>>
}

// -----

// expected-error @+1 {{has no floating-point input}}
func.func @integers(%x: tensor<2xi32>) -> tensor<2xi32> {
  return %x : tensor<2xi32>
}

// -----

// expected-error @+1 {{has a backward function already: 'f_backward'}}
func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
func.func private @f_backward(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}

// -----

func.func @taken(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
func.func private @taken_forward(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
