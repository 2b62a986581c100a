// RUN: bfly-opt %s -bfly-bufferize | FileCheck %s
// RUN: bfly-opt %s -bfly-bufferize=max-analyzed=0 | FileCheck %s --check-prefix=COPY

// In place where that was analysed, else in memory of its own: the same values either way.
// CHECK-LABEL: func.func @insert
// CHECK-SAME: %[[X:.*]]: memref<4xf32>
// CHECK: %[[ALLOC:.*]] = memref.alloc
// CHECK: memref.copy %[[X]], %[[ALLOC]]
// CHECK: memref.store %{{.*}}, %[[ALLOC]]
// CHECK: memref.store %{{.*}}, %[[ALLOC]]
// CHECK: return %[[ALLOC]]
// COPY-LABEL: func.func @insert
// COPY-SAME: %[[X:.*]]: memref<4xf32>
// COPY: %[[ALLOC:.*]] = memref.alloc
// COPY: memref.copy %[[X]], %[[ALLOC]]
// COPY: memref.store %{{.*}}, %[[ALLOC]]
// COPY: %[[OTHER:.*]] = memref.alloc
// COPY: memref.copy %[[ALLOC]], %[[OTHER]]
// COPY: memref.store %{{.*}}, %[[OTHER]]
// COPY: return %[[OTHER]]
func.func @insert(%x: tensor<4xf32> {bufferization.writable = false}) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %one = arith.constant 1.0 : f32
  %y = tensor.insert %one into %x[%c0] : tensor<4xf32>
  %z = tensor.insert %one into %y[%c1] : tensor<4xf32>
  return %z : tensor<4xf32>
}
