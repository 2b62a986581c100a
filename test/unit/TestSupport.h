// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the unit tests of arrays and files share.

#ifndef BFLY_TEST_UNIT_TESTSUPPORT_H
#define BFLY_TEST_UNIT_TESTSUPPORT_H

#include "bfly/Arrays/HostArray.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include "gtest/gtest.h"

#include <random>
#include <string>
#include <vector>

namespace mlir::bfly {

/// The message of an Expected or Error that should have failed; empty if it
/// did not.
template <typename T> std::string messageOf(llvm::Expected<T> value) {
  return value ? std::string() : llvm::toString(value.takeError());
}
inline std::string messageOf(llvm::Error error) {
  return llvm::toString(std::move(error));
}

/// The value of an Expected that must not have failed.
template <typename T> T unwrap(llvm::Expected<T> value) {
  if (!value) {
    ADD_FAILURE() << llvm::toString(value.takeError());
    std::abort();
  }
  return std::move(*value);
}

inline testing::AssertionResult contains(const std::string &text,
                                         const std::string &part) {
  if (text.find(part) != std::string::npos)
    return testing::AssertionSuccess();
  return testing::AssertionFailure()
         << "'" << text << "' lacks '" << part << "'";
}

/// An array of the given values, converted to the type.
inline HostArray makeArray(ElementType type, llvm::ArrayRef<int64_t> shape,
                           llvm::ArrayRef<double> scalars) {
  HostArray array = unwrap(HostArray::allocate(type, shape));
  EXPECT_EQ(static_cast<size_t>(array.numScalars()), scalars.size());
  array.writeScalars(0, scalars);
  return array;
}

inline std::vector<double> scalarsOf(const HostArray &array) {
  std::vector<double> result(static_cast<size_t>(array.numScalars()));
  array.readScalars(0, result);
  return result;
}

/// A folder that goes away with the test.
class TempFolder {
public:
  TempFolder() {
    std::error_code code = llvm::sys::fs::createUniqueDirectory("bfly", path);
    EXPECT_FALSE(code) << code.message();
  }
  ~TempFolder() { llvm::sys::fs::remove_directories(path); }

  std::string file(llvm::StringRef name) const {
    llvm::SmallString<128> result(path);
    llvm::sys::path::append(result, name);
    return result.str().str();
  }
  std::string write(llvm::StringRef name, llvm::StringRef bytes) const {
    std::string result = file(name);
    std::error_code code;
    llvm::raw_fd_ostream os(result, code);
    EXPECT_FALSE(code) << code.message();
    os << bytes;
    return result;
  }
  /// The names of everything in it, sorted.
  std::vector<std::string> list() const {
    std::vector<std::string> result;
    std::error_code code;
    for (llvm::sys::fs::directory_iterator it(path, code), end;
         it != end && !code; it.increment(code))
      result.push_back(llvm::sys::path::filename(it->path()).str());
    std::sort(result.begin(), result.end());
    return result;
  }

private:
  llvm::SmallString<128> path;
};

inline std::string readFile(const std::string &path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  EXPECT_TRUE(static_cast<bool>(buffer)) << path;
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

/// Calls `check` with `count` copies of `bytes`, in each of which one to three
/// bytes are changed, removed or inserted. The same on every run.
template <typename Check>
void forEachMutation(llvm::StringRef bytes, int count, Check check) {
  std::mt19937 random(12345);
  auto below = [&](size_t limit) { return random() % limit; };
  for (int i = 0; i < count; ++i) {
    std::string mutated = bytes.str();
    // Single changes of a byte most of the time.
    size_t changes = i % 4 != 0 ? 1 : 1 + below(3);
    for (size_t k = 0; k < changes; ++k) {
      size_t position = below(mutated.size());
      auto byte = static_cast<char>(below(256));
      if (i % 4 != 0 || below(3) == 0)
        mutated[position] = byte;
      else if (below(2) == 0)
        mutated.erase(position, 1);
      else
        mutated.insert(position, 1, byte);
    }
    check(mutated);
  }
}

} // namespace mlir::bfly

#endif // BFLY_TEST_UNIT_TESTSUPPORT_H
