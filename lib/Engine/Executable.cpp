// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/Executable.h"

#include "Diagnostics.h"
#include "ForeignCode.h"
#include "bfly-runtime.h"
#include "bfly/Engine/FileIO.h"
#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

/// A target machine for the processor at hand.
static llvm::Expected<std::unique_ptr<llvm::TargetMachine>> hostMachine() {
  static const bool initialized = [] {
    llvm::InitializeNativeTarget();
    llvm::InitializeNativeTargetAsmPrinter();
    return true;
  }();
  (void)initialized;
  auto builder = llvm::orc::JITTargetMachineBuilder::detectHost();
  if (!builder)
    return builder.takeError();
  builder->setCodeGenOptLevel(llvm::CodeGenOptLevel::Aggressive);
  // A multiplication and an addition may round once instead of twice.
  builder->getOptions().AllowFPOpFusion = llvm::FPOpFusion::Fast;
  return builder->createTargetMachine();
}

llvm::Expected<std::unique_ptr<Executable>>
Executable::create(const Program &program, const Signature &function,
                   const CompileSettings &settings) {
  auto held = program.lock();
  auto lowered = program.lower(function, "llvm", settings);
  if (!lowered)
    return lowered.takeError();
  if (llvm::Error error =
          checkLowered(lowered->get(), program.options().allowForeignCalls))
    return std::move(error);

  auto machine = hostMachine();
  if (!machine)
    return machine.takeError();
  auto optimize = makeOptimizingTransformer(/*optLevel=*/3, /*sizeLevel=*/0,
                                            machine->get());
  ExecutionEngineOptions options;
  options.transformer = optimize;
  options.jitCodeGenOptLevel = llvm::CodeGenOptLevel::Aggressive;
  options.enableGDBNotificationListener = false;
  options.enablePerfNotificationListener = false;
  DiagnosticCollector diagnostics(lowered->get()->getContext());
  auto engine =
      ExecutionEngine::create(lowered->get(), options, std::move(*machine));
  if (!engine) {
    llvm::consumeError(engine.takeError());
    return diagnostics.take((program.sourceName() + ": function '" +
                             function.name + "' cannot be compiled")
                                .str());
  }
  (*engine)->registerSymbols([](llvm::orc::MangleAndInterner mangle) {
    llvm::orc::SymbolMap symbols;
    for (const auto &entry : runtimeSymbols())
      symbols[mangle(entry.getKey())] = {
          llvm::orc::ExecutorAddr::fromPtr(entry.getValue()),
          llvm::JITSymbolFlags::Exported};
    return symbols;
  });
  auto entry = (*engine)->lookupPacked("_mlir_ciface_" + function.name);
  if (!entry)
    return entry.takeError();
  (*engine)->initialize();

  std::unique_ptr<Executable> executable(new Executable());
  executable->interface = function;
  executable->compileSettings = settings;
  executable->engine = std::move(*engine);
  executable->entry = *entry;
  return executable;
}

Executable::~Executable() = default;

llvm::Expected<std::vector<SmallVector<int64_t, 4>>>
Executable::resultShapes(ArrayRef<SmallVector<int64_t, 4>> inputShapes) const {
  // Parameters are as they should be here; `bind` checks them.
  Signature inputsOnly = interface;
  inputsOnly.parameters.clear();
  auto batch = inputsOnly.matchShapes(inputShapes, {});
  if (!batch)
    return batch.takeError();
  std::vector<SmallVector<int64_t, 4>> shapes;
  for (size_t i = 0; i < interface.results.size(); ++i)
    shapes.push_back(interface.resultShape(i, *batch));
  return shapes;
}

static std::vector<SmallVector<int64_t, 4>>
shapesOf(ArrayRef<const HostArray *> arrays) {
  std::vector<SmallVector<int64_t, 4>> shapes;
  for (const HostArray *array : arrays)
    shapes.emplace_back(array->shape().begin(), array->shape().end());
  return shapes;
}

llvm::Expected<std::vector<HostArray>>
Executable::allocateResults(ArrayRef<const HostArray *> inputs) const {
  auto shapes = resultShapes(shapesOf(inputs));
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

/// Whether two arrays share a byte.
static bool overlap(const HostArray &a, const HostArray &b) {
  if (a.numElements() == 0 || b.numElements() == 0)
    return false;
  auto *beginA = static_cast<const char *>(a.data());
  auto *beginB = static_cast<const char *>(b.data());
  return std::less<>()(beginA, beginB + b.sizeInBytes()) &&
         std::less<>()(beginB, beginA + a.sizeInBytes());
}

llvm::Expected<Invocation>
Executable::bind(ArrayRef<const HostArray *> inputs,
                 ArrayRef<const HostArray *> parameters,
                 ArrayRef<HostArray *> results) const {
  // Types before shapes: messages about shapes name the type too.
  for (auto [infos, arrays] :
       {std::pair(ArrayRef(interface.inputs), inputs),
        std::pair(ArrayRef(interface.parameters), parameters)})
    for (auto [info, array] : llvm::zip(infos, arrays))
      if (array->elementType() != info.type)
        return makeError(info.name + " has type " + array->typeString() +
                         ", but function '" + interface.name + "' takes " +
                         info.typeString());
  auto batch = interface.matchShapes(shapesOf(inputs), shapesOf(parameters));
  if (!batch)
    return batch.takeError();
  if (results.size() != interface.results.size())
    return makeError("function '" + interface.name + "' has " +
                     Twine(interface.results.size()) + " results, but " +
                     Twine(results.size()) + " arrays were given for them");

  Invocation call;
  call.executable = this;
  // Positions first: the words move while they grow.
  std::vector<std::pair<size_t, bool>> places;
  auto add = [&](const ValueInfo &info, const HostArray &array) -> llvm::Error {
    if (llvm::Error error = array.checkBooleans())
      return error;
    places.push_back({call.words.size(), info.isScalar});
    if (info.isScalar) {
      call.words.push_back(0);
      std::memcpy(&call.words.back(), array.data(), array.sizeInBytes());
      return llvm::Error::success();
    }
    auto address = reinterpret_cast<intptr_t>(array.data());
    llvm::append_values(call.words, address, address, 0);
    llvm::append_range(call.words, array.shape());
    int64_t stride = 1;
    size_t strides = call.words.size();
    for (int64_t size : llvm::reverse(array.shape())) {
      call.words.push_back(stride);
      stride *= std::max<int64_t>(size, 1);
    }
    std::reverse(call.words.begin() + strides, call.words.end());
    return llvm::Error::success();
  };
  auto addAll = [&](ArrayRef<ValueInfo> infos, auto arrays) -> llvm::Error {
    for (auto [info, array] : llvm::zip_equal(infos, arrays))
      if (llvm::Error error = add(info, *array))
        return error;
    return llvm::Error::success();
  };
  if (llvm::Error error = addAll(interface.inputs, inputs))
    return std::move(error);
  if (llvm::Error error = addAll(interface.parameters, parameters))
    return std::move(error);

  for (size_t i = 0; i < results.size(); ++i) {
    const ValueInfo &info = interface.results[i];
    HostArray &result = *results[i];
    if (result.elementType() != info.type ||
        result.shape() != ArrayRef<int64_t>(interface.resultShape(i, *batch)))
      return makeError("the array for " + info.name + " has type " +
                       result.typeString() + ", but the result has " +
                       formatType(info.type, interface.resultShape(i, *batch)));
    if (!result.isWritable())
      return makeError("the array for " + info.name + " is read-only");
    auto clashes = [&](const HostArray *other) {
      return other != &result && overlap(*other, result);
    };
    if (llvm::any_of(inputs, clashes) || llvm::any_of(parameters, clashes) ||
        llvm::any_of(results.take_front(i), clashes) ||
        llvm::is_contained(results.take_front(i), &result))
      return makeError("the array for " + info.name +
                       " overlaps another array of the call");
  }
  if (llvm::Error error = addAll(interface.results, results))
    return std::move(error);

  call.pointers.resize(places.size());
  for (auto [i, place] : llvm::enumerate(places)) {
    call.pointers[i] = &call.words[place.first];
    call.packed.push_back(place.second ? call.pointers[i] : &call.pointers[i]);
  }
  return call;
}

llvm::Error Invocation::run() {
  BflyRuntimeFailure failure;
  if (bflyRuntimeCall(executable->entry, packed.data(),
                      executable->settings().threads, availableMemory,
                      &failure) == 0)
    return llvm::Error::success();
  std::string message = "out of memory: function '" +
                        executable->signature().name + "' needs another " +
                        formatBytes(failure.requested);
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
