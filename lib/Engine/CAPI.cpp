// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/CAPI.h"

#include "CAPIArrays.h"
#include "InFlight.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/Engine/Compilation.h"
#include "bfly/Engine/CrashGuard.h"
#include "bfly/Engine/Tuning.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cstring>
#include <mutex>

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

struct bfly_kernel {
  std::unique_ptr<Compilation> compilation;
  std::unique_ptr<Executable> executable;
  /// The header's shapes, which have -1 for dynamic sizes.
  Shapes shapes[3];
  /// Held while the program is parsed or lowered further.
  std::mutex mutex;
  /// The compiler crashed on the program, which must not be touched again.
  bool isBroken = false;

  ~bfly_kernel() {
    if (isBroken)
      (void)compilation.release();
  }

  ArrayRef<ValueInfo> values(int32_t kind) const {
    const Signature &signature = executable->signature();
    switch (kind) {
    case BFLY_INPUT:
      return signature.inputs;
    case BFLY_PARAMETER:
      return signature.parameters;
    case BFLY_RESULT:
      return signature.results;
    }
    return {};
  }
};

static thread_local std::string lastError;

void mlir::bfly::keepError(std::string message) {
  lastError = std::move(message);
}

static void keep(llvm::Error error) { lastError = toString(std::move(error)); }

char *mlir::bfly::copyText(StringRef text) {
  char *copy = static_cast<char *>(std::malloc(text.size() + 1));
  if (!copy) {
    lastError = "out of memory";
    return nullptr;
  }
  std::memcpy(copy, text.data(), text.size());
  copy[text.size()] = '\0';
  return copy;
}

static SourceOptions sourceOptions(const bfly_compile_options &options) {
  SourceOptions result;
  result.allowBytecode = options.allow_bytecode;
  result.allowForeignCalls = options.allow_foreign_calls;
  return result;
}

static llvm::Expected<bfly_kernel *>
compile(llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>> source,
        const bfly_compile_options &options) {
  if (!source)
    return source.takeError();
  CompileSettings settings;
  auto device = Device::parse(options.device ? options.device : "cpu");
  if (!device)
    return device.takeError();
  settings.device = *device;
  if (options.threads < 0 || options.threads > 4096)
    return makeError("threads is " + Twine(options.threads) +
                     ", but has to be from 0 to 4096");
  settings.threads = options.threads;
  if (options.options)
    settings.pipelineOptions = options.options;
  auto kernel = std::make_unique<bfly_kernel>();
  kernel->compilation = std::make_unique<Compilation>(
      std::move(*source), sourceOptions(options),
      options.function ? options.function : "", std::move(settings));
  if (!options.no_cache)
    kernel->compilation->find();
  auto executable = kernel->compilation->compile();
  if (!executable)
    return executable.takeError();
  kernel->executable = std::move(*executable);
  for (auto kind : {BFLY_INPUT, BFLY_PARAMETER, BFLY_RESULT}) {
    for (const ValueInfo &info : kernel->values(kind)) {
      kernel->shapes[kind].push_back(info.shape);
      llvm::replace(kernel->shapes[kind].back(), kDynamicSize, int64_t(-1));
    }
  }
  return kernel.release();
}

/// A source's own bytes, which nobody changes any more.
static llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
copySource(StringRef text, StringRef name) {
  uint64_t most = SourceOptions().maxBytes;
  if (text.size() > most)
    return makeError(name + ": larger than " + formatBytes(most));
  return llvm::MemoryBuffer::getMemBufferCopy(text, name);
}

static llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
readSource(StringRef path) {
  auto file = openRegularFile(path);
  if (!file)
    return file.takeError();
  return copySource((*file)->getBuffer(), path);
}

/// The compiler under guard: `body` makes a kernel or says why not.
static bfly_kernel *
guarded(llvm::function_ref<llvm::Expected<bfly_kernel *>()> body) {
  InFlight call;
  bfly_kernel *kernel = nullptr;
  std::string problem, why;
  bool lives = survives(
      [&] {
        auto made = body();
        if (made)
          kernel = *made;
        else
          problem = toString(made.takeError());
      },
      why);
  if (!lives)
    problem = crashMessage("the compiler", why);
  if (!kernel)
    lastError = problem;
  return lives ? kernel : nullptr;
}

/// A text about a kernel's program, which `body` makes under guard; null and
/// bfly_last_error if it cannot.
static char *
guardedText(const bfly_kernel *kernel,
            llvm::function_ref<llvm::Expected<std::string>()> body) {
  InFlight call;
  // The lock is of this thread, which outlives a crash.
  auto &state = const_cast<bfly_kernel &>(*kernel);
  std::lock_guard<std::mutex> held(state.mutex);
  std::string result, problem, why;
  if (state.isBroken) {
    problem = "the compiler has crashed on this kernel before";
  } else if (!survives(
                 [&] {
                   auto made = body();
                   if (made)
                     result = std::move(*made);
                   else
                     problem = toString(made.takeError());
                 },
                 why)) {
    state.isBroken = true;
    problem = crashMessage("the compiler", why);
  }
  if (problem.empty())
    return copyText(result);
  lastError = problem;
  return nullptr;
}

bool mlir::bfly::isGiven(const void *pointer, StringRef name) {
  if (!pointer)
    lastError = (name + " is NULL").str();
  return pointer;
}

static bool isKind(int kind) {
  if (kind >= BFLY_INPUT && kind <= BFLY_RESULT)
    return true;
  lastError = "there is no kind " + std::to_string(kind) + " of values";
  return false;
}

static llvm::Error run(const bfly_kernel &kernel, const bfly_array *inputs,
                       size_t numInputs, const bfly_array *parameters,
                       size_t numParameters, const bfly_array *results,
                       size_t numResults, void *stream) {
  if (stream && kernel.executable->settings().device.kind == Device::Kind::CPU)
    return makeError("there are no streams on a CPU");
  std::vector<ArrayView> arrays[3];
  if (llvm::Error error = borrowAll(
          inputs, numInputs, kernel.values(BFLY_INPUT), "inputs", arrays[0]))
    return error;
  if (llvm::Error error =
          borrowAll(parameters, numParameters, kernel.values(BFLY_PARAMETER),
                    "parameters", arrays[1]))
    return error;
  if (llvm::Error error =
          borrowAll(results, numResults, kernel.values(BFLY_RESULT), "results",
                    arrays[2]))
    return error;
  auto call = kernel.executable->bind(arrays[0], arrays[1], arrays[2]);
  if (!call)
    return call.takeError();
  return call->run(stream);
}

extern "C" {

const char *bfly_version(void) { return BFLY_VERSION; }

const char *bfly_last_error(void) { return lastError.c_str(); }

void bfly_free(char *text) { std::free(text); }

bfly_kernel *bfly_compile(const char *text, size_t length, const char *name,
                          const bfly_compile_options *options) {
  if (!isGiven(text, "text"))
    return nullptr;
  bfly_compile_options defaults = {};
  const bfly_compile_options &chosen = options ? *options : defaults;
  return guarded([&] {
    return compile(copySource(StringRef(text, length), name ? name : "<text>"),
                   chosen);
  });
}

bfly_kernel *bfly_compile_file(const char *path,
                               const bfly_compile_options *options) {
  if (!isGiven(path, "path"))
    return nullptr;
  bfly_compile_options defaults = {};
  const bfly_compile_options &chosen = options ? *options : defaults;
  return guarded([&] { return compile(readSource(path), chosen); });
}

void bfly_kernel_destroy(bfly_kernel *kernel) { delete kernel; }

const char *bfly_kernel_name(const bfly_kernel *kernel) {
  if (!isGiven(kernel, "kernel"))
    return nullptr;
  return kernel->executable->signature().name.c_str();
}

int bfly_kernel_is_from_cache(const bfly_kernel *kernel) {
  if (!isGiven(kernel, "kernel"))
    return -1;
  return kernel->compilation->isFromCache();
}

int64_t bfly_kernel_num_values(const bfly_kernel *kernel, int32_t kind) {
  if (!isGiven(kernel, "kernel") || !isKind(kind))
    return -1;
  return kernel->values(kind).size();
}

int bfly_kernel_value(const bfly_kernel *kernel, int32_t kind, int64_t index,
                      bfly_value_info *info) {
  if (!isGiven(kernel, "kernel") || !isKind(kind) || !isGiven(info, "info"))
    return -1;
  ArrayRef<ValueInfo> values = kernel->values(kind);
  if (index < 0 || index >= static_cast<int64_t>(values.size())) {
    lastError = "there is no value " + std::to_string(index) + " of this kind";
    return -1;
  }
  const ValueInfo &value = values[index];
  const SmallVector<int64_t, 4> &shape = kernel->shapes[kind][index];
  *info = {value.name.c_str(), shape.data(), static_cast<int32_t>(shape.size()),
           static_cast<int32_t>(value.type), value.isScalar};
  return 0;
}

char *bfly_kernel_ir(const bfly_kernel *kernel, const char *level) {
  if (!isGiven(kernel, "kernel") || !isGiven(level, "level"))
    return nullptr;
  return guardedText(kernel, [&]() -> llvm::Expected<std::string> {
    auto lowering = kernel->compilation->lowering();
    if (!lowering)
      return lowering.takeError();
    return (*lowering)->ir(level);
  });
}

char *bfly_kernel_report(const bfly_kernel *kernel) {
  if (!isGiven(kernel, "kernel"))
    return nullptr;
  return guardedText(kernel, [&]() -> llvm::Expected<std::string> {
    auto lowering = kernel->compilation->lowering();
    if (!lowering)
      return lowering.takeError();
    auto report = (*lowering)->report();
    if (!report)
      return report.takeError();
    kernel->executable->addLaunchesTo(*report);
    return llvm::formatv("{0:2}", llvm::json::Value(std::move(*report))).str();
  });
}

int bfly_kernel_result_shapes(const bfly_kernel *kernel,
                              const bfly_array *inputs, size_t num_inputs,
                              const bfly_array *parameters,
                              size_t num_parameters, int64_t *const *shapes) {
  if (!isGiven(kernel, "kernel"))
    return -1;
  InFlight call;
  auto problem = [&]() -> llvm::Error {
    auto given =
        shapesOf(inputs, num_inputs, kernel->values(BFLY_INPUT), "inputs");
    if (!given)
      return given.takeError();
    auto weights = shapesOf(parameters, num_parameters,
                            kernel->values(BFLY_PARAMETER), "parameters");
    if (!weights)
      return weights.takeError();
    auto results = kernel->executable->resultShapes(*given, *weights);
    if (!results)
      return results.takeError();
    for (auto [i, shape] : llvm::enumerate(*results))
      if (!shape.empty() && (!shapes || !shapes[i]))
        return makeError("there is no room for the shape of result " +
                         Twine(i));
    for (auto [i, shape] : llvm::enumerate(*results))
      if (!shape.empty())
        llvm::copy(shape, shapes[i]);
    return llvm::Error::success();
  }();
  if (!problem)
    return 0;
  keep(std::move(problem));
  return -1;
}

int bfly_kernel_run(const bfly_kernel *kernel, const bfly_array *inputs,
                    size_t num_inputs, const bfly_array *parameters,
                    size_t num_parameters, const bfly_array *results,
                    size_t num_results, void *stream) {
  if (!isGiven(kernel, "kernel"))
    return -1;
  InFlight call;
  llvm::Error error = run(*kernel, inputs, num_inputs, parameters,
                          num_parameters, results, num_results, stream);
  if (!error)
    return 0;
  keep(std::move(error));
  return -1;
}

char *bfly_kernel_tune(const bfly_kernel *kernel, const bfly_array *inputs,
                       size_t num_inputs, const bfly_array *parameters,
                       size_t num_parameters, int32_t rounds) {
  if (!isGiven(kernel, "kernel"))
    return nullptr;
  return guardedText(kernel, [&]() -> llvm::Expected<std::string> {
    std::vector<ArrayView> arrays[2];
    if (llvm::Error error =
            borrowAll(inputs, num_inputs, kernel->values(BFLY_INPUT), "inputs",
                      arrays[0]))
      return std::move(error);
    if (llvm::Error error =
            borrowAll(parameters, num_parameters,
                      kernel->values(BFLY_PARAMETER), "parameters", arrays[1]))
      return std::move(error);
    auto lowering = kernel->compilation->lowering();
    if (!lowering)
      return lowering.takeError();
    auto tuning = tune(**lowering, arrays[0], arrays[1],
                       rounds < 0 ? kDefaultTuneRounds : rounds);
    if (!tuning)
      return tuning.takeError();
    llvm::json::Object result = tuning->toJSON();
    std::string text;
    llvm::raw_string_ostream os(text);
    tuning->print(os);
    result["text"] = llvm::json::fixUTF8(text);
    result["ir"] = llvm::json::fixUTF8(tuning->ir);
    return llvm::formatv("{0}", llvm::json::Value(std::move(result))).str();
  });
}

void bfly_shutdown(double seconds) { InFlight::shutDown(seconds); }

} // extern "C"
