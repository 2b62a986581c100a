// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-expand-dft))' | FileCheck %s

// CHECK-LABEL: func @radix_1
// CHECK-SAME:    (%[[R:.*]]: f32, %[[I:.*]]: f32)
// CHECK-NEXT:    return %[[R]], %[[I]]
func.func @radix_1(%r: f32, %i: f32) -> (f32, f32) {
  %y:2 = bfly.dft %r, %i : f32
  return %y#0, %y#1 : f32, f32
}

// CHECK-LABEL: func @radix_2
// CHECK-SAME:    (%[[R0:.*]]: f32, %[[R1:.*]]: f32, %[[I0:.*]]: f32, %[[I1:.*]]: f32)
// CHECK-NEXT:    %[[A:.*]] = arith.addf %[[R0]], %[[R1]] fastmath<contract> : f32
// CHECK-NEXT:    %[[B:.*]] = arith.addf %[[I0]], %[[I1]] fastmath<contract> : f32
// CHECK-NEXT:    %[[C:.*]] = arith.subf %[[R0]], %[[R1]] fastmath<contract> : f32
// CHECK-NEXT:    %[[D:.*]] = arith.subf %[[I0]], %[[I1]] fastmath<contract> : f32
// CHECK-NEXT:    return %[[A]], %[[C]], %[[B]], %[[D]]
func.func @radix_2(%r0: f32, %r1: f32, %i0: f32, %i1: f32) -> (f32, f32, f32, f32) {
  %y:4 = bfly.dft %r0, %r1, %i0, %i1 : f32
  return %y#0, %y#1, %y#2, %y#3 : f32, f32, f32, f32
}

// The inverse runs the same code on imaginary and real parts, so the parts that
// are rotated come swapped.
// CHECK-LABEL: func @radix_4_inverse
// CHECK-SAME:    (%[[R:.*]]: vector<16xf32>, %[[I:.*]]: vector<16xf32>)
// CHECK:         arith.addf %[[I]], %[[I]] fastmath<contract> : vector<16xf32>
// CHECK:         %[[DI:.*]] = arith.subf %[[I]], %[[I]]
// CHECK:         %[[DR:.*]] = arith.subf %[[R]], %[[R]]
// CHECK:         %[[DI1:.*]] = arith.subf %[[I]], %[[I]]
// CHECK:         %[[DR1:.*]] = arith.subf %[[R]], %[[R]]
// CHECK:         bfly.rotate %[[DI1]], %[[DR1]] by 1 of 4 : vector<16xf32>
// CHECK-NOT:     bfly.rotate
// CHECK-COUNT-8: arith.{{addf|subf}}
// CHECK-NOT:     arith
// CHECK:         return
func.func @radix_4_inverse(%r: vector<16xf32>, %i: vector<16xf32>) -> (vector<16xf32>, vector<16xf32>) {
  %y:8 = bfly.dft inverse %r, %r, %r, %r, %i, %i, %i, %i : vector<16xf32>
  return %y#0, %y#4 : vector<16xf32>, vector<16xf32>
}

// Products of a prime radix are by reals, and fuse with the sums.
// CHECK-LABEL: func @radix_3
// CHECK:         %[[COS:.*]] = arith.constant -5.000000e-01 : f64
// CHECK:         arith.mulf %{{.*}}, %[[COS]] fastmath<contract> : f64
// CHECK:         arith.constant 0.86602540378443{{.*}} : f64
// CHECK-NOT:     bfly.rotate
// CHECK:         return
func.func @radix_3(%a: f64, %b: f64) -> (f64, f64) {
  %y:6 = bfly.dft %a, %a, %a, %b, %b, %b : f64
  return %y#1, %y#4 : f64, f64
}

// Coprime factors need no rotation.
// CHECK-LABEL: func @radix_6
// CHECK-NOT:     bfly.rotate
// CHECK:         return
func.func @radix_6(%a: f64, %b: f64) -> (f64, f64) {
  %y:12 = bfly.dft %a, %b, %a, %a, %b, %a, %b, %b, %b, %a, %b, %a : f64
  return %y#1, %y#7 : f64, f64
}

// Four rotations by odd sixteenths, four by odd eighths and one by a quarter.
// CHECK-LABEL: func @radix_16
// CHECK-DAG:     bfly.rotate %{{.*}} by 1 of 16
// CHECK-DAG:     bfly.rotate %{{.*}} by 2 of 16
// CHECK-DAG:     bfly.rotate %{{.*}} by 3 of 16
// CHECK-DAG:     bfly.rotate %{{.*}} by 2 of 16
// CHECK-DAG:     bfly.rotate %{{.*}} by 4 of 16
// CHECK-DAG:     bfly.rotate %{{.*}} by 6 of 16
// CHECK-DAG:     bfly.rotate %{{.*}} by 3 of 16
// CHECK-DAG:     bfly.rotate %{{.*}} by 6 of 16
// CHECK-DAG:     bfly.rotate %{{.*}} by 9 of 16
// CHECK-NOT:     of 16
// CHECK:         return
func.func @radix_16(%a: f32, %b: f32) -> (f32, f32) {
  %y:32 = bfly.dft %a, %b, %a, %a, %b, %a, %b, %b, %b, %a, %b, %a, %a, %a, %b, %b,
                   %b, %b, %a, %b, %b, %a, %a, %b, %a, %a, %b, %b, %a, %b, %a, %b : f32
  return %y#1, %y#17 : f32, f32
}
