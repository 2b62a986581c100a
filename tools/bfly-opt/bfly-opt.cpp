// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly-opt: mlir-opt with bfly's dialect, passes and pipeline.

#include "../EntryPoints.h"
#include "bfly/Pipelines/Pipelines.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"

// What LLVM's libraries put on the command line of whoever links them (their
// code generators' switches, some 800 lines) goes to --help-hidden.
static void hideOptionsOfLLVM() {
  for (auto &entry : llvm::cl::getRegisteredOptions())
    if (entry.second->getOptionHiddenFlag() == llvm::cl::NotHidden)
      entry.second->setHiddenFlag(llvm::cl::Hidden);
}

int bflyOptMain(int argc, char **argv) {
  hideOptionsOfLLVM();
  mlir::DialectRegistry registry;
  mlir::bfly::registerDialects(registry);
  mlir::bfly::registerPasses();
  return mlir::asMainReturnCode(mlir::MlirOptMain(
      argc, argv,
      "bfly: a compiler for token mixers shaped like a Fourier transform\n\n"
      "  bfly-opt layer.mlir -bfly-compile=\"to=schedule\"   the IR of a "
      "level: "
      "network, schedule, affine, llvm\n"
      "  bfly-opt layer.mlir -bfly-rewrite-spectra         one pass\n"
      "  bfly-opt --help-hidden                            options of LLVM's "
      "libraries too\n",
      registry));
}
