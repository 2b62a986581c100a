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
  X(cublasLtMatrixLayoutSetAttribute, (void *, int, const void *, size_t))     \
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
  kTransposeB = 4,
  kEpilogue = 7,
  kBiasPointer = 8,
  kBiasDataType = 26,
  kBatchCount = 5,
  kBatchOffset = 6,
  kMaxWorkspaceBytes = 1,
  kReductionSchemes = 3,
  kMinAlignmentA = 5, // and B, C, D
};

/// Parts of a sum over a long depth are added up in f32 in a fixed order, or
/// not split: others round them, or add them as they come.
constexpr uint32_t kReduceInComputeType = 2;

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

constexpr int kTypes[] = {-1, kReal32F, kRealBF16, kReal16F};

bool isType(int32_t dtype) { return dtype >= 1 && dtype <= 3; }

/// A matrix in cuBLAS' column-major eyes: `pitch` elements from column to
/// column, `offset` to the matrix of the next product.
struct Matrix {
  const void *data;
  int type;
  int64_t rows, columns, pitch, offset;
};

/// y = op(a) op(b) for `count` products, with a bias and relu by epilogue.
struct Task {
  Matrix a, b, y;
  bool transposeA, transposeB;
  int64_t count;
  int epilogue;
  const void *bias;
};

bool multiply(Device &device, Stream stream, const Task &task) {
  const Library *cublas = library();
  void *handle = cublas ? handleOf(*cublas, device) : nullptr;
  if (!handle)
    return false;
  auto check = [&](int status, const char *call) {
    auto number = [](int64_t value) { return static_cast<long long>(value); };
    return status == 0 ||
           fail("%s failed: status %d: product of %lldx%lld and %lldx%lld",
                call, status, number(task.b.columns), number(task.b.rows),
                number(task.a.rows), number(task.a.columns));
  };
  Product product{*cublas};
  void **layouts = product.layouts;
  auto set = [&](int attribute, const auto &value) {
    return check(cublas->cublasLtMatmulDescSetAttribute(
                     product.operation, attribute, &value, sizeof(value)),
                 "cublasLtMatmulDescSetAttribute");
  };
  auto describe = [&](void *&layout, const Matrix &matrix) {
    auto setLayout = [&](int attribute, const auto &value) {
      return check(cublas->cublasLtMatrixLayoutSetAttribute(
                       layout, attribute, &value, sizeof(value)),
                   "cublasLtMatrixLayoutSetAttribute");
    };
    return check(cublas->cublasLtMatrixLayoutCreate(&layout, matrix.type,
                                                    matrix.rows, matrix.columns,
                                                    matrix.pitch),
                 "cublasLtMatrixLayoutCreate") &&
           (task.count == 1 ||
            (setLayout(kBatchCount, static_cast<int32_t>(task.count)) &&
             setLayout(kBatchOffset, matrix.offset)));
  };
  auto prefer = [&](int attribute, const auto &value) {
    return check(cublas->cublasLtMatmulPreferenceSetAttribute(
                     product.preference, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
  };
  if (!check(cublas->cublasLtMatmulDescCreate(&product.operation, kCompute32F,
                                              kReal32F),
             "cublasLtMatmulDescCreate") ||
      !set(kTransposeA, int(task.transposeA)) ||
      !set(kTransposeB, int(task.transposeB)) ||
      !set(kEpilogue, task.epilogue) ||
      (task.bias &&
       (!set(kBiasPointer, task.bias) || !set(kBiasDataType, task.y.type))) ||
      !describe(layouts[0], task.a) || !describe(layouts[1], task.b) ||
      !describe(layouts[2], task.y) ||
      !check(cublas->cublasLtMatmulPreferenceCreate(&product.preference),
             "cublasLtMatmulPreferenceCreate") ||
      !prefer(kMaxWorkspaceBytes, uint64_t(kWorkBytes)) ||
      !prefer(kReductionSchemes, kReduceInComputeType))
    return false;
  const void *operands[] = {task.a.data, task.b.data, task.y.data, task.y.data};
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
  void *y = const_cast<void *>(task.y.data);
  bool good = check(cublas->cublasLtMatmul(handle, product.operation, &one,
                                           task.a.data, layouts[0], task.b.data,
                                           layouts[1], &zero, y, layouts[2], y,
                                           layouts[2], &choice.algorithm, work,
                                           choice.workBytes, stream),
                    "cublasLtMatmul");
  if (work && !release(device, stream, work))
    return false;
  return good;
}

} // namespace

bool bfly::cuda::linear(Device &device, Stream stream, const LinearShape &shape,
                        const void *x, const void *weight, const void *bias,
                        void *y) {
  if (!isType(shape.dtype) || shape.in < 1)
    return fail("no matrix product has type %d and %lld columns", shape.dtype,
                static_cast<long long>(shape.in));
  if (shape.rows == 0 || shape.out == 0)
    return true;
  // In column-major eyes y is (out, rows), W (in, out) to be transposed and x
  // (in, rows).
  int type = kTypes[shape.dtype];
  int epilogue = (shape.relu ? 2 : 0) | (bias ? 4 : 0);
  return multiply(device, stream,
                  {{weight, type, shape.in, shape.out, shape.in, 0},
                   {x, type, shape.in, shape.rows, shape.in, 0},
                   {y, type, shape.out, shape.rows, shape.out, 0},
                   /*transposeA=*/true,
                   /*transposeB=*/false,
                   /*count=*/1,
                   epilogue ? epilogue : 1,
                   bias});
}

bool bfly::cuda::rowProduct(Device &device, Stream stream,
                            const RowProductShape &shape, const void *a,
                            const void *b, void *y) {
  bool typed = isType(shape.dtype) &&
               (shape.resultType == shape.dtype || shape.resultType == 1);
  if (!typed || shape.heads < 1)
    return fail("no sum of row products has types %d and %d and %lld heads",
                shape.dtype, shape.resultType,
                static_cast<long long>(shape.heads));
  if (shape.out == 0 || shape.in == 0)
    return true;
  // No rows, whose sum is zero.
  if (shape.rows == 0)
    return check(driver()->cuMemsetD16Async(address(y), 0,
                                            uint64_t(shape.heads) * shape.out *
                                                shape.in *
                                                (shape.resultType == 1 ? 2 : 1),
                                            stream),
                 "cuMemsetD16Async");
  // In column-major eyes y is (in, out), b (in, rows) and a (out, rows) to be
  // transposed; of each head from its first channel on.
  int type = kTypes[shape.dtype];
  return multiply(
      device, stream,
      {{b, type, shape.in, shape.rows, shape.heads * shape.in, shape.in},
       {a, type, shape.out, shape.rows, shape.heads * shape.out, shape.out},
       {y, kTypes[shape.resultType], shape.in, shape.out, shape.in,
        shape.in * shape.out},
       /*transposeA=*/false,
       /*transposeB=*/true,
       shape.heads,
       /*epilogue=*/1,
       /*bias=*/nullptr});
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

extern "C" void bflyCudaRowProduct(void *a, void *b, void *y, int64_t rows,
                                   int64_t out, int64_t in, int64_t heads,
                                   int32_t dtype, int32_t resultType) {
  orLeave([&] {
    Call *call = currentCall();
    return call &&
           rowProduct(*call->device, call->stream,
                      {rows, out, in, heads, dtype, resultType}, a, b, y);
  });
}
