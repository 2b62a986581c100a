// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The element types that arrays outside the compiler can have.

#ifndef BFLY_ARRAYS_ELEMENTTYPE_H
#define BFLY_ARRAYS_ELEMENTTYPE_H

#include "llvm/ADT/StringRef.h"

#include <cstdint>
#include <optional>

namespace mlir::bfly {

enum class ElementType : uint8_t {
  F64,
  F32,
  BF16,
  F16,
  C64,  ///< complex<f32>, real part first
  C128, ///< complex<f64>, real part first
  I64,
  I32,
  I16,
  I8,
  U8,
  I1, ///< one byte, 0 or 1
};

/// The type as MLIR spells it: "f32", "bf16", "complex<f32>", "ui8", "i1" …
llvm::StringRef elementName(ElementType type);

/// Bytes of one element; i1 takes one byte, as in NumPy and safetensors.
int64_t elementSize(ElementType type);

/// True for f64, f32, bf16 and f16.
bool isFloat(ElementType type);
/// True for complex<f32> and complex<f64>.
bool isComplex(ElementType type);
/// True for the integers and i1.
bool isInteger(ElementType type);

/// Reads a type's name: MLIR's spelling, or "c64", "cf64", "c128", "cf128",
/// "si8" … "si64", "u8", "bool". Nothing if there is no such type.
std::optional<ElementType> parseElementType(llvm::StringRef name);

} // namespace mlir::bfly

#endif // BFLY_ARRAYS_ELEMENTTYPE_H
