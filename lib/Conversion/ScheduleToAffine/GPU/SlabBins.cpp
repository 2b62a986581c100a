// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/SlabBins.h"

using namespace mlir;
using namespace mlir::bfly;

SlabBins::SlabBins(GridColumns &columns, SlabTransform &slab, int64_t outer,
                   AffineExpr unit, AffineExpr origin)
    : columns(columns), nest(columns.nest), slab(slab),
      radices(slab.getRadices()), outer(outer), rows(slab.getRows()),
      lanes(slab.getLanes()), unit(unit), origin(origin),
      paired(nest.constantExpr(0)) {
  if (outer > 1)
    paired = (unit + (outer / 2 - 1)).floorDiv(outer / 2);
}

// In shared memory ------------------------------------------------------------

void SlabBins::forEachRow(
    function_ref<void(AffineExpr, AffineExpr, AffineExpr, AffineExpr)> body) {
  for (int64_t part = 0; part < slab.getParts(); ++part) {
    AffineExpr q = getSubTransform(part);
    nest.threads(rows * lanes, [&](AffineExpr i) {
      AffineExpr lane = i % lanes, s = i.floorDiv(lanes);
      AffineExpr m = slab.bin(s), k = m * outer + q;
      AffineExpr row = s + part * rows, mirrorRow;
      // Of q = 0 bin m has its mirror image at M - m, else at M - 1 - m, which
      // turns every digit of a row around.
      if (part)
        mirrorRow = -s + (rows - 1) + (-paired + 1) * rows;
      else
        mirrorRow = paired * rows + slab.mirrorPosition(m, paired);
      auto inside = [&] { body(lane, k, row, mirrorRow); };
      if (columns.half)
        nest.guard({-k + columns.chain.tokens / 2}, inside);
      else
        inside();
    });
  }
}

std::pair<ComplexPair, ComplexPair> SlabBins::mapHalf(ComplexPair z,
                                                      ComplexPair zMirror,
                                                      Value own, AffineExpr k,
                                                      AffineExpr lane) {
  if (columns.packed) {
    auto [a, b] = columns.mapPacked(z, zMirror, own, k, firstChannel(lane),
                                    secondChannel(lane));
    return {columns.pack(a, b), columns.packMirror(a, b)};
  }
  z = columns.mapTransformed(z, own, k, firstChannel(lane));
  return {z, columns.conjugate(z)};
}

void SlabBins::visit() {
  // Maps of bins from memory are done.
  bool storesSpectrum = columns.storesSpectrum();
  if (!columns.chain.fft || (columns.chain.maps.empty() && !storesSpectrum))
    return;
  forEachRow([&](AffineExpr lane, AffineExpr k, AffineExpr row,
                 AffineExpr mirrorRow) {
    AffineExpr first = firstChannel(lane), second = secondChannel(lane);
    Value own = columns.isOwnMirror(k);
    ComplexPair z = slab.load(row, lane);
    auto storeBin = [&](ComplexPair value, AffineExpr channel) {
      nest.storeComplex(value, columns.output, {columns.batch, k, channel});
    };
    if (storesSpectrum && columns.packed) {
      ComplexPair flags;
      if (columns.isolated)
        flags = {columns.getFlag(first), columns.getFlag(second)};
      auto [a, b] = columns.mapPacked(z, slab.load(mirrorRow, lane), own, k,
                                      first, second, flags);
      storeBin(a, first);
      storeBin(b, second);
    } else if (storesSpectrum) {
      storeBin(columns.mapTransformed(z, own, k, first), first);
    } else if (columns.half) {
      auto [here, there] = mapHalf(z, slab.load(mirrorRow, lane), own, k, lane);
      slab.store(there, mirrorRow, lane);
      slab.store(here, row, lane);
    } else {
      slab.store(columns.mapTransformed(z, own, k, first), row, lane);
    }
  });
}

void SlabBins::loadSpectrum() {
  // Half of the bins are there, each stands for two.
  forEachRow(
      [&](AffineExpr lane, AffineExpr k, AffineExpr row, AffineExpr mirrorRow) {
        Value own = columns.half ? columns.isOwnMirror(k) : Value();
        auto load = [&](AffineExpr channel) -> ComplexPair {
          ComplexPair bin = columns.loadBin(k, own, channel);
          return {columns.keepFinite(bin.re, channel),
                  columns.keepFinite(bin.im, channel)};
        };
        ComplexPair a = load(firstChannel(lane));
        if (!columns.packed)
          return slab.store(a, row, lane);
        ComplexPair b = load(secondChannel(lane));
        slab.store(columns.packMirror(a, b), mirrorRow, lane);
        slab.store(columns.pack(a, b), row, lane);
      });
}

// In registers ----------------------------------------------------------------

void SlabBins::visitInRegisters() {
  if (columns.half)
    visitPairsOfBlocks();
  else
    visitBlocks();
}

void SlabBins::visitBlocks() {
  int64_t radix = radices.back(), blocks = rows / radix;
  int64_t parts = slab.getParts();
  nest.threads(parts * blocks * lanes, [&](AffineExpr i) {
    AffineExpr lane = i % lanes, block = i.floorDiv(lanes);
    AffineExpr zero = nest.constantExpr(0);
    SmallVector<ComplexPair> values;
    for (int64_t row = 0; row < radix; ++row)
      values.push_back(slab.load(block * radix + row, lane));
    transformInRegisters(nest, values, /*inverse=*/false, nullptr, zero);
    for (int64_t row = 0; row < radix; ++row) {
      AffineExpr m = slab.blockBin(block % blocks) + row * blocks;
      auto apply = [&](int64_t part) {
        AffineExpr k = m * outer + getSubTransform(part);
        // Bins 0 and N/2 are in these rows of block 0.
        bool mayBeReal = columns.realTokens && (row == 0 || 2 * row == radix);
        Value own = mayBeReal ? columns.isOwnMirror(k) : Value();
        ComplexPair value =
            columns.mapTransformed(values[row], own, k, firstChannel(lane));
        return SmallVector<Value>{value.re, value.im};
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
    }
    transformInRegisters(nest, values, /*inverse=*/true, nullptr, zero);
    for (int64_t row = 0; row < radix; ++row)
      slab.store(values[row], block * radix + row, lane);
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
  nest.threads(mirrors.getNumPairs() * lanes, [&](AffineExpr i) {
    AffineExpr lane = i % lanes;
    BlockPair pair = mirrors.getPair(i.floorDiv(lanes) + paired * blocks, unit);
    SmallVector<ComplexPair> a, b;
    for (int64_t row = 0; row < radix; ++row)
      a.push_back(slab.load(pair.first * radix + row, lane));
    for (int64_t row = 0; row < radix; ++row)
      b.push_back(slab.load(pair.second * radix + row, lane));
    AffineExpr zero = nest.constantExpr(0);
    transformInRegisters(nest, a, /*inverse=*/false, nullptr, zero);
    transformInRegisters(nest, b, /*inverse=*/false, nullptr, zero);
    if (!columns.chain.maps.empty())
      mapPair(pair, a, b, lane);
    transformInRegisters(nest, a, /*inverse=*/true, nullptr, zero);
    transformInRegisters(nest, b, /*inverse=*/true, nullptr, zero);
    for (int64_t row = 0; row < radix; ++row)
      slab.store(a[row], pair.first * radix + row, lane);
    for (int64_t row = 0; row < radix; ++row)
      slab.store(b[row], pair.second * radix + row, lane);
  });
}

void SlabBins::mapPair(const BlockPair &pair, MutableArrayRef<ComplexPair> a,
                       MutableArrayRef<ComplexPair> b, AffineExpr lane) {
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
  SmallVector<ComplexPair> here(radix), there(radix);
  for (int64_t i = 0; i < radix; ++i) {
    here[i] = i < half ? a[i] : select(b[i], a[i]);
    there[i] = i < half ? select(i ? a[radix - i] : a[0], b[radix - 1 - i])
                        : b[radix - 1 - i];
    AffineExpr m = bin + i * blocks;
    if (i >= half)
      m = m + pair.odd * (blocks / 2);
    AffineExpr k = m * outer + pair.q;
    // Bins beyond N/2 are the mirror images of those that have the index.
    if (i < half)
      std::tie(here[i], there[i]) =
          mapHalf(here[i], there[i], i ? Value() : isOdd, k, lane);
    else
      std::tie(there[i], here[i]) =
          mapHalf(there[i], here[i], Value(), -k + columns.chain.tokens, lane);
  }
  SmallVector<Value> alone = nest.guardValues(
      {-pair.v},
      [&] {
        Value always = arith::ConstantIntOp::create(builder, nest.loc, 1, 1);
        AffineExpr k = (bin + half * blocks) * outer + pair.q;
        ComplexPair value = mapHalf(a[half], a[half], always, k, lane).first;
        return SmallVector<Value>{value.re, value.im};
      },
      ValueRange{here[half].re, here[half].im});
  for (int64_t i = 0; i < radix; ++i) {
    a[i] = i < half    ? here[i]
           : i == half ? ComplexPair{alone[0], alone[1]}
                       : select(there[radix - i], here[i]);
    b[i] =
        i < half ? there[radix - 1 - i] : select(here[i], there[radix - 1 - i]);
  }
}
