// RUN: bfly-opt %s -bfly-compile="to=schedule target=sm_80" | FileCheck %s --check-prefix=SCHEDULE
// RUN: bfly-opt %s -bfly-compile="to=affine target=sm_80" | FileCheck %s

// What a module says of its target holds from the choice of a plan to its nests: with an A100's shared memory a filter of 4096
// tokens, which the table's sm_80 takes through memory, needs no memory between its passes.
// SCHEDULE: radices = [16, 16, 16], groups = [<0 to 2 in shared>]
// CHECK: bfly.kernel "spectral_filter"
// CHECK-NOT: memref.alloc{{.*}}x4096x
module attributes {bfly.target = #bfly.target<"sm_80", shared = 166912>} {
  func.func @filter(%x: tensor<8x4096x64xf32>) -> tensor<8x4096x64xf32> {
    %f = bfly.fft %x : tensor<8x4096x64xf32> -> tensor<8x2049x64xcomplex<f32>>
    %g = bfly.spectrum_map %f tokens(4096) : tensor<8x2049x64xcomplex<f32>> -> tensor<8x2049x64xcomplex<f32>> {
    ^bb0(%z: complex<f32>, %k: index):
      %c = complex.mul %z, %z : complex<f32>
      bfly.yield %c : complex<f32>
    }
    %y = bfly.ifft %g : tensor<8x2049x64xcomplex<f32>> -> tensor<8x4096x64xf32>
    return %y : tensor<8x4096x64xf32>
  }
}
