// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Loops to blocks and threads, buffers to shared memory and registers.

#include "KernelMapper.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Where buffers in shared memory start: what bulk copies and matrix units
/// need, and whole banks.
static constexpr int64_t kSharedAlignment = 128;

KernelMapper::KernelMapper(gpu::GPUFuncOp function, int64_t threads)
    : function(function), threads(threads) {}

Value KernelMapper::index(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

LogicalResult KernelMapper::map() {
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  Location loc = function.getLoc();
  thread = gpu::ThreadIdOp::create(builder, loc, gpu::Dimension::x);
  block = gpu::BlockIdOp::create(builder, loc, gpu::Dimension::x);
  blocks = gpu::GridDimOp::create(builder, loc, gpu::Dimension::x);
  counters = function.getArguments().back();
  auto bytes = MemRefType::get(
      {ShapedType::kDynamic}, builder.getI8Type(), MemRefLayoutAttrInterface(),
      gpu::AddressSpaceAttr::get(builder.getContext(),
                                 gpu::AddressSpace::Workgroup));
  shared = SharedMemoryOp::create(builder, loc, bytes);
  // The barriers of rings stay for the whole kernel: no buffer of any phase may
  // lie over them.
  function.walk([&](StreamProductOp op) {
    kernelStreams = true;
    ringBarriers[op] = sharedForAll;
    int64_t stages = cast<MemRefType>(op.getRing().getType()).getDimSize(0);
    sharedForAll += llvm::alignTo(2 * stages * 8, kSharedAlignment);
  });
  if (failed(mapPhases(function.getBody().front())))
    return failure();
  WalkResult walk = function.walk<WalkOrder::PreOrder>([](Operation *op) {
    if (!isa<GridOp, ThreadsOp, scf::ParallelOp>(op))
      return WalkResult::advance();
    op->emitOpError("cannot be mapped: a kernel is bfly.grid and "
                    "bfly.threads, one after the other or in serial loops");
    return WalkResult::interrupt();
  });
  if (walk.wasInterrupted())
    return failure();
  if (cooperative) {
    builder.setInsertionPoint(function.getBody().front().getTerminator());
    GridBarrierOp::create(builder, loc, counters, /*last=*/true);
  }
  return success();
}

LogicalResult KernelMapper::mapPhases(Block &body) {
  for (Operation &op : llvm::make_early_inc_range(body)) {
    LogicalResult mapped = success();
    // A phase is where memory is touched: elsewhere all threads would.
    if (isa<memref::StoreOp, memref::CopyOp, vector::StoreOp, memref::AllocOp>(
            op))
      return op.emitOpError("has no place between the phases of a kernel");
    if (auto grid = dyn_cast<GridOp>(op))
      mapped = mapUnits(grid);
    else if (auto threads = dyn_cast<ThreadsOp>(op))
      mapped = mapThreadsOfGrid(threads);
    else if (auto loop = dyn_cast<scf::ForOp>(op))
      mapped = mapPhases(*loop.getBody());
    if (failed(mapped))
      return failure();
  }
  return success();
}

/// The iterations of a scope over all dimensions, or none if they are not
/// known. Fails if they are, and 64 bits cannot count them.
template <typename OpTy>
static FailureOr<std::optional<int64_t>> getIterations(OpTy scope) {
  int64_t total = 1;
  for (OpFoldResult size : scope.getMixedSizes()) {
    std::optional<int64_t> count = getConstantIntValue(size);
    if (!count)
      return std::optional<int64_t>();
    if (llvm::MulOverflow(total, *count, total))
      return scope.emitOpError("runs more often than 64 bits can count");
  }
  return std::optional<int64_t>(total);
}

/// The iterations of a scope over all dimensions as one count.
template <typename OpTy>
static Value countIterations(OpBuilder &builder, OpTy scope) {
  Location loc = scope.getLoc();
  Value total;
  for (OpFoldResult size : scope.getMixedSizes()) {
    Value count = getValueOrCreateConstantIndexOp(builder, loc, size);
    total = total ? arith::MulIOp::create(builder, loc, total, count) : count;
  }
  return total;
}

/// Moves what iteration `number` of a scope does to the end of the builder's
/// block.
template <typename OpTy>
static void inlineIteration(OpBuilder &builder, OpTy scope, Value number) {
  Location loc = scope.getLoc();
  SmallVector<OpFoldResult> sizes = scope.getMixedSizes();
  for (unsigned i = sizes.size(); i-- > 0;) {
    Value own = number;
    if (i) {
      Value count = getValueOrCreateConstantIndexOp(builder, loc, sizes[i]);
      own = arith::RemUIOp::create(builder, loc, number, count);
      number = arith::DivUIOp::create(builder, loc, number, count);
    }
    scope.getNumbers()[i].replaceAllUsesWith(own);
  }
  Block &body = scope.getBody().front();
  body.getTerminator()->erase();
  builder.getInsertionBlock()->getOperations().splice(
      builder.getInsertionPoint(), body.getOperations());
}

void KernelMapper::fenceProxies(OpBuilder &builder, Location loc) {
  NVVM::FenceProxyOp::create(
      builder, loc,
      NVVM::ProxyKindAttr::get(builder.getContext(), NVVM::ProxyKind::async),
      /*space=*/NVVM::SharedSpaceAttr());
}

template <typename OpTy>
LogicalResult KernelMapper::endPhase(OpTy phase, int64_t iterationsOfBlock) {
  Location loc = phase.getLoc();
  OpBuilder builder(phase);
  builder.setInsertionPointAfter(phase);
  // What one phase wrote the next may stream, by the copy engine.
  if (phase.getSync() == Sync::Grid) {
    cooperative = true;
    if (kernelStreams)
      fenceProxies(builder, loc);
    GridBarrierOp::create(builder, loc, counters, /*last=*/false);
    if (kernelStreams)
      fenceProxies(builder, loc);
  }
  FailureOr<std::optional<int64_t>> iterations = getIterations(phase);
  if (failed(iterations))
    return failure();
  if (*iterations && mostBlocks)
    mostBlocks = std::max(
        *mostBlocks, llvm::divideCeilSigned(**iterations, iterationsOfBlock));
  else
    mostBlocks = std::nullopt;
  return success();
}

LogicalResult KernelMapper::mapUnits(GridOp phase) {
  if (failed(endPhase(phase, /*iterationsOfBlock=*/1)))
    return failure();
  Location loc = phase.getLoc();
  OpBuilder builder(phase);
  phaseHasMatrices = false;
  phaseRegisters = 0;
  phase.walk([&](MatrixProductOp) { phaseHasMatrices = true; });
  sharedUsed = sharedForAll;
  Value total = countIterations(builder, phase);
  auto units = scf::ForOp::create(builder, loc, block, total, blocks);
  builder.setInsertionPointToStart(units.getBody());
  inlineIteration(builder, phase, units.getInductionVar());
  phase.erase();

  SmallVector<Operation *> ops;
  units.getBody()->walk([&](Operation *op) {
    if (isa<ThreadsOp, memref::AllocOp, memref::DeallocOp, MatrixProductOp,
            StreamProductOp>(op))
      ops.push_back(op);
  });
  // Registers first: the accesses in the loops change with them.
  for (Operation *&op : ops)
    if (auto dealloc = dyn_cast<memref::DeallocOp>(op)) {
      dealloc.erase();
      op = nullptr;
    }
  for (Operation *&op : ops)
    if (auto alloc = dyn_cast_or_null<memref::AllocOp>(op)) {
      bool isRegisters = isInPrivateMemory(alloc.getType());
      if (failed(isRegisters ? placeRegisters(alloc) : placeShared(alloc)))
        return failure();
      op = nullptr;
    }
  for (Operation *op : ops) {
    if (!op)
      continue;
    LogicalResult mapped = success();
    if (auto threads = dyn_cast<ThreadsOp>(op))
      mapped = mapThreads(threads);
    else if (auto product = dyn_cast<MatrixProductOp>(op))
      mapped = mapMatrixProduct(product);
    else
      mapped = mapStreamProduct(cast<StreamProductOp>(op));
    if (failed(mapped))
      return failure();
  }
  for (auto [alloc, buffer] : registers)
    alloc.getDefiningOp()->erase();
  registers.clear();
  sharedBytes = std::max(sharedBytes, sharedUsed);
  mostRegisters = std::max(mostRegisters, phaseRegisters);
  return success();
}

LogicalResult KernelMapper::mapThreadsOfGrid(ThreadsOp phase) {
  if (failed(endPhase(phase, /*iterationsOfBlock=*/threads)))
    return failure();
  Location loc = phase.getLoc();
  OpBuilder builder(phase);
  Value total = countIterations(builder, phase);
  Value width = index(builder, loc, threads);
  Value first = arith::AddIOp::create(
      builder, loc, arith::MulIOp::create(builder, loc, block, width), thread);
  Value step = arith::MulIOp::create(builder, loc, blocks, width);
  auto loop = scf::ForOp::create(builder, loc, first, total, step);
  builder.setInsertionPointToStart(loop.getBody());
  inlineIteration(builder, phase, loop.getInductionVar());
  phase.erase();
  return success();
}

LogicalResult KernelMapper::mapThreads(ThreadsOp scope) {
  FailureOr<std::optional<int64_t>> count = getIterations(scope);
  if (failed(count))
    return failure();
  Location loc = scope.getLoc();
  OpBuilder builder(scope);
  Value total = countIterations(builder, scope);
  Block *end = scope->getBlock();
  if (*count && **count == threads) {
    inlineIteration(builder, scope, thread);
  } else if (*count && **count < threads) {
    Value inside = arith::CmpIOp::create(
        builder, loc, arith::CmpIPredicate::ult, thread, total);
    auto branch = scf::IfOp::create(builder, loc, inside,
                                    /*withElseRegion=*/false);
    builder.setInsertionPointToStart(branch.thenBlock());
    inlineIteration(builder, scope, thread);
  } else if (*count && **count % threads == 0) {
    // A count that is known can be unrolled, a start that is not hinders it.
    auto rounds = scf::ForOp::create(builder, loc, index(builder, loc, 0),
                                     index(builder, loc, **count / threads),
                                     index(builder, loc, 1));
    builder.setInsertionPointToStart(rounds.getBody());
    Value offset = arith::MulIOp::create(builder, loc, rounds.getInductionVar(),
                                         index(builder, loc, threads));
    inlineIteration(builder, scope,
                    arith::AddIOp::create(builder, loc, offset, thread));
  } else {
    auto rounds = scf::ForOp::create(builder, loc, thread, total,
                                     index(builder, loc, threads));
    builder.setInsertionPointToStart(rounds.getBody());
    inlineIteration(builder, scope, rounds.getInductionVar());
  }
  if (scope.getSync() == Sync::Block) {
    builder.setInsertionPoint(end, Block::iterator(scope));
    if (phaseHasMatrices)
      fenceProxies(builder, loc);
    gpu::BarrierOp::create(builder, loc);
  }
  scope.erase();
  return success();
}

Value KernelMapper::takeShared(OpBuilder &builder, Location loc,
                               MemRefType type) {
  int64_t bytes = type.getNumElements() * type.getElementTypeBitWidth() / 8;
  Value offset = index(builder, loc, sharedUsed);
  sharedUsed += llvm::alignTo(bytes, kSharedAlignment);
  return memref::ViewOp::create(builder, loc, type, shared, offset,
                                ValueRange());
}

LogicalResult KernelMapper::placeShared(memref::AllocOp alloc) {
  MemRefType type = alloc.getType();
  if (!isInWorkgroupMemory(type) || !type.hasStaticShape() ||
      !type.getLayout().isIdentity())
    return alloc.emitOpError("in a unit of work must be of static size, in "
                             "workgroup or private memory");
  OpBuilder builder(alloc);
  Value buffer = takeShared(builder, alloc.getLoc(), type);
  alloc.replaceAllUsesWith(buffer);
  alloc.erase();
  return success();
}

LogicalResult KernelMapper::placeRegisters(memref::AllocOp alloc) {
  MemRefType type = alloc.getType();
  if (type.getRank() != 2 || type.getDimSize(0) != threads)
    return alloc.emitOpError("in private memory must have a row for each of "
                             "the block's ")
           << threads << " threads";
  // In the entry block, where the compiler makes registers of it.
  OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
  Value buffer = memref::AllocaOp::create(
      builder, alloc.getLoc(),
      MemRefType::get(type.getShape().drop_front(), type.getElementType(),
                      MemRefLayoutAttrInterface(), type.getMemorySpace()));
  registers[alloc] = buffer;
  phaseRegisters += type.getDimSize(1);
  for (Operation *user : llvm::make_early_inc_range(alloc->getUsers())) {
    builder.setInsertionPoint(user);
    if (auto load = dyn_cast<memref::LoadOp>(user)) {
      load.replaceAllUsesWith(
          memref::LoadOp::create(builder, load.getLoc(), buffer,
                                 load.getIndices().drop_front())
              .getResult());
      load.erase();
    } else if (auto store = dyn_cast<memref::StoreOp>(user)) {
      memref::StoreOp::create(builder, store.getLoc(), store.getValue(), buffer,
                              store.getIndices().drop_front());
      store.erase();
    } else if (!isa<MatrixProductOp, StreamProductOp>(user)) {
      return user->emitOpError("cannot use registers");
    }
  }
  return success();
}
