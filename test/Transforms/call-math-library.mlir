// RUN: bfly-opt %s -bfly-call-math-library | FileCheck %s

// CHECK-DAG: func.func private @erff(f32) -> f32
// CHECK-DAG: func.func private @expm1(f64) -> f64
// CHECK-DAG: func.func private @log1pf(f32) -> f32

// CHECK-LABEL: func @scalars(
// CHECK:         call @erff
// CHECK:         call @expm1
// What LLVM has an intrinsic for stays.
// CHECK:         math.exp
func.func @scalars(%x: f32, %y: f64) -> (f32, f64, f32) {
  %a = math.erf %x : f32
  %b = math.expm1 %y : f64
  %c = math.exp %x : f32
  return %a, %b, %c : f32, f64, f32
}

// CHECK-LABEL: func @vectors(
// CHECK-COUNT-4: call @log1pf
// CHECK-NOT:     call
func.func @vectors(%x: vector<4xf32>) -> vector<4xf32> {
  %a = math.log1p %x : vector<4xf32>
  return %a : vector<4xf32>
}
