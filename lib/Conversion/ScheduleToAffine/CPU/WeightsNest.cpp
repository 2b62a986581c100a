// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Nests that work on weights: packing into panels, folding, and the projection
// that stands alone.

#include "CPU/WeightsNest.h"
#include "AttentionStage.h"

using namespace mlir;
using namespace mlir::bfly;

int64_t mlir::bfly::getPanelWidth(KernelEmitter &emitter) {
  // A GPU folds weights in plain loops, which no part is of.
  constexpr int64_t kWidthElsewhere = 8;
  auto panels = emitter.getPlan<CpuPanelsAttr>();
  return panels ? panels.getColumns() : kWidthElsewhere;
}

Value mlir::bfly::packPanels(NestBuilder &nest, Value weights, bool transpose,
                             int64_t width) {
  auto type = cast<MemRefType>(weights.getType());
  ArrayRef<int64_t> shape = type.getShape();
  int64_t rank = shape.size();
  int64_t depth = transpose ? shape[rank - 1] : shape[rank - 2];
  int64_t columns = transpose ? shape[rank - 2] : shape[rank - 1];
  int64_t panels = llvm::divideCeilSigned(columns, width);
  int64_t last = columns - (panels - 1) * width;
  SmallVector<int64_t> packedShape(shape.drop_back(2));
  packedShape.append({panels, depth, width});
  Value packed = nest.allocate(packedShape);

  SmallVector<OpFoldResult> counts;
  for (int64_t size : shape.drop_back(2))
    counts.push_back(nest.builder.getIndexAttr(size));
  auto copy = [&](ArrayRef<AffineExpr> leading, AffineExpr panel,
                  int64_t columnsHere) {
    nest.loop(depth, [&](AffineExpr k) {
      nest.lanes(columnsHere, [&](AffineExpr lane) {
        AffineExpr n = panel * width + lane;
        SmallVector<AffineExpr> from(leading), to(leading);
        if (transpose)
          from.append({n, k});
        else
          from.append({k, n});
        to.append({panel, k, lane});
        nest.store(nest.load(weights, from), packed, to);
      });
      // What the last panel has no columns for is never stored, but must be
      // numbers: a product may not stumble over what memory held.
      if (columnsHere < width)
        nest.lanes(width - columnsHere, [&](AffineExpr lane) {
          SmallVector<AffineExpr> to(leading);
          to.append({panel, k, lane + columnsHere});
          nest.store(nest.constant(0), packed, to);
        });
    });
  };
  int64_t full = last == width ? panels : panels - 1;
  if (full) {
    SmallVector<OpFoldResult> all(counts);
    all.push_back(nest.builder.getIndexAttr(full));
    nest.parallel(all, [&](ArrayRef<AffineExpr> ivs) {
      copy(ivs.drop_back(), ivs.back(), width);
    });
  }
  if (full < panels) {
    auto rest = [&](ArrayRef<AffineExpr> leading) {
      copy(leading, nest.constantExpr(panels - 1), last);
    };
    if (counts.empty())
      rest({});
    else
      nest.parallel(counts, rest);
  }
  return packed;
}

void mlir::bfly::emitProject(KernelEmitter &emitter, ProjectOp op) {
  NestBuilder nest = emitter.makeNest(op);
  Value input = emitter.getBuffer(op.getInput());
  Value matrix = emitter.getBuffer(op.getMatrix());
  Value output = emitter.getBuffer(op.getResult());
  int64_t tokens = cast<MemRefType>(input.getType()).getDimSize(1);
  int64_t channels = cast<MemRefType>(input.getType()).getDimSize(2);
  int64_t size = cast<MemRefType>(matrix.getType()).getShape().back();
  int64_t heads = channels / size;
  nest.parallel(
      {nest.size(input, 0), nest.builder.getIndexAttr(tokens),
       nest.builder.getIndexAttr(heads)},
      [&](ArrayRef<AffineExpr> ivs) {
        nest.loop(size, [&](AffineExpr o) {
          AffineExpr origin = ivs[2] * size;
          Value total = nest.sum(size, /*lanes=*/true, [&](AffineExpr i) {
            SmallVector<AffineExpr> row =
                getMatrix(nest, matrix, nest.constantExpr(0), ivs[2]);
            row.append({o, i});
            return nest.mul(nest.load(matrix, row),
                            nest.load(input, {ivs[0], ivs[1], origin + i}));
          });
          nest.store(total, output, {ivs[0], ivs[1], origin + o});
        });
      });
}

void mlir::bfly::emitFoldWeights(KernelEmitter &emitter, FoldWeightsOp op) {
  NestBuilder nest = emitter.makeNest(op);
  Value query = emitter.getBuffer(op.getQuery());
  Value key = emitter.getBuffer(op.getKey());
  Value output = emitter.getBuffer(op.getResult());
  auto type = cast<MemRefType>(output.getType());
  ArrayRef<int64_t> shape = type.getShape();
  int64_t size = shape.back(), width = getPanelWidth(emitter);
  Value packed = packPanels(nest, key, /*transpose=*/false, width);
  SmallVector<OpFoldResult> matrices;
  for (int64_t count : shape.drop_back(2))
    matrices.push_back(nest.builder.getIndexAttr(count));
  nest.parallel(matrices, [&](ArrayRef<AffineExpr> ivs) {
    // M = Wq^T Wk.
    Value transposed = nest.allocate({size, size});
    nest.loop(size, [&](AffineExpr i) {
      nest.lanes(size, [&](AffineExpr o) {
        SmallVector<AffineExpr> from(ivs);
        from.append({o, i});
        nest.store(nest.load(query, from), transposed, {i, o});
      });
    });
    SmallVector<AffineExpr> offsets(ivs);
    offsets.append(3, nest.constantExpr(0));
    SmallVector<int64_t> sizes(ivs.size(), 1);
    sizes.append({llvm::divideCeilSigned(size, width), size, width});
    Value b = nest.window(packed, offsets, sizes, 3);
    SmallVector<AffineExpr> target(ivs);
    target.append(2, nest.constantExpr(0));
    SmallVector<int64_t> targetSizes(ivs.size(), 1);
    targetSizes.append({size, size});
    TileProductOp::create(nest.builder, nest.loc, transposed, b,
                          nest.window(output, target, targetSizes, 2), false);
    nest.free(transposed);
  });
  nest.free(packed);
}
