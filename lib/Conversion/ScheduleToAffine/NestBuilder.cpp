// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "NestBuilder.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/IntegerSet.h"

using namespace mlir;
using namespace mlir::bfly;

// Indices --------------------------------------------------------------------

AffineExpr NestBuilder::dim(Value value) {
  auto *it = llvm::find(dims, value);
  unsigned position = it - dims.begin();
  if (it == dims.end())
    dims.push_back(value);
  return builder.getAffineDimExpr(position);
}

AffineExpr NestBuilder::constantExpr(int64_t value) {
  return builder.getAffineConstantExpr(value);
}

std::pair<AffineMap, SmallVector<Value>>
NestBuilder::access(ArrayRef<AffineExpr> indices) {
  AffineMap map = AffineMap::get(dims.size(), 0, indices, builder.getContext());
  SmallVector<Value> operands(dims);
  affine::canonicalizeMapAndOperands(&map, &operands);
  return {simplifyAffineMap(map), operands};
}

Value NestBuilder::apply(AffineExpr expr) {
  auto [map, operands] = access(expr);
  if (auto constant = dyn_cast<AffineConstantExpr>(map.getResult(0)))
    return arith::ConstantIndexOp::create(builder, loc, constant.getValue());
  return affine::AffineApplyOp::create(builder, loc, map, operands);
}

// Loops ----------------------------------------------------------------------

void NestBuilder::loopTo(ArrayRef<AffineExpr> bounds,
                         function_ref<void(AffineExpr)> body) {
  auto [map, operands] = access(bounds);
  auto loop = affine::AffineForOp::create(builder, loc, ValueRange(),
                                          builder.getConstantAffineMap(0),
                                          operands, map);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  body(dim(loop.getInductionVar()));
}

void NestBuilder::loop(int64_t count, function_ref<void(AffineExpr)> body) {
  if (count == 1)
    return body(constantExpr(0));
  loopTo({constantExpr(count)}, body);
}

void NestBuilder::lanes(int64_t count, function_ref<void(AffineExpr)> body) {
  auto loop = affine::AffineForOp::create(builder, loc, 0, count);
  loop->setAttr("bfly.lanes", builder.getUnitAttr());
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  body(dim(loop.getInductionVar()));
}

SmallVector<Value>
NestBuilder::sums(int64_t count, unsigned number, bool lanes,
                  function_ref<SmallVector<Value>(AffineExpr)> terms) {
  SmallVector<Value> totals = sumsTo({constantExpr(count)}, number, terms);
  if (lanes)
    totals.front().getDefiningOp()->setAttr("bfly.lanes",
                                            builder.getUnitAttr());
  return totals;
}

SmallVector<Value>
NestBuilder::sumsTo(ArrayRef<AffineExpr> bounds, unsigned number,
                    function_ref<SmallVector<Value>(AffineExpr)> terms) {
  SmallVector<Value> zeros(number, constant(0));
  auto [map, operands] = access(bounds);
  auto loop = affine::AffineForOp::create(builder, loc, ValueRange(),
                                          builder.getConstantAffineMap(0),
                                          operands, map, 1, zeros);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  SmallVector<Value> next;
  for (auto [total, term] : llvm::zip_equal(loop.getRegionIterArgs(),
                                            terms(dim(loop.getInductionVar()))))
    next.push_back(add(total, term));
  affine::AffineYieldOp::create(builder, loc, next);
  return SmallVector<Value>(loop.getResults());
}

Value NestBuilder::sum(int64_t count, bool lanes,
                       function_ref<Value(AffineExpr)> term) {
  return sums(count, 1, lanes,
              [&](AffineExpr i) { return SmallVector<Value>{term(i)}; })[0];
}

/// Upper bounds of loops as maps over operands that are valid symbols.
static void getBounds(OpBuilder &builder, ArrayRef<OpFoldResult> counts,
                      SmallVectorImpl<AffineMap> &maps,
                      SmallVectorImpl<Value> &operands) {
  for (OpFoldResult count : counts) {
    if (std::optional<int64_t> size = getConstantIntValue(count)) {
      maps.push_back(
          AffineMap::get(0, 0, builder.getAffineConstantExpr(*size)));
    } else {
      maps.push_back(AffineMap::get(0, 1, builder.getAffineSymbolExpr(0)));
      operands.push_back(cast<Value>(count));
    }
  }
}

void NestBuilder::parallel(ArrayRef<OpFoldResult> counts,
                           function_ref<void(ArrayRef<AffineExpr>)> body) {
  SmallVector<AffineMap> upper;
  SmallVector<Value> symbols;
  getBounds(builder, counts, upper, symbols);
  // One map a loop, all over the same symbols.
  unsigned next = 0;
  SmallVector<AffineMap> maps;
  for (AffineMap map : upper) {
    AffineExpr expr = map.getResult(0);
    if (map.getNumSymbols())
      expr = builder.getAffineSymbolExpr(next++);
    maps.push_back(AffineMap::get(0, symbols.size(), expr));
  }
  SmallVector<AffineMap> lower(
      counts.size(), AffineMap::get(0, 0, builder.getAffineConstantExpr(0)));
  SmallVector<int64_t> steps(counts.size(), 1);
  auto loop = affine::AffineParallelOp::create(
      builder, loc, TypeRange(), ArrayRef<arith::AtomicRMWKind>(), lower,
      ValueRange(), maps, symbols, steps);
  OpBuilder::InsertionGuard guard(builder);
  builder.setInsertionPointToStart(loop.getBody());
  SmallVector<AffineExpr> ivs;
  for (Value iv : loop.getIVs())
    ivs.push_back(dim(iv));
  body(ivs);
}

void NestBuilder::serial(ArrayRef<OpFoldResult> counts,
                         function_ref<void(ArrayRef<AffineExpr>)> body) {
  SmallVector<AffineExpr> ivs;
  std::function<void()> level = [&] {
    if (ivs.size() == counts.size())
      return body(ivs);
    OpFoldResult count = counts[ivs.size()];
    if (std::optional<int64_t> size = getConstantIntValue(count)) {
      loop(*size, [&](AffineExpr iv) {
        ivs.push_back(iv);
        level();
        ivs.pop_back();
      });
      return;
    }
    auto loop = affine::AffineForOp::create(
        builder, loc, ValueRange(), builder.getConstantAffineMap(0),
        ValueRange(cast<Value>(count)), builder.getSymbolIdentityMap());
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(loop.getBody());
    ivs.push_back(dim(loop.getInductionVar()));
    level();
    ivs.pop_back();
  };
  level();
}

// Branches -------------------------------------------------------------------

void NestBuilder::guard(ArrayRef<AffineExpr> constraints,
                        function_ref<void()> body,
                        function_ref<void()> otherwise) {
  auto branch = branchOn(constraints, TypeRange(), bool(otherwise));
  OpBuilder::InsertionGuard inside(builder);
  builder.setInsertionPointToStart(branch.getThenBlock());
  body();
  if (!otherwise)
    return;
  builder.setInsertionPointToStart(branch.getElseBlock());
  otherwise();
}

SmallVector<Value>
NestBuilder::guardValues(ArrayRef<AffineExpr> constraints,
                         function_ref<SmallVector<Value>()> body,
                         ValueRange otherwise) {
  auto branch = branchOn(constraints, otherwise.getTypes(), /*withElse=*/true);
  OpBuilder::InsertionGuard inside(builder);
  builder.setInsertionPointToStart(branch.getThenBlock());
  affine::AffineYieldOp::create(builder, loc, body());
  builder.setInsertionPointToEnd(branch.getElseBlock());
  affine::AffineYieldOp::create(builder, loc, otherwise);
  return SmallVector<Value>(branch.getResults());
}

affine::AffineIfOp NestBuilder::branchOn(ArrayRef<AffineExpr> constraints,
                                         TypeRange results, bool withElse) {
  SmallVector<bool> equalities(constraints.size(), false);
  IntegerSet set = IntegerSet::get(dims.size(), 0, constraints, equalities);
  SmallVector<Value> operands(dims);
  affine::canonicalizeSetAndOperands(&set, &operands);
  return affine::AffineIfOp::create(builder, loc, results, set, operands,
                                    withElse);
}

// Memory ---------------------------------------------------------------------

Value NestBuilder::allocate(ArrayRef<int64_t> shape) {
  return memref::AllocOp::create(builder, loc, MemRefType::get(shape, compute),
                                 builder.getI64IntegerAttr(64));
}

void NestBuilder::free(Value buffer) {
  memref::DeallocOp::create(builder, loc, buffer);
}

OpFoldResult NestBuilder::size(Value buffer, int64_t dim) {
  return memref::getMixedSize(builder, loc, buffer, dim);
}

Value NestBuilder::load(Value buffer, ArrayRef<AffineExpr> indices) {
  auto [map, operands] = access(indices);
  Value value =
      affine::AffineLoadOp::create(builder, loc, buffer, map, operands);
  auto type = cast<FloatType>(value.getType());
  if (type.getWidth() < compute.getWidth())
    value = arith::ExtFOp::create(builder, loc, compute, value);
  return value;
}

ComplexPair NestBuilder::loadComplex(Value buffer,
                                     ArrayRef<AffineExpr> indices) {
  if (!isa<ComplexType>(cast<MemRefType>(buffer.getType()).getElementType()))
    return {load(buffer, indices), constant(0)};
  auto [map, operands] = access(indices);
  Value value =
      affine::AffineLoadOp::create(builder, loc, buffer, map, operands);
  return {complex::ReOp::create(builder, loc, value),
          complex::ImOp::create(builder, loc, value)};
}

void NestBuilder::store(Value value, Value buffer,
                        ArrayRef<AffineExpr> indices) {
  auto type =
      cast<FloatType>(cast<MemRefType>(buffer.getType()).getElementType());
  if (type.getWidth() < compute.getWidth())
    value = arith::TruncFOp::create(builder, loc, type, value);
  auto [map, operands] = access(indices);
  affine::AffineStoreOp::create(builder, loc, value, buffer, map, operands);
}

void NestBuilder::storeComplex(ComplexPair value, Value buffer,
                               ArrayRef<AffineExpr> indices) {
  Type type = cast<MemRefType>(buffer.getType()).getElementType();
  if (!isa<ComplexType>(type))
    return store(value.re, buffer, indices);
  Value number =
      complex::CreateOp::create(builder, loc, type, value.re, value.im);
  auto [map, operands] = access(indices);
  affine::AffineStoreOp::create(builder, loc, number, buffer, map, operands);
}

Value NestBuilder::window(Value buffer, ArrayRef<AffineExpr> offsets,
                          ArrayRef<int64_t> sizes, unsigned rank) {
  auto type = cast<MemRefType>(buffer.getType());
  SmallVector<OpFoldResult> mixedOffsets, mixedSizes, strides;
  for (auto [offset, size] : llvm::zip_equal(offsets, sizes)) {
    if (auto constant = dyn_cast<AffineConstantExpr>(offset))
      mixedOffsets.push_back(builder.getIndexAttr(constant.getValue()));
    else
      mixedOffsets.push_back(apply(offset));
    mixedSizes.push_back(builder.getIndexAttr(size));
    strides.push_back(builder.getIndexAttr(1));
  }
  ArrayRef<int64_t> shape = sizes.take_back(rank);
  auto reduced = cast<MemRefType>(memref::SubViewOp::inferRankReducedResultType(
      shape, type, mixedOffsets, mixedSizes, strides));
  return memref::SubViewOp::create(builder, loc, reduced, buffer, mixedOffsets,
                                   mixedSizes, strides);
}

// Arithmetic -----------------------------------------------------------------

static constexpr arith::FastMathFlags kContract =
    arith::FastMathFlags::contract;

Value NestBuilder::constant(double value) {
  return arith::ConstantOp::create(builder, loc,
                                   builder.getFloatAttr(compute, value));
}

Value NestBuilder::add(Value a, Value b) {
  return arith::AddFOp::create(builder, loc, a, b, kContract);
}

Value NestBuilder::sub(Value a, Value b) {
  return arith::SubFOp::create(builder, loc, a, b, kContract);
}

Value NestBuilder::mul(Value a, Value b) {
  return arith::MulFOp::create(builder, loc, a, b, kContract);
}

Value NestBuilder::div(Value a, Value b) {
  return arith::DivFOp::create(builder, loc, a, b, kContract);
}

ComplexPair NestBuilder::mul(ComplexPair a, ComplexPair b, bool conjugate) {
  Value rr = mul(a.re, b.re), ii = mul(a.im, b.im);
  Value ri = mul(a.re, b.im), ir = mul(a.im, b.re);
  if (conjugate)
    return {add(rr, ii), sub(ir, ri)};
  return {sub(rr, ii), add(ri, ir)};
}

Value NestBuilder::sigmoid(Value x) {
  Value negated = arith::NegFOp::create(builder, loc, x, kContract);
  Value e = math::ExpOp::create(builder, loc, negated, kContract);
  return div(constant(1), add(constant(1), e));
}

AffineExpr mlir::bfly::getTileStart(NestBuilder &nest, AffineExpr index,
                                    int64_t tile, int64_t tiles,
                                    int64_t total) {
  if (tiles == 1)
    return nest.constantExpr(0);
  int64_t overlap = tiles * tile - total;
  AffineExpr start = index * tile;
  return overlap ? start - index.floorDiv(tiles - 1) * overlap : start;
}
