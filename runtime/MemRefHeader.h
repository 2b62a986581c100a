// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef BFLY_RUNTIME_MEMREFHEADER_H
#define BFLY_RUNTIME_MEMREFHEADER_H

#include <cstdint>

/// The descriptor of a memref, as MLIR's convention passes it: its sizes and
/// strides follow, as many of each as its rank.
struct MemRefHeader {
  char *allocated, *aligned;
  int64_t offset;
  int64_t sizes[1];
};

#endif // BFLY_RUNTIME_MEMREFHEADER_H
