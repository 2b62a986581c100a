// RUN: bfly-opt %s -split-input-file -bfly-differentiate -verify-diagnostics
// RUN: not bfly-opt %S/differentiate.mlir -split-input-file -bfly-differentiate=function=none 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not bfly-opt %S/differentiate.mlir -split-input-file -bfly-differentiate=of=7 2>&1 | FileCheck %s --check-prefix=INPUT
// RUN: not bfly-opt %S/differentiate.mlir -split-input-file -bfly-differentiate=of=v 2>&1 | FileCheck %s --check-prefix=PARAMETER
// NONE: has no function 'none' with a body
// INPUT: has no floating-point input 7
// PARAMETER: reads no floating-point parameter 'v'

func.func @softmax(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %e = tensor.empty() : tensor<2x4xf32>
  // expected-error @+1 {{has no derivative}}
  %y = linalg.softmax dimension(1) ins(%x : tensor<2x4xf32>) outs(%e : tensor<2x4xf32>) -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// -----

func.func @region(%x: tensor<2x8x3xcomplex<f32>>) -> tensor<2x8x3xcomplex<f32>> {
  %y = bfly.spectral_filter %x params() : tensor<2x8x3xcomplex<f32>> -> tensor<2x8x3xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %i = arith.constant 2 : i32
    // expected-error @+1 {{has no derivative}}
    %a = complex.powi %bin, %i : complex<f32>, i32
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

func.func @spectrum(%f: tensor<2x5x3xcomplex<f32>>) -> tensor<2x5x3xcomplex<f32>> {
  // expected-error @+1 {{has no derivative where it is hermitian}}
  %a = bfly.spectrum_map %f params() tokens(8) hermitian : tensor<2x5x3xcomplex<f32>> -> tensor<2x5x3xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    %i = complex.neg %bin : complex<f32>
    bfly.yield %i : complex<f32>
  }
  return %a : tensor<2x5x3xcomplex<f32>>
}
