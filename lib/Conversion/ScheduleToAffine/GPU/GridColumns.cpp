// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/GridColumns.h"

#include "GPU/GridLoops.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

GridColumns::GridColumns(KernelEmitter &emitter, NestBuilder &nest,
                         SpectralChain chain)
    : SpectralMaps(emitter, nest, std::move(chain)) {
  columns = packed ? (channels + 1) / 2 : channels;
  // Maps alone have no slabs.
  auto plan = emitter.getPlan<GpuTransformAttr>();
  lanes = plan ? std::min(columns, plan.getColumns()) : 1;
  slabs = llvm::divideCeilSigned(columns, lanes);
}

AffineExpr GridColumns::secondChannel(AffineExpr column) const {
  if (channels % 2 == 0)
    return column * 2 + 1;
  if (columns == 1)
    return nest.constantExpr(0);
  return column * 2 + 1 - column.floorDiv(columns - 1);
}

AffineExpr GridColumns::getOrigin(AffineExpr slab) const {
  return getTileStart(nest, slab, lanes, slabs, columns);
}

// Flags -----------------------------------------------------------------------

void GridColumns::emitFlags() {
  OpFoldResult size = nest.size(inputs[0], 0);
  flags.resize(getNumSources());
  for (unsigned source = 0; source < getNumSources(); ++source) {
    if (!isolatedSources[source])
      continue;
    flags[source] = emitter.allocateScratch(nest, size, {channels});
    sumRows(emitter, nest, size, getNumFlagRows(), channels, flags[source], 1,
            [&](AffineExpr b, AffineExpr row, AffineExpr channel) {
              batch = b;
              return getFlagTerm(source, row, channel);
            });
  }
}

Value GridColumns::getFlag(unsigned source, int64_t part, AffineExpr column) {
  if (flagItems)
    return nest.load(slabFlags, {(column - slabOrigin) * getNumSlabFlags() +
                                     getSlabFlag(source, part),
                                 nest.constantExpr(0)});
  return nest.load(flags[source], {batch, part ? secondChannel(column)
                                               : firstChannel(column)});
}

Value GridColumns::keepFinite(Value x, int64_t part, AffineExpr column) {
  return isolated ? selectFinite(x, getFlag(0, part, column)) : x;
}

bool GridColumns::takeFlagsInSlab(int64_t items) {
  // Adding up takes half as much again at most.
  int64_t bytes = lanes * getNumSlabFlags() * items * getElementBytes();
  if (!fitsBesideSlabs(emitter.getKernel(), bytes + bytes / 2))
    return false;
  flagItems = items;
  return true;
}

void GridColumns::beginSlabFlags(AffineExpr origin) {
  slabOrigin = origin;
  slabFlags =
      nest.allocateShared({lanes * getNumSlabFlags(), flagItems}, nest.compute);
}

void GridColumns::storeItemFlags(unsigned source, AffineExpr item,
                                 AffineExpr lane) {
  if (!isolatedSources[source])
    return;
  auto store = [&](Value flag, int64_t part) {
    nest.store(flag, slabFlags,
               {lane * getNumSlabFlags() + getSlabFlag(source, part), item});
  };
  store(itemFlags.re, 0);
  store(itemFlags.im, 1);
  itemFlags = {};
}

void GridColumns::finishSlabFlags() { slabFlags = sumInTree(nest, slabFlags); }

// Tokens ----------------------------------------------------------------------

ComplexPair GridColumns::read(unsigned source, AffineExpr row,
                              AffineExpr column) {
  Value input = inputs[source];
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
  if (!isolatedSources[source])
    return value;
  ComplexPair flag;
  if (flagItems) {
    Value zero = nest.constant(0);
    flag = {nest.mul(value.re, zero), nest.mul(value.im, zero)};
    itemFlags = itemFlags.re ? ComplexPair{nest.add(itemFlags.re, flag.re),
                                           nest.add(itemFlags.im, flag.im)}
                             : flag;
  } else {
    flag = {getFlag(source, 0, column), getFlag(source, 1, column)};
  }
  return {selectFinite(value.re, flag.re), selectFinite(value.im, flag.im)};
}

ComplexPair GridColumns::scale(ComplexPair value) {
  if (chain.tokens == 1)
    return value;
  Value factor = nest.constant(1.0 / chain.tokens);
  return {nest.mul(value.re, factor), nest.mul(value.im, factor)};
}

void GridColumns::write(AffineExpr row, AffineExpr column, ComplexPair value) {
  value = scale(value);
  AffineExpr first = firstChannel(column);
  if (!packed)
    return nest.storeComplex(value, output, {batch, row, first});
  AffineExpr second = secondChannel(column);
  auto getFlagOf = [&](int64_t part) {
    return getResultFlag(
        [&](unsigned source) { return getFlag(source, part, column); });
  };
  if (isolated)
    value = {nest.add(value.re, getFlagOf(0)),
             nest.add(value.im, getFlagOf(1))};
  if (channels % 2 == 0)
    return storePair(nest, value, output, {batch, row, first});
  nest.store(value.re, output, {batch, row, first});
  nest.store(value.im, output, {batch, row, second});
}
