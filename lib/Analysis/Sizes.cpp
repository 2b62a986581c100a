// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What size a tensor has, from the sizes of the arguments.

#include "bfly/Analysis/Sizes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/Utils/Utils.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::bfly;

SizeInference::SizeInference(Block &block)
    : context(block.getParentOp()->getContext()), block(block) {
  for (BlockArgument argument : block.getArguments()) {
    auto type = dyn_cast<ShapedType>(argument.getType());
    if (!type || !type.hasRank())
      continue;
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      if (!type.isDynamicDim(dim))
        continue;
      known[{argument, dim}] = getAffineSymbolExpr(symbols.size(), context);
      symbols.push_back({argument, dim});
    }
  }
}

AffineExpr SizeInference::simplify(AffineExpr expr) {
  return expr ? simplifyAffineExpr(expr, 0, symbols.size()) : expr;
}

AffineExpr SizeInference::fail(Operation *op) {
  if (!unknown)
    unknown = op;
  return AffineExpr();
}

FailureOr<AffineExpr> SizeInference::getSize(Value tensor, int64_t dim) {
  AffineExpr size = find(tensor, dim);
  if (size)
    return size;
  return reportUnknown();
}

LogicalResult SizeInference::reportUnknown() {
  Operation *op = std::exchange(unknown, nullptr);
  // Of these every operand is followed, but for the relayouts.
  if (isa<linalg::LinalgDialect>(op->getDialect()))
    return op->emitOpError("is supported with static sizes alone");
  if (isa<FunctionOpInterface>(op))
    return op->emitOpError("passes a tensor of dynamic size from block to "
                           "block, which is not supported");
  return op->emitOpError("has a size or an offset that does not follow from "
                         "the sizes of the arguments");
}

/// The size, or null.
AffineExpr SizeInference::find(Value tensor, int64_t dim) {
  auto type = cast<ShapedType>(tensor.getType());
  if (!type.hasRank() || dim < 0 || dim >= type.getRank()) {
    Operation *def = tensor.getDefiningOp();
    return fail(def ? def : tensor.getParentBlock()->getParentOp());
  }
  if (!type.isDynamicDim(dim))
    return constant(type.getDimSize(dim));
  auto entry = known.find({tensor, dim});
  if (entry != known.end())
    return entry->second;
  auto argument = dyn_cast<BlockArgument>(tensor);
  AffineExpr size =
      simplify(argument ? findInArgument(argument, dim)
                        : findInResult(cast<OpResult>(tensor), dim));
  if (size)
    known[{tensor, dim}] = size;
  return size;
}

/// Arguments of regions in the block.
AffineExpr SizeInference::findInArgument(BlockArgument argument, int64_t dim) {
  Operation *parent = argument.getOwner()->getParentOp();
  if (auto kernel = dyn_cast<KernelOp>(parent))
    return find(kernel.getInputs()[argument.getArgNumber()], dim);
  // What is yielded has the size of what was there before: `checkCarried`.
  if (auto loop = dyn_cast<scf::ForOp>(parent))
    if (OpOperand *init = loop.getTiedLoopInit(argument))
      return find(init->get(), dim);
  if (auto loop = dyn_cast<scf::WhileOp>(parent)) {
    unsigned number = argument.getArgNumber();
    bool before = argument.getOwner() == loop.getBeforeBody();
    return find(before ? loop.getInits()[number]
                       : loop.getConditionOp().getArgs()[number],
                dim);
  }
  return fail(parent);
}

/// Results that have the size of an operand, or of one that is spelled out.
AffineExpr SizeInference::findInResult(OpResult result, int64_t dim) {
  Operation *op = result.getOwner();
  reader = op;
  unsigned number = result.getResultNumber();
  if (auto kernel = dyn_cast<KernelOp>(op))
    return find(kernel.getBody().front().getTerminator()->getOperand(number),
                dim);
  // Only the batch is dynamic: it is that of the first operand.
  if (isa<BflyDialect>(op->getDialect()))
    return dim == 0 && op->getNumOperands() ? find(op->getOperand(0), 0)
                                            : fail(op);
  if (OpTrait::hasElementwiseMappableTraits(op)) {
    for (Value operand : op->getOperands())
      if (isa<RankedTensorType>(operand.getType()))
        return find(operand, dim);
    return fail(op);
  }
  if (auto destination = dyn_cast<DestinationStyleOpInterface>(op))
    return find(destination.getTiedOpOperand(result)->get(), dim);
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return find(loop.getInits()[number], dim);
  if (auto loop = dyn_cast<scf::WhileOp>(op))
    return find(loop.getConditionOp().getArgs()[number], dim);
  if (auto branch = dyn_cast<scf::IfOp>(op))
    return find(branch.thenYield()->getOperand(number), dim);

  return llvm::TypeSwitch<Operation *, AffineExpr>(op)
      .Case<tensor::CastOp, tensor::BitcastOp, memref::CastOp>(
          [&](auto cast) { return find(cast->getOperand(0), dim); })
      .Case<tensor::InsertOp>(
          [&](auto insert) { return find(insert.getDest(), dim); })
      .Case<tensor::EmptyOp, memref::AllocOp>(
          [&](auto empty) { return getIndex(empty.getMixedSizes()[dim]); })
      .Case<tensor::SplatOp>([&](auto splat) {
        return getIndex(
            splat.getDynamicSizes()[cast<RankedTensorType>(result.getType())
                                        .getDynamicDimIndex(dim)]);
      })
      .Case<tensor::GenerateOp>([&](auto generate) {
        return getIndex(
            generate
                .getDynamicExtents()[cast<RankedTensorType>(result.getType())
                                         .getDynamicDimIndex(dim)]);
      })
      .Case<bufferization::AllocTensorOp>([&](auto alloc) {
        return alloc.getCopy()
                   ? find(alloc.getCopy(), dim)
                   : getIndex(
                         alloc.getDynamicSizes()[cast<RankedTensorType>(
                                                     result.getType())
                                                     .getDynamicDimIndex(dim)]);
      })
      .Case<tensor::ExtractSliceOp, memref::SubViewOp>([&](auto slice) {
        // Dimensions of size 1 may have been dropped.
        llvm::SmallBitVector dropped = slice.getDroppedDims();
        int64_t kept = -1;
        for (auto [index, size] : llvm::enumerate(slice.getMixedSizes()))
          if (!dropped.test(index) && ++kept == dim)
            return getIndex(size);
        return fail(op);
      })
      .Case<tensor::PadOp>([&](auto pad) -> AffineExpr {
        AffineExpr low = getIndex(pad.getMixedLowPad()[dim]);
        AffineExpr size = find(pad.getSource(), dim);
        AffineExpr high = getIndex(pad.getMixedHighPad()[dim]);
        return low && size && high ? low + size + high : AffineExpr();
      })
      .Case<tensor::ConcatOp>([&](auto concat) -> AffineExpr {
        if (static_cast<int64_t>(concat.getDim()) != dim)
          return find(concat.getInputs().front(), dim);
        AffineExpr sum = constant(0);
        for (Value input : concat.getInputs()) {
          AffineExpr size = find(input, dim);
          if (!size)
            return size;
          sum = sum + size;
        }
        return sum;
      })
      .Case<tensor::CollapseShapeOp, memref::CollapseShapeOp>(
          [&](auto collapse) -> AffineExpr {
            AffineExpr product = constant(1);
            SmallVector<ReassociationIndices> groups =
                collapse.getReassociationIndices();
            for (int64_t from : groups[dim]) {
              AffineExpr size = find(collapse.getSrc(), from);
              if (!size)
                return size;
              product = product * size;
            }
            return product;
          })
      .Case<tensor::ExpandShapeOp, memref::ExpandShapeOp>([&](auto expand) {
        return getIndex(expand.getMixedOutputShape()[dim]);
      })
      .Case<tensor::ReshapeOp>([&](auto reshape) {
        auto sizes = getNewShape(reshape);
        return sizes ? getIndex((*sizes)[dim]) : fail(op);
      })
      .Default([&](Operation *) { return fail(op); });
}

std::optional<SmallVector<OpFoldResult>>
mlir::bfly::getNewShape(tensor::ReshapeOp reshape) {
  Value shape = reshape.getShape();
  if (auto elements = shape.getDefiningOp<tensor::FromElementsOp>())
    return getAsOpFoldResult(elements.getElements());
  DenseIntElementsAttr sizes;
  if (!matchPattern(shape, m_Constant(&sizes)))
    return std::nullopt;
  Builder builder(reshape.getContext());
  return llvm::map_to_vector(sizes.getValues<APInt>(), [&](const APInt &size) {
    return OpFoldResult(builder.getIndexAttr(size.getSExtValue()));
  });
}

AffineExpr SizeInference::getIndex(OpFoldResult index) {
  if (std::optional<int64_t> known = getConstantIntValue(index))
    return constant(*known);
  return getIndex(cast<Value>(index));
}

/// A scalar that is computed from sizes.
AffineExpr SizeInference::getIndex(Value index) {
  if (std::optional<int64_t> known = getConstantIntValue(index))
    return constant(*known);
  Operation *op = index.getDefiningOp();
  // A number that somebody gives is blamed on what makes a size of it.
  if (!op)
    return fail(reader);
  if (isa<tensor::DimOp, memref::DimOp>(op)) {
    std::optional<int64_t> number = getConstantIntValue(op->getOperand(1));
    Value source = op->getOperand(0);
    return number && cast<ShapedType>(source.getType()).hasRank()
               ? find(source, *number)
               : fail(op);
  }
  if (auto apply = dyn_cast<affine::AffineApplyOp>(op)) {
    SmallVector<AffineExpr> operands;
    for (Value operand : apply.getMapOperands()) {
      operands.push_back(getIndex(operand));
      if (!operands.back())
        return AffineExpr();
    }
    ArrayRef<AffineExpr> all(operands);
    AffineMap map = apply.getAffineMap();
    return simplify(map.getResult(0).replaceDimsAndSymbols(
        all.take_front(map.getNumDims()), all.drop_front(map.getNumDims())));
  }
  // A number out of data: see above.
  if (llvm::none_of(op->getOperandTypes(),
                    [](Type type) { return type.isIntOrIndex(); }))
    return fail(reader);
  // No integer type that is narrower than an index: it might wrap.
  auto isWide = [](Type type) { return type.isIndex() || type.isInteger(64); };
  if (op->getNumResults() != 1 || !isWide(op->getResult(0).getType()) ||
      !llvm::all_of(op->getOperandTypes(), isWide))
    return fail(op);
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op))
    return getIndex(op->getOperand(0));
  if (op->getNumOperands() != 2)
    return fail(op);
  AffineExpr a = getIndex(op->getOperand(0));
  AffineExpr b = a ? getIndex(op->getOperand(1)) : a;
  if (!b)
    return b;
  bool divides = isa<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp,
                     arith::CeilDivSIOp, arith::CeilDivUIOp, arith::RemSIOp,
                     arith::RemUIOp>(op);
  if (divides) {
    // All roundings agree where nothing is negative.
    require(SizeCheck::Kind::AtMost, constant(0), a, op);
    require(SizeCheck::Kind::AtMost, constant(1), b, op);
  }
  AffineExpr value =
      llvm::TypeSwitch<Operation *, AffineExpr>(op)
          .Case<arith::AddIOp>([&](auto) { return a + b; })
          .Case<arith::SubIOp>([&](auto) { return a - b; })
          .Case<arith::MulIOp>([&](auto) { return a * b; })
          .Case<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp>(
              [&](auto) { return a.floorDiv(b); })
          .Case<arith::CeilDivSIOp, arith::CeilDivUIOp>(
              [&](auto) { return a.ceilDiv(b); })
          .Case<arith::RemSIOp, arith::RemUIOp>([&](auto) { return a % b; })
          .Default([&](Operation *) { return fail(op); });
  return simplify(value);
}

FailureOr<SmallVector<Value>> mlir::bfly::makeDynamicSizes(
    OpBuilder &builder, Value tensor, SizeInference &inference,
    function_ref<Value(BlockArgument)> getTensorOrBuffer) {
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<Value> sizes;
  for (int64_t dim = 0; dim < type.getRank(); ++dim) {
    if (!type.isDynamicDim(dim))
      continue;
    FailureOr<AffineExpr> size = inference.getSize(tensor, dim);
    if (failed(size))
      return failure();
    SmallVector<OpFoldResult> symbols;
    for (auto [argument, of] : inference.getSymbols()) {
      Value value = getTensorOrBuffer(argument);
      bool isTensor = isa<TensorType>(value.getType());
      // Only what the size is made of.
      if (!size->isFunctionOfSymbol(symbols.size()))
        symbols.push_back(builder.getIndexAttr(0));
      else if (isTensor)
        symbols.push_back(
            tensor::DimOp::create(builder, tensor.getLoc(), value, of)
                .getResult());
      else
        symbols.push_back(
            memref::DimOp::create(builder, tensor.getLoc(), value, of)
                .getResult());
    }
    AffineMap map = AffineMap::get(0, symbols.size(), *size);
    OpFoldResult made = affine::makeComposedFoldedAffineApply(
        builder, tensor.getLoc(), map, symbols);
    sizes.push_back(
        getValueOrCreateConstantIndexOp(builder, tensor.getLoc(), made));
  }
  return sizes;
}

bool mlir::bfly::hasSeveralDynamic(ShapedType result,
                                   ArrayRef<ReassociationIndices> groups) {
  return llvm::any_of(groups, [&](const ReassociationIndices &group) {
    return llvm::count_if(group, [&](int64_t dim) {
             return result.isDynamicDim(dim);
           }) > 1;
  });
}
