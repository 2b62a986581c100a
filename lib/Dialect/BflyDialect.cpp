// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The dialect: attributes, enums and helpers that its operations share.

#include "bfly/IR/Bfly.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/InliningUtils.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

#include "bfly/IR/BflyAttrInterfaces.cpp.inc"
#include "bfly/IR/BflyDialect.cpp.inc"
#include "bfly/IR/BflyEnums.cpp.inc"
#include "bfly/IR/BflyInterfaces.cpp.inc"

// The value of a plan's word.
static NamedAttribute toWord(MLIRContext *context, StringRef name,
                             Attribute value) {
  return {StringAttr::get(context, name), value};
}
static NamedAttribute toWord(MLIRContext *context, StringRef name,
                             int64_t value) {
  return toWord(context, name, Builder(context).getI64IntegerAttr(value));
}
static NamedAttribute toWord(MLIRContext *context, StringRef name,
                             ArrayRef<int64_t> values) {
  return toWord(context, name, DenseI64ArrayAttr::get(context, values));
}
static NamedAttribute toWord(MLIRContext *context, StringRef name,
                             ArrayRef<GroupAttr> groups) {
  SmallVector<Attribute> values(groups.begin(), groups.end());
  return toWord(context, name, ArrayAttr::get(context, values));
}

#define GET_ATTRDEF_CLASSES
#include "bfly/IR/BflyAttrs.cpp.inc"

namespace {
/// Every operation may move to where its function is called: none knows the
/// function that it is in.
struct BflyInlinerInterface : public DialectInlinerInterface {
  using DialectInlinerInterface::DialectInlinerInterface;

  bool isLegalToInline(Operation *, Region *, bool, IRMapping &) const final {
    return true;
  }
  bool isLegalToInline(Region *, Region *, bool, IRMapping &) const final {
    return true;
  }
};
} // namespace

void BflyDialect::initialize() {
  addInterfaces<BflyInlinerInterface>();
  addOperations<
#define GET_OP_LIST
#include "bfly/IR/BflyOps.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "bfly/IR/BflyAttrs.cpp.inc"
      >();
}

LogicalResult BflyDialect::verifyOperationAttribute(Operation *op,
                                                    NamedAttribute attribute) {
  if (attribute.getName() != TargetAttr::attributeName)
    return success();
  if (!isa<ModuleOp>(op) || !isa<TargetAttr>(attribute.getValue()))
    return op->emitOpError("has ") << TargetAttr::attributeName
                                   << ", which is a #bfly.target of a module";
  return success();
}

FloatType mlir::bfly::getComputeType(Type type) {
  if (auto shaped = dyn_cast<ShapedType>(type))
    type = shaped.getElementType();
  if (auto complex = dyn_cast<ComplexType>(type))
    type = complex.getElementType();
  if (type.isF64())
    return Float64Type::get(type.getContext());
  return Float32Type::get(type.getContext());
}

int64_t mlir::bfly::getNumStages(int64_t tokens) {
  return tokens <= 1 ? 0 : llvm::Log2_64_Ceil(tokens);
}

std::optional<int64_t> mlir::bfly::getNumElements(ShapedType type) {
  int64_t product = 1;
  for (int64_t size : type.getShape())
    if (!ShapedType::isDynamic(size) &&
        llvm::MulOverflow(product, size, product))
      return std::nullopt;
  return product;
}

static bool isInSpace(Type type, gpu::AddressSpace space) {
  auto memref = dyn_cast<MemRefType>(type);
  auto attr =
      memref ? dyn_cast_or_null<gpu::AddressSpaceAttr>(memref.getMemorySpace())
             : gpu::AddressSpaceAttr();
  return attr && attr.getValue() == space;
}

bool mlir::bfly::readsAsNumber(Operation *op, Value tensor) {
  DenseElementsAttr value;
  return OpTrait::hasElementwiseMappableTraits(op) &&
         matchPattern(tensor, m_Constant(&value)) && value.isSplat();
}

bool mlir::bfly::liesInVectorsAsInArrays(Type elementType) {
  unsigned width = elementType.getIntOrFloatBitWidth();
  return width >= 8 && llvm::isPowerOf2_32(width);
}

bool mlir::bfly::isInWorkgroupMemory(Type type) {
  return isInSpace(type, gpu::AddressSpace::Workgroup);
}

bool mlir::bfly::isInPrivateMemory(Type type) {
  return isInSpace(type, gpu::AddressSpace::Private);
}

std::string mlir::bfly::describeSource(Location location) {
  auto source = location->findInstanceOf<FileLineColLoc>();
  if (!source)
    return "";
  return source.getFilename().str() + ":" + std::to_string(source.getLine()) +
         ":" + std::to_string(source.getColumn());
}
