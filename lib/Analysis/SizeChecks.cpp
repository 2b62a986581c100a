// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What operations ask of sizes. What a verifier sees in static types holds
// already; here is what it takes on trust where a size is dynamic.

#include "bfly/Analysis/Sizes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::bfly;

/// Whether `expr` is certainly not negative: sizes are not.
static bool isNotNegative(AffineExpr expr) {
  if (auto constant = dyn_cast<AffineConstantExpr>(expr))
    return constant.getValue() >= 0;
  if (isa<AffineSymbolExpr>(expr))
    return true;
  auto binary = cast<AffineBinaryOpExpr>(expr);
  return isNotNegative(binary.getLHS()) && isNotNegative(binary.getRHS());
}

/// Keeps what does not hold anyway. A null side has been reported.
void SizeInference::require(SizeCheck::Kind kind, AffineExpr left,
                            AffineExpr right, Operation *op) {
  if (!left || !right)
    return;
  left = simplify(left);
  right = simplify(right);
  AffineExpr rest = simplify(right - left);
  bool holds = kind == SizeCheck::Kind::Equal
                   ? isa<AffineConstantExpr>(rest) &&
                         cast<AffineConstantExpr>(rest).getValue() == 0
                   : isNotNegative(rest);
  if (!holds && asked.insert({{left, right}, static_cast<int>(kind)}).second)
    found.push_back({kind, left, right, op});
}

void SizeInference::requireSize(Value tensor, int64_t dim, AffineExpr size,
                                Operation *op) {
  require(SizeCheck::Kind::Equal, find(tensor, dim), size, op);
}

/// The first says what the others have to be.
void SizeInference::requireSameShape(Operation *op, ValueRange tensors) {
  Value first;
  for (Value tensor : tensors) {
    auto type = dyn_cast<RankedTensorType>(tensor.getType());
    if (!type)
      continue;
    if (!first)
      first = tensor;
    for (int64_t dim = 0; dim < type.getRank(); ++dim)
      requireSize(tensor, dim, find(first, dim), op);
  }
}

static bool isStatic(Value value) {
  auto type = dyn_cast<ShapedType>(value.getType());
  return !type || type.hasStaticShape();
}

/// Of the operations of this dialect only the batch may be dynamic.
void SizeInference::checkBfly(Operation *op) {
  if (isa<KernelOp, YieldOp>(op))
    return;
  for (auto [number, operand] : llvm::enumerate(op->getOperands())) {
    auto type = dyn_cast<RankedTensorType>(operand.getType());
    if (!type)
      continue;
    AffineExpr batch = find(op->getOperand(0), 0);
    ArrayAttr dims;
    if (auto filter = dyn_cast<SpectralFilterOp>(op))
      dims = filter.getParamDims();
    else if (auto map = dyn_cast<SpectrumMapOp>(op))
      dims = map.getParamDims();
    if (dims && number > 0) {
      auto list = cast<DenseI64ArrayAttr>(dims[number - 1]).asArrayRef();
      for (auto [position, dim] : llvm::enumerate(list))
        if (dim == kBatch)
          requireSize(operand, position, batch, op);
      continue;
    }
    bool hasBatch = number == 0;
    if (auto stage = dyn_cast<AttentionStageOp>(op))
      hasBatch |= operand == stage.getImage();
    else if (isa<AttentionStageBackwardOp, RowProductOp>(op))
      hasBatch |= number == 1;
    for (int64_t dim = 0; dim < type.getRank(); ++dim) {
      if (hasBatch && dim == 0)
        requireSize(operand, 0, batch, op);
      else if (type.isDynamicDim(dim))
        fail(op);
    }
  }
  // The sum over all rows has no batch.
  if (isa<RowProductOp>(op))
    return;
  for (Value result : op->getResults())
    if (auto type = dyn_cast<RankedTensorType>(result.getType()))
      if (type.getRank() && !isStatic(op->getOperand(0)))
        requireSize(result, 0, find(op->getOperand(0), 0), op);
}

/// Every operand is as large as the loops reach.
void SizeInference::checkLinalg(Operation *op) {
  if (llvm::all_of(op->getOperands(), isStatic))
    return;
  auto linalg = dyn_cast<linalg::LinalgOp>(op);
  if (!linalg) {
    // Element by element along all but one dimension.
    if (auto softmax = dyn_cast<linalg::SoftmaxOp>(op))
      return requireSameShape(op, {softmax.getInput(), softmax.getOutput()});
    fail(op);
    return;
  }
  SmallVector<AffineExpr> extents(linalg.getNumLoops());
  auto forEachSize = [&](function_ref<void(Value, int64_t, AffineExpr)> visit) {
    for (OpOperand &operand : op->getOpOperands()) {
      AffineMap map = linalg.getMatchingIndexingMap(&operand);
      for (auto [dim, expr] : llvm::enumerate(map.getResults()))
        visit(operand.get(), dim, expr);
    }
  };
  forEachSize([&](Value operand, int64_t dim, AffineExpr expr) {
    auto loop = dyn_cast<AffineDimExpr>(expr);
    if (loop && !extents[loop.getPosition()])
      extents[loop.getPosition()] = find(operand, dim);
  });
  if (!llvm::all_of(extents, [](AffineExpr extent) { return bool(extent); })) {
    fail(op);
    return;
  }
  SmallVector<AffineExpr> last;
  for (AffineExpr extent : extents)
    last.push_back(extent - 1);
  forEachSize([&](Value operand, int64_t dim, AffineExpr expr) {
    if (auto loop = dyn_cast<AffineDimExpr>(expr)) {
      requireSize(operand, dim, extents[loop.getPosition()], op);
      return;
    }
    // Sums of multiples are largest at the loops' ends.
    bool grows =
        !expr.walk([](AffineExpr part) {
               bool good = isa<AffineDimExpr>(part) ||
                           part.getKind() == AffineExprKind::Add ||
                           part.getKind() == AffineExprKind::Mul;
               if (auto constant = dyn_cast<AffineConstantExpr>(part))
                 good = constant.getValue() >= 0;
               return good ? WalkResult::advance() : WalkResult::interrupt();
             })
             .wasInterrupted();
    if (!grows) {
      fail(op);
      return;
    }
    require(SizeCheck::Kind::AtMost, expr.replaceDims(last) + 1,
            find(operand, dim), op);
  });
}

/// A slice lies within its tensor.
template <typename SliceOp> static auto getSliceParts(SliceOp slice) {
  return llvm::zip_equal(slice.getMixedOffsets(), slice.getMixedSizes(),
                         slice.getMixedStrides());
}

void SizeInference::checkTensor(Operation *op) {
  auto atMost = [&](AffineExpr left, AffineExpr right) {
    require(SizeCheck::Kind::AtMost, left, right, op);
  };
  auto notNegative = [&](AffineExpr size) { atMost(constant(0), size); };
  auto checkSlice = [&](auto slice, Value whole) {
    for (auto [dim, parts] : llvm::enumerate(getSliceParts(slice))) {
      auto [offset, size, stride] = parts;
      AffineExpr first = getIndex(offset), count = getIndex(size),
                 step = getIndex(stride), extent = find(whole, dim);
      if (!first || !count || !step || !extent)
        return;
      notNegative(first);
      notNegative(count);
      atMost(constant(1), step);
      atMost(first + (count - 1) * step + 1, extent);
    }
  };
  auto product = [&](Value tensor, ArrayRef<int64_t> dims) {
    AffineExpr result = constant(1);
    for (int64_t dim : dims)
      if (AffineExpr size = result ? find(tensor, dim) : AffineExpr())
        result = result * size;
      else
        result = AffineExpr();
    return result;
  };
  auto all = [](Value tensor) {
    int64_t rank = cast<RankedTensorType>(tensor.getType()).getRank();
    return llvm::to_vector(llvm::seq<int64_t>(0, rank));
  };

  llvm::TypeSwitch<Operation *>(op)
      .Case<tensor::CastOp>([&](auto cast) {
        if (!isa<RankedTensorType>(cast.getType()) ||
            !isa<RankedTensorType>(cast.getSource().getType())) {
          fail(op);
          return;
        }
        for (int64_t dim : all(cast.getResult()))
          requireSize(cast.getResult(), dim, find(cast.getSource(), dim), op);
      })
      .Case<tensor::ExtractSliceOp>(
          [&](auto slice) { checkSlice(slice, slice.getSource()); })
      .Case<tensor::InsertSliceOp, tensor::ParallelInsertSliceOp>(
          [&](auto slice) {
            checkSlice(slice, slice.getDest());
            llvm::SmallBitVector dropped = slice.getDroppedDims();
            int64_t kept = 0;
            for (auto [index, size] : llvm::enumerate(slice.getMixedSizes()))
              if (!dropped.test(index))
                requireSize(slice.getSource(), kept++, getIndex(size), op);
          })
      .Case<tensor::ExpandShapeOp>([&](auto expand) {
        for (auto [dim, group] :
             llvm::enumerate(expand.getReassociationIndices()))
          requireSize(expand.getSrc(), dim, product(expand.getResult(), group),
                      op);
        for (int64_t dim : all(expand.getResult()))
          notNegative(find(expand.getResult(), dim));
      })
      .Case<tensor::CollapseShapeOp>([&](auto collapse) {
        for (auto [dim, group] :
             llvm::enumerate(collapse.getReassociationIndices()))
          requireSize(collapse.getResult(), dim,
                      product(collapse.getSrc(), group), op);
      })
      .Case<tensor::ReshapeOp>([&](auto reshape) {
        if (!isa<RankedTensorType>(reshape.getResult().getType()) ||
            !isa<RankedTensorType>(reshape.getSource().getType())) {
          fail(op);
          return;
        }
        auto sizes = getNewShape(reshape);
        if (!sizes) {
          fail(op);
          return;
        }
        for (int64_t dim : all(reshape.getResult())) {
          AffineExpr size = getIndex((*sizes)[dim]);
          notNegative(size);
          requireSize(reshape.getResult(), dim, size, op);
        }
        require(SizeCheck::Kind::Equal,
                product(reshape.getSource(), all(reshape.getSource())),
                product(reshape.getResult(), all(reshape.getResult())), op);
      })
      .Case<tensor::PadOp>([&](auto pad) {
        for (auto [dim, low, high] :
             llvm::enumerate(pad.getMixedLowPad(), pad.getMixedHighPad())) {
          AffineExpr before = getIndex(low), after = getIndex(high),
                     size = find(pad.getSource(), dim);
          notNegative(before);
          notNegative(after);
          if (before && after && size)
            requireSize(pad.getResult(), dim, before + size + after, op);
        }
      })
      .Case<tensor::ConcatOp>([&](auto concat) {
        AffineExpr sum = constant(0);
        for (int64_t dim : all(concat.getResult())) {
          bool joined = dim == static_cast<int64_t>(concat.getDim());
          for (Value input : concat.getInputs()) {
            if (!joined)
              requireSize(input, dim, find(concat.getResult(), dim), op);
            else if (AffineExpr size = sum ? find(input, dim) : AffineExpr())
              sum = sum + size;
            else
              sum = AffineExpr();
          }
          if (joined)
            requireSize(concat.getResult(), dim, sum, op);
        }
      })
      .Case<tensor::EmptyOp, tensor::SplatOp, tensor::GenerateOp,
            bufferization::AllocTensorOp>([&](auto made) {
        for (int64_t dim : all(made.getResult()))
          notNegative(find(made.getResult(), dim));
      })
      .Default([](Operation *) {});
}

/// What a terminator of scf yields, and what was there before: what the loop
/// carries, or what the other side of the branch yields.
static std::pair<ValueRange, ValueRange> getCarried(Operation *op) {
  auto yield = dyn_cast<scf::YieldOp>(op);
  if (!yield)
    return {};
  Operation *parent = op->getParentOp();
  if (auto loop = dyn_cast<LoopLikeOpInterface>(parent))
    return {yield.getResults(), loop.getInits()};
  auto branch = dyn_cast<scf::IfOp>(parent);
  if (branch && op->getBlock() == branch.elseBlock())
    return {yield.getResults(), branch.thenYield().getResults()};
  return {};
}

/// Places keep their sizes. What is the same only for some arguments is checked
/// before each call; what is so for none, or for empty ones alone, is an error.
LogicalResult SizeInference::checkCarried(Operation *op) {
  auto [yielded, before] = getCarried(op);
  for (auto [value, place] : llvm::zip_equal(yielded, before)) {
    auto type = dyn_cast<RankedTensorType>(value.getType());
    for (int64_t dim = 0; type && dim < type.getRank(); ++dim) {
      AffineExpr size = find(value, dim), kept = find(place, dim);
      if (!size || !kept)
        return success();
      AffineExpr more = simplify(size - kept), less = simplify(kept - size);
      if (more != constant(0) && (isNotNegative(more) || isNotNegative(less)))
        return op->emitOpError()
               << (isa<scf::IfOp>(op->getParentOp())
                       ? "has another size than the other side of the branch"
                       : "changes the size of what the loop carries")
               << ", which is not supported";
      require(SizeCheck::Kind::Equal, size, kept, op);
    }
  }
  return success();
}

LogicalResult SizeInference::check(Operation *op) {
  // Every result has a size, in the order of the program, so that no search
  // goes deep.
  for (Value result : op->getResults())
    if (auto type = dyn_cast<RankedTensorType>(result.getType()))
      if (!isa<KernelOp, scf::IfOp, scf::WhileOp>(op))
        for (int64_t dim = 0; dim < type.getRank(); ++dim)
          find(result, dim);
  reader = op;
  if (!unknown) {
    requireMemory(op);
    if (isa<BflyDialect>(op->getDialect()))
      checkBfly(op);
    else if (isa<linalg::LinalgDialect>(op->getDialect()))
      checkLinalg(op);
    else if (OpTrait::hasElementwiseMappableTraits(op))
      requireSameShape(op, llvm::to_vector(llvm::concat<Value>(
                               llvm::to_vector(op->getOperands()),
                               llvm::to_vector(op->getResults()))));
    else if (isa<scf::YieldOp>(op)) {
      if (failed(checkCarried(op)))
        return failure();
    } else
      checkTensor(op);
  }
  return unknown ? reportUnknown() : success();
}

LogicalResult SizeInference::findChecks(SmallVectorImpl<SizeCheck> &checks) {
  Region &body = *block.getParent();
  WalkResult walk = body.walk<WalkOrder::PreOrder>([&](Operation *op) {
    if (failed(check(op)))
      return WalkResult::interrupt();
    // The regions of maps and of linalg hold scalars.
    bool hasScalars = isa<SpectralFilterOp, SpectrumMapOp>(op) ||
                      isa_and_nonnull<linalg::LinalgDialect>(op->getDialect());
    return hasScalars ? WalkResult::skip() : WalkResult::advance();
  });
  if (walk.wasInterrupted())
    return failure();
  for (const SizeCheck &check : found) {
    auto left = dyn_cast<AffineConstantExpr>(check.left);
    auto right = dyn_cast<AffineConstantExpr>(check.right);
    if (left && right)
      return check.op->emitOpError("has sizes that do not fit: ")
             << left.getValue() << " is not "
             << (check.kind == SizeCheck::Kind::Equal ? "" : "at most ")
             << right.getValue();
  }
  checks.append(found);
  return success();
}
