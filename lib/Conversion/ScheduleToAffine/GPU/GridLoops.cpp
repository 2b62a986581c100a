// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/GridLoops.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Blocks that a phase should at least have, for a GPU's multiprocessors to be
/// evenly busy.
static constexpr int64_t kManyUnits = 512;

// Pairs -----------------------------------------------------------------------

ComplexPair mlir::bfly::loadPair(NestBuilder &nest, Value buffer,
                                 ArrayRef<AffineExpr> indices) {
  Value pair = nest.loadVector(buffer, indices, 2);
  auto part = [&](int64_t i) -> Value {
    Value value = vector::ExtractOp::create(nest.builder, nest.loc, pair, i);
    if (cast<FloatType>(value.getType()).getWidth() < nest.compute.getWidth())
      value =
          arith::ExtFOp::create(nest.builder, nest.loc, nest.compute, value);
    return value;
  };
  return {part(0), part(1)};
}

void mlir::bfly::storePair(NestBuilder &nest, ComplexPair value, Value buffer,
                           ArrayRef<AffineExpr> indices) {
  auto type =
      cast<FloatType>(cast<MemRefType>(buffer.getType()).getElementType());
  auto narrow = [&](Value part) -> Value {
    if (type.getWidth() < nest.compute.getWidth())
      part = arith::TruncFOp::create(nest.builder, nest.loc, type, part);
    return part;
  };
  Value re = narrow(value.re), im = narrow(value.im);
  Value pair = vector::FromElementsOp::create(
      nest.builder, nest.loc, VectorType::get(2, type), ValueRange{re, im});
  nest.storeVector(pair, buffer, indices);
}

// Units and elements ----------------------------------------------------------

BatchUnits::BatchUnits(NestBuilder &nest, Value input, int64_t itemsPerSequence,
                       int64_t itemsPerUnit) {
  OpFoldResult batch = nest.size(input, 0);
  if (std::optional<int64_t> known = getConstantIntValue(batch)) {
    int64_t items = *known * itemsPerSequence;
    batches = nest.constantExpr(*known);
    count = nest.builder.getIndexAttr(llvm::divideCeil(items, itemsPerUnit));
    full = items % itemsPerUnit == 0;
  } else {
    batches = nest.dim(cast<Value>(batch));
    count = nest.apply((batches * itemsPerSequence).ceilDiv(itemsPerUnit));
    full = itemsPerSequence % itemsPerUnit == 0;
  }
}

void mlir::bfly::forEachElement(NestBuilder &nest, ArrayRef<OpFoldResult> sizes,
                                function_ref<void(ArrayRef<AffineExpr>)> body) {
  SmallVector<OpFoldResult> units;
  SmallVector<int64_t> statics;
  for (OpFoldResult size : sizes) {
    if (std::optional<int64_t> count = getConstantIntValue(size))
      statics.push_back(*count);
    else
      units.push_back(size);
  }
  assert(units.size() + statics.size() == sizes.size() &&
         (units.empty() || !getConstantIntValue(sizes[0])) &&
         units.size() < 2 && "only the first size may be dynamic");
  int64_t elements = 1;
  for (int64_t size : statics)
    elements *= size;
  // A few elements a thread, so that their loads overlap.
  int64_t chunk = std::min(elements, 4 * nest.blockThreads);
  int64_t chunks = llvm::divideCeilSigned(elements, chunk);
  units.push_back(nest.builder.getIndexAttr(chunks));
  nest.grid(units, [&](ArrayRef<AffineExpr> unit) {
    nest.threads(chunk, [&](AffineExpr i) {
      AffineExpr element = unit.back() * chunk + i;
      auto inside = [&] {
        SmallVector<AffineExpr> indices(unit.drop_back());
        int64_t rest = elements;
        for (auto [dim, size] : llvm::enumerate(statics)) {
          rest /= size;
          AffineExpr index = element.floorDiv(rest);
          indices.push_back(dim ? index % size : index);
        }
        body(indices);
      };
      if (elements % chunk)
        nest.guard({-element + (elements - 1)}, inside);
      else
        inside();
    });
  });
}

// Sums ------------------------------------------------------------------------

/// The sums of several lists of terms, pair by pair.
static SmallVector<Value> addInPairs(NestBuilder &nest,
                                     SmallVector<SmallVector<Value>> lists) {
  while (lists.size() > 1) {
    SmallVector<SmallVector<Value>> half;
    for (size_t i = 0; i + 1 < lists.size(); i += 2) {
      SmallVector<Value> sum;
      for (auto [a, b] : llvm::zip_equal(lists[i], lists[i + 1]))
        sum.push_back(nest.add(a, b));
      half.push_back(std::move(sum));
    }
    if (lists.size() % 2)
      half.push_back(lists.back());
    lists = std::move(half);
  }
  return lists.front();
}

SmallVector<Value>
mlir::bfly::sumStrided(NestBuilder &nest, const StridedRange &range,
                       unsigned number,
                       function_ref<SmallVector<Value>(AffineExpr)> terms) {
  // Loads of one iteration are in flight together; fewer where there are many
  // sums.
  int64_t unroll = std::max<int64_t>(1, 8 / int64_t(number));
  while (!range.whole || range.steps % unroll)
    if (unroll /= 2; unroll <= 1) {
      unroll = 1;
      break;
    }
  auto term = [&](AffineExpr step) {
    SmallVector<SmallVector<Value>> lists;
    for (int64_t i = 0; i < unroll; ++i)
      lists.push_back(terms(range.first + (step * unroll + i) * range.stride));
    return addInPairs(nest, std::move(lists));
  };
  if (range.whole && range.steps == unroll)
    return term(nest.constantExpr(0));
  if (range.whole)
    return nest.sums(range.steps / unroll, number, /*lanes=*/false, term);
  return nest.sumsTo(
      {nest.constantExpr(range.steps),
       (range.limit - range.first + (range.stride - 1)).floorDiv(range.stride)},
      number, term);
}

Value mlir::bfly::sumInTree(NestBuilder &nest, Value partial) {
  auto type = cast<MemRefType>(partial.getType());
  int64_t items = type.getDimSize(0), width = type.getDimSize(1);
  while (width > 1) {
    int64_t factor = 8;
    while (width % factor)
      --factor;
    if (factor == 1)
      factor = width;
    int64_t next = width / factor;
    Value sums = nest.allocateShared({items, next}, nest.compute);
    nest.threads(items * next, [&](AffineExpr i) {
      AffineExpr item = i.floorDiv(next), column = i % next;
      SmallVector<SmallVector<Value>> terms;
      auto load = [&](AffineExpr k) {
        return nest.load(partial, {item, column + k * next});
      };
      Value total;
      if (factor <= 16) {
        for (int64_t k = 0; k < factor; ++k)
          terms.push_back({load(nest.constantExpr(k))});
        total = addInPairs(nest, std::move(terms)).front();
      } else {
        total = nest.sum(factor, /*lanes=*/false, load);
      }
      nest.store(total, sums, {item, column});
    });
    partial = sums;
    width = next;
  }
  return partial;
}

void mlir::bfly::sumRows(
    KernelEmitter &emitter, NestBuilder &nest, OpFoldResult batch, int64_t rows,
    int64_t channels, Value output, double factor,
    function_ref<Value(AffineExpr, AffineExpr, AffineExpr)> element) {
  sumRows(
      emitter, nest, batch, rows, channels, 1,
      [&](AffineExpr b, AffineExpr row, AffineExpr channel) {
        return SmallVector<Value>{element(b, row, channel)};
      },
      [&](AffineExpr b, AffineExpr channel, ArrayRef<Value> totals) {
        nest.store(nest.mul(totals[0], nest.constant(factor)), output,
                   {b, channel});
      });
}

void mlir::bfly::sumRows(
    KernelEmitter &emitter, NestBuilder &nest, OpFoldResult batch, int64_t rows,
    int64_t channels, unsigned number,
    function_ref<SmallVector<Value>(AffineExpr, AffineExpr, AffineExpr)>
        elements,
    function_ref<void(AffineExpr, AffineExpr, ArrayRef<Value>)> finish) {
  // A warp reads 128 bytes of a row at least; threads beyond that take other
  // rows.
  int64_t width = std::min<int64_t>(llvm::bit_ceil<uint64_t>(channels), 64);
  int64_t slices = llvm::divideCeilSigned(channels, width);
  int64_t together = std::clamp<int64_t>(nest.blockThreads / width, 1,
                                         llvm::bit_ceil<uint64_t>(rows));
  // Chunks of rows for there to be enough units, of not too few rows each.
  int64_t known = getConstantIntValue(batch).value_or(1) * slices;
  int64_t chunks = 1;
  while (known * chunks < kManyUnits && rows >= 2 * chunks * together * 16)
    chunks *= 2;
  int64_t steps = llvm::divideCeilSigned(rows, chunks * together);
  int64_t chunkRows = steps * together;
  chunks = llvm::divideCeilSigned(rows, chunkRows);
  bool whole = chunks * chunkRows == rows;

  Value target;
  if (chunks > 1)
    target = emitter.allocateScratch(nest, batch, {chunks, number, channels});
  auto chunkIndex = nest.builder.getIndexAttr(chunks);
  nest.grid(
      {batch, chunkIndex, nest.builder.getIndexAttr(slices)},
      [&](ArrayRef<AffineExpr> unit) {
        Value partial =
            nest.allocateShared({number, together, width}, nest.compute);
        auto inside = [&](AffineExpr column, function_ref<void()> body) {
          if (channels % width)
            nest.guard({-(unit[2] * width + column) + (channels - 1)}, body);
          else
            body();
        };
        nest.threads(together * width, [&](AffineExpr i) {
          AffineExpr column = i % width, row = i.floorDiv(width);
          inside(column, [&] {
            StridedRange range{unit[1] * chunkRows + row, together, steps,
                               whole, nest.constantExpr(rows)};
            SmallVector<Value> totals =
                sumStrided(nest, range, number, [&](AffineExpr n) {
                  return elements(unit[0], n, unit[2] * width + column);
                });
            for (auto [index, total] : llvm::enumerate(totals))
              nest.store(total, partial,
                         {nest.constantExpr(index), row, column});
          });
        });
        nest.threads(width, [&](AffineExpr column) {
          inside(column, [&] {
            SmallVector<Value> totals =
                nest.sums(together, number, /*lanes=*/false, [&](AffineExpr k) {
                  SmallVector<Value> terms;
                  for (unsigned index = 0; index < number; ++index)
                    terms.push_back(nest.load(
                        partial, {nest.constantExpr(index), k, column}));
                  return terms;
                });
            AffineExpr channel = unit[2] * width + column;
            if (chunks == 1)
              return finish(unit[0], channel, totals);
            for (auto [index, total] : llvm::enumerate(totals))
              nest.store(total, target,
                         {unit[0], unit[1], nest.constantExpr(index), channel});
          });
        });
      });
  if (chunks > 1)
    forEachElement(
        nest, {batch, nest.builder.getIndexAttr(channels)},
        [&](ArrayRef<AffineExpr> at) {
          finish(at[0], at[1],
                 nest.sums(chunks, number, /*lanes=*/false, [&](AffineExpr k) {
                   SmallVector<Value> terms;
                   for (unsigned i = 0; i < number; ++i)
                     terms.push_back(nest.load(
                         target, {at[0], k, nest.constantExpr(i), at[1]}));
                   return terms;
                 }));
        });
}
