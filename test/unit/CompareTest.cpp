// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/Compare.h"

#include "TestSupport.h"

#include <cmath>

using namespace llvm;
using namespace mlir::bfly;

static Comparison compare(ArrayRef<double> actual, ArrayRef<double> expected,
                          CompareOptions options = {}) {
  auto n = static_cast<int64_t>(actual.size());
  return compareArrays(makeArray(ElementType::F64, {n}, actual),
                       makeArray(ElementType::F64, {n}, expected), options);
}

TEST(Compare, ComputesTheRelativeError) {
  Comparison result = compare({3, 4.5}, {3, 4}, {0.2});
  EXPECT_TRUE(result.matches);
  EXPECT_DOUBLE_EQ(result.relativeError, 0.1);
  EXPECT_TRUE(contains(result.message, "relative error 0.1, tolerance 0.2"));
  EXPECT_TRUE(compare({3, 4.5}, {3, 4}, {0.1000001}).matches);
  EXPECT_FALSE(compare({3, 4.5}, {3, 4}, {0.0999999}).matches);
  EXPECT_TRUE(compare({1, 2}, {1, 2}, {0}).matches);
  EXPECT_FALSE(compare({1, 2}, {1, 2}, {NAN}).matches);
  EXPECT_FALSE(compare({1, 2}, {1, 2}, {-1}).matches);
}

TEST(Compare, SaysWhereAndByHowMuch) {
  HostArray expected = unwrap(HostArray::zeros(ElementType::F32, {2, 3, 4}));
  for (int64_t i = 0; i < 24; ++i)
    expected.writeScalars(i, 1.0);
  HostArray actual = unwrap(expected.clone());
  actual.writeScalars(13, 1.5);
  actual.writeScalars(20, 0.75);
  Comparison result = compareArrays(actual, expected, {1e-3});
  EXPECT_FALSE(result.matches);
  EXPECT_EQ(result.worstIndex, (SmallVector<int64_t>{1, 0, 1}));
  EXPECT_EQ(result.numOff, 2);
  EXPECT_EQ(result.message,
            "does not match: relative error 0.114, tolerance 0.001; largest "
            "error 0.5 at element [1, 0, 1]: got 1.5, expected 1; 2 of 24 "
            "elements off");
}

TEST(Compare, NaNEqualsNaNWhereThatIsAskedFor) {
  CompareOptions options;
  options.equalNaN = true;
  EXPECT_TRUE(compare({1, NAN}, {1, NAN}, options).matches);
  EXPECT_FALSE(compare({1, NAN}, {1, 2}, options).matches);
  Comparison result = compare({1, 2, NAN, 3}, {1, NAN, NAN, 4}, options);
  EXPECT_FALSE(result.matches);
  EXPECT_EQ(result.worstIndex, SmallVector<int64_t>{1});
  EXPECT_EQ(result.numOff, 2);
}

TEST(Compare, NaNNeverPasses) {
  for (double expected : {1.0, static_cast<double>(NAN)}) {
    Comparison result = compare({1, NAN}, {1, expected}, {1e9});
    EXPECT_FALSE(result.matches);
    EXPECT_EQ(result.worstIndex, SmallVector<int64_t>{1});
    EXPECT_TRUE(contains(result.message, "at element [1] got nan, expected "));
    EXPECT_EQ(result.numOff, 1);
  }
  EXPECT_FALSE(compare({1, 1}, {1, NAN}, {INFINITY}).matches);
}

TEST(Compare, InfinitiesHaveToBeEqual) {
  EXPECT_TRUE(compare({INFINITY, 1}, {INFINITY, 1}).matches);
  EXPECT_FALSE(compare({INFINITY, 1}, {-INFINITY, 1}).matches);
  EXPECT_FALSE(compare({INFINITY, 1}, {1e308, 1}, {INFINITY}).matches);
  // One in the reference must not make every other error small.
  EXPECT_FALSE(compare({INFINITY, 1}, {INFINITY, 2}).matches);
  EXPECT_FALSE(compare({0, 1}, {INFINITY, 1}, {INFINITY}).matches);
}

TEST(Compare, ZeroAndExtremes) {
  EXPECT_TRUE(compare({0, 0}, {0, 0}, {0}).matches);
  EXPECT_FALSE(compare({1e-30, 0}, {0, 0}, {1e9}).matches);
  EXPECT_TRUE(compare({1e-30, 0}, {0, 0}, {1e-5, 1.0}).matches);
  EXPECT_DOUBLE_EQ(compare({3e200, 4.5e200}, {3e200, 4e200}).relativeError,
                   0.1);
  EXPECT_NEAR(compare({3e-200, 4.5e-200}, {3e-200, 4e-200}).relativeError, 0.1,
              1e-15);
  EXPECT_FALSE(compare({1.7e308, 1e308}, {1.7e308, 1.7e308}, {1e-3}).matches);
  EXPECT_FALSE(compare({1.7e308}, {-1.7e308}, {1}).matches);
  EXPECT_TRUE(compare({}, {}).matches);
}

TEST(Compare, TypesAndShapes) {
  HostArray f32 = makeArray(ElementType::F32, {2}, {0.1, 0.2});
  HostArray f64 = makeArray(ElementType::F64, {2}, {0.1, 0.2});
  HostArray row = makeArray(ElementType::F32, {1, 2}, {0.1, 0.2});
  HostArray c64 = makeArray(ElementType::C64, {2}, {0, 0, 1, 2});
  HostArray i32 = makeArray(ElementType::I32, {2}, {0, 1});
  EXPECT_TRUE(compareArrays(f32, f64).matches);
  EXPECT_EQ(compareArrays(f32, row).message,
            "shapes differ: got 2xf32, expected 1x2xf32");
  EXPECT_EQ(compareArrays(f32, c64).message,
            "element types differ: got 2xf32, expected 2xcomplex<f32>");
  EXPECT_FALSE(compareArrays(i32, f32).matches);

  HostArray other = makeArray(ElementType::C64, {2}, {0, 0, 2, 3});
  Comparison result = compareArrays(other, c64);
  EXPECT_EQ(result.worstIndex, SmallVector<int64_t>{1});
  EXPECT_EQ(result.numOff, 1);
  EXPECT_TRUE(contains(result.message, "got 2+3j, expected 1+2j"));

  HostArray scalar = makeArray(ElementType::F32, {}, {1});
  HostArray two = makeArray(ElementType::F32, {}, {2});
  EXPECT_TRUE(contains(compareArrays(two, scalar).message,
                       "at the value: got 2, expected 1"));
}

TEST(Compare, IntegersExactly) {
  HostArray a = unwrap(HostArray::zeros(ElementType::I64, {2}));
  HostArray b = unwrap(a.clone());
  a.mutableAs<int64_t>()[1] = (int64_t(1) << 53) + 1;
  b.mutableAs<int64_t>()[1] = int64_t(1) << 53;
  EXPECT_FALSE(compareArrays(a, b, {0}).matches);
  EXPECT_TRUE(compareArrays(a, a, {0}).matches);
  // A difference beyond 64 bits.
  a.mutableAs<int64_t>()[0] = std::numeric_limits<int64_t>::max();
  b.mutableAs<int64_t>()[0] = std::numeric_limits<int64_t>::min();
  EXPECT_NEAR(compareArrays(a, b).relativeError, 2, 1e-3);
}
