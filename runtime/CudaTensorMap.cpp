// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Tensor maps, which describe an array and a box of it to the copy engine.

#include "CudaState.h"

#include <cstdio>

using namespace bfly::cuda;

/// Fills in a map; sizes, strides and box with the innermost dimension first.
static bool encode(TensorMap *map, void *data, int64_t dataType, int64_t rank,
                   const uint64_t *sizes, const uint64_t *strides,
                   const unsigned *box, int64_t swizzle, int64_t l2Promotion) {
  const unsigned steps[5] = {1, 1, 1, 1, 1};
  char text[384];
  int length = std::snprintf(text, sizeof(text), "tensor map of");
  auto append = [&](const char *format, unsigned long long value) {
    if (length >= 0 && static_cast<size_t>(length) < sizeof(text))
      length +=
          std::snprintf(text + length, sizeof(text) - length, format, value);
  };
  for (int64_t i = rank - 1; i >= 0; --i)
    append(i == rank - 1 ? " %llu" : "x%llu", sizes[i]);
  append(" elements (type %llu), box", dataType);
  for (int64_t i = rank - 1; i >= 0; --i)
    append(i == rank - 1 ? " %llu" : "x%llu", box[i]);
  append(", swizzle %llu", swizzle);
  if (reinterpret_cast<uintptr_t>(data) % 16)
    return fail("the data is not aligned to 16 bytes: %s", text);
  for (int64_t i = 0; i + 1 < rank; ++i)
    if (strides[i] % 16)
      return fail("a stride is no multiple of 16 bytes: %s", text);
  return check(driver()->cuTensorMapEncodeTiled(
                   map, static_cast<int>(dataType), static_cast<unsigned>(rank),
                   data, sizes, strides, box, steps,
                   /*interleave=*/0, static_cast<int>(swizzle),
                   static_cast<int>(l2Promotion), /*outOfBounds=*/0),
               "cuTensorMapEncodeTiled", text);
}

extern "C" {

void bflyCudaTensorMap(void *map, void *data, int64_t dataType, int64_t rank,
                       const int64_t *sizes, const int64_t *strides,
                       const int64_t *box, int64_t swizzle,
                       int64_t l2Promotion) {
  orLeave([&] {
    if (!currentCall())
      return false;
    if (rank < 1 || rank > 5)
      return fail("a tensor map has 1 to 5 dimensions, not %lld",
                  static_cast<long long>(rank));
    uint64_t reversedSizes[5], reversedStrides[5] = {};
    unsigned reversedBox[5];
    for (int64_t i = 0; i < rank; ++i) {
      reversedSizes[i] = sizes[rank - 1 - i];
      reversedBox[i] = static_cast<unsigned>(box[rank - 1 - i]);
      if (i + 1 < rank)
        reversedStrides[i] = strides[rank - 2 - i];
    }
    return encode(static_cast<TensorMap *>(map), data, dataType, rank,
                  reversedSizes, reversedStrides, reversedBox, swizzle,
                  l2Promotion);
  });
}

} // extern "C"
