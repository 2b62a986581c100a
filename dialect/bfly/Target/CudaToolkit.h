// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Where NVIDIA's assembler is.

#ifndef BFLY_TARGET_CUDATOOLKIT_H
#define BFLY_TARGET_CUDATOOLKIT_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace mlir::bfly {

/// What assembles PTX on this machine.
struct CudaToolkit {
  /// The folder that has bin/ptxas: gpu-module-to-binary's `toolkit`.
  std::string root;
  std::string ptxas;
  /// What puts machine code and PTX into one file, empty where it is not.
  std::string fatbinary;
  /// libdevice.10.bc, empty where there is none.
  std::string libdevice;
};

/// The first of these that has ptxas: the folders that BFLY_CUDA, CUDA_HOME,
/// CUDA_PATH and CUDA_ROOT name, PATH, NVIDIA's wheel (nvidia-cuda-nvcc) in
/// VIRTUAL_ENV, beside the library or in a .venv above it, and /usr/local/cuda.
/// BFLY_CUDA=none: none at all. Without one the driver can still compile PTX.
std::optional<CudaToolkit> findCudaToolkit();

/// The same, with the folder that relative places are looked up from.
std::optional<CudaToolkit> findCudaToolkit(llvm::StringRef libraryFolder);

} // namespace mlir::bfly

#endif // BFLY_TARGET_CUDATOOLKIT_H
