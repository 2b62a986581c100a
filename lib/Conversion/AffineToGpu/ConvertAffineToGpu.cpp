// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Affine to gpu: every kernel becomes one gpu.func, and one launch.
//
// Before: affine level of a GPU's plan, its affine loops lowered to scf:
// kernels hold phases, each a `bfly.grid` of units of work, in which
// `bfly.threads` follow one another. Parallel loops outside of kernels, of what
// upstream operations became, are kernels of one phase. After:
// host code launches, and calls the runtime for what a library does;
// a gpu.module for each kernel holds a gpu.func, with
// blocks, threads, barriers, shared memory and registers. Nothing on the host
// touches an element.

#include "KernelMapper.h"
#include "LibraryCalls.h"
#include "LooseLoops.h"
#include "bfly/Conversion/Passes.h"
#include "bfly/IR/Machine.h"
#include "bfly/Target/Launches.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CONVERTAFFINETOGPUPASS
#include "bfly/Conversion/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

/// Words of counters that a kernel with barriers of the grid needs.
static constexpr int64_t kCounterWords = 2;

namespace {

/// Converts one kernel.
class KernelOutliner {
public:
  KernelOutliner(KernelOp kernel, const Machine &machine, std::string name)
      : kernel(kernel), machine(machine), name(std::move(name)),
        builder(kernel), loc(kernel.getLoc()) {}

  LogicalResult outline();

private:
  /// Scratch memory is the host's to allocate.
  LogicalResult hoistAllocations();
  /// Constants come with the kernel's code.
  void sinkConstants();
  void moveConstants(gpu::GPUModuleOp gpuModule, gpu::GPUFuncOp function);
  LLVM::LLVMFuncOp declare(StringRef function, Type result,
                           ArrayRef<Type> arguments) {
    return declareRuntime(kernel->getParentOfType<ModuleOp>(), function, result,
                          arguments);
  }
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }

  KernelOp kernel;
  const Machine &machine;
  std::string name;
  OpBuilder builder;
  Location loc;
  SmallVector<Value> scratch;
};

} // namespace

LogicalResult KernelOutliner::hoistAllocations() {
  Block &body = kernel.getBody().front();
  IRMapping onHost;
  onHost.map(body.getArguments(), kernel.getInputs());
  std::function<FailureOr<Value>(Value)> getOnHost =
      [&](Value value) -> FailureOr<Value> {
    if (Value known = onHost.lookupOrNull(value))
      return known;
    Operation *op = value.getDefiningOp();
    if (!op || op->getNumRegions() || !isMemoryEffectFree(op) ||
        op->getBlock() != &body)
      return failure();
    for (Value operand : op->getOperands())
      if (failed(getOnHost(operand)))
        return failure();
    builder.clone(*op, onHost);
    return onHost.lookup(value);
  };
  for (Operation &op : llvm::make_early_inc_range(body)) {
    if (auto dealloc = dyn_cast<memref::DeallocOp>(op)) {
      dealloc.erase();
      continue;
    }
    auto alloc = dyn_cast<memref::AllocOp>(op);
    if (!alloc)
      continue;
    SmallVector<Value> sizes;
    for (Value size : alloc.getDynamicSizes()) {
      FailureOr<Value> hostSize = getOnHost(size);
      if (failed(hostSize))
        return alloc.emitOpError("has a size that the host does not know");
      sizes.push_back(*hostSize);
    }
    Value buffer = memref::AllocOp::create(builder, loc, alloc.getType(), sizes,
                                           alloc.getAlignmentAttr());
    scratch.push_back(buffer);
    kernel.getInputsMutable().append(buffer);
    BlockArgument argument = body.addArgument(alloc.getType(), alloc.getLoc());
    onHost.map(argument, buffer);
    alloc.replaceAllUsesWith(argument);
    alloc.erase();
  }
  return success();
}

void KernelOutliner::sinkConstants() {
  Block &body = kernel.getBody().front();
  OpBuilder inside = OpBuilder::atBlockBegin(&body);
  for (unsigned i = kernel.getInputs().size(); i-- > 0;) {
    auto constant = kernel.getInputs()[i].getDefiningOp<memref::GetGlobalOp>();
    if (!constant)
      continue;
    body.getArgument(i).replaceAllUsesWith(
        inside.clone(*constant)->getResult(0));
    body.eraseArgument(i);
    kernel.getInputsMutable().erase(i);
  }
}

void KernelOutliner::moveConstants(gpu::GPUModuleOp gpuModule,
                                   gpu::GPUFuncOp function) {
  SymbolTable host(gpuModule->getParentOp()), device(gpuModule);
  function.walk([&](memref::GetGlobalOp constant) {
    StringRef symbol = constant.getName();
    if (!device.lookup(symbol))
      if (Operation *global = host.lookup(symbol))
        device.insert(global->clone());
  });
}

LogicalResult KernelOutliner::outline() {
  MLIRContext *context = kernel.getContext();
  if (kernel.getNumResults())
    return kernel.emitOpError("is at schedule level: "
                              "-bfly-convert-schedule-to-affine has to be run "
                              "first");
  auto block = kernel.getPlanPart<GpuBlockAttr>();
  if (!block)
    return kernel.emitOpError("has a plan without #bfly.gpu_block, which is "
                              "not one of a GPU");
  int64_t threads = block.getThreads();
  if (failed(hoistAllocations()))
    return failure();
  sinkConstants();

  auto module = kernel->getParentOfType<ModuleOp>();
  Type pointer = LLVM::LLVMPointerType::get(context);
  SmallVector<Type> types(kernel.getInputs().getTypes());
  types.push_back(pointer);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToEnd(module.getBody());
  Attribute target = NVVM::NVVMTargetAttr::get(
      context, /*optLevel=*/3, "nvptx64-nvidia-cuda", machine.name,
      "+ptx" + std::to_string(machine.ptx));
  auto gpuModule = gpu::GPUModuleOp::create(builder, loc, name, target);
  builder.setInsertionPointToStart(gpuModule.getBody());
  auto function = gpu::GPUFuncOp::create(builder, loc, name,
                                         builder.getFunctionType(types, {}));
  function->setAttr(gpu::GPUDialect::getKernelFuncAttrName(),
                    builder.getUnitAttr());
  function.setKnownBlockSizeAttr(
      builder.getDenseI32ArrayAttr({static_cast<int32_t>(threads), 1, 1}));
  Block &entry = function.getBody().front(), &body = kernel.getBody().front();
  for (auto [from, to] : llvm::zip(body.getArguments(), entry.getArguments()))
    from.replaceAllUsesWith(to);
  body.getTerminator()->erase();
  entry.getOperations().splice(entry.end(), body.getOperations());
  builder.setInsertionPointToEnd(&entry);
  gpu::ReturnOp::create(builder, loc);
  moveConstants(gpuModule, function);
  KernelMapper mapper(function, threads);
  if (failed(mapper.map()))
    return failure();
  if (mapper.getSharedBytes() > machine.sharedBytes)
    return kernel.emitKernelError()
           << "needs " << mapper.getSharedBytes()
           << " bytes of shared memory a block, but there are "
           << machine.sharedBytes;

  // As many blocks as are certainly resident at once: the kernel's loops take
  // any number.
  int64_t registers = mapper.getNumRegisters() + machine.workingRegisters;
  int64_t resident = std::max<int64_t>(
      1, std::min({machine.sharedBytes / (mapper.getSharedBytes() + 1024),
                   machine.residentThreads / threads,
                   machine.registers / (threads * registers)}));
  function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(),
                    builder.getI32IntegerAttr(resident));
  builder.setInsertionPoint(kernel);
  Type i64 = builder.getI64Type();
  LLVM::LLVMFuncOp processors = declare("bflyCudaMultiprocessors", i64, {});
  Value count =
      LLVM::CallOp::create(builder, loc, processors, ValueRange()).getResult();
  Value blocks = arith::MulIOp::create(
      builder, loc,
      arith::IndexCastOp::create(builder, loc, builder.getIndexType(), count),
      index(resident));
  if (std::optional<int64_t> most = mapper.getMostBlocks())
    blocks = arith::MinUIOp::create(builder, loc, blocks, index(*most));
  SmallVector<Value> operands(kernel.getInputs());
  if (mapper.isCooperative()) {
    LLVM::LLVMFuncOp words = declare("bflyCudaCounters", pointer, {i64});
    Value number = LLVM::ConstantOp::create(builder, loc, i64, kCounterWords);
    operands.push_back(
        LLVM::CallOp::create(builder, loc, words, number).getResult());
  } else {
    operands.push_back(LLVM::ZeroOp::create(builder, loc, pointer));
  }
  Value one = index(1);
  Value sharedBytes =
      arith::ConstantIntOp::create(builder, loc, mapper.getSharedBytes(), 32);
  auto launch = gpu::LaunchFuncOp::create(
      builder, loc, function, gpu::KernelDim3{blocks, one, one},
      gpu::KernelDim3{index(threads), one, one}, sharedBytes, operands);
  if (mapper.isCooperative())
    launch->setAttr(kCooperativeAttr, builder.getUnitAttr());
  for (Value buffer : scratch)
    memref::DeallocOp::create(builder, loc, buffer);
  kernel.erase();
  return success();
}

namespace {

struct ConvertAffineToGpuPass
    : public bfly::impl::ConvertAffineToGpuPassBase<ConvertAffineToGpuPass> {
  using ConvertAffineToGpuPassBase::ConvertAffineToGpuPassBase;

  void runOnOperation() override {
    ModuleOp module = getOperation();
    Machine machine = getMachine(module);
    if (!machine.isGPU()) {
      module.emitError("is for target \"")
          << machine.name << "\", which is not a GPU";
      return signalPassFailure();
    }
    for (auto function : module.getOps<func::FuncOp>())
      if (failed(convert(function, machine)))
        return signalPassFailure();
    module.walk([](memref::GetGlobalOp constant) {
      if (constant->use_empty())
        constant.erase();
    });
    for (auto global :
         llvm::make_early_inc_range(module.getOps<memref::GlobalOp>()))
      if (SymbolTable::symbolKnownUseEmpty(global, module))
        global.erase();
    module->setAttr(gpu::GPUDialect::getContainerModuleAttrName(),
                    UnitAttr::get(&getContext()));
  }

private:
  LogicalResult convert(func::FuncOp function, const Machine &machine);
};

LogicalResult ConvertAffineToGpuPass::convert(func::FuncOp function,
                                              const Machine &machine) {
  SmallVector<scf::ParallelOp> loops;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (isa<KernelOp>(op))
      return WalkResult::skip();
    if (auto loop = dyn_cast<scf::ParallelOp>(op)) {
      loops.push_back(loop);
      return WalkResult::skip();
    }
    return WalkResult::advance();
  });
  for (scf::ParallelOp loop : loops)
    if (failed(wrapInKernel(loop, machine)))
      return failure();
  copyConstants(function, machine);
  SmallVector<KernelOp> kernels;
  function.walk([&](KernelOp kernel) { kernels.push_back(kernel); });
  auto module = function->getParentOfType<ModuleOp>();
  int64_t number = 0;
  for (KernelOp kernel : kernels) {
    std::string prefix = getLaunchPrefix(function.getName(), kernel.getName());
    std::string name;
    do {
      name = prefix + std::to_string(number++);
    } while (module.lookupSymbol(name));
    if (failed(KernelOutliner(kernel, machine, name).outline()))
      return failure();
  }
  callLibraries(function);
  // The arrays are in the GPU's memory.
  WalkResult walk = function.walk([](Operation *op) {
    if (!isa<memref::LoadOp, memref::StoreOp, memref::CopyOp, vector::LoadOp,
             vector::StoreOp>(op))
      return WalkResult::advance();
    op->emitError("reads or writes single elements of an array outside of a "
                  "kernel, which host code cannot do on a GPU");
    return WalkResult::interrupt();
  });
  return failure(walk.wasInterrupted());
}

} // namespace
