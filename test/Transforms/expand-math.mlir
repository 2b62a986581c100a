// RUN: bfly-opt %s -bfly-expand-math -canonicalize -cse | FileCheck %s

// CHECK-LABEL: func @cube(
// CHECK-SAME:    %[[X:.*]]: f32)
// CHECK-NEXT:    %[[SQUARE:.*]] = arith.mulf %[[X]], %[[X]] : f32
// CHECK-NEXT:    %[[CUBE:.*]] = arith.mulf %[[X]], %[[SQUARE]] : f32
// CHECK-NEXT:    return %[[CUBE]]
func.func @cube(%x: f32) -> f32 {
  %three = arith.constant 3 : i32
  %y = math.fpowi %x, %three : f32, i32
  return %y : f32
}

// CHECK-LABEL: func @reciprocal(
// CHECK:         arith.divf %{{.*}}, %{{.*}} : vector<4xf64>
func.func @reciprocal(%x: vector<4xf64>) -> vector<4xf64> {
  %minus = arith.constant dense<-1> : vector<4xi64>
  %y = math.fpowi %x, %minus : vector<4xf64>, vector<4xi64>
  return %y : vector<4xf64>
}

// The sign is the power's, whatever rounding does to the exponent.
// CHECK-LABEL: func @fpowi(
// CHECK-SAME:    %[[X:.*]]: f32, %[[N:.*]]: i32)
// CHECK-DAG:     %[[SIZE:.*]] = math.absf %[[X]]
// CHECK-DAG:     %[[REAL:.*]] = arith.sitofp %[[N]]
// CHECK:         math.powf %[[SIZE]], %[[REAL]]
// CHECK:         math.copysign
// CHECK-NOT:     math.fpowi
func.func @fpowi(%x: f32, %n: i32) -> f32 {
  %y = math.fpowi %x, %n : f32, i32
  return %y : f32
}

// CHECK-LABEL: func @ipowi(
// CHECK-NOT:     math
// CHECK-COUNT-12: arith.muli
// CHECK-NOT:     math
// CHECK:         return
func.func @ipowi(%x: i8, %n: i8) -> i8 {
  %y = math.ipowi %x, %n : i8
  return %y : i8
}

// CHECK-LABEL: func @clamp(
// CHECK-SAME:    %[[X:.*]]: f32, %[[LOW:.*]]: f32, %[[HIGH:.*]]: f32)
// CHECK-NEXT:    %[[M:.*]] = arith.maximumf %[[X]], %[[LOW]]
// CHECK-NEXT:    arith.minimumf %[[M]], %[[HIGH]]
func.func @clamp(%x: f32, %low: f32, %high: f32) -> f32 {
  %y = math.clampf %x to [%low, %high] : f32
  return %y : f32
}

// CHECK-LABEL: func @both(
// CHECK-DAG:     math.sin
// CHECK-DAG:     math.cos
// CHECK-NOT:     math.sincos
func.func @both(%x: f32) -> (f32, f32) {
  %s, %c = math.sincos %x : f32
  return %s, %c : f32, f32
}

// CHECK-LABEL: func @classes(
// CHECK-SAME:    %[[X:.*]]: f64)
// CHECK-NOT:     math.is
// CHECK:         arith.cmpf uno, %[[X]], %[[X]]
// CHECK-NOT:     math.is
func.func @classes(%x: f64) -> (i1, i1, i1, i1) {
  %a = math.isnan %x : f64
  %b = math.isinf %x : f64
  %c = math.isfinite %x : f64
  %d = math.isnormal %x : f64
  return %a, %b, %c, %d : i1, i1, i1, i1
}

// CHECK-LABEL: func @half(
// CHECK-SAME:    %[[X:.*]]: vector<8xbf16>)
// CHECK-NEXT:    %[[WIDE:.*]] = arith.extf %[[X]] : vector<8xbf16> to vector<8xf32>
// CHECK-NEXT:    %[[ERF:.*]] = math.erf %[[WIDE]] : vector<8xf32>
// CHECK-NEXT:    arith.truncf %[[ERF]] : vector<8xf32> to vector<8xbf16>
func.func @half(%x: vector<8xbf16>) -> vector<8xbf16> {
  %y = math.erf %x : vector<8xbf16>
  return %y : vector<8xbf16>
}
