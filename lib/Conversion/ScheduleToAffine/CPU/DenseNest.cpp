// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Nests of what surrounds the networks: dense products, normalisation, means,
// element-wise arithmetic on small tensors.

#include "GPU/GridNest.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::bfly;

/// Rows that a dense product takes from its weights once they are in cache: at
/// least so many pay for packing the weights into panels.
static constexpr int64_t kMinRowsForPanels = 16;

AffineExpr mlir::bfly::getTileStart(NestBuilder &nest, AffineExpr index,
                                    int64_t tile, int64_t tiles,
                                    int64_t total) {
  if (tiles == 1)
    return nest.constantExpr(0);
  int64_t overlap = tiles * tile - total;
  AffineExpr start = index * tile;
  return overlap ? start - index.floorDiv(tiles - 1) * overlap : start;
}

Value mlir::bfly::emitEpilogue(NestBuilder &nest, LinearOp op, Value bias,
                               Value value, AffineExpr column) {
  if (bias)
    value = nest.add(value, nest.load(bias, {column}));
  if (op.getRelu())
    value = arith::MaximumFOp::create(nest.builder, nest.loc, value,
                                      nest.constant(0));
  return value;
}

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
  int64_t width = getPanelWidth(emitter.getPlan());
  // Columns go in blocks of so many panels, so that a tile of the result stays
  // in cache while it gets its bias.
  constexpr int64_t kPanelsInBlock = 8;

  SmallVector<OpFoldResult> outer;
  for (int64_t dim = 0; dim + 2 < inputType.getRank(); ++dim)
    outer.push_back(nest.size(input, dim));
  int64_t rows = inputType.getDimSize(inputType.getRank() - 2);
  int64_t tile = std::min(rows, emitter.getPlan().getTile());
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

void mlir::bfly::emitLinear(KernelEmitter &emitter, LinearOp op) {
  if (emitter.onGPU())
    return emitLinearOnGPU(emitter, op);
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

void mlir::bfly::emitLayerNorm(KernelEmitter &emitter, LayerNormOp op) {
  if (emitter.onGPU())
    return emitLayerNormOnGPU(emitter, op);
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

void mlir::bfly::emitTokenSum(KernelEmitter &emitter, Operation *op,
                              Value inputTensor, Value result, double factor) {
  NestBuilder nest = emitter.makeNest(op);
  Value input = emitter.getBuffer(inputTensor);
  Value output = emitter.getBuffer(result);
  auto type = cast<MemRefType>(input.getType());
  int64_t tokens = type.getDimSize(1), channels = type.getDimSize(2);
  if (emitter.onGPU())
    return sumRows(emitter, nest, nest.size(input, 0), tokens, channels, output,
                   factor, [&](AffineExpr b, AffineExpr n, AffineExpr c) {
                     return nest.load(input, {b, n, c});
                   });
  int64_t tile = std::min(channels, emitter.getPlan().getTile());
  int64_t slabs = llvm::divideCeilSigned(channels, tile);
  nest.parallel({nest.size(input, 0), nest.builder.getIndexAttr(slabs)},
                [&](ArrayRef<AffineExpr> ivs) {
                  AffineExpr origin =
                      getTileStart(nest, ivs[1], tile, slabs, channels);
                  nest.lanes(tile, [&](AffineExpr lane) {
                    // Sums of short runs, then of those: rounding errors grow
                    // with the run's length and with the number of runs, not
                    // with their product.
                    constexpr int64_t kRun = 64;
                    auto element = [&](AffineExpr n) {
                      return nest.load(input, {ivs[0], n, origin + lane});
                    };
                    int64_t runs = tokens / kRun;
                    Value total;
                    if (runs)
                      total = nest.sum(runs, false, [&](AffineExpr run) {
                        return nest.sum(kRun, false, [&](AffineExpr n) {
                          return element(run * kRun + n);
                        });
                      });
                    if (tokens % kRun) {
                      Value rest =
                          nest.sum(tokens % kRun, false, [&](AffineExpr n) {
                            return element(n + runs * kRun);
                          });
                      total = total ? nest.add(total, rest) : rest;
                    }
                    nest.store(nest.mul(total, nest.constant(factor)), output,
                               {ivs[0], origin + lane});
                  });
                });
}

LogicalResult mlir::bfly::emitElementwise(KernelEmitter &emitter,
                                          Operation *op) {
  auto isReal = [](Type type) {
    auto tensor = dyn_cast<RankedTensorType>(type);
    return tensor && isa<FloatType>(tensor.getElementType());
  };
  if (!OpTrait::hasElementwiseMappableTraits(op) || op->getNumResults() != 1 ||
      !llvm::all_of(op->getOperandTypes(), isReal) ||
      !llvm::all_of(op->getResultTypes(), isReal))
    return op->emitOpError("cannot be part of a kernel");
  auto result = cast<RankedTensorType>(op->getResult(0).getType());
  if (!result.getRank() || ShapedType::isDynamic(result.getShape().back()))
    return op->emitOpError("cannot be part of a kernel: its last dimension has "
                           "to be static");
  NestBuilder nest = emitter.makeNest(op);
  // A constant of one value needs no buffer.
  SmallVector<std::pair<Value, double>> inputs;
  for (Value operand : op->getOperands()) {
    DenseElementsAttr constant;
    if (readsAsNumber(op, operand) &&
        matchPattern(operand, m_Constant(&constant)))
      inputs.push_back(
          {Value(), constant.getSplatValue<FloatAttr>().getValueAsDouble()});
    else
      inputs.push_back({emitter.getBuffer(operand), 0.0});
  }
  Value output = emitter.getBuffer(op->getResult(0));
  auto type = cast<MemRefType>(output.getType());
  SmallVector<OpFoldResult> rows;
  for (int64_t dim = 0; dim + 1 < type.getRank(); ++dim)
    rows.push_back(nest.size(output, dim));
  auto element = [&](ArrayRef<AffineExpr> indices) {
    SmallVector<Value> operands;
    for (auto [input, constant] : inputs)
      operands.push_back(input ? nest.load(input, indices)
                               : nest.constant(constant));
    // Conversions between storage types are what load and store do.
    Value value = operands.front();
    if (!isa<arith::ExtFOp, arith::TruncFOp>(op)) {
      OperationState state(nest.loc, op->getName(), operands,
                           TypeRange(nest.compute), op->getAttrs());
      value = nest.builder.create(state)->getResult(0);
    }
    nest.store(value, output, indices);
  };
  if (emitter.onGPU()) {
    rows.push_back(nest.size(output, type.getRank() - 1));
    forEachElement(nest, rows, element);
    return success();
  }
  auto body = [&](ArrayRef<AffineExpr> row) {
    nest.lanes(type.getShape().back(), [&](AffineExpr lane) {
      SmallVector<AffineExpr> indices(row);
      indices.push_back(lane);
      element(indices);
    });
  };
  if (rows.empty())
    body({});
  else
    nest.parallel(rows, body);
  return success();
}
