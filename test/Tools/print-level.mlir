// One function at each level, without running it.

// RUN: bfly-run %s --function=mix --print-level=all | FileCheck %s
// CHECK: // mixer
// CHECK: func.func @mix
// CHECK: bfly.spectral_filter
// CHECK: // network
// CHECK: bfly.fft
// CHECK: // schedule
// CHECK: bfly.kernel
// CHECK: // affine
// CHECK: affine.for
// CHECK: // llvm
// CHECK: llvm.func @_mlir_ciface_mix
// CHECK-NOT: EXEC

// Only what was asked for, in the order of the levels; then the run.
// RUN: bfly-run %s --function=mix --print-level=schedule,network --input=1x4x2xf32=1 | FileCheck %s --check-prefix=SOME
// SOME: // network
// SOME-NOT: // affine
// SOME: // schedule
// SOME-NOT: // affine
// SOME: EXEC @mix

// Other functions are left out.
// RUN: bfly-run %s --function=mix --print-level=mixer | FileCheck %s --check-prefix=ALONE
// ALONE-NOT: @other

// Options of the pipeline.
// RUN: bfly-run %s --function=mix --print-level=schedule --compile-options=fuse=true | grep -c 'bfly.kernel "' | FileCheck %s --check-prefix=FUSED
// FUSED: {{^1$}}
// RUN: bfly-run %s --function=mix --print-level=schedule --compile-options=fuse=false | grep -c 'bfly.kernel "' | FileCheck %s --check-prefix=APART
// APART: {{^[2-9]$}}

func.func @mix(%x: tensor<?x4x2xf32>) -> tensor<?x4x2xf32> {
  %y = bfly.spectral_filter %x params() : tensor<?x4x2xf32> -> tensor<?x4x2xf32> {
  ^bb0(%bin: complex<f32>, %k: index):
    %m = complex.mul %bin, %bin : complex<f32>
    bfly.yield %m : complex<f32>
  }
  return %y : tensor<?x4x2xf32>
}
func.func @other(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
