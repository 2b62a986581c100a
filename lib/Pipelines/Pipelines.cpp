// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole compiler on one screen.

#include "bfly/Pipelines/Pipelines.h"

#include "bfly/Conversion/Passes.h"
#include "bfly/Transforms/Passes.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassRegistry.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;
using namespace mlir::bfly;

LogicalResult mlir::bfly::buildCompilePipeline(
    OpPassManager &manager, const CompileOptions &options,
    llvm::function_ref<LogicalResult(const llvm::Twine &)> errorHandler) {
  return success();
}

void mlir::bfly::registerCompilePipeline() {}
