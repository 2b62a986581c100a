// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Binary to llvm: kernels become data of the program, launches calls.
//
// Before: host code with gpu.launch_func, and a gpu.binary for each kernel.
// After: neither. A binary is a constant, and a module of the runtime that is
// made when the program is loaded and goes with it; a launch is one call of
// bflyCudaLaunch with all that it has: grid, block, cluster, shared memory,
// flags. Its memrefs are cast to descriptors.

#include "bfly/Conversion/Passes.h"

#include "AffineToGpu/LibraryCalls.h"
#include "bfly/Target/Launches.h"

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CONVERTBINARYTOLLVMPASS
#include "bfly/Conversion/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

/// Flag of bflyCudaLaunch.
static constexpr int32_t kCooperative = 1;
/// What the driver wants of a binary's address.
static constexpr int64_t kCodeAlignment = 8;

namespace {

struct ConvertBinaryToLLVMPass
    : public bfly::impl::ConvertBinaryToLLVMPassBase<ConvertBinaryToLLVMPass> {
  void runOnOperation() override;

private:
  Type getPointer() { return LLVM::LLVMPointerType::get(&getContext()); }
  LLVM::LLVMFuncOp declare(StringRef name, Type result,
                           ArrayRef<Type> arguments) {
    return declareRuntime(getOperation(), name, result, arguments);
  }
  /// A constant of these bytes, under a name like this.
  LLVM::GlobalOp addBytes(Location loc, const Twine &name, StringRef bytes);
  /// The module of kernels of a binary, which takes its name.
  void embed(gpu::BinaryOp binary);
  /// A function of no arguments that runs when the program is loaded or gone.
  template <typename ListOp>
  void addHook(StringRef name,
               function_ref<void(OpBuilder &, gpu::BinaryOp)> body);
  void convert(gpu::LaunchFuncOp launch, const LLVMTypeConverter &types);

  std::optional<SymbolTable> symbols;
  SmallVector<gpu::BinaryOp> binaries;
  llvm::StringMap<LLVM::GlobalOp> modules, names;
};

} // namespace

LLVM::GlobalOp ConvertBinaryToLLVMPass::addBytes(Location loc,
                                                 const Twine &name,
                                                 StringRef bytes) {
  OpBuilder builder(&getContext());
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), bytes.size());
  auto global = LLVM::GlobalOp::create(
      builder, loc, type, /*isConstant=*/true, LLVM::Linkage::Internal,
      name.str(), builder.getStringAttr(bytes), kCodeAlignment);
  symbols->insert(global);
  return global;
}

void ConvertBinaryToLLVMPass::embed(gpu::BinaryOp binary) {
  OpBuilder builder(&getContext());
  Location loc = binary.getLoc();
  auto module = LLVM::GlobalOp::create(
      builder, loc, getPointer(), /*isConstant=*/false, LLVM::Linkage::Internal,
      (binary.getName() + "_module").str(), /*value=*/Attribute());
  builder.createBlock(&module.getInitializerRegion());
  Value null = LLVM::ZeroOp::create(builder, loc, getPointer());
  LLVM::ReturnOp::create(builder, loc, null);
  symbols->insert(module);
  modules[binary.getName()] = module;
}

template <typename ListOp>
void ConvertBinaryToLLVMPass::addHook(
    StringRef name, function_ref<void(OpBuilder &, gpu::BinaryOp)> body) {
  Location loc = getOperation().getLoc();
  OpBuilder builder(&getContext());
  auto function = LLVM::LLVMFuncOp::create(
      builder, loc, name,
      LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()), {}),
      LLVM::Linkage::Internal);
  symbols->insert(function);
  builder.setInsertionPointAfter(function);
  ListOp::create(builder, loc,
                 builder.getArrayAttr(FlatSymbolRefAttr::get(function)),
                 builder.getI32ArrayAttr({0}),
                 builder.getArrayAttr(LLVM::ZeroAttr::get(&getContext())));
  builder.setInsertionPointToStart(function.addEntryBlock(builder));
  for (gpu::BinaryOp binary : binaries)
    body(builder, binary);
  LLVM::ReturnOp::create(builder, loc, ValueRange());
}

void ConvertBinaryToLLVMPass::convert(gpu::LaunchFuncOp launch,
                                      const LLVMTypeConverter &types) {
  OpBuilder builder(launch);
  Location loc = launch.getLoc();
  Type pointer = getPointer(), i32 = builder.getI32Type(),
       i64 = builder.getI64Type();
  auto toLLVM = [&](Value value) {
    Type type = types.convertType(value.getType());
    return type == value.getType()
               ? value
               : types.materializeTargetConversion(builder, loc, type, value);
  };
  auto constant = [&](Type type, int64_t value) -> Value {
    return LLVM::ConstantOp::create(builder, loc, type, value);
  };

  // Pointers to the arguments, which lie in the function's frame.
  SmallVector<Value> converted;
  for (Value operand : launch.getKernelOperands())
    converted.push_back(toLLVM(operand));
  SmallVector<Value, 4> arguments = types.promoteOperands(
      loc, launch.getKernelOperands(), converted, builder);
  auto allocate = [&](Type type, int64_t count) -> Value {
    OpBuilder entry = OpBuilder::atBlockBegin(
        &launch->getParentOfType<FunctionOpInterface>().front());
    Value number = LLVM::ConstantOp::create(entry, loc, i64, count);
    return LLVM::AllocaOp::create(entry, loc, pointer, type, number);
  };
  Value pointers = allocate(pointer, std::max<int64_t>(arguments.size(), 1));
  for (auto [index, argument] : llvm::enumerate(arguments)) {
    Value place = allocate(argument.getType(), 1);
    LLVM::StoreOp::create(builder, loc, argument, place);
    Value at = LLVM::GEPOp::create(builder, loc, pointer, pointer, pointers,
                                   LLVM::GEPArg(static_cast<int32_t>(index)));
    LLVM::StoreOp::create(builder, loc, place, at);
  }

  StringRef kernel = launch.getKernelName().getValue();
  LLVM::GlobalOp &name = names[kernel];
  if (!name)
    name = addBytes(loc, kernel + "_name", (kernel + Twine('\0')).str());
  Value module = LLVM::LoadOp::create(
      builder, loc, pointer,
      LLVM::AddressOfOp::create(
          builder, loc, modules[launch.getKernelModuleName().getValue()]));
  SmallVector<Value> operands{module,
                              LLVM::AddressOfOp::create(builder, loc, name)};
  gpu::KernelDim3 grid = launch.getGridSizeOperandValues(),
                  block = launch.getBlockSizeOperandValues();
  for (Value size : {grid.x, grid.y, grid.z, block.x, block.y, block.z})
    operands.push_back(toLLVM(size));
  if (launch.hasClusterSize()) {
    gpu::KernelDim3 cluster = launch.getClusterSizeOperandValues();
    for (Value size : {cluster.x, cluster.y, cluster.z})
      operands.push_back(toLLVM(size));
  } else {
    operands.append(3, constant(i64, 1));
  }
  Value bytes = launch.getDynamicSharedMemorySize();
  operands.push_back(bytes ? LLVM::ZExtOp::create(builder, loc, i64, bytes)
                           : constant(i64, 0));
  bool cooperative = launch->hasAttr(kCooperativeAttr);
  operands.push_back(constant(i32, cooperative ? kCooperative : 0));
  operands.push_back(pointers);
  SmallVector<Type> argumentTypes(ValueRange(operands).getTypes());
  LLVM::CallOp::create(builder, loc,
                       declare("bflyCudaLaunch",
                               LLVM::LLVMVoidType::get(&getContext()),
                               argumentTypes),
                       operands);
  launch.erase();
}

void ConvertBinaryToLLVMPass::runOnOperation() {
  ModuleOp module = getOperation();
  symbols.emplace(module);
  modules.clear();
  names.clear();
  binaries = llvm::to_vector(module.getOps<gpu::BinaryOp>());
  SmallVector<gpu::LaunchFuncOp> launches;
  module.walk([&](gpu::LaunchFuncOp op) { launches.push_back(op); });
  for (gpu::LaunchFuncOp launch : launches) {
    StringAttr name = launch.getKernelModuleName();
    if (!module.lookupSymbol<gpu::BinaryOp>(name)) {
      launch.emitOpError("has no binary ")
          << name << ": -gpu-module-to-binary has to be run first";
      return signalPassFailure();
    }
    if (launch.getAsyncObject() || launch.getAsyncToken() ||
        !launch.getAsyncDependencies().empty()) {
      launch.emitOpError("names a stream: a launch goes to its caller's");
      return signalPassFailure();
    }
  }
  for (gpu::BinaryOp binary : binaries)
    embed(binary);
  if (!binaries.empty()) {
    Type pointer = getPointer();
    auto address = [](OpBuilder &builder, LLVM::GlobalOp global) -> Value {
      return LLVM::AddressOfOp::create(builder, global.getLoc(), global);
    };
    addHook<LLVM::GlobalCtorsOp>(
        "bfly_load_kernels", [&](OpBuilder &builder, gpu::BinaryOp binary) {
          Location loc = binary.getLoc();
          auto object = cast<gpu::ObjectAttr>(binary.getObjects()[0]);
          bool isPTX = object.getFormat() == gpu::CompilationTarget::Assembly;
          std::string code = object.getObject().getValue().str();
          if (isPTX)
            code += '\0';
          Value data =
              address(builder, addBytes(loc, binary.getName() + "_code", code));
          Value flag = LLVM::ConstantOp::create(
              builder, loc, builder.getI32Type(), isPTX ? 1 : 0);
          auto load =
              LLVM::CallOp::create(builder, loc,
                                   declare("bflyCudaLoadModule", pointer,
                                           {pointer, builder.getI32Type()}),
                                   ValueRange{data, flag});
          LLVM::StoreOp::create(builder, loc, load.getResult(),
                                address(builder, modules[binary.getName()]));
        });
    addHook<LLVM::GlobalDtorsOp>(
        "bfly_unload_kernels", [&](OpBuilder &builder, gpu::BinaryOp binary) {
          Location loc = binary.getLoc();
          Value handle =
              LLVM::LoadOp::create(builder, loc, pointer,
                                   address(builder, modules[binary.getName()]));
          LLVM::CallOp::create(builder, loc,
                               declare("bflyCudaUnloadModule",
                                       LLVM::LLVMVoidType::get(&getContext()),
                                       {pointer}),
                               handle);
        });
  }
  LLVMTypeConverter types(&getContext());
  for (gpu::LaunchFuncOp launch : launches)
    convert(launch, types);
  for (gpu::BinaryOp binary : binaries)
    binary.erase();
  module->removeAttr(gpu::GPUDialect::getContainerModuleAttrName());
}
