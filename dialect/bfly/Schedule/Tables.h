// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The constants of a transform: roots of unity and the chirps of Bluestein's
// algorithm, in long double. Whoever stores them rounds them, once.

#ifndef BFLY_SCHEDULE_TABLES_H
#define BFLY_SCHEDULE_TABLES_H

#include "bfly/IR/Bfly.h"
#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/SmallVector.h"
#include <complex>

namespace mlir::bfly {

/// e^(-2 pi i k / n), for any k and n >= 1. Angles are reduced to an eighth of
/// a turn in integers first, so that multiples of a quarter are exact, the
/// symmetries between octants hold bit for bit, and a large k loses nothing.
std::complex<long double> getRootOfUnity(int64_t k, int64_t n);

/// The first `rows` rows of a `bfly.table` of this kind and order, which must
/// satisfy the constraints of that operation.
SmallVector<std::complex<long double>>
computeTable(TableKind kind, int64_t order, int64_t rows);

/// `value` rounded to nearest in `type`, f32 or f64, in one step.
llvm::APFloat roundToType(long double value, FloatType type);

} // namespace mlir::bfly

#endif // BFLY_SCHEDULE_TABLES_H
