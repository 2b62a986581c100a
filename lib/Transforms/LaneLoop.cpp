// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which lane loops have a vector form.

#include "LaneLoop.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/Affine/Analysis/AffineAnalysis.h"
#include "mlir/Dialect/Affine/Analysis/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Interfaces/FunctionInterfaces.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"
#include "mlir/Interfaces/ViewLikeInterface.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace mlir::bfly;
using namespace mlir::affine;

namespace {

/// The factor of `iv` in `expr`; nullopt where `expr` is no multiple of it plus
/// something without it.
std::optional<int64_t> getCoefficient(AffineExpr expr, const Access &access,
                                      Value iv) {
  if (auto dim = dyn_cast<AffineDimExpr>(expr))
    return access.operands[dim.getPosition()] == iv;
  auto binary = dyn_cast<AffineBinaryOpExpr>(expr);
  if (!binary)
    return 0;
  auto lhs = getCoefficient(binary.getLHS(), access, iv);
  auto rhs = getCoefficient(binary.getRHS(), access, iv);
  if (!lhs || !rhs)
    return std::nullopt;
  if (binary.getKind() == AffineExprKind::Add)
    return *lhs + *rhs;
  if (*lhs == 0 && *rhs == 0)
    return 0;
  auto factor = dyn_cast<AffineConstantExpr>(binary.getRHS());
  if (binary.getKind() == AffineExprKind::Mul && factor)
    return *lhs * factor.getValue();
  return std::nullopt;
}

enum class Walk { Uniform, Unit, Other };

/// How the place that is accessed moves from a lane to the next.
Walk getWalk(const Access &access, MemRefType type, Value iv) {
  ArrayRef<AffineExpr> indices = access.map.getResults();
  bool uniform = true;
  for (auto [position, index] : llvm::enumerate(indices)) {
    auto coefficient = getCoefficient(index, access, iv);
    bool last = position + 1 == indices.size();
    if (!coefficient || (*coefficient != 0 && !(last && *coefficient == 1)))
      return Walk::Other;
    uniform &= *coefficient == 0;
  }
  if (uniform)
    return Walk::Uniform;
  return type.isLastDimUnitStride() ? Walk::Unit : Walk::Other;
}

std::optional<Reduction> matchReduction(BlockArgument carried, Value yielded) {
  Operation *combiner = yielded.getDefiningOp();
  if (!combiner || combiner->getBlock() != carried.getOwner() ||
      !carried.hasOneUse() || !yielded.hasOneUse() ||
      *carried.getUsers().begin() != combiner)
    return std::nullopt;
  if (isa<arith::AddFOp>(combiner))
    return Reduction{combiner, arith::AtomicRMWKind::addf,
                     vector::CombiningKind::ADD};
  if (isa<arith::MaximumFOp>(combiner))
    return Reduction{combiner, arith::AtomicRMWKind::maximumf,
                     vector::CombiningKind::MAXIMUMF};
  return std::nullopt;
}

/// The buffer that a view of a view, or a kernel's argument, is a part of.
Value getRoot(Value memref) {
  while (true) {
    if (auto view = memref.getDefiningOp<ViewLikeOpInterface>()) {
      memref = view.getViewSource();
      continue;
    }
    auto argument = dyn_cast<BlockArgument>(memref);
    auto kernel = argument
                      ? dyn_cast<KernelOp>(argument.getOwner()->getParentOp())
                      : KernelOp();
    if (!kernel)
      return memref;
    memref = kernel->getOperand(argument.getArgNumber());
  }
}

/// Whether two different roots are surely different memory: each is allocated
/// here, a global, a table, or an argument of a function that no call in the
/// module can give the same buffer twice.
bool areDistinct(Value lhs, Value rhs) {
  auto isOwn = [](Value root) {
    if (Operation *op = root.getDefiningOp())
      return isa<memref::GetGlobalOp, TableOp>(op) ||
             hasSingleEffect<MemoryEffects::Allocate>(op, root);
    auto function = dyn_cast<FunctionOpInterface>(
        cast<BlockArgument>(root).getOwner()->getParentOp());
    return function && function.isPublic();
  };
  auto a = lhs.getDefiningOp<memref::GetGlobalOp>();
  auto b = rhs.getDefiningOp<memref::GetGlobalOp>();
  return isOwn(lhs) && isOwn(rhs) && !(a && b && a.getName() == b.getName());
}

/// Whether it follows from the maps alone that no two lanes of `length` meet at
/// the same place: `a` and `b` are a constant apart in an index, which is 0
/// in the lane's own or too far for the lanes to bridge. Most accesses of our
/// nests are, and affine dependence analysis costs a thousand times as much.
bool areApart(const Access &a, const Access &b, Value iv, int64_t length,
              Region &body) {
  if (a.operands != b.operands ||
      a.map.getNumResults() != b.map.getNumResults())
    return false;
  bool isFixed = llvm::all_of(a.operands, [&](Value operand) {
    return operand == iv || !body.isAncestor(operand.getParentRegion());
  });
  unsigned last = a.map.getNumResults() - 1;
  auto isApart = [&](auto pair) {
    auto [position, lhs, rhs] = pair;
    auto distance = dyn_cast<AffineConstantExpr>(simplifyAffineExpr(
        lhs - rhs, a.map.getNumDims(), a.map.getNumSymbols()));
    if (!distance || !isFixed)
      return false;
    int64_t places = std::abs(distance.getValue());
    bool isLane = getCoefficient(lhs, a, iv) == 1 && position == last;
    return isLane ? places == 0 || places >= length : places != 0;
  };
  return llvm::any_of(llvm::enumerate(a.map.getResults(), b.map.getResults()),
                      isApart);
}

} // namespace

bool LaneLoop::analyze() {
  if (!matchLoop())
    return false;
  laneIndices.insert(iv);
  return canVectorize(*body) && areLanesIndependent();
}

bool LaneLoop::areLanesIndependent() {
  // Of `affine.parallel` that is the meaning.
  auto forOp = dyn_cast<AffineForOp>(loop);
  if (!forOp)
    return true;
  SmallVector<Operation *> stores, accesses;
  body->walk([&](Operation *op) {
    if (isa<AffineStoreOp>(op))
      stores.push_back(op);
    if (isa<AffineStoreOp, AffineLoadOp>(op))
      accesses.push_back(op);
  });
  unsigned depth = getNestingDepth(forOp) + 1;
  // A dependence of a lane on an earlier one holds for vectors too where it is
  // of an operation on one before it in the body: each acts on all lanes
  // before the next one does.
  auto mayBreak = [&](Operation *source, Operation *sink) {
    Operation *first = body->findAncestorOpInBlock(*source);
    Operation *second = body->findAncestorOpInBlock(*sink);
    return (first == second || !first->isBeforeInBlock(second)) &&
           !noDependence(checkMemrefAccessDependence(
               MemRefAccess(source), MemRefAccess(sink), depth));
  };
  auto mayDepend = [&](Operation *store, Operation *other) {
    Value stored = MemRefAccess(store).memref;
    Value accessed = MemRefAccess(other).memref;
    if (stored != accessed) {
      Value lhs = getRoot(stored), rhs = getRoot(accessed);
      return lhs == rhs || !areDistinct(lhs, rhs);
    }
    auto access = [](Operation *op) {
      auto load = dyn_cast<AffineLoadOp>(op);
      return load ? Access(load) : Access(cast<AffineStoreOp>(op));
    };
    return !areApart(access(store), access(other), iv, length,
                     forOp.getRegion()) &&
           (mayBreak(store, other) || mayBreak(other, store));
  };
  return llvm::none_of(stores, [&](Operation *store) {
    return llvm::any_of(
        accesses, [&](Operation *other) { return mayDepend(store, other); });
  });
}

bool LaneLoop::canVectorize(Block &block) {
  return llvm::all_of(block.without_terminator(),
                      [&](Operation &op) { return canVectorize(op); });
}

bool LaneLoop::matchLoop() {
  if (auto parallel = dyn_cast<AffineParallelOp>(loop)) {
    auto ranges = parallel.getConstantRanges();
    AffineMap lower = parallel.getLowerBoundsMap();
    if (!ranges || ranges->size() != 1 || parallel.getNumResults() ||
        !lower.isSingleConstant() || lower.getSingleConstantResult() != 0 ||
        parallel.getSteps()[0] != 1)
      return false;
    body = parallel.getBody();
    iv = parallel.getIVs()[0];
    length = ranges->front();
    return length >= 1;
  }
  auto forOp = dyn_cast<AffineForOp>(loop);
  if (!forOp || !forOp.hasConstantBounds() ||
      forOp.getConstantLowerBound() != 0 || forOp.getStepAsInt() != 1)
    return false;
  body = forOp.getBody();
  iv = forOp.getInductionVar();
  length = forOp.getConstantUpperBound();
  auto yield = cast<AffineYieldOp>(body->getTerminator());
  for (auto [carried, yielded] :
       llvm::zip(forOp.getRegionIterArgs(), yield.getOperands())) {
    auto reduction = matchReduction(carried, yielded);
    if (!reduction || !makeVarying(carried))
      return false;
    reductions.push_back(*reduction);
  }
  return length >= 1;
}

bool LaneLoop::makeVarying(Value value) {
  if (!value.getType().isIntOrFloat())
    return false;
  isWide |= value.getType().getIntOrFloatBitWidth() > 32;
  varying.insert(value);
  return true;
}

bool LaneLoop::canVectorize(Operation &op) {
  auto usesLaneIndex = [&](ValueRange values) {
    return llvm::any_of(values, [&](Value v) { return isLaneIndex(v); });
  };
  return TypeSwitch<Operation *, bool>(&op)
      .Case([&](AffineApplyOp apply) {
        if (usesLaneIndex(apply.getMapOperands()))
          laneIndices.insert(apply.getResult());
        return true;
      })
      .Case([&](AffineLoadOp load) {
        Walk walk = getWalk(Access(load), load.getMemRefType(), iv);
        return walk == Walk::Uniform ||
               (walk == Walk::Unit && makeVarying(load.getResult()) &&
                liesInVectorsAsInArrays(load.getType()));
      })
      .Case([&](AffineStoreOp store) {
        // A uniform store would leave the last lane's value behind.
        Type type = store.getValueToStore().getType();
        return type.isIntOrFloat() && liesInVectorsAsInArrays(type) &&
               getWalk(Access(store), store.getMemRefType(), iv) == Walk::Unit;
      })
      .Case([&](AffineForOp nested) {
        return !usesLaneIndex(nested.getControlOperands()) &&
               llvm::all_of(nested.getRegionIterArgs(),
                            [&](Value v) { return makeVarying(v); }) &&
               llvm::all_of(nested.getResults(),
                            [&](Value v) { return makeVarying(v); }) &&
               canVectorize(*nested.getBody());
      })
      .Case([&](AffineIfOp branch) {
        return !branch.getNumResults() &&
               !usesLaneIndex(branch.getOperands()) &&
               canVectorize(*branch.getThenBlock()) &&
               (!branch.hasElse() || canVectorize(*branch.getElseBlock()));
      })
      .Default([&](Operation *) {
        if (op.getNumRegions() || usesLaneIndex(op.getOperands()) ||
            !isMemoryEffectFree(&op))
          return false;
        if (llvm::none_of(op.getOperands(),
                          [&](Value v) { return varying.contains(v); }))
          return true;
        return (op.hasTrait<OpTrait::Elementwise>() ||
                isa<DftOp, RotateOp>(op)) &&
               llvm::all_of(op.getOperandTypes(),
                            [](Type type) { return type.isIntOrFloat(); }) &&
               llvm::all_of(op.getResults(),
                            [&](Value v) { return makeVarying(v); });
      });
}
