// RUN: bfly-opt %s -bfly-compile=to=affine | FileCheck %s
// RUN: bfly-opt %s -bfly-compile=to=affine | bfly-opt | FileCheck %s

// A result that became an argument says how large it has to be.
// CHECK-LABEL: func.func @twice
// CHECK-SAME: %{{.*}}: memref<?x4xf32> {bfly.sizes = affine_map<()[s0, s1] -> (s0 * 2)>, bufferize.result}) attributes {bfly.size_checks = [{kind = "equal"
func.func @twice(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %z = arith.addf %x, %y : tensor<?x4xf32>
  %c = tensor.concat dim(0) %z, %z : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %c : tensor<?x4xf32>
}
