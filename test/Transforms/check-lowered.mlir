// RUN: bfly-opt %s -split-input-file -verify-diagnostics -bfly-check-lowered
// RUN: not bfly-opt %s -split-input-file -bfly-check-lowered=kernels > %t.out 2> %t.err
// RUN: FileCheck %s < %t.out
// RUN: FileCheck %s --check-prefix=ERROR < %t.err

// CHECK-LABEL: llvm.func @lowered
llvm.func @lowered(%x: f32) -> f32 {
  %y = llvm.intr.sqrt(%x) : (f32) -> f32
  llvm.return %y : f32
}

// -----

// Host code is as it was where only kernels are looked at.
// CHECK-LABEL: func.func @host
// expected-error @+1 {{'func.func' op has no form in compiled code: write it with operations of arith, math, linalg and bfly that docs/definitions.md lists}}
func.func @host(%x: f32) -> f32 {
  return %x : f32
}

// -----

gpu.module @kernels {
  llvm.func @k(%x: f32) -> f32 attributes {gpu.kernel, nvvm.kernel} {
    // ERROR: error: 'math.erf' op has no form in a GPU's kernel
    // expected-error @+1 {{'math.erf' op has no form in compiled code}}
    %y = math.erf %x : f32
    llvm.return %y : f32
  }
}

// -----

gpu.module @kernels {
  llvm.func @k(%x: f64) -> f64 attributes {gpu.kernel, nvvm.kernel} {
    // ERROR: error: 'llvm.fpext' op is of type 'f128', which nothing computes: use f64
    // expected-error @+1 {{'llvm.fpext' op is of type 'f128', which nothing computes: use f64}}
    %y = llvm.fpext %x : f64 to f128
    %z = llvm.fptrunc %y : f128 to f64
    llvm.return %z : f64
  }
}
