// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The spectral filter on a GPU. One unit of work is a slab of a few columns in
// a block's shared memory: transform, maps of the bins (SlabBins), inverse.
// Other spectra that the maps read have a slab each beside it.
//
// Where a slab does not fit, a first radix-R pass from x through memory leaves
// R sub-transforms of N/R rows, of which a unit has two in shared memory. A
// last pass through memory undoes the first.

#include "GPU/GridColumns.h"
#include "GPU/GridLoops.h"
#include "GPU/SlabBins.h"
#include "GPU/SlabTransform.h"
#include "bfly/Schedule/Plan.h"

#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

class GridSpectralNest : GridColumns {
public:
  GridSpectralNest(KernelEmitter &emitter, NestBuilder &nest,
                   SpectralChain chain);
  LogicalResult emit();
  /// The first pass, and bin 0 from what it leaves; false if it is not through
  /// memory.
  bool emitBin(Value result, double factor);

private:
  void emitElements();
  void beginOuterPasses();
  /// The radix-R pass of a source through memory, either way.
  void emitOuterPass(unsigned source, bool inverse);
  void emitSlabs();
  /// Sums over bins, from those of the units.
  void emitSums();

  /// R, 1 where the whole transform is in shared memory, and the radices of the
  /// passes there.
  int64_t outer = 1;
  SmallVector<int64_t> radices;
  int64_t rows;
  /// Sub-transforms between the passes: (batch, slab, row, lane, 2). Row
  /// (2 unit + part) N/R + j has row j of a unit's first or second
  /// sub-transform. Of every source.
  SmallVector<Value> scratches;
  /// (batch, unit, term, channel)
  Value unitSums;
  std::optional<Twiddles> outerTwiddles;
  bool flagsInSlab = false;
};

} // namespace

GridSpectralNest::GridSpectralNest(KernelEmitter &emitter, NestBuilder &nest,
                                   SpectralChain chain)
    : GridColumns(emitter, nest, std::move(chain)), radices() {
  auto plan = emitter.getPlan<GpuTransformAttr>();
  if (plan)
    llvm::append_range(radices, plan.getRadices());
  if (plan && plan.getGroups().size() > 1) {
    outer = radices.front();
    radices.erase(radices.begin());
  }
  rows = this->chain.tokens / outer;
}

/// Maps alone, from memory to memory.
void GridSpectralNest::emitElements() {
  auto type = cast<MemRefType>(inputs[0].getType());
  if (numTerms)
    return sumRows(
        emitter, nest, nest.size(inputs[0], 0), type.getDimSize(1), channels,
        numTerms,
        [&](AffineExpr b, AffineExpr k, AffineExpr channel) {
          batch = b;
          Value own = half ? isOwnMirror(k) : Value();
          auto [bin, terms] = loadBin(k, own, channel);
          if (storesSpectrum())
            nest.storeComplex(bin, output, {b, k, channel});
          return terms;
        },
        [&](AffineExpr b, AffineExpr channel, ArrayRef<Value> totals) {
          batch = b;
          storeSums(channel, totals);
        });
  SmallVector<OpFoldResult> sizes;
  for (int64_t dim = 0; dim < type.getRank(); ++dim)
    sizes.push_back(nest.size(inputs[0], dim));
  forEachElement(nest, sizes, [&](ArrayRef<AffineExpr> at) {
    batch = at[0];
    nest.storeComplex(loadBin(at[1], Value(), at[2]).bin, output, at);
  });
}

void GridSpectralNest::emitOuterPass(unsigned source, bool inverse) {
  Value scratch = scratches[source];
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
  nest.grid(
      {nest.size(inputs[0], 0), builder.getIndexAttr(slabs / together),
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
                                     : read(source, j + q * rows, column));
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
  std::vector<SlabTransform> transforms(
      getNumSources(),
      SlabTransform(nest, radices, /*parts=*/outer == 1 ? 1 : 2, lanes));
  if (outer > 1 && numTerms)
    unitSums = emitter.allocateScratch(nest, nest.size(inputs[0], 0),
                                       {outer / 2, numTerms, channels});
  SmallVector<OpFoldResult> counts{nest.size(inputs[0], 0),
                                   nest.builder.getIndexAttr(slabs)};
  if (outer > 1)
    counts.push_back(nest.builder.getIndexAttr(outer / 2));
  // Against the order of the phase before, whose last data are in cache still.
  nest.grid(counts, [&](ArrayRef<AffineExpr> units) {
    SmallVector<AffineExpr> ivs(units);
    for (auto [iv, count] :
         llvm::zip(MutableArrayRef(ivs).take_front(2), counts))
      if (std::optional<int64_t> size = getConstantIntValue(count))
        iv = -iv + (*size - 1);
    batch = ivs[0];
    AffineExpr origin = getOrigin(ivs[1]);
    AffineExpr unit = outer > 1 ? ivs[2] : nest.constantExpr(0);
    auto inScratch = [&](AffineExpr row, AffineExpr lane) {
      return SmallVector<AffineExpr>{batch, ivs[1], unit * (2 * rows) + row,
                                     lane, nest.constantExpr(0)};
    };
    SmallVector<SlabTransform *> slabsOfUnit;
    for (SlabTransform &slab : transforms) {
      slab.allocate();
      slabsOfUnit.push_back(&slab);
    }
    auto writer = [&](AffineExpr row, AffineExpr lane, ComplexPair value) {
      if (outer > 1)
        storePair(nest, value, scratches[0], inScratch(row, lane));
      else
        write(row, origin + lane, value);
    };
    // Where both transforms are in this slab, what is between them stays in
    // registers.
    bool inRegisters = chain.fft && chain.ifft && radices.size() > 1;
    SlabBins bins(*this, slabsOfUnit, outer, unit, origin);
    if (flagsInSlab)
      beginSlabFlags(origin);
    for (unsigned source = 0; chain.fft && source < getNumSources(); ++source) {
      auto reader = [&](AffineExpr row, AffineExpr lane) {
        return outer > 1
                   ? loadPair(nest, scratches[source], inScratch(row, lane))
                   : read(source, row, origin + lane);
      };
      auto afterItem = [&](AffineExpr item, AffineExpr lane) {
        storeItemFlags(source, item, lane);
      };
      if (flagsInSlab)
        transforms[source].forward(reader, inRegisters, afterItem);
      else
        transforms[source].forward(reader, inRegisters);
    }
    if (flagsInSlab)
      finishSlabFlags();
    if (!chain.fft)
      bins.loadSpectrum();
    if (inRegisters)
      bins.visitInRegisters();
    else
      bins.visit();
    bins.finishSums([&](AffineExpr lane, ArrayRef<Value> totals) {
      auto finish = [&](AffineExpr channel, ArrayRef<Value> own) {
        if (!unitSums)
          return storeSums(channel, own);
        for (auto [index, total] : llvm::enumerate(own))
          nest.store(total, unitSums,
                     {batch, unit, nest.constantExpr(index), channel});
      };
      finish(firstChannel(origin + lane), totals.take_front(numTerms));
      if (packed)
        finish(secondChannel(origin + lane), totals.drop_front(numTerms));
    });
    if (chain.ifft)
      transforms[0].inverse(writer, /*fromLastPass=*/inRegisters);
  });
}

void GridSpectralNest::emitSums() {
  if (!unitSums)
    return;
  forEachElement(
      nest, {nest.size(inputs[0], 0), nest.builder.getIndexAttr(channels)},
      [&](ArrayRef<AffineExpr> at) {
        batch = at[0];
        storeSums(
            at[1],
            nest.sums(outer / 2, numTerms, /*lanes=*/false,
                      [&](AffineExpr unit) {
                        SmallVector<Value> terms;
                        for (int64_t term = 0; term < numTerms; ++term)
                          terms.push_back(nest.load(
                              unitSums,
                              {at[0], unit, nest.constantExpr(term), at[1]}));
                        return terms;
                      }));
      });
}

void GridSpectralNest::beginOuterPasses() {
  outerTwiddles.emplace(nest, outer, chain.tokens);
  for (unsigned source = 0; source < getNumSources(); ++source) {
    Value done = chain.fft && source == 0
                     ? emitter.getFirstPass(chain.fft.getResult())
                     : Value();
    if (!done)
      done = emitter.allocateScratch(nest, nest.size(inputs[0], 0),
                                     {slabs, chain.tokens, lanes, 2});
    scratches.push_back(done);
  }
}

bool GridSpectralNest::emitBin(Value result, double factor) {
  if (outer == 1 || isolated)
    return false;
  beginOuterPasses();
  emitOuterPass(0, /*inverse=*/false);
  Value scratch = scratches[0];
  emitter.getFirstPass(chain.fft.getResult()) = scratch;
  // Sub-transform 0 has the bin: the sum of its rows, of which there are R
  // times fewer than tokens.
  sumRows(emitter, nest, nest.size(inputs[0], 0), rows, channels,
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
  int64_t items = radices.empty() ? 1 : rows / radices.front();
  flagsInSlab = isolated && outer == 1 && !chain.seconds.empty() &&
                takeFlagsInSlab(items);
  if (isolated && !flagsInSlab)
    emitFlags();
  if (outer > 1) {
    bool isDone =
        chain.fft && emitter.getFirstPass(chain.fft.getResult()) != nullptr;
    beginOuterPasses();
    for (unsigned source = isDone ? 1 : 0;
         chain.fft && source < getNumSources(); ++source)
      emitOuterPass(source, /*inverse=*/false);
  }
  emitSlabs();
  emitSums();
  if (outer > 1 && chain.ifft)
    emitOuterPass(0, /*inverse=*/true);
  return success();
}

LogicalResult mlir::bfly::emitSpectralChainOnGPU(KernelEmitter &emitter,
                                                 NestBuilder &nest,
                                                 const SpectralChain &chain) {
  return GridSpectralNest(emitter, nest, chain).emit();
}

bool mlir::bfly::emitBinOfFirstPass(KernelEmitter &emitter, SpectrumBinOp bin) {
  auto plan = emitter.getPlan<GpuTransformAttr>();
  if (!plan || plan.getGroups().size() < 2)
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
