// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/SlabBins.h"

#include "GPU/GridLoops.h"

using namespace mlir;
using namespace mlir::bfly;

SlabBins::SlabBins(GridColumns &columns, ArrayRef<SlabTransform *> slabs,
                   int64_t outer, AffineExpr unit, AffineExpr origin)
    : columns(columns), nest(columns.nest), slabs(slabs), slab(*slabs[0]),
      radices(slab.getRadices()), outer(outer), rows(slab.getRows()),
      lanes(slab.getLanes()), unit(unit), origin(origin),
      paired(nest.constantExpr(0)) {
  if (outer > 1)
    paired = (unit + (outer / 2 - 1)).floorDiv(outer / 2);
}

SlabBins::Bins SlabBins::load(AffineExpr row, AffineExpr lane) {
  return llvm::map_to_vector(
      slabs, [&](SlabTransform *one) { return one->load(row, lane); });
}

SlabBins::Bins SlabBins::getFlags(AffineExpr lane) {
  Bins flags;
  for (unsigned source = 0;
       columns.showsFlags() && source < columns.getNumSources(); ++source)
    flags.push_back(columns.isolatedSources[source]
                        ? ComplexPair{columns.getFlag(source, 0, origin + lane),
                                      columns.getFlag(source, 1, origin + lane)}
                        : ComplexPair{});
  return flags;
}

// Sums over bins --------------------------------------------------------------

void SlabBins::addTerms(Terms &terms, ArrayRef<Value> more) {
  if (terms.empty())
    return terms.append(more.begin(), more.end());
  for (auto [term, other] : llvm::zip_equal(terms, more))
    term = nest.add(term, other);
}

void SlabBins::forEachItem(int64_t items,
                           function_ref<Terms(AffineExpr, AffineExpr)> body) {
  int64_t sums = columns.getNumSums();
  if (!sums)
    return nest.threads(items * lanes, [&](AffineExpr i) {
      body(i.floorDiv(lanes), i % lanes);
    });
  // A thread has one lane, and every so many'th of its items.
  int64_t room = getMostItemsOfSums(lanes, sums, columns.getElementBytes());
  int64_t together =
      std::clamp<int64_t>(std::min(room, nest.blockThreads / lanes), 1, items);
  while (items % together)
    --together;
  Value partial = nest.allocateShared({lanes * sums, together}, nest.compute);
  partials.push_back(partial);
  nest.threads(together * lanes, [&](AffineExpr i) {
    AffineExpr lane = i % lanes, first = i.floorDiv(lanes);
    Terms totals = together == items
                       ? body(first, lane)
                       : nest.sums(items / together, sums, /*lanes=*/false,
                                   [&](AffineExpr step) {
                                     return body(first + step * together, lane);
                                   });
    for (auto [index, total] : llvm::enumerate(totals))
      nest.store(total, partial, {lane * sums + index, first});
  });
}

void SlabBins::finishSums(
    function_ref<void(AffineExpr, ArrayRef<Value>)> finish) {
  int64_t sums = columns.getNumSums();
  if (!sums)
    return;
  for (Value &partial : partials)
    partial = sumInTree(nest, partial);
  nest.threads(lanes, [&](AffineExpr lane) {
    Terms totals;
    for (Value partial : partials) {
      Terms more;
      for (int64_t index = 0; index < sums; ++index)
        more.push_back(
            nest.load(partial, {lane * sums + index, nest.constantExpr(0)}));
      addTerms(totals, more);
    }
    finish(lane, totals);
  });
}

// In shared memory ------------------------------------------------------------

void SlabBins::forEachRow(
    function_ref<Terms(AffineExpr, AffineExpr, AffineExpr, AffineExpr)> body) {
  for (int64_t part = 0; part < slab.getParts(); ++part) {
    AffineExpr q = getSubTransform(part);
    forEachItem(rows, [&](AffineExpr s, AffineExpr lane) {
      AffineExpr m = slab.bin(s), k = m * outer + q;
      AffineExpr row = s + part * rows, mirrorRow;
      // Of q = 0 bin m has its mirror image at M - m, else at M - 1 - m, which
      // turns every digit of a row around.
      if (part)
        mirrorRow = -s + (rows - 1) + (-paired + 1) * rows;
      else
        mirrorRow = paired * rows + slab.mirrorPosition(m, paired);
      AffineExpr inHalf = -k + columns.chain.tokens / 2;
      if (!columns.half)
        return body(lane, k, row, mirrorRow);
      if (columns.getNumSums())
        return nest.guardValues(
            {inHalf}, [&] { return body(lane, k, row, mirrorRow); },
            Terms(columns.getNumSums(), nest.constant(0)));
      nest.guard({inHalf}, [&] { body(lane, k, row, mirrorRow); });
      return Terms();
    });
  }
}

std::pair<ComplexPair, ComplexPair>
SlabBins::mapHalf(const Bins &z, const Bins &zMirror, Value own, AffineExpr k,
                  AffineExpr lane, Terms &terms) {
  if (columns.packed) {
    auto [a, b] = columns.mapPacked(z, zMirror, own, k, firstChannel(lane),
                                    secondChannel(lane), getFlags(lane));
    Terms both(a.terms);
    llvm::append_range(both, b.terms);
    addTerms(terms, both);
    return {columns.pack(a.bin, b.bin), columns.packMirror(a.bin, b.bin)};
  }
  MappedBin mapped = columns.mapTransformed(z, own, k, firstChannel(lane));
  addTerms(terms, mapped.terms);
  return {mapped.bin, columns.conjugate(mapped.bin)};
}

void SlabBins::visit() {
  // Maps of bins from memory are done.
  bool storesSpectrum = columns.storesSpectrum();
  if (!columns.chain.fft || (columns.chain.maps.empty() && !storesSpectrum))
    return;
  bool goesBack = columns.chain.ifft != nullptr;
  forEachRow(
      [&](AffineExpr lane, AffineExpr k, AffineExpr row, AffineExpr mirrorRow) {
        AffineExpr first = firstChannel(lane), second = secondChannel(lane);
        Value own = columns.isOwnMirror(k);
        Bins z = load(row, lane);
        auto storeBin = [&](ComplexPair value, AffineExpr channel) {
          nest.storeComplex(value, columns.output, {columns.batch, k, channel});
        };
        Terms terms;
        if (storesSpectrum && columns.packed) {
          auto [a, b] = columns.mapPacked(z, load(mirrorRow, lane), own, k,
                                          first, second, getFlags(lane));
          storeBin(a.bin, first);
          storeBin(b.bin, second);
          terms = a.terms;
          llvm::append_range(terms, b.terms);
        } else if (storesSpectrum || !columns.half) {
          MappedBin mapped = columns.mapTransformed(z, own, k, first);
          terms = mapped.terms;
          if (storesSpectrum)
            storeBin(mapped.bin, first);
          else if (goesBack)
            slab.store(mapped.bin, row, lane);
        } else {
          auto [here, there] =
              mapHalf(z, load(mirrorRow, lane), own, k, lane, terms);
          if (goesBack) {
            slab.store(there, mirrorRow, lane);
            slab.store(here, row, lane);
          }
        }
        return terms;
      });
}

void SlabBins::loadSpectrum() {
  // Half of the bins are there, each stands for two.
  forEachRow(
      [&](AffineExpr lane, AffineExpr k, AffineExpr row, AffineExpr mirrorRow) {
        Value own = columns.half ? columns.isOwnMirror(k) : Value();
        Terms terms;
        auto load = [&](int64_t part) -> ComplexPair {
          auto [bin, more] = columns.loadBin(
              k, own, part ? secondChannel(lane) : firstChannel(lane));
          llvm::append_range(terms, more);
          return {columns.keepFinite(bin.re, part, origin + lane),
                  columns.keepFinite(bin.im, part, origin + lane)};
        };
        ComplexPair a = load(0);
        if (!columns.packed) {
          slab.store(a, row, lane);
          return terms;
        }
        ComplexPair b = load(1);
        slab.store(columns.packMirror(a, b), mirrorRow, lane);
        slab.store(columns.pack(a, b), row, lane);
        return terms;
      });
}
