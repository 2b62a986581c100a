// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly-run's command line.

#ifndef BFLY_TOOLS_BFLYRUN_FLAGS_H
#define BFLY_TOOLS_BFLYRUN_FLAGS_H

#include "bfly/Pipelines/QuietParser.h"
#include "llvm/Support/CommandLine.h"
#include "llvm/Support/Error.h"

#include <string>

namespace mlir::bfly {

enum class BenchmarkFormat { Console, JSON };

/// What may be done to a parameter of another type than the module's.
enum class ParameterTypes { Exact, Widen, Round };

/// Whether compiled code is kept on disk.
enum class CacheUse { On, Off };

struct Flags {
  template <typename T>
  using Value = llvm::cl::opt<T, /*ExternalStorage=*/false, QuietParser<T>>;

  llvm::cl::OptionCategory category{"Options"};
  llvm::cl::opt<std::string> source{
      llvm::cl::cat(category), llvm::cl::Positional,
      llvm::cl::desc("<model.mlir>, or - for stdin")};
  llvm::cl::opt<std::string> function{
      llvm::cl::cat(category), "function", llvm::cl::value_desc("name"),
      llvm::cl::desc("the function to run; the only public one if there is "
                     "one")};
  llvm::cl::opt<std::string> device{
      llvm::cl::cat(category), "device", llvm::cl::init("cpu"),
      llvm::cl::value_desc("cpu|cuda|cuda:N"),
      llvm::cl::desc("where to run (default: cpu); cuda:1 is the second GPU")};
  llvm::cl::list<std::string> inputs{
      llvm::cl::cat(category), "input", llvm::cl::value_desc("array"),
      llvm::cl::desc("an input, once for each: @x.npy, 2x3xf32=1,2,… or "
                     "2x3xf32=0.5")};
  llvm::cl::list<std::string> parameters{
      llvm::cl::cat(category), "parameters",
      llvm::cl::value_desc("file.safetensors"),
      llvm::cl::desc("where the module's parameters are, by name; "
                     "repeatable")};
  Value<ParameterTypes> parameterTypes{
      llvm::cl::cat(category), "parameter-types",
      llvm::cl::init(ParameterTypes::Exact),
      llvm::cl::desc("parameters of another floating-point type:"),
      llvm::cl::values(
          clEnumValN(ParameterTypes::Exact, "exact", "are an error"),
          clEnumValN(ParameterTypes::Widen, "widen",
                     "are converted where every value stays what it is: f16 "
                     "and bf16 to f32, f32 to f64"),
          clEnumValN(ParameterTypes::Round, "round",
                     "are converted, rounded where they have to be"))};
  Value<bool> ignoreUnknownParameters{
      llvm::cl::cat(category), "ignore-unknown-parameters",
      llvm::cl::desc("skip what is in the files of --parameters and not in the "
                     "module")};
  llvm::cl::list<std::string> outputs{
      llvm::cl::cat(category), "output", llvm::cl::value_desc("@y.npy"),
      llvm::cl::desc("where a result goes, once for each result; empty to drop "
                     "it. Written when everything else is done")};
  llvm::cl::list<std::string> expected{
      llvm::cl::cat(category), "expected_output", llvm::cl::value_desc("array"),
      llvm::cl::desc("what a result has to be, once for each result: as "
                     "--input, or (ignored)")};
  Value<double> tolerance{
      llvm::cl::cat(category), "tolerance", llvm::cl::value_desc("error"),
      llvm::cl::desc("the largest relative L2 error of a result (default: f64 "
                     "1e-12, f32 1e-5, f16 2e-3, bf16 1e-2)")};
  llvm::cl::opt<std::string> benchmark{
      llvm::cl::cat(category), "benchmark", llvm::cl::ValueOptional,
      llvm::cl::value_desc("calls"),
      llvm::cl::desc("measure so many calls, or for half a second")};
  Value<BenchmarkFormat> format{
      llvm::cl::cat(category), "benchmark_format",
      llvm::cl::init(BenchmarkFormat::Console),
      llvm::cl::desc("how to print what was measured:"),
      llvm::cl::values(
          clEnumValN(BenchmarkFormat::Console, "console", "a table"),
          clEnumValN(BenchmarkFormat::JSON, "json",
                     "Google Benchmark's JSON"))};
  llvm::cl::opt<std::string> tune{
      llvm::cl::cat(category), "tune", llvm::cl::ValueOptional,
      llvm::cl::value_desc("rounds"),
      llvm::cl::desc("time the plans beside the one that each kernel has, then "
                     "those beside the best, for so many rounds (default: 8); "
                     "0 rounds compile and check them alone")};
  llvm::cl::opt<std::string> tuneOutput{
      llvm::cl::cat(category), "tune-output", llvm::cl::value_desc("best.mlir"),
      llvm::cl::desc("write the function with the best plans, at schedule "
                     "level, which runs as it is")};
  llvm::cl::opt<std::string> report{
      llvm::cl::cat(category), "report", llvm::cl::value_desc("report.json"),
      llvm::cl::desc("write each kernel's plan, bytes, flops and bound")};
  llvm::cl::list<std::string> printLevels{
      llvm::cl::cat(category), "print-level", llvm::cl::CommaSeparated,
      llvm::cl::value_desc("level"),
      llvm::cl::desc("print the function at a level: mixer, network, schedule, "
                     "affine, llvm or all, on a GPU gpu, nvvm and binary too; "
                     "without --input nothing is run")};
  llvm::cl::opt<std::string> compileOptions{
      llvm::cl::cat(category), "compile-options",
      llvm::cl::value_desc("options"),
      llvm::cl::desc("options of -bfly-compile: \"fuse=false …\"")};
  Value<int> threads{llvm::cl::cat(category), "threads", llvm::cl::init(0),
                     llvm::cl::value_desc("n"),
                     llvm::cl::desc("threads (default: all)")};
  Value<CacheUse> cache{
      llvm::cl::cat(category), "cache", llvm::cl::init(CacheUse::On),
      llvm::cl::desc("compiled code on disk, in BFLY_CACHE or ~/.cache/bfly:"),
      llvm::cl::values(
          clEnumValN(CacheUse::On, "on", "is used and kept (default)"),
          clEnumValN(CacheUse::Off, "off", "is neither"))};
  Value<bool> clearCache{
      llvm::cl::cat(category), "clear-cache",
      llvm::cl::desc("remove all of it first, and say how much there was")};
  Value<bool> allowBytecode{
      llvm::cl::cat(category), "allow-bytecode",
      llvm::cl::desc("take MLIR bytecode too; only for files that you trust")};
  Value<bool> allowForeignCalls{
      llvm::cl::cat(category), "allow-foreign-calls",
      llvm::cl::desc("run functions that call code outside the module; only "
                     "for files that you trust")};
};

/// The command line. Options of LLVM's own are not on it: some have the same
/// names.
Flags &flags();

/// Fills in `flags()`; prints what is wrong and exits with 1 if it cannot.
void parseFlags(int argc, char **argv);

/// An error for a value that is out of its range.
llvm::Error checkFlags();

} // namespace mlir::bfly

#endif // BFLY_TOOLS_BFLYRUN_FLAGS_H
