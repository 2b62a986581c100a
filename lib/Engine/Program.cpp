// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/Program.h"

#include "Diagnostics.h"
#include "ForeignCode.h"
#include "SizeGuard.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/Pipelines/Pipelines.h"
#include "bfly/Pipelines/TextGuard.h"
#include "bfly/Transforms/Passes.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
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

/// Puts the backward function in the place of what the module shows.
llvm::Error Program::differentiate() {
  const Derivative &derivative = *sourceOptions.derivative;
  std::vector<std::string> names;
  for (auto function : module->getOps<func::FuncOp>())
    if (function.isPublic() && !function.isExternal())
      names.push_back(function.getName().str());
  std::string wanted = derivative.function;
  if (wanted.empty() && names.size() == 1)
    wanted = names.front();
  if (wanted.empty() || !llvm::is_contained(names, wanted))
    return makeError(name + ": " +
                     (names.empty() ? "there is no public function with a body"
                      : wanted.empty()
                          ? "which function? There are "
                          : "there is no public function " + quote(wanted) +
                                " with a body, but ") +
                     llvm::join(names, ", "));

  DiagnosticCollector diagnostics(context.get());
  DifferentiatePassOptions options;
  options.function = wanted;
  SmallVector<StringRef> of;
  StringRef(derivative.of).split(of, ',', -1, /*KeepEmpty=*/false);
  for (StringRef value : of)
    options.of.push_back(value.trim().str());
  PassManager manager(context.get());
  // Calls have no rule; their bodies have.
  manager.addPass(createInlinerPass({}, [](OpPassManager &) {}));
  manager.addPass(createDifferentiatePass(options));
  if (failed(manager.run(*module)))
    return diagnostics.take(name + ": its derivative cannot be made");
  for (auto function : module->getOps<func::FuncOp>())
    if (function.getName() != wanted + "_backward" && !function.isExternal())
      function.setPrivate();
  return llvm::Error::success();
}

/// Makes parameters arguments, and lists what there is.
llvm::Error Program::prepare() {
  DiagnosticCollector diagnostics(context.get());
  if (failed(forgetIndexingMaps(*module)))
    return diagnostics.take(name + ": cannot be parsed");
  if (llvm::Error error = checkSizes(*module))
    return error;
  if (sourceOptions.derivative)
    if (llvm::Error error = differentiate())
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

bool Program::usesStack() const {
  return (*module)
      ->walk([](memref::AllocaOp) { return WalkResult::interrupt(); })
      .wasInterrupted();
}
