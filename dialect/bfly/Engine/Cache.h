// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The cache of compiled code on disk, as its users see it (docs/cache.md).

#ifndef BFLY_ENGINE_CACHE_H
#define BFLY_ENGINE_CACHE_H

#include "llvm/Support/Error.h"

#include <cstdint>
#include <string>

namespace mlir::bfly {

/// What there is in the cache, and what this process had of it.
struct CacheInfo {
  /// Empty where there is none.
  std::string folder;
  /// Why it is not used; empty if it is.
  std::string problem;
  uint64_t entries = 0;
  uint64_t bytes = 0;
  /// The most bytes that it may have.
  uint64_t limit = 0;
  /// Compilations of this process that it had, that it did not have, and that
  /// are in it now.
  uint64_t hits = 0, misses = 0, stores = 0;
};

/// As the environment says now.
CacheInfo getCacheInfo();

/// Removes every entry; what was there.
llvm::Expected<CacheInfo> clearCache();

} // namespace mlir::bfly

#endif // BFLY_ENGINE_CACHE_H
