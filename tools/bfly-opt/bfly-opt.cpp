// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly-opt: mlir-opt with bfly's dialect, passes and pipeline, and with
// bfly-run's limits on how deep a text may nest.

#include "../EntryPoints.h"
#include "bfly/Pipelines/Pipelines.h"
#include "bfly/Pipelines/TextGuard.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Support/FileUtilities.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ToolOutputFile.h"
#include "llvm/Support/thread.h"

using namespace mlir;

// What LLVM's libraries put on the command line of whoever links them (their
// code generators' switches, some 800 lines) goes to --help-hidden.
static void hideOptionsOfLLVM() {
  for (auto &entry : llvm::cl::getRegisteredOptions())
    if (entry.second->getOptionHiddenFlag() == llvm::cl::NotHidden)
      entry.second->setHiddenFlag(llvm::cl::Hidden);
}

/// The parser and the printer recurse: what the guard lets through, and what
/// bytecode nests, has to fit.
static constexpr std::optional<unsigned> kStackBytes = 1u << 29;

static LogicalResult run(StringRef inputName, StringRef outputName,
                         DialectRegistry &registry) {
  std::string message;
  std::unique_ptr<llvm::MemoryBuffer> input =
      openInputFile(inputName, &message);
  if (!input) {
    llvm::errs() << message << "\n";
    return failure();
  }
  if (!isBytecode(input->getMemBufferRef()))
    if (auto problem =
            bfly::checkText(input->getBuffer(), bfly::TextLimits())) {
      llvm::errs() << input->getBufferIdentifier() << ":" << problem->line
                   << ":" << problem->column << ": error: " << problem->message
                   << "\n";
      return failure();
    }
  std::unique_ptr<llvm::ToolOutputFile> output =
      openOutputFile(outputName, &message);
  if (!output) {
    llvm::errs() << message << "\n";
    return failure();
  }
  if (failed(MlirOptMain(output->os(), std::move(input), registry,
                         MlirOptMainConfig::createFromCLOptions())))
    return failure();
  output->keep();
  return success();
}

int bflyOptMain(int argc, char **argv) {
  hideOptionsOfLLVM();
  DialectRegistry registry;
  bfly::registerDialects(registry);
  bfly::registerPasses();
  auto [inputName, outputName] = registerAndParseCLIOptions(
      argc, argv,
      "bfly: a compiler for token mixers shaped like a Fourier transform\n\n"
      "  bfly-opt layer.mlir -bfly-compile=\"to=schedule\"   the IR of a "
      "level: "
      "network, schedule, affine, llvm\n"
      "  bfly-opt layer.mlir -bfly-rewrite-spectra         one pass\n"
      "  bfly-opt --help-hidden                            options of LLVM's "
      "libraries too\n",
      registry);
  MlirOptMainConfig config = MlirOptMainConfig::createFromCLOptions();
  if (config.shouldShowDialects() || config.shouldListPasses())
    return asMainReturnCode(
        MlirOptMain(argc, argv, inputName, outputName, registry));
  LogicalResult result = failure();
  llvm::thread thread(kStackBytes, [&, in = inputName, out = outputName] {
    result = run(in, out, registry);
  });
  thread.join();
  return asMainReturnCode(result);
}
