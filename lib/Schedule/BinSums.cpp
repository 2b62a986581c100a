// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Shared memory for the sums over bins of a `bfly.spectrum_map` on a GPU.

#include "PlanParts.h"
#include "bfly/Schedule/Plan.h"

#include <algorithm>

using namespace mlir;
using namespace mlir::bfly;

/// What is left for sums; where even one item of each column takes more, that.
static constexpr int64_t kSumsBytes = 16 << 10;

/// Of one item: a slab's two parts have their own, and adding up by pairs takes
/// half as much again.
static int64_t getItemBytes(int64_t columns, int64_t sums, int64_t bytes) {
  return multiply({3, columns, sums, bytes});
}

int64_t mlir::bfly::getSumsBytes(int64_t columns, int64_t sums,
                                 int64_t elementBytes) {
  int64_t item = getItemBytes(columns, sums, elementBytes);
  return sums ? std::max(kSumsBytes, item) : 0;
}

int64_t mlir::bfly::getMostItemsOfSums(int64_t columns, int64_t sums,
                                       int64_t elementBytes) {
  int64_t item = getItemBytes(columns, sums, elementBytes);
  return std::max<int64_t>(1, kSumsBytes / item);
}
