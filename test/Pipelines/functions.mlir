// What surrounds mixers: results and names.

// RUN: bfly-opt %s -bfly-compile="to=affine" | FileCheck %s
// RUN: bfly-opt %s -bfly-compile="to=gpu target=sm_90a" | FileCheck %s --check-prefix=GPU
// RUN: bfly-opt %s -bfly-compile="to=binary target=sm_90a" > /dev/null
// RUN: bfly-opt %s -bfly-compile="to=llvm target=sm_90a emulate=true" > /dev/null
// RUN: bfly-run %s --function=twice --input=4xf32=1,2,3,4 | FileCheck %s --check-prefix=VALUES

// Each result has memory of its own.
// CHECK-LABEL: func.func @twice
// CHECK-SAME: %{{.*}}: memref<4xf32>, %[[A:.*]]: memref<4xf32> {bufferize.result}, %[[B:.*]]: memref<4xf32> {bufferize.result}
// VALUES: result[0]: 4xf32=2 4 6 8
// VALUES: result[1]: 4xf32=2 4 6 8
func.func @twice(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  %y = arith.addf %x, %x : tensor<4xf32>
  return %y, %y : tensor<4xf32>, tensor<4xf32>
}

// Kernels are named after functions, in letters that assemblers take.
// GPU-LABEL: func.func @"a b.c-d/\C3\BC"
// GPU: gpu.launch_func @a_b_c_d____mean_0::@a_b_c_d____mean_0
func.func @"a b.c-d/ü"(%x: tensor<2x8x4xf32>) -> tensor<2x4xf32> {
  %y = bfly.mean %x : tensor<2x8x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}

// A name that is taken is left to its owner.
// GPU-LABEL: func.func @taken
// GPU: gpu.launch_func @taken_mean_1::@taken_mean_1
func.func @taken(%x: tensor<2x8x4xf32>) -> tensor<2x4xf32> {
  %y = bfly.mean %x : tensor<2x8x4xf32> -> tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
func.func @taken_mean_0(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %x : tensor<4xf32>
}
