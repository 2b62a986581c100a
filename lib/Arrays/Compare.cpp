// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/Compare.h"

#include "bfly/Arrays/ArrayLiteral.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace llvm;
using namespace mlir::bfly;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A Euclidean norm whose squares neither overflow nor vanish (after J. L.
/// Blue, "A portable Fortran program to find the Euclidean norm of a vector",
/// 1978: separate sums for large, ordinary and small magnitudes).
class Norm {
public:
  void add(double value) {
    double magnitude = std::fabs(value);
    if (magnitude > kLarge)
      large += square(magnitude / kScale);
    else if (magnitude < kSmall)
      small += square(magnitude * kScale);
    else
      ordinary += magnitude * magnitude;
  }

  double result() const {
    double middle = std::sqrt(ordinary);
    if (large > 0)
      return std::hypot(std::sqrt(large), middle / kScale) * kScale;
    return std::hypot(middle, std::sqrt(small) / kScale);
  }

private:
  static double square(double value) { return value * value; }

  static constexpr double kLarge = 0x1p500, kSmall = 0x1p-500, kScale = 0x1p600;
  double large = 0, ordinary = 0, small = 0;
};

/// The two values of one scalar and how far they are apart.
struct Pair {
  double actual, expected, difference;
  /// NaN, or an infinity that the other value does not equal.
  bool isWrong() const {
    return std::isnan(difference) || std::isinf(difference);
  }
};

} // namespace

/// Calls `visit(position, pair)` for every scalar.
static void forEachScalar(const HostArray &actual, const HostArray &expected,
                          bool equalNaN,
                          function_ref<void(int64_t, const Pair &)> visit) {
  constexpr int64_t chunk = 1024;
  double a[chunk], e[chunk];
  bool exactIntegers = actual.elementType() == ElementType::I64 ||
                       expected.elementType() == ElementType::I64;
  int64_t total = actual.numScalars();
  for (int64_t first = 0; first < total; first += chunk) {
    auto count = static_cast<size_t>(std::min(chunk, total - first));
    actual.readScalars(first, MutableArrayRef(a, count));
    expected.readScalars(first, MutableArrayRef(e, count));
    for (size_t i = 0; i < count; ++i) {
      Pair pair{a[i], e[i], a[i] - e[i]};
      int64_t position = first + static_cast<int64_t>(i);
      int64_t difference;
      if (equalNaN && std::isnan(a[i]) && std::isnan(e[i])) {
        pair = {0, 0, 0};
      } else if (exactIntegers) {
        // Doubles would call different integers beyond 2^53 equal.
        if (!SubOverflow(actual.integer(position), expected.integer(position),
                         difference))
          pair.difference = static_cast<double>(difference);
      } else if (std::isinf(a[i]) && a[i] == e[i]) {
        pair.difference = 0;
      } else if (std::isinf(pair.difference) && std::isfinite(a[i]) &&
                 std::isfinite(e[i])) {
        pair.difference = std::numeric_limits<double>::max();
      }
      visit(position, pair);
    }
  }
}

/// "element [1, 2, 3]", or "the value" of a scalar.
static std::string describePosition(ArrayRef<int64_t> indices) {
  if (indices.empty())
    return "the value";
  std::string result;
  raw_string_ostream os(result);
  os << "element [";
  interleaveComma(indices, os);
  os << ']';
  return result;
}

static Comparison mismatch(const std::string &message) {
  Comparison result;
  result.relativeError = kInfinity;
  result.message = message;
  return result;
}

static bool areComparable(ElementType a, ElementType b) {
  return a == b || (isFloat(a) && isFloat(b)) || (isInteger(a) && isInteger(b));
}

namespace {
/// What one pass over all scalars finds.
struct Summary {
  Norm errorNorm, expectedNorm;
  double largestError = 0;
  int64_t largestAt = 0;
  int64_t firstWrong = -1;
};
} // namespace

static Summary summarize(const HostArray &actual, const HostArray &expected,
                         bool equalNaN) {
  Summary summary;
  forEachScalar(actual, expected, equalNaN,
                [&](int64_t position, const Pair &pair) {
                  if (pair.isWrong()) {
                    if (summary.firstWrong < 0)
                      summary.firstWrong = position;
                    return;
                  }
                  if (!std::isinf(pair.expected))
                    summary.expectedNorm.add(pair.expected);
                  summary.errorNorm.add(pair.difference);
                  if (std::fabs(pair.difference) > summary.largestError) {
                    summary.largestError = std::fabs(pair.difference);
                    summary.largestAt = position;
                  }
                });
  return summary;
}

static int64_t countOff(const HostArray &actual, const HostArray &expected,
                        const CompareOptions &options, double rootMeanSquare) {
  int64_t parts = isComplex(actual.elementType()) ? 2 : 1;
  int64_t count = 0, lastElement = -1;
  forEachScalar(actual, expected, options.equalNaN,
                [&](int64_t position, const Pair &pair) {
                  double scale =
                      std::max(std::fabs(pair.expected), rootMeanSquare);
                  // Written so that a NaN counts as off.
                  bool isOff =
                      pair.isWrong() ||
                      (pair.difference != 0 && !(std::fabs(pair.difference) <=
                                                 options.tolerance * scale));
                  if (isOff && position / parts != lastElement) {
                    ++count;
                    lastElement = position / parts;
                  }
                });
  return count;
}

double mlir::bfly::getTolerance(ElementType type) {
  switch (type) {
  case ElementType::F64:
  case ElementType::C128:
    return 1e-12;
  case ElementType::BF16:
    return 1e-2;
  case ElementType::F16:
    return 2e-3;
  default:
    return 1e-5;
  }
}

Comparison mlir::bfly::compareArrays(const HostArray &actual,
                                     const HostArray &expected,
                                     const CompareOptions &options) {
  if (actual.shape() != expected.shape())
    return mismatch("shapes differ: got " + actual.typeString() +
                    ", expected " + expected.typeString());
  if (!areComparable(actual.elementType(), expected.elementType()))
    return mismatch("element types differ: got " + actual.typeString() +
                    ", expected " + expected.typeString());

  Summary summary = summarize(actual, expected, options.equalNaN);
  double error = summary.errorNorm.result();
  double expectedNorm = summary.expectedNorm.result();
  double divisor = std::max(expectedNorm, options.minimalNorm);
  Comparison result;
  if (summary.firstWrong >= 0)
    result.relativeError = kInfinity;
  else if (error != 0) // beyond the range of double there is no telling
    result.relativeError = std::isfinite(divisor) ? error / divisor : kInfinity;
  result.matches = result.relativeError <= options.tolerance &&
                   std::isfinite(result.relativeError);

  raw_string_ostream os(result.message);
  if (actual.numElements() == 0) {
    os << "matches: " << actual.typeString() << " has no elements";
    return result;
  }
  int64_t parts = isComplex(actual.elementType()) ? 2 : 1;
  int64_t worst =
      (summary.firstWrong >= 0 ? summary.firstWrong : summary.largestAt) /
      parts;
  result.worstIndex = unflatten(worst, actual.shape());
  if (result.matches) {
    os << format("matches: relative error %.3g, tolerance %.3g",
                 result.relativeError, options.tolerance);
    return result;
  }

  double rootMeanSquare =
      expectedNorm / std::sqrt(static_cast<double>(actual.numScalars()));
  result.numOff = countOff(actual, expected, options, rootMeanSquare);
  auto printValues = [&] {
    // Digits enough to tell apart any two values of 32 bits.
    os << "got ";
    printElement(os, actual, worst, /*digits=*/9);
    os << ", expected ";
    printElement(os, expected, worst, /*digits=*/9);
  };
  if (summary.firstWrong >= 0) {
    os << "does not match: at " << describePosition(result.worstIndex) << ' ';
    printValues();
  } else {
    os << format("does not match: relative error %.3g, tolerance %.3g; largest "
                 "error %.3g at ",
                 result.relativeError, options.tolerance, summary.largestError)
       << describePosition(result.worstIndex) << ": ";
    printValues();
  }
  os << "; " << result.numOff << " of " << actual.numElements()
     << " elements off";
  return result;
}
