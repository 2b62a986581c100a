// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// MLIR's own ExecutionEngine would do, but for that it lets compiled code find
// every symbol of the process.

#include "Jit.h"

#include "ForeignCode.h"
#include "bfly/Arrays/FileIO.h"
#include "mlir/ExecutionEngine/OptUtils.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/CompileUtils.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/ExecutionEngine/Orc/RTDyldObjectLinkingLayer.h"
#include "llvm/ExecutionEngine/SectionMemoryManager.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Target/TargetMachine.h"

using namespace mlir;
using namespace mlir::bfly;

/// The symbol of the function that is called from here.
static constexpr StringLiteral kEntry("bfly_entry");

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

/// No symbol of the process but the runtime's.
static llvm::Expected<std::unique_ptr<llvm::orc::LLJIT>>
makeLinker(llvm::TargetMachine &machine, bool allowForeignCalls) {
  using namespace llvm::orc;
  auto jit = LLJITBuilder()
                 .setDataLayout(machine.createDataLayout())
                 .setJITTargetMachineBuilder(
                     JITTargetMachineBuilder(machine.getTargetTriple()))
                 .setCompileFunctionCreator(
                     [&](JITTargetMachineBuilder)
                         -> llvm::Expected<
                             std::unique_ptr<IRCompileLayer::IRCompiler>> {
                       return std::make_unique<SimpleCompiler>(machine);
                     })
                 .setObjectLinkingLayerCreator([](ExecutionSession &session) {
                   return std::make_unique<RTDyldObjectLinkingLayer>(
                       session, [](const llvm::MemoryBuffer &) {
                         return std::make_unique<CodeMemory>();
                       });
                 })
                 // What would be the whole process is empty.
                 .setProcessSymbolsJITDylibSetup(
                     [](LLJIT &jit) -> llvm::Expected<JITDylibSP> {
                       return &jit.getExecutionSession().createBareJITDylib(
                           "<Process Symbols>");
                     })
                 .create();
  if (!jit)
    return jit.takeError();
  JITDylib &library = (*jit)->getMainJITDylib();
  MangleAndInterner mangle((*jit)->getExecutionSession(),
                           (*jit)->getDataLayout());
  SymbolMap symbols;
  for (const auto &entry : runtimeSymbols())
    symbols[mangle(entry.getKey())] = {ExecutorAddr::fromPtr(entry.getValue()),
                                       llvm::JITSymbolFlags::Exported};
  if (llvm::Error error = library.define(absoluteSymbols(std::move(symbols))))
    return std::move(error);
  if (allowForeignCalls) {
    auto process = DynamicLibrarySearchGenerator::GetForCurrentProcess(
        (*jit)->getDataLayout().getGlobalPrefix());
    if (!process)
      return process.takeError();
    library.addGenerator(std::move(*process));
  }
  return jit;
}

Jit::Jit() = default;

Jit::~Jit() {
  if (jit)
    llvm::consumeError(jit->deinitialize(jit->getMainJITDylib()));
}

llvm::Expected<std::unique_ptr<Jit>> Jit::create(ModuleOp lowered,
                                                 StringRef function,
                                                 bool allowForeignCalls,
                                                 bool freezesLoads) {
  auto machine = hostMachine();
  if (!machine)
    return machine.takeError();
  auto context = std::make_unique<llvm::LLVMContext>();
  auto module = translateModuleToLLVMIR(lowered, *context);
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
  auto optimize = makeOptimizingTransformer(/*optLevel=*/3, /*sizeLevel=*/0,
                                            machine->get());
  if (llvm::Error error = optimize(module.get()))
    return std::move(error);

  auto linker = makeLinker(**machine, allowForeignCalls);
  if (!linker)
    return linker.takeError();
  std::unique_ptr<Jit> result(new Jit());
  result->machine = std::move(*machine);
  result->jit = std::move(*linker);
  if (llvm::Error error = result->jit->addIRModule(
          llvm::orc::ThreadSafeModule(std::move(module), std::move(context))))
    return std::move(error);
  // Looked up before anything runs: what is missing is an error here.
  auto entry = result->jit->lookup(kEntry);
  if (!entry)
    return entry.takeError();
  if (llvm::Error error =
          result->jit->initialize(result->jit->getMainJITDylib()))
    return std::move(error);
  result->function = entry->toPtr<Entry>();
  return result;
}
