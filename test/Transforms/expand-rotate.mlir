// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-expand-rotate,cse))' | FileCheck %s

// CHECK-LABEL: func @quarters
// CHECK-SAME:    (%[[R:.*]]: f32, %[[I:.*]]: f32)
// CHECK-DAG:     %[[NR:.*]] = arith.negf %[[R]]
// CHECK-DAG:     %[[NI:.*]] = arith.negf %[[I]]
// CHECK:         return %[[R]], %[[I]], %[[I]], %[[NR]], %[[NR]], %[[NI]], %[[NI]], %[[R]]
func.func @quarters(%r: f32, %i: f32) -> (f32, f32, f32, f32, f32, f32, f32, f32) {
  %r0, %i0 = bfly.rotate %r, %i by 7 of 7 : f32
  %r1, %i1 = bfly.rotate %r, %i by 1 of 4 : f32
  %r2, %i2 = bfly.rotate %r, %i by -3 of 6 : f32
  %r3, %i3 = bfly.rotate %r, %i by -1 of 4 : f32
  return %r0, %i0, %r1, %i1, %r2, %i2, %r3, %i3 : f32, f32, f32, f32, f32, f32, f32, f32
}

// CHECK-LABEL: func @eighths
// CHECK-SAME:    (%[[R:.*]]: vector<8xf64>, %[[I:.*]]: vector<8xf64>)
// CHECK-DAG:     %[[C:.*]] = arith.constant dense<0.70710678118654757> : vector<8xf64>
// CHECK-DAG:     %[[NC:.*]] = arith.constant dense<-0.70710678118654757> : vector<8xf64>
// CHECK:         %[[S:.*]] = arith.addf %[[R]], %[[I]] fastmath<contract>
// CHECK:         %[[D:.*]] = arith.subf %[[I]], %[[R]] fastmath<contract>
// CHECK-DAG:     %[[R3:.*]] = arith.mulf %[[D]], %[[C]] fastmath<contract>
// CHECK-DAG:     %[[I3:.*]] = arith.mulf %[[S]], %[[NC]] fastmath<contract>
// CHECK:         return %[[R3]], %[[I3]]
func.func @eighths(%r: vector<8xf64>, %i: vector<8xf64>) -> (vector<8xf64>, vector<8xf64>) {
  %r3, %i3 = bfly.rotate %r, %i by 6 of 16 : vector<8xf64>
  return %r3, %i3 : vector<8xf64>, vector<8xf64>
}

// Every product may fuse with its sum.
// CHECK-LABEL: func @any
// CHECK-SAME:    (%[[R:.*]]: f32, %[[I:.*]]: f32)
// CHECK-DAG:     %[[C:.*]] = arith.constant 0.923879504 : f32
// CHECK-DAG:     %[[S:.*]] = arith.constant 0.382683426 : f32
// CHECK-DAG:     %[[RC:.*]] = arith.mulf %[[R]], %[[C]] fastmath<contract>
// CHECK-DAG:     %[[IS:.*]] = arith.mulf %[[I]], %[[S]] fastmath<contract>
// CHECK-DAG:     %[[IC:.*]] = arith.mulf %[[I]], %[[C]] fastmath<contract>
// CHECK-DAG:     %[[RS:.*]] = arith.mulf %[[R]], %[[S]] fastmath<contract>
// CHECK-DAG:     %[[RE:.*]] = arith.addf %[[RC]], %[[IS]] fastmath<contract>
// CHECK-DAG:     %[[IM:.*]] = arith.subf %[[IC]], %[[RS]] fastmath<contract>
// CHECK:         return %[[RE]], %[[IM]]
func.func @any(%r: f32, %i: f32) -> (f32, f32) {
  %r1, %i1 = bfly.rotate %r, %i by 1 of 16 : f32
  return %r1, %i1 : f32, f32
}

// What a quarter of a turn negates is added, subtracted or scaled next.
// CHECK-LABEL: func @negations
// CHECK-SAME:    (%[[R:.*]]: f32, %[[I:.*]]: f32)
// CHECK-NOT:     arith.negf
// CHECK-DAG:     %[[A:.*]] = arith.subf %[[I]], %[[R]] fastmath<contract>
// CHECK-DAG:     %[[B:.*]] = arith.addf %[[I]], %[[R]]
// CHECK-DAG:     %[[C:.*]] = arith.constant -3.000000e+00
// CHECK-DAG:     %[[D:.*]] = arith.mulf %[[R]], %[[C]]
// CHECK:         return %[[A]], %[[B]], %[[D]]
func.func @negations(%r: f32, %i: f32) -> (f32, f32, f32) {
  %three = arith.constant 3.0 : f32
  %r1, %i1 = bfly.rotate %r, %i by 1 of 4 : f32
  %a = arith.addf %i1, %i fastmath<contract> : f32
  %b = arith.subf %r1, %i1 : f32
  %c = arith.mulf %i1, %three : f32
  return %a, %b, %c : f32, f32, f32
}
