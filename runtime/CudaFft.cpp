// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Transforms of any length with cuFFT, loaded when first needed. Its plans are
// kept; their workspace comes out of the device's pool, call by call.

#include "CudaLibrary.h"
#include "CudaState.h"

#include <algorithm>
#include <cstdio>
#include <list>
#include <memory>

using namespace bfly::cuda;

namespace {

using Handle = int;

// name, parameters; all return a cufftResult.
#define BFLY_CUFFT_FUNCTIONS(X)                                                \
  X(cufftCreate, (Handle *))                                                   \
  X(cufftDestroy, (Handle))                                                    \
  X(cufftSetAutoAllocation, (Handle, int))                                     \
  X(cufftSetStream, (Handle, Stream))                                          \
  X(cufftSetWorkArea, (Handle, void *))                                        \
  X(cufftMakePlanMany64,                                                       \
    (Handle, int, long long *, long long *, long long, long long, long long *, \
     long long, long long, int, long long, size_t *))                          \
  X(cufftXtExec, (Handle, void *, void *, int))

struct Library {
  // NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration has none.
#define BFLY_DECLARE(name, parameters) int(*name) parameters;
  BFLY_CUFFT_FUNCTIONS(BFLY_DECLARE)
#undef BFLY_DECLARE

  void load(Symbols &symbols) {
#define BFLY_LOAD(name, parameters) symbols.get(name, #name);
    BFLY_CUFFT_FUNCTIONS(BFLY_LOAD)
#undef BFLY_LOAD
  }
};

struct Kind {
  int type; ///< cufftType
  bool isRealSource, isRealTarget;
  int64_t realBytes;
};
// In the order of BflyCudaFftKind.
constexpr Kind kKinds[] = {
    {0x29, false, false, 4}, {0x2a, true, false, 4}, {0x2c, false, true, 4},
    {0x69, false, false, 8}, {0x6a, true, false, 8}, {0x6c, false, true, 8},
};

/// One sequence of channels, or where there is one channel all sequences.
struct Shape {
  const Device *device;
  int32_t kind;
  int64_t n, channels, batch;

  bool operator==(const Shape &other) const {
    return device == other.device && kind == other.kind && n == other.n &&
           channels == other.channels && batch == other.batch;
  }
};

struct Plan {
  Shape shape;
  const Library *library;
  Handle handle = 0;
  bool made = false;
  size_t workBytes = 0;
  /// cuFFT's plans hold the stream and the workspace of the call at hand.
  std::mutex mutex;

  ~Plan() {
    if (made)
      library->cufftDestroy(handle);
  }
};

constexpr size_t kMaxPlans = 32;

struct {
  std::mutex mutex;
  std::list<std::shared_ptr<Plan>> plans; ///< the last used first
} cache;

bool check(int result, const char *call, const Shape &shape) {
  static const char *const names[] = {"CUFFT_SUCCESS",
                                      "CUFFT_INVALID_PLAN",
                                      "CUFFT_ALLOC_FAILED",
                                      "CUFFT_INVALID_TYPE",
                                      "CUFFT_INVALID_VALUE",
                                      "CUFFT_INTERNAL_ERROR",
                                      "CUFFT_EXEC_FAILED",
                                      "CUFFT_SETUP_FAILED",
                                      "CUFFT_INVALID_SIZE",
                                      "CUFFT_UNALIGNED_DATA",
                                      "error 10",
                                      "CUFFT_INVALID_DEVICE",
                                      "error 12",
                                      "CUFFT_NO_WORKSPACE",
                                      "CUFFT_NOT_IMPLEMENTED"};
  if (result == 0)
    return true;
  char number[32];
  std::snprintf(number, sizeof(number), "error %d", result);
  return fail("%s failed: %s: transform of %lld points in %lld channels", call,
              result > 0 && result < 15 ? names[result] : number,
              static_cast<long long>(shape.n),
              static_cast<long long>(shape.channels));
}

const Library *library() {
  static const char *const names[] = {"libcufft.so.12", "libcufft.so.11",
                                      nullptr};
  return openOnce<Library>("BFLY_LIBCUFFT", names, "a transform of this length",
                           "cuFFT");
}

/// A plan without workspace. Null with a recorded error.
std::shared_ptr<Plan> makePlan(const Library &cufft, const Shape &shape) {
  auto plan = std::make_shared<Plan>();
  plan->shape = shape;
  plan->library = &cufft;
  if (!check(cufft.cufftCreate(&plan->handle), "cufftCreate", shape))
    return nullptr;
  plan->made = true;
  const Kind &kind = kKinds[shape.kind];
  long long n = shape.n, half = shape.n / 2 + 1;
  long long sourceLength = kind.isRealTarget ? half : n;
  long long targetLength = kind.isRealSource ? half : n;
  bool single = shape.channels == 1;
  if (!check(cufft.cufftSetAutoAllocation(plan->handle, 0),
             "cufftSetAutoAllocation", shape) ||
      !check(cufft.cufftMakePlanMany64(
                 plan->handle, 1, &n, &sourceLength, shape.channels,
                 single ? sourceLength : 1, &targetLength, shape.channels,
                 single ? targetLength : 1, kind.type,
                 single ? shape.batch : shape.channels, &plan->workBytes),
             "cufftMakePlanMany64", shape))
    return nullptr;
  return plan;
}

std::shared_ptr<Plan> getPlan(const Shape &shape) {
  const Library *cufft = library();
  if (!cufft)
    return nullptr;
  std::lock_guard<std::mutex> held(cache.mutex);
  auto isFor = [&](const auto &plan) { return plan->shape == shape; };
  // NOLINTNEXTLINE(llvm-use-ranges): the runtime is built without LLVM.
  auto found = std::find_if(cache.plans.begin(), cache.plans.end(), isFor);
  if (found != cache.plans.end()) {
    cache.plans.splice(cache.plans.begin(), cache.plans, found);
    return cache.plans.front();
  }
  std::shared_ptr<Plan> plan = makePlan(*cufft, shape);
  if (!plan)
    return nullptr;
  cache.plans.push_front(plan);
  if (cache.plans.size() > kMaxPlans)
    cache.plans.pop_back();
  return plan;
}

/// All sequences, one after the other, in the plan's stream and workspace.
/// `spare` is room for a sequence that lies where cuFFT cannot take it: it
/// wants real numbers to be aligned as complex ones are.
bool executeAll(Call &call, const Plan &plan, char *source, char *target,
                int64_t batch, int direction, char *spare) {
  const Shape &shape = plan.shape;
  const Kind &kind = kKinds[shape.kind];
  int64_t half = shape.n / 2 + 1;
  auto stride = [&](bool isReal, bool otherIsReal) {
    return shape.channels * kind.realBytes *
           (isReal ? shape.n : 2 * (otherIsReal ? half : shape.n));
  };
  int64_t sourceBytes = stride(kind.isRealSource, kind.isRealTarget);
  int64_t targetBytes = stride(kind.isRealTarget, kind.isRealSource);
  auto copy = [&](char *to, char *from, int64_t bytes) {
    return bfly::cuda::check(
        driver()->cuMemcpyAsync(address(to), address(from), bytes, call.stream),
        "cuMemcpyAsync", "of a transform's sequence");
  };
  auto isAligned = [&](char *pointer) {
    return reinterpret_cast<uintptr_t>(pointer) % (2 * kind.realBytes) == 0;
  };
  int64_t steps = shape.channels == 1 ? 1 : batch;
  for (int64_t i = 0; i < steps; ++i) {
    char *from = source + i * sourceBytes, *to = target + i * targetBytes;
    char *in = spare && !isAligned(from) ? spare : from;
    char *out = spare && !isAligned(to) ? spare : to;
    if ((in != from && !copy(in, from, sourceBytes)) ||
        !check(plan.library->cufftXtExec(plan.handle, in, out, direction),
               "cufftXtExec", shape) ||
        (out != to && !copy(to, out, targetBytes)))
      return false;
  }
  return true;
}

bool execute(Call &call, Plan &plan, char *source, char *target, int64_t batch,
             int direction) {
  const Library &cufft = *plan.library;
  const Shape &shape = plan.shape;
  const Kind &kind = kKinds[shape.kind];
  std::lock_guard<std::mutex> held(plan.mutex);
  void *buffers[2] = {};
  uint64_t sizes[2] = {plan.workBytes, 0};
  if ((kind.isRealSource || kind.isRealTarget) && shape.channels > 1 &&
      batch > 1 && shape.n * shape.channels % 2)
    sizes[1] = shape.n * shape.channels * kind.realBytes;
  bool good = true;
  for (int i : {0, 1})
    if (good && sizes[i])
      good = allocate(*call.device, call.stream, sizes[i], &buffers[i]);
  good = good &&
         check(cufft.cufftSetStream(plan.handle, call.stream), "cufftSetStream",
               shape) &&
         (!buffers[0] || check(cufft.cufftSetWorkArea(plan.handle, buffers[0]),
                               "cufftSetWorkArea", shape)) &&
         executeAll(call, plan, source, target, batch, direction,
                    static_cast<char *>(buffers[1]));
  // What failed first is what is reported.
  std::string problem = bflyCudaLastError();
  bool freed = true;
  for (void *buffer : buffers)
    if (buffer)
      freed &= release(*call.device, call.stream, buffer);
  return good ? freed : fail("%s", problem.c_str());
}

} // namespace

void bfly::cuda::trimPlans(const Device &device) {
  std::lock_guard<std::mutex> held(cache.mutex);
  cache.plans.remove_if([&](const std::shared_ptr<Plan> &plan) {
    return plan->shape.device == &device && plan.use_count() == 1;
  });
}

extern "C" void bflyCudaFft(void *source, void *target, int64_t batch,
                            int64_t n, int64_t channels, int32_t kind,
                            int32_t inverse) {
  orLeave([&] {
    Call *call = currentCall();
    if (!call)
      return false;
    if (kind < 0 || kind > BFLY_CUDA_C2R_F64 || n < 1 || batch < 0 ||
        channels < 0)
      return fail("no transform has %lld points, %lld channels and kind %d",
                  static_cast<long long>(n), static_cast<long long>(channels),
                  kind);
    if (batch == 0 || channels == 0)
      return true;
    std::shared_ptr<Plan> plan =
        getPlan({call->device, kind, n, channels, channels == 1 ? batch : 1});
    bool isForward =
        kKinds[kind].isRealSource || (!kKinds[kind].isRealTarget && !inverse);
    return plan &&
           execute(*call, *plan, static_cast<char *>(source),
                   static_cast<char *>(target), batch, isForward ? -1 : 1);
  });
}
