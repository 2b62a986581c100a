// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Diagnostics are located, can be expected, and one broken part of a file does not hide the next.

// RUN: bfly-opt %s -split-input-file -verify-diagnostics
// RUN: not bfly-opt %s -split-input-file 2>&1 | FileCheck %s

// CHECK: opt-diagnostics.mlir:[[@LINE+3]]:8: error: 'bfly.mean' op (C2)
func.func @mean(%x: tensor<2x8x4xf32>) {
  // expected-error @below {{'bfly.mean' op (C2) the result must be 'tensor<2x4xf32>', got 'tensor<2x5xf32>'}}
  %m = bfly.mean %x : tensor<2x8x4xf32> -> tensor<2x5xf32>
  return
}

// -----

// CHECK: opt-diagnostics.mlir:[[@LINE+3]]:51: error: expected ')'
func.func @syntax(%x: tensor<2x8x4xf32>, %w: tensor<1x4x4xf32>) {
  // expected-error @below {{expected ')'}}
  %y = bfly.butterfly_attention %x, %w, %w heads(2 : tensor<2x8x4xf32>, tensor<1x4x4xf32>
  return
}

// -----

// CHECK: opt-diagnostics.mlir:[[@LINE+3]]:{{[0-9]+}}: error: custom op 'bfly.no_such_op' is unknown
func.func @unknown() {
  // expected-error @below {{'bfly.no_such_op' is unknown}}
  bfly.no_such_op
  return
}
