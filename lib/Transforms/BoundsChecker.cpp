// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "BoundsChecker.h"

#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;
using namespace mlir::affine;

static Value constant(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

static Value compare(OpBuilder &builder, Location loc,
                     arith::CmpIPredicate predicate, Value a, Value b) {
  return arith::CmpIOp::create(builder, loc, predicate, a, b);
}

Value BoundsChecker::size(OpBuilder &builder, Location loc, Value array,
                          unsigned dim) {
  auto type = cast<ShapedType>(array.getType());
  if (!type.isDynamicDim(dim))
    return constant(builder, loc, type.getDimSize(dim));
  Value number = constant(builder, loc, dim);
  if (isa<MemRefType>(type))
    return memref::DimOp::create(builder, loc, array, number);
  return tensor::DimOp::create(builder, loc, array, number);
}

std::optional<Linear> BoundsChecker::get(OpFoldResult value) {
  if (auto constant = getConstantIntValue(value))
    return IndexBounds::get(*constant);
  return bounds.get(cast<Value>(value));
}

/// "model.mlir:5:8: 'memref.load' leaves its array".
static std::string describe(Operation *op, StringRef failure) {
  std::string source = describeSource(op->getLoc());
  return (source + (source.empty() ? "'" : ": '") +
          op->getName().getStringRef() + "' " + failure)
      .str();
}

void BoundsChecker::assertThat(OpBuilder &builder, Operation *op,
                               Value condition, const Claim &claim) {
  cf::AssertOp::create(builder, op->getLoc(), condition,
                       describe(op, claim.failure));
}

LogicalResult BoundsChecker::require(Operation *op,
                                     function_ref<Value(OpBuilder &)> make,
                                     const Claim &claim) {
  auto refuse = [&](const Twine &where) {
    return op->emitError("'")
           << op->getName() << "' is not proven " << claim.promise
           << " and cannot be checked " << where
           << "; --allow-foreign-calls runs it unchecked";
  };
  for (Operation *parent = op->getParentOp(); parent != function;
       parent = parent->getParentOp()) {
    bool isLoop = isa<AffineParallelOp, GridOp, ThreadsOp, scf::ParallelOp,
                      linalg::LinalgOp, tensor::GenerateOp>(parent);
    if (onGPU && (isLoop || isa<KernelOp>(parent)))
      return refuse("on a GPU");
    if (!isLoop && !isa<KernelOp, AffineForOp, AffineIfOp, scf::ForOp,
                        scf::IfOp, scf::WhileOp, scf::IndexSwitchOp>(parent))
      return refuse("in '" + parent->getName().getStringRef() + "'");
  }
  OpBuilder builder(op);
  assertThat(builder, op, make(builder), claim);
  return success();
}

LogicalResult BoundsChecker::checkAccess(Operation *op, Value array,
                                         AffineMap map, ValueRange operands,
                                         VectorType vector) {
  auto type = cast<ShapedType>(array.getType());
  for (unsigned dim = 0, rank = type.getRank(); dim < rank; ++dim) {
    // A vector lies along the last dimensions.
    int64_t extent = 1;
    if (vector && dim + vector.getRank() >= rank)
      extent = vector.getDimSize(dim + vector.getRank() - rank);
    AffineExpr expr = map.getResult(dim);
    auto index = bounds.get(expr, map.getNumDims(), operands);
    auto size = bounds.getSize(array, dim);
    auto room = size ? IndexBounds::add(*size, *IndexBounds::get(1 - extent))
                     : std::nullopt;
    if (room && room->terms.empty() &&
        bounds.isInsideByTrial(expr, map.getNumDims(), operands,
                               room->constant))
      continue;
    if (index && room) {
      if (bounds.isInside(op, *index, *room))
        continue;
      if (extent == 1) {
        if (auto pair = bounds.whatMakesInside(op, *index, *size)) {
          auto [a, b] = *pair;
          if (asserted.insert({{a.argument, a.dim}, {b.argument, b.dim}})
                  .second)
            assertThat(
                entry, op,
                compare(entry, op->getLoc(), arith::CmpIPredicate::eq,
                        this->size(entry, op->getLoc(), a.argument, a.dim),
                        this->size(entry, op->getLoc(), b.argument, b.dim)));
          continue;
        }
      }
    }
    auto make = [&](OpBuilder &builder) -> Value {
      Location loc = op->getLoc();
      // An index of its own need not be one that affine takes.
      Value at;
      if (auto plain = dyn_cast<AffineDimExpr>(expr))
        at = operands[plain.getPosition()];
      else if (auto symbol = dyn_cast<AffineSymbolExpr>(expr))
        at = operands[map.getNumDims() + symbol.getPosition()];
      else
        at = AffineApplyOp::create(
            builder, loc,
            AffineMap::get(map.getNumDims(), map.getNumSymbols(), expr),
            operands);
      Value end = this->size(builder, loc, array, dim);
      Value inside = compare(builder, loc, arith::CmpIPredicate::ult, at, end);
      if (extent == 1)
        return inside;
      // No overflow: the first is less than a size.
      Value last = arith::AddIOp::create(builder, loc, at,
                                         constant(builder, loc, extent - 1));
      return arith::AndIOp::create(
          builder, loc, inside,
          compare(builder, loc, arith::CmpIPredicate::ult, last, end));
    };
    if (failed(require(op, make)))
      return failure();
  }
  return success();
}

LogicalResult BoundsChecker::checkSlice(OffsetSizeAndStrideOpInterface op,
                                        Value array) {
  for (unsigned dim = 0; dim < op.getMixedOffsets().size(); ++dim) {
    OpFoldResult offset = op.getMixedOffsets()[dim];
    OpFoldResult count = op.getMixedSizes()[dim];
    OpFoldResult stride = op.getMixedStrides()[dim];
    auto first = get(offset), number = get(count);
    auto end = bounds.getSize(array, dim);
    auto step = getConstantIntValue(stride);
    if (first && number && end && step && *step > 0) {
      // Never: an offset or a size below 0; a last element beyond the end.
      auto before = IndexBounds::scale(*first, -1);
      auto none = IndexBounds::scale(*number, -1);
      auto span = IndexBounds::scale(*number, *step);
      auto after = span ? IndexBounds::add(*first, *span) : std::nullopt;
      auto limit = IndexBounds::scale(*end, -1);
      auto over =
          after && limit ? IndexBounds::add(*after, *limit) : std::nullopt;
      auto minus = [](std::optional<Linear> value, int64_t by) {
        return value ? IndexBounds::add(*value, *IndexBounds::get(-by)) : value;
      };
      if (bounds.isNever(op, minus(before, 1)) &&
          bounds.isNever(op, minus(none, 1)) &&
          bounds.isNever(op, {minus(over, *step), minus(number, 1)}))
        continue;
    }
    auto make = [&](OpBuilder &builder) -> Value {
      Location loc = op->getLoc();
      auto value = [&](OpFoldResult mixed) -> Value {
        if (auto known = dyn_cast<Value>(mixed))
          return known;
        return constant(builder, loc, *getConstantIntValue(mixed));
      };
      Value one = constant(builder, loc, 1), zero = constant(builder, loc, 0);
      Value end = size(builder, loc, array, dim);
      Value begin = value(offset), number = value(count);
      Value step = arith::MaxUIOp::create(builder, loc, value(stride), one);
      // Empty, or (number - 1) * step <= end - 1 - begin.
      Value last = arith::SubIOp::create(
          builder, loc, arith::SubIOp::create(builder, loc, end, one), begin);
      Value steps = arith::DivUIOp::create(builder, loc, last, step);
      Value fits =
          compare(builder, loc, arith::CmpIPredicate::ule,
                  arith::SubIOp::create(builder, loc, number, one), steps);
      fits = arith::AndIOp::create(
          builder, loc, fits,
          compare(builder, loc, arith::CmpIPredicate::ult, begin, end));
      Value isEmpty = arith::AndIOp::create(
          builder, loc,
          compare(builder, loc, arith::CmpIPredicate::eq, number, zero),
          compare(builder, loc, arith::CmpIPredicate::ule, begin, end));
      return arith::OrIOp::create(builder, loc, fits, isEmpty);
    };
    if (failed(require(op, make)))
      return failure();
  }
  return success();
}

LogicalResult BoundsChecker::checkEqual(Operation *op, Value a, unsigned dimA,
                                        Value b, unsigned dimB) {
  auto sizeA = bounds.getSize(a, dimA), sizeB = bounds.getSize(b, dimB);
  if (sizeA && sizeB && IndexBounds::isEqual(*sizeA, *sizeB))
    return success();
  return require(op, [&](OpBuilder &builder) {
    return compare(builder, op->getLoc(), arith::CmpIPredicate::eq,
                   size(builder, op->getLoc(), a, dimA),
                   size(builder, op->getLoc(), b, dimB));
  });
}

LogicalResult BoundsChecker::checkSizes(Operation *op, Value a, Value b) {
  unsigned rank = cast<ShapedType>(a.getType()).getRank();
  for (unsigned dim = 0; dim < rank; ++dim)
    if (failed(checkEqual(op, a, dim, b, dim)))
      return failure();
  return success();
}

/// A cast may forget sizes, offsets and strides, and promise sizes alone.
LogicalResult BoundsChecker::checkCast(Operation *op, Value source,
                                       Value result) {
  auto from = dyn_cast<MemRefType>(source.getType());
  auto to = dyn_cast<MemRefType>(result.getType());
  if (from && to &&
      !(from.getLayout().isIdentity() && to.getLayout().isIdentity())) {
    SmallVector<int64_t> given, promised;
    int64_t givenOffset, promisedOffset;
    if (failed(from.getStridesAndOffset(given, givenOffset)) ||
        failed(to.getStridesAndOffset(promised, promisedOffset)))
      return op->emitError("'") << op->getName() << "' of this layout";
    given.push_back(givenOffset);
    promised.push_back(promisedOffset);
    for (auto [g, p] : llvm::zip(given, promised))
      if (p != g && !ShapedType::isDynamic(p))
        return op->emitError("'")
               << op->getName() << "' promises a layout that nothing proves; "
               << "--allow-foreign-calls runs it unchecked";
  }
  auto type = cast<ShapedType>(result.getType());
  if (!type.hasRank() || !cast<ShapedType>(source.getType()).hasRank())
    return success();
  for (unsigned dim = 0, rank = type.getRank(); dim < rank; ++dim)
    if (!type.isDynamicDim(dim) &&
        cast<ShapedType>(source.getType()).isDynamicDim(dim) &&
        failed(checkEqual(op, source, dim, result, dim)))
      return failure();
  return success();
}

/// Sizes from 0 on whose bytes 63 bits can count.
LogicalResult BoundsChecker::checkAllocation(memref::AllocOp op) {
  MemRefType type = op.getType();
  double bytes = 16;
  for (int64_t size : type.getShape())
    if (!ShapedType::isDynamic(size))
      bytes *= size;
  bool isProven = true;
  double largest = bytes;
  for (Value size : op.getDynamicSizes()) {
    auto known = bounds.get(size);
    isProven &= known && known->low >= 0;
    largest *= known ? static_cast<double>(known->high) : 1e30;
  }
  if (isProven && largest < 4e18)
    return success();
  return require(op, [&](OpBuilder &builder) -> Value {
    Location loc = op.getLoc();
    Type f64 = builder.getF64Type(), i64 = builder.getI64Type();
    auto number = [&](double value) -> Value {
      return arith::ConstantOp::create(builder, loc,
                                       builder.getF64FloatAttr(value));
    };
    // Negative sizes are large unsigned ones; rounding does not matter.
    Value total = number(bytes);
    for (Value size : op.getDynamicSizes()) {
      Value wide = arith::IndexCastOp::create(builder, loc, i64, size);
      total = arith::MulFOp::create(
          builder, loc, total,
          arith::UIToFPOp::create(builder, loc, f64, wide));
    }
    return arith::CmpFOp::create(builder, loc, arith::CmpFPredicate::OLT, total,
                                 number(4e18));
  });
}

/// The sizes of a dimension's parts, of which one is not known, have to be of
/// its size together.
LogicalResult BoundsChecker::checkExpansion(memref::ExpandShapeOp op) {
  SmallVector<OpFoldResult> sizes = op.getMixedOutputShape();
  for (auto [dim, group] : llvm::enumerate(op.getReassociationIndices())) {
    Value unknown;
    unsigned numUnknown = 0;
    int64_t known = 1;
    bool overflows = false;
    for (int64_t part : group) {
      if (auto size = getConstantIntValue(sizes[part])) {
        overflows |= llvm::MulOverflow(known, *size, known);
      } else {
        unknown = cast<Value>(sizes[part]);
        ++numUnknown;
      }
    }
    if (numUnknown > 1 || overflows || known < 1)
      return op.emitError("'")
             << op->getName() << "' has sizes that nothing proves; "
             << "--allow-foreign-calls runs it unchecked";
    auto whole = bounds.getSize(op.getSrc(), dim);
    auto part = unknown ? bounds.get(unknown) : IndexBounds::get(1);
    auto product = part ? IndexBounds::scale(*part, known) : std::nullopt;
    if (whole && product && IndexBounds::isEqual(*whole, *product))
      continue;
    // Not by the product, which may overflow.
    auto make = [&, dim = dim](OpBuilder &builder) -> Value {
      Location loc = op.getLoc();
      Value all = size(builder, loc, op.getSrc(), dim);
      Value factor = constant(builder, loc, known);
      Value count = unknown ? unknown : constant(builder, loc, 1);
      return arith::AndIOp::create(
          builder, loc,
          compare(builder, loc, arith::CmpIPredicate::eq,
                  arith::DivUIOp::create(builder, loc, all, factor), count),
          compare(builder, loc, arith::CmpIPredicate::eq,
                  arith::RemUIOp::create(builder, loc, all, factor),
                  constant(builder, loc, 0)));
    };
    if (failed(require(op, make)))
      return failure();
  }
  return success();
}

/// The verifier has compared what is static.
LogicalResult BoundsChecker::checkProduct(TileProductOp op) {
  if (failed(checkEqual(op, op.getA(), 0, op.getC(), 0)) ||
      failed(checkEqual(op, op.getA(), 1, op.getB(), 1)))
    return failure();
  auto b = cast<MemRefType>(op.getB().getType());
  int64_t panels = llvm::divideCeilSigned(
      cast<MemRefType>(op.getC().getType()).getDimSize(1), b.getDimSize(2));
  if (!b.isDynamicDim(0))
    return success();
  return require(op, [&](OpBuilder &builder) {
    return compare(builder, op->getLoc(), arith::CmpIPredicate::eq,
                   size(builder, op->getLoc(), op.getB(), 0),
                   constant(builder, op->getLoc(), panels));
  });
}

/// A size is that of a dimension which an array has.
LogicalResult BoundsChecker::checkDimension(Operation *op) {
  auto type = cast<ShapedType>(op->getOperand(0).getType());
  int64_t rank = type.hasRank() ? type.getRank() : 0;
  std::optional<int64_t> number = getConstantIntValue(op->getOperand(1));
  if (number && *number >= 0 && *number < rank)
    return success();
  if (number)
    return op->emitError("'") << op->getName() << "' of dimension " << *number
                              << ", but there are " << rank;
  return require(op, [&](OpBuilder &builder) {
    return compare(builder, op->getLoc(), arith::CmpIPredicate::ult,
                   op->getOperand(1), constant(builder, op->getLoc(), rank));
  });
}

/// A position in a vector is a number below its size.
LogicalResult BoundsChecker::checkPosition(Operation *op, VectorType type,
                                           ArrayRef<OpFoldResult> position) {
  for (auto [dim, mixed] : llvm::enumerate(position)) {
    auto at = dyn_cast<Value>(mixed);
    if (!at || type.getScalableDims()[dim])
      continue;
    int64_t end = type.getDimSize(dim);
    auto index = bounds.get(at);
    if (index && bounds.isInside(op, *index, *IndexBounds::get(end)))
      continue;
    if (failed(require(op, [&, at = at](OpBuilder &builder) {
          return compare(builder, op->getLoc(), arith::CmpIPredicate::ult, at,
                         constant(builder, op->getLoc(), end));
        })))
      return failure();
  }
  return success();
}
