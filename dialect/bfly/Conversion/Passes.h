// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef BFLY_CONVERSION_PASSES_H
#define BFLY_CONVERSION_PASSES_H

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Pass/Pass.h"

namespace mlir::bfly {

#define GEN_PASS_DECL
#include "bfly/Conversion/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "bfly/Conversion/Passes.h.inc"

} // namespace mlir::bfly

#endif // BFLY_CONVERSION_PASSES_H
