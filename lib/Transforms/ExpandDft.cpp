// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: transforms of a few values in registers (`bfly.dft`), of any radix.
// After: no `bfly.dft`; additions, subtractions, products by constants (odd
// primes) and `bfly.rotate` by multiples of a turn over a divisor of the radix,
// all of it straight-line and in natural order. Additions and products are
// marked `contract`, and nothing else.
//
// This is a nest of stages unrolled over registers: what would be the strides
// of a loop are indices into an array of SSA values.

#include "bfly/Transforms/Passes.h"

#include "RegisterArith.h"
#include "bfly/IR/Bfly.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/Transforms/WalkPatternRewriteDriver.h"
#include <numeric>

namespace mlir::bfly {
#define GEN_PASS_DEF_EXPANDDFTPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// A complex value in two registers.
struct Point {
  Value re, im;
};
using Points = SmallVector<Point>;

/// The smaller factor of the squarest split of `radix` in two coprime factors,
/// which need no rotations between them, or else, for a power of a prime, of
/// the squarest split: it has the fewest rotations that are not by eighths
/// (16 = 4 x 4 has four of them). 1 for a prime.
unsigned getSplit(unsigned radix) {
  unsigned split = 1, coprimeSplit = 1;
  for (unsigned divisor = 2; divisor * divisor <= radix; ++divisor) {
    if (radix % divisor)
      continue;
    split = divisor;
    if (std::gcd(divisor, radix / divisor) == 1)
      coprimeSplit = divisor;
  }
  return coprimeSplit > 1 ? coprimeSplit : split;
}

class TransformBuilder {
public:
  TransformBuilder(OpBuilder &builder, Location loc, Type type)
      : arith(builder, loc, type) {}

  /// The forward transform of the points, of any number of them.
  Points transform(ArrayRef<Point> x) {
    if (x.size() == 1)
      return Points(x);
    if (x.size() == 2)
      return {add(x[0], x[1]), sub(x[0], x[1])};
    unsigned a = getSplit(x.size()), b = x.size() / a;
    if (a == 1)
      return transformPrime(x);
    return std::gcd(a, b) == 1 ? transformCoprime(x, a, b)
                               : transformComposite(x, a, b);
  }

private:
  /// Decimation in time. With R = a b, p = a p2 + p1 and q = b q1 + q2,
  ///   p q / R = p2 q2 / b + p1 q2 / R + p1 q1 / a   (mod 1):
  /// a transforms of b values, rotations, b transforms of a values.
  Points transformComposite(ArrayRef<Point> x, unsigned a, unsigned b) {
    SmallVector<Points> rows;
    for (unsigned p1 = 0; p1 < a; ++p1) {
      Points row;
      for (unsigned p2 = 0; p2 < b; ++p2)
        row.push_back(x[a * p2 + p1]);
      row = transform(row);
      for (unsigned q2 = 0; q2 < b; ++q2)
        row[q2] = rotate(row[q2], p1 * q2, a * b);
      rows.push_back(std::move(row));
    }
    Points result(a * b);
    for (auto [q2, column] : llvm::enumerate(transformColumns(rows)))
      for (auto [q1, point] : llvm::enumerate(column))
        result[b * q1 + q2] = point;
    return result;
  }

  /// Good and Thomas: with p = b p1 + a p2 (mod R), q1 = q mod a, q2 = q mod b,
  ///   p q / R = p1 q1 / a + p2 q2 / b   (mod 1),
  /// and the two transforms do not meet. Needs gcd(a, b) = 1, or p would not
  /// reach every value.
  Points transformCoprime(ArrayRef<Point> x, unsigned a, unsigned b) {
    SmallVector<Points> rows;
    for (unsigned p1 = 0; p1 < a; ++p1) {
      Points row;
      for (unsigned p2 = 0; p2 < b; ++p2)
        row.push_back(x[(b * p1 + a * p2) % (a * b)]);
      rows.push_back(transform(row));
    }
    SmallVector<Points> columns = transformColumns(rows);
    Points result;
    for (unsigned q = 0; q < a * b; ++q)
      result.push_back(columns[q % b][q % a]);
    return result;
  }

  /// The transforms across `rows`, one for each of their places.
  SmallVector<Points> transformColumns(ArrayRef<Points> rows) {
    SmallVector<Points> columns;
    for (unsigned place = 0; place < rows.front().size(); ++place) {
      Points column;
      for (const Points &row : rows)
        column.push_back(row[place]);
      columns.push_back(transform(column));
    }
    return columns;
  }

  /// An odd prime. The roots of p and of R - p are conjugates, so with the sums
  /// t_p = x_p + x_(R-p) and the differences s_p = x_p - x_(R-p), p <= (R-1)/2,
  ///   Y_q, Y_(R-q) = A_q -+ i B_q,
  ///   A_q = x_0 + sum_p cos(2 pi p q / R) t_p,  B_q = sum_p sin(...) s_p:
  /// half the products of the definition, all of them by reals.
  Points transformPrime(ArrayRef<Point> x) {
    unsigned radix = x.size(), half = (radix - 1) / 2;
    Points sums, differences, result(radix);
    for (unsigned p = 1; p <= half; ++p) {
      sums.push_back(add(x[p], x[radix - p]));
      differences.push_back(sub(x[p], x[radix - p]));
    }
    result[0] = x[0];
    for (Point sum : sums)
      result[0] = add(result[0], sum);
    for (unsigned q = 1; q <= half; ++q) {
      Point even = x[0], odd;
      for (unsigned p = 1; p <= half; ++p) {
        std::complex<long double> root = getRootOfUnity(p * q, radix);
        even = add(even, scale(sums[p - 1], root.real()));
        Point term = scale(differences[p - 1], -root.imag());
        odd = p == 1 ? term : add(odd, term);
      }
      result[q] = {arith.add(even.re, odd.im), arith.sub(even.im, odd.re)};
      result[radix - q] = {arith.sub(even.re, odd.im),
                           arith.add(even.im, odd.re)};
    }
    return result;
  }

  Point add(Point a, Point b) {
    return {arith.add(a.re, b.re), arith.add(a.im, b.im)};
  }
  Point sub(Point a, Point b) {
    return {arith.sub(a.re, b.re), arith.sub(a.im, b.im)};
  }
  Point scale(Point a, long double factor) {
    return {arith.mul(a.re, factor), arith.mul(a.im, factor)};
  }
  Point rotate(Point a, unsigned numerator, unsigned denominator) {
    if (numerator == 0)
      return a;
    auto rotated = RotateOp::create(arith.getBuilder(), a.re, a.im, numerator,
                                    denominator);
    return {rotated.getRealResult(), rotated.getImagResult()};
  }

  RegisterArith arith;
};

struct ExpandDft : OpRewritePattern<DftOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(DftOp op,
                                PatternRewriter &rewriter) const override {
    unsigned radix = op.getRadix();
    ValueRange re = op.getValues().take_front(radix);
    ValueRange im = op.getValues().drop_front(radix);
    // Swapping real and imaginary parts is i times conjugation, so on both
    // sides of the forward transform it makes the inverse one.
    if (op.getInverse())
      std::swap(re, im);
    Points points;
    for (auto [r, i] : llvm::zip_equal(re, im))
      points.push_back({r, i});
    points = TransformBuilder(rewriter, op.getLoc(), re.front().getType())
                 .transform(points);
    SmallVector<Value> resultsRe, resultsIm;
    for (Point point : points) {
      resultsRe.push_back(point.re);
      resultsIm.push_back(point.im);
    }
    if (op.getInverse())
      std::swap(resultsRe, resultsIm);
    llvm::append_range(resultsRe, resultsIm);
    rewriter.replaceOp(op, resultsRe);
    return success();
  }
};

struct ExpandDftPass : public bfly::impl::ExpandDftPassBase<ExpandDftPass> {
  using ExpandDftPassBase::ExpandDftPassBase;

  void runOnOperation() override {
    RewritePatternSet patterns(&getContext());
    patterns.add<ExpandDft>(&getContext());
    walkAndApplyPatterns(getOperation(), std::move(patterns));
  }
};

} // namespace
