// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Flags.h"

#include "bfly/Arrays/FileIO.h"
#include "bfly/Engine/Program.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <cstdlib>

using namespace llvm;
using namespace mlir::bfly;

Flags &mlir::bfly::flags() {
  // Made on first use, which is after `parseFlags` took LLVM's options away.
  static Flags flags;
  return flags;
}

void mlir::bfly::parseFlags(int argc, char **argv) {
  cl::ResetCommandLineParser();
  cl::HideUnrelatedOptions(flags().category);
  cl::SetVersionPrinter([](raw_ostream &os) {
    os << "bfly-run " << BFLY_VERSION << ", with MLIR " << LLVM_VERSION_STRING
       << "\n";
  });
  auto fail = [](const Twine &message) {
    errs() << "error: " << message << "\n";
    std::exit(1);
  };
  // llvm::cl would print this one itself.
  StringRef last = argv[argc - 1];
  if (argc > 1 && last.consume_front("-")) {
    last.consume_front("-");
    const cl::Option *option = cl::getRegisteredOptions().lookup(last);
    if (option && option->getValueExpectedFlag() == cl::ValueRequired)
      fail("--" + last + " has to have a value");
  }
  std::string problem;
  raw_string_ostream os(problem);
  if (cl::ParseCommandLineOptions(
          argc, argv,
          "bfly-run: compile a function, run it, compare or measure it\n\n"
          "  bfly-run layer.mlir --input=@x.npy --parameters=w.safetensors "
          "--output=@y.npy\n",
          &os))
    return;
  Flags &f = flags();
  for (StringRef kept :
       {f.parameterTypes.getParser().problem,
        f.ignoreUnknownParameters.getParser().problem,
        f.tolerance.getParser().problem, f.format.getParser().problem,
        f.threads.getParser().problem, f.allowBytecode.getParser().problem,
        f.allowForeignCalls.getParser().problem, f.cache.getParser().problem,
        f.clearCache.getParser().problem})
    if (!kept.empty())
      fail("--" + kept);
  // Its first line says it all, after the tool's name.
  StringRef line = StringRef(problem).trim().split('\n').first;
  line.consume_front("bfly-run: ");
  fail(line);
}

Error mlir::bfly::checkFlags() {
  if (flags().source.empty() && !flags().clearCache)
    return makeError("which file? bfly-run needs one, or - for stdin");
  // With an infinite one, a NaN alone would not match.
  if (!std::isfinite(flags().tolerance) || flags().tolerance < 0)
    return makeError("--tolerance has to be a finite number from 0");
  if (flags().threads < 0 || flags().threads > 4096)
    return makeError("--threads has to be from 0 to 4096");
  int64_t calls;
  if (flags().benchmark.getNumOccurrences() && !flags().benchmark.empty() &&
      (StringRef(flags().benchmark).getAsInteger(10, calls) || calls < 1))
    return makeError("--benchmark=" + flags().benchmark +
                     ": not a number of calls");
  int rounds;
  if (!flags().tune.empty() &&
      (StringRef(flags().tune).getAsInteger(10, rounds) || rounds < 0 ||
       rounds > 1000))
    return makeError("--tune=" + flags().tune +
                     ": not a number of rounds from 0 to 1000");
  if (flags().tuneOutput.getNumOccurrences() &&
      !flags().tune.getNumOccurrences())
    return makeError("--tune-output is of --tune");
  if (flags().tune.getNumOccurrences() && flags().benchmark.getNumOccurrences())
    return makeError("--tune and --benchmark measure different things: give "
                     "one of them");
  if (!flags().printLevels.empty() && flags().inputs.empty())
    for (auto [given, name] :
         {std::pair(flags().benchmark.getNumOccurrences() > 0, "benchmark"),
          std::pair(flags().tune.getNumOccurrences() > 0, "tune"),
          std::pair(!flags().outputs.empty(), "output"),
          std::pair(!flags().expected.empty(), "expected_output")})
      if (given)
        return makeError(
            Twine("--") + name +
            " is of a run, and --print-level without --input runs nothing");
  for (const std::string &level : flags().printLevels)
    if (level != "all" && !is_contained(getLevels(), level))
      return makeError("--print-level=" + level + ": the levels are " +
                       join(getLevels(), ", ") + " and all");
  return Error::success();
}
