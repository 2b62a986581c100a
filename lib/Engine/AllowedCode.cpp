// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What a source module may hold: operations on values and tensors, loops, and
// memory whose accesses -bfly-check-bounds can bound. Everything else is
// refused, whatever it is: what is not on these lists has not been thought of.

#include "Diagnostics.h"
#include "ForeignCode.h"
#include "bfly/Analysis/Sizes.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/IR/IntegerSet.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;
using namespace mlir::bfly;

/// Alignments up to a page.
static constexpr int64_t kMaxAlignment = 4096;
/// What a GPU's accesses promise, whose arrays begin so; a CPU's promise
/// nothing (-bfly-check-bounds).
static constexpr int64_t kMaxAccessAlignment = 16;
/// Bits of an integer: a product of wider ones takes LLVM seconds to compile.
static constexpr unsigned kMaxIntegerWidth = 1024;

/// Dialects whose operations compute values from values.
static bool isAllowedDialect(StringRef dialect) {
  return dialect == "arith" || dialect == "math" || dialect == "complex" ||
         dialect == "index";
}

static bool isAllowedOperation(Operation *op) {
  if (isa<NetworkOpInterface>(op))
    return true;
  static const llvm::StringSet<> &names = *new llvm::StringSet<>{
      // Functions, parameters and constants.
      "builtin.module", "func.func", "func.call", "func.return",
      "ml_program.global", "ml_program.global_load",
      "ml_program.global_load_const",
      // bfly beside the network level, but for the parts of a GPU's kernel.
      "bfly.butterfly_attention", "bfly.dft", "bfly.grid", "bfly.kernel",
      "bfly.library_product", "bfly.library_transform", "bfly.matrix_product",
      "bfly.rotate", "bfly.spectral_filter", "bfly.stream_product",
      "bfly.table", "bfly.threads", "bfly.tile_product", "bfly.yield",
      // Tensors.
      "tensor.bitcast", "tensor.cast", "tensor.collapse_shape", "tensor.concat",
      "tensor.dim", "tensor.empty", "tensor.expand_shape", "tensor.extract",
      "tensor.extract_slice", "tensor.from_elements", "tensor.generate",
      "tensor.insert", "tensor.insert_slice", "tensor.pad", "tensor.rank",
      "tensor.reshape", "tensor.splat", "tensor.yield",
      "bufferization.alloc_tensor",
      // Control flow.
      "cf.assert", "cf.br", "cf.cond_br", "cf.switch", "scf.condition",
      "scf.execute_region", "scf.for", "scf.if", "scf.index_switch",
      "scf.parallel", "scf.reduce", "scf.while", "scf.yield", "affine.apply",
      "affine.delinearize_index", "affine.for", "affine.if",
      "affine.linearize_index", "affine.max", "affine.min", "affine.parallel",
      "affine.yield",
      // Memory, with bounds.
      "affine.load", "affine.store", "affine.vector_load",
      "affine.vector_store", "memref.alloc", "memref.alloca", "memref.cast",
      "memref.collapse_shape", "memref.copy", "memref.dealloc", "memref.dim",
      "memref.expand_shape", "memref.get_global", "memref.global",
      "memref.load", "memref.rank", "memref.store", "memref.subview",
      "vector.load", "vector.store",
      // Vectors as values.
      "vector.bitcast", "vector.broadcast", "vector.constant_mask",
      "vector.create_mask", "vector.deinterleave", "vector.extract",
      "vector.extract_strided_slice", "vector.fma", "vector.from_elements",
      "vector.insert", "vector.insert_strided_slice", "vector.interleave",
      "vector.multi_reduction", "vector.outerproduct", "vector.reduction",
      "vector.shape_cast", "vector.shuffle", "vector.step",
      "vector.to_elements", "vector.transpose"};
  return names.contains(op->getName().getStringRef());
}

/// Attributes that are no part of their operation.
static bool isAllowedAttribute(Operation *op, StringRef name) {
  if (name.starts_with("bfly.") || name == "bufferize.result" ||
      name == "bufferization.writable" || name == "llvm.emit_c_interface")
    return true;
  // Computed anew by whoever parses (Program::prepare).
  if (name == "linalg.memoized_indexing_maps" && isa<linalg::LinalgOp>(op))
    return true;
  // Those of functions and calls become LLVM's.
  return !name.contains('.') && !isa<FunctionOpInterface, func::CallOp>(op) &&
         !isa<ModuleOp>(op);
}

/// Why a value must not be of a type; empty if it may.
static std::string refuseType(Type type) {
  auto str = [&] {
    std::string text;
    llvm::raw_string_ostream(text) << type;
    return text;
  };
  Type element = type;
  if (auto memref = dyn_cast<BaseMemRefType>(type)) {
    Attribute space = memref.getMemorySpace();
    if (!memref.hasRank() || (space && !isa<gpu::AddressSpaceAttr>(space)) ||
        isa<VectorType>(memref.getElementType()))
      return str();
    int64_t offset;
    SmallVector<int64_t> strides;
    if (failed(cast<MemRefType>(type).getStridesAndOffset(strides, offset)))
      return str();
    element = memref.getElementType();
  } else if (auto shaped = dyn_cast<ShapedType>(type)) {
    element = shaped.getElementType();
    if (auto tensor = dyn_cast<RankedTensorType>(type);
        tensor && tensor.getEncoding())
      return str();
  }
  if (auto complex = dyn_cast<ComplexType>(element))
    element = complex.getElementType();
  bool isTooWide =
      element.isInteger() && element.getIntOrFloatBitWidth() > kMaxIntegerWidth;
  return element.isIntOrIndexOrFloat() && !isTooWide ? std::string() : str();
}

/// Whether one of a loop's steps is known not to lead anywhere; others are
/// checked where they run.
static bool hasBadStep(ValueRange steps) {
  return llvm::any_of(steps, [](Value step) {
    std::optional<int64_t> known = getConstantIntValue(step);
    return known && *known < 1;
  });
}

/// Whether an expression divides by a constant that is not positive.
static bool dividesBadly(AffineExpr expr) {
  return expr
      .walk([](AffineExpr part) {
        auto binary = dyn_cast<AffineBinaryOpExpr>(part);
        if (!binary || binary.getKind() == AffineExprKind::Add ||
            binary.getKind() == AffineExprKind::Mul)
          return WalkResult::advance();
        auto divisor = dyn_cast<AffineConstantExpr>(binary.getRHS());
        return divisor && divisor.getValue() < 1 ? WalkResult::interrupt()
                                                 : WalkResult::advance();
      })
      .wasInterrupted();
}

/// The same of the maps and sets of an operation; of one that does nothing but
/// compute a map, constants among its operands count.
static bool dividesBadly(Operation *op) {
  bool isComputed =
      isa<affine::AffineApplyOp, affine::AffineMinOp, affine::AffineMaxOp>(op);
  for (NamedAttribute attribute : op->getAttrs()) {
    ArrayRef<AffineExpr> exprs;
    SmallVector<AffineExpr> dims, symbols;
    if (auto set = dyn_cast<IntegerSetAttr>(attribute.getValue()))
      exprs = set.getValue().getConstraints();
    if (auto attr = dyn_cast<AffineMapAttr>(attribute.getValue())) {
      AffineMap map = attr.getValue();
      exprs = map.getResults();
      for (auto [index, operand] :
           llvm::enumerate(isComputed ? op->getOperands() : ValueRange())) {
        bool isDim = index < map.getNumDims();
        MLIRContext *context = op->getContext();
        AffineExpr own =
            isDim ? getAffineDimExpr(index, context)
                  : getAffineSymbolExpr(index - map.getNumDims(), context);
        if (std::optional<int64_t> known = getConstantIntValue(operand))
          own = getAffineConstantExpr(*known, context);
        (isDim ? dims : symbols).push_back(own);
      }
    }
    if (llvm::any_of(exprs, [&](AffineExpr expr) {
          return dividesBadly(expr.replaceDimsAndSymbols(dims, symbols));
        }))
      return true;
  }
  return false;
}

/// Why an operation on the list is not allowed as it stands; empty if it is.
static std::string refuseForm(Operation *op) {
  if (auto global = dyn_cast<memref::GlobalOp>(op)) {
    if (global.isUninitialized())
      return "without a value";
  } else if (auto alloca = dyn_cast<memref::AllocaOp>(op)) {
    if (!alloca.getDynamicSizes().empty())
      return "of a dynamic size";
  } else if (auto loop = dyn_cast<scf::ParallelOp>(op)) {
    if (loop.getNumReductions())
      return "with a reduction";
    if (hasBadStep(loop.getStep()))
      return "with a step that is not positive";
  } else if (auto loop = dyn_cast<scf::ForOp>(op)) {
    if (hasBadStep(loop.getStep()))
      return "with a step that is not positive";
  } else if (auto loop = dyn_cast<affine::AffineForOp>(op)) {
    if (loop.getStepAsInt() < 1)
      return "with a step that is not positive";
  } else if (auto expand = dyn_cast<memref::ExpandShapeOp>(op)) {
    if (hasSeveralDynamic(expand.getResultType(),
                          expand.getReassociationIndices()))
      return "of one dimension to several dynamic ones";
  } else if (isa<linalg::LinalgOp>(op)) {
    if (llvm::any_of(op->getOperandTypes(), llvm::IsaPred<BaseMemRefType>))
      return "on buffers";
  } else if (isa<func::CallOp, func::ReturnOp>(op)) {
    TypeRange types = isa<func::CallOp>(op) ? TypeRange(op->getResultTypes())
                                            : TypeRange(op->getOperandTypes());
    if (llvm::any_of(types, llvm::IsaPred<BaseMemRefType>))
      return "of a buffer as a result";
  }
  if (dividesBadly(op))
    return "with a divisor that is not positive";
  if (isa<memref::AllocOp, memref::AllocaOp>(op))
    if (auto alignment = op->getAttrOfType<IntegerAttr>("alignment"))
      if (alignment.getInt() > kMaxAlignment ||
          !llvm::isPowerOf2_64(alignment.getInt()))
        return "with this alignment";
  StringRef name = op->getName().getStringRef();
  if (llvm::is_contained({"vector.load", "vector.store", "affine.vector_load",
                          "affine.vector_store"},
                         name)) {
    for (Value value : op->getOperands())
      if (auto memref = dyn_cast<MemRefType>(value.getType());
          memref && memref.getElementType().isIntOrFloat() &&
          !liesInVectorsAsInArrays(memref.getElementType()))
        return "of elements that a vector holds packed, and an array does not";
  }
  bool isAccess = isa<memref::LoadOp, memref::StoreOp>(op) ||
                  llvm::is_contained({"vector.load", "vector.store"}, name);
  if (auto alignment = op->getAttrOfType<IntegerAttr>("alignment"))
    if (isAccess && alignment.getInt() > kMaxAccessAlignment)
      return "with this alignment";
  return "";
}

/// What is wrong with one operation; empty if nothing is.
static std::string refuseOperation(Operation *op, ModuleOp module) {
  StringRef name = op->getName().getStringRef();
  bool isLinalg = op->getName().getDialectNamespace() == "linalg";
  if (!isAllowedDialect(op->getName().getDialectNamespace()) && !isLinalg &&
      !isAllowedOperation(op))
    return ("'" + name + "'").str();
  if (isa<ModuleOp>(op) && op != module)
    return "a module within a module";
  for (NamedAttribute attribute : op->getDiscardableAttrs())
    if (!isAllowedAttribute(op, attribute.getName()))
      return ("the attribute '" + attribute.getName().getValue() + "'").str();
  if (auto function = dyn_cast<FunctionOpInterface>(op)) {
    for (bool isResult : {false, true}) {
      unsigned count =
          isResult ? function.getNumResults() : function.getNumArguments();
      for (unsigned i = 0; i < count; ++i)
        for (NamedAttribute attribute :
             isResult ? function.getResultAttrs(i) : function.getArgAttrs(i))
          if (!attribute.getName().strref().contains('.') ||
              !isAllowedAttribute(op, attribute.getName()))
            return ("the attribute '" + attribute.getName().getValue() + "'")
                .str();
    }
  }
  for (Type type : op->getResultTypes())
    if (std::string refused = refuseType(type); !refused.empty())
      return "a value of type " + refused;
  for (Region &region : op->getRegions())
    for (Block &block : region)
      for (Type type : block.getArgumentTypes())
        if (std::string refused = refuseType(type); !refused.empty())
          return "a value of type " + refused;
  if (std::string form = refuseForm(op); !form.empty())
    return ("'" + name + "' " + form).str();
  return "";
}

static bool isDefinedElsewhere(Operation *op) {
  if (auto function = dyn_cast<FunctionOpInterface>(op))
    return function.isExternal();
  if (auto global = dyn_cast<memref::GlobalOp>(op))
    return global.isExternal();
  auto global = dyn_cast<LLVM::GlobalOp>(op);
  return global && !global.getValueOrNull() &&
         global.getInitializerRegion().empty();
}

llvm::Error mlir::bfly::checkNoForeignCode(ModuleOp source) {
  // Symbols first: they say best what is meant.
  for (Operation &op : source.getOps())
    if (isDefinedElsewhere(&op))
      return makeCompileError(op.getLoc(),
                              "foreign symbol '" +
                                  cast<SymbolOpInterface>(op).getName() +
                                  "' is used, which is not allowed");
  llvm::Error result = llvm::Error::success();
  source->walk<WalkOrder::PreOrder>([&](Operation *op) {
    std::string refused = refuseOperation(op, source);
    if (refused.empty())
      return WalkResult::advance();
    llvm::consumeError(std::move(result));
    result = makeCompileError(op->getLoc(),
                              refused + " is not allowed in a program that "
                                        "nobody vouches for; "
                                        "--allow-foreign-calls takes it");
    return WalkResult::interrupt();
  });
  return result;
}
