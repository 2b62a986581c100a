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

// Sizes that upstream's lowering of views would divide for.
// CHECK-LABEL: func.func @several_dynamic
// CHECK-SAME: %[[X:.*]]: memref<?xf32>, %[[N:.*]]: index, %[[M:.*]]: index
// CHECK: memref.reinterpret_cast %[[X]] to offset: [0], sizes: [%[[N]], 2, %[[M]]], strides: [%{{.*}}, %[[M]], 1]
// CHECK-SAME: memref<?xf32> to memref<?x2x?xf32>
func.func @several_dynamic(%x: tensor<?xf32>, %n: index, %m: index) -> tensor<?x2x?xf32> {
  %y = tensor.expand_shape %x [[0, 1, 2]] output_shape [%n, 2, %m] : tensor<?xf32> into tensor<?x2x?xf32>
  return %y : tensor<?x2x?xf32>
}

// CHECK-LABEL: func.func @empty
// CHECK: memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [%{{.*}}, 0], strides: [0, 1]
func.func @empty(%x: tensor<?xf32>, %n: index) -> tensor<?x0xf32> {
  %y = tensor.expand_shape %x [[0, 1]] output_shape [%n, 0] : tensor<?xf32> into tensor<?x0xf32>
  return %y : tensor<?x0xf32>
}
