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
#include "bfly/Arrays/ArrayLiteral.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/Arrays/Npy.h"
#include "bfly/Engine/Cache.h"
#include "bfly/Engine/Compilation.h"
#include "bfly/Engine/CrashGuard.h"
#include "bfly/Engine/Tuning.h"
#include "bfly/Target/Launches.h"
#include "llvm/Support/FormatVariadic.h"

#include <chrono>
#include <new>
#include <unistd.h>

using namespace llvm;
using namespace mlir::bfly;

/// A crash leaves nothing that could be cleaned up.
[[noreturn]] static void stop(const Twine &message) {
  errs() << "error: " << message << "\n";
  outs().flush();
  _exit(1);
}

/// What the compiler has a part in, under guard.
static Error guarded(function_ref<Error()> body,
                     StringRef what = "the compiler") {
  // Filled in by the thread that survives.
  Error failure = Error::success();
  std::string why;
  if (!survives(
          [&] {
            ErrorAsOutParameter checked(failure);
            failure = body();
          },
          why))
    stop(flags().source + ": " + crashMessage(what, why));
  return failure;
}

/// The source: a file, or standard input for "-".
static Expected<std::unique_ptr<MemoryBuffer>>
readSource(const SourceOptions &options) {
  return flags().source == "-" ? readStandardInput(options.maxBytes)
                               : openRegularFile(flags().source);
}

/// The function, parsed if it was not.
static Expected<Lowering *> parse(Compilation &compilation) {
  Lowering *lowering = nullptr;
  auto body = [&]() -> Error {
    auto made = compilation.lowering();
    if (!made)
      return made.takeError();
    lowering = *made;
    return Error::success();
  };
  if (Error error = guarded(body, "the parser"))
    return std::move(error);
  return lowering;
}

/// Prints IR, at the levels that were asked for.
static Error printLevels(Lowering &lowering) {
  bool all = is_contained(flags().printLevels, "all");
  for (StringRef level : getLevels()) {
    if (all ? !hasLevel(lowering.settings().device, level)
            : !is_contained(flags().printLevels, level))
      continue;
    auto text = lowering.ir(level);
    if (!text)
      return text.takeError();
    outs() << "// -----// " << level << " //----- //\n" << *text;
  }
  return Error::success();
}

/// Compiles; `seconds` is how long that took.
static Expected<std::unique_ptr<Executable>> compile(Compilation &compilation,
                                                     double &seconds) {
  Progress progress("compiling " + flags().source);
  auto begin = std::chrono::steady_clock::now();
  auto executable = compilation.compile();
  seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begin)
          .count();
  return executable;
}

/// Measures if that was asked for, and makes the report. `bind` makes another
/// call like `call`, whose arrays take `bytes`.
static Error makeReport(Lowering &lowering, const Executable &executable,
                        Invocation &call,
                        function_ref<Expected<Invocation>()> bind,
                        uint64_t bytes, int64_t batch, json::Object &report) {
  const Signature &function = lowering.function();
  const CompileSettings &settings = lowering.settings();
  bool measured = flags().benchmark.getNumOccurrences();
  Progress progress("measuring " + function.name);
  Measurement result;
  result.threads =
      settings.threads > 0 ? settings.threads : bflyRuntimeMaxThreads();
  if (measured) {
    auto ceilings = Ceilings::measure(settings.device, result.threads,
                                      /*seconds=*/0.2);
    if (!ceilings)
      return ceilings.takeError();
    result.ceilings = *ceilings;
  }
  ReportSettings reportSettings;
  reportSettings.bytesPerSecond = result.ceilings.bytesPerSecond;
  reportSettings.flopsPerSecond = result.ceilings.flopsPerSecond;
  reportSettings.matrixFlopsPerSecond = result.ceilings.matrixFlopsPerSecond;
  reportSettings.batch = std::max<int64_t>(batch, 1);
  auto made = lowering.report(reportSettings);
  if (!made)
    return made.takeError();
  report = std::move(*made);
  executable.addLaunchesTo(report);
  if (!measured)
    return Error::success();

  result.name =
      "BM_" + function.name + "/" + settings.device.str() + "/real_time";
  result.work = Work::of(report, batch, result.ceilings);
  int64_t calls = 0;
  StringRef(flags().benchmark).getAsInteger(10, calls);
  // On a GPU arrays of its own for each of several calls, so that none finds in
  // the cache what the one before has left there.
  auto copies = copiesBeyondCache(settings.device, bytes);
  if (!copies)
    return copies.takeError();
  std::vector<Invocation> others;
  std::vector<Invocation *> all = {&call};
  for (int64_t i = 1; i < *copies; ++i) {
    auto another = bind();
    if (!another)
      return another.takeError();
    others.push_back(std::move(*another));
  }
  for (Invocation &another : others)
    all.push_back(&another);
  if (Error error = measure(all, settings.device, calls, result))
    return error;
  report["benchmark"] = result.toJSON();
  if (flags().format == BenchmarkFormat::JSON)
    printJSON(outs(), result, "bfly-run");
  else
    printConsole(outs(), result);
  return Error::success();
}

/// Tries other plans, and prints how fast they are; `ir` is the function with
/// the best ones.
static Error tuneFunction(Lowering &lowering, ArrayRef<HostArray> inputs,
                          ArrayRef<HostArray> parameters, json::Object &report,
                          std::string &ir) {
  Progress progress("tuning " + lowering.function().name);
  int rounds = kDefaultTuneRounds;
  StringRef(flags().tune).getAsInteger(10, rounds);
  std::vector<ArrayView> views[2] = {{inputs.begin(), inputs.end()},
                                     {parameters.begin(), parameters.end()}};
  auto tuning = tune(lowering, views[0], views[1], rounds);
  if (!tuning)
    return tuning.takeError();
  tuning->print(outs());
  report["tuning"] = tuning->toJSON();
  ir = std::move(tuning->ir);
  return Error::success();
}

/// Adds the report to what is written, if it was asked for.
static Error addReport(OutputFiles &files, const json::Object &report) {
  if (!flags().report.getNumOccurrences())
    return Error::success();
  return files.add(flags().report, [&](raw_ostream &os) {
    os << formatv("{0:2}", json::Value(json::Object(report))) << "\n";
    return Error::success();
  });
}

/// All files or none.
static Error writeOutputs(ArrayRef<std::string> paths,
                          ArrayRef<HostArray> results,
                          const json::Object &report, StringRef tunedIR = {}) {
  OutputFiles files;
  for (size_t i = 0; i < paths.size(); ++i) {
    if (paths[i].empty())
      continue;
    const HostArray *result = &results[i];
    if (Error error = files.add(paths[i], [result](raw_ostream &os) {
          return writeNpy(os, *result);
        }))
      return error;
  }
  if (Error error = addReport(files, report))
    return error;
  if (flags().tuneOutput.getNumOccurrences())
    if (Error error = files.add(flags().tuneOutput, [&](raw_ostream &os) {
          os << tunedIR;
          return Error::success();
        }))
      return error;
  return files.commit();
}

/// The report of what is not run: with what the assembler says of a GPU's
/// kernels, for which no GPU has to be there.
static Error reportWithoutRun(Lowering &lowering) {
  if (!flags().report.getNumOccurrences())
    return Error::success();
  auto report = lowering.report();
  if (!report)
    return report.takeError();
  auto launches = lowering.launches();
  if (!launches)
    return launches.takeError();
  if (lowering.settings().device.kind == Device::Kind::CUDA)
    addLaunches(*report, std::move(*launches));
  return writeOutputs({}, {}, *report);
}

/// Empties the cache, and says of what.
static Error clear() {
  auto gone = clearCache();
  if (!gone)
    return gone.takeError();
  outs() << "removed " << gone->entries << " entries, "
         << formatBytes(gone->bytes)
         << (gone->folder.empty() ? "" : ", from " + gone->folder) << "\n";
  return Error::success();
}

static Error run() {
  if (Error error = checkFlags())
    return error;
  if (flags().clearCache) {
    Error error = clear();
    if (error || flags().source.empty())
      return error;
  }
  CompileSettings settings;
  auto device = Device::parse(flags().device);
  if (!device)
    return device.takeError();
  settings.device = *device;
  settings.threads = flags().threads;
  settings.pipelineOptions = flags().compileOptions;

  SourceOptions options;
  options.allowBytecode = flags().allowBytecode;
  options.allowForeignCalls = flags().allowForeignCalls;
  auto source = readSource(options);
  if (!source)
    return source.takeError();
  Compilation compilation(std::move(*source), options, flags().function,
                          settings);
  const Signature *signature = nullptr;
  ArrayRef<std::string> parameterNames;
  auto describe = [&]() -> Error {
    if (flags().cache == CacheUse::On)
      compilation.find();
    auto found = compilation.signature();
    if (!found)
      return found.takeError();
    auto names = compilation.parameterNames();
    if (!names)
      return names.takeError();
    signature = *found;
    parameterNames = *names;
    return Error::success();
  };
  if (Error error = guarded(describe, "the parser"))
    return error;
  const Signature &function = *signature;

  if (!flags().printLevels.empty()) {
    auto lowering = parse(compilation);
    if (!lowering)
      return lowering.takeError();
    bool isAll = flags().inputs.empty();
    Error error = guarded([&]() -> Error {
      if (Error error = printLevels(**lowering))
        return error;
      return isAll ? reportWithoutRun(**lowering) : Error::success();
    });
    if (error || isAll)
      return error;
  }

  if (Error error = settings.device.open())
    return error;
  // All that can be wrong with the arrays, before anything is compiled.
  auto outputs = parseOutputs(flags().outputs, function);
  if (!outputs)
    return outputs.takeError();
  auto inputs = readInputs(flags().inputs, function);
  if (!inputs)
    return inputs.takeError();
  auto parameters =
      Parameters::read(flags().parameters, parameterNames, function,
                       flags().parameterTypes, flags().ignoreUnknownParameters);
  if (!parameters)
    return parameters.takeError();
  auto sizes =
      function.matchShapes(shapesOf(*inputs), shapesOf(parameters->arrays()));
  if (!sizes)
    return sizes.takeError();
  // The first dynamic size is what the report counts by.
  int64_t batch = sizes->empty() ? -1 : sizes->front();
  auto expected = readExpected(flags().expected, function);
  if (!expected)
    return expected.takeError();

  std::unique_ptr<Executable> executable;
  double compileSeconds = 0;
  auto compileAll = [&]() -> Error {
    auto compiled = compile(compilation, compileSeconds);
    if (!compiled)
      return compiled.takeError();
    executable = std::move(*compiled);
    return Error::success();
  };
  if (Error error = guarded(compileAll))
    return error;

  auto results = executable->allocateResults(
      pointersTo<const HostArray *>(*inputs),
      pointersTo<const HostArray *>(parameters->arrays()));
  if (!results)
    return results.takeError();
  auto bind = [&] {
    return executable->bind(pointersTo<const HostArray *>(*inputs),
                            pointersTo<const HostArray *>(parameters->arrays()),
                            pointersTo<HostArray *>(*results));
  };
  auto call = bind();
  if (!call)
    return call.takeError();
  {
    // What foreign code does is its own fault.
    Progress progress("running " + function.name);
    Error failure = Error::success();
    std::string why;
    if (!survivesHere(
            [&] {
              ErrorAsOutParameter checked(failure);
              failure = call->run();
            },
            why))
      stop(flags().source + ": function '" + function.name + "' crashed");
    if (failure)
      return failure;
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
  json::Object report;
  uint64_t bytes = 0;
  for (ArrayRef<HostArray> arrays :
       {ArrayRef(*inputs), parameters->arrays(), ArrayRef(*results)})
    for (const HostArray &array : arrays)
      bytes += array.sizeInBytes();
  bool tuned = flags().tune.getNumOccurrences();
  bool reported = measured || flags().report.getNumOccurrences();
  Lowering *lowering = nullptr;
  if (tuned || reported) {
    auto parsed = parse(compilation);
    if (!parsed)
      return parsed.takeError();
    lowering = *parsed;
  }
  if (reported)
    if (Error error = makeReport(*lowering, *executable, *call, bind, bytes,
                                 batch, report))
      return error;
  report["compile_seconds"] = compileSeconds;
  report["from_cache"] = compilation.isFromCache();
  std::string tunedIR;
  auto tuneAll = [&] {
    return tuneFunction(*lowering, *inputs, parameters->arrays(), report,
                        tunedIR);
  };
  if (tuned)
    if (Error error = guarded(tuneAll))
      return error;
  if (Error error = writeOutputs(*outputs, *results, report, tunedIR))
    return error;
  if (outputs->empty() && expected->empty() && !measured && !tuned) {
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
  std::set_new_handler([] {
    static const char message[] = "error: out of memory\n";
    ssize_t written = write(STDERR_FILENO, message, sizeof(message) - 1);
    (void)written;
    _exit(1);
  });
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
