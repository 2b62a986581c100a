// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly-opt: mlir-opt with bfly's dialect, passes and pipeline.

#include "bfly/Pipelines/Pipelines.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::bfly::registerDialects(registry);
  mlir::bfly::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv,
      "bfly: a compiler for token mixers shaped like a Fourier transform\n",
      registry));
}
