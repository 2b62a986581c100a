// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The whole compiler as one pipeline, and what a tool registers.

#ifndef BFLY_PIPELINES_PIPELINES_H
#define BFLY_PIPELINES_PIPELINES_H

#include "bfly/Pipelines/QuietParser.h"
#include "mlir/IR/DialectRegistry.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Pass/PassOptions.h"

namespace mlir::bfly {

/// Options of `-bfly-compile`.
struct CompileOptions : public PassPipelineOptions<CompileOptions> {
  Option<std::string> to{
      *this, "to",
      llvm::cl::desc(
          "stop at this level: network, schedule, affine, llvm; on a "
          "GPU also gpu, nvvm, binary, between affine and llvm"),
      llvm::cl::init("llvm")};
  Option<std::string> target{
      *this, "target", llvm::cl::desc("the machine: cpu, sm_90a or sm_80"),
      llvm::cl::init("cpu")};
  Option<bool, QuietParser<bool>> fuse{
      *this, "fuse",
      llvm::cl::desc(
          "one kernel a mixer; false: one kernel an operation, which "
          "executes the network level as it stands"),
      llvm::cl::init(true)};
  Option<std::string> scoring{
      *this, "scoring",
      llvm::cl::desc("how butterfly attention scores: auto (fewest flops), "
                     "definition, pair_difference, chained, folded or carried"),
      llvm::cl::init("auto")};
  Option<bool, QuietParser<bool>> emulate{
      *this, "emulate",
      llvm::cl::desc("run a GPU's plan on the CPU, its threads as loops: for "
                     "tests of the plan"),
      llvm::cl::init(false)};
  Option<int, QuietParser<int>> threads{
      *this, "threads", llvm::cl::desc("threads of the machine"),
      llvm::cl::init(2)};

  /// Reads "fuse=false scoring=definition". What is wrong is reported through
  /// `errorHandler`, where parseFromString would print it.
  LogicalResult
  read(llvm::StringRef text,
       llvm::function_ref<LogicalResult(const llvm::Twine &)> errorHandler);
};

/// Whether a level is between affine and llvm on a GPU, and on a CPU is none.
bool isGPULevel(llvm::StringRef level);

/// The levels that mixer IR goes through down to `options.to`, from network on.
/// An unknown level, target or scoring is an error, reported through
/// `errorHandler`.
LogicalResult getCompileLevels(
    const CompileOptions &options,
    llvm::SmallVectorImpl<llvm::StringRef> &levels,
    llvm::function_ref<LogicalResult(const llvm::Twine &)> errorHandler);

/// Adds the passes to one of these levels from the one above it.
void buildCompileLevel(OpPassManager &manager, const CompileOptions &options,
                       llvm::StringRef level);

/// The dialects that IR of any level is made of, with the interfaces that the
/// passes need.
void registerDialects(DialectRegistry &registry);

/// Every pass of bfly and `-bfly-compile`, for tools that have upstream's.
void registerBflyPasses();

/// The same, and the upstream passes in use.
void registerPasses();

/// `-bfly-compile` alone.
void registerCompilePipeline();

} // namespace mlir::bfly

#endif // BFLY_PIPELINES_PIPELINES_H
