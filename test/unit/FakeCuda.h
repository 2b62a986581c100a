// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The driver of test/Inputs/fake_cuda.c, in this process.

#ifndef BFLY_TEST_UNIT_FAKECUDA_H
#define BFLY_TEST_UNIT_FAKECUDA_H

#include <cstdlib>
#include <dlfcn.h>
#include <string>
#include <type_traits>

using Kernel = void (*)(void **, const unsigned *, const unsigned *);

/// The fake driver's own functions.
struct Fake {
  void (*fail)(const char *, int, int);
  void (*kernel)(const char *, Kernel);
  const char *(*text)();
  void (*clearLog)();
  int (*live)(int);
  int (*depth)();
  void *(*beginCapture)(void *);
  int (*endCapture)(void *);
  void (*destroyGraph)(void *);

  Fake() {
    setenv("BFLY_LIBCUDA", BFLY_FAKE_CUDA, 1);
    setenv("BFLY_LIBCUFFT", BFLY_FAKE_CUDA, 1);
    setenv("BFLY_LIBCUBLASLT", "/nonexistent/libcublasLt.so", 1);
    setenv("FAKE_CUDA_DEVICES", "2", 1);
    void *library = dlopen(BFLY_FAKE_CUDA, RTLD_NOW);
    auto load = [&](auto &function, const char *name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(
          dlsym(library, name));
    };
    load(fail, "fakeCudaFail");
    load(kernel, "fakeCudaKernel");
    load(text, "fakeCudaLog");
    load(clearLog, "fakeCudaClearLog");
    load(live, "fakeCudaLive");
    load(depth, "fakeCudaDepth");
    load(beginCapture, "fakeCudaBeginCapture");
    load(endCapture, "fakeCudaEndCapture");
    load(destroyGraph, "fakeCudaDestroyGraph");
  }

  int count(const std::string &part) const {
    std::string log = text();
    int result = 0;
    for (size_t at = 0; (at = log.find(part, at)) != std::string::npos; ++at)
      ++result;
    return result;
  }
  bool has(const std::string &part) const { return count(part) > 0; }
};

inline Fake &fake() {
  static Fake fake;
  return fake;
}

#endif // BFLY_TEST_UNIT_FAKECUDA_H
