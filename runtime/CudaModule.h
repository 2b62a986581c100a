// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef BFLY_RUNTIME_CUDAMODULE_H
#define BFLY_RUNTIME_CUDAMODULE_H

#include "CudaState.h"

#include <memory>

namespace bfly::cuda {

/// A kernel on a device. Lives as long as its module.
struct Function {
  Device *device;
  FunctionHandle handle;
  std::string name;
  int maxThreads = 0;
  int staticShared = 0, localBytes = 0, registers = 0;
  /// What the kernel itself asks for; 0 where it does not.
  int cluster[3] = {0, 0, 0};

  std::mutex mutex; ///< for all below
  /// Bytes that a launch may ask for as things are.
  int dynamicShared = 0;
  bool largeClusters = false; ///< of more than 8 blocks, allowed
  struct Residency {
    int64_t threads, sharedBytes, cluster, blocks;
  };
  std::vector<Residency> residencies;
};

/// A binary or PTX, and what it became on each device that asked for it.
class Module {
public:
  /// The data has to outlive the module; PTX ends with a zero byte.
  Module(const void *data, bool isPTX) : data(data), isPTX(isPTX) {}
  ~Module();

  /// Loads it now, in the device's context, which is current. False with a
  /// recorded error.
  bool loadOn(Device &device);

  /// A kernel, in the device's context, which is current. Null with a recorded
  /// error.
  Function *find(Device &device, const char *name);

private:
  struct Loaded {
    Device *device;
    ModuleHandle handle;
  };
  bool load(Device &device, ModuleHandle &handle);

  const void *data;
  bool isPTX;
  std::mutex mutex;
  std::vector<Loaded> loaded;
  std::vector<std::unique_ptr<Function>> functions;
};

} // namespace bfly::cuda

#endif // BFLY_RUNTIME_CUDAMODULE_H
