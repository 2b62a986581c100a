// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Factoring of a transform's length into passes.

#ifndef BFLY_SCHEDULE_RADICES_H
#define BFLY_SCHEDULE_RADICES_H

#include "llvm/ADT/SmallVector.h"
#include <cstdint>

namespace mlir::bfly {

/// Largest prime that has a radix pass of its own; a length with a larger
/// factor goes through Bluestein's algorithm.
inline constexpr int64_t kLargestPrimeRadix = 13;

/// Radices, each at most `largest` (a power of two) or a prime up to
/// kLargestPrimeRadix, whose product is `length`; of a power of two, as few and
/// as even as possible, larger ones first. Empty for length 1. Empty, too, for
/// a length with a larger prime factor: `needsBluestein` tells.
llvm::SmallVector<int64_t> factorIntoRadices(int64_t length, int64_t largest);

/// Whether `length` has a prime factor above kLargestPrimeRadix.
bool needsBluestein(int64_t length);

/// The power of two that Bluestein's convolution of `length` points needs.
int64_t getBluesteinLength(int64_t length);

} // namespace mlir::bfly

#endif // BFLY_SCHEDULE_RADICES_H
