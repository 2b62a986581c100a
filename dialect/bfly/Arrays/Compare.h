// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Compares a result with what was expected.

#ifndef BFLY_ARRAYS_COMPARE_H
#define BFLY_ARRAYS_COMPARE_H

#include "bfly/Arrays/HostArray.h"

#include <string>

namespace mlir::bfly {

struct CompareOptions {
  /// The largest relative error that passes. A NaN lets nothing pass.
  double tolerance = 1e-5;
  /// A lower bound for the norm that the error is divided by, for results that
  /// are the small remainder of something large.
  double minimalNorm = 0;
  /// NaN equals NaN, and is left out of the norms.
  bool equalNaN = false;
};

/// The largest relative error of a result of this type that passes where nobody
/// says: the bounds of docs/definitions.md, rounded up over the lengths and
/// operations in use.
double getTolerance(ElementType type);

struct Comparison {
  bool matches = false;
  /// ‖actual − expected‖₂ / max(‖expected‖₂, minimalNorm), computed in double.
  /// 0 if both are 0; infinite where it cannot be computed: types or shapes
  /// that do not fit, a NaN anywhere, an infinity in one array alone.
  double relativeError = 0;
  /// Elements further off than tolerance times the larger of the expected
  /// magnitude and its root mean square, or not finite as expected. Counted
  /// only if the arrays do not match.
  int64_t numOff = 0;
  /// Where the error is largest, or the first value that cannot pass; empty if
  /// types or shapes do not fit, and for scalars and arrays without elements.
  llvm::SmallVector<int64_t> worstIndex;
  /// One line for people: what did not match and by how much; for a match, its
  /// relative error.
  std::string message;
};

/// Compares `actual` with `expected`. Shapes must be equal; so must the types,
/// except that any real floating-point type is comparable with any other (the
/// reference of an f32 result is often f64), and integers with integers.
/// Equal infinities count as equal, and are left out of the norms.
Comparison compareArrays(const HostArray &actual, const HostArray &expected,
                         const CompareOptions &options = {});

} // namespace mlir::bfly

#endif // BFLY_ARRAYS_COMPARE_H
