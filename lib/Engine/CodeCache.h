// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A folder of compiled code, one file an entry, which many processes and
// threads use at once.
//
// What is in an entry is executed, so an entry is what this user's bfly wrote
// or it is nothing: the folder and the file belong to the user, nobody else may
// write to them, and a checksum tells what is cut off or damaged. Who can get
// around that can run code as this user anyway. What code may call is not up to
// the entry: it is linked as new code is (Jit::load), and its key has whether
// foreign calls are allowed, so that code which was compiled with the checks of
// ForeignCode.h left out is not found by who asks for them.

#ifndef BFLY_LIB_ENGINE_CODECACHE_H
#define BFLY_LIB_ENGINE_CODECACHE_H

#include "bfly/Engine/Cache.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/MemoryBuffer.h"

#include <array>
#include <memory>
#include <optional>
#include <string>

namespace mlir::bfly {

/// A BLAKE3 hash of all that an entry depends on.
using CacheKey = std::array<uint8_t, 32>;

class CodeCache {
public:
  /// The cache that the environment names: BFLY_CACHE, which may be `off`, else
  /// XDG_CACHE_HOME or HOME. None where there is none, and then `problem` says
  /// why unless it was switched off.
  static std::optional<CodeCache> fromEnvironment(std::string &problem);

  CodeCache(std::string folder, uint64_t limit)
      : folder(std::move(folder)), limit(limit) {}

  /// The payload of an entry; null if there is none that can be trusted.
  std::unique_ptr<llvm::MemoryBuffer> find(const CacheKey &key) const;

  /// Adds an entry, or replaces it; others go where the limit wants that, what
  /// was used last at last. False if it cannot: a cache fails nobody.
  bool store(const CacheKey &key,
             llvm::ArrayRef<llvm::StringRef> payload) const;

  /// Takes an entry away.
  void remove(const CacheKey &key) const;

  /// The folder's entries and bytes, or why it cannot be used.
  CacheInfo look() const;
  llvm::Expected<CacheInfo> clear() const;

private:
  std::string folder;
  uint64_t limit;
};

/// For the counts of CacheInfo, and with BFLY_CACHE_VERBOSE=1 a line on stderr.
void countHit(const CacheKey &key);
void countMiss(const CacheKey &key);
void countStore(const CacheKey &key);
/// With BFLY_CACHE_VERBOSE=1, once for each problem, a line on stderr.
void noteCacheProblem(const std::string &problem);

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_CODECACHE_H
