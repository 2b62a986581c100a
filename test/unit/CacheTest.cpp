// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The cache of compiled code: what is in its files, and which are used.

#include "../../lib/Engine/CodeCache.h"
#include "../../lib/Engine/CompiledCode.h"
#include "bfly/Engine/Compilation.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"

#include "gtest/gtest.h"

#include <fcntl.h>
#include <fstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace mlir;
using namespace mlir::bfly;

namespace {

class CacheTest : public testing::Test {
protected:
  void SetUp() override {
    llvm::SmallString<128> made;
    ASSERT_FALSE(llvm::sys::fs::createUniqueDirectory("bfly-cache", made));
    base = made.str().str();
    folder = base + "/a/bfly";
    setenv("BFLY_CACHE", folder.c_str(), 1);
    unsetenv("BFLY_CACHE_LIMIT");
  }
  void TearDown() override {
    setenv("BFLY_CACHE", "off", 1);
    llvm::sys::fs::remove_directories(base);
  }

  static CacheKey key(uint8_t number) {
    CacheKey key = {};
    key[0] = number;
    return key;
  }
  std::string pathOf(const CacheKey &key) const {
    return folder + "/" + llvm::toHex(key, /*LowerCase=*/true) + ".code";
  }
  static std::string readFile(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static void writeFile(const std::string &path, const std::string &bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
  }
  /// What the cache has; "-" for nothing.
  static std::string find(const CodeCache &cache, const CacheKey &key) {
    auto payload = cache.find(key);
    return payload ? payload->getBuffer().str() : "-";
  }
  static void setAge(const std::string &path, time_t seconds) {
    timespec time = {::time(nullptr) - seconds, 0};
    timespec times[2] = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }

  std::string base, folder;
};

constexpr llvm::StringLiteral kText(R"mlir(
  ml_program.global private @unused(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>
  func.func @twice(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>) -> tensor<?x4xf32> {
    %z = arith.addf %x, %y : tensor<?x4xf32>
    %c = tensor.concat dim(0) %z, %z : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    return %c : tensor<?x4xf32>
  }
)mlir");

std::unique_ptr<Compilation> makeCompilation(llvm::StringRef text,
                                             CompileSettings settings = {}) {
  return std::make_unique<Compilation>(
      llvm::MemoryBuffer::getMemBufferCopy(text, "twice.mlir"), SourceOptions(),
      "", std::move(settings));
}

/// What `twice` makes of 1 + 2.
float call(const Executable &executable) {
  float x[4] = {1, 1, 1, 1}, y[4] = {2, 2, 2, 2};
  auto a = cantFail(HostArray::borrow(ElementType::F32, {1, 4},
                                      static_cast<const void *>(x), 16));
  auto b = cantFail(HostArray::borrow(ElementType::F32, {1, 4},
                                      static_cast<const void *>(y), 16));
  auto results = cantFail(executable.allocateResults({&a, &b}, {}));
  cantFail(executable.invoke({&a, &b}, {}, {&results[0]}));
  EXPECT_EQ(results[0].shape(), llvm::ArrayRef<int64_t>({2, 4}));
  return static_cast<const float *>(results[0].data())[7];
}

} // namespace

TEST_F(CacheTest, KeepsWhatItIsGiven) {
  CodeCache cache(folder, 1 << 20);
  EXPECT_EQ(find(cache, key(1)), "-");
  EXPECT_TRUE(cache.store(key(1), {"ab", "", "c"}));
  EXPECT_TRUE(cache.store(key(2), {}));
  EXPECT_EQ(find(cache, key(1)), "abc");
  EXPECT_EQ(find(cache, key(2)), "");
  EXPECT_TRUE(cache.store(key(1), {"other"}));
  EXPECT_EQ(find(cache, key(1)), "other");
  struct stat status;
  ASSERT_EQ(stat(folder.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0700u);
  ASSERT_EQ(stat(pathOf(key(1)).c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(cache.look().entries, 2u);
  // Files of others in the folder stay.
  writeFile(folder + "/README", "mine");
  EXPECT_EQ(cantFail(cache.clear()).entries, 2u);
  EXPECT_EQ(find(cache, key(1)), "-");
  EXPECT_EQ(readFile(folder + "/README"), "mine");
}

TEST_F(CacheTest, UsesNothingThatIsDamaged) {
  CodeCache cache(folder, 1 << 20);
  std::string payload(1000, 'x');
  ASSERT_TRUE(cache.store(key(1), {payload}));
  std::string good = readFile(pathOf(key(1)));
  // Every length but the whole one, and a bit anywhere.
  for (size_t size = 0; size < good.size(); size += 7) {
    writeFile(pathOf(key(1)), good.substr(0, size));
    EXPECT_EQ(find(cache, key(1)), "-") << size;
  }
  for (size_t at = 0; at < good.size(); at += 5) {
    std::string bad = good;
    bad[at] ^= 1;
    writeFile(pathOf(key(1)), bad);
    EXPECT_EQ(find(cache, key(1)), "-") << at;
  }
  writeFile(pathOf(key(1)), good + "x");
  EXPECT_EQ(find(cache, key(1)), "-");
  // Another entry's bytes.
  writeFile(pathOf(key(2)), good);
  EXPECT_EQ(find(cache, key(2)), "-");
  writeFile(pathOf(key(1)), good);
  EXPECT_EQ(find(cache, key(1)), payload);
}

TEST_F(CacheTest, UsesNothingThatOthersMayWrite) {
  CodeCache cache(folder, 1 << 20);
  ASSERT_TRUE(cache.store(key(1), {"abc"}));
  std::string path = pathOf(key(1));
  for (mode_t mode : {0620, 0602, 0666}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    EXPECT_EQ(find(cache, key(1)), "-");
  }
  ASSERT_EQ(chmod(path.c_str(), 0644), 0);
  EXPECT_EQ(find(cache, key(1)), "abc");
  for (mode_t mode : {0720, 0777}) {
    ASSERT_EQ(chmod(folder.c_str(), mode), 0);
    EXPECT_EQ(find(cache, key(1)), "-");
    EXPECT_FALSE(cache.store(key(2), {"abc"}));
    EXPECT_EQ(cache.look().problem,
              folder + " is not used: others may write to it");
  }
  ASSERT_EQ(chmod(folder.c_str(), 0755), 0);
  EXPECT_EQ(find(cache, key(1)), "abc");
  // A link, a pipe and a folder in the place of a file.
  ASSERT_EQ(rename(path.c_str(), (folder + "/else").c_str()), 0);
  ASSERT_EQ(symlink("else", path.c_str()), 0);
  EXPECT_EQ(find(cache, key(1)), "-");
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_EQ(find(cache, key(1)), "-");
  ASSERT_EQ(unlink(path.c_str()), 0);
  ASSERT_EQ(mkdir(path.c_str(), 0700), 0);
  EXPECT_EQ(find(cache, key(1)), "-");
  EXPECT_FALSE(cache.store(key(1), {"abc"}));
  if (geteuid() != 0)
    return;
  ASSERT_TRUE(cache.store(key(2), {"abc"}));
  ASSERT_EQ(chown(pathOf(key(2)).c_str(), 12345, 0), 0);
  EXPECT_EQ(find(cache, key(2)), "-");
  ASSERT_EQ(chown(pathOf(key(2)).c_str(), 0, 0), 0);
  EXPECT_EQ(find(cache, key(2)), "abc");
  ASSERT_EQ(chown(folder.c_str(), 12345, 0), 0);
  EXPECT_EQ(find(cache, key(2)), "-");
  EXPECT_EQ(cache.look().problem,
            folder + " is not used: it belongs to another user");
}

TEST_F(CacheTest, KeepsWhatWasUsedLast) {
  std::string payload(1000, 'x');
  CodeCache cache(folder, 3500);
  for (uint8_t number : {1, 2, 3}) {
    ASSERT_TRUE(cache.store(key(number), {payload}));
    setAge(pathOf(key(number)), 100 - number);
  }
  EXPECT_EQ(find(cache, key(1)), payload);
  // Left by processes that ended while they wrote, long ago and just now.
  writeFile(folder + "/.tmp-1", "");
  setAge(folder + "/.tmp-1", 7200);
  writeFile(folder + "/.tmp-2", "");
  ASSERT_TRUE(cache.store(key(4), {payload}));
  EXPECT_EQ(find(cache, key(1)), payload);
  EXPECT_EQ(find(cache, key(2)), "-");
  EXPECT_EQ(find(cache, key(3)), payload);
  EXPECT_EQ(find(cache, key(4)), payload);
  EXPECT_LE(cache.look().bytes, 3500u);
  EXPECT_FALSE(llvm::sys::fs::exists(folder + "/.tmp-1"));
  EXPECT_TRUE(llvm::sys::fs::exists(folder + "/.tmp-2"));
  // What is larger than all together.
  EXPECT_FALSE(cache.store(key(5), {std::string(4000, 'x')}));
  EXPECT_EQ(find(cache, key(1)), payload);
}

TEST_F(CacheTest, LeavesNothingBehindWhereItCannotWrite) {
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  rlimit small = {500, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  CodeCache cache(folder, 1 << 20);
  EXPECT_FALSE(cache.store(key(1), {std::string(1000, 'x')}));
  EXPECT_TRUE(cache.store(key(2), {std::string(100, 'x')}));
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(cache.look().entries, 1u);
  // A file in the place of a folder.
  writeFile(base + "/file", "");
  EXPECT_FALSE(CodeCache(base + "/file", 1 << 20).store(key(1), {"x"}));
  EXPECT_FALSE(CodeCache(base + "/file/below", 1 << 20).store(key(1), {"x"}));
}

TEST_F(CacheTest, ServesManyThreads) {
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&, i] {
      // So small that entries go all the time.
      CodeCache cache(folder, 20000);
      for (int j = 0; j < 100; ++j) {
        uint8_t number = (7 * i + j) % 16;
        std::string payload(2000, static_cast<char>(number));
        cache.store(key(number), {payload});
        std::string found = find(cache, key(number));
        wrong += found != "-" && found != payload;
      }
    });
  for (std::thread &thread : threads)
    thread.join();
  EXPECT_EQ(wrong, 0);
  CacheInfo info = CodeCache(folder, 20000).look();
  EXPECT_GT(info.entries, 0u);
  EXPECT_LE(info.bytes, 20000u + 8 * 2100);
}

TEST_F(CacheTest, FindsItsFolder) {
  std::string problem;
  setenv("BFLY_CACHE", "off", 1);
  EXPECT_FALSE(CodeCache::fromEnvironment(problem));
  EXPECT_EQ(problem, "");
  EXPECT_EQ(getCacheInfo().folder, "");
  setenv("BFLY_CACHE", "some/where", 1);
  EXPECT_FALSE(CodeCache::fromEnvironment(problem));
  EXPECT_EQ(problem, "BFLY_CACHE is 'some/where', and has to be off or the "
                     "absolute path of a folder");
  EXPECT_EQ(getCacheInfo().problem, problem);
  unsetenv("BFLY_CACHE");
  const char *home = getenv("HOME");
  std::string oldHome = home ? home : "";
  setenv("XDG_CACHE_HOME", (base + "/xdg").c_str(), 1);
  setenv("HOME", (base + "/home").c_str(), 1);
  EXPECT_EQ(getCacheInfo().folder, base + "/xdg/bfly");
  setenv("XDG_CACHE_HOME", "relative", 1);
  EXPECT_EQ(getCacheInfo().folder, base + "/home/.cache/bfly");
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
  EXPECT_EQ(getCacheInfo().problem,
            "there is no folder for it: HOME is not set");
  setenv("HOME", oldHome.c_str(), 1);
  setenv("BFLY_CACHE", folder.c_str(), 1);
  EXPECT_EQ(getCacheInfo().limit, uint64_t(1) << 30);
  setenv("BFLY_CACHE_LIMIT", "3", 1);
  EXPECT_EQ(getCacheInfo().limit, uint64_t(3) << 20);
  setenv("BFLY_CACHE_LIMIT", "3G", 1);
  EXPECT_EQ(getCacheInfo().problem,
            "BFLY_CACHE_LIMIT is '3G', and has to be a number of MiB");
}

TEST_F(CacheTest, ReadsWhatCodeSays) {
  auto made = makeCompilation(kText);
  auto code = cantFail(Executable::compile(*cantFail(made->lowering())));
  code.parameterNames = {"unused", std::string("\0\xff", 2)};
  std::string bytes = code.writeHeader() + code.object->getBuffer().str();
  auto read = CompiledCode::read(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->signature.str(), code.signature.str());
  EXPECT_EQ(read->parameterNames, code.parameterNames);
  EXPECT_EQ(read->object->getBuffer(), code.object->getBuffer());
  EXPECT_EQ(read->writeHeader(), code.writeHeader());
  auto sizes = cantFail(read->signature.matchShapes({{3, 4}, {3, 4}}, {}));
  EXPECT_EQ(cantFail(read->signature.resultShapes(sizes))[0][0], 6);
  EXPECT_NE(
      toString(read->signature.matchShapes({{3, 4}, {2, 4}}, {}).takeError())
          .find("needs them equal"),
      std::string::npos);
  // Nothing that is cut off or changed does harm.
  for (size_t size = 0; size < bytes.size(); ++size)
    EXPECT_FALSE(CompiledCode::read(StringRef(bytes).take_front(size))) << size;
  for (size_t at = 0; at + code.object->getBufferSize() < bytes.size(); ++at)
    for (char flip : {1, -128}) {
      std::string bad = bytes;
      bad[at] ^= flip;
      (void)CompiledCode::read(bad);
    }
}

TEST_F(CacheTest, CompilesOnce) {
  CacheInfo before = getCacheInfo();
  auto first = makeCompilation(kText);
  EXPECT_FALSE(first->find());
  EXPECT_EQ(call(*cantFail(first->compile())), 3);
  EXPECT_FALSE(first->isFromCache());
  auto second = makeCompilation(kText);
  EXPECT_TRUE(second->find());
  EXPECT_EQ(cantFail(second->signature())->name, "twice");
  EXPECT_EQ(cantFail(second->parameterNames()).size(), 1u);
  EXPECT_EQ(call(*cantFail(second->compile())), 3);
  EXPECT_TRUE(second->isFromCache());
  // A second time, for which the entry was taken.
  EXPECT_EQ(call(*cantFail(second->compile())), 3);
  // What else is asked for is read out of the source.
  EXPECT_NE(cantFail(cantFail(second->lowering())->ir("mixer")).find("@twice"),
            std::string::npos);
  CacheInfo after = getCacheInfo();
  EXPECT_EQ(after.hits - before.hits, 1u);
  EXPECT_EQ(after.misses - before.misses, 1u);
  EXPECT_EQ(after.stores - before.stores, 2u);
  EXPECT_EQ(after.entries, 1u);
  // Others find other code.
  CompileSettings settings;
  settings.threads = 1;
  EXPECT_FALSE(makeCompilation(kText, settings)->find());
  settings.threads = 0;
  settings.pipelineOptions = "fuse=false";
  EXPECT_FALSE(makeCompilation(kText, settings)->find());
  EXPECT_FALSE(makeCompilation((kText + "\n").str())->find());
  SourceOptions trusting;
  trusting.allowForeignCalls = true;
  EXPECT_FALSE(
      Compilation(llvm::MemoryBuffer::getMemBufferCopy(kText, "twice.mlir"),
                  trusting, "", CompileSettings())
          .find());
  EXPECT_FALSE(
      Compilation(llvm::MemoryBuffer::getMemBufferCopy(kText, "other.mlir"),
                  SourceOptions(), "", CompileSettings())
          .find());
}

TEST_F(CacheTest, CompilesAnewWhatCannotBeLinked) {
  auto first = makeCompilation(kText);
  first->find();
  cantFail(first->compile());
  // An entry of the right form whose object is none.
  auto code = cantFail(Executable::compile(*cantFail(first->lowering())));
  code.object = llvm::MemoryBuffer::getMemBufferCopy("no object");
  std::error_code error;
  llvm::sys::fs::directory_iterator entry(folder, error);
  ASSERT_FALSE(error);
  CacheKey key;
  std::string raw;
  ASSERT_TRUE(llvm::tryGetFromHex(
      llvm::StringRef(entry->path()).rsplit('/').second.drop_back(5), raw));
  std::copy_n(raw.begin(), key.size(), key.begin());
  std::string header = code.writeHeader();
  ASSERT_TRUE(CodeCache(folder, 1 << 20)
                  .store(key, {header, code.object->getBuffer()}));
  auto second = makeCompilation(kText);
  EXPECT_TRUE(second->find());
  EXPECT_EQ(call(*cantFail(second->compile())), 3);
  EXPECT_FALSE(second->isFromCache());
  auto third = makeCompilation(kText);
  EXPECT_TRUE(third->find());
  EXPECT_EQ(call(*cantFail(third->compile())), 3);
  EXPECT_TRUE(third->isFromCache());
}
