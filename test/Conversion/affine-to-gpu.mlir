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
  bfly.kernel "k" (%a = %x, %b = %y) plan [#bfly.gpu_block<threads = 128>] : (memref<?x64xf32>, memref<?x64xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c64 = arith.constant 64 : index
    %n = memref.dim %a, %c0 : memref<?x64xf32>
    %scratch = memref.alloc(%n) : memref<?x64xf32>
    bfly.grid (%unit) in (%n) sync(grid) {
      %s = memref.alloc() : memref<64xf32, #gpu.address_space<workgroup>>
      %r = memref.alloc() : memref<128x2xf32, #gpu.address_space<private>>
      bfly.threads (%t) in (64) sync(block) {
        %v = memref.load %a[%unit, %t] : memref<?x64xf32>
        memref.store %v, %s[%t] : memref<64xf32, #gpu.address_space<workgroup>>
      }
      bfly.threads (%t) in (128) sync(block) {
        %i = arith.remui %t, %c64 : index
        %v = memref.load %s[%i] : memref<64xf32, #gpu.address_space<workgroup>>
        memref.store %v, %r[%t, %c1] : memref<128x2xf32, #gpu.address_space<private>>
      }
      bfly.threads (%t) in (256) sync(block) {
        %i = arith.remui %t, %c64 : index
        %v = memref.load %s[%i] : memref<64xf32, #gpu.address_space<workgroup>>
        memref.store %v, %scratch[%unit, %i] : memref<?x64xf32>
      }
      bfly.threads (%t) in (128) sync(block) {
        %i = arith.remui %t, %c64 : index
        %v = memref.load %r[%t, %c1] : memref<128x2xf32, #gpu.address_space<private>>
        memref.store %v, %scratch[%unit, %i] : memref<?x64xf32>
      }
    }
    bfly.threads (%unit, %i) in (%n, 64) sync(none) {
      %v = memref.load %scratch[%unit, %i] : memref<?x64xf32>
      memref.store %v, %b[%unit, %i] : memref<?x64xf32>
    }
    memref.dealloc %scratch : memref<?x64xf32>
    bfly.yield
  }
  return
}

// -----

// Barriers are where they are spelled; iterations of several dimensions are counted as one.
// CHECK-LABEL: gpu.func @spelled_k_0
// CHECK:         %[[T:.*]] = gpu.thread_id x
// CHECK:         scf.for
// CHECK:           arith.remui %[[T]], %c16
// CHECK:           arith.divui %[[T]], %c16
// CHECK-NOT:       gpu.barrier
// CHECK:           scf.if
// CHECK:           gpu.barrier
// CHECK-NOT:       gpu.barrier
// CHECK:         }
// CHECK-NOT:     bfly.grid_barrier
// CHECK:         gpu.return
func.func @spelled(%x: memref<4x8x16xf32>) {
  bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 128>] : (memref<4x8x16xf32>) {
    bfly.grid (%unit) in (4) sync(none) {
      bfly.threads (%i, %j) in (8, 16) sync(none) {
        %v = memref.load %a[%unit, %i, %j] : memref<4x8x16xf32>
        memref.store %v, %a[%unit, %i, %j] : memref<4x8x16xf32>
      }
      bfly.threads (%i) in (8) sync(block) {
        %v = memref.load %a[%unit, %i, %i] : memref<4x8x16xf32>
        memref.store %v, %a[%unit, %i, %i] : memref<4x8x16xf32>
      }
    }
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

// Bounds and steps are where its numbers come from; a parallel loop in it is serial.
// CHECK-LABEL: gpu.func @nested_loops_0
// CHECK-SAME:    (%{{.*}}: memref<?x5xf32>, %[[N:.*]]: index,
// CHECK:         %[[SPAN:.*]] = arith.subi %[[N]], %c3
// CHECK:         %[[COUNT:.*]] = arith.ceildivui %[[SPAN]], %c2
// CHECK:         scf.for %[[K:.*]] = %{{.*}} to %[[COUNT]]
// CHECK:           %[[EVEN:.*]] = arith.muli %[[K]], %c2
// CHECK:           %[[I:.*]] = arith.addi %[[EVEN]], %c3
// CHECK:           scf.for %[[J:.*]] = %c0 to %c5 step %c1
// CHECK:             memref.load %{{.*}}[%[[I]], %[[J]]]
func.func @nested(%x: memref<?x5xf32>, %n: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c5 = arith.constant 5 : index
  scf.parallel (%i) = (%c3) to (%n) step (%c2) {
    scf.parallel (%j) = (%c0) to (%c5) step (%c1) {
      %v = memref.load %x[%i, %j] : memref<?x5xf32>
      %w = arith.addf %v, %v : f32
      memref.store %w, %x[%i, %j] : memref<?x5xf32>
    }
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
  bfly.kernel "k" (%a = %x, %b = %w, %c = %y) plan [#bfly.gpu_block<threads = 128>]
      : (memref<4x2x1x8x2x8x8xbf16>, memref<4x1x4x2x8x8xbf16>, memref<128x16xf32>) {
    %c1 = arith.constant 1 : index
    bfly.grid (%unit) in (1) sync(none) {
      %r = memref.alloc() : memref<128x16xf32, #pv>
      %ring = memref.alloc() : memref<2x5120xi8, #ws>
      bfly.stream_product %a, %b, %r through %ring products [1, 0] minus [0]
          : memref<4x2x1x8x2x8x8xbf16>, memref<4x1x4x2x8x8xbf16>, memref<128x16xf32, #pv>, memref<2x5120xi8, #ws>
      bfly.threads (%t) in (128) sync(block) {
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
  bfly.kernel "k" (%c = %y) plan [#bfly.gpu_block<threads = 128>] : (memref<128x16xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %zero = arith.constant 0.0 : bf16
    bfly.grid (%unit) in (1) sync(none) {
      %r = memref.alloc() : memref<128x16xf32, #pv>
      %a = memref.alloc() : memref<1x8x2x8x8xbf16, #ws>
      %b = memref.alloc() : memref<4x2x8x8xbf16, #ws>
      bfly.threads (%t) in (128) sync(block) {
        memref.store %zero, %b[%c0, %c0, %c0, %c0] : memref<4x2x8x8xbf16, #ws>
      }
      bfly.matrix_product %a, %b, %r accumulate : memref<1x8x2x8x8xbf16, #ws>, memref<4x2x8x8xbf16, #ws>, memref<128x16xf32, #pv>
      bfly.threads (%t) in (128) sync(block) {
        %v = memref.load %r[%t, %c1] : memref<128x16xf32, #pv>
        memref.store %v, %c[%t, %c1] : memref<128x16xf32>
      }
    }
    bfly.yield
  }
  return
}
