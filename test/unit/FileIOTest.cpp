// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/FileIO.h"

#include "TestSupport.h"

#include <sys/stat.h>

using namespace llvm;
using namespace mlir::bfly;

static Error writeText(const std::string &path, StringRef text) {
  return writeFileAtomically(path, [&](raw_ostream &os) {
    os << text;
    return Error::success();
  });
}

TEST(FileIO, MessagesAreSafeToPrint) {
  EXPECT_EQ(quote("a\x1b[31m\n"), "'a\\1B[31m\\0A'");
  EXPECT_EQ(quote(std::string(200, 'x')), "'" + std::string(80, 'x') + "…'");
  EXPECT_EQ(formatBytes(0), "0 bytes");
  EXPECT_EQ(formatBytes(1), "1 byte");
  EXPECT_EQ(formatBytes(10239), "10239 bytes");
  EXPECT_EQ(formatBytes(15360), "15.0 KiB");
  EXPECT_EQ(formatBytes(uint64_t(3) << 60), "3.0 EiB");
}

TEST(FileIO, OpensOnlyRegularFiles) {
  TempFolder folder;
  std::string missing = folder.file("missing");
  EXPECT_TRUE(contains(messageOf(openRegularFile(missing)),
                       missing + ": No such file"));
  EXPECT_TRUE(
      contains(messageOf(openRegularFile(folder.file("."))), "is a folder"));
  // Opening either of these would never end.
  EXPECT_TRUE(
      contains(messageOf(openRegularFile("/dev/zero")), "not a regular file"));
  std::string pipe = folder.file("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_TRUE(contains(messageOf(openRegularFile(pipe)), "not a regular file"));
  EXPECT_TRUE(contains(messageOf(openRegularFile(StringRef("a\0b", 3))),
                       "null character"));
}

TEST(FileIO, WritesAllOrNothing) {
  TempFolder folder;
  std::string path = folder.file("out");
  EXPECT_EQ(messageOf(writeText(path, "first")), "");
  EXPECT_EQ(readFile(path), "first");

  // A failing writer leaves what was there.
  Error error = writeFileAtomically(path, [](raw_ostream &os) {
    os << std::string(100000, 'x');
    return makeError("no more");
  });
  EXPECT_EQ(messageOf(std::move(error)), "no more");
  EXPECT_EQ(readFile(path), "first");
  EXPECT_EQ(folder.list(), std::vector<std::string>{"out"});

  // Permissions and links stay.
  ASSERT_EQ(chmod(path.c_str(), 0640), 0);
  std::string link = folder.file("link");
  ASSERT_FALSE(sys::fs::create_link("out", link));
  EXPECT_EQ(messageOf(writeText(link, "second")), "");
  EXPECT_EQ(readFile(path), "second");
  sys::fs::file_status status;
  ASSERT_FALSE(sys::fs::status(path, status));
  EXPECT_EQ(static_cast<int>(status.permissions()), 0640);
  bool isLink = false;
  ASSERT_FALSE(sys::fs::is_symlink_file(link, isLink));
  EXPECT_TRUE(isLink);
  EXPECT_EQ(folder.list(), (std::vector<std::string>{"link", "out"}));
}

TEST(FileIO, SaysWhatCannotBeWritten) {
  TempFolder folder;
  EXPECT_TRUE(contains(messageOf(writeText("", "x")), "no name"));
  EXPECT_TRUE(
      contains(messageOf(writeText(folder.file("."), "x")), "is a folder"));
  std::string nowhere = folder.file("no/such/folder");
  EXPECT_TRUE(contains(messageOf(writeText(nowhere, "x")), nowhere + ": "));
  EXPECT_TRUE(folder.list().empty());
  EXPECT_EQ(messageOf(writeText("/dev/null", "x")), "");
  // A full disk, without the disk.
  EXPECT_TRUE(contains(messageOf(writeText("/dev/full", "x")),
                       "/dev/full: No space left"));
}
