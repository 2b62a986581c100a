// RUN: bfly-opt %s -bfly-set-target=target=sm_90a -bfly-expand-index-maps | FileCheck %s

// Shifts and masks for powers of two, of negative numbers too; the rest as
// -lower-affine does it. Outside of kernels nothing changes.
// CHECK-LABEL: func.func @f
// CHECK:         bfly.threads (%[[I:.*]]) in (64)
// CHECK:           arith.andi %[[I]], %c7
// CHECK:           memref.load
// CHECK:           arith.shrsi %{{.*}}, %c4
// CHECK:           memref.store
// CHECK:           arith.divsi
// CHECK-NOT:       affine.load
// CHECK:         affine.load
func.func @f(%x: memref<8xf32>, %y: memref<64xf32>) -> f32 {
  bfly.kernel "k" (%a = %x, %b = %y) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>, memref<64xf32>) {
    bfly.threads (%i) in (64) sync(none) {
      %v = affine.load %a[%i mod 8] : memref<8xf32>
      affine.store %v, %b[(-%i + 63) floordiv 16] : memref<64xf32>
      %j = affine.apply affine_map<(d0) -> (d0 floordiv 3)>(%i)
      %w = memref.load %b[%j] : memref<64xf32>
      affine.store %w, %b[%i] : memref<64xf32>
    }
    bfly.yield
  }
  %r = affine.load %x[3] : memref<8xf32>
  return %r : f32
}
