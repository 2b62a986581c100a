// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-expand-tile-product: products of tiles for a CPU's vector units.
//
// Before: `bfly.tile_product` whose B and C have a unit innermost stride; rows
// and depth may be dynamic. After: none is left. Every panel of B is walked
// once for each block of rows, while that block of C stays in registers:
//
//   for a panel, for a block of rows:
//     accumulators = 0
//     for k: accumulators[i][s] += A[i, k] * B[panel, k, segment s]
//     C = accumulators, or += them
//
// The loops are scf's and not affine's: a row count may be the size of a view
// that is made inside a loop, which is no affine symbol.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDTILEPRODUCTPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Columns of a panel that are one vector.
struct Segment {
  int64_t offset;
  int64_t width; ///< lanes that are computed
  int64_t valid; ///< of which C has room for these
};

class TileProductExpansion {
public:
  /// `lanes` elements a vector; `rows` rows and at most `registers` vectors of
  /// C at a time.
  TileProductExpansion(TileProductOp op, int64_t lanes, int64_t rows,
                       int64_t registers)
      : op(op), builder(op.getContext(), nullptr), loc(op.getLoc()),
        c(cast<MemRefType>(op.getC().getType())),
        panelWidth(cast<MemRefType>(op.getB().getType()).getDimSize(2)),
        lanes(lanes), rows(rows), registers(registers) {
    builder.setInsertionPoint(op);
  }

  void expand();

private:
  Value index(int64_t value) {
    return arith::ConstantIndexOp::create(builder, loc, value);
  }
  Value plus(Value value, int64_t offset) {
    return offset ? arith::AddIOp::create(builder, loc, value, index(offset))
                        .getResult()
                  : value;
  }
  /// Emits a loop, or straight code where there is one iteration, or nothing.
  void emitLoop(Value from, Value to, int64_t step,
                function_ref<void(Value)> body);
  void emitPanel(Value panel, int64_t columns);
  void emitRows(Value panel, ArrayRef<Segment> segments);
  void emitBlock(Value panel, ArrayRef<Segment> segments, Value row,
                 int64_t count);
  SmallVector<Value> emitDepth(Value panel, ArrayRef<Segment> segments,
                               ArrayRef<Value> blockRows);
  void emitStore(Value accumulator, const Segment &segment, Value row,
                 Value column);

  TileProductOp op;
  OpBuilder builder;
  Location loc;
  MemRefType c;
  int64_t panelWidth, lanes, rows, registers;
};

void TileProductExpansion::emitLoop(Value from, Value to, int64_t step,
                                    function_ref<void(Value)> body) {
  auto first = getConstantIntValue(from), last = getConstantIntValue(to);
  if (first && last && *last - *first <= step) {
    if (*first < *last)
      body(from);
    return;
  }
  auto loop = scf::ForOp::create(builder, loc, from, to, index(step));
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

void TileProductExpansion::expand() {
  int64_t columns = c.getDimSize(1);
  int64_t full = columns / panelWidth, rest = columns % panelWidth;
  emitLoop(index(0), index(full), 1,
           [&](Value panel) { emitPanel(panel, panelWidth); });
  if (rest)
    emitPanel(index(full), rest);
}

/// `columns` of C from the panel's first one on.
void TileProductExpansion::emitPanel(Value panel, int64_t columns) {
  SmallVector<Segment> segments;
  for (int64_t at = 0; at < columns; at += lanes)
    segments.push_back(
        {at, std::min(lanes, panelWidth - at), std::min(lanes, columns - at)});
  // A block has as many segments as fit in registers, all blocks alike.
  int64_t count = segments.size();
  int64_t most = std::max<int64_t>(registers / rows, 1);
  int64_t together = llvm::divideCeil(count, llvm::divideCeil(count, most));
  for (int64_t at = 0; at < count; at += together)
    emitRows(panel,
             ArrayRef(segments).slice(at, std::min(together, count - at)));
}

void TileProductExpansion::emitRows(Value panel, ArrayRef<Segment> segments) {
  Value done = index(0);
  int64_t total = c.getDimSize(0);
  if (ShapedType::isDynamic(total))
    total = cast<MemRefType>(op.getA().getType()).getDimSize(0);
  if (!ShapedType::isDynamic(total)) {
    // Blocks of a size that leaves the last one nearly full.
    int64_t block = llvm::divideCeil(
        total, std::max<int64_t>(llvm::divideCeil(total, rows), 1));
    if (!block)
      return;
    int64_t full = total - total % block;
    emitLoop(done, index(full), block,
             [&](Value row) { emitBlock(panel, segments, row, block); });
    if (full < total)
      emitBlock(panel, segments, index(full), total - full);
    return;
  }
  // How many are left is not known: fewer and fewer at a time.
  Value end = memref::DimOp::create(builder, loc, op.getC(), 0);
  for (int64_t block = rows; block; block = block > 4 ? 4 : block > 1 ? 1 : 0) {
    Value left = arith::SubIOp::create(builder, loc, end, done);
    Value odd = arith::RemUIOp::create(builder, loc, left, index(block));
    Value whole = arith::SubIOp::create(builder, loc, end, odd);
    emitLoop(done, whole, block,
             [&](Value row) { emitBlock(panel, segments, row, block); });
    done = whole;
  }
}

void TileProductExpansion::emitBlock(Value panel, ArrayRef<Segment> segments,
                                     Value row, int64_t count) {
  SmallVector<Value> blockRows;
  for (int64_t i = 0; i < count; ++i)
    blockRows.push_back(plus(row, i));
  SmallVector<Value> accumulators = emitDepth(panel, segments, blockRows);
  Value column = arith::MulIOp::create(builder, loc, panel, index(panelWidth));
  for (int64_t i = 0, next = 0; i < count; ++i)
    for (const Segment &segment : segments)
      emitStore(accumulators[next++], segment, blockRows[i],
                plus(column, segment.offset));
}

/// The loop over the depth: row after row, the accumulators of its segments.
SmallVector<Value> TileProductExpansion::emitDepth(Value panel,
                                                   ArrayRef<Segment> segments,
                                                   ArrayRef<Value> blockRows) {
  auto typeOf = [&](const Segment &segment) {
    return VectorType::get(segment.width, c.getElementType());
  };
  SmallVector<Value> zeros;
  for (size_t i = 0; i < blockRows.size(); ++i)
    for (const Segment &segment : segments)
      zeros.push_back(arith::ConstantOp::create(
          builder, loc, builder.getZeroAttr(typeOf(segment))));
  Value depth = builder.createOrFold<memref::DimOp>(loc, op.getA(), index(1));
  auto emitBody = [&](OpBuilder &body, Location, Value k, ValueRange sums) {
    SmallVector<Value> columns, next;
    for (const Segment &segment : segments) {
      Value at = arith::ConstantIndexOp::create(body, loc, segment.offset);
      columns.push_back(vector::LoadOp::create(
          body, loc, typeOf(segment), op.getB(), ValueRange{panel, k, at}));
    }
    for (Value row : blockRows) {
      Value a = memref::LoadOp::create(body, loc, op.getA(), {row, k});
      for (auto [segment, column] : llvm::zip(segments, columns)) {
        Value splat =
            vector::BroadcastOp::create(body, loc, typeOf(segment), a);
        next.push_back(
            vector::FMAOp::create(body, loc, splat, column, sums[next.size()]));
      }
    }
    scf::YieldOp::create(body, loc, next);
  };
  auto loop = scf::ForOp::create(builder, loc, index(0), depth, index(1), zeros,
                                 emitBody);
  return SmallVector<Value>(loop.getResults());
}

void TileProductExpansion::emitStore(Value accumulator, const Segment &segment,
                                     Value row, Value column) {
  if (segment.valid < segment.width)
    accumulator = vector::ExtractStridedSliceOp::create(
        builder, loc, accumulator, /*offsets=*/0, segment.valid, /*strides=*/1);
  Value at[] = {row, column};
  if (op.getAccumulate()) {
    Value before = vector::LoadOp::create(
        builder, loc, cast<VectorType>(accumulator.getType()), op.getC(), at);
    accumulator = arith::AddFOp::create(builder, loc, before, accumulator);
  }
  vector::StoreOp::create(builder, loc, accumulator, op.getC(), at);
}

struct ExpandTileProductPass
    : public bfly::impl::ExpandTileProductPassBase<ExpandTileProductPass> {
  using ExpandTileProductPassBase::ExpandTileProductPassBase;

  void runOnOperation() override {
    WalkResult walk = getOperation()->walk([&](TileProductOp op) {
      auto c = cast<MemRefType>(op.getC().getType());
      if (!c.isLastDimUnitStride() ||
          !cast<MemRefType>(op.getB().getType()).isLastDimUnitStride()) {
        op.emitError("needs a unit innermost stride of B and C");
        return WalkResult::interrupt();
      }
      int64_t width = c.getElementType().isF64() ? lanes / 2 : lanes;
      // An AVX-512 unit has 32 registers, a narrower one 16; some hold B and A.
      TileProductExpansion(op, std::max<int64_t>(width, 1),
                           std::max<int64_t>(rows, 1), lanes >= 16 ? 28 : 12)
          .expand();
      op.erase();
      return WalkResult::skip();
    });
    if (walk.wasInterrupted())
      signalPassFailure();
  }
};

} // namespace
