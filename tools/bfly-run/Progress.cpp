// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Progress.h"

#include <chrono>
#include <cstdio>
#include <unistd.h>

using namespace mlir::bfly;

// Not std::thread, whose constructor throws.
Progress::Progress(std::string what) : what(std::move(what)) {
  watched = pthread_create(
                &watcher, nullptr,
                [](void *self) -> void * {
                  static_cast<Progress *>(self)->watch();
                  return nullptr;
                },
                this) == 0;
}

Progress::~Progress() {
  if (!watched)
    return;
  {
    std::lock_guard<std::mutex> held(mutex);
    done = true;
  }
  wakeUp.notify_one();
  pthread_join(watcher, nullptr);
}

void Progress::watch() {
  bool onTerminal = isatty(STDERR_FILENO);
  bool printed = false;
  int seconds = 0;
  int next = 1;
  std::unique_lock<std::mutex> held(mutex);
  while (!wakeUp.wait_for(held, std::chrono::seconds(1),
                          [this] { return done; })) {
    ++seconds;
    if (onTerminal) {
      std::fprintf(stderr, "\r%s … %d s ", what.c_str(), seconds);
      printed = true;
    } else if (seconds == next) {
      std::fprintf(stderr, "%s … %d s\n", what.c_str(), seconds);
      next *= 2;
    }
  }
  if (printed)
    std::fprintf(stderr, "\r\033[K");
}
