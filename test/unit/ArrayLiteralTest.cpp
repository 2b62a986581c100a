// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/ArrayLiteral.h"

#include "TestSupport.h"
#include "bfly/Arrays/Npy.h"

#include <cmath>

using namespace llvm;
using namespace mlir::bfly;

using Values = std::vector<double>;

static std::string print(const HostArray &array,
                         const ArrayPrintOptions &options = {}) {
  std::string result;
  raw_string_ostream os(result);
  printArray(os, array, options);
  return result;
}

static Values valuesOf(StringRef text) {
  return scalarsOf(unwrap(parseArrayLiteral(text)));
}

static std::string errorOf(StringRef text) {
  return messageOf(parseArrayLiteral(text));
}

TEST(ArrayLiteral, ReadsValues) {
  Values six = {1, 2, 3, 4, 5, 6};
  for (const char *text :
       {"2x3xf32=1,2,3,4,5,6", "2x3xf32=1 2 3 4 5 6", "2x3xf32=[1 2 3][4 5 6]",
        "2x3xf32=[[1, 2, 3], [4, 5, 6]]", " 2x3xf32 = 1\n2\t3 4 5 6 ",
        "2x3xf64=[1 2 3] 4 5 6"})
    EXPECT_EQ(valuesOf(text), six) << text;
  HostArray array = unwrap(parseArrayLiteral("1x2x2xf32=[[1 2][3 4]]"));
  EXPECT_EQ(array.typeString(), "1x2x2xf32");
  EXPECT_EQ(valuesOf("2x2xbf16=0.5"), Values(4, 0.5));
  EXPECT_EQ(valuesOf("2x2xf16"), Values(4, 0));
  EXPECT_EQ(valuesOf("0x4xf32="), Values());
  EXPECT_EQ(valuesOf("0x4xf32=7"), Values());
  EXPECT_EQ(valuesOf("f32=1"), Values{1});
  EXPECT_EQ(valuesOf("4xi64=-1,2,+3,4"), (Values{-1, 2, 3, 4}));
  EXPECT_EQ(valuesOf("4xi1=0 1 true false"), (Values{0, 1, 1, 0}));
  EXPECT_EQ(valuesOf("2xui8=0,255"), (Values{0, 255}));
  EXPECT_EQ(valuesOf("3xcomplex<f32>=1+2j,-3i,4e-1-5e+0j"),
            (Values{1, 2, 0, -3, 0.4f, -5}));
  EXPECT_EQ(valuesOf("2xcf64=1"), (Values{1, 0, 1, 0}));
  EXPECT_EQ(valuesOf("3xf32=inf,-inf,1e-60"), (Values{INFINITY, -INFINITY, 0}));
  EXPECT_TRUE(std::isnan(valuesOf("f32=nan")[0]));
  EXPECT_EQ(unwrap(parseArrayLiteral("i64=9223372036854775807")).integer(0),
            std::numeric_limits<int64_t>::max());
  // Rounded once: through double or float it would be a tie, and go to even.
  EXPECT_EQ(valuesOf("f16=1.00048828125000000000000001")[0], 1 + 0x1p-10);
}

TEST(ArrayLiteral, SaysWhatIsWrong) {
  EXPECT_EQ(errorOf("2x3xf32=1,2"), "'2x3xf32=1,2': has 2 values, expected 6 "
                                    "or a single one for all");
  EXPECT_TRUE(contains(errorOf("2xf32=1,2,3"), "has 3 values"));
  EXPECT_TRUE(contains(errorOf("2xf32="), "has 0 values"));
  EXPECT_TRUE(contains(errorOf("2x3xf32=[1 2][3 4]"),
                       "brackets hold 2 values where the shape has 3"));
  EXPECT_TRUE(contains(errorOf("2xf32=[[[1 2]]]"), "nested deeper"));
  EXPECT_TRUE(contains(errorOf("2xf32=[1 2"), "has no ']'"));
  EXPECT_TRUE(contains(errorOf("2xf32=1 2]"), "has no '['"));
  EXPECT_TRUE(contains(errorOf("2xf32=1 two"), "'two' is not a number"));
  EXPECT_TRUE(contains(errorOf("2xi32=1 2.5"), "'2.5' is not an integer"));
  EXPECT_TRUE(contains(errorOf("i8=128"), "out of range for i8"));
  EXPECT_TRUE(contains(errorOf("ui8=-1"), "out of range for ui8"));
  EXPECT_TRUE(contains(errorOf("f16=70000"), "too large for f16"));
  EXPECT_TRUE(contains(errorOf("i1=2"), "not one of 0, 1"));
  EXPECT_TRUE(contains(errorOf("2x3xg32=1"), "unknown element type 'g32'"));
  EXPECT_TRUE(contains(errorOf("x3xf32=1"), "unknown element type 'x3xf32'"));
  EXPECT_TRUE(contains(errorOf("-2xf32=1"), "unknown element type"));
  EXPECT_TRUE(contains(errorOf(""), "unknown element type ''"));
  EXPECT_TRUE(contains(errorOf("99999999999999999999xf32=1"), "64 bits"));
  EXPECT_TRUE(contains(errorOf("4294967296x4294967296xf32=1"), "64 bits"));
  EXPECT_TRUE(contains(errorOf("1099511627776xf32=1"), "memory"));
  EXPECT_TRUE(contains(errorOf("f32=" + std::string(10000, '1')), "too long"));
  EXPECT_TRUE(contains(errorOf("cf32=1+j2"), "unknown element type"));
  EXPECT_TRUE(contains(errorOf("c64=1+j2"), "not a number"));
  EXPECT_TRUE(contains(errorOf("c64=j"), "not a number"));
  EXPECT_TRUE(contains(messageOf(parseArrayLiteral("4xf32=1", {{}, 15})),
                       "more than the limit of 15 bytes"));
  EXPECT_TRUE(
      contains(messageOf(parseArrayLiteral("f32=1", {ElementType::F64})),
               "the element type is f32, expected f64"));
}

TEST(ArrayLiteral, ReadsFiles) {
  TempFolder folder;
  std::string path = folder.file("x.npy");
  HostArray array = makeArray(ElementType::BF16, {2}, {1, 2});
  ASSERT_EQ(messageOf(writeNpy(path, array)), "");
  EXPECT_EQ(valuesOf("2xbf16=@" + path), (Values{1, 2}));
  EXPECT_EQ(
      scalarsOf(unwrap(parseArrayLiteral("@" + path, {ElementType::BF16}))),
      (Values{1, 2}));
  EXPECT_TRUE(contains(errorOf("@" + path), path + ": "));
  EXPECT_TRUE(
      contains(errorOf("3xbf16=@" + path), "holds 2xbf16, expected 3xbf16"));
  std::string raw = folder.write("x.bin", StringRef("\0\0\x80\x3f", 4));
  EXPECT_EQ(valuesOf("1xf32=@" + raw), Values{1});
  EXPECT_TRUE(
      contains(errorOf("2xf32=@" + raw), "has 4 bytes, and 2xf32 takes 8"));
  EXPECT_TRUE(contains(errorOf("@" + folder.file("none.npy")), "No such file"));
  EXPECT_TRUE(contains(errorOf("@"), "No such file"));
}

TEST(ArrayLiteral, Prints) {
  auto reprint = [](StringRef text, ArrayPrintOptions options = {}) {
    return print(unwrap(parseArrayLiteral(text)), options);
  };
  for (const char *text :
       {"f32=1.5", "3xf32=1 2 3", "2x2xf32=[1 2][3 4]",
        "0x2xf32=", "2x1x2xi32=[[1 2]][[3 4]]",
        "2x2x2xf64=[[1 2][3 4]][[5 6][7 8]]", "2xcomplex<f32>=1+2j 0-3j",
        "2xf16=nan -inf", "2xi1=0 1", "2x1xui8=[0][255]"})
    EXPECT_EQ(reprint(text), text);
  EXPECT_EQ(reprint("4xf32=1 2 3 4", {2, 6}), "4xf32=1 2 ...");
  EXPECT_EQ(reprint("2x2xf32=1 2 3 4", {2, 6}), "2x2xf32=[1 2]...");
  EXPECT_EQ(reprint("2x2xf32=1 2 3 4", {3, 6}), "2x2xf32=[1 2][3 ...]");
  EXPECT_EQ(reprint("2x2x2xf32=1", {6, 6}), "2x2x2xf32=[[1 1][1 1]][[1 1]...]");
  EXPECT_EQ(reprint("2xf32=1 2", {0, 6}), "2xf32=...");
  EXPECT_EQ(reprint("2xf32=0.1,3.14159265", {2, 3}), "2xf32=0.1 3.14");
}

TEST(ArrayLiteral, AllDigitsAreReadBack) {
  std::mt19937_64 random(7);
  for (ElementType type :
       {ElementType::F64, ElementType::F32, ElementType::F16, ElementType::BF16,
        ElementType::C64, ElementType::C128, ElementType::I64}) {
    HostArray array = unwrap(HostArray::zeros(type, {3, 5, 7}));
    auto *bytes = static_cast<char *>(array.mutableData());
    for (int64_t i = 0; i < array.sizeInBytes(); ++i)
      bytes[i] = static_cast<char>(random());
    HostArray back = unwrap(parseArrayLiteral(print(array, {1024, 0})));
    Values expected = scalarsOf(array), actual = scalarsOf(back);
    for (size_t i = 0; i < expected.size(); ++i)
      EXPECT_TRUE(actual[i] == expected[i] ||
                  (std::isnan(actual[i]) && std::isnan(expected[i])))
          << actual[i] << " " << expected[i];
  }
}

TEST(ArrayLiteral, MutationsNeitherCrashNorGrow) {
  for (const char *text :
       {"2x3xf32=[1 2.5e-3 -inf][4 nan 6]", "2xcomplex<f64>=1+2j,-3e2i",
        "3xi8=-128,0,127", "2xbf16=@x.npy", "2x2xi1=true 0 1 false"})
    forEachMutation(text, 5000, [&](const std::string &mutated) {
      Expected<HostArray> array = parseArrayLiteral(mutated, {{}, 4096});
      if (array)
        EXPECT_LE(array->sizeInBytes(), 4096);
      else
        EXPECT_NE(messageOf(array.takeError()), "");
    });
}
