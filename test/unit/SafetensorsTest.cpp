// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/Safetensors.h"

#include "TestSupport.h"

#include "llvm/Support/MathExtras.h"

using namespace llvm;
using namespace mlir::bfly;

/// A file with this header and this much data, counting up from 0.
static std::string makeFile(StringRef header, size_t dataBytes) {
  std::string result;
  for (int i = 0; i < 8; ++i)
    result += static_cast<char>(header.size() >> (8 * i) & 0xff);
  result += header;
  for (size_t i = 0; i < dataBytes; ++i)
    result += static_cast<char>(i);
  return result;
}

static Expected<Safetensors> parse(StringRef bytes) {
  return Safetensors::parse(MemoryBuffer::getMemBufferCopy(bytes, "w.st"));
}

static std::string errorOf(StringRef header, size_t dataBytes = 8) {
  return messageOf(parse(makeFile(header, dataBytes)));
}

static const char *const kValid =
    R"({"__metadata__":{"format":"pt"},)"
    R"("b":{"dtype":"F32","shape":[2,1],"data_offsets":[8,16]},)"
    R"("a":{"dtype":"I64","shape":[],"data_offsets":[0,8]},)"
    R"("e":{"dtype":"F16","shape":[0,3],"data_offsets":[8,8]},)"
    R"("x":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[16,20]},)"
    R"("odd":{"dtype":"U8","shape":[1],"data_offsets":[20,21]},)"
    R"("h":{"dtype":"BF16","shape":[2],"data_offsets":[21,25]}}   )";

TEST(Safetensors, FindsTensors) {
  Safetensors file = unwrap(parse(makeFile(kValid, 25)));
  EXPECT_EQ(file.names(),
            (std::vector<StringRef>{"b", "a", "e", "x", "odd", "h"}));
  HostArray a = unwrap(file.find("a"));
  EXPECT_EQ(a.typeString(), "i64");
  EXPECT_EQ(a.integer(0), 0x0706050403020100);
  EXPECT_EQ(unwrap(file.find("b")).typeString(), "2x1xf32");
  EXPECT_EQ(unwrap(file.find("e")).typeString(), "0x3xf16");
  EXPECT_FALSE(unwrap(file.find("odd")).isWritable());
  // It lies at an odd address, so it had to be copied.
  HostArray h = unwrap(file.find("h"));
  EXPECT_EQ(h.as<uint16_t>()[0], 0x1615);
  EXPECT_TRUE(contains(messageOf(file.find("x")),
                       "w.st: tensor 'x': has the element type 'F8_E4M3'"));
  EXPECT_TRUE(contains(messageOf(file.find("od")),
                       "w.st: has no tensor named 'od'; did you mean 'odd'?"));
  EXPECT_EQ(messageOf(file.find("nothing like it")),
            "w.st: has no tensor named 'nothing like it'");
}

TEST(Safetensors, MapsFiles) {
  TempFolder folder;
  std::string header = R"({"w":{"dtype":"F32","shape":[25000],)"
                       R"("data_offsets":[0,100000]}})";
  // The library pads with spaces, which is what makes views aligned.
  header.resize(alignTo(header.size(), 8), ' ');
  std::string path = folder.write("w.safetensors", makeFile(header, 100000));
  Safetensors file = unwrap(Safetensors::open(path));
  HostArray w = unwrap(file.find("w"));
  EXPECT_FALSE(w.isOwned());
  EXPECT_EQ(w.as<float>().size(), 25000u);
  EXPECT_TRUE(contains(messageOf(Safetensors::open(folder.file("none"))),
                       "No such file"));
}

TEST(Safetensors, TakesEmptyFiles) {
  EXPECT_TRUE(unwrap(parse(makeFile("{}", 0))).names().empty());
  EXPECT_TRUE(contains(errorOf("{}", 1), "trailing bytes"));
}

TEST(Safetensors, ChecksTheLayout) {
  auto tensor = [](const char *shape, const char *offsets) {
    return std::string(R"({"dtype":"F32","shape":)") + shape +
           R"(,"data_offsets":)" + offsets + "}";
  };
  auto one = [&](const char *shape, const char *offsets) {
    return errorOf(R"({"t":)" + tensor(shape, offsets) + "}");
  };
  EXPECT_EQ(one("[2]", "[0,8]"), "");
  EXPECT_TRUE(contains(one("[3]", "[0,8]"),
                       "w.st: tensor 't': 3xf32 takes 12 bytes, and its "
                       "'data_offsets' span 8"));
  EXPECT_TRUE(contains(one("[3]", "[0,12]"), "ends at byte 12 of the data"));
  EXPECT_TRUE(contains(one("[2]", "[8,0]"), "end before they begin"));
  EXPECT_TRUE(contains(one("[1]", "[4,8]"), "after a hole"));
  EXPECT_TRUE(contains(one("[1]", "[0,4]"), "trailing bytes"));
  EXPECT_TRUE(contains(one("[2]", "[0,8,8]"), "more than 2 entries"));
  EXPECT_TRUE(contains(one("[2]", "[0]"), "not two entries"));
  EXPECT_TRUE(contains(one("[-2]", "[0,8]"), "integer from 0"));
  EXPECT_TRUE(contains(one("[2.5]", "[0,8]"), "integer from 0"));
  EXPECT_TRUE(contains(one("2", "[0,8]"), "not a list"));
  EXPECT_EQ(one("[ 2\t,\r\n1 ]", "[ 0 , 8 ]"), "");
  // What a JSON parser takes for 2 or 8 but is not written as an integer, and
  // what is of another type.
  for (const char *two : {"2.0", "2e0", "20e-1", "0.2e1", "02", "+2", "2.",
                          "0x2", "-0", "true", "null", "\"2\"", "2 2", ""})
    for (std::string message :
         {one((std::string("[") + two + ",1]").c_str(), "[0,8]"),
          one((std::string("[1,") + two + "]").c_str(), "[0,8]"),
          one("[2]", (std::string("[") + two + ",8]").c_str()),
          one("[2]", (std::string("[0,") + two + "]").c_str())}) {
      EXPECT_TRUE(contains(message, "w.st: tensor 't': '")) << message;
      EXPECT_TRUE(contains(message, std::string("has the entry '"))) << message;
      EXPECT_TRUE(contains(message, "which is not an integer from 0")) << two;
    }
  EXPECT_TRUE(contains(one("[4294967296,4294967296]", "[0,8]"), "64 bits"));
  EXPECT_TRUE(
      contains(one("[99999999999999999999]", "[0,8]"), "integer from 0"));
  EXPECT_TRUE(contains(errorOf(R"({"t":)" + tensor("[2]", "[0,8]") +
                               R"(,"u":)" + tensor("[1]", "[4,8]") + "}"),
                       "inside another tensor"));
  EXPECT_TRUE(contains(errorOf(R"({"t":)" + tensor("[2]", "[0,8]") +
                               R"(,"t":)" + tensor("[0]", "[8,8]") + "}"),
                       "the name 't' occurs twice"));
  // The same name in another spelling.
  EXPECT_TRUE(contains(errorOf(R"({"t":)" + tensor("[2]", "[0,8]") +
                               R"(,"\u0074":)" + tensor("[0]", "[8,8]") + "}"),
                       "the name 't' occurs twice"));
}

TEST(Safetensors, ChecksTheHeader) {
  EXPECT_TRUE(contains(messageOf(parse("1234567")), "truncated"));
  std::string huge(8, '\xff');
  EXPECT_TRUE(contains(messageOf(parse(huge)), "header of 16.0 EiB"));
  EXPECT_TRUE(contains(messageOf(parse(makeFile("{}", 0).substr(0, 9))),
                       "its header takes 2 bytes, and there are 1"));
  EXPECT_TRUE(contains(errorOf(""), "malformed JSON"));
  EXPECT_TRUE(contains(errorOf("[]"), "expected '{'"));
  // The format says that it begins with its brace.
  EXPECT_TRUE(contains(errorOf(" {}", 0), "expected '{' at byte 0"));
  EXPECT_TRUE(contains(errorOf("{} {}"), "expected nothing more"));
  EXPECT_TRUE(contains(errorOf(R"({"t":1})"), "expected '{'"));
  EXPECT_TRUE(contains(errorOf(R"({"t")"), "expected ':'"));
  EXPECT_TRUE(contains(errorOf(R"({"t":)"), "expected a value"));
  EXPECT_TRUE(contains(errorOf(R"({"t)"), "closed string"));
  EXPECT_TRUE(contains(errorOf(R"({"t":{}})"), "lacks one of"));
  EXPECT_TRUE(contains(errorOf(R"({"t":{"dtype":1}})"), "is not a string"));
  EXPECT_TRUE(contains(errorOf(R"({"t":{"color":"red"}})"), "unknown field"));
  EXPECT_TRUE(contains(errorOf(R"({"t":{"dtype":"F32","dtype":"F64"}})"),
                       "'dtype' occurs twice"));
  EXPECT_TRUE(contains(errorOf(R"({"__metadata__":{"a":[1]}})"), "nested"));
  EXPECT_TRUE(contains(errorOf(R"({"__metadata__":{"a":1}})"),
                       "the value of 'a' is not a string"));
  EXPECT_TRUE(contains(errorOf(R"({"t":)" + std::string(1 << 20, '[')),
                       "nested deeper"));
  EXPECT_TRUE(contains(errorOf("{\"\xff\xfe\":{}}"), "malformed JSON"));
}

TEST(Safetensors, EveryTruncationIsAnError) {
  std::string bytes = makeFile(kValid, 25);
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(messageOf(parse(StringRef(bytes).take_front(size))), "") << size;
}

TEST(Safetensors, MutationsNeitherCrashNorGrow) {
  std::string bytes = makeFile(kValid, 25);
  int errors = 0;
  forEachMutation(bytes, 20000, [&](const std::string &mutated) {
    Expected<Safetensors> file = parse(mutated);
    if (!file) {
      ++errors;
      EXPECT_TRUE(contains(messageOf(file.takeError()), "w.st: "));
      return;
    }
    for (StringRef name : file->names()) {
      Expected<HostArray> array = file->find(name, 64);
      if (array) {
        EXPECT_LE(array->sizeInBytes(), 25);
        scalarsOf(*array); // every byte of it can be read
      } else {
        EXPECT_TRUE(contains(messageOf(array.takeError()), "w.st: tensor "));
      }
    }
  });
  EXPECT_GT(errors, 1000);
}
