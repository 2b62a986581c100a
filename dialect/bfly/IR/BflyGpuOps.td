// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// GPU level: what a kernel needs beside upstream's gpu, memref and scf, for
// Hopper. Each has one lowering, in -bfly-convert-gpu-to-nvvm.

#ifndef BFLY_IR_BFLYGPUOPS_TD
#define BFLY_IR_BFLYGPUOPS_TD

include "bfly/IR/BflyScopeOps.td"

def Bfly_GpuLevel : OpDocGroup {
  let summary = "Level 5: gpu";
  let description = "What a kernel is composed of beside upstream's gpu, memref and scf.";
}

def Bfly_Pointer : Type<CPred<"::llvm::isa<::mlir::LLVM::LLVMPointerType>($_self)">,
                        "a pointer">;
def Bfly_SharedBytes : MemRefRankOf<[I8], [1]>;
def Bfly_Mbarriers : MemRefRankOf<[I64], [1]>;

let opDocGroup = Bfly_GpuLevel in {

def Bfly_SharedMemoryOp : Bfly_Op<"shared_memory", [Pure]> {
  let summary = "The block's dynamic shared memory";
  let description = [{
    All shared memory that the launch gives the block, as bytes, aligned to 1024;
    its buffers are views of it. Unlike `gpu.dynamic_shared_memory` it is right
    beside static shared memory too.

    Lifespan: made by `-bfly-convert-affine-to-gpu`; removed by
    `-bfly-convert-gpu-to-nvvm`.

    Constraints:
    - (C1) the result is in workgroup memory, of dynamic size

    Example:
    ```mlir
    %bytes = bfly.shared_memory : memref<?xi8, #gpu.address_space<workgroup>>
    ```
  }];
  let arguments = (ins);
  let results = (outs Bfly_SharedBytes:$result);
  let assemblyFormat = "attr-dict `:` type($result)";
  let hasVerifier = 1;
}

def Bfly_GridBarrierOp : Bfly_Op<"grid_barrier", [
    MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Wait for all blocks of the grid";
  let description = [{
    What any thread of the grid wrote to memory before is seen by all after. The
    launch has to be cooperative: all blocks are resident. `counters` are two
    words of global memory, zero at first; `last` makes it the kernel's end,
    where nobody waits and the block that comes last leaves the counters zero
    for the next kernel.

    Lifespan: made by `-bfly-convert-affine-to-gpu`; removed by
    `-bfly-convert-gpu-to-nvvm`.

    Example:
    ```mlir
    bfly.grid_barrier %counters : !llvm.ptr
    ```
  }];
  let arguments = (ins Bfly_Pointer:$counters, UnitAttr:$last);
  let results = (outs);
  let assemblyFormat = "$counters (`last` $last^)? attr-dict `:` type($counters)";
}

def Bfly_MbarrierInitOp : Bfly_Op<"mbarrier_init", [
    MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Make a barrier in shared memory";
  let description = [{
    Barrier `index` of `barriers` completes a phase when `count` arrivals and
    all bytes that were announced to it have come. One thread does it; the
    others, and the copy engine, may use it after a barrier of the block.

    Lifespan: made by `-bfly-convert-affine-to-gpu`; removed by
    `-bfly-convert-gpu-to-nvvm`. Source: PTX ISA, mbarrier.

    Constraints:
    - (C1) the barriers are in workgroup memory
    - (C2) the count is positive, below 2^20

    Example:
    ```mlir
    bfly.mbarrier_init %bars[%i] count 8 : memref<6xi64, #gpu.address_space<workgroup>>
    ```
  }];
  let arguments = (ins Bfly_Mbarriers:$barriers, Index:$index, I32Attr:$count);
  let results = (outs);
  let assemblyFormat = "$barriers `[` $index `]` `count` $count attr-dict `:` type($barriers)";
  let hasVerifier = 1;
}

def Bfly_MbarrierArriveOp : Bfly_Op<"mbarrier_arrive", [
    MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Arrive at a barrier in shared memory";
  let description = [{
    One arrival of the calling thread, which publishes what it did before; with
    `bytes` it announces so many bytes of bulk copies first.

    Lifespan: made by `-bfly-convert-affine-to-gpu`; removed by
    `-bfly-convert-gpu-to-nvvm`. Source: PTX ISA, mbarrier.arrive.

    Constraints:
    - (C1) the barriers are in workgroup memory
    - (C2) the bytes are positive, below 2^20

    Example:
    ```mlir
    bfly.mbarrier_arrive %bars[%i] bytes 8192 : memref<6xi64, #gpu.address_space<workgroup>>
    ```
  }];
  let arguments = (ins Bfly_Mbarriers:$barriers, Index:$index, OptionalAttr<I32Attr>:$bytes);
  let results = (outs);
  let assemblyFormat = [{
    $barriers `[` $index `]` (`bytes` $bytes^)? attr-dict `:` type($barriers)
  }];
  let hasVerifier = 1;
}

def Bfly_MbarrierWaitOp : Bfly_Op<"mbarrier_wait", [
    MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Wait until a barrier's phase is over";
  let description = [{
    Waits while the phase of that parity (0 for the first) is the current one; a
    barrier that was just made counts its phase of parity 1 as over.

    Lifespan: made by `-bfly-convert-affine-to-gpu`; removed by
    `-bfly-convert-gpu-to-nvvm`. Source: PTX ISA, mbarrier.try_wait.

    Constraints:
    - (C1) the barriers are in workgroup memory

    Example:
    ```mlir
    bfly.mbarrier_wait %bars[%i] parity %p : memref<6xi64, #gpu.address_space<workgroup>>
    ```
  }];
  let arguments = (ins Bfly_Mbarriers:$barriers, Index:$index, I32:$parity);
  let results = (outs);
  let assemblyFormat = "$barriers `[` $index `]` `parity` $parity attr-dict `:` type($barriers)";
  let hasVerifier = 1;
}

def Bfly_BulkCopyOp : Bfly_Op<"bulk_copy", [
    MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Copy from memory to shared memory by the copy engine";
  let description = [{
    Starts the copy of `source`, contiguous in global memory, to `target`, as
    many bytes of shared memory, and returns; the bytes are counted at a barrier
    as they come. One thread does it for its block.

    Lifespan: made by `-bfly-convert-affine-to-gpu`; removed by
    `-bfly-convert-gpu-to-nvvm`. Source: PTX ISA, cp.async.bulk.

    Constraints:
    - (C1) source and target are static, contiguous, and of the same number of
      bytes, a multiple of 16
    - (C2) target and barriers are in workgroup memory, the source is not

    Example:
    ```mlir
    bfly.bulk_copy %a to %b counted at %bars[%i] : memref<64x8xbf16>,
        memref<1024xi8, #gpu.address_space<workgroup>>, memref<6xi64, #gpu.address_space<workgroup>>
    ```
  }];
  let arguments = (ins AnyMemRef:$source, AnyMemRef:$target,
                       Bfly_Mbarriers:$barriers, Index:$index);
  let results = (outs);
  let assemblyFormat = [{
    $source `to` $target `counted` `at` $barriers `[` $index `]` attr-dict
    `:` type($source) `,` type($target) `,` type($barriers)
  }];
  let hasVerifier = 1;
}

def Bfly_WgmmaOp : Bfly_Op<"wgmma", [MemoryEffects<[MemRead, MemWrite]>]> {
  let summary = "Start a warpgroup's product on its matrix units";
  let description = [{
        C(m, n) = sum_k A(m, k) B(n, k)

    One warpgroup's part of a `bfly.matrix_product`: A is (8, K/8, 8, 8), 64
    rows, B (N/8, K/8, 8, 8), both core matrices in shared memory; C is the
    calling thread's fragment, N/2 registers. All 128 threads of the warpgroup
    start it together, after `nvvm.wgmma.fence.aligned`, and may touch C after
    a commit and a wait. `accumulate` adds to C, `negate` takes A times -1.

    Lifespan: made by `-bfly-convert-affine-to-gpu`; removed by
    `-bfly-convert-gpu-to-nvvm`. Source: PTX ISA, wgmma.mma_async, no swizzle.

    Constraints:
    - (C1) A, B and C have the shapes above, static, N at most 256
    - (C2) K is a multiple of 16
    - (C3) A and B have one 16-bit element type, in workgroup memory

    Example:
    ```mlir
    bfly.wgmma %a, %b, %c accumulate : memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>,
        memref<16x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<64xf32, #gpu.address_space<private>>
    ```
  }];
  let arguments = (ins MemRefRankOf<[BF16, F16], [4]>:$a, MemRefRankOf<[BF16, F16], [4]>:$b,
                       MemRefRankOf<[F32], [1]>:$c, UnitAttr:$accumulate, UnitAttr:$negate);
  let results = (outs);
  let assemblyFormat = [{
    $a `,` $b `,` $c (`accumulate` $accumulate^)? (`negate` $negate^)? attr-dict
    `:` type($a) `,` type($b) `,` type($c)
  }];
  let hasVerifier = 1;
}

} // let opDocGroup

#endif // BFLY_IR_BFLYGPUOPS_TD
