// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Products on the matrix units: wgmma on operands in shared memory, and the
// ring of bulk copies that streams them there.

#include "KernelMapper.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace mlir::bfly;

/// Threads of a warp of the GPUs that have a copy engine.
static constexpr int64_t kWarp = 32;

/// buffer[leading..., ...] without its leading dimensions.
static Value getSlice(OpBuilder &builder, Location loc, Value buffer,
                      ArrayRef<OpFoldResult> leading) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<OpFoldResult> offsets(leading), sizes, strides;
  offsets.resize(type.getRank(), builder.getIndexAttr(0));
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    bool isLeading = dim < static_cast<int64_t>(leading.size());
    sizes.push_back(builder.getIndexAttr(isLeading ? 1 : type.getDimSize(dim)));
    strides.push_back(builder.getIndexAttr(1));
  }
  auto result = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
      type.getShape().drop_front(leading.size()), type, offsets, sizes,
      strides));
  return memref::SubViewOp::create(builder, loc, result, buffer, offsets, sizes,
                                   strides);
}

/// `count` registers from number `first`.
static Value getRegisters(OpBuilder &builder, Location loc, Value registers,
                          int64_t first, int64_t count) {
  auto type = cast<MemRefType>(registers.getType());
  if (first == 0 && count == type.getDimSize(0))
    return registers;
  SmallVector<OpFoldResult> offset{builder.getIndexAttr(first)},
      size{builder.getIndexAttr(count)}, one{builder.getIndexAttr(1)};
  return memref::SubViewOp::create(builder, loc, registers, offset, size, one);
}

LogicalResult KernelMapper::mapMatrixProduct(MatrixProductOp op) {
  Location loc = op.getLoc();
  auto a = cast<MemRefType>(op.getA().getType());
  if (a.getElementType().isF32())
    return op.emitOpError("of f32 has no matrix units; expand it first");
  OpBuilder builder(op);
  Value group = arith::DivUIOp::create(builder, loc, thread,
                                       index(builder, loc, kWarpgroup));
  Value rows = getSlice(builder, loc, op.getA(), {group});
  auto it = registers.find(op.getC());
  if (it == registers.end() || a.getDimSize(0) * kWarpgroup != threads)
    return op.emitOpError("must have a fragment for each thread of the block");
  NVVM::WgmmaFenceAlignedOp::create(builder, loc);
  WgmmaOp::create(builder, loc, rows, op.getB(), it->second, op.getAccumulate(),
                  /*negate=*/false);
  NVVM::WgmmaGroupSyncAlignedOp::create(builder, loc);
  NVVM::WgmmaWaitGroupSyncOp::create(builder, loc, 0);
  // The operands may be overwritten from here.
  gpu::BarrierOp::create(builder, loc);
  op.erase();
  return success();
}

/// A ring of buffers: the first thread keeps the copy engine as many steps
/// ahead of the matrix units as there are rows. Barrier s of the first half
/// says that row s is full, that of the second half that every warp is done
/// with it.
LogicalResult KernelMapper::mapStreamProduct(StreamProductOp op) {
  Location loc = op.getLoc();
  auto a = cast<MemRefType>(op.getA().getType());
  auto b = cast<MemRefType>(op.getB().getType());
  auto ring = cast<MemRefType>(op.getRing().getType());
  auto it = registers.find(op.getC());
  if (a.getElementType().isF32())
    return op.emitOpError("of f32 has no matrix units; expand it first");
  if (it == registers.end() || a.getDimSize(2) * kWarpgroup != threads)
    return op.emitOpError("must have a fragment for each thread of the block");
  Value accumulators = it->second;
  int64_t steps = a.getDimSize(0), stages = ring.getDimSize(0);
  int64_t elementBytes = a.getElementTypeBitWidth() / 8;
  int64_t bytesA = a.getNumElements() / steps * elementBytes;
  int64_t bytesB = b.getNumElements() / steps * elementBytes;
  OpBuilder builder(op);
  // The ring is a view of shared memory by now.
  auto view = op.getRing().getDefiningOp<memref::ViewOp>();
  std::optional<int64_t> ringOffset =
      view ? getConstantIntValue(view.getByteShift()) : std::nullopt;
  if (!ringOffset)
    return op.emitOpError("must have a ring that is a buffer of its own");

  // Barriers, and how many steps went through the ring before, for the kernel.
  OpBuilder entry = OpBuilder::atBlockBegin(&function.getBody().front());
  auto counter = memref::AllocaOp::create(
      entry, loc,
      MemRefType::get({1}, entry.getIndexType(), MemRefLayoutAttrInterface(),
                      gpu::AddressSpaceAttr::get(entry.getContext(),
                                                 gpu::AddressSpace::Private)));
  entry.setInsertionPointAfterValue(shared);
  auto barrierType = MemRefType::get(
      {2 * stages}, entry.getI64Type(), MemRefLayoutAttrInterface(),
      cast<MemRefType>(shared.getType()).getMemorySpace());
  Value barriers =
      memref::ViewOp::create(entry, loc, barrierType, shared,
                             index(entry, loc, ringBarriers[op]), ValueRange());
  Value zero = index(entry, loc, 0), one = index(entry, loc, 1);
  memref::StoreOp::create(entry, loc, zero, counter, ValueRange(zero));
  Value isFirst =
      arith::CmpIOp::create(entry, loc, arith::CmpIPredicate::eq, thread, zero);
  auto init = scf::IfOp::create(entry, loc, isFirst, /*withElseRegion=*/false);
  {
    OpBuilder inside = init.getThenBodyBuilder();
    for (int64_t s = 0; s < 2 * stages; ++s)
      MbarrierInitOp::create(inside, loc, barriers, index(inside, loc, s),
                             s < stages ? 1 : threads / kWarp);
    NVVM::FenceMbarrierInitOp::create(inside, loc);
  }
  gpu::BarrierOp::create(entry, loc);

  Value rows = index(builder, loc, stages), all = index(builder, loc, steps);
  Value before =
      memref::LoadOp::create(builder, loc, counter, ValueRange(zero));
  auto slotOf = [&](OpBuilder &at, Value number) -> Value {
    return arith::RemUIOp::create(at, loc, number, rows);
  };
  // 0 in the first round through the ring, then 1, and so on.
  auto parityOf = [&](OpBuilder &at, Value number, bool other) -> Value {
    Value round = arith::DivUIOp::create(at, loc, number, rows);
    if (other)
      round = arith::AddIOp::create(at, loc, round, one);
    Value word = arith::IndexCastUIOp::create(at, loc, at.getI32Type(), round);
    return arith::AndIOp::create(at, loc, word,
                                 arith::ConstantIntOp::create(at, loc, 1, 32));
  };
  auto emptyOf = [&](OpBuilder &at, Value slot) -> Value {
    return arith::AddIOp::create(at, loc, slot, rows);
  };
  auto part = [&](OpBuilder &at, Value slot, int64_t offset, MemRefType like,
                  int64_t bytes) -> Value {
    // Bytes [offset, offset + bytes) of a row, as the part that they hold.
    Value start = arith::AddIOp::create(
        at, loc,
        arith::MulIOp::create(at, loc, slot,
                              index(at, loc, ring.getDimSize(1))),
        index(at, loc, *ringOffset + offset));
    auto type =
        MemRefType::get(like.getShape().drop_front(), like.getElementType(),
                        MemRefLayoutAttrInterface(), ring.getMemorySpace());
    return memref::ViewOp::create(at, loc, type, shared, start, ValueRange());
  };
  // Step `step` of this product into the ring.
  auto issue = [&](OpBuilder &at, Value step) {
    Value number = arith::AddIOp::create(at, loc, before, step);
    Value slot = slotOf(at, number);
    MbarrierWaitOp::create(at, loc, barriers, emptyOf(at, slot),
                           parityOf(at, number, /*other=*/true));
    MbarrierArriveOp::create(at, loc, barriers, slot,
                             at.getI32IntegerAttr(bytesA + bytesB));
    BulkCopyOp::create(at, loc, getSlice(at, loc, op.getA(), {step}),
                       part(at, slot, 0, a, bytesA), barriers, slot);
    BulkCopyOp::create(at, loc, getSlice(at, loc, op.getB(), {step}),
                       part(at, slot, bytesA, b, bytesB), barriers, slot);
  };
  auto release = [&](OpBuilder &at, Value step) {
    Value number = arith::AddIOp::create(at, loc, before, step);
    Value lane = arith::RemUIOp::create(at, loc, thread, index(at, loc, kWarp));
    Value isLane =
        arith::CmpIOp::create(at, loc, arith::CmpIPredicate::eq, lane, zero);
    auto branch = scf::IfOp::create(at, loc, isLane, /*withElseRegion=*/false);
    OpBuilder inside = branch.getThenBodyBuilder();
    MbarrierArriveOp::create(inside, loc, barriers,
                             emptyOf(inside, slotOf(inside, number)),
                             IntegerAttr());
  };

  int64_t ahead = std::min(stages - 1, steps);
  auto start = scf::IfOp::create(builder, loc, isFirst, false);
  {
    OpBuilder inside = start.getThenBodyBuilder();
    for (int64_t s = 0; s < ahead; ++s)
      issue(inside, index(inside, loc, s));
  }
  int64_t perProduct = 4 * b.getDimSize(2);
  SmallVector<StreamProductOp::Product> products = op.getProductList();
  Value group = arith::DivUIOp::create(builder, loc, thread,
                                       index(builder, loc, kWarpgroup));
  auto multiply = [&](OpBuilder &at, Value step, bool accumulate) {
    Value number = arith::AddIOp::create(at, loc, before, step);
    Value slot = slotOf(at, number);
    MbarrierWaitOp::create(at, loc, barriers, slot,
                           parityOf(at, number, /*other=*/false));
    NVVM::WgmmaFenceAlignedOp::create(at, loc);
    Value partsA = part(at, slot, 0, a, bytesA);
    Value partsB = part(at, slot, bytesA, b, bytesB);
    // All of one shape: only then do products that add to the same registers
    // follow each other without a wait.
    for (auto [x, product] : llvm::enumerate(products)) {
      Value sums =
          getRegisters(at, loc, accumulators, x * perProduct, perProduct);
      Value partB = getSlice(at, loc, partsB, {at.getIndexAttr(product.b)});
      auto add = [&](int64_t partA, bool accumulate, bool negate) {
        WgmmaOp::create(
            at, loc, getSlice(at, loc, partsA, {at.getIndexAttr(partA), group}),
            partB, sums, accumulate, negate);
      };
      add(product.a, accumulate, /*negate=*/false);
      if (product.minus >= 0)
        add(product.minus, /*accumulate=*/true, /*negate=*/true);
    }
    NVVM::WgmmaGroupSyncAlignedOp::create(at, loc);
  };
  multiply(builder, zero, /*accumulate=*/false);
  auto loop = scf::ForOp::create(builder, loc, one, all, one);
  {
    OpBuilder at = OpBuilder::atBlockTerminator(loop.getBody());
    Value step = loop.getInductionVar();
    multiply(at, step, /*accumulate=*/true);
    // The step before is done: its row is free for the one that is a whole
    // ring ahead of it.
    NVVM::WgmmaWaitGroupSyncOp::create(at, loc, 1);
    Value previous = arith::SubIOp::create(at, loc, step, one);
    release(at, previous);
    Value next =
        arith::AddIOp::create(at, loc, previous, index(at, loc, stages - 1));
    Value more =
        arith::CmpIOp::create(at, loc, arith::CmpIPredicate::ult, next, all);
    Value doIt = arith::AndIOp::create(at, loc, more, isFirst);
    auto branch = scf::IfOp::create(at, loc, doIt, false);
    OpBuilder inside = branch.getThenBodyBuilder();
    issue(inside, next);
  }
  NVVM::WgmmaWaitGroupSyncOp::create(builder, loc, 0);
  release(builder, index(builder, loc, steps - 1));
  memref::StoreOp::create(builder, loc,
                          arith::AddIOp::create(builder, loc, before, all),
                          counter, ValueRange(zero));
  op.erase();
  return success();
}
