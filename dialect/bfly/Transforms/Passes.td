// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Passes that stay in their level.

#ifndef BFLY_TRANSFORMS_PASSES_TD
#define BFLY_TRANSFORMS_PASSES_TD

include "mlir/Pass/PassBase.td"

// Every level ----------------------------------------------------------------

def SetTargetPass : Pass<"bfly-set-target", "::mlir::ModuleOp"> {
  let summary = "Say on the module which machine it is compiled for";
  let description = [{
    Gives a module the attribute `bfly.target`, with every fact of the machine
    that later passes read, of which nobody else asks an option. One that a
    person wrote stays, with what it overrides, and is an error where it is for
    another target. Passes take a module without it for one of the CPU of the
    table.

    Before:
    ```mlir
    module {}
    ```
    After:
    ```mlir
    module attributes {bfly.target = #bfly.target<"cpu", lanes = 16, vector_registers = 32,
        l1 = 49152, l2 = 1048576, l3 = 33554432, threads = 2>} {}
    ```
  }];
  let options = [
    Option<"target", "target", "std::string", /*default=*/"\"cpu\"",
           "the name of the machine: cpu, sm_90a or sm_80">,
    Option<"threads", "threads", "int64_t", /*default=*/"2",
           "threads of the machine, where it is a CPU">,
  ];
  let dependentDialects = ["::mlir::bfly::BflyDialect"];
}

// Mixer level ----------------------------------------------------------------

def ParametersToArgumentsPass : Pass<"bfly-parameters-to-arguments", "::mlir::ModuleOp"> {
  let summary = "Turn module parameters into arguments of the functions";
  let description = [{
    An external `ml_program.global` names a parameter that comes from a file. Every
    public function with a body gets the module's parameters that it loads, and
    those that the functions it calls load, as trailing arguments in the order
    of their declaration, marked `bfly.parameter = "name"`; so do private
    functions, and calls pass them on. Loads of an initialised global become
    constants. The globals go: compiled code then has no state, and a parameter
    may live wherever the caller has it. Mutable globals, other uses of globals,
    recursive calls, and functions with parameters that are used in other ways
    than by `func.call` are errors.

    Before:
    ```mlir
    ml_program.global private @w(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>
    func.func @f() -> tensor<4xf32> {
      %0 = ml_program.global_load_const @w : tensor<4xf32>
      return %0 : tensor<4xf32>
    }
    ```
    After:
    ```mlir
    func.func @f(%arg0: tensor<4xf32> {bfly.parameter = "w"}) -> tensor<4xf32> {
      return %arg0 : tensor<4xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect"];
}

def CheckCallsPass : Pass<"bfly-check-calls", "::mlir::ModuleOp"> {
  let summary = "Refuse recursion, and functions too large to inline";
  let description = [{
    Every call is inlined, since a network that calls cut in two is no kernel. A
    function that calls itself, directly or through others, is an error, and so
    is one with more than `max-operations` operations once all it calls is
    inlined: 24 functions each of which calls the next one twice are 16 million.
  }];
  let options = [
    Option<"maxOperations", "max-operations", "uint64_t", "100000",
           "of a function with what it calls">,
  ];
}

def DifferentiatePass : Pass<"bfly-differentiate", "::mlir::ModuleOp"> {
  let summary = "Make the backward functions of functions";
  let description = [{
    For a function @f its backward function @f_backward, at mixer level too, by
    reverse mode: each operation brings the rule for its gradients
    (`DifferentiableOpInterface`, docs/derivatives.md). It takes the inputs of
    @f and then the gradient of each floating-point result, in their orders, and
    returns the gradient of each floating-point input (of a number a tensor of
    rank 0) and then of each floating-point parameter (external
    `ml_program.global`) that @f loads, in the order of their declaration. `of`
    chooses among them. Nothing else is
    saved: what the rules need of the forward's values is computed again, unless
    `save` asks for a forward function @f_forward, which returns the results of
    @f and then what was costly of those values, the states between the stages
    of attention and the results of mixers and products, as @f_backward takes
    them after its other arguments: a training step calls these two. A
    parameter that they do not need is not read, so that a compiled backward
    function does not take it.
    Gradients of complex numbers are dL/dRe + i dL/dIm. Where nothing of an input
    reaches a result its gradient is zeros.

    An operation that depends on what a gradient is wanted of, reaches a result
    and has no rule is an error at its place; calls are among them, and inlined
    first.

    Before:
    ```mlir
    func.func @f(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
      %y = math.exp %x : tensor<2x4xf32>
      return %y : tensor<2x4xf32>
    }
    ```
    After:
    ```mlir
    func.func @f(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
      %y = math.exp %x : tensor<2x4xf32>
      return %y : tensor<2x4xf32>
    }
    func.func @f_backward(%x: tensor<2x4xf32>, %g: tensor<2x4xf32>) -> tensor<2x4xf32> {
      %y = math.exp %x : tensor<2x4xf32>
      %gx = arith.mulf %g, %y : tensor<2x4xf32>
      return %gx : tensor<2x4xf32>
    }
    ```
  }];
  let options = [
    Option<"function", "function", "std::string", /*default=*/"",
           "the function to differentiate; every public one with a body "
           "where none is named">,
    ListOption<"of", "of", "std::string",
               "numbers of inputs and then names of parameters that get "
               "gradients, both in their order; all where none is given">,
    Option<"save", "save", "bool", /*default=*/"false",
           "make a forward function too, @f_forward, which returns what the "
           "backward function takes after its other arguments">,
  ];
}

// Mixer, network and schedule level ------------------------------------------

def InferSizesPass : Pass<"bfly-infer-sizes", "::mlir::func::FuncOp"> {
  let summary = "Say how large results are, and what sizes have to fulfil";
  let description = [{
    Whoever calls compiled code allocates its results. Their dynamic sizes become
    an attribute `bfly.sizes` of each, a map from the dynamic sizes of the
    arguments, in their order. What operations ask of dynamic sizes, such as an
    equal batch or a slice within its tensor, becomes the attribute
    `bfly.size_checks` of the function: a list of maps to two sizes that have to
    be `equal`, or of which the first is `at_most` the second, with the
    operation that asks. A caller checks them before each call. An operation
    whose result has a size that depends on anything else, such as the contents
    of a tensor, is an error.

    Before:
    ```mlir
    func.func @twice(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
      %z = arith.addf %x, %y : tensor<?x4xf32>
      %c = tensor.concat dim(0) %z, %z : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
      return %c : tensor<?x4xf32>
    }
    ```
    After:
    ```mlir
    func.func @twice(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>)
        -> (tensor<?x4xf32> {bfly.sizes = affine_map<()[s0, s1] -> (s0 * 2)>})
        attributes {bfly.size_checks = [{kind = "equal", map = affine_map<()[s0, s1] -> (s1, s0)>, what = "'arith.addf' at twice.mlir:2:8"} ]} {
      %z = arith.addf %x, %y : tensor<?x4xf32>
      %c = tensor.concat dim(0) %z, %z : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
      return %c : tensor<?x4xf32>
    }
    ```
  }];
}

// Network level --------------------------------------------------------------

def RewriteSpectraPass : Pass<"bfly-rewrite-spectra", "::mlir::func::FuncOp"> {
  let summary = "The exact rewrites of transforms and spectra";
  let description = [{
    Patterns, each the same function in real arithmetic:

    - *constant filter*: a map by a factor that does not depend on the bin
      commutes with the transform, and with real data the layer is a product by
      it, a `linalg.generic`, with no transform at all; nor has one a map that
      returns its bin;
    - *mean is bin zero*: `bfly.mean` of what a `bfly.fft` transforms is bin 0
      over N, where only the filter around that transform reads it;
    - *half spectrum*: a real input whose spectrum meets only element-wise maps,
      single bins and an inverse with a real result needs bins 0 … floor(N/2)
      alone. Maps have to commute with conjugation; the last one need not, and
      becomes `hermitian`. What is not known to commute counts as if it did not:
      the index, complex parameters, parameters with a `bin` dimension,
      functions with a branch cut.

    Before:
    ```mlir
    %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x8x4xcomplex<f32>>
    %a = bfly.spectrum_map %f params() tokens(8) : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index):
      %0 = complex.mul %bin, %bin : complex<f32>
      bfly.yield %0 : complex<f32>
    }
    %y = bfly.ifft %a : tensor<2x8x4xcomplex<f32>> -> tensor<2x8x4xf32>
    ```
    After:
    ```mlir
    %f = bfly.fft %x : tensor<2x8x4xf32> -> tensor<2x5x4xcomplex<f32>>
    %a = bfly.spectrum_map %f params() tokens(8) : tensor<2x5x4xcomplex<f32>> -> tensor<2x5x4xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index):
      %0 = complex.mul %bin, %bin : complex<f32>
      bfly.yield %0 : complex<f32>
    }
    %y = bfly.ifft %a : tensor<2x5x4xcomplex<f32>> -> tensor<2x8x4xf32>
    ```
  }];
  let dependentDialects = ["::mlir::bfly::BflyDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

def RewriteAttentionPass : Pass<"bfly-rewrite-attention", "::mlir::func::FuncOp"> {
  let summary = "The exact rewrites of butterfly attention's scores";
  let description = [{
    Chooses how the stages that are written as their `definition` score
    (docs/definitions.md), by the flops of their projections over all
    tokens; a scoring that somebody chose stays. Stages that follow one another
    with the same weights get the same scoring.

    | scoring | when | flops a stage |
    |---|---|---|
    | definition | always | 4 N D^2; per head 4 N D dh |
    | pair_difference | always | 3 N D^2; per head 3 N D dh |
    | chained | always | 2 N D^2 + 2 N D H; per head 2 N D dh + 2 N D |
    | folded | one head, or weights per head | N D^2; per head N D dh; and 2 dh^3 once for every matrix that `bfly.fold_weights` makes |
    | carried | weights shared by the stages, and one head or weights per head | as folded, then 2 N D dh once, for the `bfly.project` before the first stage, and 0 in the stages |

    A dynamic batch counts as 1. `scoring` asks for one; stages for which it
    does not hold get the best that does. A GPU's nests have the first two:
    there dense weights get pair_difference, those per head definition.

    Before:
    ```mlir
    %1 = bfly.attention_stage %0 weights(%q, %k : tensor<1x8x8xf32>, tensor<1x8x8xf32>)
        stage(0) heads(1) scale(1.0) definition : tensor<2x64x8xf32>
    ```
    After:
    ```mlir
    %m = bfly.fold_weights %q, %k : tensor<1x8x8xf32> -> tensor<1x8x8xf32>
    %1 = bfly.attention_stage %0 weights(%m : tensor<1x8x8xf32>)
        stage(0) heads(1) scale(1.0) folded : tensor<2x64x8xf32>
    ```
  }];
  let options = [
    Option<"scoring", "scoring", "std::string", /*default=*/"\"auto\"",
           "auto (fewest flops), definition, pair_difference, chained, folded or carried">,
  ];
  let dependentDialects = ["::mlir::bfly::BflyDialect"];
}

def PlaceCarriedTensorsPass : Pass<"bfly-place-carried-tensors", "::mlir::func::FuncOp"> {
  let summary = "Loops and branches of layers keep their tensors in one place";
  let description = [{
    What an `scf.for` or `scf.while` yields is copied to the place of what it carries, and what the
    sides of an `scf.if` yield to one place that is allocated before it: nothing that is allocated in
    an iteration outlives it, and a loop of layers takes as much memory as one of them. A size that
    changes from one iteration to the next is an error; one that does not for some sizes of the
    arguments, such as that of two tensors which change places, is what a caller checks
    (`-bfly-infer-sizes`). Other operations with regions that take or make tensors (`scf.forall`,
    `affine.for`) are an error.

    Before:
    ```mlir
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<2x8x4xf32>) {
      %f = bfly.linear %a, %w : tensor<2x8x4xf32>, tensor<4x4xf32> -> tensor<2x8x4xf32>
      scf.yield %f : tensor<2x8x4xf32>
    }
    ```
    After:
    ```mlir
    %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<2x8x4xf32>) {
      %f = bfly.linear %a, %w : tensor<2x8x4xf32>, tensor<4x4xf32> -> tensor<2x8x4xf32>
      %g = linalg.copy ins(%f : tensor<2x8x4xf32>) outs(%a : tensor<2x8x4xf32>) -> tensor<2x8x4xf32>
      scf.yield %g : tensor<2x8x4xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect",
                           "::mlir::bufferization::BufferizationDialect",
                           "::mlir::linalg::LinalgDialect",
                           "::mlir::tensor::TensorDialect"];
}

// Schedule level -------------------------------------------------------------

def ChoosePlanPass : Pass<"bfly-choose-plan", "::mlir::func::FuncOp"> {
  let summary = "Choose each kernel's schedule from a machine description";
  let description = [{
    Gives every `bfly.kernel` that has no `plan` the best one for the machine by
    the cost model: lanes, tile, radices, groups of stages and where each lives.
    A plan that is there is checked and kept.

    Before:
    ```mlir
    %y = bfly.kernel "filter" (%a = %x) : (tensor<4x1024x64xf32>) -> tensor<4x1024x64xf32> {
      %f = bfly.fft %a : tensor<4x1024x64xf32> -> tensor<4x513x64xcomplex<f32>>
      %r = bfly.ifft %f : tensor<4x513x64xcomplex<f32>> -> tensor<4x1024x64xf32>
      bfly.yield %r : tensor<4x1024x64xf32>
    }
    ```
    After:
    ```mlir
    %y = bfly.kernel "filter" (%a = %x) plan [#bfly.cpu_transform<channels = 32, radices = [16, 8, 8], groups = [<0 to 2 in slab>]>]
        : (tensor<4x1024x64xf32>) -> tensor<4x1024x64xf32> {
      %f = bfly.fft %a : tensor<4x1024x64xf32> -> tensor<4x513x64xcomplex<f32>>
      %r = bfly.ifft %f : tensor<4x513x64xcomplex<f32>> -> tensor<4x1024x64xf32>
      bfly.yield %r : tensor<4x1024x64xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::bfly::BflyDialect"];
}

def PrintReportPass : Pass<"bfly-print-report", "::mlir::ModuleOp"> {
  let summary = "Say what a schedule costs, kernel by kernel";
  let description = [{
    Emits a remark at every `bfly.kernel`: the bytes that it must move, its
    flops, where its state lives, the rewrites in it, what bounds it and for how
    long at the machine's ceilings, and why it is not part of a larger one.
    `file` gets all of that and more as JSON; `-` is standard error, since the
    module goes to standard output. Where the batch is dynamic amounts have a
    fixed part and one for each sequence.

    For this kernel,
    ```mlir
    %y = bfly.kernel "filter" (%a = %x) plan [#bfly.cpu_transform<channels = 32, radices = [16, 8, 8], groups = [<0 to 2 in slab>]>] : (tensor<4x1024x64xf32>) -> tensor<4x1024x64xf32> {
      %f = bfly.fft %a : tensor<4x1024x64xf32> -> tensor<4x513x64xcomplex<f32>>
      %r = bfly.ifft %f : tensor<4x513x64xcomplex<f32>> -> tensor<4x1024x64xf32>
      bfly.yield %r : tensor<4x1024x64xf32>
    }
    ```
    the remark is
    ```
    kernel "filter": 2.10 MB moved, 13.1 Mflop; state 131 kB in l2; half_spectrum,
    two_channels_a_transform; memory bound, 104.86 us at 20.0 GB/s and 320 Gflop/s
    ```
  }];
  let options = [
    Option<"file", "file", "std::string", /*default=*/"",
           "write the report as JSON to this file; - is standard error">,
    Option<"remarks", "remarks", "bool", /*default=*/"true",
           "emit a remark at every kernel">,
    Option<"bytesPerSecond", "bytes-per-second", "double", /*default=*/"0",
           "what the machine's memory moves; 0: by the machine's description">,
    Option<"flopsPerSecond", "flops-per-second", "double", /*default=*/"0",
           "what the machine computes in f32; 0: by its description">,
    Option<"batch", "batch", "int64_t", /*default=*/"1",
           "sequences that times are for where the batch is dynamic">,
  ];
}

// Affine level and below -----------------------------------------------------

def CheckBinariesPass : Pass<"bfly-check-binaries", "::mlir::ModuleOp"> {
  let summary = "Refuse PTX that lacks CUDA's mathematical functions";
  let description = [{
    Where there is no CUDA toolkit, kernels stay PTX, which the driver compiles,
    and calls of libdevice (`__nv_erff` and the like) stay calls of nothing. Such a
    kernel is an error here, that names the function, and not one of the driver's
    at the first launch.
  }];
}

def UseDeviceMemoryPass : Pass<"bfly-use-device-memory", "::mlir::ModuleOp"> {
  let summary = "What host code allocates is the GPU's memory";
  let description = [{
    In code whose kernels are a GPU's, after -finalize-memref-to-llvm, every buffer
    that a compiled function allocates is one of its kernels': `malloc` and `free`
    become the runtime's functions for the GPU's memory.

    Before:
    ```mlir
    llvm.func @malloc(i64) -> !llvm.ptr
    llvm.func @f(%bytes: i64) -> !llvm.ptr {
      %0 = llvm.call @malloc(%bytes) : (i64) -> !llvm.ptr
      llvm.return %0 : !llvm.ptr
    }
    ```
    After:
    ```mlir
    llvm.func @bflyCudaMalloc(i64) -> !llvm.ptr
    llvm.func @f(%bytes: i64) -> !llvm.ptr {
      %0 = llvm.call @bflyCudaMalloc(%bytes) : (i64) -> !llvm.ptr
      llvm.return %0 : !llvm.ptr
    }
    ```
  }];
}

def ExpandIndexMapsPass : Pass<"bfly-expand-index-maps", "::mlir::func::FuncOp"> {
  let summary = "Quotients and remainders by powers of two to shifts and masks";
  let description = [{
    Affine maps of loads, stores and `affine.apply` in kernels become arithmetic. Floor
    division and remainder by a power of two are an arithmetic shift and a mask,
    of negative numbers too; -lower-affine, which serves every divisor, compares and
    selects. What else there is it does as -lower-affine would.

    Before:
    ```mlir
    func.func @f(%0: memref<8xf32>, %1: memref<64xf32>) {
      bfly.kernel "k" (%a = %0, %b = %1) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>, memref<64xf32>) {
        bfly.threads (%i) in (64) sync(none) {
          %v = affine.load %a[%i mod 8] : memref<8xf32>
          affine.store %v, %b[%i] : memref<64xf32>
        }
        bfly.yield
      }
      return
    }
    ```
    After:
    ```mlir
    func.func @f(%0: memref<8xf32>, %1: memref<64xf32>) {
      bfly.kernel "k" (%a = %0, %b = %1) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>, memref<64xf32>) {
        %c7 = arith.constant 7 : index
        bfly.threads (%i) in (64) sync(none) {
          %j = arith.andi %i, %c7 : index
          %v = memref.load %a[%j] : memref<8xf32>
          memref.store %v, %b[%i] : memref<64xf32>
        }
        bfly.yield
      }
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect"];
}

def UnrollThreadLoopsPass : Pass<"bfly-unroll-thread-loops", "::mlir::func::FuncOp"> {
  let summary = "Unroll the serial loops of a GPU's threads";
  let description = [{
    A thread that waits for one load before it starts the next waits most of the
    time. The innermost serial loops of a known count in `bfly.threads` of a
    unit are unrolled, so that the loads of several iterations are under way together; the
    order of the arithmetic is unchanged. A loop of more than `factor` iterations is
    unrolled by the largest number up to it that leaves none over, if that is at
    least half of `factor`, else by `factor`: of 8 iterations 4 at a time. More under
    way gain nothing: a filter of (2, 16384, 1024), whose context's layers have
    8 iterations of 4 loads of weights a thread, takes 3 % longer with all 8.

    Before:
    ```mlir
    func.func @f(%a: memref<8x2x32xf32>, %b: memref<8x32xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c2 = arith.constant 2 : index
      %zero = arith.constant 0.0 : f32
      bfly.grid (%unit) in (8) sync(none) {
        bfly.threads (%t) in (32) sync(block) {
          %sum = scf.for %i = %c0 to %c2 step %c1 iter_args(%s = %zero) -> (f32) {
            %v = memref.load %a[%unit, %i, %t] : memref<8x2x32xf32>
            %next = arith.addf %s, %v : f32
            scf.yield %next : f32
          }
          memref.store %sum, %b[%unit, %t] : memref<8x32xf32>
        }
      }
      return
    }
    ```
    After:
    ```mlir
    func.func @f(%a: memref<8x2x32xf32>, %b: memref<8x32xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %zero = arith.constant 0.0 : f32
      bfly.grid (%unit) in (8) sync(none) {
        bfly.threads (%t) in (32) sync(block) {
          %v0 = memref.load %a[%unit, %c0, %t] : memref<8x2x32xf32>
          %s0 = arith.addf %v0, %zero : f32
          %v1 = memref.load %a[%unit, %c1, %t] : memref<8x2x32xf32>
          %s1 = arith.addf %s0, %v1 : f32
          memref.store %s1, %b[%unit, %t] : memref<8x32xf32>
        }
      }
      return
    }
    ```
  }];
  let options = [
    Option<"factor", "factor", "uint64_t", /*default=*/"6",
           "iterations at a time, at most">,
  ];
}

def CheckBoundsPass : Pass<"bfly-check-bounds", "::mlir::func::FuncOp"> {
  let summary = "Let no access leave its array";
  let description = [{
    Proves of every index, slice and allocation that it is within its array, from
    the loops and conditions around it, the ranges of integers and the sizes of
    arrays. Where that fails, a `cf.assert` is put before the access, which
    `-bfly-lower-checks` makes an error of the call. Two arguments may have to be
    of one size for that; this is asserted once, where the function begins.

    What an operation promises of its operands (`overflow<nsw>`, `exact`,
    `fastmath<nnan>`) proves nothing and is taken back: where a promise is
    broken, a check and the access behind it need not see the same number.

    Memory that is used after it was freed, freed twice, left behind by its stack
    or not to be written is refused, as is an access that cannot be checked where
    it is: on a GPU, or in the region of one of bfly's operations.

    The engine runs it on what it was given, unless `--allow-foreign-calls`.

    Before:
    ```mlir
    func.func @row(%table: tensor<50x8xf32>, %i: index) -> f32 {
      %c3 = arith.constant 3 : index
      %0 = tensor.extract %table[%i, %c3] : tensor<50x8xf32>
      return %0 : f32
    }
    ```
    After:
    ```mlir
    func.func @row(%table: tensor<50x8xf32>, %i: index) -> f32 {
      %c3 = arith.constant 3 : index
      %c50 = arith.constant 50 : index
      %0 = arith.cmpi ult, %i, %c50 : index
      cf.assert %0, "row.mlir:3:8: 'tensor.extract' leaves its array"
      %1 = tensor.extract %table[%i, %c3] : tensor<50x8xf32>
      return %1 : f32
    }
    ```
  }];
  let options = [
    Option<"onGPU", "on-gpu", "bool", "false",
           "loops become kernels of a GPU, in which nothing can fail">
  ];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::cf::ControlFlowDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::tensor::TensorDialect"];
}

def LowerChecksPass : Pass<"bfly-lower-checks", "::mlir::ModuleOp"> {
  let summary = "Make a failed assertion an error of the call";
  let description = [{
    A `cf.assert` that fails calls `bflyRuntimeFail` with its message, which ends
    the call of compiled code and not the process. Upstream's lowering aborts.

    Before:
    ```mlir
    func.func @f(%ok: i1) {
      cf.assert %ok, "it is not"
      return
    }
    ```
    After:
    ```mlir
    llvm.mlir.global internal constant @bfly_check_0("it is not\00")
    llvm.func @bflyRuntimeFail(!llvm.ptr)
    func.func @f(%ok: i1) {
      cf.cond_br %ok, ^bb1, ^bb2
    ^bb1:
      return
    ^bb2:
      %0 = llvm.mlir.addressof @bfly_check_0 : !llvm.ptr
      llvm.call @bflyRuntimeFail(%0) : (!llvm.ptr) -> ()
      llvm.unreachable
    }
    ```
  }];
  let dependentDialects = ["::mlir::cf::ControlFlowDialect", "::mlir::LLVM::LLVMDialect"];
}

def EraseMemorySpacesPass : Pass<"bfly-erase-memory-spaces", "::mlir::func::FuncOp"> {
  let summary = "Run a GPU's plan on a CPU: all memory is the host's";
  let description = [{
    The nests of a GPU's plan name the memory that each buffer lies in, and the
    threads of a block are parallel loops: on a CPU both are what they say
    without the names. With this pass the plan runs there as it stands, for tests.
    Shared memory and registers of a unit of work are freed at its end.

    Before:
    ```mlir
    func.func @unit(%x: f32) {
      %0 = memref.alloc() : memref<8xf32, #gpu.address_space<workgroup>>
      affine.store %x, %0[0] : memref<8xf32, #gpu.address_space<workgroup>>
      return
    }
    ```
    After:
    ```mlir
    func.func @unit(%x: f32) {
      %0 = memref.alloc() : memref<8xf32>
      affine.store %x, %0[0] : memref<8xf32>
      memref.dealloc %0 : memref<8xf32>
      return
    }
    ```
  }];
}

def ExpandTileProductPass : Pass<"bfly-expand-tile-product", "::mlir::func::FuncOp"> {
  let summary = "Tile products to register-blocked vector loops (CPU)";
  let description = [{
    A block of `rows` x one panel of C stays in vector registers while A is
    broadcast and B streams past, a row of a panel at a time. B and C need a unit
    innermost stride; rows and depth may be dynamic. Columns of the last panel
    that C does not have are computed and not stored.

    Before:
    ```mlir
    bfly.tile_product %a, %b, %c : memref<2x64xf32>, memref<3x64x16xf32>, memref<2x48xf32>
    ```
    After:
    ```mlir
    scf.for %panel = %c0 to %c3 step %c1 {
      %sums:2 = scf.for %k = %c0 to %c64 step %c1
          iter_args(%s0 = %zero, %s1 = %zero) -> (vector<16xf32>, vector<16xf32>) {
        %row = vector.load %b[%panel, %k, %c0] : memref<3x64x16xf32>, vector<16xf32>
        %a0 = memref.load %a[%c0, %k] : memref<2x64xf32>
        %v0 = vector.broadcast %a0 : f32 to vector<16xf32>
        %n0 = vector.fma %v0, %row, %s0 : vector<16xf32>
        %a1 = memref.load %a[%c1, %k] : memref<2x64xf32>
        %v1 = vector.broadcast %a1 : f32 to vector<16xf32>
        %n1 = vector.fma %v1, %row, %s1 : vector<16xf32>
        scf.yield %n0, %n1 : vector<16xf32>, vector<16xf32>
      }
      %column = arith.muli %panel, %c16 : index
      vector.store %sums#0, %c[%c0, %column] : memref<2x48xf32>, vector<16xf32>
      vector.store %sums#1, %c[%c1, %column] : memref<2x48xf32>, vector<16xf32>
    }
    ```
  }];
  let options = [
    Option<"lanes", "lanes", "int64_t", /*default=*/"16",
           "f32 elements of a vector register; half as many for f64">,
    Option<"rows", "rows", "int64_t", /*default=*/"8",
           "rows of C kept in registers at a time">,
  ];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::memref::MemRefDialect",
                           "::mlir::scf::SCFDialect", "::mlir::vector::VectorDialect"];
}

def ExpandLibraryCallsPass : Pass<"bfly-expand-library-calls", "::mlir::func::FuncOp"> {
  let summary = "What a GPU's libraries do to loops";
  let description = [{
    For a CPU that runs a GPU's plan for tests: the definition of the transform,
    N^2 terms a channel, or of the product, added up in f64.

    Before:
    ```mlir
    bfly.library_transform %x to %f : memref<2x7x4xcomplex<f64>> to memref<2x7x4xcomplex<f64>>
    ```
    After:
    ```mlir
    %w = bfly.table roots(7) : memref<7x2xf64>
    affine.parallel (%b, %k, %c) = (0, 0, 0) to (2, 7, 4) {
      %sum:3 = affine.for %n = 0 to 7 iter_args(%re = %zero, %im = %zero, %row = %c0) -> (f64, f64, index) {
        %0 = affine.load %x[%b, %n, %c] : memref<2x7x4xcomplex<f64>>
        %1 = complex.re %0 : complex<f64>
        %2 = complex.im %0 : complex<f64>
        %cos = memref.load %w[%row, %c0] : memref<7x2xf64>
        %sin = memref.load %w[%row, %c1] : memref<7x2xf64>
        %next = arith.addi %row, %k : index
        %over = arith.cmpi uge, %next, %c7 : index
        %back = arith.subi %next, %c7 : index
        %3 = arith.mulf %1, %cos : f64
        %4 = arith.mulf %2, %sin : f64
        %5 = arith.subf %3, %4 : f64
        %6 = arith.addf %re, %5 : f64
        %7 = arith.mulf %1, %sin : f64
        %8 = arith.mulf %2, %cos : f64
        %9 = arith.addf %7, %8 : f64
        %10 = arith.addf %im, %9 : f64
        %11 = arith.select %over, %back, %next : index
        affine.yield %6, %10, %11 : f64, f64, index
      }
      %12 = complex.create %sum#0, %sum#1 : complex<f64>
      affine.store %12, %f[%b, %k, %c] : memref<2x7x4xcomplex<f64>>
    }
    ```
  }];
  let dependentDialects = ["::mlir::bfly::BflyDialect",
                           "::mlir::affine::AffineDialect",
                           "::mlir::memref::MemRefDialect"];
}

def ExpandMatrixProductsPass : Pass<"bfly-expand-matrix-products", "::mlir::func::FuncOp"> {
  let summary = "Products of a GPU's matrix units to loops";
  let description = [{
    The threads of the block compute each what its registers hold
    of the result, in f32. On a GPU (`keep-units unroll`) that is for f32, which
    matrix units would round, and for every type where the module's target has no
    units that kernels use. On a CPU, which runs a GPU's plan for tests, it is for
    all. The ring of a streamed product is left alone.

    Before:
    ```mlir
    bfly.grid (%u) in (4) sync(none) {
      bfly.matrix_product %a, %b, %c
          : memref<1x8x2x8x8xf32, #gpu.address_space<workgroup>>,
            memref<4x2x8x8xf32, #gpu.address_space<workgroup>>,
            memref<128x16xf32, #gpu.address_space<private>>
    }
    ```
    After:
    ```mlir
    bfly.grid (%u) in (4) sync(none) {
      bfly.threads (%t) in (128) sync(block) {
        affine.for %i = 0 to 16 {
          %sum = affine.for %m = 0 to 2 iter_args(%s0 = %zero) -> (f32) {
            %inner = affine.for %k = 0 to 8 iter_args(%s1 = %s0) -> (f32) {
              %0 = affine.load %a[%t floordiv 128, ((%t mod 128) floordiv 32) * 2 + (%i floordiv 2) mod 2, %m, (%t mod 32) floordiv 4, %k]
                  : memref<1x8x2x8x8xf32, #gpu.address_space<workgroup>>
              %1 = affine.load %b[%i floordiv 4, %m, %t * 2 + %i - (%t floordiv 4) * 8 - (%i floordiv 2) * 2, %k]
                  : memref<4x2x8x8xf32, #gpu.address_space<workgroup>>
              %2 = arith.mulf %0, %1 : f32
              %3 = arith.addf %s1, %2 : f32
              affine.yield %3 : f32
            }
            affine.yield %inner : f32
          }
          affine.store %sum, %c[%t, %i] : memref<128x16xf32, #gpu.address_space<private>>
        }
      }
    }
    ```
  }];
  let options = [
    Option<"keepUnits", "keep-units", "bool", /*default=*/"false",
           "leave what the matrix units of the module's target multiply">,
    Option<"unroll", "unroll", "bool", /*default=*/"false",
           "every register in straight code, so that it can be one: for a GPU">,
  ];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::vector::VectorDialect"];
}

def ExpandDftPass : Pass<"bfly-expand-dft", "::mlir::func::FuncOp"> {
  let summary = "Register transforms to additions and rotations";
  let description = [{
    A composite radix splits into two smaller ones around rotations by known
    roots of unity; 2 is an addition and a subtraction, odd primes use the
    symmetry of their roots.

    Before:
    ```mlir
    %y:4 = bfly.dft %r0, %r1, %i0, %i1 : f32
    ```
    After:
    ```mlir
    %0 = arith.addf %r0, %r1 : f32
    %1 = arith.addf %i0, %i1 : f32
    %2 = arith.subf %r0, %r1 : f32
    %3 = arith.subf %i0, %i1 : f32
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::bfly::BflyDialect"];
}

def ExpandRotatePass : Pass<"bfly-expand-rotate", "::mlir::func::FuncOp"> {
  let summary = "Rotations by known angles to arithmetic";
  let description = [{
    Eighths of a turn become additions and at most two multiplications, others
    four multiplications of which two are fused.

    Before:
    ```mlir
    %r, %i = bfly.rotate %a, %b by 1 of 4 : f32
    ```
    After:
    ```mlir
    %i = arith.negf %a : f32   // r is %b
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def ExpandTablesPass : Pass<"bfly-expand-tables", "::mlir::ModuleOp"> {
  let summary = "Tables of constants to constant globals";
  let description = [{
    Computes each distinct `bfly.table` once, in long double, and rounds it into a private
    constant `memref.global`.

    Before:
    ```mlir
    func.func @f() -> memref<2x2xf32> {
      %w = bfly.table roots(4) : memref<2x2xf32>
      return %w : memref<2x2xf32>
    }
    ```
    After:
    ```mlir
    memref.global "private" constant @bfly_roots_4_2_f32 : memref<2x2xf32>
        = dense<[[1.0, 0.0], [0.0, -1.0]]>
    func.func @f() -> memref<2x2xf32> {
      %w = memref.get_global @bfly_roots_4_2_f32 : memref<2x2xf32>
      return %w : memref<2x2xf32>
    }
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

def ExpandIntegerMathPass : Pass<"bfly-expand-integer-math", "::mlir::func::FuncOp"> {
  let summary = "Integer operations that would trap, or have no value";
  let description = [{
    What NumPy says of them, on every machine: a / 0 and a mod 0 are 0, and the
    least integer over -1 is itself; a shift by the width or more leaves 0, or
    the sign; a number beyond an integer type becomes its nearest, a NaN 0.

    Before:
    ```mlir
    %q = arith.divui %a, %b : index
    ```
    After:
    ```mlir
    %zero = arith.constant 0 : index
    %isZero = arith.cmpi eq, %b, %zero : index
    %one = arith.constant 1 : index
    %c = arith.select %isZero, %one, %b : index
    %q0 = arith.divui %a, %c : index
    %q = arith.select %isZero, %zero, %q0 : index
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect"];
}

def ExpandComplexPass : Pass<"bfly-expand-complex", "::mlir::func::FuncOp"> {
  let summary = "Complex scalars to pairs of real ones";
  let description = [{
    Upstream's conversion, with an absolute value that neither overflows nor
    underflows and needs no division, so that the lanes vectorise.

    Before:
    ```mlir
    %c = complex.mul %a, %b : complex<f32>
    %r = complex.re %c : complex<f32>
    ```
    After:
    ```mlir
    %0 = complex.re %a : complex<f32>
    %1 = complex.im %a : complex<f32>
    %2 = complex.re %b : complex<f32>
    %3 = complex.im %b : complex<f32>
    %4 = arith.mulf %0, %2 : f32
    %5 = arith.mulf %1, %3 : f32
    %r = arith.subf %4, %5 : f32
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::complex::ComplexDialect"];
}

def VectorizeLanesPass : Pass<"bfly-vectorize-lanes", "::mlir::func::FuncOp"> {
  let summary = "Lane loops to vectors";
  let description = [{
    An innermost `affine.for` or `affine.parallel` marked `bfly.lanes` of
    constant length becomes vector code: as many full vectors as fit, in a loop
    where they are more than `unroll`, then one narrower vector for what is left.
    Loads and stores whose last index walks with the lane become vector accesses,
    loads that do not depend on it broadcasts; inner loops stay, and carry
    vectors; sums and maxima become vector accumulators, reduced at the end. A
    loop that holds anything else is left as it is, without the mark. So is one
    in which an iteration reads or writes what another one writes (found by
    affine dependence analysis): the mark is no promise.

    Before:
    ```mlir
    affine.for %c = 0 to 16 {
      %0 = affine.load %x[%n, %c] : memref<8x16xf32>
      %1 = arith.addf %0, %0 : f32
      affine.store %1, %y[%n, %c] : memref<8x16xf32>
    } {bfly.lanes}
    ```
    After:
    ```mlir
    %0 = affine.vector_load %x[%n, 0] : memref<8x16xf32>, vector<16xf32>
    %1 = arith.addf %0, %0 : vector<16xf32>
    affine.vector_store %1, %y[%n, 0] : memref<8x16xf32>, vector<16xf32>
    ```
  }];
  let options = [
    Option<"lanes", "lanes", "int64_t", /*default=*/"16",
           "f32 elements of a vector register; half as many for f64">,
    Option<"unroll", "unroll", "int64_t", /*default=*/"2",
           "full vectors that are written out instead of looped over">,
  ];
  let dependentDialects = ["::mlir::affine::AffineDialect", "::mlir::arith::ArithDialect",
                           "::mlir::vector::VectorDialect"];
}

def OutlineLoopsPass : Pass<"bfly-outline-loops", "::mlir::ModuleOp"> {
  let summary = "Large functions in parts";
  let description = [{
    In a function with more than `max-loops` loops one after the other each of
    them becomes a private function. Upstream's lowering of control flow and
    LLVM's optimiser take time that grows with the square of a function's size.
  }];
  let options = [
    Option<"maxLoops", "max-loops", "int64_t", "32",
           "loops, above which a function is taken apart">,
  ];
  let dependentDialects = ["::mlir::func::FuncDialect"];
}

def MapParallelToThreadsPass : Pass<"bfly-map-parallel-to-threads", "::mlir::func::FuncOp"> {
  let summary = "One level of parallel loops for threads, the others serial";
  let description = [{
    A CPU has one kind of parallelism beside its lanes: the outermost
    `affine.parallel` of more than one iteration stays (`-lower-affine` makes it
    an `scf.parallel`, then OpenMP), those inside it become loops. Stack memory
    of constant size is allocated once for a thread's part.

    Before:
    ```mlir
    affine.parallel (%b) = (0) to (%batch) {
      affine.parallel (%n, %c) = (0, 0) to (8, 16) {
        affine.store %zero, %x[%b, %n, %c] : memref<?x8x16xf32>
      }
    }
    ```
    After:
    ```mlir
    affine.parallel (%b) = (0) to (%batch) {
      affine.for %n = 0 to 8 {
        affine.for %c = 0 to 16 {
          affine.store %zero, %x[%b, %n, %c] : memref<?x8x16xf32>
        }
      }
    }
    ```
  }];
  let dependentDialects = ["::mlir::affine::AffineDialect"];
}

def ExpandScopesPass : Pass<"bfly-expand-scopes", "::mlir::func::FuncOp"> {
  let summary = "Units and threads of a GPU's plan to loops, for a CPU";
  let description = [{
    The outermost `bfly.grid` and `bfly.threads` become parallel loops, those in
    them serial ones. A loop has ended when the next begins, so that no barrier is
    left to wait at.

    Before:
    ```mlir
    func.func @f(%x: memref<4x8xf32>) {
      bfly.grid (%u) in (4) sync(none) {
        bfly.threads (%t) in (8) sync(block) {
          %v = memref.load %x[%u, %t] : memref<4x8xf32>
          %w = arith.addf %v, %v : f32
          memref.store %w, %x[%u, %t] : memref<4x8xf32>
        }
      }
      return
    }
    ```
    After:
    ```mlir
    func.func @f(%x: memref<4x8xf32>) {
      %c0 = arith.constant 0 : index
      %c1 = arith.constant 1 : index
      %c4 = arith.constant 4 : index
      %c8 = arith.constant 8 : index
      scf.parallel (%u) = (%c0) to (%c4) step (%c1) {
        scf.for %t = %c0 to %c8 step %c1 {
          %v = memref.load %x[%u, %t] : memref<4x8xf32>
          %w = arith.addf %v, %v : f32
          memref.store %w, %x[%u, %t] : memref<4x8xf32>
        }
        scf.reduce
      }
      return
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::scf::SCFDialect"];
}

def BufferizePass : Pass<"bfly-bufferize", "::mlir::ModuleOp"> {
  let summary = "Tensors between kernels to buffers";
  let description = [{
    Upstream's one-shot bufferization, with row-major buffers at the boundaries
    of functions. Its analysis of what can be computed in place takes time that
    grows with the third power of the number of operations: a module with more
    than `max-analyzed` of them on tensors is bufferized without it, each result
    in memory of its own. A `memref.expand_shape` of one dimension to several
    dynamic ones, or to empty ones beside them, becomes a
    `memref.reinterpret_cast`: upstream's lowering would divide for a size.
  }];
  let options = [
    Option<"maxAnalyzed", "max-analyzed", "int64_t", "48",
           "operations on tensors, above which nothing is computed in place">,
  ];
  let dependentDialects = [
    "::mlir::affine::AffineDialect", "::mlir::bufferization::BufferizationDialect",
    "::mlir::memref::MemRefDialect",
  ];
}

def ExpandCopiesPass : Pass<"bfly-expand-copies", "::mlir::func::FuncOp"> {
  let summary = "Copies of views to loops";
  let description = [{
    A `memref.copy` from or to a view with gaps becomes a `linalg.copy`, which becomes loops; it would
    be a call into upstream's runtime library. One between whole buffers stays: it is a memcpy.

    Before:
    ```mlir
    memref.copy %a, %b : memref<2x3xf32> to memref<2x3xf32, strided<[4, 1]>>
    ```
    After:
    ```mlir
    linalg.copy ins(%a : memref<2x3xf32>) outs(%b : memref<2x3xf32, strided<[4, 1]>>)
    ```
  }];
  let options = [
    Option<"all", "all", "bool", /*default=*/"false",
           "contiguous copies too: no host can do them in a GPU's memory">,
  ];
  let dependentDialects = ["::mlir::linalg::LinalgDialect"];
}

def FreeTemporariesPass : Pass<"bfly-free-temporaries", "::mlir::func::FuncOp"> {
  let summary = "Free buffers after their last use";
  let description = [{
    Bufferization allocates and never frees. Every `memref.alloc` in a function's
    entry block that nobody frees, returns or passes on is freed after the last
    use of it or of a view of it; so is one in a loop or a branch of scf, in the
    same block. One that leaves such a block is an error.

    Before:
    ```mlir
    %0 = memref.alloc() : memref<8xf32>
    affine.store %c, %0[0] : memref<8xf32>
    return
    ```
    After:
    ```mlir
    %0 = memref.alloc() : memref<8xf32>
    affine.store %c, %0[0] : memref<8xf32>
    memref.dealloc %0 : memref<8xf32>
    return
    ```
  }];
  let dependentDialects = ["::mlir::memref::MemRefDialect"];
}

def ApproximateMathPass : Pass<"bfly-approximate-math", "::mlir::func::FuncOp"> {
  let summary = "Exponentials of f32 vectors to polynomials";
  let description = [{
    A vector of exponentials would be a call to the C library for each lane. Upstream's
    polynomial, within two units in the last place, stays in vector registers. Scalars
    and f64 keep the library's.

    Example, of what becomes multiply-adds:
    ```mlir
    %y = math.exp %x : vector<16xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect",
                           "::mlir::vector::VectorDialect"];
}

def DecomposeLinalgPass : Pass<"bfly-decompose-linalg", "::mlir::func::FuncOp"> {
  let summary = "Operations of linalg that are made of others, to those";
  let description = [{
    `linalg.softmax`, `linalg.pack` and `linalg.unpack` have no loops of their own: they become the
    structured operations that they stand for. What of linalg has no such form is an error.
    A `tensor.reshape` to a shape that is a constant or spelled out (`tensor.from_elements`) becomes
    views: `tensor.collapse_shape` to one dimension, `tensor.expand_shape` to the new ones.

    Example, of what becomes two reductions and two maps:
    ```mlir
    %y = linalg.softmax dimension(1) ins(%x : tensor<2x8xf32>) outs(%e : tensor<2x8xf32>) -> tensor<2x8xf32>
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::linalg::LinalgDialect",
                           "::mlir::math::MathDialect", "::mlir::tensor::TensorDialect"];
}

def ExpandMathPass : Pass<"bfly-expand-math", "::mlir::func::FuncOp"> {
  let summary = "Functions of numbers to those that every target has";
  let description = [{
    Integer powers (`math.fpowi`, `math.ipowi`) become products or `math.powf`, `math.clampf` a
    maximum and a minimum, `math.sincos` two functions, and `math.isnan`, `isinf`, `isfinite` and
    `isnormal` comparisons. What is of f16 or bf16 is computed in f32.

    Before:
    ```mlir
    %three = arith.constant 3 : i32
    %y = math.fpowi %x, %three : f32, i32
    ```
    After:
    ```mlir
    %square = arith.mulf %x, %x : f32
    %y = arith.mulf %x, %square : f32
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::math::MathDialect"];
}

def CallMathLibraryPass : Pass<"bfly-call-math-library", "::mlir::ModuleOp"> {
  let summary = "Functions that LLVM has no intrinsic for, to calls";
  let description = [{
    Inverse hyperbolic functions, `cbrt`, `erf`, `erfc`, `expm1` and `log1p` of the math dialect
    become calls of the C library's functions, a call for each lane of a vector. `expm1` and `log1p`
    because upstream's -convert-math-to-llvm subtracts or adds 1, which cancels near 0.

    Before:
    ```mlir
    func.func @gelu(%x: f32) -> f32 {
      %y = math.erf %x : f32
      return %y : f32
    }
    ```
    After:
    ```mlir
    func.func private @erff(f32) -> f32 attributes {llvm.readnone}
    func.func @gelu(%x: f32) -> f32 {
      %y = call @erff(%x) : (f32) -> f32
      return %y : f32
    }
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect", "::mlir::func::FuncDialect",
                           "::mlir::vector::VectorDialect"];
}

def CheckLoweredPass : Pass<"bfly-check-lowered", "::mlir::ModuleOp"> {
  let summary = "Refuse operations that no conversion knew";
  let description = [{
    Everything is an operation of llvm, nvvm or omp, or a kernel and its launch: an operation that
    is not is an error that names it. The module's `bfly.target`, which nothing reads from here on
    and tools of llvm do not know, goes. With `kernels` that holds of what is in a `gpu.module`, and
    the host's code is as it was.
  }];
  let options = [
    Option<"kernels", "kernels", "bool", /*default=*/"false",
           "only what is in a gpu.module">,
  ];
}

def InlineKernelsPass : Pass<"bfly-inline-kernels", "::mlir::func::FuncOp"> {
  let summary = "Kernels into the function around them (CPU)";
  let description = [{
    On a CPU a kernel at affine level is only a bracket around its nests.

    Before:
    ```mlir
    bfly.kernel "copy" (%a = %x, %b = %y) : (memref<4xf32>, memref<4xf32>) {
      memref.copy %a, %b : memref<4xf32> to memref<4xf32>
    }
    ```
    After:
    ```mlir
    memref.copy %x, %y : memref<4xf32> to memref<4xf32>
    ```
  }];
}

#endif // BFLY_TRANSFORMS_PASSES_TD
