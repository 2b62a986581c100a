// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Loops to blocks and threads, buffers to shared memory and registers.

#include "KernelMapper.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
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

/// Whether the iterations of a phase are done by a block each, and not by a
/// thread each.
static bool isUnitOfBlock(scf::ParallelOp phase) {
  WalkResult walk = phase.getBody()->walk([](Operation *op) {
    if (isa<scf::ParallelOp, MatrixProductOp, StreamProductOp>(op))
      return WalkResult::interrupt();
    if (auto alloc = dyn_cast<memref::AllocOp>(op))
      if (isInWorkgroupMemory(alloc.getType()))
        return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return walk.wasInterrupted();
}

LogicalResult KernelMapper::map() {
  // A phase is where memory is touched: elsewhere all threads would.
  for (Operation &op : function.getBody().front())
    if (isa<memref::StoreOp, memref::CopyOp, vector::StoreOp, memref::AllocOp>(
            op))
      return op.emitOpError("has no place between the phases of a kernel");
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
  if (failed(mapRegion(function.getBody().front(), /*isLast=*/true)))
    return failure();
  if (cooperative) {
    builder.setInsertionPoint(function.getBody().front().getTerminator());
    GridBarrierOp::create(builder, loc, counters, /*last=*/true);
  }
  return success();
}

/// The phases of the kernel's top level, or of a loop around phases.
LogicalResult KernelMapper::mapRegion(Block &body, bool isLast) {
  SmallVector<Operation *> ops;
  for (Operation &op : body)
    if (isa<scf::ParallelOp, scf::ForOp>(op))
      ops.push_back(&op);
  for (Operation *op : ops) {
    bool last = isLast && op == ops.back();
    if (auto phase = dyn_cast<scf::ParallelOp>(op)) {
      if (failed(mapPhase(phase, last)))
        return failure();
    } else if (failed(mapRegion(*cast<scf::ForOp>(op).getBody(), false))) {
      return failure();
    }
  }
  return success();
}

/// The iterations of a loop over all dimensions, or none if they are not known.
/// Fails if they are, and 64 bits cannot count them.
static FailureOr<std::optional<int64_t>> getIterations(scf::ParallelOp loop) {
  int64_t total = 1;
  for (auto [lower, upper, step] : llvm::zip_equal(
           loop.getLowerBound(), loop.getUpperBound(), loop.getStep())) {
    std::optional<int64_t> first = getConstantIntValue(lower),
                           end = getConstantIntValue(upper),
                           width = getConstantIntValue(step);
    if (!first || !end || !width || *width < 1)
      return std::optional<int64_t>();
    int64_t extent;
    if (llvm::SubOverflow(*end, *first, extent) ||
        llvm::MulOverflow(total, llvm::divideCeilSigned(extent, *width), total))
      return loop.emitOpError("runs more often than 64 bits can count");
  }
  return std::optional<int64_t>(total);
}

/// The iterations of a loop over one of its dimensions.
static Value countAlong(OpBuilder &builder, scf::ParallelOp loop,
                        unsigned dim) {
  Value lower = loop.getLowerBound()[dim], step = loop.getStep()[dim];
  Value count = loop.getUpperBound()[dim];
  if (!isConstantIntValue(lower, 0))
    count = arith::SubIOp::create(builder, loop.getLoc(), count, lower);
  if (!isConstantIntValue(step, 1))
    count = arith::CeilDivUIOp::create(builder, loop.getLoc(), count, step);
  return count;
}

Value KernelMapper::countIterations(OpBuilder &builder, scf::ParallelOp loop) {
  Location loc = loop.getLoc();
  Value total;
  for (unsigned dim = 0; dim < loop.getNumLoops(); ++dim) {
    Value count = countAlong(builder, loop, dim);
    total = total ? arith::MulIOp::create(builder, loc, total, count) : count;
  }
  return total;
}

SmallVector<Value> KernelMapper::delinearize(OpBuilder &builder,
                                             scf::ParallelOp loop,
                                             Value number) {
  Location loc = loop.getLoc();
  unsigned rank = loop.getNumLoops();
  SmallVector<Value> ivs(rank);
  for (unsigned i = rank; i-- > 0;) {
    Value lower = loop.getLowerBound()[i], step = loop.getStep()[i];
    Value value = number;
    if (i) {
      Value count = countAlong(builder, loop, i);
      value = arith::RemUIOp::create(builder, loc, number, count);
      number = arith::DivUIOp::create(builder, loc, number, count);
    }
    if (!isConstantIntValue(step, 1))
      value = arith::MulIOp::create(builder, loc, value, step);
    if (!isConstantIntValue(lower, 0))
      value = arith::AddIOp::create(builder, loc, value, lower);
    ivs[i] = value;
  }
  return ivs;
}

/// Moves what a parallel loop does to the end of the builder's block.
static void inlineBody(OpBuilder &builder, scf::ParallelOp loop,
                       ArrayRef<Value> ivs) {
  for (auto [from, to] : llvm::zip_equal(loop.getInductionVars(), ivs))
    from.replaceAllUsesWith(to);
  Block *body = loop.getBody();
  body->getTerminator()->erase();
  builder.getInsertionBlock()->getOperations().splice(
      builder.getInsertionPoint(), body->getOperations());
}

void KernelMapper::fenceProxies(OpBuilder &builder, Location loc) {
  NVVM::FenceProxyOp::create(
      builder, loc,
      NVVM::ProxyKindAttr::get(builder.getContext(), NVVM::ProxyKind::async),
      /*space=*/NVVM::SharedSpaceAttr());
}

LogicalResult KernelMapper::mapPhase(scf::ParallelOp phase, bool isLast) {
  if (phase.getNumReductions())
    return phase.emitOpError("with a reduction cannot be part of a kernel");
  Location loc = phase.getLoc();
  OpBuilder builder(phase);
  builder.setInsertionPointAfter(phase);
  // What one phase wrote the next may stream, by the copy engine.
  if (!isLast) {
    cooperative = true;
    if (kernelStreams)
      fenceProxies(builder, loc);
    GridBarrierOp::create(builder, loc, counters, /*last=*/false);
    if (kernelStreams)
      fenceProxies(builder, loc);
  }
  bool isFlat = !isUnitOfBlock(phase);
  FailureOr<std::optional<int64_t>> iterations = getIterations(phase);
  if (failed(iterations))
    return failure();
  if (*iterations && mostBlocks)
    mostBlocks = std::max(*mostBlocks,
                          isFlat ? llvm::divideCeilSigned(**iterations, threads)
                                 : **iterations);
  else
    mostBlocks = std::nullopt;
  if (isFlat)
    return mapFlat(phase);

  phaseHasMatrices = false;
  phaseRegisters = 0;
  phase.walk([&](MatrixProductOp) { phaseHasMatrices = true; });
  sharedUsed = sharedForAll;
  builder.setInsertionPoint(phase);
  Value total = countIterations(builder, phase);
  auto units = scf::ForOp::create(builder, loc, block, total, blocks);
  builder.setInsertionPointToStart(units.getBody());
  inlineBody(builder, phase,
             delinearize(builder, phase, units.getInductionVar()));
  phase.erase();

  SmallVector<Operation *> ops;
  units.getBody()->walk([&](Operation *op) {
    if (isa<scf::ParallelOp, memref::AllocOp, memref::DeallocOp,
            MatrixProductOp, StreamProductOp>(op))
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
    if (auto loop = dyn_cast<scf::ParallelOp>(op))
      mapped = mapThreads(loop);
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

LogicalResult KernelMapper::mapFlat(scf::ParallelOp phase) {
  Location loc = phase.getLoc();
  OpBuilder builder(phase);
  Value total = countIterations(builder, phase);
  Value width = index(builder, loc, threads);
  Value first = arith::AddIOp::create(
      builder, loc, arith::MulIOp::create(builder, loc, block, width), thread);
  Value step = arith::MulIOp::create(builder, loc, blocks, width);
  auto loop = scf::ForOp::create(builder, loc, first, total, step);
  builder.setInsertionPointToStart(loop.getBody());
  inlineBody(builder, phase,
             delinearize(builder, phase, loop.getInductionVar()));
  phase.erase();
  return success();
}

LogicalResult KernelMapper::mapThreads(scf::ParallelOp loop) {
  if (loop.getNumLoops() != 1 || loop.getNumReductions() ||
      loop->getParentOfType<scf::ParallelOp>())
    return loop.emitOpError("cannot be mapped to threads: it has several "
                            "dimensions, a reduction, or is nested");
  Location loc = loop.getLoc();
  OpBuilder builder(loop);
  Value total = countIterations(builder, loop);
  std::optional<int64_t> count = getConstantIntValue(total);
  Block *end = loop->getBlock();
  if (count && *count == threads) {
    inlineBody(builder, loop, delinearize(builder, loop, thread));
  } else if (count && *count < threads) {
    Value inside = arith::CmpIOp::create(
        builder, loc, arith::CmpIPredicate::ult, thread, total);
    auto branch = scf::IfOp::create(builder, loc, inside,
                                    /*withElseRegion=*/false);
    builder.setInsertionPointToStart(branch.thenBlock());
    inlineBody(builder, loop, delinearize(builder, loop, thread));
  } else if (count && *count % threads == 0) {
    // A count that is known can be unrolled, a start that is not hinders it.
    auto rounds = scf::ForOp::create(builder, loc, index(builder, loc, 0),
                                     index(builder, loc, *count / threads),
                                     index(builder, loc, 1));
    builder.setInsertionPointToStart(rounds.getBody());
    Value offset = arith::MulIOp::create(builder, loc, rounds.getInductionVar(),
                                         index(builder, loc, threads));
    Value number = arith::AddIOp::create(builder, loc, offset, thread);
    inlineBody(builder, loop, delinearize(builder, loop, number));
  } else {
    auto rounds = scf::ForOp::create(builder, loc, thread, total,
                                     index(builder, loc, threads));
    builder.setInsertionPointToStart(rounds.getBody());
    inlineBody(builder, loop,
               delinearize(builder, loop, rounds.getInductionVar()));
  }
  builder.setInsertionPoint(end, Block::iterator(loop));
  if (phaseHasMatrices)
    fenceProxies(builder, loc);
  gpu::BarrierOp::create(builder, loc);
  loop.erase();
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
