// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "GuardPages.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <sys/mman.h>
#include <unistd.h>

namespace {

enum class Mode { Off, Begin, End };
std::atomic<Mode> mode{Mode::Off};

struct Mapping {
  char *base;
  uint64_t size;   ///< with both guards
  uint64_t bytes;  ///< of the block
  uint64_t padded; ///< with what its alignment adds
};

// Never destroyed: threads of OpenMP may outlive this file's statics.
std::mutex &mutex = *new std::mutex;
std::map<void *, Mapping> &mappings = *new std::map<void *, Mapping>;
std::atomic<uint64_t> live{0};

constexpr int kPattern = 0xA5;
/// Every byte of a NaN, of any type.
constexpr int kPoison = 0xFF;

uint64_t roundUp(uint64_t value, uint64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

} // namespace

void readGuardMode() {
  const char *value = std::getenv("BFLY_GUARD");
  Mode wanted = Mode::Off;
  if (value && !std::strcmp(value, "begin"))
    wanted = Mode::Begin;
  else if (value && !std::strcmp(value, "end"))
    wanted = Mode::End;
  mode.store(wanted, std::memory_order_relaxed);
}

void *allocateGuarded(uint64_t alignment, uint64_t bytes) {
  Mode wanted = mode.load(std::memory_order_relaxed);
  const uint64_t page = sysconf(_SC_PAGESIZE);
  // Larger alignments than a page are nobody's.
  if (wanted == Mode::Off || alignment > page || bytes > UINT64_MAX / 2)
    return nullptr;
  Mapping mapping;
  mapping.bytes = bytes;
  mapping.padded = roundUp(bytes, alignment);
  uint64_t inner = roundUp(mapping.padded, page);
  mapping.size = inner + 2 * page;
  void *base = mmap(nullptr, mapping.size, PROT_NONE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED)
    return nullptr;
  mapping.base = static_cast<char *>(base);
  char *first = mapping.base + page;
  if (mprotect(first, inner, PROT_READ | PROT_WRITE)) {
    munmap(base, mapping.size);
    return nullptr;
  }
  char *block = wanted == Mode::End ? first + (inner - mapping.padded) : first;
  std::memset(block, kPoison, bytes);
  std::memset(block + bytes, kPattern, mapping.padded - bytes);
  std::lock_guard<std::mutex> lock(mutex);
  mappings[block] = mapping;
  live.fetch_add(1, std::memory_order_relaxed);
  return block;
}

bool freeGuarded(void *pointer) {
  if (live.load(std::memory_order_relaxed) == 0)
    return false;
  Mapping mapping;
  {
    std::lock_guard<std::mutex> lock(mutex);
    auto found = mappings.find(pointer);
    if (found == mappings.end())
      return false;
    mapping = found->second;
    mappings.erase(found);
    live.fetch_sub(1, std::memory_order_relaxed);
  }
  const char *block = static_cast<const char *>(pointer);
  for (uint64_t i = mapping.bytes; i < mapping.padded; ++i)
    if (static_cast<unsigned char>(block[i]) != kPattern) {
      std::fprintf(stderr,
                   "error: compiled code wrote %llu bytes after the end of "
                   "%llu bytes of scratch memory\n",
                   static_cast<unsigned long long>(i - mapping.bytes),
                   static_cast<unsigned long long>(mapping.bytes));
      std::abort();
    }
  munmap(mapping.base, mapping.size);
  return true;
}
