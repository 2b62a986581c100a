// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/HalfPrecision.h"

#include "llvm/ADT/bit.h"

using namespace mlir::bfly;

float mlir::bfly::bf16ToFloat(uint16_t bits) {
  return llvm::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

float mlir::bfly::f16ToFloat(uint16_t bits) {
  uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  uint32_t exponent = (bits >> 10) & 0x1f;
  uint32_t fraction = bits & 0x3ff;
  if (exponent == 0) {
    // Zero and the subnormals: fraction · 2^-24, exact in float.
    float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return llvm::bit_cast<float>(llvm::bit_cast<uint32_t>(magnitude) | sign);
  }
  uint32_t floatExponent = exponent == 0x1f ? 0xff : exponent + (127 - 15);
  return llvm::bit_cast<float>(sign | floatExponent << 23 | fraction << 13);
}

/// Shifts right by 1 … 63, rounding to nearest, ties to even.
static uint64_t shiftRightRounding(uint64_t value, unsigned shift) {
  uint64_t kept = value >> shift;
  uint64_t dropped = value & ((uint64_t(1) << shift) - 1);
  uint64_t half = uint64_t(1) << (shift - 1);
  if (dropped > half || (dropped == half && (kept & 1)))
    ++kept;
  return kept;
}

/// Rounds to a 16-bit format with `fractionBits` bits of fraction and the
/// exponent bias `bias`.
template <unsigned fractionBits, int bias>
static uint16_t roundDouble(double value) {
  constexpr unsigned drop = 52 - fractionBits;
  constexpr uint64_t infinity = (uint64_t(1) << 15) - (1u << fractionBits);
  uint64_t bits = llvm::bit_cast<uint64_t>(value);
  auto sign = static_cast<uint16_t>(bits >> 48 & 0x8000);
  uint64_t fraction = bits & ((uint64_t(1) << 52) - 1);
  int exponent = static_cast<int>(bits >> 52 & 0x7ff);

  if (exponent == 0x7ff) {
    uint64_t result = infinity;
    if (fraction != 0)
      result |= fraction >> drop | uint64_t(1) << (fractionBits - 1);
    return sign | static_cast<uint16_t>(result);
  }

  int rebiased = exponent - 1023 + bias;
  uint64_t result;
  if (rebiased >= 1) {
    // A carry out of the fraction moves into the exponent, as it should.
    if (rebiased > 2 * bias + 1)
      return sign | static_cast<uint16_t>(infinity);
    result = shiftRightRounding(
        static_cast<uint64_t>(rebiased) << 52 | fraction, drop);
    if (result > infinity)
      result = infinity;
  } else {
    // Subnormal in the narrow format: make the leading one explicit and shift
    // further. Past 53 bits all that is left is less than half the smallest.
    int shift = static_cast<int>(drop) + 1 - rebiased;
    result = shift > 53 ? 0
                        : shiftRightRounding(fraction | uint64_t(1) << 52,
                                             static_cast<unsigned>(shift));
  }
  return sign | static_cast<uint16_t>(result);
}

uint16_t mlir::bfly::doubleToF16(double value) {
  return roundDouble<10, 15>(value);
}

uint16_t mlir::bfly::doubleToBF16(double value) {
  return roundDouble<7, 127>(value);
}
