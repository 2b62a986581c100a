// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Arrays as text on a command line, as IREE's run tool has them.
//
//   2x3xf32=1,2,3,4,5,6       values in row-major order; commas or spaces
//   2x3xf32=[1 2 3][4 5 6]    with brackets, which have to fit the shape
//   2x8x4xf32=0.5             one value for all elements
//   f32=1   i64=-7   i1=true  scalars
//   2xcomplex<f32>=1+2j,-3j   complex values
//   2x3xf32                   zeros
//   @x.npy                    a NumPy file
//   2x3xf32=@x.npy            a NumPy file of this type and shape
//   2x3xf32=@x.bin            raw little-endian bytes, exactly as many

#ifndef BFLY_ARRAYS_ARRAYLITERAL_H
#define BFLY_ARRAYS_ARRAYLITERAL_H

#include "bfly/Arrays/HostArray.h"

#include <optional>

namespace llvm {
class raw_ostream;
} // namespace llvm

namespace mlir::bfly {

struct ArrayLiteralOptions {
  /// The only element type that will do; any if not set. Decides that a .npy
  /// file of two-byte void elements holds bf16.
  std::optional<ElementType> expectedType;
  /// The largest array to allocate, in bytes.
  uint64_t maxBytes = kNoLimit;
};

/// Reads an array in one of the forms above. Errors name the literal by its
/// beginning, and the file if there is one.
llvm::Expected<HostArray>
parseArrayLiteral(llvm::StringRef text,
                  const ArrayLiteralOptions &options = {});

struct ArrayPrintOptions {
  /// How many elements to print before "...".
  int64_t maxElements = 1024;
  /// Significant digits of floating-point values; 0 prints as many as it takes
  /// to read the same value back.
  int digits = 6;
};

/// Prints "2x2xf32=[1 2][3 4]", which `parseArrayLiteral` reads unless elements
/// were left out.
void printArray(llvm::raw_ostream &os, const HostArray &array,
                const ArrayPrintOptions &options = {});

/// Prints one element, as `printArray` does.
void printElement(llvm::raw_ostream &os, const HostArray &array,
                  int64_t element, int digits = 6);

} // namespace mlir::bfly

#endif // BFLY_ARRAYS_ARRAYLITERAL_H
