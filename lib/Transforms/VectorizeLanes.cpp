// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-vectorize-lanes: loops over the lanes of a vector become vectors.
//
// Before: a loop marked `bfly.lanes` is one to be made vector code. After: no
// loop is marked; an innermost marked loop of constant length is vector code,
// or what it was where it holds something that has no vector form, or where an
// iteration reads or writes what another one writes.
//
// The analysis (LaneLoop.h) touches nothing; the rewriting cannot fail.

#include "bfly/Transforms/Passes.h"

#include "LaneLoop.h"
#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/IR/AffineOps.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/IntegerSet.h"
#include "mlir/IR/Matchers.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_VECTORIZELANESPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;
using namespace mlir::affine;

namespace {

constexpr StringLiteral kLanes = "bfly.lanes";

/// Emits the body of a lane loop for `width` lanes from one lane on.
class VectorEmitter {
public:
  /// The first lane is `first`, or where that is null the constant `offset`.
  VectorEmitter(const LaneLoop &lanes, int64_t width, Value first,
                int64_t offset)
      : lanes(lanes), width(width), first(first), offset(offset) {}

  /// Takes the vectors that are carried around the loop, gives the next ones.
  SmallVector<Value> emit(OpBuilder &builder, ValueRange carried) {
    for (auto [reduction, argument, value] :
         llvm::zip(lanes.reductions, lanes.body->getArguments().drop_front(),
                   carried))
      vectors[argument] = value;
    emit(builder, *lanes.body);
    SmallVector<Value> next;
    for (const Reduction &reduction : lanes.reductions)
      next.push_back(vectors.lookup(reduction.combiner->getResult(0)));
    return next;
  }

private:
  VectorType vectorOf(Type type) const { return VectorType::get(width, type); }

  Value getVector(OpBuilder &builder, Location loc, Value value) {
    if (Value vector = vectors.lookup(value))
      return vector;
    Value scalar = scalars.lookupOrDefault(value);
    VectorType type = vectorOf(scalar.getType());
    Attribute constant;
    if (matchPattern(scalar, m_Constant(&constant)))
      return arith::ConstantOp::create(builder, loc,
                                       DenseElementsAttr::get(type, constant));
    return vector::BroadcastOp::create(builder, loc, type, scalar);
  }

  SmallVector<Value> getVectors(OpBuilder &builder, Location loc,
                                ValueRange values) {
    return llvm::map_to_vector(
        values, [&](Value v) { return getVector(builder, loc, v); });
  }

  SmallVector<Value> getScalars(ValueRange values) {
    return llvm::map_to_vector(
        values, [&](Value v) { return scalars.lookupOrDefault(v); });
  }

  /// Sets the lane in `access` to the first one of the vector.
  void moveToFirstLane(Access &access) {
    MLIRContext *context = access.map.getContext();
    SmallVector<AffineExpr> dims;
    for (unsigned i = 0, e = access.map.getNumDims(); i < e; ++i) {
      bool isConstant = access.operands[i] == lanes.iv && !first;
      dims.push_back(isConstant ? getAffineConstantExpr(offset, context)
                                : getAffineDimExpr(i, context));
    }
    access.map = access.map.replaceDimsAndSymbols(
        dims, {}, access.map.getNumDims(), access.map.getNumSymbols());
    for (Value &operand : access.operands)
      if (operand == lanes.iv && first)
        operand = first;
      else if (operand != lanes.iv)
        operand = scalars.lookupOrDefault(operand);
    canonicalizeMapAndOperands(&access.map, &access.operands);
  }

  void emit(OpBuilder &builder, Block &block) {
    for (Operation &op : block.without_terminator())
      emit(builder, op);
  }

  void emit(OpBuilder &builder, Operation &op);
  void emitLoad(OpBuilder &builder, AffineLoadOp load);
  void emitLoop(OpBuilder &builder, AffineForOp loop);
  void emitBranch(OpBuilder &builder, AffineIfOp branch);

  const LaneLoop &lanes;
  int64_t width;
  Value first;
  int64_t offset;
  IRMapping scalars;
  DenseMap<Value, Value> vectors;
};

void VectorEmitter::emitLoad(OpBuilder &builder, AffineLoadOp load) {
  Access access(load);
  moveToFirstLane(access);
  Value memref = scalars.lookupOrDefault(load.getMemRef());
  if (lanes.varying.contains(load.getResult()))
    vectors[load.getResult()] = AffineVectorLoadOp::create(
        builder, load.getLoc(), vectorOf(load.getType()), memref, access.map,
        access.operands);
  else
    scalars.map(load.getResult(),
                AffineLoadOp::create(builder, load.getLoc(), memref, access.map,
                                     access.operands)
                    .getResult());
}

void VectorEmitter::emitLoop(OpBuilder &builder, AffineForOp loop) {
  auto copy = AffineForOp::create(
      builder, loop.getLoc(), getScalars(loop.getLowerBoundOperands()),
      loop.getLowerBoundMap(), getScalars(loop.getUpperBoundOperands()),
      loop.getUpperBoundMap(), loop.getStepAsInt(),
      getVectors(builder, loop.getLoc(), loop.getInits()),
      [&](OpBuilder &nested, Location loc, Value iv, ValueRange carried) {
        scalars.map(loop.getInductionVar(), iv);
        for (auto [from, to] : llvm::zip(loop.getRegionIterArgs(), carried))
          vectors[from] = to;
        emit(nested, *loop.getBody());
        Operation *yield = loop.getBody()->getTerminator();
        AffineYieldOp::create(nested, loc,
                              getVectors(nested, loc, yield->getOperands()));
      });
  copy->setDiscardableAttrs(loop->getDiscardableAttrDictionary());
  for (auto [from, to] : llvm::zip(loop.getResults(), copy.getResults()))
    vectors[from] = to;
}

void VectorEmitter::emitBranch(OpBuilder &builder, AffineIfOp branch) {
  auto copy =
      AffineIfOp::create(builder, branch.getLoc(), branch.getIntegerSet(),
                         getScalars(branch.getOperands()), branch.hasElse());
  OpBuilder inner = copy.getThenBodyBuilder();
  emit(inner, *branch.getThenBlock());
  if (branch.hasElse()) {
    inner = copy.getElseBodyBuilder();
    emit(inner, *branch.getElseBlock());
  }
}

void VectorEmitter::emit(OpBuilder &builder, Operation &op) {
  if (auto load = dyn_cast<AffineLoadOp>(op))
    return emitLoad(builder, load);
  if (auto loop = dyn_cast<AffineForOp>(op))
    return emitLoop(builder, loop);
  if (auto branch = dyn_cast<AffineIfOp>(op))
    return emitBranch(builder, branch);
  if (auto store = dyn_cast<AffineStoreOp>(op)) {
    Access access(store);
    moveToFirstLane(access);
    AffineVectorStoreOp::create(
        builder, op.getLoc(),
        getVector(builder, op.getLoc(), store.getValueToStore()),
        scalars.lookupOrDefault(store.getMemRef()), access.map,
        access.operands);
    return;
  }
  // Lane indices are composed into the maps that use them.
  if (op.getNumResults() && lanes.laneIndices.contains(op.getResult(0)))
    return;
  if (!op.getNumResults() || !lanes.varying.contains(op.getResult(0))) {
    builder.clone(op, scalars);
    return;
  }
  IRMapping operands;
  for (Value operand : op.getOperands())
    operands.map(operand, getVector(builder, op.getLoc(), operand));
  Operation *copy = builder.clone(op, operands);
  for (auto [from, to] : llvm::zip(op.getResults(), copy->getResults())) {
    to.setType(vectorOf(from.getType()));
    vectors[from] = to;
  }
}

/// Accumulators of `width` lanes that hold nothing yet.
SmallVector<Value> createNeutral(OpBuilder &builder, const LaneLoop &lanes,
                                 int64_t width) {
  SmallVector<Value> neutral;
  for (const Reduction &reduction : lanes.reductions) {
    Type type = reduction.combiner->getResult(0).getType();
    TypedAttr value = arith::getIdentityValueAttr(reduction.kind, type, builder,
                                                  lanes.loop->getLoc());
    auto splat = DenseElementsAttr::get(VectorType::get(width, type), value);
    neutral.push_back(
        arith::ConstantOp::create(builder, lanes.loop->getLoc(), splat));
  }
  return neutral;
}

/// `totals` with the lanes of `accumulators` added.
void reduceInto(OpBuilder &builder, const LaneLoop &lanes,
                ValueRange accumulators, MutableArrayRef<Value> totals) {
  // The order is ours already: the sum need not be a chain.
  auto fastmath = arith::FastMathFlagsAttr::get(builder.getContext(),
                                                arith::FastMathFlags::reassoc);
  Location loc = lanes.loop->getLoc();
  for (auto [reduction, accumulator, total] :
       llvm::zip(lanes.reductions, accumulators, totals))
    total =
        vector::ReductionOp::create(builder, loc, reduction.vectorKind,
                                    accumulator, total, fastmath.getValue());
}

void vectorize(const LaneLoop &lanes, int64_t width, int64_t unroll) {
  OpBuilder builder(lanes.loop);
  Location loc = lanes.loop->getLoc();
  int64_t full = lanes.length / width, rest = lanes.length % width;
  SmallVector<Value> totals;
  if (auto loop = dyn_cast<AffineForOp>(lanes.loop))
    totals.assign(loop.getInits().begin(), loop.getInits().end());

  if (full) {
    SmallVector<Value> carried = createNeutral(builder, lanes, width);
    if (full <= unroll) {
      for (int64_t i = 0; i < full; ++i)
        carried = VectorEmitter(lanes, width, Value(), i * width)
                      .emit(builder, carried);
    } else {
      auto loop = AffineForOp::create(
          builder, loc, 0, full * width, width, carried,
          [&](OpBuilder &nested, Location, Value iv, ValueRange arguments) {
            AffineYieldOp::create(
                nested, loc,
                VectorEmitter(lanes, width, iv, 0).emit(nested, arguments));
          });
      carried.assign(loop.getResults().begin(), loop.getResults().end());
    }
    reduceInto(builder, lanes, carried, totals);
  }
  if (rest)
    reduceInto(builder, lanes,
               VectorEmitter(lanes, rest, Value(), full * width)
                   .emit(builder, createNeutral(builder, lanes, rest)),
               totals);
  lanes.loop->replaceAllUsesWith(totals);
  lanes.loop->erase();
}

struct VectorizeLanesPass
    : public bfly::impl::VectorizeLanesPassBase<VectorizeLanesPass> {
  using VectorizeLanesPassBase::VectorizeLanesPassBase;

  void runOnOperation() override {
    // Post-order, so a loop is reached after the marked ones in it.
    SmallVector<Operation *> marked, innermost;
    getOperation()->walk([&](Operation *op) {
      if (!op->hasAttr(kLanes))
        return;
      if (llvm::none_of(marked, [&](Operation *other) {
            return op->isProperAncestor(other);
          }))
        innermost.push_back(op);
      marked.push_back(op);
    });
    for (Operation *op : marked)
      op->removeAttr(kLanes);
    for (Operation *op : innermost) {
      LaneLoop loop(op);
      if (loop.analyze())
        vectorize(loop, std::max<int64_t>(loop.isWide ? lanes / 2 : lanes, 1),
                  unroll);
    }
  }
};

} // namespace
