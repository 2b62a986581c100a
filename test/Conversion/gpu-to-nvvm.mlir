// RUN: bfly-opt %s -pass-pipeline="builtin.module(gpu.module(bfly-convert-gpu-to-nvvm,canonicalize,cse))" | FileCheck %s

#ws = #gpu.address_space<workgroup>
#pv = #gpu.address_space<private>

gpu.module @kernels {
  // CHECK: llvm.mlir.global external @bfly_dynamic_shared_memory() {addr_space = 3 : i32, alignment = 1024 : i64} : !llvm.array<0 x i8>

  // CHECK-LABEL: gpu.func @shared
  // CHECK:         llvm.mlir.addressof @bfly_dynamic_shared_memory
  // CHECK:         builtin.unrealized_conversion_cast {{.*}} to memref<?xi8, #gpu.address_space<workgroup>>
  gpu.func @shared(%i: index) -> i8 {
    %s = bfly.shared_memory : memref<?xi8, #ws>
    %v = memref.load %s[%i] : memref<?xi8, #ws>
    gpu.return %v : i8
  }

  // CHECK-LABEL: gpu.func @barrier
  // CHECK:         gpu.barrier
  // CHECK:         scf.if
  // CHECK:           llvm.fence syncscope("device") acq_rel
  // CHECK:           llvm.atomicrmw add {{.*}} syncscope("device") monotonic
  // CHECK:           scf.while
  // CHECK:             llvm.load {{.*}} atomic syncscope("device") acquire
  // CHECK:             nvvm.nanosleep
  // CHECK:           llvm.fence syncscope("device") acq_rel
  // CHECK:         gpu.barrier
  // The last one: whoever comes last puts both counters back.
  // CHECK:         gpu.barrier
  // CHECK:         scf.if
  // CHECK:           llvm.atomicrmw add
  // CHECK:           scf.if
  // CHECK-COUNT-2:     llvm.store
  // CHECK-NOT:     gpu.barrier
  gpu.func @barrier(%counters: !llvm.ptr) kernel {
    bfly.grid_barrier %counters : !llvm.ptr
    bfly.grid_barrier %counters last : !llvm.ptr
    gpu.return
  }

  // CHECK-LABEL: gpu.func @copy
  // CHECK:         nvvm.mbarrier.init
  // CHECK:         nvvm.mbarrier.arrive.expect_tx
  // CHECK:         nvvm.cp.async.bulk.shared.cluster.global {{.*}} : !llvm.ptr<7>, <1>
  // CHECK:         nvvm.mbarrier.arrive %{{[^,]*}} :
  // CHECK:         nvvm.mbarrier.try_wait
  gpu.func @copy(%a: memref<64x8xbf16>, %b: memref<1024xi8, #ws>, %bars: memref<2xi64, #ws>, %i: index, %p: i32) kernel {
    bfly.mbarrier_init %bars[%i] count 1 : memref<2xi64, #ws>
    bfly.mbarrier_arrive %bars[%i] bytes 1024 : memref<2xi64, #ws>
    bfly.bulk_copy %a to %b counted at %bars[%i] : memref<64x8xbf16>, memref<1024xi8, #ws>, memref<2xi64, #ws>
    bfly.mbarrier_arrive %bars[%i] : memref<2xi64, #ws>
    bfly.mbarrier_wait %bars[%i] parity %p : memref<2xi64, #ws>
    gpu.return
  }

  // The descriptors: core matrices 128 bytes apart along the depth (8 units of
  // 16 bytes) and 512 along the rows (32). The first product starts from zero.
  // CHECK-LABEL: gpu.func @product
  // CHECK:         arith.constant 137439477760 : i64
  // CHECK:         nvvm.wgmma.mma_async {{.*}} <m = 64, n = 32, k = 16>, D[<f32>, <zero>], A[<f16>, <one>, <row>], B[<f16>, <one>, <col>]
  // CHECK:         nvvm.wgmma.mma_async {{.*}} <m = 64, n = 32, k = 16>, D[<f32>, <one>], A[<f16>, <one>, <row>], B[<f16>, <one>, <col>]
  // CHECK-COUNT-16: memref.store
  gpu.func @product(%a: memref<8x4x8x8xf16, #ws>, %b: memref<4x4x8x8xf16, #ws>, %c: memref<16xf32, #pv>) kernel {
    bfly.wgmma %a, %b, %c : memref<8x4x8x8xf16, #ws>, memref<4x4x8x8xf16, #ws>, memref<16xf32, #pv>
    gpu.return
  }

  // CHECK-LABEL: gpu.func @difference
  // CHECK-COUNT-2: nvvm.wgmma.mma_async {{.*}} D[<f32>, <one>], A[<f16>, <neg>, <row>], B[<f16>, <one>, <col>]
  gpu.func @difference(%a: memref<8x4x8x8xf16, #ws>, %b: memref<4x4x8x8xf16, #ws>, %c: memref<16xf32, #pv>) kernel {
    bfly.wgmma %a, %b, %c accumulate negate : memref<8x4x8x8xf16, #ws>, memref<4x4x8x8xf16, #ws>, memref<16xf32, #pv>
    gpu.return
  }
}
