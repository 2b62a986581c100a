// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a tool registers: the dialects in use, bfly's passes, and upstream's.

#include "bfly/Pipelines/Pipelines.h"

#include "bfly/Conversion/Passes.h"
#include "bfly/IR/Bfly.h"
#include "bfly/Transforms/Passes.h"
#include "mlir/Conversion/Passes.h"
#include "mlir/Dialect/Affine/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/Transforms/Passes.h"
#include "mlir/Dialect/Linalg/Passes.h"
#include "mlir/Dialect/MemRef/Transforms/Passes.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "mlir/Transforms/Passes.h"

using namespace mlir;

void mlir::bfly::registerDialects(DialectRegistry &registry) {
  registerAllDialects(registry);
  registerAllExtensions(registry);
  registerAllToLLVMIRTranslations(registry);
  registry.insert<BflyDialect>();
}

void mlir::bfly::registerBflyPasses() {
  registerBflyTransformsPasses();
  registerBflyConversionPasses();
  registerCompilePipeline();
}

void mlir::bfly::registerPasses() {
  registerBflyPasses();
  registerTransformsPasses();
  affine::registerAffinePasses();
  registerConversionPasses();
  registerLinalgPasses();
  memref::registerMemRefPasses();
  bufferization::registerBufferizationPasses();
}
