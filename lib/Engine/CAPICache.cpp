// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The cache of compiled code, behind the C API.

#include "CAPIArrays.h"
#include "InFlight.h"
#include "bfly/Engine/Cache.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/JSON.h"

#include <cstring>

using namespace mlir::bfly;

static char *print(const CacheInfo &info) {
  llvm::json::Object object{
      {"folder", llvm::json::fixUTF8(info.folder)},
      {"problem", llvm::json::fixUTF8(info.problem)},
      {"entries", info.entries},
      {"bytes", info.bytes},
      {"limit", info.limit},
      {"hits", info.hits},
      {"misses", info.misses},
      {"stores", info.stores},
  };
  std::string text =
      llvm::formatv("{0}", llvm::json::Value(std::move(object))).str();
  char *copy = strdup(text.c_str());
  if (!copy)
    keepError("out of memory");
  return copy;
}

extern "C" {

char *bfly_cache_info(void) {
  InFlight call;
  return print(getCacheInfo());
}

char *bfly_cache_clear(void) {
  InFlight call;
  auto gone = clearCache();
  if (gone)
    return print(*gone);
  keepError(toString(gone.takeError()));
  return nullptr;
}

} // extern "C"
