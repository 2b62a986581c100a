// RUN: bfly-opt %s -canonicalize | FileCheck %s

// A whole number of turns is nothing.
// CHECK-LABEL: func @whole_turns
// CHECK-SAME: (%[[A:.*]]: f32, %[[B:.*]]: f32)
// CHECK-NEXT: return %[[A]], %[[B]]
func.func @whole_turns(%a: f32, %b: f32) -> (f32, f32) {
  %r, %i = bfly.rotate %a, %b by 32 of 16 : f32
  return %r, %i : f32, f32
}

// Lowest terms, within one turn.
// CHECK-LABEL: func @lowest_terms
// CHECK: bfly.rotate %{{.*}}, %{{.*}} by 3 of 4 : vector<8xf32>
// CHECK: bfly.rotate %{{.*}}, %{{.*}} by 7 of 8 : vector<8xf32>
// CHECK: bfly.rotate %{{.*}}, %{{.*}} by 1 of 3 : vector<8xf32>
func.func @lowest_terms(%a: vector<8xf32>, %b: vector<8xf32>) -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>) {
  %r0, %i0 = bfly.rotate %a, %b by 12 of 16 : vector<8xf32>
  %r1, %i1 = bfly.rotate %a, %b by -1 of 8 : vector<8xf32>
  %r2, %i2 = bfly.rotate %a, %b by 10 of 3 : vector<8xf32>
  return %r0, %i0, %r1, %i1, %r2, %i2 : vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>
}

// Two rotations in a row are one, and may be none.
// CHECK-LABEL: func @merge
// CHECK-SAME: (%[[A:.*]]: f64, %[[B:.*]]: f64)
// CHECK-NEXT: %[[R:.*]], %[[I:.*]] = bfly.rotate %[[A]], %[[B]] by 7 of 12 : f64
// CHECK-NEXT: return %[[R]], %[[I]], %[[A]], %[[B]]
func.func @merge(%a: f64, %b: f64) -> (f64, f64, f64, f64) {
  %r0, %i0 = bfly.rotate %a, %b by 1 of 3 : f64
  %r1, %i1 = bfly.rotate %r0, %i0 by 1 of 4 : f64
  %r2, %i2 = bfly.rotate %r0, %i0 by 2 of 3 : f64
  return %r1, %i1, %r2, %i2 : f64, f64, f64, f64
}

// Not the two parts of one number: they stay.
// CHECK-LABEL: func @swapped
// CHECK-COUNT-2: bfly.rotate
func.func @swapped(%a: f32, %b: f32) -> (f32, f32) {
  %r0, %i0 = bfly.rotate %a, %b by 1 of 3 : f32
  %r1, %i1 = bfly.rotate %i0, %r0 by 1 of 4 : f32
  return %r1, %i1 : f32, f32
}
