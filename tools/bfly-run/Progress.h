// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// A line on stderr for whatever takes over a second.

#ifndef BFLY_TOOLS_BFLYRUN_PROGRESS_H
#define BFLY_TOOLS_BFLYRUN_PROGRESS_H

#include <condition_variable>
#include <mutex>
#include <pthread.h>
#include <string>

namespace mlir::bfly {

/// While it lives, says what is being done and for how long: on a terminal a
/// line that is rewritten every second and vanishes, else a line after one
/// second and then whenever the time has doubled. Says nothing where there is
/// no memory for a thread.
class Progress {
public:
  explicit Progress(std::string what);
  ~Progress();

private:
  void watch();

  std::string what;
  std::mutex mutex;
  std::condition_variable wakeUp;
  bool done = false;
  pthread_t watcher;
  bool watched;
};

} // namespace mlir::bfly

#endif // BFLY_TOOLS_BFLYRUN_PROGRESS_H
