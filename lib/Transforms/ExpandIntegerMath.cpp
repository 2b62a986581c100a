// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Integer operations that a CPU traps on, or that have no value where their
// operands are out of range, get one: NumPy's, on every machine.
//
// Before: any operations of arith and index.
// After: a / 0 and a mod 0 are 0, and the least integer over -1 is itself; a
// shift by the width or more leaves 0, or the sign; a number that no integer of
// the type is near becomes the nearest one there is, and a NaN 0. Divisions
// and shifts by constants that are in range stay as they are.

#include "bfly/Transforms/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Index/IR/IndexOps.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDINTEGERMATHPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Guards one operation, whose operands it replaces; its result goes to where
/// all users look then.
class Guard {
public:
  explicit Guard(Operation *op)
      : op(op), builder(op->getLoc(), op), type(op->getResult(0).getType()) {}

  void divide(bool isSigned, bool isRemainder);
  void shift(bool keepsSign);
  void convert(bool isSigned);

private:
  Value constant(Type of, Attribute element) {
    if (auto shaped = dyn_cast<ShapedType>(of))
      element = DenseElementsAttr::get(shaped, element);
    return arith::ConstantOp::create(builder, of, cast<TypedAttr>(element));
  }
  Value integer(const APInt &value) {
    Type element = getElementTypeOrSelf(type);
    return constant(type, IntegerAttr::get(element, value));
  }
  Value integer(int64_t value) {
    return integer(APInt(getWidth(), value, /*isSigned=*/true,
                         /*implicitTrunc=*/true));
  }
  Value equal(Value a, Value b) {
    return arith::CmpIOp::create(builder, arith::CmpIPredicate::eq, a, b);
  }
  Value select(Value condition, Value a, Value b) {
    return arith::SelectOp::create(builder, condition, a, b);
  }
  /// An index is one of 64 bits.
  unsigned getWidth() {
    Type element = getElementTypeOrSelf(type);
    return element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  }
  /// Goes on behind the operation: what is made there takes its place.
  void replace(function_ref<Value(Value)> make) {
    builder.setInsertionPointAfter(op);
    Value result = op->getResult(0);
    SmallVector<OpOperand *> uses;
    for (OpOperand &use : result.getUses())
      uses.push_back(&use);
    Value better = make(result);
    for (OpOperand *use : uses)
      use->set(better);
  }

  Operation *op;
  ImplicitLocOpBuilder builder;
  Type type;
};

} // namespace

void Guard::divide(bool isSigned, bool isRemainder) {
  Value divisor = op->getOperand(1);
  APInt known;
  if (matchPattern(divisor, m_ConstantInt(&known)) && !known.isZero() &&
      !(isSigned && known.isAllOnes()))
    return;
  Value zero = integer(0);
  Value isZero = equal(divisor, zero), isMinusOne;
  Value unsafe = isZero;
  if (isSigned) {
    isMinusOne = equal(divisor, integer(-1));
    unsafe = arith::OrIOp::create(builder, isZero, isMinusOne);
  }
  op->setOperand(1, select(unsafe, integer(1), divisor));
  // By 1, which stands for 0 and -1, nothing is left over.
  if (isRemainder)
    return;
  Value dividend = op->getOperand(0);
  replace([&](Value quotient) {
    if (isSigned)
      quotient = select(
          isMinusOne, arith::SubIOp::create(builder, zero, dividend), quotient);
    return select(isZero, zero, quotient);
  });
}

void Guard::shift(bool keepsSign) {
  Value amount = op->getOperand(1);
  unsigned width = getWidth();
  APInt known;
  if (matchPattern(amount, m_ConstantInt(&known)) && known.ult(width))
    return;
  // The width of a single bit does not fit in it, nor is it needed.
  Value most = integer(APInt(width, width - 1));
  Value inside =
      arith::CmpIOp::create(builder, arith::CmpIPredicate::ule, amount, most);
  op->setOperand(1, select(inside, amount, most));
  if (keepsSign)
    return;
  Value zero = integer(0);
  replace([&](Value shifted) { return select(inside, shifted, zero); });
}

void Guard::convert(bool isSigned) {
  Value number = op->getOperand(0);
  unsigned width = getWidth();
  Type from = number.getType();
  auto element = cast<FloatType>(getElementTypeOrSelf(from));
  // The bounds are powers of two: exact, or infinite in a narrow type.
  auto bound = [&](const APInt &value) {
    APFloat rounded(element.getFloatSemantics());
    rounded.convertFromAPInt(value, /*IsSigned=*/true,
                             APFloat::rmNearestTiesToEven);
    return constant(from, FloatAttr::get(element, rounded));
  };
  APInt least = isSigned ? APInt::getSignedMinValue(width) : APInt(width, 0);
  APInt most =
      isSigned ? APInt::getSignedMaxValue(width) : APInt::getMaxValue(width);
  Value low = bound(isSigned ? least.sext(width + 2) : APInt(width + 2, 0));
  Value high = bound(most.zext(width + 2) + 1);
  auto compare = [&](arith::CmpFPredicate predicate, Value other) -> Value {
    return arith::CmpFOp::create(builder, predicate, number, other);
  };
  Value isLow = compare(arith::CmpFPredicate::OLT, low);
  Value isHigh = compare(arith::CmpFPredicate::OGE, high);
  Value isNumber = compare(arith::CmpFPredicate::ORD, number);
  Value zero = constant(from, FloatAttr::get(element, 0.0));
  Value inside = select(arith::OrIOp::create(builder, isLow, isHigh), zero,
                        select(isNumber, number, zero));
  op->setOperand(0, inside);
  Value first = integer(least), last = integer(most);
  replace([&](Value converted) {
    return select(isLow, first, select(isHigh, last, converted));
  });
}

namespace {

struct ExpandIntegerMathPass
    : public bfly::impl::ExpandIntegerMathPassBase<ExpandIntegerMathPass> {
  void runOnOperation() override {
    SmallVector<Operation *> operations;
    getOperation().walk([&](Operation *op) { operations.push_back(op); });
    for (Operation *op : operations)
      TypeSwitch<Operation *>(op)
          .Case<arith::DivUIOp, arith::CeilDivUIOp, index::DivUOp,
                index::CeilDivUOp>(
              [](Operation *op) { Guard(op).divide(false, false); })
          .Case<arith::DivSIOp, arith::CeilDivSIOp, arith::FloorDivSIOp,
                index::DivSOp, index::CeilDivSOp, index::FloorDivSOp>(
              [](Operation *op) { Guard(op).divide(true, false); })
          .Case<arith::RemUIOp, index::RemUOp>(
              [](Operation *op) { Guard(op).divide(false, true); })
          .Case<arith::RemSIOp, index::RemSOp>(
              [](Operation *op) { Guard(op).divide(true, true); })
          .Case<arith::ShLIOp, arith::ShRUIOp, index::ShlOp, index::ShrUOp>(
              [](Operation *op) { Guard(op).shift(false); })
          .Case<arith::ShRSIOp, index::ShrSOp>(
              [](Operation *op) { Guard(op).shift(true); })
          .Case<arith::FPToSIOp>([](Operation *op) { Guard(op).convert(true); })
          .Case<arith::FPToUIOp>(
              [](Operation *op) { Guard(op).convert(false); });
  }
};

} // namespace
