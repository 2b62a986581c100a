// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the C API's files share: a caller's arrays as the engine has them,
// strings, and the last error.

#ifndef BFLY_LIB_ENGINE_CAPIARRAYS_H
#define BFLY_LIB_ENGINE_CAPIARRAYS_H

#include "bfly/Engine/CAPI.h"
#include "bfly/Engine/Executable.h"

namespace mlir::bfly {

using Shapes = std::vector<SmallVector<int64_t, 4>>;

/// Keeps an error for bfly_last_error.
void keepError(std::string message);

/// Whether `pointer` is there; else bfly_last_error says that `name` is NULL.
bool isGiven(const void *pointer, StringRef name);

/// A string of the caller's; null and bfly_last_error without memory for it.
char *copyText(StringRef text);

/// The shapes of a caller's arrays for `infos`; errors call them `kind`.
llvm::Expected<Shapes> shapesOf(const bfly_array *arrays, size_t count,
                                ArrayRef<ValueInfo> infos, StringRef kind);

/// Adds a caller's arrays to `result`, as the engine has them.
llvm::Error borrowAll(const bfly_array *arrays, size_t count,
                      ArrayRef<ValueInfo> infos, StringRef kind,
                      std::vector<ArrayView> &result);

} // namespace mlir::bfly

#endif // BFLY_LIB_ENGINE_CAPIARRAYS_H
