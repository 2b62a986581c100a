// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/HalfPrecision.h"

#include "llvm/ADT/APFloat.h"
#include "llvm/ADT/bit.h"
#include "gtest/gtest.h"

#include <cmath>
#include <limits>
#include <random>

using namespace llvm;
using namespace mlir::bfly;

static constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// What LLVM's own arithmetic makes of it.
static uint16_t roundByAPFloat(double value, const fltSemantics &semantics) {
  APFloat number(value);
  bool losesInfo;
  number.convert(semantics, APFloat::rmNearestTiesToEven, &losesInfo);
  return static_cast<uint16_t>(number.bitcastToAPInt().getZExtValue());
}

static void checkRounding(double value) {
  ASSERT_EQ(doubleToF16(value), roundByAPFloat(value, APFloat::IEEEhalf()))
      << value;
  ASSERT_EQ(doubleToBF16(value), roundByAPFloat(value, APFloat::BFloat()))
      << value;
}

TEST(HalfPrecision, EveryValueGoesThereAndBack) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto half = static_cast<uint16_t>(bits);
    float f16 = f16ToFloat(half), bf16 = bf16ToFloat(half);
    APFloat asF16(APFloat::IEEEhalf(), APInt(16, bits));
    APFloat asBF16(APFloat::BFloat(), APInt(16, bits));
    if (std::isnan(f16)) {
      EXPECT_TRUE(asF16.isNaN());
      EXPECT_EQ(floatToF16(f16), half | 0x200);
    } else {
      EXPECT_EQ(static_cast<double>(f16), asF16.convertToDouble());
      EXPECT_EQ(floatToF16(f16), half);
    }
    if (std::isnan(bf16)) {
      EXPECT_TRUE(asBF16.isNaN());
      EXPECT_EQ(floatToBF16(bf16), half | 0x40);
    } else {
      EXPECT_EQ(static_cast<double>(bf16), asBF16.convertToDouble());
      EXPECT_EQ(floatToBF16(bf16), half);
    }
  }
}

TEST(HalfPrecision, RoundsToNearestEven) {
  // Exactly between two neighbours, and a little to either side.
  for (uint32_t bits = 0; bits < 0x7c00; ++bits) {
    auto half = static_cast<uint16_t>(bits);
    double low = f16ToFloat(half);
    double high = bits + 1 == 0x7c00
                      ? 65536.0
                      : f16ToFloat(static_cast<uint16_t>(half + 1));
    double middle = (low + high) / 2;
    for (double value : {middle, std::nextafter(middle, 0.0),
                         std::nextafter(middle, 1e30), -middle})
      checkRounding(value);
  }
  for (uint32_t bits = 0; bits < 0x7f80; ++bits) {
    double low = bf16ToFloat(static_cast<uint16_t>(bits));
    double high = bits + 1 == 0x7f80
                      ? 0x1p128
                      : bf16ToFloat(static_cast<uint16_t>(bits + 1));
    double middle = (low + high) / 2;
    for (double value : {middle, std::nextafter(middle, 0.0),
                         std::nextafter(middle, 1e300), -middle})
      checkRounding(value);
  }
}

TEST(HalfPrecision, AgreesWithAPFloatAnywhere) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 200000; ++i) {
    uint64_t bits = random();
    // Exponents that the narrow types have, half of the time.
    if (i % 2 == 0)
      bits = (bits & 0x800fffffffffffff) | (1023 - 150 + bits % 300) << 52;
    auto value = bit_cast<double>(bits);
    if (!std::isnan(value))
      checkRounding(value);
  }
  for (double value :
       {0.0, -0.0, 5e-324, -5e-324, 1e308, -1e308, kInfinity, -kInfinity,
        65519.999, 65520.0, 0x1p-25, 0x1p-24, 0x1.8p-25, 0x1p-134, 0x1.8p-134})
    checkRounding(value);
}
