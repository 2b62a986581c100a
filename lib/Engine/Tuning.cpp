// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The tuning of a function: each of its kernels on its own, with the sizes and
// the arrays that it has in a call, then all with their best plans.

#include "Diagnostics.h"
#include "PlanSearch.h"
#include "bfly-cuda.h"
#include "bfly/Analysis/Sizes.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/Engine/Measure.h"
#include "bfly/IR/Machine.h"
#include "bfly/Schedule/Report.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/IRMapping.h"

#include <random>

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

// Arrays ---------------------------------------------------------------------

/// A caller's array in host memory.
static llvm::Expected<HostArray> toHost(const ArrayView &view) {
  if (view.device.kind == Device::Kind::CPU)
    return HostArray::borrow(view.type, view.shape,
                             static_cast<const void *>(view.data),
                             view.sizeInBytes());
  auto array = HostArray::allocate(view.type, view.shape, availableMemory());
  if (array && (bflyCudaCopy(view.device.ordinal, nullptr, array->mutableData(),
                             view.data, view.sizeInBytes()) ||
                bflyCudaSynchronize(view.device.ordinal, nullptr)))
    return makeError(bflyCudaLastError());
  return array;
}

static llvm::Expected<std::vector<HostArray>>
toHost(ArrayRef<ArrayView> views) {
  std::vector<HostArray> arrays;
  for (const ArrayView &view : views) {
    auto array = toHost(view);
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
  }
  return arrays;
}

/// Small normal numbers, the same ones every time; integers are 0.
static llvm::Expected<HostArray> makeNormal(ElementType type,
                                            ArrayRef<int64_t> shape) {
  auto array = HostArray::zeros(type, shape, availableMemory());
  if (!array || isInteger(type))
    return array;
  // So many of them, a prime, that rows and columns differ.
  constexpr int64_t kCount = 65521;
  std::mt19937_64 generator(0);
  std::normal_distribution<double> normal(0, 0.125);
  std::vector<double> values(kCount);
  for (double &value : values)
    value = normal(generator);
  for (int64_t first = 0; first < array->numScalars(); first += kCount)
    array->writeScalars(first, ArrayRef(values).take_front(std::min(
                                   kCount, array->numScalars() - first)));
  return array;
}

// Kernels --------------------------------------------------------------------

namespace {
/// A kernel in a module of its own, whose function has `operands` as arguments.
struct LoneKernel {
  OwningOpRef<ModuleOp> module;
  KernelOp kernel;
  SmallVector<Value> operands;
};
} // namespace

static constexpr StringLiteral kFunctionName = "tuned_kernel";

static LoneKernel isolate(KernelOp kernel) {
  LoneKernel lone;
  // Constants stay what they are.
  for (Value operand : kernel.getInputs()) {
    Operation *op = operand.getDefiningOp();
    if (!(op && op->hasTrait<OpTrait::ConstantLike>()) &&
        !llvm::is_contained(lone.operands, operand))
      lone.operands.push_back(operand);
  }
  Location loc = kernel.getLoc();
  lone.module = ModuleOp::create(loc);
  // Its target.
  (*lone.module)
      ->setDiscardableAttrs(
          kernel->getParentOfType<ModuleOp>()->getDiscardableAttrDictionary());
  OpBuilder builder(kernel.getContext());
  builder.setInsertionPointToEnd(lone.module->getBody());
  auto function =
      func::FuncOp::create(builder, loc, kFunctionName,
                           builder.getFunctionType(TypeRange(lone.operands),
                                                   kernel.getResultTypes()));
  Block *block = function.addEntryBlock();
  builder.setInsertionPointToEnd(block);
  IRMapping mapping;
  mapping.map(lone.operands, block->getArguments());
  for (Value operand : kernel.getInputs())
    if (!mapping.contains(operand))
      builder.clone(*operand.getDefiningOp(), mapping);
  lone.kernel = cast<KernelOp>(builder.clone(*kernel, mapping));
  func::ReturnOp::create(builder, loc, lone.kernel.getResults());
  return lone;
}

static std::string print(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream os(text);
  module.print(os);
  os << "\n";
  return text;
}

static SmallVector<KernelOp> findKernels(ModuleOp module, StringRef function) {
  SmallVector<KernelOp> kernels;
  module.lookupSymbol<func::FuncOp>(function).walk([&](KernelOp kernel) {
    if (kernel.getPlan() && isOnTensors(kernel))
      kernels.push_back(kernel);
  });
  return kernels;
}

namespace {

class Tuner {
public:
  Tuner(Lowering &lowering, int rounds) : lowering(lowering), rounds(rounds) {}

  llvm::Error run(ArrayRef<ArrayView> inputViews,
                  ArrayRef<ArrayView> parameterViews);

  Tuning tuning;

private:
  llvm::Error prepare(ArrayRef<ArrayView> inputViews,
                      ArrayRef<ArrayView> parameterViews);
  llvm::Expected<std::vector<HostArray>> makeOperands(ArrayRef<Value> operands,
                                                      int64_t &batch);
  llvm::Error tuneKernels(ModuleOp module);
  llvm::Error timeFunction(const std::string &chosenText);

  Lowering &lowering;
  int rounds;
  /// Of the function, whose arrays the kernels' are borrowed from.
  TrialSetup setup;
  SmallVector<int64_t> sizes;
  std::unique_ptr<SizeInference> inference;
  ReportOptions reportOptions;
};

llvm::Error Tuner::prepare(ArrayRef<ArrayView> inputViews,
                           ArrayRef<ArrayView> parameterViews) {
  const Signature &function = lowering.function();
  setup.name = lowering.program().sourceName();
  setup.function = function.name;
  setup.source = lowering.program().options();
  setup.settings = lowering.settings();
  auto inputs = toHost(inputViews);
  if (!inputs)
    return inputs.takeError();
  auto parameters = toHost(parameterViews);
  if (!parameters)
    return parameters.takeError();
  setup.inputs = std::move(*inputs);
  setup.parameters = std::move(*parameters);
  std::vector<SmallVector<int64_t, 4>> shapes[2];
  for (const HostArray &array : setup.inputs)
    shapes[0].emplace_back(array.shape());
  for (const HostArray &array : setup.parameters)
    shapes[1].emplace_back(array.shape());
  auto matched = function.matchShapes(shapes[0], shapes[1]);
  if (!matched)
    return matched.takeError();
  sizes = std::move(*matched);

  const CompileSettings &settings = lowering.settings();
  if (rounds == 0)
    return llvm::Error::success();
  auto ceilings =
      Ceilings::measure(settings.device, settings.threads, /*seconds=*/0.2);
  if (!ceilings)
    return ceilings.takeError();
  reportOptions.ceilings = {ceilings->bytesPerSecond, ceilings->flopsPerSecond,
                            ceilings->matrixFlopsPerSecond};
  return llvm::Error::success();
}

/// What a kernel reads in a call, as far as that is the function's own. `batch`
/// becomes the first dynamic size, if there is one.
llvm::Expected<std::vector<HostArray>>
Tuner::makeOperands(ArrayRef<Value> operands, int64_t &batch) {
  std::vector<HostArray> arrays;
  for (Value operand : operands) {
    auto type = cast<RankedTensorType>(operand.getType());
    SmallVector<int64_t> shape(type.getShape());
    for (auto [dim, size] : llvm::enumerate(shape)) {
      if (!ShapedType::isDynamic(size))
        continue;
      DiagnosticCollector diagnostics(type.getContext());
      FailureOr<AffineExpr> expr = inference->getSize(operand, int64_t(dim));
      if (failed(expr))
        return diagnostics.take("the size of a kernel's operand is unknown");
      auto expression = SizeExpression::create(*expr, sizes.size());
      std::optional<int64_t> value;
      if (expression)
        value = expression->evaluate(sizes);
      if (!value || *value < 0)
        return makeError("the size of a kernel's operand is unknown");
      size = *value;
      batch = batch < 0 ? size : batch;
    }
    std::string name;
    llvm::raw_string_ostream(name) << type.getElementType();
    std::optional<ElementType> element = parseElementType(name);
    if (!element)
      return makeError("a kernel reads a tensor of " + name +
                       ", which no host array has");
    auto argument = dyn_cast<BlockArgument>(operand);
    llvm::Expected<HostArray> array = [&]() -> llvm::Expected<HostArray> {
      if (!argument || !isa<func::FuncOp>(argument.getOwner()->getParentOp()))
        return makeNormal(*element, shape);
      size_t number = argument.getArgNumber();
      const HostArray &given =
          number < setup.inputs.size()
              ? setup.inputs[number]
              : setup.parameters[number - setup.inputs.size()];
      return HostArray::borrow(given.elementType(), given.shape(), given.data(),
                               given.sizeInBytes());
    }();
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
  }
  return arrays;
}

/// Leaves its best plan on every kernel.
llvm::Error Tuner::tuneKernels(ModuleOp module) {
  auto function = module.lookupSymbol<func::FuncOp>(setup.function);
  inference = std::make_unique<SizeInference>(function.getBody().front());
  // By text and sizes: layers are often alike.
  std::vector<std::pair<std::string, ArrayAttr>> known;
  for (KernelOp kernel : findKernels(module, setup.function)) {
    LoneKernel lone = isolate(kernel);
    int64_t batch = -1;
    auto operands = makeOperands(lone.operands, batch);
    if (!operands)
      return operands.takeError();
    std::string key = print(*lone.module);
    for (const HostArray &array : *operands)
      key += array.typeString();
    auto same =
        llvm::find_if(known, [&](auto &entry) { return entry.first == key; });
    if (same != known.end()) {
      kernel.setPlanAttr(same->second);
      ++tuning.kernels[same - known.begin()].alike;
      continue;
    }
    TunedKernel &result = tuning.kernels.emplace_back();
    result.name = kernel.getName();
    result.location = describeSource(kernel.getLoc());
    reportOptions.batch = std::max<int64_t>(batch, 1);
    llvm::json::Object report = getKernelReport(kernel, reportOptions);
    result.bound = report.getString("bound").value_or("").str();
    result.boundSeconds = report.getNumber("seconds").value_or(0);

    TrialSetup alone;
    alone.name = "kernel \"" + result.name + "\"";
    if (!result.location.empty())
      alone.name += " at " + result.location;
    alone.function = kFunctionName;
    alone.source = setup.source;
    alone.settings = setup.settings;
    alone.inputs = std::move(*operands);
    PlanSearch search(lone.kernel, std::move(alone), result);
    if (llvm::Error error = search.run(rounds))
      return error;
    kernel.setPlanAttr(lone.kernel.getPlanAttr());
    known.emplace_back(std::move(key), kernel.getPlanAttr());
  }
  return llvm::Error::success();
}

/// What the best plans are worth together, and whether they compute the same.
llvm::Error Tuner::timeFunction(const std::string &chosenText) {
  auto chosen = Trial::create(setup, chosenText);
  if (!chosen)
    return chosen.takeError();
  auto best = Trial::create(setup, tuning.ir);
  if (!best)
    return best.takeError();
  if (!(*best)->wrong.empty())
    return makeError("function '" + setup.function +
                     "' does not compute with the best plans what it does with "
                     "the chosen ones: " +
                     (*best)->wrong);
  if (llvm::Error error =
          timeTrials({chosen->get(), best->get()}, /*samples=*/21))
    return error;
  tuning.chosen = (*chosen)->timing;
  tuning.best = (*best)->timing;
  return llvm::Error::success();
}

llvm::Error Tuner::run(ArrayRef<ArrayView> inputViews,
                       ArrayRef<ArrayView> parameterViews) {
  const CompileSettings &settings = lowering.settings();
  tuning.function = lowering.function().name;
  tuning.isTimed = rounds > 0;
  auto schedule = lowering.at("schedule");
  if (!schedule)
    return schedule.takeError();
  if (findKernels(*schedule, tuning.function).empty())
    return makeError("function '" + tuning.function +
                     "' has no kernel with a plan, so that there is nothing to "
                     "tune");
  Machine machine = getMachine(schedule->getOperation());
  if (rounds > 0 &&
      machine.isGPU() != (settings.device.kind == Device::Kind::CUDA))
    return makeError("function '" + tuning.function + "' is compiled for \"" +
                     machine.name +
                     "\" and emulated, whose times say nothing: it is tuned on "
                     "a GPU, or checked in 0 rounds");
  if (llvm::Error error = prepare(inputViews, parameterViews))
    return error;
  OwningOpRef<ModuleOp> module(schedule->clone());
  if (llvm::Error error = tuneKernels(*module))
    return error;
  tuning.ir = print(*module);
  bool isBetter = llvm::any_of(
      tuning.kernels, [](const TunedKernel &kernel) { return kernel.best; });
  return isBetter ? timeFunction(print(*schedule)) : llvm::Error::success();
}

} // namespace

llvm::Expected<Tuning> mlir::bfly::tune(Lowering &lowering,
                                        ArrayRef<ArrayView> inputs,
                                        ArrayRef<ArrayView> parameters,
                                        int rounds) {
  auto held = lowering.program().lock();
  Tuner tuner(lowering, rounds);
  if (llvm::Error error = tuner.run(inputs, parameters))
    return std::move(error);
  return std::move(tuner.tuning);
}
