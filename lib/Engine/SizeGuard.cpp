// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "SizeGuard.h"

#include "Diagnostics.h"
#include "bfly/Arrays/FileIO.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/TypeUtilities.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/Support/CheckedArithmetic.h"

using namespace mlir;
using namespace mlir::bfly;

/// A splat constant takes a few bytes in MLIR and all of them in an object.
static constexpr uint64_t kMaxConstant = uint64_t(1) << 30;

/// A type's bytes, with 1 for every dynamic size; nothing if they do not fit.
static std::optional<uint64_t> sizeInBytes(ShapedType type) {
  Type element = type.getElementType();
  uint64_t bytes = 8;
  if (auto complex = dyn_cast<ComplexType>(element))
    bytes = complex.getElementType().isF64() ? 16 : 8;
  else if (element.isIntOrFloat())
    bytes = llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
  if (!type.hasRank())
    return bytes;
  for (int64_t size : type.getShape()) {
    if (ShapedType::isDynamic(size))
      continue;
    // Zeros do not excuse the other dimensions.
    std::optional<uint64_t> product =
        llvm::checkedMulUnsigned<uint64_t>(bytes, std::max<int64_t>(size, 1));
    if (!product || *product > uint64_t(INT64_MAX))
      return std::nullopt;
    bytes = *product;
  }
  return bytes;
}

/// Calls `check` for every shaped type of results, block arguments and
/// signatures until it returns an error's text.
static llvm::Error
checkTypes(ModuleOp module, llvm::function_ref<std::string(ShapedType)> check) {
  llvm::Error result = llvm::Error::success();
  auto fails = [&](Location location, Type type) {
    auto shaped = dyn_cast<ShapedType>(type);
    std::string message = shaped ? check(shaped) : "";
    if (message.empty())
      return false;
    llvm::consumeError(std::move(result));
    result = makeCompileError(location, message);
    return true;
  };
  module->walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (Type type : op->getResultTypes())
      if (fails(op->getLoc(), type))
        return WalkResult::interrupt();
    if (auto function = dyn_cast<FunctionOpInterface>(op))
      for (Type type : llvm::concat<const Type>(function.getArgumentTypes(),
                                                function.getResultTypes()))
        if (fails(op->getLoc(), type))
          return WalkResult::interrupt();
    for (Region &region : op->getRegions())
      for (Block &block : region)
        for (BlockArgument argument : block.getArguments())
          if (fails(argument.getLoc(), argument.getType()))
            return WalkResult::interrupt();
    return WalkResult::advance();
  });
  return result;
}

static std::string str(Type type) {
  std::string text;
  llvm::raw_string_ostream(text) << type;
  return text;
}

llvm::Error mlir::bfly::checkSizes(ModuleOp module) {
  if (llvm::Error error = checkTypes(module, [](ShapedType type) {
        return sizeInBytes(type) ? std::string()
                                 : str(type) + " does not fit in 63 bits";
      }))
    return error;
  llvm::Error result = llvm::Error::success();
  module->walk<WalkOrder::PreOrder>([&](Operation *op) {
    for (NamedAttribute attribute : op->getAttrs()) {
      auto elements = dyn_cast<ElementsAttr>(attribute.getValue());
      if (!elements)
        continue;
      std::optional<uint64_t> bytes = sizeInBytes(elements.getShapedType());
      if (bytes && *bytes <= kMaxConstant)
        continue;
      llvm::consumeError(std::move(result));
      result = makeCompileError(
          op->getLoc(), "a constant of type " + str(elements.getShapedType()) +
                            " is larger than " + formatBytes(kMaxConstant));
      return WalkResult::interrupt();
    }
    return WalkResult::advance();
  });
  return result;
}

llvm::Error mlir::bfly::checkMemory(ModuleOp module, uint64_t available) {
  return checkTypes(module, [&](ShapedType type) {
    std::optional<uint64_t> bytes = sizeInBytes(type);
    if (bytes && *bytes <= available)
      return std::string();
    return str(type) + " needs " + (bytes ? formatBytes(*bytes) : "more") +
           ", but there are " + formatBytes(available) + " of memory";
  });
}
