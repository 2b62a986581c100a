// What a level prints is a program that gives the same answer; and without
// fusion, so does each network operation by itself.

// RUN: rm -rf %t && mkdir %t
// RUN: bfly-run %s --function=store --input=2x6x4xf32=1,2,3,5,8,13,1,0,2,1,3,1,4,1,5,9,2,6,5,3,5,8,9,7,9,3,2,3,8,4,6,2,6,4,3,3,8,3,2,7,9,5,0,2,8,8,4,1 --input=1x8x4xf32=1,2,3,5,8,13,1,0,2,1,3,1,4,1,5,9,2,6,5,3,5,8,9,7,9,3,2,3,8,4,6,2 --input=3x4x4xf32=0.01,0.02,-0.03,0.04,0.05,-0.06,0.07,0.08,-0.09,0.1,0.11,-0.12,0.13,0.14,-0.15,0.16,0.1,0.02,-0.3,0.04,0.05,-0.6,0.07,0.08,-0.09,0.1,0.1,-0.12,0.13,0.1,-0.15,0.16,0.01,0.02,-0.03,0.04,0.05,-0.06,0.07,0.08,-0.09,0.1,0.11,-0.12,0.13,0.14,-0.15,0.16 --output=@%t/x.npy --output=@%t/a.npy --output=@%t/w.npy
// RUN: bfly-run %s --function=filter --input=@%t/x.npy --output=@%t/filter.npy
// RUN: bfly-run %s --function=attention --input=@%t/a.npy --input=@%t/w.npy --output=@%t/attention.npy

// RUN: bfly-run %s --function=filter --print-level=network > %t/network.mlir
// RUN: bfly-run %t/network.mlir --input=@%t/x.npy --expected_output=@%t/filter.npy
// RUN: bfly-run %s --function=filter --print-level=schedule > %t/schedule.mlir
// RUN: bfly-run %t/schedule.mlir --input=@%t/x.npy --expected_output=@%t/filter.npy
// RUN: bfly-run %s --function=filter --print-level=affine > %t/affine.mlir
// RUN: bfly-run %t/affine.mlir --input=@%t/x.npy --expected_output=@%t/filter.npy
// RUN: bfly-run %s --function=filter --compile-options=fuse=false --input=@%t/x.npy --expected_output=@%t/filter.npy
// RUN: bfly-run %s --function=attention --print-level=affine > %t/attention.mlir
// RUN: bfly-run %t/attention.mlir --input=@%t/a.npy --input=@%t/w.npy --expected_output=@%t/attention.npy

func.func @filter(%x: tensor<?x6x4xf32>) -> tensor<?x6x4xf32> {
  %y = bfly.spectral_filter %x params() : tensor<?x6x4xf32> -> tensor<?x6x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %m = complex.mul %bin, %bin : complex<f32>
    bfly.yield %m : complex<f32>
  }
  return %y : tensor<?x6x4xf32>
}

func.func @attention(%x: tensor<?x8x4xf32>, %w: tensor<3x4x4xf32>) -> tensor<?x8x4xf32> {
  %y = bfly.butterfly_attention %x, %w, %w heads(2) : tensor<?x8x4xf32>, tensor<3x4x4xf32>
  return %y : tensor<?x8x4xf32>
}

// Arrays for the runs above.
func.func @store(%x: tensor<2x6x4xf32>, %a: tensor<1x8x4xf32>, %w: tensor<3x4x4xf32>) -> (tensor<2x6x4xf32>, tensor<1x8x4xf32>, tensor<3x4x4xf32>) {
  return %x, %a, %w : tensor<2x6x4xf32>, tensor<1x8x4xf32>, tensor<3x4x4xf32>
}
