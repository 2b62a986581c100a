// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Scratch memory for compiled code, and calls that survive the lack of it.

#include "CpuThreads.h"
#include "GuardPages.h"
#include "bfly-runtime.h"

#include <atomic>
#include <csetjmp>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <omp.h>
#include <sys/mman.h>
#include <unistd.h>

// libomp's own, as compiled code calls them.
extern "C" {
using RegionBody = void (*)(int32_t *thread, int32_t *bound, ...);
void __kmpc_fork_call(void *location, int32_t count, RegionBody body, ...);
void __kmpc_barrier(void *location, int32_t thread);
}

namespace {

constexpr uint64_t kAlignment = 64;
/// Blocks from this size on are checked against the memory that there is, and
/// asked to lie in huge pages.
constexpr uint64_t kLarge = uint64_t(4) << 20;
/// What one thread keeps at most.
constexpr uint64_t kMaxKept = uint64_t(1) << 30;
constexpr int kMaxKeptBlocks = 32;

struct Frame;

/// Lies right before every block.
struct alignas(kAlignment) Header {
  void *base;         ///< what to free
  uint64_t capacity;  ///< usable bytes
  uint64_t alignment; ///< of the block
  Frame *owner;       ///< the frame that has to free it, or null
  Header *previous, *next;
};
static_assert(sizeof(Header) == kAlignment);

/// A call of compiled code: what its threads share.
struct Call {
  uint64_t (*availableMemory)();
  std::atomic<bool> failed;
  BflyRuntimeFailure failure; ///< of the thread that failed first
};

/// A place that a thread can be taken back to: the call, or this thread's part
/// of a parallel region.
struct Frame {
  jmp_buf leave;
  Call *call;
  Header *blocks; ///< allocated on this thread and not yet freed
  Frame *outer;
  int level; ///< of OpenMP's parallel regions around it
  bool passedBarrier;
};

thread_local Frame *currentFrame = nullptr;

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

/// No thread may jump out of a parallel region: OpenMP waits for it at its end.
bool canLeave() {
  return currentFrame && omp_get_level() == currentFrame->level;
}

/// Takes this thread back to its innermost frame.
[[noreturn]] void leaveFrame() { longjmp(currentFrame->leave, 1); }

[[noreturn]] void fail(uint64_t requested, uint64_t available) {
  if (!canLeave()) {
    char line[128];
    std::snprintf(line, sizeof(line),
                  "out of memory: %llu bytes of scratch memory are not to be "
                  "had in a parallel region",
                  static_cast<unsigned long long>(requested));
    bflyRuntimeFail(line);
  }
  Call *call = currentFrame->call;
  if (!call->failed.exchange(true))
    call->failure = {requested, available, ""};
  leaveFrame();
}

/// Makes `frame` this thread's innermost one.
void enter(Frame &frame, Call &call) {
  frame.call = &call;
  frame.blocks = nullptr;
  frame.outer = currentFrame;
  frame.level = omp_get_level();
  frame.passedBarrier = false;
  currentFrame = &frame;
}

void exitFrame(Frame &frame) {
  currentFrame = frame.outer;
  // What compiled code still holds it has given away.
  for (Header *block = frame.blocks; block; block = block->next)
    block->owner = nullptr;
}

void freeBlocks(Frame &frame) {
  while (frame.blocks)
    _mlir_memref_to_llvm_free(frame.blocks + 1);
  cache.clear();
}

/// A block larger than this is not to be had, for tests.
uint64_t scratchLimit() {
  static const uint64_t limit = [] {
    const char *text = std::getenv("BFLY_SCRATCH_LIMIT");
    return text ? std::strtoull(text, nullptr, 10) : UINT64_MAX;
  }();
  return limit;
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
  if (capacity < bytes || total < capacity || bytes > scratchLimit())
    fail(bytes, 0);
  bool large = bytes >= kLarge;
  if (large && currentFrame && currentFrame->call->availableMemory) {
    uint64_t (*availableMemory)() = currentFrame->call->availableMemory;
    uint64_t available = availableMemory();
    if (total > available) {
      cache.clear();
      available = availableMemory();
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
  Frame *frame = currentFrame;
  block->owner = frame;
  block->previous = nullptr;
  block->next = nullptr;
  if (frame) {
    block->next = frame->blocks;
    if (frame->blocks)
      frame->blocks->previous = block;
    frame->blocks = block;
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
  if (Frame *owner = block->owner) {
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
  Call *call = currentFrame->call;
  if (!call->failed.exchange(true)) {
    BflyRuntimeFailure &failure = call->failure;
    failure.requested = failure.available = 0;
    std::snprintf(failure.message, sizeof(failure.message), "%s", message);
  }
  leaveFrame();
}

/// What the threads of a region need to know of it.
struct Region {
  void *location;
  Call *call;
  RegionBody body;
  int32_t count;
  void *argument;
};

/// One thread's part of a region. A thread that fails in it waits for the
/// others as if it had done its part.
static void runPart(int32_t *thread, int32_t *bound, Region *region) {
  Frame frame;
  enter(frame, *region->call);
  if (setjmp(frame.leave) == 0) {
    if (region->count)
      region->body(thread, bound, region->argument);
    else
      region->body(thread, bound);
  } else {
    freeBlocks(frame);
    if (!frame.passedBarrier)
      __kmpc_barrier(region->location, *thread);
  }
  exitFrame(frame);
}

void bflyRuntimeFork(void *location, int32_t count, RegionBody body, ...) {
  void *argument = nullptr;
  if (count == 1) {
    va_list arguments;
    va_start(arguments, body);
    argument = va_arg(arguments, void *);
    va_end(arguments);
  } else if (count != 0) {
    bflyRuntimeFail("a parallel region of more than one argument");
  }
  Frame *frame = currentFrame;
  // Outside of any call there is nothing to fail.
  if (!frame)
    return count ? __kmpc_fork_call(location, 1, body, argument)
                 : __kmpc_fork_call(location, 0, body);
  if (omp_get_level() == 0)
    if (const char *problem = bflyProveThreads(omp_get_max_threads()))
      bflyRuntimeFail(problem);
  Region region = {location, frame->call, body, count, argument};
  __kmpc_fork_call(location, 1, reinterpret_cast<RegionBody>(runPart), &region);
  if (frame->call->failed)
    leaveFrame();
}

void bflyRuntimeBarrier(void *location, int32_t thread) {
  __kmpc_barrier(location, thread);
  if (currentFrame)
    currentFrame->passedBarrier = true;
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
  call.failed = false;
  call.failure.message[0] = '\0';
  Frame frame;
  enter(frame, call);
  if (setjmp(frame.leave) == 0) {
    function(arguments);
  } else {
    result = 1;
    freeBlocks(frame);
    if (failure)
      *failure = call.failure;
  }
  exitFrame(frame);
  if (threads > 0)
    omp_set_num_threads(threadsBefore);
  return result;
}

int bflyRuntimeMaxThreads(void) { return omp_get_max_threads(); }

} // extern "C"
