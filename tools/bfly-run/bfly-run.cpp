// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly-run: compiles a function, runs it, and compares or measures it. Its
// flags are those of IREE's run tool where that has them.

#include "../EntryPoints.h"
#include "Arrays.h"
#include "Benchmark.h"
#include "Flags.h"
#include "Progress.h"
#include "bfly-runtime.h"
#include "bfly/Engine/ArrayLiteral.h"
#include "bfly/Engine/Executable.h"
#include "bfly/Engine/FileIO.h"
#include "bfly/Engine/Npy.h"
#include "llvm/Support/CrashRecoveryContext.h"
#include "llvm/Support/ErrorHandling.h"
#include "llvm/Support/FormatVariadic.h"

#include <chrono>
#include <new>
#include <unistd.h>

using namespace llvm;
using namespace mlir::bfly;

/// Runs `body`, in which upstream's code may crash on hostile input, with a
/// stack of its own. True if it came back.
static bool survives(function_ref<void()> body) {
  return CrashRecoveryContext().RunSafelyOnThread(body, 64u << 20);
}

/// A crash leaves nothing that could be cleaned up.
[[noreturn]] static void stop(const Twine &message) {
  errs() << "error: " << message << "\n";
  outs().flush();
  _exit(1);
}

/// Prints IR, at the levels that were asked for.
static Error printLevels(const Program &program, const Signature &function,
                         const CompileSettings &settings) {
  bool all = is_contained(flags().printLevels, "all");
  for (StringRef level : getLevels()) {
    if (!all && !is_contained(flags().printLevels, level))
      continue;
    auto text = program.ir(function, level, settings);
    if (!text)
      return text.takeError();
    outs() << "// -----// " << level << " //----- //\n" << *text;
  }
  return Error::success();
}

/// Everything that comes before running.
static Expected<std::unique_ptr<Executable>>
compile(const Program &program, const Signature &function,
        const CompileSettings &settings, json::Object &report) {
  Progress progress("compiling " + program.sourceName().str());
  auto begin = std::chrono::steady_clock::now();
  auto executable = Executable::create(program, function, settings);
  if (!executable)
    return executable;
  std::chrono::duration<double> elapsed =
      std::chrono::steady_clock::now() - begin;
  if (flags().report.getNumOccurrences() ||
      flags().benchmark.getNumOccurrences()) {
    auto kernels = program.report(function, settings);
    if (!kernels)
      return kernels.takeError();
    report = std::move(*kernels);
    report["compile_seconds"] = elapsed.count();
  }
  return executable;
}

static Error benchmark(Invocation &call, const Signature &function,
                       const CompileSettings &settings, int64_t batch,
                       json::Object &report) {
  int64_t calls = 0;
  StringRef(flags().benchmark).getAsInteger(10, calls);
  int threads =
      settings.threads > 0 ? settings.threads : bflyRuntimeMaxThreads();
  Progress progress("measuring " + function.name);
  auto measurement = measure(
      call, "BM_" + function.name + "/" + settings.device.str() + "/real_time",
      threads, calls, report, batch);
  if (!measurement)
    return measurement.takeError();
  report["benchmark"] = measurement->toJSON();
  if (flags().format == BenchmarkFormat::JSON)
    printJSON(outs(), *measurement, "bfly-run");
  else
    printConsole(outs(), *measurement);
  return Error::success();
}

static std::vector<SmallVector<int64_t, 4>>
shapesOf(ArrayRef<HostArray> arrays) {
  std::vector<SmallVector<int64_t, 4>> shapes;
  for (const HostArray &array : arrays)
    shapes.emplace_back(array.shape().begin(), array.shape().end());
  return shapes;
}

static Error writeOutputs(ArrayRef<std::string> paths,
                          ArrayRef<HostArray> results,
                          const json::Object &report) {
  for (auto [path, result] : zip(paths, results))
    if (!path.empty())
      if (Error error = writeNpy(path, result))
        return error;
  if (flags().report.getNumOccurrences())
    return writeFileAtomically(flags().report, [&](raw_ostream &os) {
      os << formatv("{0:2}", json::Value(json::Object(report))) << "\n";
      return Error::success();
    });
  return Error::success();
}

static Error run() {
  if (Error error = checkFlags())
    return error;
  CompileSettings settings;
  auto device = Device::open(flags().device);
  if (!device)
    return device.takeError();
  settings.device = *device;
  settings.threads = flags().threads;
  settings.pipelineOptions = flags().compileOptions;

  SourceOptions options;
  options.allowBytecode = flags().allowBytecode;
  options.allowForeignCalls = flags().allowForeignCalls;
  // Filled in by the thread that survives.
  std::unique_ptr<Program> program;
  Error failure = Error::success();
  if (!survives([&] {
        ErrorAsOutParameter checked(failure);
        auto parsed = Program::parseFile(flags().source, options);
        if (parsed)
          program = std::move(*parsed);
        else
          failure = parsed.takeError();
      }))
    stop(flags().source +
         ": the parser failed on this file: there is too little memory, "
         "or bfly has a bug");
  if (failure)
    return failure;
  auto selected = program->function(flags().function);
  if (!selected)
    return selected.takeError();
  const Signature &function = **selected;

  if (!flags().printLevels.empty()) {
    if (!survives([&] {
          ErrorAsOutParameter checked(failure);
          failure = printLevels(*program, function, settings);
        }))
      stop(flags().source +
           ": the compiler failed on this file: there is too little "
           "memory, or bfly has a bug");
    if (failure || flags().inputs.empty())
      return failure;
  }

  // All that can be wrong with the arrays, before anything is compiled.
  auto outputs = parseOutputs(flags().outputs, function);
  if (!outputs)
    return outputs.takeError();
  auto inputs = readInputs(flags().inputs, function);
  if (!inputs)
    return inputs.takeError();
  auto parameters = Parameters::read(flags().parameters, *program, function);
  if (!parameters)
    return parameters.takeError();
  auto batch =
      function.matchShapes(shapesOf(*inputs), shapesOf(parameters->arrays()));
  if (!batch)
    return batch.takeError();
  auto expected = readExpected(flags().expected, function);
  if (!expected)
    return expected.takeError();

  std::unique_ptr<Executable> executable;
  json::Object report;
  if (!survives([&] {
        ErrorAsOutParameter checked(failure);
        auto compiled = compile(*program, function, settings, report);
        if (compiled)
          executable = std::move(*compiled);
        else
          failure = compiled.takeError();
      }))
    stop(flags().source +
         ": the compiler failed on this file: there is too little "
         "memory, or bfly has a bug");
  if (failure)
    return failure;

  auto results =
      executable->allocateResults(pointersTo<const HostArray *>(*inputs));
  if (!results)
    return results.takeError();
  auto call =
      executable->bind(pointersTo<const HostArray *>(*inputs),
                       pointersTo<const HostArray *>(parameters->arrays()),
                       pointersTo<HostArray *>(*results));
  if (!call)
    return call.takeError();
  {
    Progress progress("running " + function.name);
    if (Error error = call->run())
      return error;
  }
  // Only JSON on stdout where JSON was asked for.
  bool measured = flags().benchmark.getNumOccurrences();
  bool quiet = measured && flags().format == BenchmarkFormat::JSON;
  if (!quiet)
    outs() << "EXEC @" << function.name << "\n";
  if (!expected->empty()) {
    std::optional<double> tolerance;
    if (flags().tolerance.getNumOccurrences())
      tolerance = flags().tolerance;
    if (Error error = compareResults(quiet ? nulls() : outs(), *results,
                                     *expected, tolerance))
      return error;
  }
  if (measured)
    if (Error error = benchmark(*call, function, settings, *batch, report))
      return error;
  if (Error error = writeOutputs(*outputs, *results, report))
    return error;
  if (outputs->empty() && expected->empty() && !measured) {
    for (auto [i, result] : enumerate(*results)) {
      outs() << "result[" << i << "]: ";
      printArray(outs(), result);
      outs() << "\n";
    }
  }
  return Error::success();
}

int bflyRunMain(int argc, char **argv) {
  // Errors that have nobody to return to are still one line and exit code 1.
  install_fatal_error_handler(
      [](void *, const char *reason, bool) { stop(reason); });
  install_bad_alloc_error_handler(
      [](void *, const char *, bool) { stop("out of memory"); });
  std::set_new_handler([] {
    static const char message[] = "error: out of memory\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)written;
    _exit(1);
  });
  CrashRecoveryContext::Enable();
  parseFlags(argc, argv);
  Error error = run();
  outs().flush();
  if (!error)
    return 0;
  handleAllErrors(
      std::move(error),
      [](const CompileError &located) { errs() << located.message() << "\n"; },
      [](const ErrorInfoBase &other) {
        errs() << "error: " << other.message() << "\n";
      });
  return 1;
}
