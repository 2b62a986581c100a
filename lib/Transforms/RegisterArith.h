// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Arithmetic on values in registers, as the expansions emit it.

#ifndef BFLY_LIB_TRANSFORMS_REGISTERARITH_H
#define BFLY_LIB_TRANSFORMS_REGISTERARITH_H

#include "bfly/Schedule/Tables.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "mlir/IR/TypeUtilities.h"

namespace mlir::bfly {

/// Operations on f32, f64 or vectors of them. Each is marked `contract` (a
/// product and a sum fuse only where both are) and, unless the caller has more
/// to say, nothing else: a transform's rounding errors are small because its
/// sums stay in their order.
class RegisterArith {
public:
  RegisterArith(OpBuilder &builder, Location loc, Type type,
                arith::FastMathFlags flags = arith::FastMathFlags::contract)
      : builder(loc, builder), type(type), flags(flags) {}

  Value add(Value a, Value b) {
    return arith::AddFOp::create(builder, a, b, flags);
  }
  Value sub(Value a, Value b) {
    return arith::SubFOp::create(builder, a, b, flags);
  }
  Value mul(Value a, Value b) {
    return arith::MulFOp::create(builder, a, b, flags);
  }
  Value div(Value a, Value b) {
    return arith::DivFOp::create(builder, a, b, flags);
  }
  Value neg(Value a) { return arith::NegFOp::create(builder, a, flags); }
  Value abs(Value a) { return math::AbsFOp::create(builder, a, flags); }
  Value sqrt(Value a) { return math::SqrtOp::create(builder, a, flags); }
  Value mul(Value a, long double b) { return mul(a, constant(b)); }

  /// A function of the math dialect.
  template <typename OpTy, typename... Operands>
  Value call(Operands... operands) {
    return OpTy::create(builder, operands..., flags);
  }

  /// `value` in another floating-point type.
  Value convert(Value value, FloatType to) {
    unsigned from = value.getType().getIntOrFloatBitWidth();
    if (value.getType() == to)
      return value;
    if (from < to.getWidth())
      return arith::ExtFOp::create(builder, to, value);
    return arith::TruncFOp::create(builder, to, value);
  }

  /// A comparison that is false where an operand is NaN.
  Value compare(arith::CmpFPredicate predicate, Value a, Value b) {
    return arith::CmpFOp::create(builder, predicate, a, b);
  }
  Value select(Value condition, Value a, Value b) {
    return arith::SelectOp::create(builder, condition, a, b);
  }

  /// `value`, rounded once, in every lane.
  Value constant(long double value) {
    llvm::APFloat rounded = roundToType(value, getElementType());
    TypedAttr attribute;
    if (auto shaped = dyn_cast<ShapedType>(type))
      attribute = DenseElementsAttr::get(shaped, rounded);
    else
      attribute = builder.getFloatAttr(type, rounded);
    return arith::ConstantOp::create(builder, attribute);
  }

  FloatType getElementType() {
    return cast<FloatType>(getElementTypeOrSelf(type));
  }
  ImplicitLocOpBuilder &getBuilder() { return builder; }

private:
  ImplicitLocOpBuilder builder;
  Type type;
  arith::FastMathFlags flags;
};

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_REGISTERARITH_H
