// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Loads the driver, and says what went wrong with it.

#include "CudaDriver.h"

#include "CudaState.h"

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>

using namespace bfly::cuda;

/// The oldest driver that has all of the functions, and PTX 8.0.
static constexpr int kMinimalVersion = 12000;

static thread_local char lastError[sizeof(BflyRuntimeFailure::message)];
static thread_local char lastLaunch[512];
/// For messages alone; set once.
static const Driver *loaded = nullptr;

bool bfly::cuda::fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(lastError, sizeof(lastError), format, arguments);
  va_end(arguments);
  return false;
}

const char *bflyCudaLastError() { return lastError; }

void bfly::cuda::noteLaunch(const char *text) {
  std::snprintf(lastLaunch, sizeof(lastLaunch), "%s", text);
}

/// Whether an error is of something that ran before the call that reports it,
/// and whether nothing in this process' context can run after it.
static bool isSticky(Result result) {
  switch (result) {
  case 214: // uncorrectable ECC error
  case 700: // illegal address
  case 702: // launch timeout
  case 710: // assertion
  case 714: // hardware stack error
  case 715: // illegal instruction
  case 716: // misaligned address
  case 717: // invalid address space
  case 718: // invalid program counter
  case 719: // launch failed
    return true;
  default:
    return false;
  }
}

bool bfly::cuda::check(Result result, const char *call, const char *detail) {
  if (result == 0)
    return true;
  const char *name = nullptr, *text = nullptr;
  if (loaded) {
    loaded->cuGetErrorName(result, &name);
    loaded->cuGetErrorString(result, &text);
  }
  char number[32];
  std::snprintf(number, sizeof(number), "error %d", result);
  char context[sizeof(lastLaunch) + 128] = "";
  if (isSticky(result))
    std::snprintf(context, sizeof(context),
                  "%s%s; this process cannot use the GPU any more",
                  lastLaunch[0] ? "; launched last was " : "", lastLaunch);
  return fail("%s failed: %s%s%s%s%s%s%s", call, name ? name : number,
              text ? " (" : "", text ? text : "", text ? ")" : "",
              detail ? ": " : "", detail ? detail : "", context);
}

void bfly::cuda::leaveCall() { bflyRuntimeFail(lastError); }

std::string bfly::cuda::formatBytes(uint64_t bytes) {
  char text[64];
  if (bytes < 1024)
    std::snprintf(text, sizeof(text), "%d bytes", static_cast<int>(bytes));
  else if (bytes < (1 << 20))
    std::snprintf(text, sizeof(text), "%.1f KiB", bytes / 1024.0);
  else if (bytes < (1 << 30))
    std::snprintf(text, sizeof(text), "%.1f MiB", bytes / 1048576.0);
  else
    std::snprintf(text, sizeof(text), "%.1f GiB", bytes / 1073741824.0);
  return text;
}

void *bfly::cuda::openLibrary(const char *variable, const char *const *names,
                              char *problem, size_t problemSize) {
  const char *named = std::getenv(variable);
  const char *const only[] = {named, nullptr};
  problem[0] = '\0';
  for (const char *const *name = named && *named ? only : names; *name;
       ++name) {
    if (void *library = dlopen(*name, RTLD_NOW | RTLD_LOCAL))
      return library;
    // The first is the one that is meant.
    if (!problem[0])
      std::snprintf(problem, problemSize, "%s", dlerror());
  }
  return nullptr;
}

static bool load(Driver &driver) {
  static const char *const names[] = {"libcuda.so.1", nullptr};
  static void *library = nullptr;
  char problem[512];
  if (!library)
    library = openLibrary("BFLY_LIBCUDA", names, problem, sizeof(problem));
  if (!library)
    return fail("there is no NVIDIA driver on this machine: %s", problem);
  auto symbol = [](const char *name) { return dlsym(library, name); };
  // These two explain all that follows.
  driver.cuGetErrorName = reinterpret_cast<decltype(driver.cuGetErrorName)>(
      symbol("cuGetErrorName"));
  driver.cuGetErrorString = reinterpret_cast<decltype(driver.cuGetErrorString)>(
      symbol("cuGetErrorString"));
  auto init = reinterpret_cast<decltype(driver.cuInit)>(symbol("cuInit"));
  auto version = reinterpret_cast<decltype(driver.cuDriverGetVersion)>(
      symbol("cuDriverGetVersion"));
  if (!driver.cuGetErrorName || !driver.cuGetErrorString || !init || !version)
    return fail("libcuda.so.1 is not NVIDIA's driver");
  loaded = &driver;
  Result result = init(0);
  if (result == kErrorNoDevice)
    return fail("there is no NVIDIA GPU on this machine, though a driver is");
  if (!check(result, "cuInit", "the NVIDIA driver does not start") ||
      !check(version(&driver.version), "cuDriverGetVersion"))
    return false;
  if (driver.version < kMinimalVersion)
    return fail("the NVIDIA driver is too old: it is for CUDA %d.%d, and %d.%d "
                "is needed",
                driver.version / 1000, driver.version % 1000 / 10,
                kMinimalVersion / 1000, kMinimalVersion % 1000 / 10);
  const char *missing = nullptr;
#define BFLY_LOAD(name, exported, parameters)                                  \
  driver.name = reinterpret_cast<decltype(driver.name)>(symbol(#exported));    \
  if (!driver.name)                                                            \
    missing = #exported;
  BFLY_DRIVER_FUNCTIONS(BFLY_LOAD)
#undef BFLY_LOAD
  return !missing || fail("the NVIDIA driver has no function %s", missing);
}

const Driver *bfly::cuda::driver() {
  static std::mutex mutex;
  static Driver driver;
  static std::atomic<bool> ready{false};
  if (ready.load(std::memory_order_acquire))
    return &driver;
  std::lock_guard<std::mutex> held(mutex);
  if (!ready && !load(driver))
    return nullptr;
  ready.store(true, std::memory_order_release);
  return &driver;
}
