// RUN: bfly-opt %s --bfly-expand-tables --split-input-file --verify-diagnostics | FileCheck %s

// One global for each distinct table, before everything else, in the order of
// first use; a name that is taken gets a number.
// CHECK-LABEL: module
// CHECK-NEXT:    memref.global "private" constant @bfly_roots_4_4_f32 : memref<4x2xf32>
// CHECK-SAME{LITERAL}: = dense<[[1.000000e+00, 0.000000e+00], [0.000000e+00, -1.000000e+00], [-1.000000e+00, 0.000000e+00], [0.000000e+00, 1.000000e+00]]> {alignment = 64 : i64}
// CHECK-NEXT:    memref.global "private" constant @bfly_roots_8_2_f64 : memref<2x2xf64>
// CHECK-SAME{LITERAL}: = dense<[[1.000000e+00, 0.000000e+00], [0.70710678118654757, -0.70710678118654757]]>
// CHECK-NEXT:    memref.global "private" constant @[[TAKEN:bfly_chirp_3_3_f32_.+]] : memref<3x2xf32>
// CHECK-SAME{LITERAL}: = dense<[[1.000000e+00, 0.000000e+00], [5.000000e-01, -0.866025388], [-5.000000e-01, 0.866025388]]>
// CHECK-NEXT:    memref.global "private" constant @bfly_chirp_spectrum_1_2_f32 : memref<2x2xf32> = dense<{{\[\[}}5.000000e-01, 0.000000e+00], [5.000000e-01, 0.000000e+00]]>
// CHECK-NEXT:    func.func private @bfly_chirp_3_3_f32
module {
  func.func private @bfly_chirp_3_3_f32()

  // CHECK-LABEL: func @tables
  // CHECK-NEXT:    %[[ROOTS:.*]] = memref.get_global @bfly_roots_4_4_f32 : memref<4x2xf32>
  // CHECK-NEXT:    memref.get_global @bfly_roots_8_2_f64 : memref<2x2xf64>
  // CHECK-NEXT:    return %[[ROOTS]]
  func.func @tables() -> (memref<4x2xf32>, memref<2x2xf64>) {
    %0 = bfly.table roots(4) : memref<4x2xf32>
    %1 = bfly.table roots(8) : memref<2x2xf64>
    return %0, %1 : memref<4x2xf32>, memref<2x2xf64>
  }

  // CHECK-LABEL: func @kernel
  // CHECK-NEXT:    bfly.kernel "k"
  // CHECK-NEXT:      memref.get_global @[[TAKEN]]
  // CHECK-NEXT:      memref.get_global @bfly_roots_4_4_f32
  // CHECK-NEXT:      memref.get_global @bfly_chirp_spectrum_1_2_f32
  func.func @kernel(%a: memref<4xf32>) {
    bfly.kernel "k" (%b = %a) : (memref<4xf32>) {
      %0 = bfly.table chirp(3) : memref<3x2xf32>
      %1 = bfly.table roots(4) : memref<4x2xf32>
      %2 = bfly.table chirp_spectrum(1) : memref<2x2xf32>
      memref.copy %0, %0 : memref<3x2xf32> to memref<3x2xf32>
      memref.copy %1, %1 : memref<4x2xf32> to memref<4x2xf32>
      memref.copy %2, %2 : memref<2x2xf32> to memref<2x2xf32>
    }
    return
  }
}

// -----

// The symbol has to be in the nearest symbol table.
// CHECK-LABEL: module @outer
// CHECK-NEXT:    func
// CHECK:         module @inner
// CHECK-NEXT:      memref.global "private" constant @bfly_roots_1_1_f32
module @outer {
  func.func private @nothing()
  module @inner {
    func.func @table() -> memref<1x2xf32> {
      %0 = bfly.table roots(1) : memref<1x2xf32>
      return %0 : memref<1x2xf32>
    }
  }
}

// -----

func.func @huge() -> memref<68719476736x2xf32> {
  // expected-error @below {{'bfly.table' op has more than 16777216 rows}}
  %0 = bfly.table roots(68719476736) : memref<68719476736x2xf32>
  return %0 : memref<68719476736x2xf32>
}
