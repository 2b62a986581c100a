// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// MLIR's own ExecutionEngine would do, but for that it lets compiled code find
// every symbol of the process.

#include "Jit.h"

#include "ForeignCode.h"
#include "bfly-cuda.h"
#include "bfly/Arrays/FileIO.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/CompileUtils.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/RTDyldObjectLinkingLayer.h"
#include "llvm/ExecutionEngine/Orc/SelfExecutorProcessControl.h"
#include "llvm/ExecutionEngine/SectionMemoryManager.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

#include <map>

using namespace mlir;
using namespace mlir::bfly;

/// The symbols that are called from here: the function, and what is run before
/// the first and after the last call of it.
static constexpr StringLiteral kEntry("bfly_entry");
static constexpr StringLiteral kLoad("bfly_load");
static constexpr StringLiteral kUnload("bfly_unload");

/// How code for the processor at hand is made.
static llvm::Expected<llvm::orc::JITTargetMachineBuilder> hostBuilder() {
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
  return builder;
}

std::string mlir::bfly::describeHost() {
  static const std::string host = [] {
    auto builder = hostBuilder();
    if (!builder) {
      llvm::consumeError(builder.takeError());
      return std::string();
    }
    return builder->getTargetTriple().str() + " " + builder->getCPU() + " " +
           builder->getFeatures().getString();
  }();
  return host;
}

/// Nothing of a module is seen from outside, and no name of its own is taken
/// for one of a library.
static void hideSymbols(llvm::Module &module) {
  for (llvm::GlobalValue &value : module.global_values()) {
    if (value.isDeclaration() || value.getName().starts_with("llvm."))
      continue;
    if (auto *object = dyn_cast<llvm::GlobalObject>(&value))
      object->setComdat(nullptr);
    value.setVisibility(llvm::GlobalValue::DefaultVisibility);
    value.setLinkage(llvm::GlobalValue::InternalLinkage);
    value.setName("bfly." + value.getName());
  }
}

/// Adds the function that loads each argument and calls `callee`.
static void addEntry(llvm::Function &callee) {
  llvm::LLVMContext &context = callee.getContext();
  auto *pointer = llvm::PointerType::getUnqual(context);
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context), pointer,
                                       /*isVarArg=*/false);
  auto *entry = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage,
                                       kEntry, callee.getParent());
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "", entry));
  SmallVector<llvm::Value *> arguments;
  for (llvm::Argument &argument : callee.args()) {
    llvm::Value *place = builder.CreateConstGEP1_64(pointer, entry->getArg(0),
                                                    argument.getArgNo());
    arguments.push_back(builder.CreateLoad(argument.getType(),
                                           builder.CreateLoad(pointer, place)));
  }
  builder.CreateCall(&callee, arguments);
  builder.CreateRetVoid();
}

/// Adds a function that calls those of LLVM's list of what runs when a program
/// is loaded or gone, and takes the list away: whoever links an object sees its
/// symbols alone.
static void addHook(llvm::Module &module, StringRef list, StringRef name,
                    llvm::iterator_range<llvm::orc::CtorDtorIterator> entries) {
  llvm::LLVMContext &context = module.getContext();
  auto *type = llvm::FunctionType::get(llvm::Type::getVoidTy(context),
                                       /*isVarArg=*/false);
  auto *hook = llvm::Function::Create(type, llvm::GlobalValue::ExternalLinkage,
                                      name, module);
  std::multimap<unsigned, llvm::Function *> functions;
  for (auto entry : entries)
    functions.emplace(entry.Priority, entry.Func);
  llvm::IRBuilder<> builder(llvm::BasicBlock::Create(context, "", hook));
  for (auto [priority, function] : functions)
    builder.CreateCall(function);
  builder.CreateRetVoid();
  if (llvm::GlobalVariable *global = module.getGlobalVariable(list))
    global->eraseFromParent();
}

llvm::Expected<Jit::Object> Jit::compile(ModuleOp lowered, StringRef function,
                                         bool allowForeignCalls,
                                         bool freezesLoads) {
  auto builder = hostBuilder();
  if (!builder)
    return builder.takeError();
  auto machine = builder->createTargetMachine();
  if (!machine)
    return machine.takeError();
  llvm::LLVMContext context;
  auto module = translateModuleToLLVMIR(lowered, context);
  if (!module)
    return makeError("function '" + function +
                     "' cannot be translated to LLVM's IR");
  module->setDataLayout((*machine)->createDataLayout());
  module->setTargetTriple((*machine)->getTargetTriple());
  if (!allowForeignCalls) {
    if (llvm::Error error = checkTranslated(*module))
      return std::move(error);
    if (freezesLoads)
      freezeLoads(*module);
  }
  llvm::Function *callee =
      module->getFunction(("_mlir_ciface_" + function).str());
  if (!callee)
    return makeError("function '" + function + "' has no entry point");
  hideSymbols(*module);
  addEntry(*callee);
  addHook(*module, "llvm.global_ctors", kLoad,
          llvm::orc::getConstructors(*module));
  addHook(*module, "llvm.global_dtors", kUnload,
          llvm::orc::getDestructors(*module));
  auto optimize = makeOptimizingTransformer(/*optLevel=*/3, /*sizeLevel=*/0,
                                            machine->get());
  if (llvm::Error error = optimize(module.get()))
    return std::move(error);
  return llvm::orc::SimpleCompiler(**machine)(*module);
}

namespace {

/// Memory for code whose frames nobody is told of: nothing is thrown through
/// it, and an unwinder of the process that searches them after they are gone,
/// for NumPy's sake for example, would end it.
class CodeMemory : public llvm::SectionMemoryManager {
public:
  void registerEHFrames(uint8_t *, uint64_t, size_t) override {}
  void deregisterEHFrames() override {}
};

} // namespace

Jit::Jit() = default;

Jit::~Jit() {
  if (unload)
    unload();
  if (session)
    llvm::consumeError(session->endSession());
}

llvm::Expected<std::unique_ptr<Jit>>
Jit::load(Object object, bool allowForeignCalls, Device device) {
  using namespace llvm::orc;
  auto process = SelfExecutorProcessControl::Create();
  if (!process)
    return process.takeError();
  // What a lookup does not say itself. Outlives the session.
  std::string details;
  std::unique_ptr<Jit> jit(new Jit());
  jit->session = std::make_unique<ExecutionSession>(std::move(*process));
  ExecutionSession &session = *jit->session;
  session.setErrorReporter(
      [&](llvm::Error error) { details += ": " + toString(std::move(error)); });
  jit->linker = std::make_unique<RTDyldObjectLinkingLayer>(
      session, [](const llvm::MemoryBuffer &) {
        return std::make_unique<CodeMemory>();
      });
  // No symbol of the process but the runtime's.
  JITDylib &library = session.createBareJITDylib("bfly");
  SymbolMap symbols;
  for (const auto &entry : runtimeSymbols())
    symbols[session.intern(entry.getKey())] = {
        ExecutorAddr::fromPtr(entry.getValue()),
        llvm::JITSymbolFlags::Exported};
  if (llvm::Error error = library.define(absoluteSymbols(std::move(symbols))))
    return std::move(error);
  if (allowForeignCalls) {
    auto others = DynamicLibrarySearchGenerator::GetForCurrentProcess(
        /*GlobalPrefix=*/'\0');
    if (!others)
      return others.takeError();
    library.addGenerator(std::move(*others));
  }
  if (llvm::Error error = jit->linker->add(library, std::move(object)))
    return std::move(error);
  // Looked up before anything runs: what is missing is an error here.
  auto find = [&](StringRef name) -> llvm::Expected<ExecutorAddr> {
    auto symbol = session.lookup({&library}, name);
    if (!symbol)
      return makeError(toString(symbol.takeError()) + details);
    return symbol->getAddress();
  };
  auto entry = find(kEntry);
  if (!entry)
    return entry.takeError();
  auto load = find(kLoad);
  if (!load)
    return load.takeError();
  auto unload = find(kUnload);
  if (!unload)
    return unload.takeError();
  jit->unload = unload->toPtr<void (*)()>();
  auto *run = load->toPtr<void (*)()>();
  if (device.kind == Device::Kind::CPU)
    run();
  else if (bflyCudaLoadModules(device.ordinal, run))
    return makeError(bflyCudaLastError());
  jit->function = entry->toPtr<Entry>();
  // `details` ends here.
  session.setErrorReporter(
      [](llvm::Error error) { llvm::consumeError(std::move(error)); });
  return jit;
}
