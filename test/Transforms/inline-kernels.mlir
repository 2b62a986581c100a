// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-inline-kernels))' --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @copies
// CHECK-SAME:  (%[[X:.*]]: memref<4xf32>, %[[Y:.*]]: memref<4xf32>)
// CHECK-NEXT:  memref.copy %[[X]], %[[Y]]
// CHECK-NEXT:  %[[N:.*]] = arith.constant 4 : index
// CHECK-NEXT:  affine.for %[[I:.*]] = 0 to %[[N]] {
// CHECK-NEXT:    %[[V:.*]] = affine.load %[[Y]][%[[I]]]
// CHECK-NEXT:    affine.store %[[V]], %[[X]][%[[I]]]
// CHECK-NEXT:  }
// CHECK-NEXT:  return
func.func @copies(%x: memref<4xf32>, %y: memref<4xf32>) {
  bfly.kernel "there" (%a = %x, %b = %y) : (memref<4xf32>, memref<4xf32>) {
    memref.copy %a, %b : memref<4xf32> to memref<4xf32>
  }
  bfly.kernel "back" (%a = %y, %b = %x) : (memref<4xf32>, memref<4xf32>) {
    %n = arith.constant 4 : index
    affine.for %i = 0 to %n {
      %0 = affine.load %a[%i] : memref<4xf32>
      affine.store %0, %b[%i] : memref<4xf32>
    }
  }
  return
}

// -----

func.func @too_early(%x: tensor<4x8x4xf32>) -> tensor<4x4xf32> {
  // expected-error @+1 {{a kernel on tensors must be converted to affine first}}
  %m = bfly.kernel "mean" (%a = %x) : (tensor<4x8x4xf32>) -> tensor<4x4xf32> {
    %r = bfly.mean %a : tensor<4x8x4xf32> -> tensor<4x4xf32>
    bfly.yield %r : tensor<4x4xf32>
  }
  return %m : tensor<4x4xf32>
}
