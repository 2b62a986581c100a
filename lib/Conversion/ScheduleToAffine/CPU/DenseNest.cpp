// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Dense products and normalisation on a CPU.

#include "CPU/WeightsNest.h"
#include "DenseLayers.h"

#include "mlir/Dialect/Math/IR/Math.h"

using namespace mlir;
using namespace mlir::bfly;

/// Rows that a dense product takes from its weights once they are in cache: at
/// least so many pay for packing the weights into panels.
static constexpr int64_t kMinRowsForPanels = 16;

/// y = x W^T + b, a dot product at a time: for few rows, where the weights'
/// bytes are what counts. Rows are the inner loop: each row of W is read once.
static void emitDotProducts(KernelEmitter &emitter, NestBuilder &nest,
                            LinearOp op, Value input, Value output) {
  Value weight = emitter.getBuffer(op.getWeight());
  Value bias = op.getBias() ? emitter.getBuffer(op.getBias()) : Value();
  auto weightType = cast<MemRefType>(weight.getType());
  auto inputType = cast<MemRefType>(input.getType());
  int64_t out = weightType.getDimSize(0), in = weightType.getDimSize(1);
  SmallVector<OpFoldResult> rows;
  for (int64_t dim = 0; dim + 1 < inputType.getRank(); ++dim)
    rows.push_back(nest.size(input, dim));
  nest.parallel({nest.builder.getIndexAttr(out)}, [&](ArrayRef<AffineExpr> o) {
    nest.serial(rows, [&](ArrayRef<AffineExpr> row) {
      auto at = [&](AffineExpr column) {
        SmallVector<AffineExpr> indices(row);
        indices.push_back(column);
        return indices;
      };
      Value total = nest.sum(in, /*lanes=*/true, [&](AffineExpr i) {
        return nest.mul(nest.load(input, at(i)), nest.load(weight, {o[0], i}));
      });
      nest.store(emitEpilogue(nest, op, bias, total, o[0]), output, at(o[0]));
    });
  });
}

/// y = x W^T + b over tiles of rows, W in panels.
static void emitTiledProducts(KernelEmitter &emitter, NestBuilder &nest,
                              LinearOp op, Value input, Value output) {
  Value weight = emitter.getBuffer(op.getWeight());
  Value bias = op.getBias() ? emitter.getBuffer(op.getBias()) : Value();
  auto weightType = cast<MemRefType>(weight.getType());
  auto inputType = cast<MemRefType>(input.getType());
  int64_t out = weightType.getDimSize(0), in = weightType.getDimSize(1);
  int64_t width = getPanelWidth(emitter);
  // Columns go in blocks of so many panels, so that a tile of the result stays
  // in cache while it gets its bias.
  constexpr int64_t kPanelsInBlock = 8;

  SmallVector<OpFoldResult> outer;
  for (int64_t dim = 0; dim + 2 < inputType.getRank(); ++dim)
    outer.push_back(nest.size(input, dim));
  int64_t rows = inputType.getDimSize(inputType.getRank() - 2);
  int64_t tile = std::min(rows, emitter.getPlan<CpuDenseAttr>().getRows());
  int64_t tiles = llvm::divideCeilSigned(rows, tile);

  Value packed = packPanels(nest, weight, /*transpose=*/true, width);
  outer.push_back(nest.builder.getIndexAttr(tiles));
  nest.parallel(outer, [&](ArrayRef<AffineExpr> ivs) {
    AffineExpr first = getTileStart(nest, ivs.back(), tile, tiles, rows);
    SmallVector<AffineExpr> leading(ivs.drop_back());
    auto at = [&](AffineExpr row, AffineExpr column) {
      SmallVector<AffineExpr> indices(leading);
      indices.append({first + row, column});
      return indices;
    };
    Value a = nest.allocate({tile, in});
    nest.loop(tile, [&](AffineExpr row) {
      nest.lanes(in, [&](AffineExpr i) {
        nest.store(nest.load(input, at(row, i)), a, {row, i});
      });
    });
    int64_t panels = llvm::divideCeilSigned(out, width);
    auto block = [&](AffineExpr panel, int64_t count, int64_t columns) {
      Value b = nest.window(packed,
                            {panel, nest.constantExpr(0), nest.constantExpr(0)},
                            {count, in, width}, 3);
      Value c = nest.allocate({tile, columns});
      TileProductOp::create(nest.builder, nest.loc, a, b, c, false);
      nest.loop(tile, [&](AffineExpr row) {
        nest.lanes(columns, [&](AffineExpr lane) {
          AffineExpr o = panel * width + lane;
          Value value =
              emitEpilogue(nest, op, bias, nest.load(c, {row, lane}), o);
          nest.store(value, output, at(row, o));
        });
      });
      nest.free(c);
    };
    int64_t fullBlocks = out / (kPanelsInBlock * width);
    if (fullBlocks)
      nest.loop(fullBlocks, [&](AffineExpr index) {
        block(index * kPanelsInBlock, kPanelsInBlock, kPanelsInBlock * width);
      });
    int64_t done = fullBlocks * kPanelsInBlock;
    if (done * width < out)
      block(nest.constantExpr(done), panels - done, out - done * width);
    nest.free(a);
  });
  nest.free(packed);
}

void mlir::bfly::emitLinearOnCPU(KernelEmitter &emitter, LinearOp op) {
  NestBuilder nest = emitter.makeNest(op);
  Value input = emitter.getBuffer(op.getInput());
  Value output = emitter.getBuffer(op.getResult());
  auto type = cast<MemRefType>(input.getType());
  // A tile is of rows of one sequence, so that many must be known; those of all
  // sequences pay for the packing.
  int64_t rows = type.getDimSize(type.getRank() - 2), all = 1;
  for (int64_t size : type.getShape().drop_back())
    all *= ShapedType::isDynamic(size) ? 1 : std::min(size, kMinRowsForPanels);
  if (ShapedType::isDynamic(rows) || all < kMinRowsForPanels)
    emitDotProducts(emitter, nest, op, input, output);
  else
    emitTiledProducts(emitter, nest, op, input, output);
}

void mlir::bfly::emitLayerNormOnCPU(KernelEmitter &emitter, LayerNormOp op) {
  NestBuilder nest = emitter.makeNest(op);
  Value input = emitter.getBuffer(op.getInput());
  Value output = emitter.getBuffer(op.getResult());
  Value weight = op.getWeight() ? emitter.getBuffer(op.getWeight()) : Value();
  Value bias = op.getBias() ? emitter.getBuffer(op.getBias()) : Value();
  auto type = cast<MemRefType>(input.getType());
  int64_t channels = type.getShape().back();
  SmallVector<OpFoldResult> rows;
  for (int64_t dim = 0; dim + 1 < type.getRank(); ++dim)
    rows.push_back(nest.size(input, dim));
  auto body = [&](ArrayRef<AffineExpr> row) {
    auto at = [&](AffineExpr channel) {
      SmallVector<AffineExpr> indices(row);
      indices.push_back(channel);
      return indices;
    };
    Value scale = nest.constant(1.0 / channels);
    Value mean =
        nest.mul(scale, nest.sum(channels, /*lanes=*/true, [&](AffineExpr c) {
          return nest.load(input, at(c));
        }));
    // Two passes: the variance of differences from the mean cancels nothing.
    Value variance =
        nest.mul(scale, nest.sum(channels, /*lanes=*/true, [&](AffineExpr c) {
          Value difference = nest.sub(nest.load(input, at(c)), mean);
          return nest.mul(difference, difference);
        }));
    Value epsilon = nest.constant(op.getEpsilon().convertToDouble());
    Value factor = nest.div(nest.constant(1),
                            math::SqrtOp::create(nest.builder, nest.loc,
                                                 nest.add(variance, epsilon)));
    nest.lanes(channels, [&](AffineExpr c) {
      Value value = nest.mul(nest.sub(nest.load(input, at(c)), mean), factor);
      if (weight)
        value = nest.mul(value, nest.load(weight, {c}));
      if (bias)
        value = nest.add(value, nest.load(bias, {c}));
      nest.store(value, output, at(c));
    });
  };
  if (rows.empty())
    body({});
  else
    nest.parallel(rows, body);
}
