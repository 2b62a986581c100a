// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The compiler as a list of levels, each with the passes that lead to it.

#include "bfly/Pipelines/Pipelines.h"

#include "bfly/Conversion/Passes.h"
#include "bfly/IR/Bfly.h"
#include "bfly/IR/Machine.h"
#include "bfly/Target/CudaToolkit.h"
#include "bfly/Transforms/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Arith/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/GPU/Transforms/Passes.h"
#include "mlir/Dialect/LLVMIR/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::bfly;

// bfly on tensors, with linalg, arith, tensor: mixers to networks, which the
// exact rewrites make cheaper.
static void buildNetwork(OpPassManager &manager,
                         const CompileOptions &options) {
  SetTargetPassOptions target;
  target.target = options.target;
  target.threads = options.threads;
  manager.addPass(createSetTargetPass(target));
  manager.addPass(createParametersToArgumentsPass());
  manager.addPass(createCheckCallsPass());
  // A result of a dynamic size has no place of its own across a call, and a
  // network that calls cut in two is no kernel.
  manager.addPass(createInlinerPass({}, [](OpPassManager &) {}));
  manager.addPass(createSymbolDCEPass());
  OpPassManager &functions = manager.nest<func::FuncOp>();
  functions.addPass(createConvertMixerToNetworkPass());
  functions.addPass(createRewriteSpectraPass());
  RewriteAttentionPassOptions attention;
  attention.scoring = options.scoring;
  functions.addPass(createRewriteAttentionPass(attention));
  // No CSE: two filters of one input that shared its transform could not be a
  // kernel each, and the spectrum would go through memory.
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createPlaceCarriedTensorsPass());
}

// The same dialects, networks inside bfly.kernel with a plan.
static void buildSchedule(OpPassManager &manager,
                          const CompileOptions &options) {
  OpPassManager &functions = manager.nest<func::FuncOp>();
  ConvertNetworkToSchedulePassOptions kernels;
  kernels.fuse = options.fuse;
  functions.addPass(createConvertNetworkToSchedulePass(kernels));
  functions.addPass(createChoosePlanPass());
}

// affine, memref, arith, math, complex, and bfly on registers, tables and
// tiles.
static void buildAffine(OpPassManager &manager, bool onGPU) {
  // From here on results are the caller's to allocate.
  manager.addNestedPass<func::FuncOp>(createInferSizesPass());
  manager.addNestedPass<func::FuncOp>(createConvertScheduleToAffinePass());
  manager.addNestedPass<func::FuncOp>(createDecomposeLinalgPass());
  manager.addPass(createConvertElementwiseToLinalgPass());
  manager.addPass(createBufferizePass());
  // Results become arguments: the caller owns all memory that outlives a call.
  bufferization::BufferResultsToOutParamsPassOptions results;
  results.addResultAttribute = true;
  results.hoistStaticAllocs = true;
  results.hoistDynamicAllocs = true;
  results.modifyPublicFunctions = true;
  manager.addPass(bufferization::createBufferResultsToOutParamsPass(results));
  OpPassManager &functions = manager.nest<func::FuncOp>();
  // On a GPU every copy is a loop, and loops that are nobody's become kernels.
  ExpandCopiesPassOptions copies;
  copies.all = onGPU;
  functions.addPass(createExpandCopiesPass(copies));
  // What a loop carries is one buffer, whose sizes are known outside of it.
  functions.addPass(createCanonicalizerPass());
  if (!onGPU)
    functions.addPass(createConvertLinalgToAffineLoopsPass());
  functions.addPass(createCanonicalizerPass());
  functions.addPass(createCSEPass());
  functions.addPass(createFreeTemporariesPass());
}

// affine and vector to llvm, for a CPU: lanes to vectors, the outermost
// parallel loops to threads.
static void buildLLVM(OpPassManager &manager) {
  {
    OpPassManager &functions = manager.nest<func::FuncOp>();
    // Wrappers for what is called from outside, and not for the C library's
    // functions, which are declared below.
    functions.addPass(LLVM::createLLVMRequestCWrappersPass());
    functions.addPass(createInlineKernelsPass());
    functions.addPass(createExpandLibraryCallsPass());
    functions.addPass(createExpandMatrixProductsPass());
    functions.addPass(createEraseMemorySpacesPass());
    // While lanes are scalars, so is what their regions compute.
    functions.addPass(createExpandIntegerMathPass());
    functions.addPass(createExpandComplexPass());
    functions.addPass(createExpandMathPass());
    functions.addPass(createCanonicalizerPass());
    functions.addPass(createExpandTileProductPass());
    functions.addPass(createVectorizeLanesPass());
    functions.addPass(createExpandDftPass());
    functions.addPass(createCanonicalizerPass());
    functions.addPass(createExpandRotatePass());
    functions.addPass(createApproximateMathPass());
    functions.addPass(createMapParallelToThreadsPass());
    functions.addPass(createLowerAffinePass());
    functions.addPass(createExpandScopesPass());
    // Maps may divide by sizes too.
    functions.addPass(createExpandIntegerMathPass());
  }
  manager.addPass(createExpandTablesPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
  manager.addPass(createOutlineLoopsPass());
  // Upstream from here.
  arith::ArithExpandOpsPassOptions expand;
  expand.includeBf16 = true;
  manager.addPass(arith::createArithExpandOpsPass(expand));
  manager.addPass(createConvertSCFToOpenMPPass());
  // Addresses of views become affine maps once more.
  manager.addPass(memref::createExpandStridedMetadataPass());
  manager.addPass(createLowerAffinePass());
  manager.addNestedPass<func::FuncOp>(createExpandIntegerMathPass());
  manager.addPass(createCanonicalizerPass());
  // A call for each element of a vector.
  manager.addPass(createCallMathLibraryPass());
  manager.addPass(createConvertVectorToLLVMPass());
  manager.addPass(createConvertComplexToLLVMPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createArithToLLVMConversionPass());
  manager.addPass(createConvertIndexToLLVMPass());
  FinalizeMemRefToLLVMConversionPassOptions memory;
  memory.useGenericFunctions = true;
  manager.addPass(createFinalizeMemRefToLLVMConversionPass(memory));
  manager.addPass(createSCFToControlFlowPass());
  manager.addPass(createLowerChecksPass());
  manager.addPass(createConvertOpenMPToLLVMPass());
  manager.addPass(createConvertControlFlowToLLVMPass());
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createCheckLoweredPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
}

// gpu and scf, in a gpu.module for each kernel; host code launches.
static void buildGPU(OpPassManager &manager) {
  {
    OpPassManager &functions = manager.nest<func::FuncOp>();
    functions.addPass(createExpandIntegerMathPass());
    functions.addPass(createExpandComplexPass());
    functions.addPass(createExpandMathPass());
    functions.addPass(createCanonicalizerPass());
    ExpandMatrixProductsPassOptions products;
    products.keepUnits = true;
    products.unroll = true;
    functions.addPass(createExpandMatrixProductsPass(products));
    functions.addPass(createExpandDftPass());
    functions.addPass(createCanonicalizerPass());
    functions.addPass(createExpandRotatePass());
    functions.addPass(createConvertLinalgToParallelLoopsPass());
    functions.addPass(createExpandIndexMapsPass());
    functions.addPass(createLowerAffinePass());
    functions.addPass(createExpandIntegerMathPass());
    // Loops of one iteration go, and those around them unroll; scopes stay.
    functions.addPass(createCanonicalizerPass());
    functions.addPass(createUnrollThreadLoopsPass());
  }
  manager.addPass(createConvertAffineToGpuPass());
  manager.addPass(createExpandTablesPass());
  manager.addPass(createCanonicalizerPass());
  manager.addPass(createCSEPass());
}

// nvvm and llvm in the gpu.modules.
static void buildNVVM(OpPassManager &manager) {
  OpPassManager &kernels = manager.nest<gpu::GPUModuleOp>();
  kernels.addPass(createConvertGpuToNvvmPass());
  kernels.addPass(memref::createExpandStridedMetadataPass());
  kernels.addPass(createLowerAffinePass());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  // Indices are not negative: quotients and remainders become shifts and masks.
  kernels.addPass(arith::createIntRangeOptimizationsPass());
  kernels.addPass(arith::createArithUnsignedWhenEquivalentPass());
  arith::ArithExpandOpsPassOptions expand;
  kernels.addPass(arith::createArithExpandOpsPass(expand));
  kernels.addPass(createSCFToControlFlowPass());
  kernels.addPass(createConvertGpuOpsToNVVMOps());
  // Counts of bits, which upstream's conversion leaves.
  kernels.addPass(createConvertMathToLLVMPass());
  kernels.addPass(createConvertNVVMToLLVMPass());
  kernels.addPass(createCanonicalizerPass());
  kernels.addPass(createCSEPass());
  CheckLoweredPassOptions check;
  check.kernels = true;
  manager.addPass(createCheckLoweredPass(check));
  manager.addNestedPass<gpu::GPUModuleOp>(createReconcileUnrealizedCastsPass());
}

// The kernels assembled: machine code where there is an assembler, else PTX,
// which the driver compiles. Of a portable target both, for chips that the
// machine code is not for.
static void buildBinary(OpPassManager &manager, const Machine &machine) {
  GpuModuleToBinaryPassOptions binary;
  std::optional<CudaToolkit> toolkit = findCudaToolkit();
  if (toolkit && machine.isPortable() && toolkit->fatbinary.empty())
    toolkit.reset();
  binary.toolkitPath = toolkit ? toolkit->root : "";
  binary.compilationTarget = !toolkit               ? "isa"
                             : machine.isPortable() ? "fatbin"
                                                    : "bin";
  manager.addPass(createGpuModuleToBinaryPass(binary));
  manager.addPass(createCheckBinariesPass());
}

// llvm, with the binaries embedded: host code on the project's runtime.
static void buildHost(OpPassManager &manager) {
  manager.addPass(createSCFToControlFlowPass());
  manager.addPass(memref::createExpandStridedMetadataPass());
  manager.addPass(createLowerAffinePass());
  manager.addPass(createCanonicalizerPass());
  manager.addNestedPass<func::FuncOp>(LLVM::createLLVMRequestCWrappersPass());
  manager.addPass(createCallMathLibraryPass());
  manager.addPass(createConvertMathToLLVMPass());
  manager.addPass(createArithToLLVMConversionPass());
  manager.addPass(createConvertIndexToLLVMPass());
  manager.addPass(createConvertBinaryToLLVMPass());
  manager.addPass(createFinalizeMemRefToLLVMConversionPass());
  manager.addPass(createUseDeviceMemoryPass());
  manager.addPass(createLowerChecksPass());
  manager.addPass(createConvertControlFlowToLLVMPass());
  manager.addPass(createConvertFuncToLLVMPass());
  manager.addPass(createCheckLoweredPass());
  manager.addPass(createReconcileUnrealizedCastsPass());
}

bool mlir::bfly::isGPULevel(StringRef level) {
  return level == "gpu" || level == "nvvm" || level == "binary";
}

/// Whether kernels become a GPU's; an emulated GPU's run on the CPU.
static bool runsOnGPU(const CompileOptions &options) {
  std::optional<Machine> machine = getMachine(options.target);
  return machine && machine->isGPU() && !options.emulate;
}

LogicalResult mlir::bfly::getCompileLevels(
    const CompileOptions &options, SmallVectorImpl<StringRef> &levels,
    llvm::function_ref<LogicalResult(const llvm::Twine &)> errorHandler) {
  static constexpr StringRef all[] = {"network", "schedule", "affine", "gpu",
                                      "nvvm",    "binary",   "llvm"};
  const auto *level = llvm::find(all, StringRef(options.to));
  if (level == std::end(all))
    return errorHandler("unknown level '" + options.to.getValue() +
                        "', known: network, schedule, affine, gpu, nvvm, "
                        "binary, llvm");
  if (!getMachine(options.target))
    return errorHandler("unknown target '" + options.target.getValue() +
                        "', known: " + getMachineNames());
  if (options.threads < 1 || options.threads > 4096)
    return errorHandler("threads must be between 1 and 4096");
  if (options.scoring != "auto" && !symbolizeScoring(options.scoring))
    return errorHandler("unknown scoring '" + options.scoring.getValue() +
                        "', known: auto, definition, pair_difference, chained, "
                        "folded, carried");
  bool onGPU = runsOnGPU(options);
  if (!onGPU && isGPULevel(*level))
    return errorHandler("level '" + options.to.getValue() +
                        "' is one of a GPU, not of target '" +
                        options.target.getValue() +
                        (options.emulate ? "', emulated" : "'"));
  for (StringRef passed : llvm::make_range(std::begin(all), level + 1))
    if (onGPU || !isGPULevel(passed))
      levels.push_back(passed);
  return success();
}

void mlir::bfly::buildCompileLevel(OpPassManager &manager,
                                   const CompileOptions &options,
                                   StringRef level) {
  if (level == "network")
    buildNetwork(manager, options);
  else if (level == "schedule")
    buildSchedule(manager, options);
  else if (level == "affine")
    buildAffine(manager, runsOnGPU(options));
  else if (level == "gpu")
    buildGPU(manager);
  else if (level == "nvvm")
    buildNVVM(manager);
  else if (level == "binary")
    buildBinary(manager, *getMachine(options.target));
  else if (runsOnGPU(options))
    buildHost(manager);
  else
    buildLLVM(manager);
}

void mlir::bfly::registerCompilePipeline() {
  registerPassPipeline(
      "bfly-compile", "Compile mixers, down to the level asked for",
      [](OpPassManager &manager, StringRef text,
         function_ref<LogicalResult(const Twine &)> errorHandler) {
        CompileOptions options;
        SmallVector<StringRef> levels;
        if (failed(options.read(text, errorHandler)) ||
            failed(getCompileLevels(options, levels, errorHandler)))
          return failure();
        for (StringRef level : levels)
          buildCompileLevel(manager, options, level);
        return success();
      },
      [](function_ref<void(const mlir::detail::PassOptions &)> handler) {
        handler(CompileOptions());
      });
}
