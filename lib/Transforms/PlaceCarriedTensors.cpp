// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Before: loops and branches of scf that carry tensors, whatever they yield.
// After: what a loop yields is in the place of what it carries, and what both
// sides of a branch yield is in one place that is allocated before it, so that
// bufferization allocates nothing that outlives an iteration. Other operations
// with regions that take or make tensors were an error.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/Interfaces/DestinationStyleOpInterface.h"
#include "mlir/Interfaces/ValueBoundsOpInterface.h"
#include "llvm/ADT/TypeSwitch.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_PLACECARRIEDTENSORSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Where a dynamic size comes from: a dimension of a value.
struct Size {
  Value value;
  int64_t dimension;
  bool operator==(const Size &other) const {
    return value == other.value && dimension == other.dimension;
  }
};

/// The operand of an allocation for a dynamic dimension; null for another
/// operation.
Value getAllocatedSize(Operation *op, int64_t dimension) {
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return empty.getDynamicSize(dimension);
  auto alloc = dyn_cast<bufferization::AllocTensorOp>(op);
  if (!alloc || alloc.getCopy())
    return nullptr;
  return alloc.getDynamicSizes()[alloc.getIndexOfDynamicSize(dimension)];
}

/// The value that `size` was first known of, as far as its operations say.
/// Loops and branches inside of the one at hand have been settled: what they
/// yield is as large as what they carry.
Size traceSize(Size size) {
  while (auto result = dyn_cast<OpResult>(size.value)) {
    Operation *op = result.getOwner();
    unsigned number = result.getResultNumber();
    Value source;
    int64_t dimension = size.dimension;
    if (auto loop = dyn_cast<scf::ForOp>(op))
      source = loop.getInitArgs()[number];
    else if (auto loop = dyn_cast<scf::WhileOp>(op);
             loop && number < loop.getInits().size() &&
             loop.getInits()[number].getType() == result.getType())
      source = loop.getInits()[number];
    else if (auto branch = dyn_cast<scf::IfOp>(op))
      source = branch.thenYield().getOperand(number);
    else if (auto style = dyn_cast<DestinationStyleOpInterface>(op))
      source = style.getTiedOpOperand(result)->get();
    else if (auto cast = dyn_cast<tensor::CastOp>(op))
      source = cast.getSource();
    else if (Value made = getAllocatedSize(op, dimension)) {
      auto dim = made.getDefiningOp<tensor::DimOp>();
      std::optional<int64_t> index;
      if (dim && (index = dim.getConstantIndex())) {
        source = dim.getSource();
        dimension = *index;
      }
    } else if ((op->hasTrait<OpTrait::Elementwise>() ||
                (isa<BflyDialect>(op->getDialect()) && dimension == 0)) &&
               op->getNumOperands())
      // Mixers and their parts keep the batch, which is their first dimension.
      source = op->getOperand(0);
    auto type = source ? dyn_cast<RankedTensorType>(source.getType()) : nullptr;
    if (!type || dimension >= type.getRank() || !type.isDynamicDim(dimension))
      return size;
    size = {source, dimension};
  }
  return size;
}

bool haveSameSize(Value a, Value b, int64_t dimension) {
  if (traceSize({a, dimension}) == traceSize({b, dimension}))
    return true;
  FailureOr<bool> equal =
      ValueBoundsConstraintSet::areEqual({a, dimension}, {b, dimension});
  return succeeded(equal) && *equal;
}

struct PlaceCarriedTensorsPass
    : public bfly::impl::PlaceCarriedTensorsPassBase<PlaceCarriedTensorsPass> {
  void runOnOperation() override {
    // Post-order: what is inside has been settled.
    WalkResult result = getOperation()->walk([&](Operation *op) {
      return WalkResult(
          TypeSwitch<Operation *, LogicalResult>(op)
              .Case([&](scf::ForOp loop) {
                return place(loop.getBody()->getTerminator(), 0,
                             loop.getRegionIterArgs());
              })
              .Case([&](scf::WhileOp loop) { return placeWhile(loop); })
              .Case([&](scf::IfOp branch) { return placeBranch(branch); })
              .Case<scf::ForallOp, scf::ParallelOp, scf::IndexSwitchOp,
                    scf::ExecuteRegionOp, affine::AffineForOp,
                    affine::AffineIfOp, affine::AffineParallelOp>(
                  [&](Operation *other) { return refuseTensors(other); })
              .Default(success()));
    });
    if (result.wasInterrupted())
      signalPassFailure();
  }

  /// Copies the operands of a terminator, from `first` on, into `places`.
  static LogicalResult place(Operation *terminator, unsigned first,
                             ValueRange places) {
    OpBuilder builder(terminator);
    SmallVector<std::pair<OpOperand *, Value>> moves;
    for (auto [index, destination] : llvm::enumerate(places)) {
      OpOperand &operand = terminator->getOpOperand(first + index);
      Value value = operand.get();
      auto type = dyn_cast<RankedTensorType>(value.getType());
      if (!type || value == destination)
        continue;
      for (int64_t i = 0; i < type.getRank(); ++i)
        if (type.isDynamicDim(i) && !haveSameSize(value, destination, i))
          return terminator->getParentOp()->emitOpError()
                 << "carries a tensor of type " << type
                 << " whose size in dimension " << i
                 << " is not known to stay the same: give it a static size, or "
                    "write the layers one after the other";
      moves.push_back({&operand, destination});
    }
    // Of several, one may be in the place of another: all are read before any
    // is written.
    if (moves.size() > 1)
      for (auto [operand, destination] : moves)
        operand->set(bufferization::AllocTensorOp::create(
            builder, terminator->getLoc(),
            cast<RankedTensorType>(operand->get().getType()), ValueRange(),
            operand->get()));
    for (auto [operand, destination] : moves)
      operand->set(linalg::CopyOp::create(builder, terminator->getLoc(),
                                          operand->get(), destination)
                       ->getResult(0));
    return success();
  }

  static LogicalResult placeWhile(scf::WhileOp loop) {
    bool hasTensors = llvm::any_of(loop->getOperandTypes(), [](Type type) {
      return isa<TensorType>(type);
    });
    hasTensors |= llvm::any_of(loop->getResultTypes(),
                               [](Type type) { return isa<TensorType>(type); });
    if (!hasTensors)
      return success();
    if (loop->getOperandTypes() != loop->getResultTypes())
      return loop.emitOpError("carries tensors, and what it takes and what it "
                              "gives have different types: let the condition "
                              "pass on all that is carried, in its order");
    if (failed(place(loop.getConditionOp(), 1, loop.getBeforeArguments())))
      return failure();
    return place(loop.getYieldOp(), 0, loop.getAfterArguments());
  }

  static LogicalResult placeBranch(scf::IfOp branch) {
    if (branch.elseBlock() == nullptr)
      return success();
    OpBuilder builder(branch);
    SmallVector<Value> places;
    for (auto [result, ofThen, ofElse] :
         llvm::zip(branch.getResults(), branch.thenYield().getOperands(),
                   branch.elseYield().getOperands())) {
      auto type = dyn_cast<RankedTensorType>(result.getType());
      if (!type) {
        places.push_back(ofThen);
        continue;
      }
      SmallVector<Value> sizes;
      for (int64_t i = 0; i < type.getRank(); ++i) {
        if (!type.isDynamicDim(i))
          continue;
        Size size = traceSize({ofThen, i});
        if (!haveSameSize(ofThen, ofElse, i) ||
            branch->isAncestor(size.value.getParentBlock()->getParentOp()))
          return branch.emitOpError()
                 << "yields a tensor of type " << type
                 << " whose size in dimension " << i
                 << " is not known before it: give it a static size";
        sizes.push_back(tensor::DimOp::create(builder, branch.getLoc(),
                                              size.value, size.dimension));
      }
      places.push_back(bufferization::AllocTensorOp::create(
          builder, branch.getLoc(), type, sizes));
    }
    for (scf::YieldOp yield : {branch.thenYield(), branch.elseYield()}) {
      OpBuilder inside(yield);
      for (auto [operand, destination] :
           llvm::zip(yield->getOpOperands(), places))
        if (isa<RankedTensorType>(operand.get().getType()))
          operand.set(linalg::CopyOp::create(inside, yield.getLoc(),
                                             operand.get(), destination)
                          ->getResult(0));
    }
    return success();
  }

  static LogicalResult refuseTensors(Operation *op) {
    auto isTensor = [](Type type) { return isa<TensorType>(type); };
    if (llvm::none_of(op->getOperandTypes(), isTensor) &&
        llvm::none_of(op->getResultTypes(), isTensor))
      return success();
    return op->emitOpError(
        "cannot carry tensors: write scf.for, scf.while or scf.if");
  }
};

} // namespace
