// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// How much memory is left, from what Linux says in /proc and /sys.

#include "bfly/Arrays/HostArray.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm;
using namespace mlir::bfly;

/// The whole of a file that the kernel makes up as it is read.
static std::string readKernelFile(StringRef path) {
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer =
      MemoryBuffer::getFileAsStream(path);
  return buffer ? (*buffer)->getBuffer().str() : std::string();
}

/// MemAvailable of /proc/meminfo, which counts what can be freed at once too.
static uint64_t machineMemory() {
  std::string text = readKernelFile("/proc/meminfo");
  StringRef rest = text;
  while (!rest.empty()) {
    StringRef line;
    std::tie(line, rest) = rest.split('\n');
    uint64_t kibibytes;
    if (line.consume_front("MemAvailable:") &&
        !line.trim().consumeInteger(10, kibibytes))
      return kibibytes * 1024;
  }
  return kNoLimit;
}

/// The limit of a container, cgroups version 2 or 1. Its present use is left
/// out, because that counts file caches, which give way.
static uint64_t containerMemory() {
  uint64_t limit = kNoLimit;
  for (const char *path : {"/sys/fs/cgroup/memory.max",
                           "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    uint64_t bytes;
    std::string text = readKernelFile(path);
    if (!StringRef(text).trim().getAsInteger(10, bytes))
      limit = std::min(limit, bytes);
  }
  return limit;
}

uint64_t mlir::bfly::availableMemory() {
  return std::min(machineMemory(), containerMemory());
}
