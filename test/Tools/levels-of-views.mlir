// What is printed of views of a dynamic size compiles again for a GPU, where copies are loops over their sizes.
// RUN: bfly-run %s --device=cuda --print-level=affine | tail -n +2 > %t.mlir
// RUN: bfly-run %t.mlir --device=cuda --allow-foreign-calls --print-level=gpu | FileCheck %s

// CHECK: gpu.launch_func
func.func @windows(%x: tensor<?x8x4xf32>) -> tensor<?x8x4xf32> {
  %c0 = arith.constant 0 : index
  %n = tensor.dim %x, %c0 : tensor<?x8x4xf32>
  %y = tensor.expand_shape %x [[0], [1, 2], [3]] output_shape [%n, 2, 4, 4] : tensor<?x8x4xf32> into tensor<?x2x4x4xf32>
  %z = tensor.collapse_shape %y [[0, 1], [2], [3]] : tensor<?x2x4x4xf32> into tensor<?x4x4xf32>
  %f = bfly.layer_norm %z epsilon(1.0e-5) : tensor<?x4x4xf32>
  %u = tensor.expand_shape %f [[0, 1], [2], [3]] output_shape [%n, 2, 4, 4] : tensor<?x4x4xf32> into tensor<?x2x4x4xf32>
  %v = tensor.collapse_shape %u [[0], [1, 2], [3]] : tensor<?x2x4x4xf32> into tensor<?x8x4xf32>
  return %v : tensor<?x8x4xf32>
}
