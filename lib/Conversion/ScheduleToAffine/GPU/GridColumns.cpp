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
  OpFoldResult size = nest.size(input, 0);
  flags = emitter.allocateScratch(nest, size, {channels});
  sumRows(emitter, nest, size, getNumFlagRows(), channels, flags, 1,
          [&](AffineExpr b, AffineExpr row, AffineExpr channel) {
            batch = b;
            return getFlagTerm(row, channel);
          });
}

Value GridColumns::getFlag(AffineExpr channel) {
  return nest.load(flags, {batch, channel});
}

Value GridColumns::keepFinite(Value x, AffineExpr channel) {
  return isolated ? selectFinite(x, getFlag(channel)) : x;
}

// Tokens ----------------------------------------------------------------------

ComplexPair GridColumns::read(AffineExpr row, AffineExpr column) {
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
  return {keepFinite(value.re, first), keepFinite(value.im, second)};
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
  if (isolated)
    value = {nest.add(value.re, getFlag(first)),
             nest.add(value.im, getFlag(second))};
  if (channels % 2 == 0)
    return storePair(nest, value, output, {batch, row, first});
  nest.store(value.re, output, {batch, row, first});
  nest.store(value.im, output, {batch, row, second});
}
