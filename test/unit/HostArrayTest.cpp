// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/HostArray.h"

#include "TestSupport.h"

#include <cmath>
#include <limits>

using namespace llvm;
using namespace mlir::bfly;

static constexpr ElementType kAllTypes[] = {
    ElementType::F64, ElementType::F32,  ElementType::BF16, ElementType::F16,
    ElementType::C64, ElementType::C128, ElementType::I64,  ElementType::I32,
    ElementType::I16, ElementType::I8,   ElementType::U8,   ElementType::I1};

TEST(ElementType, NamesAreReadBack) {
  for (ElementType type : kAllTypes)
    EXPECT_EQ(parseElementType(elementName(type)), type);
  EXPECT_EQ(parseElementType("cf64"), ElementType::C64);
  EXPECT_EQ(parseElementType("bool"), ElementType::I1);
  EXPECT_EQ(parseElementType("f33"), std::nullopt);
  EXPECT_EQ(parseElementType(""), std::nullopt);
}

TEST(HostArray, CountsWithoutOverflow) {
  EXPECT_EQ(unwrap(checkedNumElements({})), 1);
  EXPECT_EQ(unwrap(checkedNumElements({2, 3, 4})), 24);
  EXPECT_EQ(unwrap(checkedNumElements({2, 0, 4})), 0);
  int64_t big = int64_t(1) << 32;
  EXPECT_TRUE(contains(messageOf(checkedNumElements({big, big})), "64 bits"));
  // A zero does not hide what the others would overflow to.
  EXPECT_TRUE(
      contains(messageOf(checkedNumElements({0, big, big})), "64 bits"));
  EXPECT_TRUE(contains(messageOf(checkedNumElements({-1})), "negative"));
  EXPECT_TRUE(contains(
      messageOf(checkedNumElements(SmallVector<int64_t>(kMaxRank + 1, 1))),
      "dimensions"));
  EXPECT_TRUE(
      contains(messageOf(checkedSizeInBytes(ElementType::C128, {big, big / 8})),
               "64 bits"));
}

TEST(HostArray, AllocatesAlignedOrSaysWhyNot) {
  for (ElementType type : kAllTypes) {
    for (int64_t n : {0, 1, 7, 1000}) {
      HostArray array = unwrap(HostArray::zeros(type, {n}));
      EXPECT_NE(array.data(), nullptr);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(array.data()) % 64, 0u);
      EXPECT_EQ(array.sizeInBytes(), n * elementSize(type));
      for (double value : scalarsOf(array))
        EXPECT_EQ(value, 0);
    }
  }
  EXPECT_TRUE(
      contains(messageOf(HostArray::allocate(ElementType::F32, {1024}, 4095)),
               "1024xf32 needs 4096 bytes, more than the limit of 4095 bytes"));
  EXPECT_TRUE(contains(
      messageOf(HostArray::allocate(ElementType::F32, {int64_t(1) << 50})),
      "of memory are free"));
  EXPECT_GT(availableMemory(), uint64_t(1) << 20);
}

TEST(HostArray, BorrowsWhatFits) {
  alignas(8) float data[7] = {1, 2, 3, 4, 5, 6, 7};
  HostArray array =
      unwrap(HostArray::borrow(ElementType::F32, {2, 3}, data, sizeof(data)));
  EXPECT_FALSE(array.isOwned());
  EXPECT_TRUE(array.isWritable());
  array.writeScalars(5, 60.0);
  EXPECT_EQ(data[5], 60.0f);

  const void *constant = data;
  HostArray view = unwrap(
      HostArray::borrow(ElementType::F32, {2, 3}, constant, sizeof(data)));
  EXPECT_FALSE(view.isWritable());
  HostArray copy = unwrap(view.clone());
  EXPECT_TRUE(copy.isOwned() && copy.isWritable());
  copy.writeScalars(0, 10.0);
  EXPECT_EQ(data[0], 1.0f);
  EXPECT_EQ(view.typeString(), "2x3xf32");

  EXPECT_TRUE(contains(messageOf(HostArray::borrow(ElementType::F32, {2, 4},
                                                   data, sizeof(data))),
                       "2x4xf32 needs 32 bytes, and there are 28 bytes"));
  EXPECT_TRUE(contains(
      messageOf(HostArray::borrow(ElementType::F32, {1},
                                  reinterpret_cast<char *>(data) + 2, 8)),
      "aligned"));
}

TEST(HostArray, ConvertsScalars) {
  for (ElementType type : kAllTypes) {
    HostArray array = unwrap(HostArray::zeros(type, {2}));
    array.writeScalars(1, 1.0);
    EXPECT_EQ(array.scalar(0), 0.0);
    EXPECT_EQ(array.scalar(1), 1.0);
  }
  HostArray bytes =
      makeArray(ElementType::I8, {5}, {-1e9, -128, 2.5, 1e9, NAN});
  EXPECT_EQ(scalarsOf(bytes), (std::vector<double>{-128, -128, 2, 127, 0}));
  HostArray longs = makeArray(ElementType::I64, {2}, {1e300, -1e300});
  EXPECT_EQ(longs.integer(0), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(longs.integer(1), std::numeric_limits<int64_t>::min());
  HostArray bits = makeArray(ElementType::I1, {3}, {0, -7, NAN});
  EXPECT_EQ(scalarsOf(bits), (std::vector<double>{0, 1, 0}));
  EXPECT_EQ(messageOf(bits.checkBooleans()), "");
  bits.mutableAs<uint8_t>()[1] = 2;
  EXPECT_TRUE(contains(messageOf(bits.checkBooleans()), "neither 0 nor 1"));
}

TEST(HostArray, FindsIndices) {
  EXPECT_EQ(unflatten(0, {}), SmallVector<int64_t>());
  EXPECT_EQ(unflatten(23, {2, 3, 4}), (SmallVector<int64_t>{1, 2, 3}));
  EXPECT_EQ(unflatten(13, {2, 3, 4}), (SmallVector<int64_t>{1, 0, 1}));
}
