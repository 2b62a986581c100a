// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/Compiler.h"

#include "Diagnostics.h"
#include "ForeignCode.h"
#include "SizeGuard.h"
#include "bfly-runtime.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/Arrays/HostArray.h"
#include "bfly/Pipelines/Pipelines.h"
#include "bfly/Pipelines/TextGuard.h"
#include "bfly/Schedule/Machine.h"
#include "bfly/Schedule/Report.h"
#include "bfly/Target/Launches.h"
#include "bfly/Transforms/Passes.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MLProgram/IR/MLProgram.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/SourceMgr.h"

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

char CompileError::ID = 0;

ArrayRef<StringLiteral> mlir::bfly::getLevels() {
  static constexpr StringLiteral levels[] = {"mixer",  "network", "schedule",
                                             "affine", "gpu",     "nvvm",
                                             "binary", "llvm"};
  return levels;
}

bool mlir::bfly::hasLevel(Device device, StringRef level) {
  return device.kind == Device::Kind::CUDA || !isGPULevel(level);
}

Program::Program(StringRef name, const SourceOptions &options)
    : name(name), sourceOptions(options) {
  DialectRegistry registry;
  registerDialects(registry);
  // One thread a context: contexts are many, and modules small.
  context =
      std::make_unique<MLIRContext>(registry, MLIRContext::Threading::DISABLED);
  context->printOpOnDiagnostic(false);
}

llvm::Expected<std::unique_ptr<Program>>
Program::parseFile(StringRef path, const SourceOptions &options) {
  auto buffer = openRegularFile(path);
  if (!buffer)
    return buffer.takeError();
  // The parser needs a zero byte at the end, which a mapped file may lack.
  return parse(
      llvm::MemoryBuffer::getMemBufferCopy((*buffer)->getBuffer(), path),
      options);
}

llvm::Expected<std::unique_ptr<Program>>
Program::parseText(StringRef text, StringRef name,
                   const SourceOptions &options) {
  if (text.size() > options.maxBytes)
    return makeError(name + ": larger than " + formatBytes(options.maxBytes));
  return parse(llvm::MemoryBuffer::getMemBufferCopy(text, name), options);
}

llvm::Expected<std::unique_ptr<Program>>
Program::parse(std::unique_ptr<llvm::MemoryBuffer> buffer,
               const SourceOptions &options) {
  StringRef text = buffer->getBuffer();
  std::string name = buffer->getBufferIdentifier().str();
  if (text.size() > options.maxBytes)
    return makeError(name + ": larger than " + formatBytes(options.maxBytes));
  if (isBytecode(buffer->getMemBufferRef())) {
    if (!options.allowBytecode)
      return makeError(name + ": this is bytecode, which is not allowed");
  } else if (text.contains('\0')) {
    return makeError(name + ": this is not a text file");
  } else if (std::optional<TextProblem> problem =
                 checkText(text, TextLimits())) {
    return llvm::make_error<CompileError>(
        name + ":" + std::to_string(problem->line) + ":" +
        std::to_string(problem->column) + ": error: " + problem->message);
  }

  std::unique_ptr<Program> program(new Program(name, options));
  DiagnosticCollector diagnostics(program->context.get());
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(buffer), llvm::SMLoc());
  program->module =
      parseSourceFile<ModuleOp>(sources, ParserConfig(program->context.get()));
  if (!program->module)
    return diagnostics.take(name + ": cannot be parsed");
  if (llvm::Error error = program->prepare())
    return std::move(error);
  return program;
}

/// Erases the indexing maps that linalg keeps on its operations so as not to
/// compute them again: text may hold others, which change what they mean.
static LogicalResult forgetIndexingMaps(ModuleOp module) {
  bool isAnew = false;
  module->walk([&](linalg::LinalgOp op) {
    isAnew |= bool(op->removeDiscardableAttr("linalg.memoized_indexing_maps"));
  });
  return isAnew ? verify(module) : success();
}

/// Makes parameters arguments, and lists what there is.
llvm::Error Program::prepare() {
  DiagnosticCollector diagnostics(context.get());
  if (failed(forgetIndexingMaps(*module)))
    return diagnostics.take(name + ": cannot be parsed");
  if (llvm::Error error = checkSizes(*module))
    return error;
  for (auto global : module->getOps<ml_program::GlobalOp>())
    if (isa_and_nonnull<ml_program::ExternAttr>(global.getValueAttr()))
      parameters.push_back(global.getName().str());
  PassManager manager(context.get());
  manager.addPass(createParametersToArgumentsPass());
  if (failed(manager.run(*module)))
    return diagnostics.take(name + ": its parameters cannot be made arguments");
  signatures = getSignatures(*module);
  return llvm::Error::success();
}

llvm::Expected<const Signature *> Program::function(StringRef wanted) const {
  if (signatures.empty()) {
    auto held = lock();
    std::string lowLevel = describeLowLevel(*module);
    return makeError(name + ": there is no public function with a body" +
                     (lowLevel.empty() ? "" : "; " + lowLevel));
  }
  const Signature *found = nullptr;
  if (wanted.empty() && signatures.size() == 1)
    found = &signatures.front();
  for (const Signature &signature : signatures)
    if (signature.name == wanted)
      found = &signature;
  if (!found) {
    std::string names;
    llvm::raw_string_ostream os(names);
    llvm::interleaveComma(signatures, os,
                          [&](const Signature &s) { os << s.name; });
    if (wanted.empty())
      return makeError(name + ": which function? There are " + names);
    return makeError(name + ": there is no public function " + quote(wanted) +
                     " with a body, but " + names);
  }
  if (!found->problem.empty())
    return makeError(name + ": function '" + found->name +
                     "' cannot be run: " + found->problem);
  return found;
}

llvm::Error Program::runPasses(ModuleOp target, StringRef level,
                               const CompileSettings &settings) const {
  CompileOptions options;
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
  bool onGPU = settings.device.kind == Device::Kind::CUDA;
  std::optional<Machine> machine = getMachine(options.target, 1);
  // Who sets another target of the settings knows better.
  if (settings.target.empty() && machine && level == "llvm" &&
      onGPU != (machine->isGPU() && !options.emulate))
    return makeError("a program for target '" + options.target.getValue() +
                     (options.emulate ? "', emulated," : "'") +
                     " does not run on device '" + settings.device.str() + "'");

  DiagnosticCollector diagnostics(context.get());
  PassManager manager(context.get());
  if (failed(buildCompilePipeline(manager, options, onError)))
    return refuse(problem);
  if (failed(manager.run(target)))
    return diagnostics.take(
        (name + ": cannot be lowered to level " + level).str());
  return llvm::Error::success();
}

/// Checks what -bfly-check-bounds cannot prove, or refuses it.
llvm::Error Program::checkBounds(ModuleOp target, bool onGPU) const {
  DiagnosticCollector diagnostics(context.get());
  PassManager manager(context.get());
  CheckBoundsPassOptions options;
  options.onGPU = onGPU;
  manager.addNestedPass<func::FuncOp>(createCheckBoundsPass(options));
  if (failed(manager.run(target)))
    return diagnostics.take(name + ": an access is not within its array");
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

llvm::Expected<OwningOpRef<ModuleOp>>
Program::lower(const Signature &function, StringRef level,
               const CompileSettings &settings) const {
  if (!llvm::is_contained(getLevels(), level))
    return makeError("there is no level " + quote(level) + "; the levels are " +
                     llvm::join(getLevels(), ", "));
  auto held = lock();
  OwningOpRef<ModuleOp> clone(cast<ModuleOp>((*module)->clone()));
  // Only the function and what it calls.
  for (auto other : clone->getOps<func::FuncOp>())
    if (other.getName() != function.name && !other.isExternal())
      other.setPrivate();
  // LLVM's symbols are public whatever they are.
  for (Operation &op : llvm::make_early_inc_range(clone->getOps()))
    if (isa<LLVM::LLVMFuncOp, LLVM::GlobalOp>(op) &&
        SymbolTable::symbolKnownUseEmpty(&op, *clone))
      op.erase();
  {
    DiagnosticCollector diagnostics(context.get());
    PassManager manager(context.get());
    manager.addPass(createSymbolDCEPass());
    manager.addPass(createCheckCallsPass());
    if (failed(manager.run(*clone)))
      return diagnostics.take(name + ": cannot be compiled");
  }
  bool onGPU = settings.device.kind == Device::Kind::CUDA;
  std::string lowLevel = describeLowLevel(*clone);
  if (!sourceOptions.allowForeignCalls) {
    if (llvm::Error error = checkNoForeignCode(*clone)) {
      if (lowLevel.empty())
        return std::move(error);
      return llvm::make_error<CompileError>(toString(std::move(error)) + "; " +
                                            lowLevel);
    }
  } else if (!lowLevel.empty() && !onGPU) {
    return makeError(name + ": " + lowLevel);
  }
  if (!sourceOptions.allowForeignCalls && level != "mixer")
    if (llvm::Error error = checkBounds(*clone, onGPU))
      return std::move(error);
  if (level != "mixer" && level != "network" && level != "schedule") {
    // Tables are made from here on. What is on a GPU is in its memory, which
    // the runtime knows.
    if (llvm::Error error =
            checkMemory(*clone, onGPU ? uint64_t(1) << 40 : availableMemory()))
      return std::move(error);
    protectInputs(*clone, function.name);
  }
  if (level != "mixer")
    if (llvm::Error error = runPasses(*clone, level, settings))
      return std::move(error);
  return clone;
}

llvm::Expected<SizeRules> Program::sizeRules(const Signature &function) const {
  if (function.rules)
    return *function.rules;
  auto held = lock();
  auto lowered = lower(function, "mixer", CompileSettings());
  if (!lowered)
    return lowered.takeError();
  DiagnosticCollector diagnostics(context.get());
  PassManager manager(context.get());
  manager.addPass(createInlinerPass({}, [](OpPassManager &) {}));
  manager.addPass(createSymbolDCEPass());
  manager.addNestedPass<func::FuncOp>(createInferSizesPass());
  if (failed(manager.run(**lowered)))
    return diagnostics.take(name + ": its sizes cannot be inferred");
  std::string missing;
  auto rules = function.readRules(
      (*lowered)->lookupSymbol<func::FuncOp>(function.name), missing);
  if (!rules)
    return makeError(name + ": function '" + function.name + "': " + missing);
  return std::move(*rules);
}

bool Program::usesStack() const {
  return (*module)
      ->walk([](memref::AllocaOp) { return WalkResult::interrupt(); })
      .wasInterrupted();
}

llvm::Expected<std::string> Program::ir(const Signature &function,
                                        StringRef level,
                                        const CompileSettings &settings) const {
  auto held = lock();
  auto lowered = lower(function, level, settings);
  if (!lowered)
    return lowered.takeError();
  std::string text;
  llvm::raw_string_ostream os(text);
  (*lowered)->print(os);
  os << "\n";
  return text;
}

llvm::Expected<llvm::json::Object>
Program::report(const Signature &function, const CompileSettings &settings,
                const ReportSettings &reportSettings) const {
  auto held = lock();
  auto lowered = lower(function, "schedule", settings);
  if (!lowered)
    return lowered.takeError();
  ReportOptions options;
  options.ceilings = {reportSettings.bytesPerSecond,
                      reportSettings.flopsPerSecond,
                      reportSettings.matrixFlopsPerSecond};
  options.threads =
      settings.threads > 0 ? settings.threads : bflyRuntimeMaxThreads();
  options.batch = reportSettings.batch;
  llvm::json::Value value = getReport(lowered->get(), options);
  llvm::json::Object &report = *value.getAsObject();
  report["function"] = function.name;
  report["signature"] = function.str();
  report["device"] = settings.device.str();
  return std::move(report);
}

llvm::Expected<llvm::json::Array>
Program::launches(const Signature &function,
                  const CompileSettings &settings) const {
  if (settings.device.kind == Device::Kind::CPU)
    return llvm::json::Array();
  auto held = lock();
  auto lowered = lower(function, "binary", settings);
  if (!lowered)
    return lowered.takeError();
  return getLaunches(lowered->get());
}
