// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Conversions between the 16-bit floating-point types and float or double.
// Every narrowing rounds once, to nearest, ties to even; overflow gives an
// infinity; a NaN stays a NaN (made quiet) with its sign.

#ifndef BFLY_ARRAYS_HALFPRECISION_H
#define BFLY_ARRAYS_HALFPRECISION_H

#include <cstdint>

namespace mlir::bfly {

/// The value of an IEEE half (f16) given by its bits; exact.
float f16ToFloat(uint16_t bits);
/// The value of a bfloat16 given by its bits; exact.
float bf16ToFloat(uint16_t bits);

/// The bits of the f16 nearest to `value`.
uint16_t doubleToF16(double value);
/// The bits of the bfloat16 nearest to `value`.
uint16_t doubleToBF16(double value);

/// A float is exactly a double, so these round once as well.
inline uint16_t floatToF16(float value) { return doubleToF16(value); }
inline uint16_t floatToBF16(float value) { return doubleToBF16(value); }

} // namespace mlir::bfly

#endif // BFLY_ARRAYS_HALFPRECISION_H
