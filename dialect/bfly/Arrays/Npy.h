// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// NumPy's .npy files, format versions 1 to 3 (numpy.lib.format).
//
// Taken: little-endian C-order arrays of f8 f4 f2 c8 c16 i8 i4 i2 i1 u1 b1.
// NumPy has no bfloat16: ml_dtypes writes such arrays as '<V2' (formerly
// '|V2'), two bytes of anything, which is read only where bf16 is expected, and
// is how bf16 is written here. Read it back in Python with
// `numpy.load(file).view(ml_dtypes.bfloat16)`.

#ifndef BFLY_ARRAYS_NPY_H
#define BFLY_ARRAYS_NPY_H

#include "bfly/Arrays/HostArray.h"

#include "llvm/Support/MemoryBufferRef.h"

#include <optional>

namespace mlir::bfly {

struct NpyOptions {
  /// The only element type that will do; any if not set.
  std::optional<ElementType> expectedType;
  /// The largest array to allocate, in bytes.
  uint64_t maxBytes = kNoLimit;
};

/// Reads a .npy file. The header's shape is checked against the file's size
/// before anything is allocated. Errors start with the file's name.
llvm::Expected<HostArray> readNpy(llvm::StringRef path,
                                  const NpyOptions &options = {});

/// The same for a file in memory, named by its identifier in errors.
llvm::Expected<HostArray> parseNpy(llvm::MemoryBufferRef file,
                                   const NpyOptions &options = {});

/// Writes a .npy file of version 1, all of it or nothing.
llvm::Error writeNpy(llvm::StringRef path, const HostArray &array);
llvm::Error writeNpy(llvm::raw_ostream &os, const HostArray &array);

} // namespace mlir::bfly

#endif // BFLY_ARRAYS_NPY_H
