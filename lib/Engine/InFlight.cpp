// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "InFlight.h"

#include <atomic>
#include <pthread.h>
#include <unistd.h>

using namespace mlir::bfly;

static std::atomic<int> active{0};
static std::atomic<bool> ending{false};
/// Of this thread, which may call from within a call.
static thread_local int depth = 0;
/// This thread ends the process.
static thread_local bool ends = false;

/// A forked process has one thread, which is in no call.
static void forget() {
  active = depth > 0 ? 1 : 0;
  ending = false;
}

InFlight::InFlight() {
  static const bool registered = pthread_atfork(nullptr, nullptr, forget) == 0;
  (void)registered;
  if (depth++ > 0)
    return;
  ++active;
  if (!ending || ends)
    return;
  --active;
  for (;;)
    pause();
}

InFlight::~InFlight() {
  if (--depth == 0)
    --active;
}

void InFlight::shutDown(double seconds) {
  ends = true;
  ending = true;
  constexpr double kStep = 1e-3;
  for (double waited = 0; active > (depth > 0 ? 1 : 0) && waited < seconds;
       waited += kStep)
    usleep(1000);
}
