// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The header of a .npy file: the text of a Python dictionary.

#ifndef BFLY_LIB_ARRAYS_NPYHEADER_H
#define BFLY_LIB_ARRAYS_NPYHEADER_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>

namespace mlir::bfly {

/// What the header says, before it means anything.
struct NpyHeader {
  std::string descr;
  bool fortranOrder;
  llvm::SmallVector<int64_t> shape;
};

/// Reads a dictionary with exactly the keys 'descr', 'fortran_order' and
/// 'shape', of literals; everything else is an error.
llvm::Expected<NpyHeader> parseNpyHeader(llvm::StringRef text);

} // namespace mlir::bfly

#endif // BFLY_LIB_ARRAYS_NPYHEADER_H
