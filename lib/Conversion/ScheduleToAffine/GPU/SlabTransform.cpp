// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GPU/SlabTransform.h"

#include "GPU/GridLoops.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

Twiddles::Twiddles(NestBuilder &nest, int64_t radix, int64_t block)
    : nest(&nest), radix(radix) {
  // Powers of two from tables, the others as products of those: a product of a
  // few roots is nearly as exact as a root, and each costs less than a load.
  for (int64_t power = 1; power < radix; power *= 2)
    tables.push_back(
        TableOp::create(nest.builder, nest.loc,
                        MemRefType::get({block / radix, 2}, nest.compute),
                        TableKind::Roots, block / power));
}

SmallVector<ComplexPair> Twiddles::load(AffineExpr j) {
  SmallVector<ComplexPair> roots(radix);
  for (int64_t q = 1; q < radix; ++q) {
    int64_t power = llvm::bit_floor<uint64_t>(q);
    if (q == power)
      roots[q] =
          loadPair(*nest, tables[llvm::Log2_64(q)], {j, nest->constantExpr(0)});
    else
      roots[q] = nest->mul(roots[power], roots[q - power], /*conjugate=*/false);
  }
  return roots;
}

void mlir::bfly::transformInRegisters(NestBuilder &nest,
                                      MutableArrayRef<ComplexPair> values,
                                      bool inverse, Twiddles *twiddles,
                                      AffineExpr j) {
  int64_t radix = values.size();
  SmallVector<ComplexPair> roots;
  if (twiddles)
    roots = twiddles->load(j);
  auto twiddle = [&] {
    for (int64_t q = 1; twiddles && q < radix; ++q)
      values[q] = nest.mul(values[q], roots[q], /*conjugate=*/inverse);
  };
  if (inverse)
    twiddle();
  SmallVector<Value> parts(2 * radix);
  for (int64_t q = 0; q < radix; ++q) {
    parts[q] = values[q].re;
    parts[radix + q] = values[q].im;
  }
  auto dft =
      DftOp::create(nest.builder, nest.loc,
                    SmallVector<Type>(2 * radix, nest.compute), parts, inverse);
  for (int64_t q = 0; q < radix; ++q)
    values[q] = {dft.getResult(q), dft.getResult(radix + q)};
  if (!inverse)
    twiddle();
}

SlabTransform::SlabTransform(NestBuilder &nest, ArrayRef<int64_t> radices,
                             int64_t parts, int64_t lanes)
    : nest(nest), radices(radices), parts(parts), lanes(lanes),
      padding(getPadding(radices, lanes)) {
  for (int64_t radix : radices)
    rows *= radix;
  int64_t rest = rows;
  for (int64_t radix : radices) {
    lengths.push_back(rest);
    twiddles.emplace_back();
    if (rest > radix)
      twiddles.back().emplace(nest, radix, rest);
    rest /= radix;
  }
}

int64_t SlabTransform::getPadding(ArrayRef<int64_t> radices, int64_t lanes) {
  // A warp of at least 32 lanes is in one row.
  return lanes < 32 && !radices.empty() ? radices.back() : 0;
}

void SlabTransform::allocate() {
  int64_t all = parts * rows;
  slab = nest.allocateShared({2, all + (padding ? all / padding : 0), lanes},
                             nest.compute);
}

AffineExpr SlabTransform::physical(AffineExpr row) const {
  return padding ? row + row.floorDiv(padding) : row;
}

ComplexPair SlabTransform::load(AffineExpr row, AffineExpr lane) {
  AffineExpr at = physical(row);
  return {nest.load(slab, {nest.constantExpr(0), at, lane}),
          nest.load(slab, {nest.constantExpr(1), at, lane})};
}

void SlabTransform::store(ComplexPair value, AffineExpr row, AffineExpr lane) {
  AffineExpr at = physical(row);
  nest.store(value.re, slab, {nest.constantExpr(0), at, lane});
  nest.store(value.im, slab, {nest.constantExpr(1), at, lane});
}

AffineExpr SlabTransform::position(AffineExpr m) const {
  AffineExpr row = nest.constantExpr(0);
  for (auto [radix, length] : llvm::zip_equal(radices, lengths)) {
    row = row + (m % radix) * (length / radix);
    m = m.floorDiv(radix);
  }
  return row;
}

AffineExpr SlabTransform::mirrorPosition(AffineExpr m, AffineExpr next) const {
  // M - 1 - m turns every digit of m around.
  return -position((m + next + (rows - 1)) % rows) + (rows - 1);
}

AffineExpr SlabTransform::blockBin(AffineExpr block) const {
  AffineExpr m = nest.constantExpr(0);
  int64_t weight = 1;
  for (auto [radix, length] : llvm::zip_equal(ArrayRef(radices).drop_back(),
                                              ArrayRef(lengths).drop_back())) {
    m = m + block.floorDiv(length / radix / radices.back()) % radix * weight;
    weight *= radix;
  }
  return m;
}

AffineExpr SlabTransform::bin(AffineExpr row) const {
  AffineExpr m = nest.constantExpr(0);
  int64_t weight = 1;
  for (auto [radix, length] : llvm::zip_equal(radices, lengths)) {
    m = m + row.floorDiv(length / radix) % radix * weight;
    weight *= radix;
  }
  return m;
}

void SlabTransform::pass(unsigned index, bool inverse, Reader reader,
                         Writer writer,
                         function_ref<void(AffineExpr, AffineExpr)> afterItem) {
  int64_t radix = radices[index], block = lengths[index], sub = block / radix;
  int64_t blocks = parts * rows / block;
  nest.threads(blocks * sub * lanes, [&](AffineExpr i) {
    AffineExpr lane = i % lanes, butterfly = i.floorDiv(lanes);
    AffineExpr j = blocks == 1 ? butterfly : butterfly % sub;
    AffineExpr first = blocks == 1 ? j : butterfly.floorDiv(sub) * block + j;
    SmallVector<ComplexPair> values;
    for (int64_t q = 0; q < radix; ++q)
      values.push_back(reader ? reader(first + q * sub, lane)
                              : load(first + q * sub, lane));
    if (afterItem)
      afterItem(butterfly, lane);
    transformInRegisters(nest, values, inverse,
                         twiddles[index] ? &*twiddles[index] : nullptr, j);
    for (int64_t q = 0; q < radix; ++q) {
      if (writer)
        writer(first + q * sub, lane, values[q]);
      else
        store(values[q], first + q * sub, lane);
    }
  });
}

void SlabTransform::forward(
    Reader reader, bool toLastPass,
    function_ref<void(AffineExpr, AffineExpr)> afterItem) {
  if (radices.empty() && reader)
    nest.threads(parts * lanes, [&](AffineExpr i) {
      AffineExpr row = i.floorDiv(lanes), lane = i % lanes;
      store(reader(row, lane), row, lane);
      if (afterItem)
        afterItem(row, lane);
    });
  for (unsigned index = 0; index + toLastPass < radices.size(); ++index)
    pass(index, /*inverse=*/false, index ? nullptr : reader, nullptr,
         index ? nullptr : afterItem);
}

void SlabTransform::inverse(Writer writer, bool fromLastPass) {
  if (radices.empty() && writer)
    nest.threads(parts * lanes, [&](AffineExpr i) {
      AffineExpr row = i.floorDiv(lanes), lane = i % lanes;
      writer(row, lane, load(row, lane));
    });
  for (unsigned index = radices.size() - fromLastPass; index-- > 0;)
    pass(index, /*inverse=*/true, nullptr, index ? nullptr : writer);
}
