// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Every file of the corpus that test/Inputs/make_bad_files.py makes gives the
// error that its manifest says.

#include "TestSupport.h"
#include "bfly/Arrays/Npy.h"
#include "bfly/Arrays/Safetensors.h"

using namespace llvm;
using namespace mlir::bfly;

/// The first error of reading all that the file holds.
static std::string readAll(const std::string &path) {
  if (StringRef(path).ends_with(".npy"))
    return messageOf(readNpy(path));
  Expected<Safetensors> file = Safetensors::open(path);
  if (!file)
    return messageOf(file.takeError());
  for (StringRef name : file->names())
    if (std::string message = messageOf(file->find(name)); !message.empty())
      return message;
  return {};
}

TEST(BadFiles, EachGivesItsError) {
  std::string manifest = readFile(BFLY_BAD_FILES "/manifest.tsv");
  SmallVector<StringRef> lines;
  StringRef(manifest).split(lines, '\n', -1, /*KeepEmpty=*/false);
  EXPECT_GT(lines.size(), 40u);
  for (StringRef line : lines) {
    auto [name, expected] = line.split('\t');
    std::string path = std::string(BFLY_BAD_FILES "/") + name.str();
    std::string message = readAll(path);
    EXPECT_TRUE(contains(message, expected.str())) << name.str();
    EXPECT_TRUE(StringRef(message).starts_with(path + ": ")) << message;
    EXPECT_FALSE(StringRef(message).contains('\n')) << message;
  }
}
