// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Matrix products with cuBLASLt, loaded when first needed.

#include "CudaLinear.h"

#include "CudaLibrary.h"

#include <algorithm>
#include <cstdio>

using namespace bfly::cuda;

namespace {

struct Algorithm {
  uint64_t data[8];
};
struct Choice {
  Algorithm algorithm;
  size_t workBytes;
  int state;
  float waves;
  int reserved[4];
};

// name, parameters; all return a cublasStatus_t. Handles, descriptors and
// layouts are opaque pointers.
#define BFLY_CUBLASLT_FUNCTIONS(X)                                             \
  X(cublasLtCreate, (void **))                                                 \
  X(cublasLtMatmulDescCreate, (void **, int, int))                             \
  X(cublasLtMatmulDescDestroy, (void *))                                       \
  X(cublasLtMatmulDescSetAttribute, (void *, int, const void *, size_t))       \
  X(cublasLtMatrixLayoutCreate, (void **, int, uint64_t, uint64_t, int64_t))   \
  X(cublasLtMatrixLayoutDestroy, (void *))                                     \
  X(cublasLtMatmulPreferenceCreate, (void **))                                 \
  X(cublasLtMatmulPreferenceDestroy, (void *))                                 \
  X(cublasLtMatmulPreferenceSetAttribute, (void *, int, const void *, size_t)) \
  X(cublasLtMatmulAlgoGetHeuristic, (void *, void *, void *, void *, void *,   \
                                     void *, void *, int, Choice *, int *))    \
  X(cublasLtMatmul,                                                            \
    (void *, void *, const void *, const void *, void *, const void *, void *, \
     const void *, const void *, void *, void *, void *, const Algorithm *,    \
     void *, size_t, Stream))

struct Library {
  // NOLINTNEXTLINE(bugprone-macro-parentheses): a declaration has none.
#define BFLY_DECLARE(name, parameters) int(*name) parameters;
  BFLY_CUBLASLT_FUNCTIONS(BFLY_DECLARE)
#undef BFLY_DECLARE

  void load(Symbols &symbols) {
#define BFLY_LOAD(name, parameters) symbols.get(name, #name);
    BFLY_CUBLASLT_FUNCTIONS(BFLY_LOAD)
#undef BFLY_LOAD
  }
};

enum : int {
  kCompute32F = 68,
  kReal32F = 0,
  kReal16F = 2,
  kRealBF16 = 14,
  kTransposeA = 3,
  kEpilogue = 7,
  kBiasPointer = 8,
  kBiasDataType = 26,
  kMaxWorkspaceBytes = 1,
  kMinAlignmentA = 5, // and B, C, D
};

constexpr size_t kWorkBytes = size_t(32) << 20;

const Library *library() {
  static const char *const names[] = {"libcublasLt.so.13", "libcublasLt.so.12",
                                      nullptr};
  return openOnce<Library>("BFLY_LIBCUBLASLT", names, "this matrix product",
                           "cuBLASLt");
}

/// One handle a device, usable from any thread. Null with a recorded error.
void *handleOf(const Library &cublas, const Device &device) {
  static std::mutex mutex;
  static std::vector<std::pair<const Device *, void *>> handles;
  std::lock_guard<std::mutex> held(mutex);
  for (auto &[owner, handle] : handles)
    if (owner == &device)
      return handle;
  void *handle = nullptr;
  if (int status = cublas.cublasLtCreate(&handle)) {
    fail("cublasLtCreate failed: status %d", status);
    return nullptr;
  }
  handles.emplace_back(&device, handle);
  return handle;
}

/// Descriptions of one product, freed at the end.
struct Product {
  const Library &cublas;
  void *operation = nullptr;
  void *layouts[3] = {};
  void *preference = nullptr;

  ~Product() {
    if (preference)
      cublas.cublasLtMatmulPreferenceDestroy(preference);
    for (void *layout : layouts)
      if (layout)
        cublas.cublasLtMatrixLayoutDestroy(layout);
    if (operation)
      cublas.cublasLtMatmulDescDestroy(operation);
  }
};

/// The largest power of two, up to 256, that an address is a multiple of.
uint32_t alignmentOf(const void *pointer) {
  auto address = reinterpret_cast<uintptr_t>(pointer) | 256;
  return static_cast<uint32_t>(address & -address);
}

} // namespace

bool bfly::cuda::linear(Device &device, Stream stream, const LinearShape &shape,
                        const void *x, const void *weight, const void *bias,
                        void *y) {
  static constexpr int types[] = {-1, kReal32F, kRealBF16, kReal16F};
  if (shape.dtype < 1 || shape.dtype > 3 || shape.in < 1)
    return fail("no matrix product has type %d and %lld columns", shape.dtype,
                static_cast<long long>(shape.in));
  if (shape.rows == 0 || shape.out == 0)
    return true;
  const Library *cublas = library();
  void *handle = cublas ? handleOf(*cublas, device) : nullptr;
  if (!handle)
    return false;
  auto check = [&](int status, const char *call) {
    return status == 0 ||
           fail("%s failed: status %d: product of %lldx%lld and %lldx%lld",
                call, status, static_cast<long long>(shape.rows),
                static_cast<long long>(shape.in),
                static_cast<long long>(shape.in),
                static_cast<long long>(shape.out));
  };
  // In cuBLAS' column-major eyes y is (out, rows), W (in, out) to be transposed
  // and x (in, rows).
  Product product{*cublas};
  int type = types[shape.dtype];
  int transpose = 1;
  int epilogue = (shape.relu ? 2 : 0) | (bias ? 4 : 0);
  epilogue = epilogue ? epilogue : 1;
  void **layouts = product.layouts;
  auto set = [&](int attribute, const auto &value) {
    return check(cublas->cublasLtMatmulDescSetAttribute(
                     product.operation, attribute, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  };
  auto prefer = [&](int attribute, const auto &value) {
    return check(cublas->cublasLtMatmulPreferenceSetAttribute(
                     product.preference, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  };
  if (!check(cublas->cublasLtMatmulDescCreate(&product.operation, kCompute32F,
                                              kReal32F),
             "cublasLtMatmulDescCreate") ||
      !set(kTransposeA, transpose) || !set(kEpilogue, epilogue) ||
      (bias && (!set(kBiasPointer, bias) || !set(kBiasDataType, type))) ||
      !check(cublas->cublasLtMatrixLayoutCreate(&layouts[0], type, shape.in,
                                                shape.out, shape.in),
             "cublasLtMatrixLayoutCreate") ||
      !check(cublas->cublasLtMatrixLayoutCreate(&layouts[1], type, shape.in,
                                                shape.rows, shape.in),
             "cublasLtMatrixLayoutCreate") ||
      !check(cublas->cublasLtMatrixLayoutCreate(&layouts[2], type, shape.out,
                                                shape.rows, shape.out),
             "cublasLtMatrixLayoutCreate") ||
      !check(cublas->cublasLtMatmulPreferenceCreate(&product.preference),
             "cublasLtMatmulPreferenceCreate") ||
      !prefer(kMaxWorkspaceBytes, uint64_t(kWorkBytes)))
    return false;
  const void *operands[] = {weight, x, y, y};
  for (int i = 0; i < 4; ++i)
    if (!prefer(kMinAlignmentA + i, alignmentOf(operands[i])))
      return false;
  Choice choice = {};
  int count = 0;
  if (!check(cublas->cublasLtMatmulAlgoGetHeuristic(
                 handle, product.operation, layouts[0], layouts[1], layouts[2],
                 layouts[2], product.preference, 1, &choice, &count),
             "cublasLtMatmulAlgoGetHeuristic") ||
      !check(count > 0 ? choice.state : 15, "cublasLtMatmulAlgoGetHeuristic"))
    return false;
  void *work = nullptr;
  if (choice.workBytes && !allocate(device, stream, choice.workBytes, &work))
    return false;
  const float one = 1, zero = 0;
  bool good = check(cublas->cublasLtMatmul(
                        handle, product.operation, &one, weight, layouts[0], x,
                        layouts[1], &zero, y, layouts[2], y, layouts[2],
                        &choice.algorithm, work, choice.workBytes, stream),
                    "cublasLtMatmul");
  if (work && !release(device, stream, work))
    return false;
  return good;
}

extern "C" void bflyCudaLinear(void *x, void *weight, void *bias, void *y,
                               int64_t rows, int64_t in, int64_t out,
                               int32_t dtype, int32_t relu) {
  orLeave([&] {
    Call *call = currentCall();
    return call &&
           linear(*call->device, call->stream,
                  {rows, in, out, dtype, relu != 0}, x, weight, bias, y);
  });
}
