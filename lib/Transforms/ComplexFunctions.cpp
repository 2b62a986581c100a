// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Functions of complex numbers as functions of their parts. Upstream's
// expansions cancel near 0 and overflow where the result does not; these keep a
// few units in the last place of the larger part there, and use no branch.

#include "ComplexParts.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace mlir::bfly;
using Predicate = arith::CmpFPredicate;

namespace {

/// Powers of two: a value whose larger part is above `high` is scaled by
/// `down`, one below `low` by `up`, before its parts are squared. They are such
/// that no square overflows, the square of the larger part keeps its precision,
/// a subnormal part is brought back to full range, the factors' reciprocals
/// are normal, and so are their square roots.
struct SquareScales {
  int high, low, down, up;
};
constexpr SquareScales kScalesF32 = {60, -50, -66, 100};
constexpr SquareScales kScalesF64 = {500, -450, -600, 700};

/// A value scaled, its norm, and the factor that takes the norm (or its square
/// root) back.
struct Scaled {
  Parts parts;
  Value norm, unscale, unscaleRoot;
};

bool isF32(RegisterArith &arith) { return arith.getElementType().isF32(); }

Scaled scaleParts(RegisterArith &arith, Parts x) {
  SquareScales scales = isF32(arith) ? kScalesF32 : kScalesF64;
  auto power = [&](int exponent) {
    return arith.constant(std::ldexp(1.0L, exponent));
  };
  // A comparison and a select is what x86 has as one instruction; a NaN gets
  // through the squares, whichever scale it meets.
  Value re = arith.abs(x.re), im = arith.abs(x.im);
  Value larger = arith.select(arith.compare(Predicate::OGT, re, im), re, im);
  Value isHigh = arith.compare(Predicate::OGT, larger, power(scales.high));
  Value isLow = arith.compare(Predicate::OLT, larger, power(scales.low));
  auto choose = [&](int down, int up) {
    return arith.select(isHigh, power(down),
                        arith.select(isLow, power(up), power(0)));
  };
  Value scale = choose(scales.down, scales.up);
  Scaled result;
  result.parts = {arith.mul(x.re, scale), arith.mul(x.im, scale)};
  result.norm =
      arith.sqrt(arith.add(arith.mul(result.parts.re, result.parts.re),
                           arith.mul(result.parts.im, result.parts.im)));
  result.unscale = choose(-scales.down, -scales.up);
  result.unscaleRoot = choose(-scales.down / 2, -scales.up / 2);
  return result;
}

Value isZero(RegisterArith &arith, Value x) {
  return arith.compare(Predicate::OEQ, x, arith.constant(0));
}

Value isInfinite(RegisterArith &arith, Value x) {
  return arith.compare(
      Predicate::OEQ, arith.abs(x),
      arith.constant(std::numeric_limits<long double>::infinity()));
}

Value either(RegisterArith &arith, Value a, Value b) {
  return arith::OrIOp::create(arith.getBuilder(), a, b);
}

Value both(RegisterArith &arith, Value a, Value b) {
  return arith::AndIOp::create(arith.getBuilder(), a, b);
}

Parts selectParts(RegisterArith &arith, Value condition, Parts a, Parts b) {
  return {arith.select(condition, a.re, b.re),
          arith.select(condition, a.im, b.im)};
}

Parts multiplyParts(RegisterArith &arith, Parts a, Parts b) {
  return {arith.sub(arith.mul(a.re, b.re), arith.mul(a.im, b.im)),
          arith.add(arith.mul(a.re, b.im), arith.mul(a.im, b.re))};
}

/// Above this e^x is infinite, though a product by it may not be.
Value exceedsExp(RegisterArith &arith, Value x) {
  return arith.compare(Predicate::OGT, x,
                       arith.constant(isF32(arith) ? 88.0L : 709.0L));
}

/// e^x (cos y, sin y); where e^x would be infinite it is multiplied in halves.
Parts exponential(RegisterArith &arith, Parts x) {
  Value isLarge = exceedsExp(arith, x.re);
  Value half = arith.select(isLarge, arith.mul(x.re, 0.5L), x.re);
  Value exp = arith.call<math::ExpOp>(half);
  Value rest = arith.select(isLarge, exp, arith.constant(1));
  Value re = arith.mul(arith.mul(exp, arith.call<math::CosOp>(x.im)), rest);
  Value im = arith.mul(arith.mul(exp, arith.call<math::SinOp>(x.im)), rest);
  // An infinity times 0.
  return {re, arith.select(isZero(arith, x.im), x.im, im)};
}

/// log |x| with the larger part l and the smaller s: log l + log1p((s/l)^2)
/// / 2.
Parts logarithm(RegisterArith &arith, Parts x) {
  Value re = arith.abs(x.re), im = arith.abs(x.im);
  Value isLarger = arith.compare(Predicate::OGT, re, im);
  Value larger = arith.select(isLarger, re, im);
  Value smaller = arith.select(isLarger, im, re);
  Value ratio = arith.select(
      either(arith, isZero(arith, larger), isInfinite(arith, larger)),
      arith.constant(0), arith.div(smaller, larger));
  Value tail = arith.call<math::Log1pOp>(arith.mul(ratio, ratio));
  return {arith.add(arith.call<math::LogOp>(larger), arith.mul(tail, 0.5L)),
          arith.call<math::Atan2Op>(x.im, x.re)};
}

/// With w = sqrt((|re| + |x|) / 2): (w, im / 2w), or swapped for a negative
/// real part.
Parts squareRoot(RegisterArith &arith, Parts x) {
  Scaled scaled = scaleParts(arith, x);
  Value re = scaled.parts.re, im = scaled.parts.im;
  Value w = arith.sqrt(
      arith.mul(arith.add(arith.abs(re), scaled.norm), arith.constant(0.5L)));
  Value other =
      arith.select(isZero(arith, w), im, arith.div(im, arith.mul(w, 2.0L)));
  Value isRight = arith.compare(Predicate::OGE, re, arith.constant(0));
  Parts root =
      selectParts(arith, isRight, {w, other},
                  {arith.abs(other), arith.call<math::CopySignOp>(w, im)});
  root = {arith.mul(root.re, scaled.unscaleRoot),
          arith.mul(root.im, scaled.unscaleRoot)};
  return selectParts(arith, isInfinite(arith, x.im), {arith.abs(x.im), x.im},
                     root);
}

/// exp(w log z), in f64. 0 to a power of a positive real part is 0.
Parts power(RegisterArith &arith, Parts z, Parts w) {
  FloatType type = arith.getElementType();
  FloatType wide = arith.getBuilder().getF64Type();
  RegisterArith inF64(arith.getBuilder(), arith.getBuilder().getLoc(), wide);
  auto widen = [&](Parts x) -> Parts {
    return {inF64.convert(x.re, wide), inF64.convert(x.im, wide)};
  };
  z = widen(z), w = widen(w);
  Parts result =
      exponential(inF64, multiplyParts(inF64, w, logarithm(inF64, z)));
  Value zero = inF64.constant(0), one = inF64.constant(1);
  Value isNothing = both(inF64, isZero(inF64, z.re), isZero(inF64, z.im));
  Value isPositive = inF64.compare(Predicate::OGT, w.re, zero);
  Value isUnit = both(inF64, isZero(inF64, w.re), isZero(inF64, w.im));
  result = selectParts(inF64, both(inF64, isNothing, isPositive), {zero, zero},
                       result);
  result = selectParts(inF64, isUnit, {one, zero}, result);
  return {inF64.convert(result.re, type), inF64.convert(result.im, type)};
}

/// (cosh x, sinh x), each times the factor beside it; in halves where they
/// would be infinite and the product is not.
Parts timesCoshSinh(RegisterArith &arith, Value x, Value a, Value b) {
  Value size = arith.abs(x);
  Value isLarge = exceedsExp(arith, size);
  Value exp = arith.call<math::ExpOp>(arith.mul(size, 0.5L));
  Value half = arith.mul(exp, 0.5L);
  auto large = [&](Value factor) {
    return arith.mul(arith.mul(exp, factor), half);
  };
  Value signedB =
      arith.mul(b, arith.call<math::CopySignOp>(arith.constant(1), x));
  return selectParts(arith, isLarge, {large(a), large(signedB)},
                     {arith.mul(arith.call<math::CoshOp>(x), a),
                      arith.mul(arith.call<math::SinhOp>(x), b)});
}

/// tanh(x + iy) = (sinh x cosh x + i sin y cos y) / (sinh^2 x + cos^2 y), where
/// nothing cancels; for a large x it is ±1 + 4i sin y cos y e^(-2|x|).
Parts hyperbolicTangent(RegisterArith &arith, Parts z) {
  Value size = arith.abs(z.re);
  Value isLarge = arith.compare(Predicate::OGT, size,
                                arith.constant(isF32(arith) ? 10.0L : 20.0L));
  Value x = arith.select(isLarge, arith.constant(1), z.re);
  Value sinh = arith.call<math::SinhOp>(x), cosh = arith.call<math::CoshOp>(x);
  Value sin = arith.call<math::SinOp>(z.im),
        cos = arith.call<math::CosOp>(z.im);
  Value wave = arith.mul(sin, cos);
  Value divisor = arith.add(arith.mul(sinh, sinh), arith.mul(cos, cos));
  Value decay = arith.call<math::ExpOp>(arith.mul(size, -2.0L));
  Value far = arith.mul(arith.mul(wave, 4.0L), decay);
  return selectParts(
      arith, isLarge,
      {arith.call<math::CopySignOp>(arith.constant(1), z.re), far},
      {arith.div(arith.mul(sinh, cosh), divisor), arith.div(wave, divisor)});
}

struct ExpandAbs : PartsPattern<complex::AbsOp, ExpandAbs> {
  using PartsPattern::PartsPattern;
  static Value expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return absOfParts(arith, x[0]);
  }
};

struct ExpandAngle : PartsPattern<complex::AngleOp, ExpandAngle> {
  using PartsPattern::PartsPattern;
  static Value expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return arith.call<math::Atan2Op>(x[0].im, x[0].re);
  }
};

/// -i log((w + iz) / sqrt((w + iz) (w - iz))): the product does not cancel
/// where z^2 + w^2 would.
struct ExpandAtan2 : PartsPattern<complex::Atan2Op, ExpandAtan2> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    Parts z = x[0], w = x[1];
    Parts plus = {arith.sub(w.re, z.im), arith.add(w.im, z.re)};
    Parts minus = {arith.add(w.re, z.im), arith.sub(w.im, z.re)};
    Parts root = squareRoot(arith, multiplyParts(arith, plus, minus));
    Parts log = logarithm(arith, divideParts(arith, plus, root));
    return {log.im, arith.neg(log.re)};
  }
};

struct ExpandSign : PartsPattern<complex::SignOp, ExpandSign> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    Scaled scaled = scaleParts(arith, x[0]);
    return selectParts(arith, isZero(arith, scaled.norm), x[0],
                       {arith.div(scaled.parts.re, scaled.norm),
                        arith.div(scaled.parts.im, scaled.norm)});
  }
};

struct ExpandExp : PartsPattern<complex::ExpOp, ExpandExp> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return exponential(arith, x[0]);
  }
};

/// The real part is expm1(x) cos y - 2 sin^2(y / 2).
struct ExpandExpm1 : PartsPattern<complex::Expm1Op, ExpandExpm1> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    Parts exp = exponential(arith, x[0]);
    Value sin = arith.call<math::SinOp>(arith.mul(x[0].im, 0.5L));
    Value re = arith.sub(arith.mul(arith.call<math::ExpM1Op>(x[0].re),
                                   arith.call<math::CosOp>(x[0].im)),
                         arith.mul(arith.mul(sin, sin), 2.0L));
    return {arith.select(exceedsExp(arith, x[0].re), exp.re, re), exp.im};
  }
};

struct ExpandLog : PartsPattern<complex::LogOp, ExpandLog> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return logarithm(arith, x[0]);
  }
};

/// Near 0, |1 + z|^2 - 1 is x (2 + x) + y^2; elsewhere 1 + x loses nothing that
/// counts.
struct ExpandLog1p : PartsPattern<complex::Log1pOp, ExpandLog1p> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    Value re = x[0].re, im = x[0].im, one = arith.constant(1);
    Parts far = logarithm(arith, {arith.add(one, re), im});
    Value excess = arith.add(arith.mul(re, arith.add(arith.constant(2), re)),
                             arith.mul(im, im));
    Value near = arith.mul(arith.call<math::Log1pOp>(excess), 0.5L);
    Value isNear =
        both(arith,
             arith.compare(Predicate::OLT, arith.abs(re), arith.constant(0.5L)),
             arith.compare(Predicate::OLT, arith.abs(im), one));
    return {arith.select(isNear, near, far.re), far.im};
  }
};

struct ExpandSqrt : PartsPattern<complex::SqrtOp, ExpandSqrt> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return squareRoot(arith, x[0]);
  }
};

struct ExpandRsqrt : PartsPattern<complex::RsqrtOp, ExpandRsqrt> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return divideParts(arith, {arith.constant(1), arith.constant(0)},
                       squareRoot(arith, x[0]));
  }
};

struct ExpandPow : PartsPattern<complex::PowOp, ExpandPow> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return power(arith, x[0], x[1]);
  }
};

/// Small constant powers are products.
struct ExpandPowi : PartsPattern<complex::PowiOp, ExpandPowi> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *op, ArrayRef<Parts> x) {
    Value exponent = op->getOperand(1);
    ImplicitLocOpBuilder &builder = arith.getBuilder();
    Parts one = {arith.constant(1), arith.constant(0)};
    APInt constant;
    if (matchPattern(exponent, m_ConstantInt(&constant)) &&
        constant.abs().ule(16)) {
      Parts result = one, square = x[0];
      uint64_t bits = constant.abs().getZExtValue();
      for (bool isFirst = true; bits; bits >>= 1) {
        if (bits & 1) {
          result = isFirst ? square : multiplyParts(arith, result, square);
          isFirst = false;
        }
        square = multiplyParts(arith, square, square);
      }
      return constant.isNegative() ? divideParts(arith, one, result) : result;
    }
    if (isa<IndexType>(exponent.getType()))
      exponent =
          arith::IndexCastOp::create(builder, builder.getI64Type(), exponent);
    Value real =
        arith::SIToFPOp::create(builder, builder.getF64Type(), exponent);
    Value zero = arith::ConstantOp::create(builder, builder.getF64FloatAttr(0));
    return power(arith, x[0], {real, zero});
  }
};

/// sin x cosh y + i cos x sinh y.
struct ExpandSin : PartsPattern<complex::SinOp, ExpandSin> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return timesCoshSinh(arith, x[0].im, arith.call<math::SinOp>(x[0].re),
                         arith.call<math::CosOp>(x[0].re));
  }
};

/// cos x cosh y - i sin x sinh y.
struct ExpandCos : PartsPattern<complex::CosOp, ExpandCos> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return timesCoshSinh(arith, x[0].im, arith.call<math::CosOp>(x[0].re),
                         arith.neg(arith.call<math::SinOp>(x[0].re)));
  }
};

struct ExpandTanh : PartsPattern<complex::TanhOp, ExpandTanh> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    return hyperbolicTangent(arith, x[0]);
  }
};

/// tan z = -i tanh(iz).
struct ExpandTan : PartsPattern<complex::TanOp, ExpandTan> {
  using PartsPattern::PartsPattern;
  static Parts expand(RegisterArith &arith, Operation *, ArrayRef<Parts> x) {
    Parts turned = hyperbolicTangent(arith, {arith.neg(x[0].im), x[0].re});
    return {turned.im, arith.neg(turned.re)};
  }
};

} // namespace

/// sqrt(re^2 + im^2), scaled. Infinity for an infinite part, NaN for a NaN one.
Value mlir::bfly::absOfParts(RegisterArith &arith, Parts x) {
  Scaled scaled = scaleParts(arith, x);
  return arith.mul(scaled.norm, scaled.unscale);
}

void mlir::bfly::populateComplexFunctionPatterns(RewritePatternSet &patterns) {
  patterns.add<ExpandAbs, ExpandAngle, ExpandAtan2, ExpandCos, ExpandExp,
               ExpandExpm1, ExpandLog, ExpandLog1p, ExpandPow, ExpandPowi,
               ExpandRsqrt, ExpandSign, ExpandSin, ExpandSqrt, ExpandTan,
               ExpandTanh>(patterns.getContext());
}
