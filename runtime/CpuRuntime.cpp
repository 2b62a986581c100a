// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Scratch memory for compiled code, and calls that survive the lack of it.

#include "GuardPages.h"
#include "bfly-runtime.h"

#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <omp.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

constexpr uint64_t kAlignment = 64;
/// Blocks from this size on are checked against the memory that there is, and
/// asked to lie in huge pages.
constexpr uint64_t kLarge = uint64_t(4) << 20;
/// What one thread keeps at most.
constexpr uint64_t kMaxKept = uint64_t(1) << 30;
constexpr int kMaxKeptBlocks = 32;

struct Call;

/// Lies right before every block.
struct alignas(kAlignment) Header {
  void *base;         ///< what to free
  uint64_t capacity;  ///< usable bytes
  uint64_t alignment; ///< of the block
  Call *owner;        ///< the call that has to free it, or null
  Header *previous, *next;
};
static_assert(sizeof(Header) == kAlignment);

/// A call of compiled code on the thread that made it.
struct Call {
  jmp_buf leave;
  uint64_t (*availableMemory)();
  BflyRuntimeFailure failure;
  Header *blocks; ///< allocated on this thread and not yet freed
  Call *outer;
  int level; ///< of OpenMP's parallel regions around the call
};

thread_local Call *currentCall = nullptr;

/// The freed blocks of one thread, the oldest first.
class Cache {
public:
  ~Cache() { clear(); }

  /// A block of at least `bytes` that wastes at most a quarter, or null.
  Header *take(uint64_t alignment, uint64_t bytes) {
    int best = -1;
    for (int i = 0; i < count; ++i) {
      const Header *block = blocks[i];
      if (block->alignment < alignment || block->capacity < bytes ||
          block->capacity - bytes > bytes / 4)
        continue;
      if (best < 0 || block->capacity <= blocks[best]->capacity)
        best = i;
    }
    return best < 0 ? nullptr : remove(best);
  }

  void keep(Header *block) {
    if (block->capacity > kMaxKept) {
      std::free(block->base);
      return;
    }
    while (count == kMaxKeptBlocks || kept + block->capacity > kMaxKept)
      std::free(remove(0)->base);
    blocks[count++] = block;
    kept += block->capacity;
  }

  void clear() {
    while (count)
      std::free(remove(count - 1)->base);
  }

private:
  Header *remove(int index) {
    Header *block = blocks[index];
    for (int i = index + 1; i < count; ++i)
      blocks[i - 1] = blocks[i];
    --count;
    kept -= block->capacity;
    return block;
  }

  Header *blocks[kMaxKeptBlocks];
  int count = 0;
  uint64_t kept = 0;
};

thread_local Cache cache;

/// A parallel region, even one of a single thread, cannot be left by a jump:
/// OpenMP waits for this thread at its end.
bool canLeave() { return currentCall && omp_get_level() == currentCall->level; }

[[noreturn]] void fail(uint64_t requested, uint64_t available) {
  if (!canLeave()) {
    char line[128];
    std::snprintf(line, sizeof(line),
                  "out of memory: %llu bytes of scratch memory are not to be "
                  "had in a parallel region",
                  static_cast<unsigned long long>(requested));
    bflyRuntimeFail(line);
  }
  currentCall->failure = {requested, available, ""};
  longjmp(currentCall->leave, 1);
}

/// Asks for huge pages in the whole pages of [begin, begin + bytes).
void adviseHugePages(void *begin, uint64_t bytes) {
  uintptr_t page = sysconf(_SC_PAGESIZE);
  uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) & -page;
  uintptr_t last = (reinterpret_cast<uintptr_t>(begin) + bytes) & -page;
  if (first < last)
    madvise(reinterpret_cast<void *>(first), last - first, MADV_HUGEPAGE);
}

Header *newBlock(uint64_t alignment, uint64_t bytes) {
  uint64_t capacity = (bytes + alignment - 1) & -alignment;
  uint64_t total = capacity + alignment;
  if (capacity < bytes || total < capacity)
    fail(bytes, 0);
  bool large = bytes >= kLarge;
  if (large && currentCall && currentCall->availableMemory) {
    uint64_t available = currentCall->availableMemory();
    if (total > available) {
      cache.clear();
      available = currentCall->availableMemory();
      if (total > available)
        fail(bytes, available);
    }
  }
  void *base = std::aligned_alloc(alignment, total);
  if (!base) {
    cache.clear();
    base = std::aligned_alloc(alignment, total);
    if (!base)
      fail(bytes, 0);
  }
  if (large)
    adviseHugePages(base, total);
  char *block = static_cast<char *>(base) + alignment;
  auto *header = reinterpret_cast<Header *>(block) - 1;
  *header = {base, capacity, alignment, nullptr, nullptr, nullptr};
  return header;
}

/// Idle threads of this thread's team spin for a while, in case there is more
/// to do at once. A millisecond covers the gaps within a call; OpenMP's 200
/// would take the processor from whoever works next, such as a BLAS.
void limitSpinning() {
  static thread_local bool limited = false;
  if (limited)
    return;
  limited = true;
  if (!std::getenv("KMP_BLOCKTIME"))
    kmp_set_blocktime(1);
}

} // namespace

extern "C" {

void *_mlir_memref_to_llvm_aligned_alloc(uint64_t alignment, uint64_t bytes) {
  if (alignment < kAlignment)
    alignment = kAlignment;
  if (bytes == 0)
    bytes = 1;
  if (void *guarded = allocateGuarded(alignment, bytes))
    return guarded;
  Header *block = cache.take(alignment, bytes);
  if (!block)
    block = newBlock(alignment, bytes);
  Call *call = currentCall;
  block->owner = call;
  block->previous = nullptr;
  block->next = nullptr;
  if (call) {
    block->next = call->blocks;
    if (call->blocks)
      call->blocks->previous = block;
    call->blocks = block;
  }
  return block + 1;
}

void *_mlir_memref_to_llvm_alloc(uint64_t bytes) {
  return _mlir_memref_to_llvm_aligned_alloc(kAlignment, bytes);
}

void _mlir_memref_to_llvm_free(void *pointer) {
  if (!pointer || freeGuarded(pointer))
    return;
  Header *block = static_cast<Header *>(pointer) - 1;
  // Compiled code frees a block on the thread that allocated it.
  if (Call *owner = block->owner) {
    if (block->previous)
      block->previous->next = block->next;
    else
      owner->blocks = block->next;
    if (block->next)
      block->next->previous = block->previous;
    block->owner = nullptr;
  }
  cache.keep(block);
}

void bflyRuntimeTrim(void) { cache.clear(); }

void bflyRuntimeFail(const char *message) {
  if (!canLeave()) {
    char line[sizeof(BflyRuntimeFailure::message) + 16];
    int length = std::snprintf(line, sizeof(line), "error: %s\n", message);
    ssize_t written = write(STDERR_FILENO, line, length);
    (void)written;
    _exit(1);
  }
  BflyRuntimeFailure &failure = currentCall->failure;
  failure.requested = failure.available = 0;
  std::snprintf(failure.message, sizeof(failure.message), "%s", message);
  longjmp(currentCall->leave, 1);
}

int bflyRuntimeCall(void (*function)(void **), void **arguments, int threads,
                    uint64_t (*availableMemory)(void),
                    BflyRuntimeFailure *failure) {
  // volatile: they are read after a longjmp.
  volatile int threadsBefore = omp_get_max_threads();
  volatile int result = 0;
  limitSpinning();
  readGuardMode();
  if (threads > 0)
    omp_set_num_threads(threads);
  Call call;
  call.availableMemory = availableMemory;
  call.failure.message[0] = '\0';
  call.blocks = nullptr;
  call.outer = currentCall;
  call.level = omp_get_level();
  currentCall = &call;
  if (setjmp(call.leave) == 0) {
    function(arguments);
  } else {
    result = 1;
    while (call.blocks)
      _mlir_memref_to_llvm_free(call.blocks + 1);
    cache.clear();
    if (failure)
      *failure = call.failure;
  }
  currentCall = call.outer;
  // What a function returns with it has given away.
  for (Header *block = call.blocks; block; block = block->next)
    block->owner = nullptr;
  if (threads > 0)
    omp_set_num_threads(threadsBefore);
  return result;
}

int bflyRuntimeMaxThreads(void) { return omp_get_max_threads(); }

} // extern "C"
