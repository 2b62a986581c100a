// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Sums of products over rows on a CPU, a tile of the result at a time: a chunk
// of rows is a product of tiles, whose depth is the rows.

#include "CPU/WeightsNest.h"
#include "NestTable.h"

#include "bfly/Schedule/Plan.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

class RowProductNest {
public:
  RowProductNest(KernelEmitter &emitter, NestBuilder &nest, RowProductOp op)
      : nest(nest), a(emitter.getBuffer(op.getA())),
        b(emitter.getBuffer(op.getB())),
        result(emitter.getBuffer(op.getResult())), heads(op.getHeads()),
        out(cast<MemRefType>(a.getType()).getShape().back() / heads),
        in(cast<MemRefType>(b.getType()).getShape().back() / heads),
        tile(std::min(out, emitter.getPlan<CpuDenseAttr>().getRows())),
        width(getPanelWidth(emitter)) {}
  void emit();

private:
  /// Adds what `count` rows from `first` on make, of the dimensions before.
  void addRows(ArrayRef<AffineExpr> leading, AffineExpr first, int64_t count);

  NestBuilder &nest;
  Value a, b, result;
  int64_t heads, out, in, tile, width;

  // Of the tile being emitted.
  AffineExpr head, column;
  Value sums;
};

} // namespace

void RowProductNest::addRows(ArrayRef<AffineExpr> leading, AffineExpr first,
                             int64_t count) {
  auto at = [&](AffineExpr row, AffineExpr channel) {
    SmallVector<AffineExpr> indices(leading);
    indices.append({first + row, channel});
    return indices;
  };
  Value left = nest.allocate({tile, count});
  nest.loop(tile, [&](AffineExpr o) {
    nest.lanes(count, [&](AffineExpr row) {
      nest.store(nest.load(a, at(row, head * out + column + o)), left,
                 {o, row});
    });
  });
  int64_t panels = llvm::divideCeilSigned(in, width);
  int64_t last = in - (panels - 1) * width;
  Value right = nest.allocate({panels, count, width});
  auto pack = [&](AffineExpr panel, int64_t columns) {
    nest.loop(count, [&](AffineExpr row) {
      nest.lanes(columns, [&](AffineExpr lane) {
        nest.store(nest.load(b, at(row, head * in + panel * width + lane)),
                   right, {panel, row, lane});
      });
      // Never stored, but a product may not stumble over what memory held.
      if (columns < width)
        nest.lanes(width - columns, [&](AffineExpr lane) {
          nest.store(nest.constant(0), right, {panel, row, lane + columns});
        });
    });
  };
  int64_t full = last == width ? panels : panels - 1;
  if (full)
    nest.loop(full, [&](AffineExpr panel) { pack(panel, width); });
  if (full < panels)
    pack(nest.constantExpr(full), last);
  TileProductOp::create(nest.builder, nest.loc, left, right, sums,
                        /*accumulate=*/true);
  nest.free(right);
  nest.free(left);
}

void RowProductNest::emit() {
  // So many rows of b are in cache with a tile.
  constexpr int64_t kChunk = 128;
  auto type = cast<MemRefType>(a.getType());
  int64_t rank = type.getRank();
  bool isDynamic = type.isDynamicDim(rank - 2);
  int64_t rows = isDynamic ? 1 : type.getDimSize(rank - 2);
  int64_t chunk = std::min(rows, kChunk);
  SmallVector<OpFoldResult> outer;
  for (int64_t dim = 0; dim + 2 < rank; ++dim)
    outer.push_back(nest.size(a, dim));
  if (isDynamic)
    outer.push_back(nest.size(a, rank - 2));
  int64_t tiles = llvm::divideCeilSigned(out, tile);
  nest.parallel(
      {nest.builder.getIndexAttr(heads), nest.builder.getIndexAttr(tiles)},
      [&](ArrayRef<AffineExpr> unit) {
        head = unit[0];
        column = getTileStart(nest, unit[1], tile, tiles, out);
        sums = nest.allocate({tile, in});
        nest.loop(tile, [&](AffineExpr o) {
          nest.lanes(in, [&](AffineExpr i) {
            nest.store(nest.constant(0), sums, {o, i});
          });
        });
        nest.serial(outer, [&](ArrayRef<AffineExpr> ivs) {
          if (isDynamic)
            return addRows(ivs.drop_back(), ivs.back(), 1);
          nest.loop(rows / chunk, [&](AffineExpr number) {
            addRows(ivs, number * chunk, chunk);
          });
          if (int64_t rest = rows % chunk)
            addRows(ivs, nest.constantExpr(rows - rest), rest);
        });
        nest.loop(tile, [&](AffineExpr o) {
          nest.lanes(in, [&](AffineExpr i) {
            SmallVector<AffineExpr> to{column + o, i};
            if (heads > 1)
              to.insert(to.begin(), head);
            nest.store(nest.load(sums, {o, i}), result, to);
          });
        });
        nest.free(sums);
      });
}

void mlir::bfly::emitRowProductOnCPU(KernelEmitter &emitter, RowProductOp op) {
  NestBuilder nest = emitter.makeNest(op);
  RowProductNest(emitter, nest, op).emit();
}
