// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// memref.copy between layouts that one memcpy does not serve.

#include "bfly-runtime.h"

#include <cstring>

namespace {

/// An unranked memref, as MLIR's convention passes it.
struct UnrankedMemRef {
  int64_t rank;
  void *descriptor;
};

/// The descriptor of a memref, as MLIR's convention passes it: its sizes and
/// strides follow, as many of each as its rank.
struct MemRefHeader {
  char *allocated, *aligned;
  int64_t offset;
  int64_t sizes[1];
};

/// Copies the dimensions from `dimension` on; strides are in elements.
void copy(int64_t bytes, int64_t rank, int64_t dimension, const int64_t *sizes,
          const char *source, const int64_t *sourceStrides, char *target,
          const int64_t *targetStrides) {
  if (dimension == rank) {
    std::memcpy(target, source, bytes);
    return;
  }
  int64_t size = sizes[dimension];
  int64_t sourceStep = sourceStrides[dimension] * bytes;
  int64_t targetStep = targetStrides[dimension] * bytes;
  if (dimension == rank - 1 && sourceStep == bytes && targetStep == bytes) {
    std::memcpy(target, source, size * bytes);
    return;
  }
  for (int64_t i = 0; i < size; ++i)
    copy(bytes, rank, dimension + 1, sizes, source + i * sourceStep,
         sourceStrides, target + i * targetStep, targetStrides);
}

} // namespace

extern "C" void memrefCopy(int64_t elementBytes, void *source, void *target) {
  auto *from = static_cast<UnrankedMemRef *>(source);
  auto *to = static_cast<UnrankedMemRef *>(target);
  auto *in = static_cast<MemRefHeader *>(from->descriptor);
  auto *out = static_cast<MemRefHeader *>(to->descriptor);
  int64_t rank = from->rank;
  const int64_t *sizes = rank ? in->sizes : nullptr;
  for (int64_t i = 0; i < rank; ++i)
    if (sizes[i] == 0)
      return;
  copy(elementBytes, rank, 0, sizes, in->aligned + in->offset * elementBytes,
       rank ? sizes + rank : nullptr, out->aligned + out->offset * elementBytes,
       rank ? out->sizes + rank : nullptr);
}
