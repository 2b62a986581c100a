// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/Executable.h"

#include "CompiledCode.h"
#include "Diagnostics.h"
#include "ForeignCode.h"
#include "Jit.h"
#include "StagedArrays.h"
#include "bfly-cuda.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/Target/Launches.h"

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

llvm::Expected<CompiledCode> Executable::compile(Lowering &lowering) {
  const Program &program = lowering.program();
  const Signature &function = lowering.function();
  auto held = program.lock();
  auto rules = lowering.sizeRules();
  if (!rules)
    return rules.takeError();
  auto lowered = lowering.at("llvm");
  if (!lowered)
    return lowered.takeError();
  auto launches = lowering.launches();
  if (!launches)
    return launches.takeError();
  bool allowForeignCalls = program.options().allowForeignCalls;
  if (llvm::Error error = checkLowered(*lowered, allowForeignCalls))
    return std::move(error);

  DiagnosticCollector diagnostics(lowered->getContext());
  auto object = Jit::compile(*lowered, function.name, allowForeignCalls,
                             program.usesStack());
  if (!object)
    return diagnostics.take(
        (program.sourceName() + ": function '" + function.name +
         "' cannot be compiled: " + toString(object.takeError()))
            .str());
  lowering.forgetCode();

  CompiledCode code;
  code.signature = function;
  code.signature.rules = std::move(*rules);
  code.launches = std::move(*launches);
  code.object = std::move(*object);
  return code;
}

llvm::Expected<std::unique_ptr<Executable>>
Executable::load(CompiledCode &code, const CompileSettings &settings,
                 bool allowForeignCalls) {
  auto jit =
      Jit::load(std::move(code.object), allowForeignCalls, settings.device);
  if (!jit)
    return makeError("function '" + code.signature.name +
                     "' cannot be loaded on " + settings.device.str() + ": " +
                     toString(jit.takeError()));
  std::unique_ptr<Executable> executable(new Executable());
  executable->interface = code.signature;
  executable->compileSettings = settings;
  executable->kernelLaunches = code.launches;
  executable->jit = std::move(*jit);
  return executable;
}

llvm::Expected<std::unique_ptr<Executable>>
Executable::create(Lowering &lowering) {
  if (llvm::Error error = lowering.settings().device.open())
    return std::move(error);
  auto code = compile(lowering);
  if (!code)
    return code.takeError();
  return load(*code, lowering.settings(),
              lowering.program().options().allowForeignCalls);
}

Executable::Executable() = default;
Executable::~Executable() = default;

void Executable::addLaunchesTo(llvm::json::Object &report) const {
  if (compileSettings.device.kind == Device::Kind::CUDA)
    addLaunches(report, kernelLaunches);
}

llvm::Expected<std::vector<SmallVector<int64_t, 4>>> Executable::resultShapes(
    ArrayRef<SmallVector<int64_t, 4>> inputShapes,
    ArrayRef<SmallVector<int64_t, 4>> parameterShapes) const {
  auto sizes = interface.matchShapes(inputShapes, parameterShapes);
  if (!sizes)
    return sizes.takeError();
  return interface.resultShapes(*sizes);
}

static std::vector<SmallVector<int64_t, 4>>
shapesOf(ArrayRef<const HostArray *> arrays) {
  std::vector<SmallVector<int64_t, 4>> shapes;
  for (const HostArray *array : arrays)
    shapes.emplace_back(array->shape().begin(), array->shape().end());
  return shapes;
}

llvm::Expected<std::vector<HostArray>>
Executable::allocateResults(ArrayRef<const HostArray *> inputs,
                            ArrayRef<const HostArray *> parameters) const {
  auto shapes = resultShapes(shapesOf(inputs), shapesOf(parameters));
  if (!shapes)
    return shapes.takeError();
  uint64_t available = availableMemory();
  uint64_t total = 0;
  std::vector<HostArray> results;
  for (auto [info, shape] : llvm::zip_equal(interface.results, *shapes)) {
    auto bytes = checkedSizeInBytes(info.type, shape);
    if (!bytes)
      return bytes.takeError();
    total += *bytes;
    if (total > available)
      return makeError("the results of function '" + interface.name +
                       "' need " + formatBytes(total) + ", but there are " +
                       formatBytes(available) + " of memory");
    auto array = HostArray::allocate(info.type, shape);
    if (!array)
      return array.takeError();
    results.push_back(std::move(*array));
  }
  return results;
}

ArrayView::ArrayView(const HostArray &array)
    : type(array.elementType()), shape(array.shape()),
      data(const_cast<void *>(array.data())), writable(array.isWritable()) {}

uint64_t ArrayView::sizeInBytes() const {
  uint64_t bytes = elementSize(type);
  for (int64_t size : shape)
    bytes *= size;
  return bytes;
}

/// Whether two arrays share a byte. Host and GPUs have one space of addresses.
static bool overlap(const ArrayView &a, const ArrayView &b) {
  uint64_t bytesA = a.sizeInBytes(), bytesB = b.sizeInBytes();
  if (bytesA == 0 || bytesB == 0)
    return false;
  auto *beginA = static_cast<const char *>(a.data);
  auto *beginB = static_cast<const char *>(b.data);
  return std::less<>()(beginA, beginB + bytesB) &&
         std::less<>()(beginB, beginA + bytesA);
}

/// An error unless a call on `device` can take the array.
static llvm::Error checkPlace(const ArrayView &array, const ValueInfo &info,
                              const Signature &function, Device device) {
  if (array.device.kind == Device::Kind::CPU)
    return llvm::Error::success();
  if (info.isScalar)
    return makeError(info.name +
                     " is a number, which has to be in the memory "
                     "of the CPU, and not on " +
                     array.device.str());
  if (device.kind == Device::Kind::CPU)
    return makeError(info.name + " is not in the memory of the CPU");
  auto wrongPlace = [&](const Device &actual) {
    return makeError(info.name + " is on " + actual.str() + ", but function '" +
                     function.name + "' runs on " + device.str());
  };
  if (!(array.device == device))
    return wrongPlace(array.device);
  uint64_t bytes = array.sizeInBytes();
  if (bytes == 0)
    return llvm::Error::success();
  // A kernel that touched other memory would cost the process its GPU.
  int ordinal;
  if (bflyCudaPointer(array.data, bytes, &ordinal))
    return makeError(info.name + ": " + bflyCudaLastError());
  if (ordinal == BFLY_CUDA_MANAGED || ordinal == device.ordinal) {
    // Kernels read 16 bytes at a time.
    constexpr uintptr_t kAlignment = 16;
    if (reinterpret_cast<uintptr_t>(array.data) % kAlignment)
      return makeError(info.name +
                       " begins at an address that is no multiple "
                       "of " +
                       Twine(kAlignment) + " bytes, which function '" +
                       function.name + "' needs on " + device.str() +
                       "; give a copy of it");
    return llvm::Error::success();
  }
  if (ordinal < 0)
    return makeError(info.name + " is said to be on " + device.str() +
                     ", but its address is not one of GPU memory");
  return wrongPlace({Device::Kind::CUDA, ordinal});
}

static std::vector<ArrayView> viewsOf(ArrayRef<const HostArray *> arrays) {
  std::vector<ArrayView> views;
  for (const HostArray *array : arrays)
    views.emplace_back(*array);
  return views;
}

static std::vector<SmallVector<int64_t, 4>>
shapesOf(ArrayRef<ArrayView> arrays) {
  std::vector<SmallVector<int64_t, 4>> shapes;
  for (const ArrayView &array : arrays)
    shapes.emplace_back(array.shape.begin(), array.shape.end());
  return shapes;
}

llvm::Expected<Invocation>
Executable::bind(ArrayRef<const HostArray *> inputs,
                 ArrayRef<const HostArray *> parameters,
                 ArrayRef<HostArray *> results) const {
  std::vector<ArrayView> filled;
  for (const HostArray *array : results)
    filled.emplace_back(*array);
  return bind(viewsOf(inputs), viewsOf(parameters), filled);
}

llvm::Expected<Invocation> Executable::bind(ArrayRef<ArrayView> inputs,
                                            ArrayRef<ArrayView> parameters,
                                            ArrayRef<ArrayView> results) const {
  // Types before shapes: messages about shapes name the type too.
  for (auto [infos, arrays] :
       {std::pair(ArrayRef(interface.inputs), inputs),
        std::pair(ArrayRef(interface.parameters), parameters)})
    for (auto [info, array] : llvm::zip(infos, arrays))
      if (array.type != info.type)
        return makeError(info.name + " has type " + array.typeString() +
                         ", but function '" + interface.name + "' takes " +
                         info.typeString());
  auto resultShapes =
      this->resultShapes(shapesOf(inputs), shapesOf(parameters));
  if (!resultShapes)
    return resultShapes.takeError();
  if (results.size() != interface.results.size())
    return makeError("function '" + interface.name + "' has " +
                     Twine(interface.results.size()) + " results, but " +
                     Twine(results.size()) + " arrays were given for them");

  Device device = compileSettings.device;
  Invocation call;
  call.executable = this;
  struct Place {
    const ValueInfo *info;
    const ArrayView *array;
    size_t word;
    bool isResult;
  };
  // Positions first: the words move while they grow.
  std::vector<Place> places;
  auto addAll = [&](ArrayRef<ValueInfo> infos, ArrayRef<ArrayView> arrays,
                    bool isResult) -> llvm::Error {
    for (auto [info, array] : llvm::zip_equal(infos, arrays)) {
      if (llvm::Error error = checkPlace(array, info, interface, device))
        return error;
      bool isHost = array.device.kind == Device::Kind::CPU;
      if (isHost && !isResult && array.type == ElementType::I1) {
        auto host = HostArray::borrow(array.type, array.shape,
                                      static_cast<const void *>(array.data),
                                      array.sizeInBytes());
        if (!host)
          return host.takeError();
        if (llvm::Error error = host->checkBooleans())
          return error;
      }
      places.push_back({&info, &array, call.words.size(), isResult});
      if (info.isScalar) {
        call.words.push_back(0);
        std::memcpy(&call.words.back(), array.data, array.sizeInBytes());
        continue;
      }
      auto address = reinterpret_cast<intptr_t>(array.data);
      llvm::append_values(call.words, address, address, 0);
      llvm::append_range(call.words, array.shape);
      int64_t stride = 1;
      size_t strides = call.words.size();
      for (int64_t size : llvm::reverse(array.shape)) {
        call.words.push_back(stride);
        stride *= std::max<int64_t>(size, 1);
      }
      std::reverse(call.words.begin() + strides, call.words.end());
    }
    return llvm::Error::success();
  };
  if (llvm::Error error = addAll(interface.inputs, inputs, false))
    return std::move(error);
  if (llvm::Error error = addAll(interface.parameters, parameters, false))
    return std::move(error);

  for (size_t i = 0; i < results.size(); ++i) {
    const ValueInfo &info = interface.results[i];
    const ArrayView &result = results[i];
    ArrayRef<int64_t> shape = (*resultShapes)[i];
    if (result.type != info.type || result.shape != shape)
      return makeError("the array for " + info.name + " has type " +
                       result.typeString() + ", but the result has " +
                       formatType(info.type, shape));
    if (!result.writable)
      return makeError("the array for " + info.name + " is read-only");
    auto clashes = [&](const ArrayView &other) {
      return overlap(other, result);
    };
    if (llvm::any_of(inputs, clashes) || llvm::any_of(parameters, clashes) ||
        llvm::any_of(results.take_front(i), clashes))
      return makeError("the array for " + info.name +
                       " overlaps another array of the call");
  }
  if (llvm::Error error = addAll(interface.results, results, true))
    return std::move(error);

  call.pointers.resize(places.size());
  if (device.kind == Device::Kind::CUDA)
    call.staged = std::make_unique<StagedArrays>(device.ordinal);
  for (auto [i, place] : llvm::enumerate(places)) {
    int64_t *words = &call.words[place.word];
    call.pointers[i] = words;
    call.packed.push_back(place.info->isScalar ? call.pointers[i]
                                               : &call.pointers[i]);
    if (call.staged && !place.info->isScalar &&
        place.array->device.kind == Device::Kind::CPU)
      call.staged->add(place.info->name, place.array->data,
                       place.array->sizeInBytes(), place.isResult, words);
  }
  return call;
}

Invocation::Invocation() = default;
Invocation::Invocation(Invocation &&) = default;
Invocation &Invocation::operator=(Invocation &&) = default;
Invocation::~Invocation() = default;

llvm::Error Invocation::run(void *stream) {
  if (!staged || staged->empty())
    return launch(stream);
  // A graph would copy from and to memory that is long gone.
  int isCapturing = 0;
  if (bflyCudaIsCapturing(executable->settings().device.ordinal, stream,
                          &isCapturing))
    return makeError(bflyCudaLastError());
  if (isCapturing)
    return makeError(staged->firstName() +
                     " is in the memory of the host, and the stream is "
                     "captured into a graph, which takes arrays of the GPU "
                     "alone");
  if (llvm::Error error = staged->upload(stream))
    return error;
  if (llvm::Error error = launch(stream))
    return error;
  return staged->download(stream);
}

llvm::Error Invocation::launch(void *stream) {
  const CompileSettings &settings = executable->settings();
  const std::string &name = executable->signature().name;
  BflyRuntimeFailure failure;
  if (staged) {
    int ordinal = settings.device.ordinal;
    if (bflyCudaCheckStream(ordinal, stream))
      return makeError(bflyCudaLastError());
    if (bflyCudaCall(executable->jit->entry(), packed.data(), ordinal, stream,
                     &failure) == 0)
      return llvm::Error::success();
  } else if (bflyRuntimeCall(executable->jit->entry(), packed.data(),
                             settings.threads, availableMemory,
                             &failure) == 0) {
    return llvm::Error::success();
  }
  if (failure.message[0])
    return makeError("function '" + name + "' failed on " +
                     settings.device.str() + ": " + failure.message + " (" +
                     executable->signature().str() + ")");
  std::string message = "out of memory: function '" + name +
                        "' needs another " + formatBytes(failure.requested);
  if (failure.available)
    message += ", but there are " + formatBytes(failure.available);
  return makeError(message);
}

llvm::Error Executable::invoke(ArrayRef<const HostArray *> inputs,
                               ArrayRef<const HostArray *> parameters,
                               ArrayRef<HostArray *> results) const {
  auto call = bind(inputs, parameters, results);
  if (!call)
    return call.takeError();
  return call->run();
}
