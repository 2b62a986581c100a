// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The bins of a slab in registers: the last pass of its transforms, the maps,
// and the pass that undoes it.

#include "GPU/SlabBins.h"

using namespace mlir;
using namespace mlir::bfly;

void SlabBins::visitInRegisters() {
  if (columns.half)
    visitPairsOfBlocks();
  else
    visitBlocks();
}

void SlabBins::visitBlocks() {
  int64_t radix = radices.back(), blocks = rows / radix;
  int64_t parts = slab.getParts();
  forEachItem(parts * blocks, [&](AffineExpr block, AffineExpr lane) {
    AffineExpr zero = nest.constantExpr(0);
    SmallVector<Bins> all;
    for (SlabTransform *one : slabs) {
      Bins &values = all.emplace_back();
      for (int64_t row = 0; row < radix; ++row)
        values.push_back(one->load(block * radix + row, lane));
      transformInRegisters(nest, values, /*inverse=*/false, nullptr, zero);
    }
    Bins &values = all[0];
    Terms terms;
    for (int64_t row = 0; row < radix; ++row) {
      AffineExpr m = slab.blockBin(block % blocks) + row * blocks;
      auto apply = [&](int64_t part) {
        AffineExpr k = m * outer + getSubTransform(part);
        // Bins 0 and N/2 are in these rows of block 0.
        bool mayBeReal = llvm::is_contained(columns.realTokens, true) &&
                         (row == 0 || 2 * row == radix);
        Value own = mayBeReal ? columns.isOwnMirror(k) : Value();
        Bins bins = llvm::map_to_vector(all, [&](Bins &of) { return of[row]; });
        auto [bin, more] =
            columns.mapTransformed(bins, own, k, firstChannel(lane));
        SmallVector<Value> value{bin.re, bin.im};
        llvm::append_range(value, more);
        return value;
      };
      SmallVector<Value> value;
      if (parts == 1) {
        value = apply(0);
      } else {
        SmallVector<Value> second = apply(1);
        value = nest.guardValues(
            {-block + (blocks - 1)}, [&] { return apply(0); }, second);
      }
      values[row] = {value[0], value[1]};
      addTerms(terms, ArrayRef(value).drop_front(2));
    }
    transformInRegisters(nest, values, /*inverse=*/true, nullptr, zero);
    for (int64_t row = 0; row < radix; ++row)
      slab.store(values[row], block * radix + row, lane);
    return terms;
  });
}

namespace mlir::bfly {
/// Two blocks of the last pass that hold each other's mirror images.
struct BlockPair {
  /// The pair's number.
  AffineExpr v;
  AffineExpr first, second;
  /// 1 for pair 0, whose blocks are their own mirror images, else 0.
  AffineExpr odd;
  /// The sub-transform of the first block.
  AffineExpr q;
};
} // namespace mlir::bfly

namespace {

/// A block of the last pass has the bins m, m + L, m + 2 L ... of L blocks,
/// first to last the mirror images of those of the block of L - m, last to
/// first. A thread has such a pair, bin i of the one beside R-1-i of the other.
/// Blocks 0 and L/2 are their own mirror images; they make a pair too, though
/// its bins belong together otherwise.
///
/// Pair v has the blocks v + first and second - v, of constants that change
/// where another digit of the block's bin is the first that is not zero: then
/// the digits before it are zero, it turns to R - d, and the others around.
class MirrorBlocks {
public:
  MirrorBlocks(ArrayRef<int64_t> radices, int64_t outer) : outer(outer) {
    int64_t span = radices[radices.size() - 2], before = 1;
    ranges.push_back({0, 0, span / 2});
    if (span > 2)
      ranges.push_back({1, 0, span});
    for (int64_t digit : llvm::drop_begin(llvm::reverse(radices), 2)) {
      before = span;
      span *= digit;
      ranges.push_back({before / 2, before / 2, span + before / 2 - 1});
    }
    blocks = span;
    pairs = end = blocks / 2;
    if (outer == 1)
      return;
    // Of the pair of sub-transforms that are their own mirror images the second
    // has no bin that is its own: every digit turns around, and so do those of
    // two sub-transforms that mirror each other.
    ranges.push_back(
        {blocks / 2, blocks - blocks / 2, 2 * blocks - 1 + blocks / 2});
    ranges.push_back({blocks, -blocks, 3 * blocks - 1});
    pairs = blocks;
    end = 2 * blocks;
  }

  /// Pairs of a unit: those of unit 0 come first, those of any other follow.
  int64_t getNumPairs() const { return pairs; }

  BlockPair getPair(AffineExpr v, AffineExpr unit) const {
    // 1 from `start` on, 0 before.
    auto isFrom = [&](int64_t start) {
      return (v + (end - start)).floorDiv(end);
    };
    BlockPair pair{v, v, -v + ranges[0].second, -isFrom(1) + 1, unit};
    for (size_t r = 1; r < ranges.size(); ++r) {
      AffineExpr here = isFrom(ranges[r].start);
      pair.first = pair.first + here * (ranges[r].first - ranges[r - 1].first);
      pair.second =
          pair.second + here * (ranges[r].second - ranges[r - 1].second);
    }
    if (outer > 1)
      pair.q = unit + (isFrom(blocks / 2) - isFrom(blocks)) * (outer / 2);
    return pair;
  }

private:
  struct Range {
    int64_t start, first, second;
  };
  SmallVector<Range> ranges;
  int64_t outer, blocks, pairs, end;
};

} // namespace

void SlabBins::visitPairsOfBlocks() {
  MirrorBlocks mirrors(radices, outer);
  int64_t radix = radices.back(), blocks = rows / radix;
  forEachItem(mirrors.getNumPairs(), [&](AffineExpr item, AffineExpr lane) {
    BlockPair pair = mirrors.getPair(item + paired * blocks, unit);
    AffineExpr zero = nest.constantExpr(0);
    SmallVector<Bins> firsts(slabs.size()), seconds(slabs.size());
    for (auto [one, first, second] : llvm::zip_equal(slabs, firsts, seconds)) {
      for (int64_t row = 0; row < radix; ++row)
        first.push_back(one->load(pair.first * radix + row, lane));
      for (int64_t row = 0; row < radix; ++row)
        second.push_back(one->load(pair.second * radix + row, lane));
      transformInRegisters(nest, first, /*inverse=*/false, nullptr, zero);
      transformInRegisters(nest, second, /*inverse=*/false, nullptr, zero);
    }
    Terms terms;
    if (!columns.chain.maps.empty())
      terms = mapPair(pair, firsts, seconds, lane);
    Bins &a = firsts[0], &b = seconds[0];
    transformInRegisters(nest, a, /*inverse=*/true, nullptr, zero);
    transformInRegisters(nest, b, /*inverse=*/true, nullptr, zero);
    for (int64_t row = 0; row < radix; ++row)
      slab.store(a[row], pair.first * radix + row, lane);
    for (int64_t row = 0; row < radix; ++row)
      slab.store(b[row], pair.second * radix + row, lane);
    return terms;
  });
}

SlabBins::Terms SlabBins::mapPair(const BlockPair &pair,
                                  MutableArrayRef<Bins> firsts,
                                  MutableArrayRef<Bins> seconds,
                                  AffineExpr lane) {
  OpBuilder &builder = nest.builder;
  int64_t radix = radices.back(), blocks = rows / radix;
  AffineExpr bin = slab.blockBin(outer > 1 ? pair.first % blocks : pair.first);
  Value isOdd = arith::CmpIOp::create(
      builder, nest.loc, arith::CmpIPredicate::eq, nest.apply(pair.v),
      nest.apply(nest.constantExpr(0)));
  auto select = [&](ComplexPair odd, ComplexPair even) -> ComplexPair {
    return {arith::SelectOp::create(builder, nest.loc, isOdd, odd.re, even.re),
            arith::SelectOp::create(builder, nest.loc, isOdd, odd.im, even.im)};
  };
  // Of the odd pair a[i] is beside a[R-i], a[0] and a[R/2] alone, and b[i]
  // beside b[R-1-i].
  int64_t half = radix / 2;
  Bins here(radix), there(radix);
  Terms terms;
  for (int64_t i = 0; i < radix; ++i) {
    Bins z, zMirror;
    for (auto [a, b] : llvm::zip_equal(firsts, seconds)) {
      z.push_back(i < half ? a[i] : select(b[i], a[i]));
      zMirror.push_back(i < half
                            ? select(i ? a[radix - i] : a[0], b[radix - 1 - i])
                            : b[radix - 1 - i]);
    }
    AffineExpr m = bin + i * blocks;
    if (i >= half)
      m = m + pair.odd * (blocks / 2);
    AffineExpr k = m * outer + pair.q;
    // Bins beyond N/2 are the mirror images of those that have the index.
    if (i < half)
      std::tie(here[i], there[i]) =
          mapHalf(z, zMirror, i ? Value() : isOdd, k, lane, terms);
    else
      std::tie(there[i], here[i]) =
          mapHalf(zMirror, z, Value(), -k + columns.chain.tokens, lane, terms);
  }
  SmallVector<Value> otherwise{here[half].re, here[half].im};
  otherwise.append(columns.getNumSums(), nest.constant(0));
  SmallVector<Value> alone = nest.guardValues(
      {-pair.v},
      [&] {
        Value always = arith::ConstantIntOp::create(builder, nest.loc, 1, 1);
        AffineExpr k = (bin + half * blocks) * outer + pair.q;
        Bins middle =
            llvm::map_to_vector(firsts, [&](Bins &of) { return of[half]; });
        Terms more;
        ComplexPair value =
            mapHalf(middle, middle, always, k, lane, more).first;
        SmallVector<Value> values{value.re, value.im};
        llvm::append_range(values, more);
        return values;
      },
      otherwise);
  addTerms(terms, ArrayRef(alone).drop_front(2));
  Bins &a = firsts[0], &b = seconds[0];
  for (int64_t i = 0; i < radix; ++i) {
    a[i] = i < half    ? here[i]
           : i == half ? ComplexPair{alone[0], alone[1]}
                       : select(there[radix - i], here[i]);
    b[i] =
        i < half ? there[radix - 1 - i] : select(here[i], there[radix - 1 - i]);
  }
  return terms;
}
