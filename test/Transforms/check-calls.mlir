// RUN: bfly-opt %s -bfly-check-calls=max-operations=16 -split-input-file -verify-diagnostics
// RUN: not bfly-opt %s -split-input-file -bfly-compile=to=network 2>&1 | FileCheck %s
// CHECK: calls itself

// 2 operations and twice those of what is called: 2, 7, 17.
func.func private @c(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
func.func private @b(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @c(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %z = func.call @c(%y) : (tensor<4xf32>) -> tensor<4xf32>
  return %z : tensor<4xf32>
}
// expected-error @+1 {{has 20 operations once the functions that it calls are inlined, more than 16}}
func.func @a(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @b(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %z = func.call @b(%y) : (tensor<4xf32>) -> tensor<4xf32>
  return %z : tensor<4xf32>
}

// -----

// expected-error @+1 {{a function that calls itself}}
func.func @even(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @odd(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func private @odd(%x: tensor<4xf32>) -> tensor<4xf32> {
  %y = func.call @even(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %y : tensor<4xf32>
}
