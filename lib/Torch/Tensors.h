// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Tensors of torch, through the C functions of its stable ABI: what a call
// needs of them, and no more.

#ifndef BFLY_LIB_TORCH_TENSORS_H
#define BFLY_LIB_TORCH_TENSORS_H

#include <torch/csrc/stable/c/shim.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace bfly_torch {

/// A reference to a tensor, which is given back at the end.
class Tensor {
public:
  Tensor() = default;
  explicit Tensor(AtenTensorHandle handle) : handle(handle) {}
  Tensor(Tensor &&other) : handle(std::exchange(other.handle, nullptr)) {}
  Tensor &operator=(Tensor &&other) {
    std::swap(handle, other.handle);
    return *this;
  }
  ~Tensor() {
    if (handle)
      aoti_torch_delete_tensor_object(handle);
  }

  AtenTensorHandle get() const { return handle; }
  AtenTensorHandle release() { return std::exchange(handle, nullptr); }

private:
  AtenTensorHandle handle = nullptr;
};

/// What a tensor is; `sizes` belongs to it.
struct View {
  int32_t dtype = 0, deviceType = 0, deviceIndex = 0;
  int64_t rank = 0;
  const int64_t *sizes = nullptr;

  bool onCPU() const;
  /// As torch and bfly call it: "cpu", "cuda:1".
  std::string device() const;
  /// "(2, 64, 16)".
  std::string shape() const;
  /// MLIR's name of the type; null for one that no operator takes.
  const char *type() const;
  /// The type as bfly's C API numbers it.
  int32_t number() const;
};

View read(const Tensor &tensor);

/// Fails with what torch says, or with no more than that it was torch.
void check(AOTITorchError error, const char *what);

/// A new tensor of an example's type and device, row-major without gaps.
Tensor allocate(const View &example, const std::vector<int64_t> &sizes);

/// The address of a tensor's elements, row-major without gaps and aligned as
/// kernels need it: of its own or, where it lies differently, those of a copy
/// that `copy` is made.
void *dataOf(const Tensor &tensor, const View &view, Tensor &copy);

void *dataOf(const Tensor &tensor);

void setToZero(const Tensor &tensor);

/// The stream that torch works on now on a GPU.
void *currentStream(int32_t deviceIndex);

/// The threads that torch computes with on a CPU.
int32_t numThreads();

} // namespace bfly_torch

#endif // BFLY_LIB_TORCH_TENSORS_H
