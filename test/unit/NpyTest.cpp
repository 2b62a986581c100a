// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/Npy.h"

#include "TestSupport.h"

using namespace llvm;
using namespace mlir::bfly;

/// A file of version 1 with this dictionary and this much data after it.
static std::string makeFile(StringRef dictionary, size_t dataBytes) {
  std::string text = dictionary.str() + "\n";
  std::string result("\x93NUMPY\x01\x00", 8);
  result += static_cast<char>(text.size() & 0xff);
  result += static_cast<char>(text.size() >> 8);
  return result + text + std::string(dataBytes, '\0');
}

static Expected<HostArray> parse(StringRef bytes, NpyOptions options = {}) {
  return parseNpy(MemoryBufferRef(bytes, "x.npy"), options);
}

static std::string errorOf(StringRef dictionary, size_t dataBytes = 24) {
  return messageOf(parse(makeFile(dictionary, dataBytes)));
}

/// The bytes that writeNpy makes of an array.
static std::string fileOf(const HostArray &array) {
  TempFolder folder;
  EXPECT_EQ(messageOf(writeNpy(folder.file("x.npy"), array)), "");
  return readFile(folder.file("x.npy"));
}

TEST(Npy, WritesAndReadsEveryType) {
  for (ElementType type :
       {ElementType::F64, ElementType::F32, ElementType::BF16, ElementType::F16,
        ElementType::C64, ElementType::C128, ElementType::I64, ElementType::I32,
        ElementType::I16, ElementType::I8, ElementType::U8, ElementType::I1}) {
    SmallVector<SmallVector<int64_t>> shapes = {
        {}, {1}, {5}, {2, 3}, {0, 3}, {2, 1, 3}, SmallVector<int64_t>(64, 1)};
    for (ArrayRef<int64_t> shape : shapes) {
      HostArray array = unwrap(HostArray::zeros(type, shape));
      for (int64_t i = 0; i < array.numScalars(); ++i)
        array.writeScalars(i, static_cast<double>(i));
      std::string bytes = fileOf(array);
      EXPECT_EQ((bytes.size() - array.sizeInBytes()) % 64, 0u);
      HostArray back = unwrap(parse(bytes, {type}));
      EXPECT_EQ(back.elementType(), type);
      EXPECT_EQ(back.shape(), shape);
      EXPECT_EQ(scalarsOf(back), scalarsOf(array));
    }
  }
}

TEST(Npy, ReadsWhatNumPyWrites) {
  // numpy.save's very bytes, but for fewer spaces.
  HostArray array = unwrap(parse(makeFile(
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }   ", 24)));
  EXPECT_EQ(array.typeString(), "2x3xf32");
  EXPECT_EQ(unwrap(parse(makeFile("{'descr': '|b1', 'fortran_order': False, "
                                  "'shape': (3,), }",
                                  3)))
                .typeString(),
            "3xi1");
  // Other orders, quotes and integers of Python 2.
  EXPECT_EQ(unwrap(parse(makeFile("{\"shape\":(2L,3L),\"fortran_order\":False,"
                                  "\"descr\":\"<i8\"}",
                                  48)))
                .typeString(),
            "2x3xi64");
  // Version 3, with its longer length.
  std::string text = "{'descr': '<f8', 'fortran_order': False, 'shape': (), }";
  std::string file("\x93NUMPY\x03\x00", 8);
  file += static_cast<char>(text.size());
  file += std::string(3, '\0') + text + std::string(8, '\0');
  EXPECT_EQ(unwrap(parse(file)).typeString(), "f64");
}

TEST(Npy, ReadsBFloat16OnlyWhereExpected) {
  for (const char *descr : {"<V2", "|V2"}) {
    std::string file = makeFile(std::string("{'descr': '") + descr +
                                    "', 'fortran_order': False, 'shape': (3,)}",
                                6);
    EXPECT_EQ(unwrap(parse(file, {ElementType::BF16})).typeString(), "3xbf16");
    EXPECT_TRUE(
        contains(messageOf(parse(file)), "only where bf16 is expected"));
    EXPECT_TRUE(contains(messageOf(parse(file, {ElementType::F16})),
                         "can only be bf16, expected f16"));
  }
}

TEST(Npy, SaysWhatIsWrong) {
  EXPECT_EQ(
      errorOf("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", 23),
      "x.npy: is truncated: 2x3xf32 takes 24 bytes after the header, and "
      "there are 23");
  EXPECT_TRUE(contains(
      errorOf("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", 25),
      "x.npy: has trailing bytes"));
  EXPECT_TRUE(contains(
      errorOf("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3)}"),
      "Fortran order"));
  EXPECT_TRUE(contains(
      errorOf("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3)}"),
      "big-endian"));
  EXPECT_TRUE(contains(
      errorOf("{'descr': '<U4', 'fortran_order': False, 'shape': (2, 3)}"),
      "elements of type '<U4' are not supported"));
  EXPECT_TRUE(contains(errorOf("{'descr': [('a', '<f4')], 'fortran_order': "
                               "False, 'shape': (2, 3)}"),
                       "structured"));
  EXPECT_TRUE(contains(errorOf("{'descr': '<f4', 'fortran_order': False, "
                               "'shape': (4294967296, 4294967296)}"),
                       "64 bits"));
  EXPECT_TRUE(contains(errorOf("{'descr': '<f4', 'fortran_order': False, "
                               "'shape': (99999999999999999999,)}"),
                       "at most 64 bits"));
  EXPECT_TRUE(contains(
      errorOf("{'descr': '<f4', 'fortran_order': False, 'shape': (-6,)}"),
      "expected a dimension"));
  EXPECT_TRUE(contains(errorOf("{'descr': '<f4', 'shape': (6,)}"), "lacks"));
  EXPECT_TRUE(contains(errorOf("{'descr': '<f4', 'descr': '<f4'}"),
                       "unknown or repeated key 'descr'"));
  EXPECT_TRUE(contains(errorOf("__import__('os')"), "malformed header"));
  EXPECT_TRUE(contains(messageOf(parse("PK\x03\x04")), "not a .npy file"));
  EXPECT_TRUE(contains(messageOf(parse("")), "not a .npy file"));
  std::string huge("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12);
  EXPECT_TRUE(contains(messageOf(parse(huge)), "header of 4.0 GiB"));
  std::string future("\x93NUMPY\x04\x00\x10\x00\x00\x00", 12);
  EXPECT_TRUE(contains(messageOf(parse(future)), "version 4.0"));

  std::string valid =
      makeFile("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3)}", 24);
  EXPECT_TRUE(contains(messageOf(parse(valid, {ElementType::F64})),
                       "holds elements of type f32, expected f64"));
  EXPECT_TRUE(contains(messageOf(parse(valid, {std::nullopt, 23})),
                       "more than the limit of 23 bytes"));
}

TEST(Npy, EveryTruncationIsAnError) {
  std::string bytes =
      fileOf(makeArray(ElementType::F32, {2, 3}, {1, 2, 3, 4, 5, 6}));
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(messageOf(parse(StringRef(bytes).take_front(size))), "") << size;
  EXPECT_EQ(messageOf(parse(bytes)), "");
}

TEST(Npy, MutationsNeitherCrashNorGrow) {
  std::string bytes =
      fileOf(makeArray(ElementType::F32, {2, 3}, {1, 2, 3, 4, 5, 6}));
  int errors = 0;
  forEachMutation(bytes, 20000, [&](const std::string &mutated) {
    Expected<HostArray> array = parse(mutated, {std::nullopt, 64});
    if (!array) {
      ++errors;
      EXPECT_TRUE(contains(messageOf(array.takeError()), "x.npy: "));
    } else {
      EXPECT_LE(array->sizeInBytes(), 64);
    }
  });
  EXPECT_GT(errors, 1000);
}

TEST(Npy, FailedWritesLeaveNothing) {
  TempFolder folder;
  HostArray array = makeArray(ElementType::F32, {1}, {1});
  EXPECT_NE(messageOf(writeNpy(folder.file("none/x.npy"), array)), "");
  EXPECT_NE(messageOf(writeNpy("/dev/full", array)), "");
  EXPECT_TRUE(folder.list().empty());
}
