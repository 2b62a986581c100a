// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Dense products and normalisation on a GPU, in full precision.

#include "DenseLayers.h"
#include "GPU/GridLoops.h"

#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Blocks that keep every multiprocessor busy.
static constexpr int64_t kEnoughUnits = 264;

namespace {

class GridLinear {
public:
  GridLinear(KernelEmitter &emitter, NestBuilder &nest, LinearOp op)
      : nest(nest), plan(emitter.getPlan<GpuDenseAttr>()), op(op),
        input(emitter.getBuffer(op.getInput())),
        weight(emitter.getBuffer(op.getWeight())),
        output(emitter.getBuffer(op.getResult())) {
    if (op.getBias())
      bias = emitter.getBuffer(op.getBias());
    auto type = cast<MemRefType>(weight.getType());
    out = type.getDimSize(0);
    in = type.getDimSize(1);
  }
  void emit();

private:
  void emitDotProducts(ArrayRef<int64_t> leading);
  /// Dot products of a unit's outputs with some rows.
  void emitRows(AffineExpr unit, int64_t outputs, int64_t width,
                ArrayRef<SmallVector<AffineExpr>> rows);
  void emitTiles();

  NestBuilder &nest;
  GpuDenseAttr plan;
  LinearOp op;
  Value input, weight, output, bias;
  int64_t out, in;
};

} // namespace

static SmallVector<AffineExpr> append(ArrayRef<AffineExpr> indices,
                                      AffineExpr last) {
  SmallVector<AffineExpr> result(indices);
  result.push_back(last);
  return result;
}

void GridLinear::emitRows(AffineExpr unit, int64_t outputs, int64_t width,
                          ArrayRef<SmallVector<AffineExpr>> rows) {
  int64_t count = rows.size();
  auto inside = [&](AffineExpr column, function_ref<void()> body) {
    if (out % outputs)
      nest.guard({-column + (out - 1)}, body);
    else
      body();
  };
  Value partial = nest.allocateShared({outputs * count, width}, nest.compute);
  nest.threads(outputs * width, [&](AffineExpr i) {
    AffineExpr o = i.floorDiv(width), lane = i % width;
    AffineExpr column = unit * outputs + o;
    inside(column, [&] {
      StridedRange range{lane, width, llvm::divideCeilSigned(in, width),
                         in % width == 0, nest.constantExpr(in)};
      // A weight is read once for all rows.
      SmallVector<Value> totals =
          sumStrided(nest, range, count, [&](AffineExpr k) {
            Value w = nest.load(weight, {column, k});
            SmallVector<Value> terms;
            for (ArrayRef<AffineExpr> row : rows)
              terms.push_back(nest.mul(nest.load(input, append(row, k)), w));
            return terms;
          });
      for (int64_t r = 0; r < count; ++r)
        nest.store(totals[r], partial, {o + r * outputs, lane});
    });
  });
  Value sums = sumInTree(nest, partial);
  nest.threads(outputs, [&](AffineExpr o) {
    AffineExpr column = unit * outputs + o;
    inside(column, [&] {
      for (int64_t r = 0; r < count; ++r) {
        Value total = nest.load(sums, {o + r * outputs, nest.constantExpr(0)});
        nest.store(emitEpilogue(nest, op, bias, total, column), output,
                   append(rows[r], column));
      }
    });
  });
}

void GridLinear::emitDotProducts(ArrayRef<int64_t> leading) {
  // Threads for one dot product: a warp, or more where there are few.
  int64_t threads = nest.blockThreads;
  int64_t width = std::min<int64_t>(32, llvm::bit_ceil<uint64_t>(in));
  while (2 * width <= threads && 4 * width <= in &&
         out * width < kEnoughUnits * threads)
    width *= 2;
  int64_t outputs = std::max<int64_t>(1, std::min(out, threads / width));
  int64_t units = llvm::divideCeilSigned(out, outputs);
  nest.grid({nest.builder.getIndexAttr(units)}, [&](ArrayRef<AffineExpr> u) {
    if (leading.empty() || !ShapedType::isDynamic(leading[0])) {
      SmallVector<SmallVector<AffineExpr>> rows;
      int64_t all = 1;
      for (int64_t size : leading)
        all *= size;
      for (int64_t row = 0; row < all; ++row) {
        SmallVector<AffineExpr> indices;
        int64_t rest = all;
        for (int64_t size : leading) {
          rest /= size;
          indices.push_back(nest.constantExpr(row / rest % size));
        }
        rows.push_back(indices);
      }
      // So many sums in registers.
      constexpr size_t kAtOnce = 8;
      ArrayRef<SmallVector<AffineExpr>> left(rows);
      while (!left.empty()) {
        size_t some = std::min(left.size(), kAtOnce);
        emitRows(u[0], outputs, width, left.take_front(some));
        left = left.drop_front(some);
      }
      return;
    }
    SmallVector<OpFoldResult> sizes;
    for (unsigned dim = 0; dim < leading.size(); ++dim)
      sizes.push_back(nest.size(input, dim));
    nest.serial(sizes, [&](ArrayRef<AffineExpr> row) {
      emitRows(u[0], outputs, width, {SmallVector<AffineExpr>(row)});
    });
  });
}

/// A tile of the result a unit, 4 x 4 elements a thread.
void GridLinear::emitTiles() {
  constexpr int64_t kEach = 4;
  int64_t depth = plan.getDepth();
  auto type = cast<MemRefType>(input.getType());
  int64_t rows = type.getDimSize(type.getRank() - 2);
  // Threads (down, across).
  int64_t across = 1;
  while (4 * across * across <= nest.blockThreads)
    across *= 2;
  int64_t down = nest.blockThreads / across;
  int64_t height = kEach * down, width = kEach * across;
  int64_t tiles = llvm::divideCeilSigned(rows, height);
  int64_t panels = llvm::divideCeilSigned(out, width);
  int64_t steps = llvm::divideCeilSigned(in, depth);
  SmallVector<OpFoldResult> units;
  for (int64_t dim = 0; dim + 2 < type.getRank(); ++dim)
    units.push_back(nest.size(input, dim));
  units.push_back(nest.builder.getIndexAttr(tiles));
  units.push_back(nest.builder.getIndexAttr(panels));
  nest.grid(units, [&](ArrayRef<AffineExpr> ivs) {
    SmallVector<AffineExpr> leading(ivs.drop_back(2));
    AffineExpr firstRow = ivs[ivs.size() - 2] * height;
    AffineExpr firstColumn = ivs.back() * width;
    Value totals = nest.allocateRegisters(kEach * kEach, nest.compute);
    // Rows of one depth; a word more keeps the columns in different banks.
    Value a = nest.allocateShared({depth, height + 1}, nest.compute);
    Value b = nest.allocateShared({depth, width + 1}, nest.compute);
    auto each = [&](function_ref<void(int64_t, int64_t)> body) {
      for (int64_t r = 0; r < kEach; ++r)
        for (int64_t c = 0; c < kEach; ++c)
          body(r, c);
    };
    auto reg = [&](int64_t r, int64_t c) {
      return nest.constantExpr(r * kEach + c);
    };
    assert(down * across == nest.blockThreads && "threads come in warps");
    nest.everyThread([&](AffineExpr t) {
      each([&](int64_t r, int64_t c) {
        nest.store(nest.constant(0), totals, {t, reg(r, c)});
      });
    });
    nest.loop(steps, [&](AffineExpr step) {
      // Rows of x and of W, 16 neighbours at a time; zero outside.
      auto fill = [&](Value tile, int64_t count, int64_t limit,
                      AffineExpr origin,
                      function_ref<Value(AffineExpr, AffineExpr)> element) {
        nest.threads(count * depth, [&](AffineExpr i) {
          AffineExpr row = i.floorDiv(depth), k = i % depth;
          AffineExpr at = step * depth + k;
          auto copy = [&] {
            nest.store(element(origin + row, at), tile, {k, row});
          };
          SmallVector<AffineExpr> constraints;
          if (limit % count)
            constraints.push_back(-(origin + row) + (limit - 1));
          if (in % depth)
            constraints.push_back(-at + (in - 1));
          if (constraints.empty())
            return copy();
          nest.store(nest.constant(0), tile, {k, row});
          nest.guard(constraints, copy);
        });
      };
      fill(a, height, rows, firstRow, [&](AffineExpr row, AffineExpr k) {
        return nest.load(input, append(append(leading, row), k));
      });
      fill(b, width, out, firstColumn, [&](AffineExpr column, AffineExpr k) {
        return nest.load(weight, {column, k});
      });
      nest.everyThread([&](AffineExpr t) {
        AffineExpr y = t.floorDiv(across), x = t % across;
        SmallVector<Value> sums =
            nest.sums(depth, kEach * kEach, /*lanes=*/false, [&](AffineExpr k) {
              SmallVector<Value> as, bs, products;
              for (int64_t i = 0; i < kEach; ++i) {
                as.push_back(nest.load(a, {k, y + i * down}));
                bs.push_back(nest.load(b, {k, x + i * across}));
              }
              each([&](int64_t r, int64_t c) {
                products.push_back(nest.mul(as[r], bs[c]));
              });
              return products;
            });
        each([&](int64_t r, int64_t c) {
          Value total = nest.load(totals, {t, reg(r, c)});
          nest.store(nest.add(total, sums[r * kEach + c]), totals,
                     {t, reg(r, c)});
        });
      });
    });
    nest.everyThread([&](AffineExpr t) {
      AffineExpr y = t.floorDiv(across), x = t % across;
      each([&](int64_t r, int64_t c) {
        AffineExpr row = firstRow + y + r * down;
        AffineExpr column = firstColumn + x + c * across;
        auto finish = [&] {
          Value total = nest.load(totals, {t, reg(r, c)});
          nest.store(emitEpilogue(nest, op, bias, total, column), output,
                     append(append(leading, row), column));
        };
        SmallVector<AffineExpr> constraints;
        if (rows % height)
          constraints.push_back(-row + (rows - 1));
        if (out % width)
          constraints.push_back(-column + (out - 1));
        if (constraints.empty())
          finish();
        else
          nest.guard(constraints, finish);
      });
    });
  });
}

void GridLinear::emit() {
  auto type = cast<MemRefType>(input.getType());
  SmallVector<int64_t> leading(type.getShape().drop_back());
  // So many rows read each weight once.
  int64_t all = 1, fewRows = plan.getRows();
  for (int64_t size : leading)
    all = ShapedType::isDynamic(size) ? all : std::min(all * size, fewRows + 1);
  bool tiles = !leading.empty() && !ShapedType::isDynamic(leading.back()) &&
               all > fewRows;
  if (tiles)
    emitTiles();
  else
    emitDotProducts(leading);
}

void mlir::bfly::emitLinearOnGPU(KernelEmitter &emitter, LinearOp op) {
  NestBuilder nest = emitter.makeNest(op);
  GridLinear(emitter, nest, op).emit();
}

void mlir::bfly::emitLayerNormOnGPU(KernelEmitter &emitter, LayerNormOp op) {
  NestBuilder nest = emitter.makeNest(op);
  Value input = emitter.getBuffer(op.getInput());
  Value output = emitter.getBuffer(op.getResult());
  Value weight = op.getWeight() ? emitter.getBuffer(op.getWeight()) : Value();
  Value bias = op.getBias() ? emitter.getBuffer(op.getBias()) : Value();
  auto type = cast<MemRefType>(input.getType());
  int64_t channels = type.getShape().back(), threads = nest.blockThreads;

  // Several rows a block; those of a dynamic number one by one.
  SmallVector<OpFoldResult> units;
  for (int64_t dim = 0; dim + 1 < type.getRank(); ++dim)
    units.push_back(nest.size(input, dim));
  int64_t rows = 1;
  bool tiled = !units.empty() && getConstantIntValue(units.back());
  int64_t width = std::min<int64_t>(
      std::max<int64_t>(channels / 32, std::min<int64_t>(channels, 32)),
      threads);
  width = llvm::bit_floor<uint64_t>(width);
  int64_t together = 1;
  if (tiled) {
    rows = *getConstantIntValue(units.back());
    together = std::min(rows, std::max<int64_t>(1, threads / width));
    units.back() =
        nest.builder.getIndexAttr(llvm::divideCeilSigned(rows, together));
  }
  if (units.empty())
    units.push_back(nest.builder.getIndexAttr(1));
  nest.grid(units, [&](ArrayRef<AffineExpr> unit) {
    // Every thread of a row, with the row's indices.
    auto eachRow = [&](function_ref<void(AffineExpr r, AffineExpr lane,
                                         ArrayRef<AffineExpr> row)>
                           body) {
      nest.threads(together * width, [&](AffineExpr i) {
        AffineExpr r = i.floorDiv(width), lane = i % width;
        SmallVector<AffineExpr> row;
        if (type.getRank() > 1)
          row.assign(unit.begin(), unit.end());
        if (tiled)
          row.back() = row.back() * together + r;
        if (tiled && rows % together)
          nest.guard({-row.back() + (rows - 1)}, [&] { body(r, lane, row); });
        else
          body(r, lane, row);
      });
    };
    auto getRange = [&](AffineExpr lane) {
      return StridedRange{lane, width, llvm::divideCeilSigned(channels, width),
                          channels % width == 0, nest.constantExpr(channels)};
    };
    AffineExpr zero = nest.constantExpr(0);
    Value scale = nest.constant(1.0 / channels);
    // The mean over the channels of a function of them, unscaled.
    auto reduce =
        [&](function_ref<Value(AffineExpr, ArrayRef<AffineExpr>)> term,
            function_ref<void(AffineExpr)> prepare) {
          Value partial = nest.allocateShared({together, width}, nest.compute);
          eachRow([&](AffineExpr r, AffineExpr lane, ArrayRef<AffineExpr> row) {
            if (prepare)
              prepare(r);
            Value total =
                sumStrided(nest, getRange(lane), 1, [&](AffineExpr c) {
                  return SmallVector<Value>{term(c, append(row, c))};
                }).front();
            nest.store(total, partial, {r, lane});
          });
          return sumInTree(nest, partial);
        };
    Value mean;
    Value sums =
        reduce([&](AffineExpr,
                   ArrayRef<AffineExpr> at) { return nest.load(input, at); },
               nullptr);
    auto loadMean = [&](AffineExpr r) {
      mean = nest.mul(scale, nest.load(sums, {r, zero}));
    };
    // Two passes: the variance of differences from the mean cancels nothing.
    Value squares = reduce(
        [&](AffineExpr, ArrayRef<AffineExpr> at) {
          Value difference = nest.sub(nest.load(input, at), mean);
          return nest.mul(difference, difference);
        },
        loadMean);
    eachRow([&](AffineExpr r, AffineExpr lane, ArrayRef<AffineExpr> row) {
      loadMean(r);
      Value variance = nest.mul(scale, nest.load(squares, {r, zero}));
      Value epsilon = nest.constant(op.getEpsilon().convertToDouble());
      Value factor = nest.div(
          nest.constant(1), math::SqrtOp::create(nest.builder, nest.loc,
                                                 nest.add(variance, epsilon)));
      auto normalise = [&](AffineExpr c) {
        SmallVector<AffineExpr> at = append(row, c);
        Value value = nest.mul(nest.sub(nest.load(input, at), mean), factor);
        if (weight)
          value = nest.mul(value, nest.load(weight, {c}));
        if (bias)
          value = nest.add(value, nest.load(bias, {c}));
        nest.store(value, output, at);
      };
      if (channels % width == 0)
        nest.loop(channels / width,
                  [&](AffineExpr step) { normalise(lane + step * width); });
      else
        nest.loopTo({nest.constantExpr(llvm::divideCeilSigned(channels, width)),
                     (-lane + (channels + width - 1)).floorDiv(width)},
                    [&](AffineExpr step) { normalise(lane + step * width); });
    });
  });
}
