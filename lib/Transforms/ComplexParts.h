// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Complex values as pairs of real ones, for the expansion of operations on
// them.

#ifndef BFLY_LIB_TRANSFORMS_COMPLEXPARTS_H
#define BFLY_LIB_TRANSFORMS_COMPLEXPARTS_H

#include "RegisterArith.h"
#include "mlir/Dialect/Complex/IR/Complex.h"
#include "mlir/IR/PatternMatch.h"

namespace mlir::bfly {

/// A complex value as two real ones.
struct Parts {
  Value re, im;
};

/// The type of the parts where `type` is complex, of 16 bits to f64; else null.
inline FloatType getPartType(Type type) {
  auto complexType = dyn_cast<ComplexType>(type);
  if (!complexType)
    return nullptr;
  auto part = dyn_cast<FloatType>(complexType.getElementType());
  bool isKnown =
      isa_and_nonnull<Float16Type, BFloat16Type, Float32Type, Float64Type>(
          part);
  return isKnown ? part : nullptr;
}

/// The parts of a value, of a constant or of `complex.create` where it is one.
Parts getParts(ImplicitLocOpBuilder &builder, Value value);

/// a / b, |a|.
Parts divideParts(RegisterArith &arith, Parts a, Parts b);
Value absOfParts(RegisterArith &arith, Parts a);

/// A pattern that gets its operands as parts and returns the result's. What is
/// of 16 bits is computed in f32.
template <typename OpTy, typename Derived>
struct PartsPattern : OpRewritePattern<OpTy> {
  // Ahead of upstream's, of benefit 1.
  explicit PartsPattern(MLIRContext *context)
      : OpRewritePattern<OpTy>(context, /*benefit=*/2) {}

  LogicalResult matchAndRewrite(OpTy op,
                                PatternRewriter &rewriter) const override {
    FloatType stored = getPartType(op->getOperand(0).getType());
    if (!stored)
      return failure();
    FloatType computed =
        stored.getWidth() < 32 ? rewriter.getF32Type() : stored;
    // What the operation allows already, it still does.
    arith::FastMathFlags flags =
        flagsOf(op.getFastmath()) | arith::FastMathFlags::contract;
    RegisterArith arith(rewriter, op.getLoc(), computed, flags);
    SmallVector<Parts> operands;
    for (Value operand : op->getOperands())
      if (getPartType(operand.getType())) {
        Parts parts = getParts(arith.getBuilder(), operand);
        operands.push_back({arith.convert(parts.re, computed),
                            arith.convert(parts.im, computed)});
      }
    replace(rewriter, op, arith, stored, Derived::expand(arith, op, operands));
    return success();
  }

private:
  static arith::FastMathFlags
  flagsOf(std::optional<arith::FastMathFlags> flags) {
    return flags.value_or(arith::FastMathFlags::none);
  }
  static void replace(PatternRewriter &rewriter, OpTy op, RegisterArith &arith,
                      FloatType stored, Parts result) {
    Value re = arith.convert(result.re, stored);
    Value im = arith.convert(result.im, stored);
    rewriter.replaceOpWithNewOp<complex::CreateOp>(op, op.getType(), re, im);
  }
  static void replace(PatternRewriter &rewriter, OpTy op, RegisterArith &arith,
                      FloatType stored, Value result) {
    rewriter.replaceOp(op, arith.convert(result, stored));
  }
};

/// Exponentials, roots, powers and trigonometric functions.
void populateComplexFunctionPatterns(RewritePatternSet &patterns);

} // namespace mlir::bfly

#endif // BFLY_LIB_TRANSFORMS_COMPLEXPARTS_H
