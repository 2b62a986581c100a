// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Formulas of derivatives, on real numbers, complex ones and tensors of reals.

#ifndef BFLY_LIB_TRANSFORMS_RULEBUILDER_H
#define BFLY_LIB_TRANSFORMS_RULEBUILDER_H

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Complex/IR/Complex.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::bfly {

/// Makes operations where a derivative's are made. Both operands of one have
/// one type.
class RuleBuilder {
public:
  RuleBuilder(OpBuilder &builder, Operation *op)
      : builder(builder), loc(op->getLoc()) {}

  static bool isComplex(Value value) {
    return isa<ComplexType>(value.getType());
  }

  /// A number of the type, and for a tensor of the sizes, of `like`.
  Value number(Value like, double value) {
    if (isComplex(like)) {
      Type part = cast<ComplexType>(like.getType()).getElementType();
      ArrayAttr parts = builder.getArrayAttr(
          {builder.getFloatAttr(part, value), builder.getFloatAttr(part, 0)});
      return complex::ConstantOp::create(builder, loc, like.getType(), parts);
    }
    auto type = dyn_cast<RankedTensorType>(like.getType());
    Type elementType = getElementTypeOrSelf(like.getType());
    TypedAttr attr = isa<FloatType>(elementType)
                         ? TypedAttr(builder.getFloatAttr(elementType, value))
                         : builder.getIntegerAttr(elementType, int64_t(value));
    if (!type)
      return arith::ConstantOp::create(builder, loc, attr);
    if (type.hasStaticShape())
      return arith::ConstantOp::create(
          builder, loc, DenseElementsAttr::get(type, Attribute(attr)));
    SmallVector<Value> sizes;
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      if (type.isDynamicDim(dim))
        sizes.push_back(tensor::DimOp::create(builder, loc, like, dim));
    Value scalar = arith::ConstantOp::create(builder, loc, attr);
    return tensor::SplatOp::create(builder, loc, scalar, type, sizes);
  }

  Value add(Value a, Value b) {
    return both<arith::AddFOp, complex::AddOp>(a, b);
  }
  Value sub(Value a, Value b) {
    return both<arith::SubFOp, complex::SubOp>(a, b);
  }
  Value mul(Value a, Value b) {
    return both<arith::MulFOp, complex::MulOp>(a, b);
  }
  Value div(Value a, Value b) {
    return both<arith::DivFOp, complex::DivOp>(a, b);
  }
  Value neg(Value a) {
    return isComplex(a) ? make<complex::NegOp>(a) : make<arith::NegFOp>(a);
  }
  /// The conjugate; a real number itself.
  Value conj(Value a) { return isComplex(a) ? make<complex::ConjOp>(a) : a; }
  Value scaled(double factor, Value a) { return mul(number(a, factor), a); }
  Value plus(Value a, double value) { return add(a, number(a, value)); }
  /// 1 - a, and 1 / a.
  Value complement(Value a) { return sub(number(a, 1), a); }
  Value inverse(Value a) { return div(number(a, 1), a); }

  /// Of real numbers.
  Value compare(arith::CmpFPredicate predicate, Value a, Value b) {
    return arith::CmpFOp::create(builder, loc, predicate, a, b);
  }
  Value select(Value condition, Value a, Value b) {
    return arith::SelectOp::create(builder, loc, condition, a, b);
  }
  /// Whether a number is 0.
  Value isZero(Value a) {
    if (isComplex(a))
      return complex::EqualOp::create(builder, loc, a, number(a, 0));
    return compare(arith::CmpFPredicate::OEQ, a, number(a, 0));
  }
  /// a / b, 0 where b is.
  Value over(Value a, Value b) {
    Value zero = isZero(b);
    Value safe = select(zero, number(b, 1), b);
    return select(zero, number(a, 0), div(a, safe));
  }

  Value re(Value a) { return make<complex::ReOp>(a); }
  Value im(Value a) { return make<complex::ImOp>(a); }
  Value complexOf(Value re, Value im) {
    auto type = ComplexType::get(re.getType());
    return complex::CreateOp::create(builder, loc, type, re, im);
  }

  template <typename OpTy, typename... Values> Value make(Values... operands) {
    return OpTy::create(builder, loc, operands...);
  }

  OpBuilder &builder;
  Location loc;

private:
  template <typename Real, typename Complex> Value both(Value a, Value b) {
    return isComplex(a) ? make<Complex>(a, b) : make<Real>(a, b);
  }
};

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_RULEBUILDER_H
