// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-approximate-math))' | FileCheck %s

// CHECK-LABEL: func @vector
func.func @vector(%x: vector<16xf32>) -> vector<16xf32> {
  // CHECK-NOT: math.exp
  // CHECK: math.fma
  %0 = math.exp %x : vector<16xf32>
  return %0 : vector<16xf32>
}

// CHECK-LABEL: func @kept
func.func @kept(%x: f32, %y: vector<8xf64>, %z: vector<16xf32>) -> (f32, vector<8xf64>, vector<16xf32>) {
  // CHECK: math.exp
  %0 = math.exp %x : f32
  // CHECK: math.exp
  %1 = math.exp %y : vector<8xf64>
  // CHECK: math.log
  %2 = math.log %z : vector<16xf32>
  return %0, %1, %2 : f32, vector<8xf64>, vector<16xf32>
}
