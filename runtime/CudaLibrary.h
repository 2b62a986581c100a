// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// CUDA's own libraries, opened when a call first needs them.

#ifndef BFLY_RUNTIME_CUDALIBRARY_H
#define BFLY_RUNTIME_CUDALIBRARY_H

#include "CudaDriver.h"
#include "CudaState.h"

#include <dlfcn.h>
#include <mutex>

namespace bfly::cuda {

/// Looks functions up; `missing` is one that is not there.
struct Symbols {
  void *handle;
  const char *missing = nullptr;

  template <typename Pointer> void get(Pointer &function, const char *name) {
    function = reinterpret_cast<Pointer>(dlsym(handle, name));
    if (!function)
      missing = name;
  }
};

/// The functions of a library, which `Functions::load(Symbols &)` fills in.
/// Null with a recorded error, "<purpose> needs <title>, which is not ...",
/// which is tried again by the next call.
template <typename Functions>
const Functions *openOnce(const char *variable, const char *const *names,
                          const char *purpose, const char *title) {
  static std::mutex mutex;
  static Functions functions;
  static bool ready = false;
  std::lock_guard<std::mutex> held(mutex);
  if (ready)
    return &functions;
  char problem[512];
  Symbols symbols{openLibrary(variable, names, problem, sizeof(problem))};
  if (!symbols.handle) {
    fail("%s needs %s, which is not on this machine: %s", purpose, title,
         problem);
    return nullptr;
  }
  functions.load(symbols);
  if (symbols.missing) {
    fail("%s has no function %s", title, symbols.missing);
    return nullptr;
  }
  ready = true;
  return &functions;
}

} // namespace bfly::cuda

#endif // BFLY_RUNTIME_CUDALIBRARY_H
