// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-expand-integer-math))' | FileCheck %s

// The example of the pass's description.
// CHECK-LABEL: func @quotient
// CHECK-SAME: (%[[A:.*]]: index, %[[B:.*]]: index)
// CHECK: %[[ZERO:.*]] = arith.constant 0 : index
// CHECK: %[[IS_ZERO:.*]] = arith.cmpi eq, %[[B]], %[[ZERO]] : index
// CHECK: %[[ONE:.*]] = arith.constant 1 : index
// CHECK: %[[C:.*]] = arith.select %[[IS_ZERO]], %[[ONE]], %[[B]] : index
// CHECK: %[[Q0:.*]] = arith.divui %[[A]], %[[C]] : index
// CHECK: %[[Q:.*]] = arith.select %[[IS_ZERO]], %[[ZERO]], %[[Q0]] : index
// CHECK: return %[[Q]]
func.func @quotient(%a: index, %b: index) -> index {
  %q = arith.divui %a, %b : index
  return %q : index
}

// Nothing traps on, or lacks a value for, a constant in range.
// CHECK-LABEL: func @constants
// CHECK-NOT: arith.select
// CHECK: return
func.func @constants(%a: i32) -> (i32, i32, i32) {
  %c = arith.constant 7 : i32
  %q = arith.floordivsi %a, %c : i32
  %r = arith.remui %a, %c : i32
  %s = arith.shli %a, %c : i32
  return %q, %r, %s : i32, i32, i32
}

// The least integer over -1 traps as a division by zero does; nothing is left
// over by 1, which stands for both.
// CHECK-LABEL: func @remainder
// CHECK-SAME: (%[[A:.*]]: i32, %[[B:.*]]: i32)
// CHECK: arith.ori
// CHECK: %[[C:.*]] = arith.select
// CHECK-NEXT: %[[R:.*]] = arith.remsi %[[A]], %[[C]]
// CHECK-NEXT: return %[[R]]
func.func @remainder(%a: i32, %b: i32) -> i32 {
  %r = arith.remsi %a, %b : i32
  return %r : i32
}

// CHECK-LABEL: func @shift
// CHECK: %[[INSIDE:.*]] = arith.cmpi ule
// CHECK: arith.shrui
// CHECK-NEXT: arith.select %[[INSIDE]]
// CHECK: arith.shrsi
// CHECK-NEXT: return
func.func @shift(%a: i64, %b: i64) -> (i64, i64) {
  %s = arith.shrui %a, %b : i64
  %t = arith.shrsi %a, %b : i64
  return %s, %t : i64, i64
}

// CHECK-LABEL: func @convert
// CHECK: arith.cmpf olt
// CHECK: arith.cmpf oge
// CHECK: arith.cmpf ord
// CHECK: arith.fptosi
// CHECK-COUNT-2: arith.select
func.func @convert(%a: f32) -> i32 {
  %i = arith.fptosi %a : f32 to i32
  return %i : i32
}
