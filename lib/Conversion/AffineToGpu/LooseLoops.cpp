// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "LooseLoops.h"

#include "bfly/IR/Bfly.h"

#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/SCF/Transforms/Transforms.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Threads of a block of a kernel without a plan.
static constexpr int64_t kDefaultThreads = 256;

/// Iterations of a parallel loop along one of its dimensions.
static OpFoldResult countAlong(OpBuilder &builder, scf::ParallelOp loop,
                               unsigned dim, IRMapping &mapping) {
  Value lower = loop.getLowerBound()[dim], upper = loop.getUpperBound()[dim];
  Value step = loop.getStep()[dim];
  std::optional<int64_t> first = getConstantIntValue(lower),
                         end = getConstantIntValue(upper),
                         width = getConstantIntValue(step);
  int64_t extent;
  if (first && end && width && !llvm::SubOverflow(*end, *first, extent))
    return builder.getIndexAttr(
        std::max<int64_t>(0, llvm::divideCeilSigned(extent, *width)));
  Location loc = loop.getLoc();
  Value count = mapping.lookupOrDefault(upper);
  if (first != 0)
    count = arith::SubIOp::create(builder, loc, count,
                                  mapping.lookupOrDefault(lower));
  if (width != 1)
    count = arith::CeilDivUIOp::create(builder, loc, count,
                                       mapping.lookupOrDefault(step));
  return count;
}

/// Threads of the whole grid for a parallel loop, serial loops for those in it.
static void dealToThreads(OpBuilder &builder, scf::ParallelOp loop,
                          IRMapping &mapping) {
  Location loc = loop.getLoc();
  SmallVector<OpFoldResult> sizes;
  for (unsigned dim = 0; dim < loop.getNumLoops(); ++dim)
    sizes.push_back(countAlong(builder, loop, dim, mapping));
  auto threads = ThreadsOp::create(builder, loc, sizes, Sync::None);
  builder.setInsertionPointToStart(&threads.getBody().front());
  for (auto [iv, number, lower, step] :
       llvm::zip_equal(loop.getInductionVars(), threads.getNumbers(),
                       loop.getLowerBound(), loop.getStep())) {
    Value value = number;
    if (!isConstantIntValue(step, 1))
      value = arith::MulIOp::create(builder, loc, value,
                                    mapping.lookupOrDefault(step));
    if (!isConstantIntValue(lower, 0))
      value = arith::AddIOp::create(builder, loc, value,
                                    mapping.lookupOrDefault(lower));
    mapping.map(iv, value);
  }
  for (Operation &op : loop.getBody()->without_terminator())
    builder.clone(op, mapping);
  IRRewriter rewriter(builder);
  SmallVector<scf::ParallelOp> nested;
  threads.walk([&](scf::ParallelOp inner) { nested.push_back(inner); });
  for (scf::ParallelOp inner : nested)
    (void)scf::parallelForToNestedFors(rewriter, inner);
}

LogicalResult mlir::bfly::wrapInKernel(scf::ParallelOp loop,
                                       const Machine &machine) {
  if (loop.getNumReductions())
    return loop.emitOpError("with a reduction cannot be part of a kernel");
  OpBuilder builder(loop);
  Location loc = loop.getLoc();
  llvm::SetVector<Value> outside;
  getUsedValuesDefinedAbove(loop->getRegions(), outside);
  for (Value operand : loop->getOperands())
    outside.insert(operand);
  SmallVector<Value> inputs;
  SmallVector<Operation *> constants;
  for (Value value : outside) {
    Operation *op = value.getDefiningOp();
    if (op && matchPattern(op, m_Constant()))
      constants.push_back(op);
    else
      inputs.push_back(value);
  }
  auto plan = builder.getArrayAttr(
      GpuBlockAttr::get(builder.getContext(), kDefaultThreads));
  auto kernel =
      KernelOp::create(builder, loc, TypeRange(), inputs, "loops", plan);
  Block *body = &kernel.getBody().emplaceBlock();
  IRMapping mapping;
  for (Value input : inputs)
    mapping.map(input, body->addArgument(input.getType(), loc));
  builder.setInsertionPointToStart(body);
  for (Operation *op : constants)
    builder.clone(*op, mapping);
  dealToThreads(builder, loop, mapping);
  builder.setInsertionPointToEnd(body);
  YieldOp::create(builder, loc, ValueRange());
  loop.erase();
  return success();
}

void mlir::bfly::copyConstants(func::FuncOp function, const Machine &machine) {
  SmallVector<memref::GetGlobalOp> constants;
  function.walk<WalkOrder::PreOrder>([&](Operation *op) {
    auto constant = dyn_cast<memref::GetGlobalOp>(op);
    if (constant && !llvm::all_of(op->getUsers(), llvm::IsaPred<KernelOp>))
      constants.push_back(constant);
    return isa<KernelOp>(op) ? WalkResult::skip() : WalkResult::advance();
  });
  for (memref::GetGlobalOp constant : constants) {
    Location loc = constant.getLoc();
    OpBuilder builder(constant->getContext());
    builder.setInsertionPointAfter(constant);
    MemRefType type = constant.getType();
    Value copy = memref::AllocOp::create(builder, loc, type);
    constant.getResult().replaceUsesWithIf(
        copy, [](OpOperand &use) { return !isa<KernelOp>(use.getOwner()); });
    auto index = [&](int64_t value) -> Value {
      return arith::ConstantIndexOp::create(builder, loc, value);
    };
    SmallVector<Value> begins, ends, steps;
    for (int64_t size : type.getShape()) {
      begins.push_back(index(0));
      ends.push_back(index(size));
      steps.push_back(index(1));
    }
    if (begins.empty()) {
      begins.push_back(index(0));
      ends.push_back(index(1));
      steps.push_back(index(1));
    }
    auto loop = scf::ParallelOp::create(
        builder, loc, begins, ends, steps,
        [&](OpBuilder &body, Location loc, ValueRange at) {
          at = at.take_front(type.getRank());
          Value value = memref::LoadOp::create(body, loc, constant, at);
          memref::StoreOp::create(body, loc, value, copy, at);
        });
    (void)wrapInKernel(loop, machine);
    builder.setInsertionPoint(copy.getParentBlock()->getTerminator());
    memref::DeallocOp::create(builder, loc, copy);
  }
}
