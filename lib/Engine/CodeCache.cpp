// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CodeCache.h"

#include "bfly/Arrays/FileIO.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <cstring>
#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace mlir::bfly;
using llvm::ArrayRef;
using llvm::SmallString;
using llvm::SmallVector;
using llvm::StringRef;
using llvm::Twine;

/// A file begins with this, a hash of all that follows it, and its key.
static constexpr StringRef kMagic("bflycc\0\1", 8);
static constexpr size_t kHashBytes = 32;
static constexpr size_t kHeaderBytes = 8 + 2 * kHashBytes;
static constexpr StringRef kSuffix(".code");
static constexpr StringRef kTemporary(".tmp-");
/// What is still being written is younger, in seconds.
static constexpr time_t kTemporaryAge = 3600;

// Files -----------------------------------------------------------------------

namespace {
/// An open file or folder.
struct Descriptor {
  int fd = -1;
  explicit Descriptor(int fd) : fd(fd) {}
  Descriptor(Descriptor &&other) : fd(std::exchange(other.fd, -1)) {}
  Descriptor(const Descriptor &) = delete;
  ~Descriptor() { close(); }
  /// False if what was written did not all get there.
  bool close() { return fd < 0 || ::close(std::exchange(fd, -1)) == 0; }
  explicit operator bool() const { return fd >= 0; }
};

struct Entry {
  std::string name;
  uint64_t bytes;
  timespec used;
  bool isTemporary;
};
} // namespace

static std::string errorText(const Twine &what) {
  return (what + ": " + std::strerror(errno)).str();
}

/// Why what is in a file or folder is not to be run; empty if it may be.
static std::string distrust(const struct stat &status) {
  if (status.st_uid != geteuid())
    return "it belongs to another user";
  if (status.st_mode & (S_IWGRP | S_IWOTH))
    return "others may write to it";
  return "";
}

/// The folder, made if that is wanted and it is not there. Without a problem it
/// is simply not there.
static Descriptor openFolder(const std::string &path, bool create,
                             std::string &problem) {
  auto open = [&] {
    return Descriptor(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  };
  Descriptor folder = open();
  if (!folder && errno == ENOENT) {
    if (!create)
      return folder;
    if (std::error_code code = llvm::sys::fs::create_directories(
            path, /*IgnoreExisting=*/true, llvm::sys::fs::owner_all)) {
      problem = path + ": " + code.message();
      return folder;
    }
    Descriptor made = open();
    std::swap(folder.fd, made.fd);
  }
  struct stat status;
  if (!folder || fstat(folder.fd, &status)) {
    problem = errorText(path);
    return Descriptor(-1);
  }
  std::string why = distrust(status);
  if (why.empty())
    return folder;
  problem = path + " is not used: " + why;
  return Descriptor(-1);
}

static std::string fileName(const CacheKey &key) {
  return llvm::toHex(key, /*LowerCase=*/true) + kSuffix.str();
}

/// All entries, and what is left of those that were not finished.
static std::vector<Entry> list(const Descriptor &folder) {
  std::vector<Entry> entries;
  int fd = openat(folder.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *stream = fd < 0 ? nullptr : fdopendir(fd);
  if (!stream) {
    if (fd >= 0)
      ::close(fd);
    return entries;
  }
  while (dirent *found = readdir(stream)) {
    StringRef name = found->d_name;
    bool isTemporary = name.starts_with(kTemporary);
    bool isEntry = name.size() == 2 * kHashBytes + kSuffix.size() &&
                   name.ends_with(kSuffix);
    struct stat status;
    if ((isTemporary || isEntry) &&
        fstatat(folder.fd, found->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0)
      entries.push_back({name.str(), static_cast<uint64_t>(status.st_size),
                         status.st_mtim, isTemporary});
  }
  closedir(stream);
  return entries;
}

/// Takes away what was not used for the longest time, and what nobody finished.
static void evict(const Descriptor &folder, uint64_t limit) {
  std::vector<Entry> entries = list(folder);
  uint64_t total = 0;
  for (const Entry &entry : entries)
    total += entry.bytes;
  llvm::sort(entries, [](const Entry &a, const Entry &b) {
    return std::pair(a.used.tv_sec, a.used.tv_nsec) <
           std::pair(b.used.tv_sec, b.used.tv_nsec);
  });
  time_t now = time(nullptr);
  for (const Entry &entry : entries) {
    bool goes = entry.isTemporary ? entry.used.tv_sec + kTemporaryAge < now
                                  : total > limit;
    if (goes && unlinkat(folder.fd, entry.name.c_str(), 0) == 0)
      total -= entry.bytes;
  }
}

static bool writeAll(int fd, StringRef bytes) {
  while (!bytes.empty()) {
    ssize_t count = write(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    bytes = bytes.drop_front(count);
  }
  return true;
}

static bool readAll(int fd, llvm::MutableArrayRef<char> bytes) {
  while (!bytes.empty()) {
    ssize_t count = read(fd, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return false;
    bytes = bytes.drop_front(count);
  }
  return true;
}

static StringRef asText(const CacheKey &key) {
  return {reinterpret_cast<const char *>(key.data()), key.size()};
}

// The cache -------------------------------------------------------------------

std::unique_ptr<llvm::MemoryBuffer> CodeCache::find(const CacheKey &key) const {
  std::string problem;
  Descriptor directory = openFolder(folder, /*create=*/false, problem);
  if (!directory) {
    if (!problem.empty())
      noteCacheProblem(problem);
    return nullptr;
  }
  std::string name = fileName(key);
  Descriptor file(openat(directory.fd, name.c_str(),
                         O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status;
  if (!file || fstat(file.fd, &status)) {
    if (errno != ENOENT)
      noteCacheProblem(errorText(folder + "/" + name));
    return nullptr;
  }
  auto reject = [&](const Twine &why) {
    noteCacheProblem((folder + "/" + name + " is not used: " + why).str());
    return nullptr;
  };
  if (!S_ISREG(status.st_mode))
    return reject("it is no file");
  if (std::string why = distrust(status); !why.empty())
    return reject(why);
  if (status.st_size < static_cast<off_t>(kHeaderBytes))
    return reject("it is cut off");
  auto buffer =
      llvm::WritableMemoryBuffer::getNewUninitMemBuffer(status.st_size);
  if (!buffer || !readAll(file.fd, buffer->getBuffer()))
    return reject("it cannot be read");
  StringRef bytes(buffer->getBufferStart(), buffer->getBufferSize());
  if (bytes.take_front(kMagic.size()) != kMagic)
    return reject("it is none of bfly's");
  StringRef hash = bytes.substr(kMagic.size(), kHashBytes);
  StringRef rest = bytes.drop_front(kMagic.size() + kHashBytes);
  auto actual =
      llvm::BLAKE3::hash<kHashBytes>(llvm::arrayRefFromStringRef(rest));
  if (hash != llvm::toStringRef(actual) ||
      rest.take_front(kHashBytes) != asText(key))
    return reject("it is damaged");
  // It was used now. In a folder that cannot be written to, it was not.
  (void)futimens(file.fd, nullptr);
  return llvm::MemoryBuffer::getMemBufferCopy(rest.drop_front(kHashBytes),
                                              name);
}

bool CodeCache::store(const CacheKey &key, ArrayRef<StringRef> payload) const {
  uint64_t size = kHeaderBytes;
  llvm::BLAKE3 hasher;
  hasher.update(asText(key));
  for (StringRef part : payload) {
    size += part.size();
    hasher.update(part);
  }
  // A write beyond the process's limit would be a signal.
  rlimit files = {RLIM_INFINITY, RLIM_INFINITY};
  getrlimit(RLIMIT_FSIZE, &files);
  if (size > limit || size > files.rlim_cur) {
    noteCacheProblem("an entry of " + formatBytes(size) +
                     " is larger than the limit");
    return false;
  }
  std::string problem;
  Descriptor directory = openFolder(folder, /*create=*/true, problem);
  if (!directory) {
    noteCacheProblem(problem);
    return false;
  }
  uint64_t number = 0;
  if (getrandom(&number, sizeof(number), 0) != sizeof(number))
    return false;
  std::string temporary = kTemporary.str() + llvm::utohexstr(number);
  Descriptor file(openat(directory.fd, temporary.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                         S_IRUSR | S_IWUSR));
  if (!file) {
    noteCacheProblem(errorText(folder));
    return false;
  }
  auto hash = hasher.final<kHashBytes>();
  bool written = writeAll(file.fd, kMagic) &&
                 writeAll(file.fd, llvm::toStringRef(hash)) &&
                 writeAll(file.fd, asText(key));
  for (StringRef part : payload)
    written = written && writeAll(file.fd, part);
  // Not forced to the disk: what a crash of the machine leaves out the
  // checksum tells.
  written = written && file.close() &&
            renameat(directory.fd, temporary.c_str(), directory.fd,
                     fileName(key).c_str()) == 0;
  if (!written) {
    noteCacheProblem(errorText(folder));
    unlinkat(directory.fd, temporary.c_str(), 0);
    return false;
  }
  evict(directory, limit);
  return true;
}

void CodeCache::remove(const CacheKey &key) const {
  std::string problem;
  Descriptor directory = openFolder(folder, /*create=*/false, problem);
  if (directory)
    unlinkat(directory.fd, fileName(key).c_str(), 0);
}

CacheInfo CodeCache::look() const {
  CacheInfo info;
  info.folder = folder;
  info.limit = limit;
  Descriptor directory = openFolder(folder, /*create=*/false, info.problem);
  if (!directory)
    return info;
  for (const Entry &entry : list(directory)) {
    info.entries += !entry.isTemporary;
    info.bytes += entry.bytes;
  }
  return info;
}

llvm::Expected<CacheInfo> CodeCache::clear() const {
  CacheInfo gone;
  gone.folder = folder;
  std::string problem;
  Descriptor directory = openFolder(folder, /*create=*/false, problem);
  if (!problem.empty())
    return makeError(problem);
  if (!directory)
    return gone;
  for (const Entry &entry : list(directory)) {
    if (unlinkat(directory.fd, entry.name.c_str(), 0) == 0) {
      gone.entries += !entry.isTemporary;
      gone.bytes += entry.bytes;
    } else if (errno != ENOENT) {
      return makeError(errorText(folder + "/" + entry.name));
    }
  }
  return gone;
}
