// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly-opt with one pass more.

#include "Passes.h"
#include "bfly/Pipelines/Pipelines.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::bfly::registerDialects(registry);
  mlir::bfly::registerPasses();
  mixer::registerMixerPasses();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "bfly-opt with one pass more\n", registry));
}
