// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/Lowering.h"

#include "Diagnostics.h"
#include "ForeignCode.h"
#include "SizeGuard.h"
#include "bfly-runtime.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/Arrays/HostArray.h"
#include "bfly/IR/Machine.h"
#include "bfly/Pipelines/Pipelines.h"
#include "bfly/Schedule/Report.h"
#include "bfly/Target/Launches.h"
#include "bfly/Transforms/Passes.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

ArrayRef<StringLiteral> mlir::bfly::getLevels() {
  static constexpr StringLiteral levels[] = {"mixer",  "network", "schedule",
                                             "affine", "gpu",     "nvvm",
                                             "binary", "llvm"};
  return levels;
}

bool mlir::bfly::hasLevel(Device device, StringRef level) {
  return device.kind == Device::Kind::CUDA || !isGPULevel(level);
}

Lowering::Lowering(const Program &program, const Signature &function,
                   CompileSettings settings)
    : source(program), signature(function),
      compileSettings(std::move(settings)) {}

/// The source with this function, and what it calls, alone.
llvm::Expected<OwningOpRef<ModuleOp>> Lowering::makeMixer() const {
  MLIRContext *context = source.context.get();
  OwningOpRef<ModuleOp> clone(cast<ModuleOp>((*source.module)->clone()));
  for (auto other : clone->getOps<func::FuncOp>())
    if (other.getName() != signature.name && !other.isExternal())
      other.setPrivate();
  // LLVM's symbols are public whatever they are.
  for (Operation &op : llvm::make_early_inc_range(clone->getOps()))
    if (isa<LLVM::LLVMFuncOp, LLVM::GlobalOp>(op) &&
        SymbolTable::symbolKnownUseEmpty(&op, *clone))
      op.erase();
  DiagnosticCollector diagnostics(context);
  PassManager manager(context);
  manager.addPass(createSymbolDCEPass());
  manager.addPass(createCheckCallsPass());
  if (failed(manager.run(*clone)))
    return diagnostics.take(
        (source.sourceName() + ": cannot be compiled").str());
  if (llvm::Error error = checkNames(*clone))
    return std::move(error);
  std::string lowLevel = describeLowLevel(*clone);
  if (!source.options().allowForeignCalls) {
    if (llvm::Error error = checkNoForeignCode(*clone)) {
      if (lowLevel.empty())
        return std::move(error);
      return llvm::make_error<CompileError>(toString(std::move(error)) + "; " +
                                            lowLevel);
    }
  } else if (!lowLevel.empty() && !onGPU()) {
    return makeError(source.sourceName() + ": " + lowLevel);
  }
  return clone;
}

/// Checks what -bfly-check-bounds cannot prove, or refuses it.
llvm::Error Lowering::checkBounds(ModuleOp module) const {
  if (source.options().allowForeignCalls)
    return llvm::Error::success();
  DiagnosticCollector diagnostics(module.getContext());
  PassManager manager(module.getContext());
  CheckBoundsPassOptions options;
  options.onGPU = onGPU();
  manager.addNestedPass<func::FuncOp>(createCheckBoundsPass(options));
  if (failed(manager.run(module)))
    return diagnostics.take(
        (source.sourceName() + ": an access is not within its array").str());
  return llvm::Error::success();
}

/// Bufferization may not compute in place what the caller owns: inputs are
/// often read-only memory.
static void protectInputs(ModuleOp module, StringRef name) {
  auto function = module.lookupSymbol<func::FuncOp>(name);
  for (unsigned i = 0; i < function.getNumArguments(); ++i)
    if (isa<TensorType>(function.getArgumentTypes()[i]))
      function.setArgAttr(
          i, bufferization::BufferizationDialect::kWritableAttrName,
          BoolAttr::get(module.getContext(), false));
}

/// The settings as options of the pipeline, and its levels.
llvm::Error Lowering::readOptions(StringRef level, CompileOptions &options,
                                  SmallVectorImpl<StringRef> &path) const {
  const CompileSettings &settings = compileSettings;
  options.threads =
      settings.threads > 0 ? settings.threads : bflyRuntimeMaxThreads();
  options.target =
      settings.target.empty() ? settings.device.target() : settings.target;
  auto refuse = [&](const Twine &why) {
    return makeError("compile options " + quote(settings.pipelineOptions) +
                     ": " + why);
  };
  std::string problem;
  auto onError = [&](const Twine &message) {
    problem = message.str();
    return failure();
  };
  if (failed(options.read(settings.pipelineOptions, onError)))
    return refuse(problem);
  // The caller says the level, which an option is not to change unnoticed.
  if (options.to.getNumOccurrences() && options.to != "llvm")
    return refuse("to can only be llvm, which is what runs, got " +
                  quote(options.to) +
                  "; IR of a level is asked for by the level's name");
  options.to = level.str();
  std::optional<Machine> machine = getMachine(options.target);
  // Who sets another target of the settings knows better.
  if (settings.target.empty() && machine && level == "llvm") {
    auto refuseDevice = [&](const Twine &why) {
      return makeError("a program for target '" + options.target.getValue() +
                       (options.emulate ? "', emulated," : "'") +
                       " does not run on device '" + settings.device.str() +
                       "'" + why);
    };
    if (onGPU() != (machine->isGPU() && !options.emulate))
      return refuseDevice("");
    std::string why = settings.device.explainRefusal(*machine);
    if (!why.empty())
      return refuseDevice(": " + why);
  }
  if (failed(getCompileLevels(options, path, onError)))
    return refuse(problem);
  return llvm::Error::success();
}

llvm::Expected<ModuleOp> Lowering::at(StringRef level) {
  ArrayRef<StringLiteral> levels = getLevels();
  if (!llvm::is_contained(levels, level))
    return makeError("there is no level " + quote(level) + "; the levels are " +
                     llvm::join(levels, ", "));
  auto held = source.lock();
  if (auto known = modules.find(level); known != modules.end())
    return known->second.get();
  if (!modules.contains("mixer")) {
    auto made = makeMixer();
    if (!made)
      return made.takeError();
    modules["mixer"] = std::move(*made);
  }
  ModuleOp mixer = modules["mixer"].get();
  if (level == "mixer")
    return mixer;

  CompileOptions options;
  SmallVector<StringRef> path;
  if (llvm::Error error = readOptions(level, options, path))
    return std::move(error);
  // From the last level of the path that is there.
  StringRef from = "mixer";
  ArrayRef<StringRef> rest = path;
  for (auto [index, passed] : llvm::enumerate(path))
    if (modules.contains(passed)) {
      from = passed;
      rest = ArrayRef(path).drop_front(index + 1);
    }
  OwningOpRef<ModuleOp> module(modules[from]->clone());
  if (from == "mixer")
    if (llvm::Error error = checkBounds(*module))
      return std::move(error);
  // Tables are made from affine on. What is on a GPU is in its memory, which
  // the runtime knows.
  if (llvm::is_contained(rest, "affine"))
    if (llvm::Error error =
            checkMemory(mixer, onGPU() ? uint64_t(1) << 40 : availableMemory()))
      return std::move(error);
  DiagnosticCollector diagnostics(module->getContext());
  for (StringRef next : rest) {
    if (next == "affine")
      protectInputs(*module, signature.name);
    PassManager manager(module->getContext());
    buildCompileLevel(manager, options, next);
    if (failed(manager.run(*module)))
      return diagnostics.take(
          (source.sourceName() + ": cannot be lowered to level " + level)
              .str());
    if (next != level && (next == "schedule" || next == "binary"))
      modules[next] = module->clone();
  }
  return (modules[level] = std::move(module)).get();
}

void Lowering::forgetCode() {
  auto held = source.lock();
  for (StringRef level : getLevels())
    if (level != "mixer" && level != "network" && level != "schedule")
      modules.erase(level);
}

llvm::Expected<std::string> Lowering::ir(StringRef level) {
  auto held = source.lock();
  auto lowered = at(level);
  if (!lowered)
    return lowered.takeError();
  std::string text;
  llvm::raw_string_ostream os(text);
  lowered->print(os);
  os << "\n";
  return text;
}

llvm::Expected<llvm::json::Object>
Lowering::report(const ReportSettings &reportSettings) {
  auto held = source.lock();
  auto lowered = at("schedule");
  if (!lowered)
    return lowered.takeError();
  ReportOptions options;
  options.ceilings = {reportSettings.bytesPerSecond,
                      reportSettings.flopsPerSecond,
                      reportSettings.matrixFlopsPerSecond};
  options.batch = reportSettings.batch;
  llvm::json::Value value = getReport(*lowered, options);
  llvm::json::Object &report = *value.getAsObject();
  report["function"] = signature.name;
  report["signature"] = signature.str();
  report["device"] = compileSettings.device.str();
  std::string portable =
      compileSettings.device.explainTarget(getMachine(lowered->getOperation()));
  if (!portable.empty())
    report["portable"] = portable;
  return std::move(report);
}

llvm::Expected<llvm::json::Array> Lowering::launches() {
  if (!onGPU() || !compileSettings.target.empty())
    return llvm::json::Array();
  auto held = source.lock();
  auto lowered = at("binary");
  if (!lowered)
    return lowered.takeError();
  return getLaunches(*lowered);
}

llvm::Expected<SizeRules> Lowering::sizeRules() {
  if (signature.rules)
    return *signature.rules;
  auto held = source.lock();
  auto lowered = at("mixer");
  if (!lowered)
    return lowered.takeError();
  OwningOpRef<ModuleOp> module(lowered->clone());
  DiagnosticCollector diagnostics(module->getContext());
  PassManager manager(module->getContext());
  manager.addPass(createInlinerPass({}, [](OpPassManager &) {}));
  manager.addPass(createSymbolDCEPass());
  manager.addNestedPass<func::FuncOp>(createInferSizesPass());
  if (failed(manager.run(*module)))
    return diagnostics.take(
        (source.sourceName() + ": its sizes cannot be inferred").str());
  std::string missing;
  auto rules = signature.readRules(
      module->lookupSymbol<func::FuncOp>(signature.name), missing);
  if (!rules)
    return makeError(source.sourceName() + ": function '" + signature.name +
                     "': " + missing);
  return std::move(*rules);
}
