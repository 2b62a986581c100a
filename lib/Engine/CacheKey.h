// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What an entry of the cache of compiled code is found by.

#ifndef BFLY_LIB_ENGINE_CACHEKEY_H
#define BFLY_LIB_ENGINE_CACHEKEY_H

#include "CodeCache.h"
#include "bfly/Engine/Program.h"

namespace mlir::bfly {

/// The hash of all that the code of a function depends on: the source and its
/// name, which messages have, what is asked for, the device and the processor,
/// the assembler of GPU code, and this build of the compiler. None where the
/// build cannot be told from others.
std::optional<CacheKey> makeCacheKey(llvm::StringRef source,
                                     llvm::StringRef sourceName,
                                     const SourceOptions &options,
                                     llvm::StringRef function,
                                     const CompileSettings &settings);

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_CACHEKEY_H
