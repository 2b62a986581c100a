// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Schedule/Radices.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir::bfly;

/// What is left of `length` without its factors up to kLargestPrimeRadix, which
/// go to `factors`, those of two apart.
static int64_t splitFactors(int64_t length, int64_t &twos,
                            llvm::SmallVectorImpl<int64_t> &factors) {
  twos = llvm::countr_zero(static_cast<uint64_t>(length));
  length >>= twos;
  for (int64_t prime = 3; prime <= kLargestPrimeRadix; prime += 2)
    while (length % prime == 0) {
      factors.push_back(prime);
      length /= prime;
    }
  return length;
}

bool mlir::bfly::needsBluestein(int64_t length) {
  int64_t twos;
  llvm::SmallVector<int64_t> factors;
  return splitFactors(length, twos, factors) != 1;
}

int64_t mlir::bfly::getBluesteinLength(int64_t length) {
  return llvm::PowerOf2Ceil(2 * length - 1);
}

llvm::SmallVector<int64_t> mlir::bfly::factorIntoRadices(int64_t length,
                                                         int64_t largest) {
  int64_t twos;
  llvm::SmallVector<int64_t> factors, radices;
  if (splitFactors(length, twos, factors) != 1)
    return {};
  int64_t most = llvm::Log2_64(largest);
  int64_t passes = llvm::divideCeil(twos, most);
  for (int64_t pass = 0; pass < passes; ++pass)
    radices.push_back(int64_t(1) << ((twos + passes - 1 - pass) / passes));
  llvm::sort(radices, std::greater<>());
  llvm::sort(factors, std::greater<>());
  radices.append(factors);
  return radices;
}
