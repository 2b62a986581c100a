// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Where the cache of compiled code is, and what is said and counted of it.

#include "bfly/Engine/Cache.h"

#include "CodeCache.h"
#include "bfly/Arrays/FileIO.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Path.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>

using namespace mlir::bfly;
using llvm::SmallString;
using llvm::StringRef;

static constexpr uint64_t kDefaultMiB = 1024;

static std::atomic<uint64_t> hits{0}, misses{0}, stores{0};

static bool isVerbose() {
  const char *value = secure_getenv("BFLY_CACHE_VERBOSE");
  return value && *value && std::strcmp(value, "0") != 0;
}

static std::string hex(const CacheKey &key) {
  return llvm::toHex(key, /*LowerCase=*/true);
}

static void say(const std::string &line) {
  if (isVerbose())
    std::fprintf(stderr, "bfly: cache: %s\n", line.c_str());
}

void mlir::bfly::countHit(const CacheKey &key) {
  ++hits;
  say("hit " + hex(key));
}
void mlir::bfly::countMiss(const CacheKey &key) {
  ++misses;
  say("miss " + hex(key));
}
void mlir::bfly::countStore(const CacheKey &key) {
  ++stores;
  say("stored " + hex(key));
}

void mlir::bfly::noteCacheProblem(const std::string &problem) {
  static std::mutex &mutex = *new std::mutex();
  static llvm::StringSet<> &known = *new llvm::StringSet<>();
  if (!isVerbose())
    return;
  std::lock_guard<std::mutex> held(mutex);
  if (known.insert(problem).second)
    say(problem);
}

std::optional<CodeCache> CodeCache::fromEnvironment(std::string &problem) {
  auto variable = [](const char *name) -> StringRef {
    const char *value = secure_getenv(name);
    return value ? value : "";
  };
  SmallString<256> folder = variable("BFLY_CACHE");
  if (folder == "off")
    return std::nullopt;
  if (!folder.empty() && !llvm::sys::path::is_absolute(folder)) {
    problem = "BFLY_CACHE is " + quote(folder) +
              ", and has to be off or the absolute path of a folder";
    return std::nullopt;
  }
  for (auto [name, below] :
       {std::pair("XDG_CACHE_HOME", "bfly"), std::pair("HOME", ".cache/bfly")})
    if (StringRef base = variable(name);
        folder.empty() && llvm::sys::path::is_absolute(base)) {
      folder = base;
      llvm::sys::path::append(folder, below);
    }
  if (folder.empty()) {
    problem = "there is no folder for it: HOME is not set";
    return std::nullopt;
  }
  StringRef limit = variable("BFLY_CACHE_LIMIT");
  uint64_t mebibytes = kDefaultMiB;
  if (!limit.empty() &&
      (limit.getAsInteger(10, mebibytes) || mebibytes > UINT32_MAX)) {
    problem = "BFLY_CACHE_LIMIT is " + quote(limit) +
              ", and has to be a number of MiB";
    return std::nullopt;
  }
  return CodeCache(folder.str().str(), mebibytes << 20);
}

CacheInfo mlir::bfly::getCacheInfo() {
  std::string problem;
  CacheInfo info;
  if (auto cache = CodeCache::fromEnvironment(problem))
    info = cache->look();
  else
    info.problem = problem;
  info.hits = hits;
  info.misses = misses;
  info.stores = stores;
  return info;
}

llvm::Expected<CacheInfo> mlir::bfly::clearCache() {
  std::string problem;
  if (auto cache = CodeCache::fromEnvironment(problem))
    return cache->clear();
  if (!problem.empty())
    return makeError("the cache of compiled code: " + problem);
  return CacheInfo();
}
