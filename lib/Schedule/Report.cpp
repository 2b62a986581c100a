// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Reports of kernels and modules as JSON (docs/report.md).

#include "ReportFacts.h"
#include "bfly/Schedule/Plan.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/Support/FormatVariadic.h"

#include <cmath>

using namespace mlir;
using namespace mlir::bfly;
namespace json = llvm::json;

// Values ---------------------------------------------------------------------

/// Whole numbers without a fraction, as far as a double holds them exactly.
static json::Value toJSON(double number) {
  if (std::abs(number) < 9e15 && number == std::floor(number))
    return static_cast<int64_t>(number);
  return number;
}

static std::string toString(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

/// Two fields, "name" and "name_per_batch".
static void setAmount(json::Object &object, StringRef name, Amount amount) {
  object[name] = toJSON(amount.fixed);
  object[(name + "_per_batch").str()] = toJSON(amount.perBatch);
}

static json::Array getTypes(TypeRange types) {
  json::Array result;
  for (Type type : types)
    result.push_back(toString(type));
  return result;
}

static json::Object getNetworkReport(KernelOp kernel, const Network &network) {
  json::Object report{{"kind", network.kind}};
  if (!network.sequence)
    return report;
  RankedTensorType type = network.sequence;
  // Attention's state is wider than what it is made from.
  Type element = type.getElementType();
  if (!network.stages.empty())
    if (auto result = dyn_cast<RankedTensorType>(kernel.getResultTypes()[0]))
      element = result.getElementType();
  report["element"] = toString(element);
  ArrayRef<int64_t> shape = type.getShape();
  if (type.getRank() == 3) {
    report["batch"] =
        type.isDynamicDim(0) ? json::Value(nullptr) : json::Value(shape[0]);
    report["tokens"] = shape[1];
    report["channels"] = shape[2];
  }
  if (network.transforms)
    report["length"] = getTransformLength(kernel);
  if (network.hasMap)
    report["tokens"] = network.transformTokens;
  if (!network.stages.empty()) {
    AttentionStageOp first = network.stages.front();
    report["stages"] = static_cast<int64_t>(network.stages.size());
    report["first_stage"] = static_cast<int64_t>(first.getStage());
    report["heads"] = static_cast<int64_t>(first.getHeads());
    report["scoring"] = stringifyScoring(first.getScoring());
  }
  return report;
}

// The plan and its state -----------------------------------------------------

/// A word's value.
static json::Value toJSON(Attribute value) {
  if (auto number = dyn_cast<IntegerAttr>(value))
    return number.getInt();
  if (auto text = dyn_cast<StringAttr>(value))
    return text.getValue();
  if (auto numbers = dyn_cast<DenseI64ArrayAttr>(value))
    return json::Array(numbers.asArrayRef());
  if (auto group = dyn_cast<GroupAttr>(value))
    return json::Object{{"first", group.getFirst()},
                        {"last", group.getLast()},
                        {"place", stringifyPlace(group.getPlace())}};
  json::Array list;
  for (Attribute element : cast<ArrayAttr>(value))
    list.push_back(toJSON(element));
  return list;
}

/// The words of every part, by the parts' names.
static json::Object getPlanReport(ArrayAttr plan) {
  json::Object report;
  for (Attribute attribute : plan) {
    auto part = cast<PlanPart>(attribute);
    json::Object words;
    for (NamedAttribute word : part.getWords())
      words[word.getName().getValue()] = toJSON(word.getValue());
    report[attribute.getAbstractAttribute().getName().drop_front(
        BflyDialect::getDialectNamespace().size() + 1)] = std::move(words);
  }
  return report;
}

static json::Array getStateReport(KernelOp kernel) {
  json::Array report;
  for (const KernelState &state : getStates(kernel)) {
    json::Object entry{{"bytes", state.bytes}, {"place", state.place}};
    if (state.first >= 0) {
      entry["first"] = state.first;
      entry["last"] = state.last;
    }
    if (state.capacity)
      entry["capacity"] = state.capacity;
    report.push_back(std::move(entry));
  }
  return report;
}

// Kernels --------------------------------------------------------------------

json::Object mlir::bfly::getKernelReport(KernelOp kernel,
                                         const ReportOptions &options) {
  Network network = inspect(kernel);
  KernelCost cost = getKernelCost(kernel);
  json::Object report{{"name", kernel.getName()},
                      {"location", describeSource(kernel.getLoc())}};
  if (auto function = kernel->getParentOfType<FunctionOpInterface>())
    report["function"] = function.getName();
  report["inputs"] = getTypes(kernel.getInputs().getTypes());
  report["results"] = getTypes(kernel.getResultTypes());
  report["network"] = getNetworkReport(kernel, network);

  json::Array ops;
  int64_t length = getTransformLength(kernel);
  for (Operation *op : network.ops) {
    json::Object entry{{"name", op->getName().getStringRef()},
                       {"location", describeSource(op->getLoc())},
                       {"result", toString(op->getResult(0).getType())}};
    setAmount(entry, "flops", getFlops(op, length));
    ops.push_back(std::move(entry));
  }
  report["ops"] = std::move(ops);
  report["rewrites"] = json::Array(getRewrites(kernel, network));
  std::string unfused = getUnfusedReason(kernel, network);
  if (!unfused.empty())
    report["unfused"] = unfused;
  if (StringRef library = getLibrary(kernel); !library.empty())
    report["library"] = library;

  setAmount(report, "bytes", cost.bytes);
  setAmount(report, "flops", cost.flops);
  if (cost.matrixFlops.at(1) > 0)
    setAmount(report, "matrix_flops", cost.matrixFlops);
  double batch = static_cast<double>(options.batch);
  if (cost.bytes.at(batch) > 0)
    report["intensity"] = cost.flops.at(batch) / cost.bytes.at(batch);
  if (ArrayAttr plan = kernel.getPlanAttr()) {
    report["plan"] = getPlanReport(plan);
    report["state"] = getStateReport(kernel);
  }
  if (auto bound = getBound(kernel, cost, network.wide, options)) {
    report["memory_seconds"] = bound->memory;
    report["arithmetic_seconds"] = bound->arithmetic;
    if (bound->matrix > 0)
      report["matrix_seconds"] = bound->matrix;
    report["seconds"] = bound->seconds();
    report["bound"] = bound->name();
  }
  return report;
}

// Modules --------------------------------------------------------------------

/// What runs between kernels: bytes in and out.
static json::Object getOutsideReport(Operation *op) {
  json::Object report{{"name", op->getName().getStringRef()},
                      {"location", describeSource(op->getLoc())}};
  if (auto function = op->getParentOfType<FunctionOpInterface>())
    report["function"] = function.getName();
  Amount bytes;
  auto count = [&](TypeRange types) {
    for (Type type : types)
      if (auto tensor = dyn_cast<RankedTensorType>(type))
        bytes += countBytes(tensor);
  };
  // What a result is written over is not read.
  for (Value operand : op->getOperands())
    if (!operand.getDefiningOp<tensor::EmptyOp>())
      count(operand.getType());
  count(op->getResultTypes());
  setAmount(report, "bytes", bytes);
  if (isa<BflyDialect>(op->getDialect()))
    report["unfused"] = "kernels are not formed yet";
  return report;
}

/// Whether an operation between kernels does anything worth a line.
static bool isWork(Operation *op) {
  if (op->hasTrait<OpTrait::ConstantLike>() ||
      op->hasTrait<OpTrait::IsTerminator>() ||
      isa<KernelOp, tensor::EmptyOp, tensor::DimOp, FunctionOpInterface>(op))
    return false;
  return llvm::any_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>);
}

json::Value mlir::bfly::getReport(ModuleOp module,
                                  const ReportOptions &options) {
  json::Array kernels, outside;
  Amount bytes, flops;
  double seconds = 0;
  int64_t order = 0;
  std::optional<Machine> machine;
  module->walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (auto kernel = dyn_cast<KernelOp>(op)) {
      if (!isOnTensors(kernel))
        return WalkResult::skip();
      KernelCost cost = getKernelCost(kernel);
      bytes += cost.bytes;
      flops += cost.flops;
      if (!machine)
        machine = getPlannedMachine(kernel);
      json::Object report = getKernelReport(kernel, options);
      seconds += report.getNumber("seconds").value_or(0);
      report["order"] = order++;
      kernels.push_back(std::move(report));
      return WalkResult::skip();
    }
    if (isa<FunctionOpInterface, ModuleOp>(op))
      return WalkResult::advance();
    if (isWork(op)) {
      json::Object report = getOutsideReport(op);
      report["order"] = order++;
      outside.push_back(std::move(report));
    }
    return WalkResult::skip();
  });

  json::Object total;
  setAmount(total, "bytes", bytes);
  setAmount(total, "flops", flops);
  total["kernels"] = static_cast<int64_t>(kernels.size());
  json::Object report{{"batch", options.batch},
                      {"kernels", std::move(kernels)},
                      {"outside", std::move(outside)}};
  if (machine) {
    report["machine"] =
        json::Object{{"name", machine->name},   {"threads", machine->threads},
                     {"lanes", machine->lanes}, {"l1", machine->l1},
                     {"l2", machine->l2},       {"l3", machine->l3}};
    if (machine->isGPU())
      report["machine"] =
          json::Object{{"name", machine->name},
                       {"multiprocessors", machine->multiprocessors},
                       {"shared", machine->sharedBytes},
                       {"l2", machine->l2}};
    MachineCeilings ceilings = getCeilings(machine, options);
    bool measured = options.ceilings.bytesPerSecond > 0 &&
                    options.ceilings.flopsPerSecond > 0;
    report["ceilings"] =
        json::Object{{"bytes_per_second", ceilings.bytesPerSecond},
                     {"flops_per_second", ceilings.flopsPerSecond},
                     {"source", measured ? "measured" : "nominal"}};
    if (ceilings.matrixFlopsPerSecond > 0)
      (*report.getObject("ceilings"))["matrix_flops_per_second"] =
          ceilings.matrixFlopsPerSecond;
    total["seconds"] = seconds;
  }
  report["total"] = std::move(total);
  return report;
}
