// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The statically linked library has LLVM's code generators for x86 and NVIDIA's
// GPUs. MLIR's registration of every dialect would drag in those for AMD's and
// Intel's GPUs too, a third of the size; linked before its archives, these
// definitions leave #rocdl.target and #xevm.target without a serialiser.

#include "mlir/Target/LLVM/ROCDL/Target.h"
#include "mlir/Target/LLVM/XeVM/Target.h"

void mlir::ROCDL::registerROCDLTargetInterfaceExternalModels(
    DialectRegistry &registry) {}

void mlir::xevm::registerXeVMTargetInterfaceExternalModels(
    DialectRegistry &registry) {}
