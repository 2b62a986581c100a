// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Tensors.h"

#include "bfly/Engine/CAPI.h"

#include <dlfcn.h>
#include <stdexcept>

using namespace bfly_torch;

namespace {

/// The types that operators take; torch's numbers are asked for once.
struct Type {
  int32_t dtype;
  int32_t number;
  const char *name;
};

const Type *findType(int32_t dtype) {
  static const Type types[] = {
      {aoti_torch_dtype_float32(), BFLY_F32, "f32"},
      {aoti_torch_dtype_bfloat16(), BFLY_BF16, "bf16"},
      {aoti_torch_dtype_float16(), BFLY_F16, "f16"},
      {aoti_torch_dtype_float64(), BFLY_F64, "f64"},
  };
  for (const Type &type : types)
    if (type.dtype == dtype)
      return &type;
  return nullptr;
}

/// Kernels on a GPU read 16 bytes at a time.
constexpr uintptr_t kAlignment = 16;

} // namespace

bool View::onCPU() const {
  static const int32_t cpu = aoti_torch_device_type_cpu();
  return deviceType == cpu;
}

std::string View::device() const {
  return onCPU() ? "cpu" : "cuda:" + std::to_string(deviceIndex);
}

std::string View::shape() const {
  std::string text = "(";
  for (int64_t i = 0; i < rank; ++i)
    text += (i ? ", " : "") + std::to_string(sizes[i]);
  return text + ")";
}

const char *View::type() const {
  const Type *type = findType(dtype);
  return type ? type->name : nullptr;
}

int32_t View::number() const { return findType(dtype)->number; }

void bfly_torch::check(AOTITorchError error, const char *what) {
  if (error != AOTI_TORCH_SUCCESS)
    throw std::runtime_error(std::string("bfly: torch failed to ") + what);
}

View bfly_torch::read(const Tensor &tensor) {
  View view;
  int64_t *sizes;
  AtenTensorHandle handle = tensor.get();
  AOTITorchError error = aoti_torch_get_dtype(handle, &view.dtype);
  error |= aoti_torch_get_device_type(handle, &view.deviceType);
  error |= aoti_torch_get_device_index(handle, &view.deviceIndex);
  error |= aoti_torch_get_dim(handle, &view.rank);
  error |= aoti_torch_get_sizes(handle, &sizes);
  check(error, "say what a tensor is");
  view.sizes = sizes;
  return view;
}

Tensor bfly_torch::allocate(const View &example,
                            const std::vector<int64_t> &sizes) {
  int64_t strides[8], stride = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= sizes[i] > 1 ? sizes[i] : 1;
  }
  AtenTensorHandle handle;
  check(aoti_torch_empty_strided(sizes.size(), sizes.data(), strides,
                                 example.dtype, example.deviceType,
                                 example.deviceIndex, &handle),
        "allocate a tensor");
  return Tensor(handle);
}

void *bfly_torch::dataOf(const Tensor &tensor) {
  void *data;
  check(aoti_torch_get_data_ptr(tensor.get(), &data),
        "give a tensor's address");
  return data;
}

void *bfly_torch::dataOf(const Tensor &tensor, const View &view, Tensor &copy) {
  bool isContiguous;
  check(aoti_torch_is_contiguous(tensor.get(), &isContiguous),
        "say how a tensor lies");
  void *data = dataOf(tensor);
  if (isContiguous &&
      (view.onCPU() || reinterpret_cast<uintptr_t>(data) % kAlignment == 0))
    return data;
  copy =
      allocate(view, std::vector<int64_t>(view.sizes, view.sizes + view.rank));
  check(aoti_torch_copy_(copy.get(), tensor.get(), 0), "copy a tensor");
  return dataOf(copy);
}

void bfly_torch::setToZero(const Tensor &tensor) {
  check(aoti_torch_zero_(tensor.get()), "set a tensor to zero");
}

void *bfly_torch::currentStream(int32_t deviceIndex) {
  // Found when it is needed, so that this library loads beside a torch that
  // has no CUDA.
  using Function = AOTITorchError (*)(int32_t, void **);
  static const auto get = reinterpret_cast<Function>(
      dlsym(RTLD_DEFAULT, "aoti_torch_get_current_cuda_stream"));
  if (!get)
    throw std::runtime_error("bfly: this torch has no CUDA");
  void *stream = nullptr;
  check(get(deviceIndex, &stream), "give its current stream");
  return stream;
}

int32_t bfly_torch::numThreads() {
  uint32_t threads = 0;
  check(torch_get_num_threads(&threads), "say how many threads it has");
  return static_cast<int32_t>(threads);
}
