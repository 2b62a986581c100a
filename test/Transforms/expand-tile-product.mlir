// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-expand-tile-product),canonicalize,cse)' --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func.func @whole_panels
// CHECK-SAME:  (%[[A:.*]]: memref<2x64xf32>, %[[B:.*]]: memref<3x64x16xf32>, %[[C:.*]]: memref<2x48xf32>)
// CHECK:       scf.for %[[P:.*]] = %c0 to %c3 step %c1 {
// CHECK-NEXT:    %[[S:.*]]:2 = scf.for %[[K:.*]] = %c0 to %c64 step %c1 iter_args(%[[S0:.*]] = %cst, %[[S1:.*]] = %cst) -> (vector<16xf32>, vector<16xf32>) {
// CHECK-NEXT:      %[[ROW:.*]] = vector.load %[[B]][%[[P]], %[[K]], %c0] : memref<3x64x16xf32>, vector<16xf32>
// CHECK-NEXT:      %[[A0:.*]] = memref.load %[[A]][%c0, %[[K]]]
// CHECK-NEXT:      %[[V0:.*]] = vector.broadcast %[[A0]] : f32 to vector<16xf32>
// CHECK-NEXT:      %[[N0:.*]] = vector.fma %[[V0]], %[[ROW]], %[[S0]] : vector<16xf32>
// CHECK-NEXT:      %[[A1:.*]] = memref.load %[[A]][%c1, %[[K]]]
// CHECK-NEXT:      %[[V1:.*]] = vector.broadcast %[[A1]] : f32 to vector<16xf32>
// CHECK-NEXT:      %[[N1:.*]] = vector.fma %[[V1]], %[[ROW]], %[[S1]] : vector<16xf32>
// CHECK-NEXT:      scf.yield %[[N0]], %[[N1]]
// CHECK:         %[[COLUMN:.*]] = arith.muli %[[P]], %c16
// CHECK-NEXT:    vector.store %[[S]]#0, %[[C]][%c0, %[[COLUMN]]] : memref<2x48xf32>, vector<16xf32>
// CHECK-NEXT:    vector.store %[[S]]#1, %[[C]][%c1, %[[COLUMN]]] : memref<2x48xf32>, vector<16xf32>
// CHECK-NEXT:  }
// CHECK-NEXT:  return
func.func @whole_panels(%a: memref<2x64xf32>, %b: memref<3x64x16xf32>, %c: memref<2x48xf32>) {
  bfly.tile_product %a, %b, %c : memref<2x64xf32>, memref<3x64x16xf32>, memref<2x48xf32>
  return
}

// -----

// 20 rows are three blocks, of 7, 7 and 6. Of the one panel's 32 columns C has 19:
// a whole vector and three lanes of the second.

// CHECK-LABEL: func.func @blocks_and_rest
// CHECK:       scf.for %{{.*}} = %c0 to %c14 step %c7 {
// CHECK:         %[[S:.*]]:14 = scf.for %{{.*}} = %c0 to %c5 step %c1
// CHECK:         vector.store %[[S]]#0, %{{.*}} vector<16xf32>
// CHECK:         %[[PART:.*]] = vector.extract_strided_slice %[[S]]#1 {offsets = [0], sizes = [3], strides = [1]} : vector<16xf32> to vector<3xf32>
// CHECK:         vector.store %[[PART]], %{{.*}} vector<3xf32>
// CHECK:       scf.for {{.*}} %c5 step %c1 {{.*}} -> (vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>, vector<16xf32>) {
func.func @blocks_and_rest(%a: memref<20x5xf32>, %b: memref<1x5x32xf32>,
                           %c: memref<20x19xf32, strided<[64, 1], offset: ?>>) {
  bfly.tile_product %a, %b, %c
      : memref<20x5xf32>, memref<1x5x32xf32>, memref<20x19xf32, strided<[64, 1], offset: ?>>
  return
}

// -----

// f64 has half the lanes. Rows that are not known: blocks of 8, of 4, of one.

// CHECK-LABEL: func.func @unknown_rows
// CHECK:       %[[ROWS:.*]] = memref.dim %{{.*}}, %c0
// CHECK:       scf.for %{{.*}} = %c0 to %[[EIGHTS:.*]] step %c8 {
// CHECK:         %[[S:.*]]:8 = scf.for
// CHECK:         %[[OLD:.*]] = vector.load %{{.*}} memref<?x6xf64>, vector<6xf64>
// CHECK:         %[[NEW:.*]] = arith.addf %[[OLD]], %[[S]]#0 : vector<6xf64>
// CHECK:         vector.store %[[NEW]]
// CHECK:       scf.for %{{.*}} = %[[EIGHTS]] to %[[FOURS:.*]] step %c4 {
// CHECK:         %{{.*}}:4 = scf.for
// CHECK:       scf.for %{{.*}} = %[[FOURS]] to %[[ROWS]] step %c1 {
// CHECK:         %{{.*}} = scf.for
func.func @unknown_rows(%a: memref<?x?xf64>, %b: memref<1x?x6xf64>, %c: memref<?x6xf64>) {
  bfly.tile_product %a, %b, %c accumulate : memref<?x?xf64>, memref<1x?x6xf64>, memref<?x6xf64>
  return
}

// -----

// A panel of four vectors times eight rows would not fit in registers: two and two.

// CHECK-LABEL: func.func @wide_panel
// CHECK-COUNT-2: %{{.*}}:16 = scf.for
// CHECK-NOT:     scf.for
func.func @wide_panel(%a: memref<8x5xf32>, %b: memref<1x5x64xf32>, %c: memref<8x64xf32>) {
  bfly.tile_product %a, %b, %c : memref<8x5xf32>, memref<1x5x64xf32>, memref<8x64xf32>
  return
}

// -----

func.func @column_major(%a: memref<8x5xf32>, %b: memref<1x5x64xf32>, %c: memref<8x64xf32, strided<[1, 8]>>) {
  // expected-error @+1 {{needs a unit innermost stride of B and C}}
  bfly.tile_product %a, %b, %c : memref<8x5xf32>, memref<1x5x64xf32>, memref<8x64xf32, strided<[1, 8]>>
  return
}
