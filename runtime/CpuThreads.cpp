// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CpuThreads.h"

#include <cstdint>
#include <omp.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

namespace {

/// What OpenMP needs besides a thread's stack, generously.
constexpr uint64_t kBytesAThread = uint64_t(1) << 18;
constexpr int kMaxThreads = 4096;

struct Gate {
  pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
};

void *passGate(void *gate) {
  auto *mutex = &static_cast<Gate *>(gate)->mutex;
  pthread_mutex_lock(mutex);
  pthread_mutex_unlock(mutex);
  return nullptr;
}

/// Whether `count` threads with OpenMP's stacks can be there at once: has them
/// for a moment.
bool canStart(int count) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes))
    return false;
  pthread_attr_setstacksize(&attributes, kmp_get_stacksize_s());
  uint64_t bytes = kBytesAThread * (count + 4);
  void *room = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  pthread_t threads[kMaxThreads];
  int started = 0;
  Gate gate;
  pthread_mutex_lock(&gate.mutex);
  while (room != MAP_FAILED && started < count &&
         pthread_create(&threads[started], &attributes, passGate, &gate) == 0)
    ++started;
  pthread_mutex_unlock(&gate.mutex);
  for (int i = 0; i < started; ++i)
    pthread_join(threads[i], nullptr);
  pthread_attr_destroy(&attributes);
  if (room != MAP_FAILED)
    munmap(room, bytes);
  return started == count;
}

} // namespace

const char *bflyProveThreads(int count) {
  static thread_local int proven = 1;
  static thread_local pid_t process = 0;
  // A forked process has this thread alone.
  if (process != getpid()) {
    process = getpid();
    proven = 1;
  }
  if (count <= proven)
    return nullptr;
  if (count > kMaxThreads)
    return "more than 4096 threads";
  if (!canStart(count - proven))
    return "out of memory or of threads: the threads of a parallel region "
           "cannot be started; take fewer";
  proven = count;
  return nullptr;
}
