// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-check-bounds: no access leaves its array.
//
// Before: functions whose indices, slices and allocations may be anything.
// After: what is not proven to be within its array is checked by a `cf.assert`
// before it (-bfly-lower-checks makes it an error of the call), and memory
// that is used after its end, freed twice or not to be written is refused.
// Slices and sizes of tensors are -bfly-infer-sizes' business.

#include "bfly/Transforms/Passes.h"

#include "CheckLives.h"
#include "IndexBounds.h"
#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/Matchers.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CHECKBOUNDSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;
using namespace mlir::affine;

namespace {

class Checker {
public:
  Checker(func::FuncOp function, bool onGPU)
      : function(function), onGPU(onGPU), bounds(function),
        entry(&function.getBody().front(), function.getBody().front().begin()) {
  }

  LogicalResult check(Operation *op);

private:
  LogicalResult checkAccess(Operation *op, Value array, AffineMap map,
                            ValueRange operands, VectorType vector = {});
  LogicalResult checkSlice(OffsetSizeAndStrideOpInterface op, Value array);
  LogicalResult checkSizes(Operation *op, Value a, Value b);
  LogicalResult checkEqual(Operation *op, Value a, unsigned dimA, Value b,
                           unsigned dimB);
  LogicalResult checkCast(Operation *op, Value source, Value result);
  LogicalResult checkAllocation(memref::AllocOp op);
  LogicalResult checkDivision(Operation *op);

  /// The condition, made before `op`, that has to hold for it.
  LogicalResult require(Operation *op, function_ref<Value(OpBuilder &)> make);
  void assertThat(OpBuilder &builder, Operation *op, Value condition);
  Value size(OpBuilder &builder, Location loc, Value array, unsigned dim);
  std::optional<Linear> get(OpFoldResult value);

  func::FuncOp function;
  bool onGPU;
  IndexBounds bounds;
  OpBuilder entry;
  DenseSet<std::pair<std::pair<Value, unsigned>, std::pair<Value, unsigned>>>
      asserted;
};

Value constant(OpBuilder &builder, Location loc, int64_t value) {
  return arith::ConstantIndexOp::create(builder, loc, value);
}

Value compare(OpBuilder &builder, Location loc, arith::CmpIPredicate predicate,
              Value a, Value b) {
  return arith::CmpIOp::create(builder, loc, predicate, a, b);
}

Value Checker::size(OpBuilder &builder, Location loc, Value array,
                    unsigned dim) {
  auto type = cast<ShapedType>(array.getType());
  if (!type.isDynamicDim(dim))
    return constant(builder, loc, type.getDimSize(dim));
  Value number = constant(builder, loc, dim);
  if (isa<MemRefType>(type))
    return memref::DimOp::create(builder, loc, array, number);
  return tensor::DimOp::create(builder, loc, array, number);
}

std::optional<Linear> Checker::get(OpFoldResult value) {
  if (auto constant = getConstantIntValue(value))
    return IndexBounds::get(*constant);
  return bounds.get(cast<Value>(value));
}

/// "model.mlir:5:8: 'memref.load' leaves its array".
std::string describe(Operation *op) {
  std::string text;
  if (auto place = op->getLoc()->findInstanceOf<FileLineColLoc>())
    text = place.getFilename().str() + ":" + std::to_string(place.getLine()) +
           ":" + std::to_string(place.getColumn()) + ": ";
  text += "'" + op->getName().getStringRef().str() + "' ";
  return text + (isa<arith::ArithDialect>(op->getDialect())
                     ? "divides by zero, or overflows"
                     : "leaves its array");
}

void Checker::assertThat(OpBuilder &builder, Operation *op, Value condition) {
  cf::AssertOp::create(builder, op->getLoc(), condition, describe(op));
}

LogicalResult Checker::require(Operation *op,
                               function_ref<Value(OpBuilder &)> make) {
  auto refuse = [&](const Twine &where) {
    return op->emitError("'")
           << op->getName() << "' is not proven to stay within its array and "
           << "cannot be checked " << where
           << "; --allow-foreign-calls runs it unchecked";
  };
  for (Operation *parent = op->getParentOp(); parent != function;
       parent = parent->getParentOp()) {
    bool isLoop =
        isa<AffineParallelOp, scf::ParallelOp, linalg::LinalgOp,
            tensor::GenerateOp>(parent);
    if (onGPU && (isLoop || isa<KernelOp>(parent)))
      return refuse("on a GPU");
    if (!isLoop && !isa<KernelOp, AffineForOp, AffineIfOp, scf::ForOp,
                        scf::IfOp, scf::WhileOp, scf::IndexSwitchOp>(parent))
      return refuse("in '" + parent->getName().getStringRef() + "'");
  }
  OpBuilder builder(op);
  assertThat(builder, op, make(builder));
  return success();
}

LogicalResult Checker::checkAccess(Operation *op, Value array, AffineMap map,
                                   ValueRange operands, VectorType vector) {
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

LogicalResult Checker::checkSlice(OffsetSizeAndStrideOpInterface op,
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

LogicalResult Checker::checkEqual(Operation *op, Value a, unsigned dimA,
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

LogicalResult Checker::checkSizes(Operation *op, Value a, Value b) {
  unsigned rank = cast<ShapedType>(a.getType()).getRank();
  for (unsigned dim = 0; dim < rank; ++dim)
    if (failed(checkEqual(op, a, dim, b, dim)))
      return failure();
  return success();
}

/// A cast may forget sizes, offsets and strides, and promise sizes alone.
LogicalResult Checker::checkCast(Operation *op, Value source, Value result) {
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
LogicalResult Checker::checkAllocation(memref::AllocOp op) {
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

AffineMap identity(Operation *op, unsigned rank) {
  return AffineMap::getMultiDimIdentityMap(rank, op->getContext());
}

/// A processor traps where a quotient of integers is none. A GPU does not, and
/// the maps of bfly's operations say themselves what they give.
LogicalResult Checker::checkDivision(Operation *op) {
  Value divisor = op->getOperand(1);
  auto type = dyn_cast<IntegerType>(divisor.getType());
  bool isMap = op->getParentOfType<SpectralFilterOp>() ||
               op->getParentOfType<SpectrumMapOp>();
  APInt known;
  if (onGPU || isMap || (!type && !divisor.getType().isIndex()) ||
      (matchPattern(divisor, m_ConstantInt(&known)) && !known.isZero() &&
       !known.isAllOnes()))
    return success();
  bool isSigned = isa<arith::DivSIOp, arith::RemSIOp, arith::CeilDivSIOp,
                      arith::FloorDivSIOp>(op);
  return require(op, [&](OpBuilder &builder) -> Value {
    Location loc = op->getLoc();
    auto differs = [&](Value value, const APInt &from) {
      Attribute attribute = builder.getIntegerAttr(value.getType(), from);
      Value constant =
          arith::ConstantOp::create(builder, loc, cast<TypedAttr>(attribute));
      return compare(builder, loc, arith::CmpIPredicate::ne, value, constant);
    };
    unsigned width = type ? type.getWidth() : 64;
    Value isValid = differs(divisor, APInt::getZero(width));
    if (!isSigned)
      return isValid;
    // The least number over -1 is one too large.
    Value fits = arith::OrIOp::create(
        builder, loc, differs(divisor, APInt::getAllOnes(width)),
        differs(op->getOperand(0), APInt::getSignedMinValue(width)));
    return arith::AndIOp::create(builder, loc, isValid, fits);
  });
}

LogicalResult Checker::check(Operation *op) {
  // Nothing proves an alignment, and a CPU does not need it.
  if (!onGPU &&
      isa<memref::LoadOp, memref::StoreOp, vector::LoadOp, vector::StoreOp>(op))
    op->removeAttr("alignment");
  if (auto read = dyn_cast<AffineReadOpInterface>(op))
    return checkAccess(op, read.getMemRef(), read.getAffineMap(),
                       read.getMapOperands(),
                       isa<AffineVectorLoadOp>(op)
                           ? cast<AffineVectorLoadOp>(op).getVectorType()
                           : VectorType());
  if (auto write = dyn_cast<AffineWriteOpInterface>(op))
    return checkAccess(op, write.getMemRef(), write.getAffineMap(),
                       write.getMapOperands(),
                       isa<AffineVectorStoreOp>(op)
                           ? cast<AffineVectorStoreOp>(op).getVectorType()
                           : VectorType());
  auto plain = [&](Value array, ValueRange indices, VectorType vector = {}) {
    return checkAccess(op, array, identity(op, indices.size()), indices,
                       vector);
  };
  if (auto load = dyn_cast<memref::LoadOp>(op))
    return plain(load.getMemRef(), load.getIndices());
  if (auto store = dyn_cast<memref::StoreOp>(op))
    return plain(store.getMemRef(), store.getIndices());
  if (auto load = dyn_cast<vector::LoadOp>(op))
    return plain(load.getBase(), load.getIndices(), load.getVectorType());
  if (auto store = dyn_cast<vector::StoreOp>(op))
    return plain(store.getBase(), store.getIndices(), store.getVectorType());
  if (auto extract = dyn_cast<tensor::ExtractOp>(op))
    return plain(extract.getTensor(), extract.getIndices());
  if (auto insert = dyn_cast<tensor::InsertOp>(op))
    return plain(insert.getDest(), insert.getIndices());
  if (auto view = dyn_cast<memref::SubViewOp>(op))
    return checkSlice(view, view.getSource());
  if (isa<memref::CastOp>(op))
    return checkCast(op, op->getOperand(0), op->getResult(0));
  if (auto copy = dyn_cast<memref::CopyOp>(op))
    return checkSizes(op, copy.getSource(), copy.getTarget());
  if (auto alloc = dyn_cast<memref::AllocOp>(op))
    return checkAllocation(alloc);
  if (isa<arith::DivSIOp, arith::DivUIOp, arith::RemSIOp, arith::RemUIOp,
          arith::CeilDivSIOp, arith::CeilDivUIOp, arith::FloorDivSIOp>(op))
    return checkDivision(op);
  if (auto product = dyn_cast<TileProductOp>(op)) {
    // The verifier has compared what is static.
    if (failed(checkEqual(op, product.getA(), 0, product.getC(), 0)) ||
        failed(checkEqual(op, product.getA(), 1, product.getB(), 1)))
      return failure();
    auto b = cast<MemRefType>(product.getB().getType());
    int64_t panels = llvm::divideCeilSigned(
        cast<MemRefType>(product.getC().getType()).getDimSize(1),
        b.getDimSize(2));
    if (!b.isDynamicDim(0))
      return success();
    return require(op, [&](OpBuilder &builder) {
      return compare(builder, op->getLoc(), arith::CmpIPredicate::eq,
                     size(builder, op->getLoc(), product.getB(), 0),
                     constant(builder, op->getLoc(), panels));
    });
  }
  if (auto transform = dyn_cast<LibraryTransformOp>(op))
    return checkEqual(op, transform.getSource(), 0, transform.getTarget(), 0);
  if (auto product = dyn_cast<LibraryProductOp>(op))
    return checkEqual(op, product.getX(), 0, product.getY(), 0);
  return success();
}

struct CheckBoundsPass
    : public bfly::impl::CheckBoundsPassBase<CheckBoundsPass> {
  using CheckBoundsPassBase::CheckBoundsPassBase;

  void runOnOperation() override {
    func::FuncOp function = getOperation();
    if (function.isExternal())
      return;
    if (failed(checkLives(function)))
      return signalPassFailure();
    SmallVector<Operation *> all;
    function.walk([&](Operation *op) { all.push_back(op); });
    Checker checker(function, onGPU);
    for (Operation *op : all)
      if (failed(checker.check(op)))
        return signalPassFailure();
  }
};

} // namespace
