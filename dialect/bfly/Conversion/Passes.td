// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Passes that cross one level.

#ifndef BFLY_CONVERSION_PASSES_TD
#define BFLY_CONVERSION_PASSES_TD

include "mlir/Pass/PassBase.td"

def ConvertMixerToNetworkPass
    : Pass<"bfly-convert-mixer-to-network", "::mlir::func::FuncOp"> {
  let summary = "Mixers to transforms, spectra and attention stages";
  let description = [{
    `bfly.spectral_filter` becomes `bfly.fft`, `bfly.spectrum_map` and `bfly.ifft`;
    `bfly.butterfly_attention` becomes a pad to a power of two, ceil(log2 N)
    `bfly.attention_stage`s in the compute type, and a slice.

    Before:
    ```mlir
    %y = bfly.spectral_filter %x params() : tensor<2x8x4xf32> -> tensor<2x8x4xf32> {
    ^bb0(%bin: complex<f32>, %k: index):
      bfly.yield %bin : complex<f32>
    }
    ```
    After:
    ```mlir
    %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
    %a = bfly.spectrum_map %f params() tokens(8)
        : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index):
      bfly.yield %bin : complex<f32>
    }
    %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::bfly::BflyDialect", "::mlir::tensor::TensorDialect",
                           "::mlir::arith::ArithDialect"];
}

def ConvertNetworkToSchedulePass
    : Pass<"bfly-convert-network-to-schedule", "::mlir::func::FuncOp"> {
  let summary = "Each mixer's network to one kernel";
  let description = [{
    Puts each mixer in one `bfly.kernel`:

    - "spectral_filter": a transform, the maps of its spectrum, the inverse or
      the map with a real result that ends them, and the context, which is all
      that lies between a bin (or the mean of what is transformed) and a
      parameter of a map: `bfly.linear` and element-wise arithmetic on matrices;
    - "butterfly_attention": stages that follow one another, with the folding of
      their weights, padding, casts and the final cut.

    Only the last operation of a group may be used outside it. Any other
    operation of this dialect gets a kernel of its own, named after it, and so
    do those of a filter that cannot be one kernel; attention is parted where
    its state is used between the stages. A GPU's kernels transform powers of
    two up to the target's `longest_transform`; other lengths go through cuFFT,
    as kernels of one operation, and the maps between them with their context
    are one kernel, "spectrum_map". `bfly.unfused` on a kernel says why, and with `remarks` so
    does a remark. With
    `fuse=false` every network operation does: the network level, executed as
    it stands. Operands of a kernel are tensors; splat constants and sizes of
    operands are made again inside.

    Before:
    ```mlir
    %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
    %y = bfly.ifft %f : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
    ```
    After:
    ```mlir
    %y = bfly.kernel "spectral_filter" (%a = %x) : (tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
      %f = bfly.fft %a : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
      %r = bfly.ifft %f : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
      bfly.yield %r : tensor<2x8x4xf32>
    }
    ```
  }];
  let options = [
    Option<"fuse", "fuse", "bool", /*default=*/"true",
           "one kernel a mixer; false: one kernel an operation">,
    Option<"remarks", "remarks", "bool", /*default=*/"false",
           "emit a remark where a network did not fuse">,
  ];
  let dependentDialects = ["::mlir::bfly::BflyDialect",
                           "::mlir::tensor::TensorDialect"];
}

def ConvertScheduleToAffinePass
    : Pass<"bfly-convert-schedule-to-affine", "::mlir::func::FuncOp"> {
  let summary = "Kernels to affine nests on memrefs";
  let description = [{
    Each `bfly.kernel` gets memref operands (its tensors as buffers, its results
    as buffers allocated before it) and a body of affine loops that follows its
    plan. A kernel without a plan is an error.

    Before:
    ```mlir
    %m = bfly.kernel "mean" (%a = %x) plan [#bfly.cpu_slabs<channels = 4>]
        : (tensor<2x8x4xf32>) -> tensor<2x4xf32> {
      %0 = bfly.mean %a : tensor<2x8x4xf32> -> tensor<2x4xf32>
      bfly.yield %0 : tensor<2x4xf32>
    }
    ```
    After:
    ```mlir
    %0 = bufferization.to_buffer %x read_only : tensor<2x8x4xf32> to memref<2x8x4xf32>
    %alloc = memref.alloc() : memref<2x4xf32>
    bfly.kernel "mean" (%a = %0, %b = %alloc) plan [#bfly.cpu_slabs<channels = 4>] : (memref<2x8x4xf32>, memref<2x4xf32>) {
      %eighth = arith.constant 0.125 : f32
      %zero = arith.constant 0.0 : f32
      affine.parallel (%i) = (0) to (2) {
        affine.for %c = 0 to 4 {
          %sum = affine.for %n = 0 to 8 iter_args(%partial = %zero) -> f32 {
            %1 = affine.load %a[%i, %n, %c] : memref<2x8x4xf32>
            %2 = arith.addf %partial, %1 : f32
            affine.yield %2 : f32
          }
          %mean = arith.mulf %sum, %eighth : f32
          affine.store %mean, %b[%i, %c] : memref<2x4xf32>
        } {bfly.lanes}
      }
    }
    %m = bufferization.to_tensor %alloc restrict writable : memref<2x4xf32> to tensor<2x4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::bfly::BflyDialect", "::mlir::affine::AffineDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect",
                           "::mlir::math::MathDialect", "::mlir::bufferization::BufferizationDialect",
                           "::mlir::gpu::GPUDialect", "::mlir::vector::VectorDialect"];
}

def ConvertAffineToGpuPass : Pass<"bfly-convert-affine-to-gpu", "::mlir::ModuleOp"> {
  let summary = "One gpu.func and one launch for every kernel";
  let description = [{
    A kernel of a GPU's plan is a sequence of phases, each a `bfly.grid` of units of
    work. Its blocks stay for the whole kernel: each takes every gridDim-th unit of
    a phase, and after `sync(grid)` all wait for each other (`bfly.grid_barrier`;
    the launch is cooperative then). In a unit, the iterations of `bfly.threads` are
    spread over the block's threads, with a barrier at the end for `sync(block)`;
    what is in workgroup memory becomes views of the dynamic shared memory, what is
    in private memory registers. The iterations of a phase that is `bfly.threads`
    are spread over all threads of the grid. A parallel loop outside of kernels is
    such a phase, in a kernel of its own. `bfly.stream_product` becomes a
    ring of bulk copies, mbarriers and `bfly.wgmma`. `bfly.library_transform` and
    `bfly.library_product` become calls of the runtime. Scratch memory is allocated
    by the host. The input has its affine loops lowered to `scf`.

    Before:
    ```mlir
    module attributes {bfly.target = #bfly.target<"sm_90a">} {
      func.func @f(%0: memref<64x128xf32>) {
        bfly.kernel "scale" (%a = %0) plan [#bfly.gpu_block<threads = 128>] : (memref<64x128xf32>) {
          bfly.grid (%unit) in (64) sync(none) {
            bfly.threads (%t) in (128) sync(block) {
              %v = memref.load %a[%unit, %t] : memref<64x128xf32>
              %w = arith.addf %v, %v : f32
              memref.store %w, %a[%unit, %t] : memref<64x128xf32>
            }
          }
          bfly.yield
        }
        return
      }
    }
    ```
    After:
    ```mlir
    module attributes {gpu.container_module} {
      llvm.func @bflyCudaMultiprocessors() -> i64
      func.func @f(%0: memref<64x128xf32>) {
        %c1 = arith.constant 1 : index
        %c4 = arith.constant 4 : index
        %c64 = arith.constant 64 : index
        %c128 = arith.constant 128 : index
        %shared = arith.constant 0 : i32
        %counters = llvm.mlir.zero : !llvm.ptr
        %processors = llvm.call @bflyCudaMultiprocessors() : () -> i64
        %count = arith.index_cast %processors : i64 to index
        %resident = arith.muli %count, %c4 : index
        %blocks = arith.minui %resident, %c64 : index
        gpu.launch_func @f_scale_0::@f_scale_0 blocks in (%blocks, %c1, %c1)
            threads in (%c128, %c1, %c1) dynamic_shared_memory_size %shared
            args(%0 : memref<64x128xf32>, %counters : !llvm.ptr)
        return
      }
      gpu.module @f_scale_0 {
        gpu.func @f_scale_0(%a: memref<64x128xf32>, %counters: !llvm.ptr) kernel
            attributes {known_block_size = array<i32: 128, 1, 1>, nvvm.minctasm = 4 : i32} {
          %c64 = arith.constant 64 : index
          %t = gpu.thread_id x
          %block = gpu.block_id x
          %blocks = gpu.grid_dim x
          scf.for %unit = %block to %c64 step %blocks {
            %v = memref.load %a[%unit, %t] : memref<64x128xf32>
            %w = arith.addf %v, %v : f32
            memref.store %w, %a[%unit, %t] : memref<64x128xf32>
            gpu.barrier
          }
          gpu.return
        }
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::bfly::BflyDialect", "::mlir::gpu::GPUDialect",
                           "::mlir::scf::SCFDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::arith::ArithDialect", "::mlir::LLVM::LLVMDialect",
                           "::mlir::NVVM::NVVMDialect"];
}

def ConvertGpuToNvvmPass : Pass<"bfly-convert-gpu-to-nvvm", "::mlir::gpu::GPUModuleOp"> {
  let summary = "The named operations of the gpu level, and the mixers' math, to nvvm and llvm";
  let description = [{
    Each operation of bfly's gpu level has one lowering: barriers of the grid to
    atomics in global memory, mbarriers and bulk copies to their instructions,
    `bfly.wgmma` to one `nvvm.wgmma.mma_async` for each 16 of the depth, with
    descriptors of unswizzled core matrices, `bfly.shared_memory` to an external
    global of no length.

    So have the functions that the mixers need, which upstream would take from
    libdevice, a part of CUDA's toolkit: `math.sqrt`, `math.absf`, `math.floor`,
    `math.ceil`, `math.trunc`, `math.roundeven`, `math.copysign` and `math.fma` of
    f32 or f64 become LLVM's intrinsics, which are instructions, and `math.exp` of f32 a polynomial of these, as on a CPU.
    Upstream's -convert-gpu-to-nvvm does the rest.

    Before:
    ```mlir
    gpu.module @kernels {
      gpu.func @wait(%bars: memref<6xi64, #gpu.address_space<workgroup>>, %i: index, %p: i32) kernel {
        bfly.mbarrier_wait %bars[%i] parity %p : memref<6xi64, #gpu.address_space<workgroup>>
        gpu.return
      }
    }
    ```
    After:
    ```mlir
    gpu.module @kernels {
      gpu.func @wait(%bars: memref<6xi64, #gpu.address_space<workgroup>>, %i: index, %p: i32) kernel {
        %true = arith.constant true
        %0 = arith.index_cast %i : index to i64
        %1 = memref.extract_aligned_pointer_as_index %bars : memref<6xi64, #gpu.address_space<workgroup>> -> index
        %2 = arith.index_cast %1 : index to i64
        %3 = llvm.inttoptr %2 : i64 to !llvm.ptr<3>
        %4 = llvm.getelementptr %3[%0] : (!llvm.ptr<3>, i64) -> !llvm.ptr<3>, i64
        scf.while : () -> () {
          %done = nvvm.mbarrier.try_wait %4, %p : !llvm.ptr<3>, i32 -> i1
          %again = arith.xori %done, %true : i1
          scf.condition(%again)
        } do {
          scf.yield
        }
        gpu.return
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::gpu::GPUDialect", "::mlir::scf::SCFDialect",
                           "::mlir::memref::MemRefDialect", "::mlir::arith::ArithDialect",
                           "::mlir::LLVM::LLVMDialect", "::mlir::NVVM::NVVMDialect"];
}

def ConvertBinaryToLLVMPass : Pass<"bfly-convert-binary-to-llvm", "::mlir::ModuleOp"> {
  let summary = "Kernels become data of the program, launches calls of the runtime";
  let description = [{
    Each `gpu.binary` becomes a constant and a module of the runtime, which a
    constructor of the program makes and a destructor unloads. Each
    `gpu.launch_func` becomes one call of `bflyCudaLaunch` with grid, block,
    cluster (1, 1, 1 where it names none), bytes of shared memory and flags
    (1 with the attribute `bfly.cooperative`), on the stream of whoever calls the
    function. Operands become LLVM's, memrefs by a cast that -finalize-memref-to-llvm
    takes away.

    Before:
    ```mlir
    module attributes {gpu.container_module} {
      gpu.binary @k [#gpu.object<#nvvm.target<chip = "sm_90a">, bin = "code">]
      llvm.func @f(%blocks: i64, %x: f32) {
        %c1 = llvm.mlir.constant(1 : i64) : i64
        gpu.launch_func @k::@k blocks in (%blocks, %c1, %c1)
            threads in (%c1, %c1, %c1) : i64 args(%x : f32) {bfly.cooperative}
        llvm.return
      }
    }
    ```
    After:
    ```mlir
    module {
      llvm.func @bflyCudaLaunch(!llvm.ptr, !llvm.ptr, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i32, !llvm.ptr)
      llvm.func @bflyCudaUnloadModule(!llvm.ptr)
      llvm.func @bflyCudaLoadModule(!llvm.ptr, i32) -> !llvm.ptr
      llvm.func @f(%blocks: i64, %x: f32) {
        %0 = llvm.mlir.constant(1 : i64) : i64
        %place = llvm.alloca %0 x f32 : (i64) -> !llvm.ptr
        %1 = llvm.mlir.constant(1 : i64) : i64
        %arguments = llvm.alloca %1 x !llvm.ptr : (i64) -> !llvm.ptr
        %c1 = llvm.mlir.constant(1 : i64) : i64
        llvm.store %x, %place : f32, !llvm.ptr
        %at = llvm.getelementptr %arguments[0] : (!llvm.ptr) -> !llvm.ptr, !llvm.ptr
        llvm.store %place, %at : !llvm.ptr, !llvm.ptr
        %handle = llvm.mlir.addressof @k_module : !llvm.ptr
        %module = llvm.load %handle : !llvm.ptr -> !llvm.ptr
        %name = llvm.mlir.addressof @k_name : !llvm.ptr
        %bytes = llvm.mlir.constant(0 : i64) : i64
        %flags = llvm.mlir.constant(1 : i32) : i32
        llvm.call @bflyCudaLaunch(%module, %name, %blocks, %c1, %c1, %c1, %c1, %c1, %c1, %c1, %c1, %bytes, %flags, %arguments)
            : (!llvm.ptr, !llvm.ptr, i64, i64, i64, i64, i64, i64, i64, i64, i64, i64, i32, !llvm.ptr) -> ()
        llvm.return
      }
      llvm.mlir.global internal @k_module() : !llvm.ptr {
        %null = llvm.mlir.zero : !llvm.ptr
        llvm.return %null : !llvm.ptr
      }
      llvm.func internal @bfly_load_kernels() {
        %code = llvm.mlir.addressof @k_code : !llvm.ptr
        %ptx = llvm.mlir.constant(0 : i32) : i32
        %module = llvm.call @bflyCudaLoadModule(%code, %ptx) : (!llvm.ptr, i32) -> !llvm.ptr
        %handle = llvm.mlir.addressof @k_module : !llvm.ptr
        llvm.store %module, %handle : !llvm.ptr, !llvm.ptr
        llvm.return
      }
      llvm.mlir.global_ctors ctors = [@bfly_load_kernels], priorities = [0 : i32], data = [#llvm.zero]
      llvm.mlir.global internal constant @k_code("code") {alignment = 8 : i64}
      llvm.func internal @bfly_unload_kernels() {
        %handle = llvm.mlir.addressof @k_module : !llvm.ptr
        %module = llvm.load %handle : !llvm.ptr -> !llvm.ptr
        llvm.call @bflyCudaUnloadModule(%module) : (!llvm.ptr) -> ()
        llvm.return
      }
      llvm.mlir.global_dtors dtors = [@bfly_unload_kernels], priorities = [0 : i32], data = [#llvm.zero]
      llvm.mlir.global internal constant @k_name("k\00")
    }
    ```
  }];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

#endif // BFLY_CONVERSION_PASSES_TD
