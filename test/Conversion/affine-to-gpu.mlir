// RUN: bfly-opt %s -bfly-set-target=target=sm_90a -bfly-convert-affine-to-gpu -canonicalize -cse -split-input-file | FileCheck %s

// Two phases: blocks take units in turn, all wait in between, and the last to
// leave puts the counters back. Scratch memory is the host's; shared memory a
// view of the block's; registers are each thread's own.
// CHECK-LABEL: func.func @phases
// CHECK-SAME:    (%[[X:.*]]: memref<?x64xf32>, %[[Y:.*]]: memref<?x64xf32>)
// CHECK:         %[[BATCH:.*]] = memref.dim %[[X]]
// CHECK:         %[[SCRATCH:.*]] = memref.alloc(%[[BATCH]])
// CHECK:         %[[SMS:.*]] = llvm.call @bflyCudaMultiprocessors
// CHECK:         %[[COUNTERS:.*]] = llvm.call @bflyCudaCounters
// CHECK:         gpu.launch_func @phases_k_0::@phases_k_0
// CHECK-SAME:      dynamic_shared_memory_size %c256_i32 args(%[[X]] : {{.*}}, %[[Y]] : {{.*}}, %[[SCRATCH]] : {{.*}}, %[[COUNTERS]] : !llvm.ptr) {bfly.cooperative}
// CHECK-NOT:     gpu.launch_func
// CHECK:         memref.dealloc %[[SCRATCH]]
// CHECK:         gpu.module @phases_k_0
// CHECK-COUNT-1: gpu.func @phases_k_0
// CHECK-DAG:       %[[T:.*]] = gpu.thread_id x
// CHECK-DAG:       %[[BLOCK:.*]] = gpu.block_id x
// CHECK-DAG:       %[[BLOCKS:.*]] = gpu.grid_dim x
// CHECK-DAG:       %[[R:.*]] = memref.alloca() : memref<2xf32, #gpu.address_space<private>>
// CHECK-DAG:       %[[SHARED:.*]] = bfly.shared_memory
// CHECK:           scf.for %[[UNIT:.*]] = %[[BLOCK]] to %{{.*}} step %[[BLOCKS]] {
// CHECK:             %[[S:.*]] = memref.view %[[SHARED]][%c0][] : {{.*}} to memref<64xf32, #gpu.address_space<workgroup>>
// CHECK:             scf.if
// CHECK:               memref.store %{{.*}}, %[[S]][%[[T]]]
// CHECK:             gpu.barrier
// CHECK:             scf.for
// CHECK:             gpu.barrier
// CHECK:           }
// CHECK:           bfly.grid_barrier %{{.*}} : !llvm.ptr
// CHECK:           scf.for
// CHECK:           bfly.grid_barrier %{{.*}} last : !llvm.ptr
// CHECK:           gpu.return
func.func @phases(%x: memref<?x64xf32>, %y: memref<?x64xf32>) {
  bfly.kernel "k" (%a = %x, %b = %y) plan <machine = "sm_90a", lanes = 1, tile = 1,
      radices = [], groups = [], parallel = "tile", threads = 128> : (memref<?x64xf32>, memref<?x64xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c64 = arith.constant 64 : index
    %c128 = arith.constant 128 : index
    %c256 = arith.constant 256 : index
    %n = memref.dim %a, %c0 : memref<?x64xf32>
    %scratch = memref.alloc(%n) : memref<?x64xf32>
    scf.parallel (%unit) = (%c0) to (%n) step (%c1) {
      %s = memref.alloc() : memref<64xf32, #gpu.address_space<workgroup>>
      %r = memref.alloc() : memref<128x2xf32, #gpu.address_space<private>>
      scf.parallel (%t) = (%c0) to (%c64) step (%c1) {
        %v = memref.load %a[%unit, %t] : memref<?x64xf32>
        memref.store %v, %s[%t] : memref<64xf32, #gpu.address_space<workgroup>>
      }
      scf.parallel (%t) = (%c0) to (%c128) step (%c1) {
        %i = arith.remui %t, %c64 : index
        %v = memref.load %s[%i] : memref<64xf32, #gpu.address_space<workgroup>>
        memref.store %v, %r[%t, %c1] : memref<128x2xf32, #gpu.address_space<private>>
      }
      scf.parallel (%t) = (%c0) to (%c256) step (%c1) {
        %i = arith.remui %t, %c64 : index
        %v = memref.load %s[%i] : memref<64xf32, #gpu.address_space<workgroup>>
        memref.store %v, %scratch[%unit, %i] : memref<?x64xf32>
      }
      scf.parallel (%t) = (%c0) to (%c128) step (%c1) {
        %i = arith.remui %t, %c64 : index
        %v = memref.load %r[%t, %c1] : memref<128x2xf32, #gpu.address_space<private>>
        memref.store %v, %scratch[%unit, %i] : memref<?x64xf32>
      }
    }
    scf.parallel (%unit, %i) = (%c0, %c0) to (%n, %c64) step (%c1, %c1) {
      %v = memref.load %scratch[%unit, %i] : memref<?x64xf32>
      memref.store %v, %b[%unit, %i] : memref<?x64xf32>
    }
    memref.dealloc %scratch : memref<?x64xf32>
    bfly.yield
  }
  return
}

// -----

// A loop that is nobody's becomes a kernel of its own, of one phase.
// CHECK-LABEL: func.func @loose
// CHECK:         gpu.launch_func @loose_loops_0::@loose_loops_0
// CHECK:       gpu.func @loose_loops_0
// CHECK:         %[[FIRST:.*]] = arith.muli %{{.*}}, %c256
// CHECK:         scf.for
// CHECK-NOT:     gpu.barrier
// CHECK-NOT:     bfly.grid_barrier
func.func @loose(%x: memref<64x5xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c5 = arith.constant 5 : index
  %c64 = arith.constant 64 : index
  scf.parallel (%i, %j) = (%c0, %c0) to (%c64, %c5) step (%c1, %c1) {
    %v = memref.load %x[%i, %j] : memref<64x5xf32>
    %w = arith.addf %v, %v : f32
    memref.store %w, %x[%i, %j] : memref<64x5xf32>
  }
  return
}

// -----

#ws = #gpu.address_space<workgroup>
#pv = #gpu.address_space<private>

// A ring of two rows: two mbarriers each; the first thread copies, every warp
// releases what it has read.
// CHECK-LABEL: gpu.func @stream_k_0
// CHECK:         %[[BARS:.*]] = memref.view %{{.*}}[%c0][] : {{.*}} to memref<4xi64, #gpu.address_space<workgroup>>
// CHECK-COUNT-2: bfly.mbarrier_init %[[BARS]][%{{.*}}] count 1
// CHECK-COUNT-2: bfly.mbarrier_init %[[BARS]][%{{.*}}] count 4
// CHECK:         nvvm.fence.mbarrier.init
// CHECK:         scf.if
// CHECK:           bfly.mbarrier_wait
// CHECK:           bfly.mbarrier_arrive %[[BARS]][%{{.*}}] bytes 5120
// CHECK:           bfly.bulk_copy %{{.*}} to %{{.*}} counted at %[[BARS]]
// CHECK:           bfly.bulk_copy %{{.*}} to %{{.*}} counted at %[[BARS]]
// CHECK:         bfly.mbarrier_wait
// CHECK:         nvvm.wgmma.fence.aligned
// CHECK:         bfly.wgmma %{{.*}}, %[[B:.*]], %[[SUMS:[^ ]*]] :
// CHECK:         bfly.wgmma %{{.*}}, %[[B]], %[[SUMS]] accumulate negate :
// CHECK:         nvvm.wgmma.commit.group.sync.aligned
// CHECK:         scf.for
// CHECK:           bfly.wgmma {{.*}} accumulate :
// CHECK:           bfly.wgmma {{.*}} accumulate negate :
// CHECK:           nvvm.wgmma.wait.group.sync.aligned 1
// CHECK:           bfly.mbarrier_arrive
// CHECK:           bfly.bulk_copy
// CHECK:         nvvm.wgmma.wait.group.sync.aligned 0
func.func @stream(%x: memref<4x2x1x8x2x8x8xbf16>, %w: memref<4x1x4x2x8x8xbf16>, %y: memref<128x16xf32>) {
  bfly.kernel "k" (%a = %x, %b = %w, %c = %y) plan <machine = "sm_90a", lanes = 1, tile = 1,
      radices = [], groups = [], parallel = "tile", threads = 128>
      : (memref<4x2x1x8x2x8x8xbf16>, memref<4x1x4x2x8x8xbf16>, memref<128x16xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c128 = arith.constant 128 : index
    scf.parallel (%unit) = (%c0) to (%c1) step (%c1) {
      %r = memref.alloc() : memref<128x16xf32, #pv>
      %ring = memref.alloc() : memref<2x5120xi8, #ws>
      bfly.stream_product %a, %b, %r through %ring products [1, 0] minus [0]
          : memref<4x2x1x8x2x8x8xbf16>, memref<4x1x4x2x8x8xbf16>, memref<128x16xf32, #pv>, memref<2x5120xi8, #ws>
      scf.parallel (%t) = (%c0) to (%c128) step (%c1) {
        %v = memref.load %r[%t, %c1] : memref<128x16xf32, #pv>
        memref.store %v, %c[%t, %c1] : memref<128x16xf32>
      }
    }
    bfly.yield
  }
  return
}

// -----

#ws = #gpu.address_space<workgroup>
#pv = #gpu.address_space<private>

// What threads wrote to shared memory the matrix units read through another
// proxy: a fence before the barrier.
// CHECK-LABEL: gpu.func @product_k_0
// CHECK:         nvvm.fence.proxy {kind = #nvvm.proxy_kind<async>}
// CHECK-NEXT:    gpu.barrier
// CHECK:         nvvm.wgmma.fence.aligned
// CHECK:         bfly.wgmma {{.*}} accumulate
// CHECK:         nvvm.wgmma.wait.group.sync.aligned 0
// CHECK-NEXT:    gpu.barrier
func.func @product(%y: memref<128x16xf32>) {
  bfly.kernel "k" (%c = %y) plan <machine = "sm_90a", lanes = 1, tile = 1,
      radices = [], groups = [], parallel = "tile", threads = 128> : (memref<128x16xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c128 = arith.constant 128 : index
    %zero = arith.constant 0.0 : bf16
    scf.parallel (%unit) = (%c0) to (%c1) step (%c1) {
      %r = memref.alloc() : memref<128x16xf32, #pv>
      %a = memref.alloc() : memref<1x8x2x8x8xbf16, #ws>
      %b = memref.alloc() : memref<4x2x8x8xbf16, #ws>
      scf.parallel (%t) = (%c0) to (%c128) step (%c1) {
        memref.store %zero, %b[%c0, %c0, %c0, %c0] : memref<4x2x8x8xbf16, #ws>
      }
      bfly.matrix_product %a, %b, %r accumulate : memref<1x8x2x8x8xbf16, #ws>, memref<4x2x8x8xbf16, #ws>, memref<128x16xf32, #pv>
      scf.parallel (%t) = (%c0) to (%c128) step (%c1) {
        %v = memref.load %r[%t, %c1] : memref<128x16xf32, #pv>
        memref.store %v, %c[%t, %c1] : memref<128x16xf32>
      }
    }
    bfly.yield
  }
  return
}
