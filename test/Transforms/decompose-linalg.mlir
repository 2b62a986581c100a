// RUN: bfly-opt %s -split-input-file -verify-diagnostics -bfly-decompose-linalg | FileCheck %s

// CHECK-LABEL: func @softmax(
// CHECK-COUNT-4: linalg.generic
// CHECK-NOT:     linalg.softmax
func.func @softmax(%x: tensor<2x8xf32>) -> tensor<2x8xf32> {
  %e = tensor.empty() : tensor<2x8xf32>
  %y = linalg.softmax dimension(1) ins(%x : tensor<2x8xf32>) outs(%e : tensor<2x8xf32>) -> tensor<2x8xf32>
  return %y : tensor<2x8xf32>
}

// CHECK-LABEL: func @pack(
// CHECK-NOT:     linalg.pack
// CHECK:         linalg.transpose
func.func @pack(%x: tensor<8x8xf32>) -> tensor<2x2x4x4xf32> {
  %e = tensor.empty() : tensor<2x2x4x4xf32>
  %y = linalg.pack %x inner_dims_pos = [0, 1] inner_tiles = [4, 4] into %e : tensor<8x8xf32> -> tensor<2x2x4x4xf32>
  return %y : tensor<2x2x4x4xf32>
}

// By way of one dimension; a shape of 1 and of numbers of other types than index are no exception.
// CHECK-LABEL: func @reshape(
// CHECK-NOT:     tensor.reshape
// CHECK:         %[[FLAT:.*]] = tensor.collapse_shape %{{.*}} {{\[\[}}0, 1]] : tensor<?x?xf32> into tensor<?xf32>
// CHECK:         tensor.expand_shape %[[FLAT]] {{\[\[}}0, 1, 2]] output_shape [%{{.*}}, 3, %{{.*}}] : tensor<?xf32> into tensor<?x3x?xf32>
func.func @reshape(%x: tensor<?x?xf32>, %n: index) -> tensor<?x3x?xf32> {
  %c3 = arith.constant 3 : index
  %s = tensor.from_elements %n, %c3, %n : tensor<3xindex>
  %y = tensor.reshape %x(%s) : (tensor<?x?xf32>, tensor<3xindex>) -> tensor<?x3x?xf32>
  return %y : tensor<?x3x?xf32>
}

// CHECK-LABEL: func @reshape_of_a_scalar(
// CHECK-NOT:     tensor.reshape
// CHECK:         tensor.expand_shape
func.func @reshape_of_a_scalar(%x: tensor<f32>) -> tensor<1x1xf32> {
  %s = arith.constant dense<1> : tensor<2xi32>
  %y = tensor.reshape %x(%s) : (tensor<f32>, tensor<2xi32>) -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// CHECK-LABEL: func @reshape_to_a_scalar(
// CHECK-NOT:     tensor.reshape
// CHECK:         tensor.collapse_shape %{{.*}} [] : tensor<1xf32> into tensor<f32>
func.func @reshape_to_a_scalar(%x: tensor<?x1xf32>) -> tensor<f32> {
  %s = arith.constant dense<> : tensor<0xindex>
  %y = tensor.reshape %x(%s) : (tensor<?x1xf32>, tensor<0xindex>) -> tensor<f32>
  return %y : tensor<f32>
}

// -----

func.func @winograd(%x: tensor<2x3x3x5xf32>) -> tensor<6x6x5x2xf32> {
  %e = tensor.empty() : tensor<6x6x5x2xf32>
  // expected-error @+1 {{'linalg.winograd_filter_transform' op has no form in compiled code: write it with linalg.generic}}
  %y = linalg.winograd_filter_transform fmr(F_4_3) ins(%x : tensor<2x3x3x5xf32>) outs(%e : tensor<6x6x5x2xf32>) -> tensor<6x6x5x2xf32>
  return %y : tensor<6x6x5x2xf32>
}
