// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly-lsp-server: completion, hover and diagnostics for bfly IR in editors.

#include "../EntryPoints.h"
#include "bfly/Pipelines/Pipelines.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"

int bflyLspServerMain(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::bfly::registerDialects(registry);
  return mlir::failed(mlir::MlirLspServerMain(argc, argv, registry));
}
