// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The spectral filter on a GPU. One unit of work is a slab of a few channels in
// a block's shared memory: transform, maps of the bins, inverse.
//
// Where a slab does not fit, a first radix-R pass from x through memory leaves
// R sub-transforms of N/R rows. Sub-transform q holds the bins q mod R, and the
// mirror images of its bins are in R-q: a unit has such a pair in shared
// memory, or the two that are their own mirror, 0 and R/2. A last pass through
// memory undoes the first.

#include "GridNest.h"
#include "SlabTransform.h"
#include "SpectralMaps.h"
#include "bfly/Schedule/Plan.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

class GridSpectralNest : public SpectralMaps {
public:
  GridSpectralNest(KernelEmitter &emitter, NestBuilder &nest,
                   SpectralChain chain);
  LogicalResult emit();
  /// The first pass, and bin 0 from what it leaves; false if it is not through
  /// memory.
  bool emitBin(Value result, double factor);

private:
  void emitElements();
  void emitFlags();
  void beginOuterPasses();
  /// The radix-R pass through memory, either way.
  void emitOuterPass(bool inverse);
  void emitSlabs();
  void visit(SlabTransform &slab, AffineExpr unit);
  /// The last pass, the maps and the pass that undoes it, in registers.
  void visitBlocks(SlabTransform &slab, AffineExpr unit);
  void visitPairsOfBlocks(SlabTransform &slab, AffineExpr unit);
  void loadSpectrum(SlabTransform &slab, AffineExpr unit);
  /// Which rows a visit is of: all, of k and N-k the one that comes first in
  /// the slab, or the bins 0 ... N/2.
  enum class Visit { All, First, Lower };
  /// Calls the function for those rows, with their bin and the row of the bin's
  /// mirror image.
  void forEachRow(SlabTransform &slab, AffineExpr unit, Visit which,
                  function_ref<void(AffineExpr lane, AffineExpr k,
                                    AffineExpr row, AffineExpr mirrorRow)>
                      body);

  ComplexPair read(AffineExpr row, AffineExpr column);
  void write(AffineExpr row, AffineExpr column, ComplexPair value);
  ComplexPair scale(ComplexPair value);
  Value getFlag(AffineExpr channel);
  Value keepFiniteOf(Value x, AffineExpr channel);

  /// A column is what goes through one complex transform: a channel, or two
  /// neighbours. An odd channel at the end is its own neighbour.
  AffineExpr firstChannel(AffineExpr column) {
    return packed ? column * 2 : column;
  }
  AffineExpr secondChannel(AffineExpr column) {
    if (channels % 2 == 0)
      return column * 2 + 1;
    if (columns == 1)
      return nest.constantExpr(0);
    return column * 2 + 1 - column.floorDiv(columns - 1);
  }
  AffineExpr mirrorOf(AffineExpr k) {
    return (-k + chain.tokens) % chain.tokens;
  }
  /// The first column of a slab; the last slab ends at the last column.
  AffineExpr getOrigin(AffineExpr slab) {
    return getTileStart(nest, slab, lanes, slabs, columns);
  }

  int64_t columns, lanes, slabs;
  /// R, 1 where the whole transform is in shared memory, and the radices of the
  /// passes there.
  int64_t outer = 1;
  SmallVector<int64_t> radices;
  int64_t rows;
  /// Sub-transforms between the passes: (batch, slab, row, lane, 2). Row
  /// (2 unit + part) N/R + j has row j of a unit's first or second
  /// sub-transform.
  Value scratch;
  std::optional<Twiddles> outerTwiddles;
  AffineExpr origin;
};

} // namespace

GridSpectralNest::GridSpectralNest(KernelEmitter &emitter, NestBuilder &nest,
                                   SpectralChain chain)
    : SpectralMaps(emitter, nest, std::move(chain)) {
  PlanAttr plan = emitter.getPlan();
  columns = packed ? (channels + 1) / 2 : channels;
  lanes = std::min(columns, plan.getLanes());
  slabs = llvm::divideCeilSigned(columns, lanes);
  radices.assign(plan.getRadices().begin(), plan.getRadices().end());
  if (plan.getGroups().size() > 1) {
    outer = radices.front();
    radices.erase(radices.begin());
  }
  rows = this->chain.tokens / outer;
}

// Reading and writing ---------------------------------------------------------

/// 0 for a channel that holds numbers alone, else NaN.
Value GridSpectralNest::getFlag(AffineExpr channel) {
  return nest.load(flags, {batch, channel});
}

Value GridSpectralNest::keepFiniteOf(Value x, AffineExpr channel) {
  return isolated ? selectFinite(x, getFlag(channel)) : x;
}

ComplexPair GridSpectralNest::read(AffineExpr row, AffineExpr column) {
  AffineExpr first = firstChannel(column);
  if (!packed)
    return nest.loadComplex(input, {batch, row, first});
  AffineExpr second = secondChannel(column);
  ComplexPair value;
  if (channels % 2 == 0)
    value = loadPair(nest, input, {batch, row, first});
  else
    value = {nest.load(input, {batch, row, first}),
             nest.load(input, {batch, row, second})};
  return {keepFiniteOf(value.re, first), keepFiniteOf(value.im, second)};
}

ComplexPair GridSpectralNest::scale(ComplexPair value) {
  if (chain.tokens == 1)
    return value;
  Value factor = nest.constant(1.0 / chain.tokens);
  return {nest.mul(value.re, factor), nest.mul(value.im, factor)};
}

void GridSpectralNest::write(AffineExpr row, AffineExpr column,
                             ComplexPair value) {
  value = scale(value);
  AffineExpr first = firstChannel(column);
  if (!packed)
    return nest.storeComplex(value, output, {batch, row, first});
  AffineExpr second = secondChannel(column);
  if (isolated)
    value = {nest.add(value.re, getFlag(first)),
             nest.add(value.im, getFlag(second))};
  if (channels % 2 == 0)
    return storePair(nest, value, output, {batch, row, first});
  nest.store(value.re, output, {batch, row, first});
  nest.store(value.im, output, {batch, row, second});
}

// Bins ------------------------------------------------------------------------

void GridSpectralNest::forEachRow(
    SlabTransform &slab, AffineExpr unit, Visit which,
    function_ref<void(AffineExpr, AffineExpr, AffineExpr, AffineExpr)> body) {
  // A unit's sub-transforms are `unit` and its mirror image R - unit; those of
  // unit 0 are 0 and R/2, each with its own mirror image.
  int64_t parts = outer == 1 ? 1 : 2, middle = outer / 2;
  AffineExpr paired = outer == 1 ? nest.constantExpr(0)
                                 : (unit + (middle - 1)).floorDiv(middle);
  for (int64_t part = 0; part < parts; ++part) {
    AffineExpr q = outer == 1 ? nest.constantExpr(0)
                   : part     ? paired * middle - unit + middle
                              : unit;
    int64_t count = rows;
    // Bins of the upper half of the first digit's values are mirror images.
    if (which == Visit::First && outer == 1 && !radices.empty())
      count = (radices.front() / 2 + 1) * (rows / radices.front());
    nest.threads(count * lanes, [&](AffineExpr i) {
      AffineExpr lane = i % lanes, s = i.floorDiv(lanes);
      AffineExpr m = slab.bin(s), k = m * outer + q;
      AffineExpr row = s + part * rows, mirrorRow;
      // Of q = 0 bin m has its mirror image at M - m, else at M - 1 - m, which
      // turns every digit of a row around.
      if (part)
        mirrorRow = -s + (rows - 1) + (-paired + 1) * rows;
      else
        mirrorRow = paired * rows + slab.position((-m + rows - paired) % rows);
      auto inside = [&] { body(lane, k, row, mirrorRow); };
      if (which == Visit::First)
        nest.guard({mirrorRow - row}, inside);
      else if (which == Visit::Lower)
        nest.guard({-k + chain.tokens / 2}, inside);
      else
        inside();
    });
  }
}

void GridSpectralNest::visit(SlabTransform &slab, AffineExpr unit) {
  if (chain.maps.empty() && !storesSpectrum())
    return;
  Visit which = !packed            ? Visit::All
                : storesSpectrum() ? Visit::Lower
                                   : Visit::First;
  forEachRow(
      slab, unit, which,
      [&](AffineExpr lane, AffineExpr k, AffineExpr row, AffineExpr mirrorRow) {
        AffineExpr mirror = mirrorOf(k);
        AffineExpr first = firstChannel(origin + lane);
        ComplexPair z = slab.load(row, lane);
        if (!packed) {
          z = applyMaps(z, k, mirror, first);
          if (storesSpectrum())
            nest.storeComplex(z, output, {batch, k, first});
          else
            slab.store(z, row, lane);
          return;
        }
        AffineExpr second = secondChannel(origin + lane);
        auto [a, b] =
            mapPacked(z, slab.load(mirrorRow, lane), k, mirror, first, second);
        if (!storesSpectrum()) {
          Value own = isOwnMirror(k);
          dropImaginary(a, own);
          dropImaginary(b, own);
          slab.store(packMirror(a, b), mirrorRow, lane);
          slab.store(pack(a, b), row, lane);
          return;
        }
        auto storeBin = [&](ComplexPair value, AffineExpr channel) {
          if (isolated) {
            Value flag = getFlag(channel);
            value = {nest.add(value.re, flag), nest.add(value.im, flag)};
          }
          nest.storeComplex(value, output, {batch, k, channel});
        };
        storeBin(a, first);
        storeBin(b, second);
      });
}

void GridSpectralNest::visitBlocks(SlabTransform &slab, AffineExpr unit) {
  int64_t parts = outer == 1 ? 1 : 2, middle = outer / 2;
  int64_t radix = radices.back(), blocks = rows / radix;
  nest.threads(parts * blocks * lanes, [&](AffineExpr i) {
    AffineExpr lane = i % lanes, block = i.floorDiv(lanes);
    AffineExpr q = nest.constantExpr(0);
    SmallVector<ComplexPair> values;
    for (int64_t row = 0; row < radix; ++row)
      values.push_back(slab.load(block * radix + row, lane));
    transformInRegisters(nest, values, /*inverse=*/false, nullptr, q);
    for (int64_t row = 0; row < radix; ++row) {
      AffineExpr m = slab.blockBin(block % blocks) + row * blocks;
      // Bins of unit and of its mirror image R - unit, or of 0 and R/2.
      auto apply = [&](AffineExpr q) {
        AffineExpr k = m * outer + q;
        ComplexPair value =
            applyMaps(values[row], k, mirrorOf(k), firstChannel(origin + lane));
        return SmallVector<Value>{value.re, value.im};
      };
      SmallVector<Value> value;
      if (parts == 1) {
        value = apply(nest.constantExpr(0));
      } else {
        AffineExpr paired = (unit + (middle - 1)).floorDiv(middle);
        SmallVector<Value> second = apply(paired * middle - unit + middle);
        value = nest.guardValues(
            {-block + (blocks - 1)}, [&] { return apply(unit); }, second);
      }
      values[row] = {value[0], value[1]};
    }
    transformInRegisters(nest, values, /*inverse=*/true, nullptr, q);
    for (int64_t row = 0; row < radix; ++row)
      slab.store(values[row], block * radix + row, lane);
  });
}

void GridSpectralNest::visitPairsOfBlocks(SlabTransform &slab,
                                          AffineExpr unit) {
  // A block of the last pass has the bins m, m + L, m + 2 L ... of L blocks,
  // first to last the mirror images of those of the block of L - m, last to
  // first. A thread has such a pair, bin i of the one beside R-1-i of the
  // other. Blocks 0 and L/2 are their own mirror images; they make a pair too,
  // though its bins belong together otherwise.
  //
  // Pair v has the blocks v + first and second - v, of constants that change
  // where another digit of the block's bin is the first that is not zero: then
  // the digits before it are zero, it turns to R - d, and the others around.
  int64_t radix = radices.back(), blocks = rows / radix;
  struct Range {
    int64_t start, first, second;
  };
  SmallVector<Range> ranges;
  {
    int64_t span = radices[radices.size() - 2], before = 1;
    ranges.push_back({0, 0, span / 2});
    if (span > 2)
      ranges.push_back({1, 0, span});
    for (int64_t digit : llvm::drop_begin(llvm::reverse(radices), 2)) {
      before = span;
      span *= digit;
      ranges.push_back({before / 2, before / 2, span + before / 2 - 1});
    }
  }
  int64_t pairs = blocks / 2;
  AffineExpr offset = nest.constantExpr(0);
  if (outer > 1) {
    // Of the pair of sub-transforms that are their own mirror images the second
    // has no bin that is its own: every digit turns around, and so do those of
    // two sub-transforms that mirror each other.
    ranges.push_back(
        {blocks / 2, blocks - blocks / 2, 2 * blocks - 1 + blocks / 2});
    ranges.push_back({blocks, -blocks, 3 * blocks - 1});
    pairs = blocks;
    offset = (unit + (outer / 2 - 1)).floorDiv(outer / 2) * blocks;
  }
  int64_t end = outer > 1 ? 2 * blocks : pairs;
  nest.threads(pairs * lanes, [&](AffineExpr i) {
    AffineExpr lane = i % lanes, v = i.floorDiv(lanes) + offset;
    // 1 from `start` on, 0 before.
    auto isFrom = [&](int64_t start) {
      return (v + (end - start)).floorDiv(end);
    };
    AffineExpr first = v, second = -v + ranges[0].second;
    for (size_t r = 1; r < ranges.size(); ++r) {
      AffineExpr here = isFrom(ranges[r].start);
      first = first + here * (ranges[r].first - ranges[r - 1].first);
      second = second + here * (ranges[r].second - ranges[r - 1].second);
    }
    AffineExpr odd = -isFrom(1) + 1;
    AffineExpr q = nest.constantExpr(0);
    if (outer > 1)
      q = unit + (isFrom(blocks / 2) - isFrom(blocks)) * (outer / 2);
    AffineExpr bin = slab.blockBin(outer > 1 ? first % blocks : first);

    SmallVector<ComplexPair> a, b;
    for (int64_t row = 0; row < radix; ++row)
      a.push_back(slab.load(first * radix + row, lane));
    for (int64_t row = 0; row < radix; ++row)
      b.push_back(slab.load(second * radix + row, lane));
    AffineExpr zero = nest.constantExpr(0);
    transformInRegisters(nest, a, /*inverse=*/false, nullptr, zero);
    transformInRegisters(nest, b, /*inverse=*/false, nullptr, zero);

    if (!chain.maps.empty()) {
      OpBuilder &builder = nest.builder;
      Value isOdd =
          arith::CmpIOp::create(builder, nest.loc, arith::CmpIPredicate::eq,
                                nest.apply(v), nest.apply(zero));
      auto select = [&](ComplexPair odd, ComplexPair even) -> ComplexPair {
        return {
            arith::SelectOp::create(builder, nest.loc, isOdd, odd.re, even.re),
            arith::SelectOp::create(builder, nest.loc, isOdd, odd.im, even.im)};
      };
      AffineExpr firstC = firstChannel(origin + lane);
      AffineExpr secondC = secondChannel(origin + lane);
      auto map = [&](ComplexPair z, ComplexPair zMirror, AffineExpr m,
                     Value own) -> std::pair<ComplexPair, ComplexPair> {
        AffineExpr k = m * outer + q;
        auto [x, y] = mapPacked(z, zMirror, k, mirrorOf(k), firstC, secondC);
        if (own) {
          dropImaginary(x, own);
          dropImaginary(y, own);
        }
        return {pack(x, y), packMirror(x, y)};
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
          m = m + odd * (blocks / 2);
        std::tie(here[i], there[i]) =
            map(here[i], there[i], m, i ? Value() : isOdd);
      }
      SmallVector<Value> alone = nest.guardValues(
          {-v},
          [&] {
            Value always =
                arith::ConstantIntOp::create(builder, nest.loc, 1, 1);
            ComplexPair value =
                map(a[half], a[half], bin + half * blocks, always).first;
            return SmallVector<Value>{value.re, value.im};
          },
          ValueRange{here[half].re, here[half].im});
      for (int64_t i = 0; i < radix; ++i) {
        a[i] = i < half    ? here[i]
               : i == half ? ComplexPair{alone[0], alone[1]}
                           : select(there[radix - i], here[i]);
        b[i] = i < half ? there[radix - 1 - i]
                        : select(here[i], there[radix - 1 - i]);
      }
    }

    transformInRegisters(nest, a, /*inverse=*/true, nullptr, zero);
    transformInRegisters(nest, b, /*inverse=*/true, nullptr, zero);
    for (int64_t row = 0; row < radix; ++row)
      slab.store(a[row], first * radix + row, lane);
    for (int64_t row = 0; row < radix; ++row)
      slab.store(b[row], second * radix + row, lane);
  });
}

void GridSpectralNest::loadSpectrum(SlabTransform &slab, AffineExpr unit) {
  // Half of the bins are there, each stands for two.
  forEachRow(
      slab, unit, packed ? Visit::Lower : Visit::All,
      [&](AffineExpr lane, AffineExpr k, AffineExpr row, AffineExpr mirrorRow) {
        AffineExpr first = firstChannel(origin + lane);
        if (!packed)
          return slab.store(nest.loadComplex(input, {batch, k, first}), row,
                            lane);
        AffineExpr second = secondChannel(origin + lane);
        Value own = isOwnMirror(k);
        auto load = [&](AffineExpr channel) -> ComplexPair {
          ComplexPair bin = loadBin(k, own, channel);
          return {keepFiniteOf(bin.re, channel), keepFiniteOf(bin.im, channel)};
        };
        ComplexPair a = load(first), b = load(second);
        slab.store(packMirror(a, b), mirrorRow, lane);
        slab.store(pack(a, b), row, lane);
      });
}

// Phases ----------------------------------------------------------------------

/// Maps alone, from memory to memory.
void GridSpectralNest::emitElements() {
  auto type = cast<MemRefType>(input.getType());
  SmallVector<OpFoldResult> sizes;
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    sizes.push_back(nest.size(input, dim));
  forEachElement(nest, sizes, [&](ArrayRef<AffineExpr> at) {
    batch = at[0];
    ComplexPair bin = packed ? loadBin(at[1], isOwnMirror(at[1]), at[2])
                             : nest.loadComplex(input, at);
    nest.storeComplex(applyMaps(bin, at[1], mirrorOf(at[1]), at[2]), output,
                      at);
  });
}

void GridSpectralNest::emitFlags() {
  OpFoldResult size = nest.size(input, 0);
  flags = emitter.allocateScratch(nest, size, {channels});
  int64_t count = chain.fft ? chain.tokens : chain.tokens / 2 + 1;
  Value zero = nest.constant(0);
  sumRows(emitter, nest, size, count, channels, flags, 1,
          [&](AffineExpr b, AffineExpr row, AffineExpr channel) -> Value {
            if (chain.fft)
              return nest.mul(nest.load(input, {b, row, channel}), zero);
            batch = b;
            ComplexPair bin = loadBin(row, isOwnMirror(row), channel);
            return nest.add(nest.mul(bin.re, zero), nest.mul(bin.im, zero));
          });
}

void GridSpectralNest::emitOuterPass(bool inverse) {
  // Neighbouring threads take the lanes of a few slabs, for rows of x that are
  // wide enough, then rows.
  constexpr int64_t kColumns = 8;
  int64_t together = 1;
  while (slabs % (2 * together) == 0 && 2 * together * lanes <= kColumns)
    together *= 2;
  int64_t width = together * lanes;
  int64_t rowsAtOnce = std::clamp<int64_t>(
      llvm::bit_floor<uint64_t>(nest.blockThreads / width), 1, rows);
  while (rows % rowsAtOnce)
    --rowsAtOnce;
  OpBuilder &builder = nest.builder;
  nest.parallel(
      {nest.size(input, 0), builder.getIndexAttr(slabs / together),
       builder.getIndexAttr(rows / rowsAtOnce)},
      [&](ArrayRef<AffineExpr> ivs) {
        batch = ivs[0];
        nest.threads(rowsAtOnce * width, [&](AffineExpr i) {
          AffineExpr lane = i % lanes;
          AffineExpr slab = ivs[1] * together + i.floorDiv(lanes) % together;
          AffineExpr column = getOrigin(slab) + lane;
          AffineExpr j = ivs[2] * rowsAtOnce + i.floorDiv(width);
          auto at = [&](int64_t q) {
            int64_t middle = outer / 2;
            int64_t slot = q == 0        ? 0
                           : q == middle ? 1
                           : q < middle  ? 2 * q
                                         : 2 * (outer - q) + 1;
            return SmallVector<AffineExpr>{batch, slab, j + slot * rows, lane,
                                           nest.constantExpr(0)};
          };
          SmallVector<ComplexPair> values;
          for (int64_t q = 0; q < outer; ++q)
            values.push_back(inverse ? loadPair(nest, scratch, at(q))
                                     : read(j + q * rows, column));
          transformInRegisters(nest, values, inverse, &*outerTwiddles, j);
          for (int64_t q = 0; q < outer; ++q) {
            if (inverse)
              write(j + q * rows, column, values[q]);
            else
              storePair(nest, values[q], scratch, at(q));
          }
        });
      });
}

void GridSpectralNest::emitSlabs() {
  int64_t parts = outer == 1 ? 1 : 2;
  SlabTransform slab(nest, radices, parts, lanes);
  SmallVector<OpFoldResult> counts{nest.size(input, 0),
                                   nest.builder.getIndexAttr(slabs)};
  if (outer > 1)
    counts.push_back(nest.builder.getIndexAttr(outer / 2));
  // Against the order of the phase before, whose last data are in cache still.
  nest.parallel(counts, [&](ArrayRef<AffineExpr> units) {
    SmallVector<AffineExpr> ivs(units);
    for (auto [iv, count] : llvm::zip_equal(ivs, counts))
      if (std::optional<int64_t> size = getConstantIntValue(count))
        iv = -iv + (*size - 1);
    batch = ivs[0];
    origin = getOrigin(ivs[1]);
    AffineExpr unit = outer > 1 ? ivs[2] : nest.constantExpr(0);
    auto inScratch = [&](AffineExpr row, AffineExpr lane) {
      return SmallVector<AffineExpr>{batch, ivs[1], unit * (2 * rows) + row,
                                     lane, nest.constantExpr(0)};
    };
    slab.allocate();
    auto reader = [&](AffineExpr row, AffineExpr lane) {
      return outer > 1 ? loadPair(nest, scratch, inScratch(row, lane))
                       : read(row, origin + lane);
    };
    auto writer = [&](AffineExpr row, AffineExpr lane, ComplexPair value) {
      if (outer > 1)
        storePair(nest, value, scratch, inScratch(row, lane));
      else
        write(row, origin + lane, value);
    };
    // Where both transforms are in this slab, what is between them stays in
    // registers.
    bool inRegisters = chain.fft && chain.ifft && radices.size() > 1;
    if (chain.fft)
      slab.forward(reader, /*toLastPass=*/inRegisters);
    else
      loadSpectrum(slab, unit);
    if (!inRegisters)
      visit(slab, unit);
    else if (packed)
      visitPairsOfBlocks(slab, unit);
    else
      visitBlocks(slab, unit);
    if (chain.ifft)
      slab.inverse(writer, /*fromLastPass=*/inRegisters);
  });
}

void GridSpectralNest::beginOuterPasses() {
  outerTwiddles.emplace(nest, outer, chain.tokens);
  if (!chain.fft || !emitter.getFirstPass(chain.fft.getResult()))
    scratch = emitter.allocateScratch(nest, nest.size(input, 0),
                                      {slabs, chain.tokens, lanes, 2});
}

bool GridSpectralNest::emitBin(Value result, double factor) {
  if (outer == 1 || isolated)
    return false;
  beginOuterPasses();
  emitOuterPass(/*inverse=*/false);
  emitter.getFirstPass(chain.fft.getResult()) = scratch;
  // Sub-transform 0 has the bin: the sum of its rows, of which there are R
  // times fewer than tokens.
  sumRows(emitter, nest, nest.size(input, 0), rows, channels,
          emitter.getBuffer(result), factor,
          [&](AffineExpr b, AffineExpr row, AffineExpr channel) {
            AffineExpr column = packed ? channel.floorDiv(2) : channel;
            AffineExpr slab = column.floorDiv(lanes);
            return nest.load(scratch,
                             {b, slab, row, column - getOrigin(slab),
                              packed ? channel % 2 : nest.constantExpr(0)});
          });
  return true;
}

LogicalResult GridSpectralNest::emit() {
  if (!chain.fft && !chain.ifft)
    return emitElements(), success();
  if (isolated)
    emitFlags();
  if (outer > 1) {
    beginOuterPasses();
    Value done =
        chain.fft ? emitter.getFirstPass(chain.fft.getResult()) : Value();
    if (done)
      scratch = done;
    else if (chain.fft)
      emitOuterPass(/*inverse=*/false);
  }
  emitSlabs();
  if (outer > 1 && chain.ifft)
    emitOuterPass(/*inverse=*/true);
  return success();
}

LogicalResult mlir::bfly::emitSpectralChainOnGPU(KernelEmitter &emitter,
                                                 NestBuilder &nest,
                                                 const SpectralChain &chain) {
  std::optional<Machine> machine =
      getMachine(emitter.getPlan().getMachine().getValue(), /*threads=*/1);
  if ((chain.fft || chain.ifft) && machine &&
      !machine->transforms(chain.tokens))
    return chain.result.getDefiningOp()->emitOpError()
           << "must be a kernel of its own: "
           << explainLibrary(chain.tokens, *machine);
  return GridSpectralNest(emitter, nest, chain).emit();
}

bool mlir::bfly::emitBinOfFirstPass(KernelEmitter &emitter, SpectrumBinOp bin) {
  if (emitter.getPlan().getGroups().size() < 2)
    return false;
  // The chain that the transform begins, if it is one.
  Value link = bin.getInput();
  Operation *sink = nullptr;
  while (!isa_and_nonnull<IfftOp>(sink)) {
    Operation *next = nullptr;
    for (Operation *user : link.getUsers()) {
      if (isa<SpectrumBinOp>(user))
        continue;
      if (next || !isa<SpectrumMapOp, IfftOp>(user) ||
          user->getOperand(0) != link)
        return false;
      next = user;
    }
    if (!next)
      return false;
    sink = next;
    link = next->getResult(0);
  }
  SpectralChain chain = getSpectralChain(emitter, sink);
  if (!chain.fft || chain.fft.getResult() != bin.getInput())
    return false;
  NestBuilder nest = emitter.makeNest(bin);
  return GridSpectralNest(emitter, nest, chain)
      .emitBin(bin.getResult(), bin.getFactor().convertToDouble());
}
