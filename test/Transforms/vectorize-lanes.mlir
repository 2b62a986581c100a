// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-vectorize-lanes))' --split-input-file | FileCheck %s

// One full vector: no loop is left. Pure index arithmetic and lane-independent
// loads stay scalar.

// CHECK-LABEL: func.func @one_vector
// CHECK-SAME:  (%[[X:.*]]: memref<8x16xf32>, %[[B:.*]]: memref<8xf32>, %[[Y:.*]]: memref<8x16xf32>)
// CHECK-NEXT:  affine.for %[[N:.*]] = 0 to 8 {
// CHECK-NEXT:    %[[V:.*]] = affine.vector_load %[[X]][%[[N]], 0] : memref<8x16xf32>, vector<16xf32>
// CHECK-NEXT:    %[[S:.*]] = affine.load %[[B]][%[[N]]]
// CHECK-NEXT:    %[[BV:.*]] = vector.broadcast %[[S]] : f32 to vector<16xf32>
// CHECK-NEXT:    %[[P:.*]] = arith.mulf %[[V]], %[[BV]] fastmath<contract> : vector<16xf32>
// CHECK-NEXT:    affine.vector_store %[[P]], %[[Y]][%[[N]], 0] : memref<8x16xf32>, vector<16xf32>
// CHECK-NEXT:  }
func.func @one_vector(%x: memref<8x16xf32>, %b: memref<8xf32>, %y: memref<8x16xf32>) {
  affine.for %n = 0 to 8 {
    affine.for %c = 0 to 16 {
      %0 = affine.load %x[%n, %c] : memref<8x16xf32>
      %1 = affine.load %b[%n] : memref<8xf32>
      %2 = arith.mulf %0, %1 fastmath<contract> : f32
      affine.store %2, %y[%n, %c] : memref<8x16xf32>
    } {bfly.lanes}
  }
  return
}

// -----

// Three vectors are a loop, and four lanes are left; a constant is a splat.

// CHECK-LABEL: func.func @loop_and_rest
// CHECK:       affine.for %[[C:.*]] = 0 to 48 step 16 {
// CHECK:         %[[V:.*]] = affine.vector_load %{{.*}}[%[[C]] + symbol(%{{.*}})] : memref<100xf32, strided<[1], offset: ?>>, vector<16xf32>
// CHECK:         %[[S:.*]] = arith.constant dense<2.000000e+00> : vector<16xf32>
// CHECK:         arith.mulf %[[V]], %[[S]] : vector<16xf32>
// CHECK:         affine.vector_store %{{.*}}, %{{.*}}[%[[C]]]
// CHECK:       }
// CHECK:       affine.vector_load %{{.*}}[symbol(%{{.*}}) + 48] : memref<100xf32, strided<[1], offset: ?>>, vector<4xf32>
// CHECK:       affine.vector_store %{{.*}}, %{{.*}}[48] : memref<52xf32>, vector<4xf32>
// CHECK-NOT:   bfly.lanes
func.func @loop_and_rest(%x: memref<100xf32, strided<[1], offset: ?>>, %y: memref<52xf32>, %at: index) {
  %two = arith.constant 2.0 : f32
  affine.parallel (%c) = (0) to (52) {
    %i = affine.apply affine_map<(d0)[s0] -> (d0 + s0)>(%c)[%at]
    %0 = affine.load %x[%i] : memref<100xf32, strided<[1], offset: ?>>
    %1 = arith.mulf %0, %two : f32
    affine.store %1, %y[%c] : memref<52xf32>
  } {bfly.lanes}
  return
}

// -----

// f64: half the lanes. Loops inside carry vectors; conditions stay scalar.

// CHECK-LABEL: func.func @outer_loop
// CHECK:       %[[Z:.*]] = arith.constant dense<0.000000e+00> : vector<8xf64>
// CHECK:       %[[SUM:.*]] = affine.for %[[K:.*]] = 0 to 32 iter_args(%[[ACC:.*]] = %[[Z]]) -> (vector<8xf64>) {
// CHECK:         %[[W:.*]] = affine.vector_load %{{.*}}[%[[K]], 0] : memref<32x8xf64>, vector<8xf64>
// CHECK:         %[[A:.*]] = affine.load %{{.*}}[%[[K]]] : memref<32xf64>
// CHECK:         vector.broadcast %[[A]]
// CHECK:         %[[F:.*]] = math.fma %{{.*}}, %[[W]], %[[ACC]] : vector<8xf64>
// CHECK:         affine.yield %[[F]] : vector<8xf64>
// CHECK:       } {bfly.note}
// CHECK:       affine.if
// CHECK:         affine.vector_store %[[SUM]], %{{.*}}[0] : memref<8xf64>, vector<8xf64>
// CHECK:       } else {
// CHECK:         arith.negf %[[SUM]] : vector<8xf64>
func.func @outer_loop(%a: memref<32xf64>, %w: memref<32x8xf64>, %y: memref<8xf64>, %n: index) {
  %zero = arith.constant 0.0 : f64
  affine.for %c = 0 to 8 {
    %s = affine.for %k = 0 to 32 iter_args(%acc = %zero) -> f64 {
      %0 = affine.load %w[%k, %c] : memref<32x8xf64>
      %1 = affine.load %a[%k] : memref<32xf64>
      %2 = math.fma %1, %0, %acc : f64
      affine.yield %2 : f64
    } {bfly.note}
    affine.if affine_set<()[s0] : (s0 - 4 >= 0)>()[%n] {
      affine.store %s, %y[%c] : memref<8xf64>
    } else {
      %m = arith.negf %s : f64
      affine.store %m, %y[%c] : memref<8xf64>
    }
  } {bfly.lanes}
  return
}

// -----

// Storage is narrower than compute, and registers hold a transform.

// CHECK-LABEL: func.func @narrow
// CHECK:       affine.vector_load {{.*}} vector<16xbf16>
// CHECK:       arith.extf %{{.*}} : vector<16xbf16> to vector<16xf32>
// CHECK:       bfly.dft %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : vector<16xf32>
// CHECK:       bfly.rotate %{{.*}}, %{{.*}} by 1 of 8 : vector<16xf32>
// CHECK:       arith.cmpf olt, {{.*}} : vector<16xf32>
// CHECK:       arith.select {{.*}} : vector<16xi1>, vector<16xf32>
// CHECK:       arith.truncf %{{.*}} : vector<16xf32> to vector<16xbf16>
func.func @narrow(%x: memref<2x16xbf16>, %y: memref<2x16xbf16>) {
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, %c] : memref<2x16xbf16>
    %1 = affine.load %x[1, %c] : memref<2x16xbf16>
    %2 = arith.extf %0 : bf16 to f32
    %3 = arith.extf %1 : bf16 to f32
    %4:4 = bfly.dft %2, %3, %2, %3 : f32
    %r, %i = bfly.rotate %4#1, %4#3 by 1 of 8 : f32
    %5 = arith.cmpf olt, %r, %i : f32
    %6 = arith.select %5, %r, %i : f32
    %7 = arith.truncf %6 : f32 to bf16
    affine.store %7, %y[0, %c] : memref<2x16xbf16>
  } {bfly.lanes}
  return
}

// -----

// Sums and maxima: vector accumulators, reduced at the end, the rest too.

// CHECK-LABEL: func.func @reductions
// CHECK-SAME:  %[[S0:[a-z0-9]*]]: f32, %[[M0:[a-z0-9]*]]: f32
// CHECK-DAG:   %[[NS:.*]] = arith.constant dense<{{-?}}0.000000e+00> : vector<16xf32>
// CHECK-DAG:   %[[NM:.*]] = arith.constant dense<0xFF800000> : vector<16xf32>
// CHECK:       %[[R:.*]]:2 = affine.for %{{.*}} = 0 to 64 step 16 iter_args(%{{.*}} = %[[NS]], %{{.*}} = %[[NM]]) -> (vector<16xf32>, vector<16xf32>)
// CHECK:       %[[S1:.*]] = vector.reduction <add>, %[[R]]#0, %[[S0]] fastmath<reassoc> : vector<16xf32> into f32
// CHECK:       %[[M1:.*]] = vector.reduction <maximumf>, %[[R]]#1, %[[M0]]
// CHECK:       %[[X:.*]] = affine.vector_load %{{.*}}[64] : memref<67xf32>, vector<3xf32>
// CHECK:       %[[S2:.*]] = vector.reduction <add>, %{{.*}}, %[[S1]] fastmath<reassoc> : vector<3xf32> into f32
// CHECK:       %[[M2:.*]] = vector.reduction <maximumf>, %{{.*}}, %[[M1]]
// CHECK:       return %[[S2]], %[[M2]]
func.func @reductions(%x: memref<67xf32>, %s0: f32, %m0: f32) -> (f32, f32) {
  %r:2 = affine.for %c = 0 to 67 iter_args(%s = %s0, %m = %m0) -> (f32, f32) {
    %0 = affine.load %x[%c] : memref<67xf32>
    %1 = arith.addf %s, %0 : f32
    %2 = arith.maximumf %m, %0 : f32
    affine.yield %1, %2 : f32, f32
  } {bfly.lanes}
  return %r#0, %r#1 : f32, f32
}

// -----

// Of nested lane loops the innermost.

// CHECK-LABEL: func.func @nested
// CHECK:       affine.for %[[N:.*]] = 0 to 16 {
// CHECK-NEXT:    affine.vector_load %{{.*}}[%[[N]], 0] : memref<16x5xf32>, vector<5xf32>
// CHECK-NEXT:    affine.vector_store
// CHECK-NEXT:  }
// CHECK-NEXT:  return
func.func @nested(%x: memref<16x5xf32>) {
  affine.for %n = 0 to 16 {
    affine.for %c = 0 to 5 {
      %0 = affine.load %x[%n, %c] : memref<16x5xf32>
      affine.store %0, %x[%n, %c] : memref<16x5xf32>
    } {bfly.lanes}
  } {bfly.lanes}
  return
}

// -----

// What has no vector form stays a loop, unmarked.

// CHECK-LABEL: func.func @scalar
// CHECK-NOT:   vector
// CHECK-NOT:   bfly.lanes
// CHECK:       return
func.func @scalar(%x: memref<16x16xf32>, %f: memref<16xf32, strided<[2]>>, %i: memref<16xindex>,
                  %n: index, %init: f32) -> f32 {
  // Lanes are rows.
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[%c, 0] : memref<16x16xf32>
    affine.store %0, %x[%c, 1] : memref<16x16xf32>
  } {bfly.lanes}
  // Strides.
  affine.for %c = 0 to 8 {
    %0 = affine.load %x[0, %c * 2] : memref<16x16xf32>
    affine.store %0, %x[1, %c] : memref<16x16xf32>
  } {bfly.lanes}
  affine.for %c = 0 to 16 {
    %0 = affine.load %f[%c] : memref<16xf32, strided<[2]>>
    affine.store %0, %x[0, %c] : memref<16x16xf32>
  } {bfly.lanes}
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, %c mod 4] : memref<16x16xf32>
    affine.store %0, %x[1, %c] : memref<16x16xf32>
  } {bfly.lanes}
  // The diagonal.
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[%c, %c] : memref<16x16xf32>
    affine.store %0, %x[0, %c] : memref<16x16xf32>
  } {bfly.lanes}
  // The lane as a number.
  affine.for %c = 0 to 16 {
    %0 = arith.index_cast %c : index to i32
    %1 = arith.sitofp %0 : i32 to f32
    affine.store %1, %x[0, %c] : memref<16x16xf32>
  } {bfly.lanes}
  // Everybody writes one place.
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, %c] : memref<16x16xf32>
    affine.store %0, %x[1, 0] : memref<16x16xf32>
  } {bfly.lanes}
  // Bounds that move with the lane.
  affine.for %c = 0 to 16 {
    affine.for %k = 0 to affine_map<(d0) -> (d0)>(%c) {
      %0 = affine.load %x[%k, %c] : memref<16x16xf32>
      affine.store %0, %x[0, %c] : memref<16x16xf32>
    }
  } {bfly.lanes}
  affine.for %c = 0 to 16 {
    affine.if affine_set<(d0) : (d0 - 4 >= 0)>(%c) {
      %0 = affine.load %x[1, %c] : memref<16x16xf32>
      affine.store %0, %x[0, %c] : memref<16x16xf32>
    }
  } {bfly.lanes}
  // Unknown length, another start or step.
  affine.for %c = 0 to %n {
    %0 = affine.load %x[1, %c] : memref<16x16xf32>
    affine.store %0, %x[0, %c] : memref<16x16xf32>
  } {bfly.lanes}
  affine.for %c = 1 to 16 {
    %0 = affine.load %x[1, %c] : memref<16x16xf32>
    affine.store %0, %x[0, %c] : memref<16x16xf32>
  } {bfly.lanes}
  affine.parallel (%c) = (0) to (16) step (2) {
    %0 = affine.load %x[1, %c] : memref<16x16xf32>
    affine.store %0, %x[0, %c] : memref<16x16xf32>
  } {bfly.lanes}
  // A product, and a sum that is looked at, are not reductions here.
  %p = affine.for %c = 0 to 16 iter_args(%s = %init) -> f32 {
    %0 = affine.load %x[1, %c] : memref<16x16xf32>
    %1 = arith.mulf %0, %s : f32
    affine.yield %1 : f32
  } {bfly.lanes}
  %q = affine.for %c = 0 to 16 iter_args(%s = %p) -> f32 {
    %0 = affine.load %x[1, %c] : memref<16x16xf32>
    %1 = arith.addf %0, %s : f32
    affine.store %1, %x[2, %c] : memref<16x16xf32>
    affine.yield %1 : f32
  } {bfly.lanes}
  // Not numbers.
  affine.for %c = 0 to 16 {
    %0 = affine.load %i[%c] : memref<16xindex>
    affine.store %0, %i[%c] : memref<16xindex>
  } {bfly.lanes}
  return %q : f32
}

// -----

// The mark is no promise: lanes that read or write what an earlier lane writes
// stay a loop, where all of them together would do something else.

// CHECK-LABEL: func @dependent(
// CHECK-NOT: vector
// CHECK: return
func.func @dependent(%x: memref<2x64xf32>, %n: index) {
  %view = memref.subview %x[0, 1] [1, 63] [1, 1]
      : memref<2x64xf32> to memref<63xf32, strided<[1], offset: 1>>
  // The lane before wrote it: by this name, by another one, or perhaps.
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, %c] : memref<2x64xf32>
    affine.store %0, %x[0, %c + 1] : memref<2x64xf32>
  } {bfly.lanes}
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, %c] : memref<2x64xf32>
    affine.store %0, %view[%c] : memref<63xf32, strided<[1], offset: 1>>
  } {bfly.lanes}
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, %c] : memref<2x64xf32>
    affine.store %0, %x[0, %c + symbol(%n)] : memref<2x64xf32>
  } {bfly.lanes}
  // A lane writes over what the one before wrote later.
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[1, %c] : memref<2x64xf32>
    affine.store %0, %x[0, %c] : memref<2x64xf32>
    affine.store %0, %x[0, %c + 1] : memref<2x64xf32>
  } {bfly.lanes}
  // One loop in the lanes: its iterations meet those of other lanes.
  affine.for %c = 0 to 16 {
    affine.for %k = 0 to 3 {
      %0 = affine.load %x[1, %c] : memref<2x64xf32>
      affine.store %0, %x[0, %c + %k] : memref<2x64xf32>
    }
  } {bfly.lanes}
  // The first lane changes what all lanes read.
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, 0] : memref<2x64xf32>
    %1 = arith.addf %0, %0 : f32
    affine.store %1, %x[0, %c] : memref<2x64xf32>
  } {bfly.lanes}
  return
}

// Two arguments of a private function may be the same buffer.

// CHECK-LABEL: func private @callee(
// CHECK-NOT: vector
// CHECK: return
func.func private @callee(%x: memref<64xf32>, %y: memref<64xf32>) {
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[%c] : memref<64xf32>
    affine.store %0, %y[%c + 1] : memref<64xf32>
  } {bfly.lanes}
  return
}

// -----

// Dependences that vectors keep: in one lane, on a place written before in the
// body, on one too far away, in another row.

// CHECK-LABEL: func @kept(
// CHECK-COUNT-11: affine.vector_
// CHECK-NOT: affine.for
// CHECK: return
func.func @kept(%x: memref<2x64xf32>) {
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, %c] : memref<2x64xf32>
    affine.store %0, %x[0, %c] : memref<2x64xf32>
  } {bfly.lanes}
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[1, %c] : memref<2x64xf32>
    affine.store %0, %x[0, %c + 1] : memref<2x64xf32>
    affine.store %0, %x[0, %c] : memref<2x64xf32>
  } {bfly.lanes}
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, %c + 16] : memref<2x64xf32>
    affine.store %0, %x[0, %c] : memref<2x64xf32>
  } {bfly.lanes}
  affine.for %c = 0 to 16 {
    %0 = affine.load %x[0, %c + 3] : memref<2x64xf32>
    %1 = affine.load %x[1, %c] : memref<2x64xf32>
    %2 = arith.addf %0, %1 : f32
    affine.store %2, %x[0, %c] : memref<2x64xf32>
    affine.store %2, %x[0, %c + 32] : memref<2x64xf32>
  } {bfly.lanes}
  return
}
