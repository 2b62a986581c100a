// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/CAPI.h"

#include "InFlight.h"
#include "bfly-cuda.h"
#include "bfly/Engine/CrashGuard.h"
#include "bfly/Engine/Executable.h"
#include "bfly/Engine/FileIO.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>
#include <cstring>
#include <mutex>

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

static_assert(BFLY_F64 == int(ElementType::F64) &&
                  BFLY_F32 == int(ElementType::F32) &&
                  BFLY_BF16 == int(ElementType::BF16) &&
                  BFLY_F16 == int(ElementType::F16) &&
                  BFLY_C64 == int(ElementType::C64) &&
                  BFLY_C128 == int(ElementType::C128) &&
                  BFLY_I64 == int(ElementType::I64) &&
                  BFLY_I32 == int(ElementType::I32) &&
                  BFLY_I16 == int(ElementType::I16) &&
                  BFLY_I8 == int(ElementType::I8) &&
                  BFLY_U8 == int(ElementType::U8) &&
                  BFLY_I1 == int(ElementType::I1),
              "the header's numbers are fixed");

/// The header's shapes, which have -1 for dynamic sizes.
using Shapes = std::vector<SmallVector<int64_t, 4>>;

struct bfly_kernel {
  std::unique_ptr<Program> program;
  std::unique_ptr<Executable> executable;
  Shapes shapes[3];
  /// Held while the program is lowered once more.
  std::mutex mutex;
  /// The compiler crashed on the program, which must not be touched again.
  bool isBroken = false;

  ~bfly_kernel() {
    if (isBroken)
      (void)program.release();
  }

  ArrayRef<ValueInfo> values(bfly_value_kind kind) const {
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

/// Keeps an error for bfly_last_error.
static void keep(llvm::Error error) { lastError = toString(std::move(error)); }

static char *copyText(StringRef text) {
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
compile(llvm::Expected<std::unique_ptr<Program>> program,
        const bfly_compile_options &options) {
  if (!program)
    return program.takeError();
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
  auto function =
      (*program)->function(options.function ? options.function : "");
  if (!function)
    return function.takeError();
  auto executable = Executable::create(**program, **function, settings);
  if (!executable)
    return executable.takeError();

  auto kernel = std::make_unique<bfly_kernel>();
  kernel->program = std::move(*program);
  kernel->executable = std::move(*executable);
  for (auto kind : {BFLY_INPUT, BFLY_PARAMETER, BFLY_RESULT}) {
    for (const ValueInfo &info : kernel->values(kind)) {
      kernel->shapes[kind].push_back(info.shape);
      llvm::replace(kernel->shapes[kind].back(), kDynamicSize, int64_t(-1));
    }
  }
  return kernel.release();
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

/// Whether `pointer` is there; else bfly_last_error says that `name` is NULL.
static bool isGiven(const void *pointer, StringRef name) {
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

/// The shape of a caller's array.
static llvm::Expected<ArrayRef<int64_t>> shapeOf(const bfly_array &array,
                                                 const Twine &name) {
  if (array.rank < 0 || array.rank > static_cast<int64_t>(kMaxRank))
    return makeError(name + " has rank " + Twine(array.rank) +
                     ", but ranks are from 0 to " + Twine(kMaxRank));
  if (array.rank > 0 && !array.shape)
    return makeError(name + " has no shape");
  ArrayRef<int64_t> shape(array.shape, array.rank);
  for (int64_t size : shape)
    if (size < 0)
      return makeError(name + " has a size of " + Twine(size));
  return shape;
}

/// The shape that a caller's array is taken in. Those of parameters come from
/// files, in which ones at the front come and go.
static ArrayRef<int64_t> fitShape(ArrayRef<int64_t> shape,
                                  const ValueInfo &info, StringRef kind) {
  bool fits =
      kind == "parameters" && equalBesidesLeadingOnes(shape, info.shape);
  return fits ? ArrayRef<int64_t>(info.shape) : shape;
}

/// An error unless there are as many arrays as values.
static llvm::Error checkCount(const bfly_array *arrays, size_t count,
                              ArrayRef<ValueInfo> infos, StringRef kind) {
  if (count == infos.size() && (!count || arrays))
    return llvm::Error::success();
  return makeError(Twine(infos.size()) + " " + kind + " are needed, but " +
                   Twine(arrays ? count : 0) + " were given");
}

static llvm::Expected<Shapes> shapesOf(const bfly_array *arrays, size_t count,
                                       ArrayRef<ValueInfo> infos,
                                       StringRef kind) {
  if (llvm::Error error = checkCount(arrays, count, infos, kind))
    return std::move(error);
  Shapes shapes;
  for (size_t i = 0; i < count; ++i) {
    auto shape = shapeOf(arrays[i], infos[i].name);
    if (!shape)
      return shape.takeError();
    shapes.emplace_back(fitShape(*shape, infos[i], kind));
  }
  return shapes;
}

/// The caller's array as the engine has it. `name` is what errors call it.
static llvm::Expected<ArrayView> borrow(const bfly_array &array,
                                        const Twine &name) {
  if (array.dtype < BFLY_F64 || array.dtype > BFLY_I1)
    return makeError(name + " has dtype " + Twine(array.dtype) +
                     ", which is none");
  auto shape = shapeOf(array, name);
  if (!shape)
    return shape.takeError();
  ArrayView view;
  if (array.device_type == BFLY_CUDA)
    view.device = {Device::Kind::CUDA, array.device_id};
  else if (array.device_type != BFLY_CPU)
    return makeError(name + " is on a device of type " +
                     Twine(array.device_type) +
                     ", which is neither a CPU nor a CUDA device");
  view.type = static_cast<ElementType>(array.dtype);
  view.shape = *shape;
  auto bytes = checkedSizeInBytes(view.type, view.shape);
  if (!bytes)
    return makeError(name + ": " + toString(bytes.takeError()));
  // No elements may come with any pointer, none at all included.
  alignas(16) static char empty[16];
  if (!array.data && *bytes > 0)
    return makeError(name + " has no data");
  view.data = *bytes > 0 ? array.data : empty;
  // Checks the alignment.
  auto borrowed = HostArray::borrow(view.type, view.shape, view.data, *bytes);
  if (!borrowed)
    return makeError(name + ": " + toString(borrowed.takeError()));
  return view;
}

static llvm::Error borrowAll(const bfly_array *arrays, size_t count,
                             ArrayRef<ValueInfo> infos, StringRef kind,
                             std::vector<ArrayView> &result) {
  if (llvm::Error error = checkCount(arrays, count, infos, kind))
    return error;
  for (size_t i = 0; i < count; ++i) {
    auto array = borrow(arrays[i], infos[i].name);
    if (!array)
      return array.takeError();
    array->shape = fitShape(array->shape, infos[i], kind);
    result.push_back(*array);
  }
  return llvm::Error::success();
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
    return compile(Program::parseText(StringRef(text, length),
                                      name ? name : "<text>",
                                      sourceOptions(chosen)),
                   chosen);
  });
}

bfly_kernel *bfly_compile_file(const char *path,
                               const bfly_compile_options *options) {
  if (!isGiven(path, "path"))
    return nullptr;
  bfly_compile_options defaults = {};
  const bfly_compile_options &chosen = options ? *options : defaults;
  return guarded([&] {
    return compile(Program::parseFile(path, sourceOptions(chosen)), chosen);
  });
}

void bfly_kernel_destroy(bfly_kernel *kernel) { delete kernel; }

const char *bfly_kernel_name(const bfly_kernel *kernel) {
  if (!isGiven(kernel, "kernel"))
    return nullptr;
  return kernel->executable->signature().name.c_str();
}

int64_t bfly_kernel_num_values(const bfly_kernel *kernel,
                               bfly_value_kind kind) {
  if (!isGiven(kernel, "kernel") || !isKind(kind))
    return -1;
  return kernel->values(kind).size();
}

int bfly_kernel_value(const bfly_kernel *kernel, bfly_value_kind kind,
                      int64_t index, bfly_value_info *info) {
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
  return guardedText(kernel, [&] {
    return kernel->program->ir(kernel->executable->signature(), level,
                               kernel->executable->settings());
  });
}

char *bfly_kernel_report(const bfly_kernel *kernel) {
  if (!isGiven(kernel, "kernel"))
    return nullptr;
  return guardedText(kernel, [&]() -> llvm::Expected<std::string> {
    auto report = kernel->program->report(kernel->executable->signature(),
                                          kernel->executable->settings());
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

/// Why nothing can be measured so; an hour is more than anybody waits.
static bool canMeasure(int32_t threads, double seconds,
                       const double *bytes_per_second,
                       const double *flops_per_second) {
  if (threads < 0 || threads > 4096)
    lastError = "threads is " + std::to_string(threads) +
                ", but has to be from 0 to 4096";
  else if (!(seconds >= 0 && seconds <= 3600))
    lastError = "seconds has to be from 0 to 3600";
  else
    return isGiven(bytes_per_second, "bytes_per_second") &&
           isGiven(flops_per_second, "flops_per_second");
  return false;
}

void bfly_measure_ceilings(int32_t threads, double seconds,
                           double *bytes_per_second, double *flops_per_second) {
  if (!canMeasure(threads, seconds, bytes_per_second, flops_per_second)) {
    for (double *rate : {bytes_per_second, flops_per_second})
      if (rate)
        *rate = 0;
    return;
  }
  InFlight call;
  *bytes_per_second = bflyRuntimeCopyBandwidth(threads, seconds);
  *flops_per_second = bflyRuntimePeakFlops(threads, seconds);
}

int bfly_measure_device(const char *device, double seconds,
                        double *bytes_per_second, double *flops_per_second,
                        double *matrix_flops_per_second) {
  if (!canMeasure(0, seconds, bytes_per_second, flops_per_second))
    return -1;
  InFlight call;
  auto parsed = Device::parse(device ? device : "cpu");
  llvm::Error error = parsed ? parsed->open() : parsed.takeError();
  if (error) {
    keep(std::move(error));
    return -1;
  }
  double matrix = 0;
  if (parsed->kind == Device::Kind::CPU) {
    bfly_measure_ceilings(0, seconds, bytes_per_second, flops_per_second);
  } else if (bflyCudaCopyBandwidth(parsed->ordinal, seconds,
                                   bytes_per_second) ||
             bflyCudaPeakFlops(parsed->ordinal, seconds, flops_per_second)) {
    lastError = bflyCudaLastError();
    return -1;
  } else if (bflyCudaPeakMatrixFlops(parsed->ordinal, seconds, &matrix)) {
    // cuBLASLt need not be there.
    matrix = 0;
  }
  if (matrix_flops_per_second)
    *matrix_flops_per_second = matrix;
  return 0;
}

int bfly_open_device(const char *device) {
  InFlight call;
  auto parsed = Device::parse(device ? device : "cpu");
  llvm::Error error = parsed ? parsed->open() : parsed.takeError();
  if (!error)
    return 0;
  keep(std::move(error));
  return -1;
}

void bfly_shutdown(double seconds) { InFlight::shutDown(seconds); }

} // extern "C"
