// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Network to schedule: each mixer's network becomes one kernel.
//
// Before: network level; no bfly.spectral_filter and no
// bfly.butterfly_attention.
// After: schedule level. Every operation of the network is in a bfly.kernel
// with tensors for operands and results; what a kernel needs besides (splat
// constants, sizes of its operands) is made again inside it. Operations of
// other dialects that no kernel took stay where they are. A transform that a
// library does is a kernel of its own. A kernel made because
// a larger one was not possible says why in its attribute `bfly.unfused`.

#include "KernelGroups.h"
#include "bfly/Conversion/Passes.h"
#include "bfly/Schedule/Plan.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_CONVERTNETWORKTOSCHEDULEPASS
#include "bfly/Conversion/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

namespace {

/// Moves the operations of a group into a kernel where its sink stands.
class KernelBuilder {
public:
  KernelBuilder(const KernelGroup &group) : group(group) {}

  KernelOp build();

private:
  /// Whether the kernel gets a copy of `op` rather than its result as an
  /// operand: what is a number costs nothing to make again.
  bool isClonedInside(Operation *op);
  /// The value that stands for `outside` in the kernel.
  Value getInside(Value outside);

  const KernelGroup &group;
  SmallVector<Value> inputs;
  Block *body = nullptr;
  Operation *firstMoved = nullptr;
  IRMapping inside;
};

bool KernelBuilder::isClonedInside(Operation *op) {
  if (isa<tensor::DimOp>(op))
    return true;
  if (!op->hasTrait<OpTrait::ConstantLike>())
    return false;
  Value constant = op->getResult(0);
  return !isa<TensorType>(constant.getType()) ||
         llvm::all_of(op->getUsers(), [&](Operation *user) {
           return user->getBlock() != body || readsAsNumber(user, constant);
         });
}

Value KernelBuilder::getInside(Value outside) {
  if (Value known = inside.lookupOrNull(outside))
    return known;
  Operation *def = outside.getDefiningOp();
  if (!def || !isClonedInside(def)) {
    inputs.push_back(outside);
    Value argument = body->addArgument(outside.getType(), outside.getLoc());
    inside.map(outside, argument);
    return argument;
  }
  for (Value operand : def->getOperands())
    getInside(operand);
  OpBuilder builder(firstMoved);
  builder.clone(*def, inside);
  return inside.lookup(outside);
}

KernelOp KernelBuilder::build() {
  SmallVector<Operation *> ops(group.ops.begin(), group.ops.end());
  llvm::sort(ops,
             [](Operation *a, Operation *b) { return a->isBeforeInBlock(b); });
  // The sink's results come first, then those of the others.
  SmallVector<Value> results;
  auto addResults = [&](Operation *op) {
    for (Value result : op->getResults())
      if (llvm::any_of(result.getUsers(), [&](Operation *user) {
            return !group.ops.contains(user);
          }))
        results.push_back(result);
  };
  addResults(group.sink);
  for (Operation *op : ops)
    if (op != group.sink)
      addResults(op);

  // The operands are known once the body is, so the body comes first.
  OpBuilder builder(group.sink->getBlock(), ++Block::iterator(group.sink));
  Region region;
  body = &region.emplaceBlock();
  for (Operation *op : ops)
    op->moveBefore(body, body->end());
  firstMoved = &body->front();
  for (Operation *op : ops)
    op->walk([&](Operation *inner) {
      for (OpOperand &operand : inner->getOpOperands())
        if (!region.isAncestor(operand.get().getParentRegion()))
          operand.set(getInside(operand.get()));
    });

  Location loc = group.sink->getLoc();
  auto kernel = KernelOp::create(builder, loc, TypeRange(ValueRange(results)),
                                 inputs, group.name, /*plan=*/ArrayAttr());
  kernel.getBody().takeBody(region);
  for (auto [result, outside] : llvm::zip_equal(results, kernel.getResults()))
    result.replaceAllUsesWith(outside);
  builder.setInsertionPointToEnd(body);
  YieldOp::create(builder, loc, results);
  return kernel;
}

/// Whether `op` is of the network level; of this dialect's others a kernel may
/// hold none yet.
bool isNetworkOp(Operation *op) {
  return isa<BflyDialect>(op->getDialect()) && !isa<KernelOp>(op) &&
         op->getNumResults() != 0 &&
         llvm::all_of(op->getResultTypes(), llvm::IsaPred<RankedTensorType>);
}

/// What a filter does between its transforms: the maps, with their context.
/// Empty where there are none.
KernelGroup getMaps(const KernelGroup &filter) {
  KernelGroup maps;
  maps.name = "spectrum_map";
  maps.sink = filter.sink;
  if (auto ifft = dyn_cast<IfftOp>(filter.sink))
    maps.sink = ifft.getInput().getDefiningOp();
  if (isa<SpectrumMapOp>(maps.sink))
    for (Operation *op : filter.ops)
      if (!isa<FftOp, IfftOp>(op))
        maps.ops.insert(op);
  return maps;
}

/// What nobody uses is not worth a kernel, and would be a second sink.
void eraseDeadOps(Block *block) {
  for (Operation &op : llvm::make_early_inc_range(llvm::reverse(*block)))
    if (isOpTriviallyDead(&op))
      op.erase();
}

struct ConvertNetworkToSchedulePass
    : public bfly::impl::ConvertNetworkToSchedulePassBase<
          ConvertNetworkToSchedulePass> {
  using ConvertNetworkToSchedulePassBase::ConvertNetworkToSchedulePassBase;

  void runOnOperation() override {
    machine = getMachine(getOperation());
    WalkResult mixers = getOperation().walk([](Operation *op) {
      if (!isa<SpectralFilterOp, ButterflyAttentionOp>(op))
        return WalkResult::advance();
      op->emitOpError("must become network operations before kernels form");
      return WalkResult::interrupt();
    });
    if (mixers.wasInterrupted())
      return signalPassFailure();
    SmallVector<Block *> blocks;
    getOperation().walk<WalkOrder::PreOrder>([&](Operation *op) {
      if (isa<BflyDialect>(op->getDialect()))
        return WalkResult::skip();
      for (Region &region : op->getRegions())
        for (Block &block : region)
          blocks.push_back(&block);
      return WalkResult::advance();
    });
    for (Block *block : blocks)
      formKernels(block);
  }

private:
  void formKernels(Block *block);

  Machine machine;

  /// Reports why `op` gets a kernel of its own.
  void explain(Operation *op, StringRef reason) {
    if (remarks)
      op->emitRemark("not fused: ") << reason;
  }
};

void ConvertNetworkToSchedulePass::formKernels(Block *block) {
  eraseDeadOps(block);
  SmallVector<KernelGroup> groups;
  DenseMap<Operation *, std::string> reasons;
  DenseSet<Operation *> taken;
  auto take = [&](KernelGroup group) {
    taken.insert(group.ops.begin(), group.ops.end());
    groups.push_back(std::move(group));
  };
  if (fuse) {
    for (Operation &op : *block) {
      if (taken.contains(&op))
        continue;
      std::string reason;
      if (auto stage = dyn_cast<AttentionStageOp>(op)) {
        take(findAttention(stage, reason));
        if (!reason.empty())
          reasons[groups.back().sink] = reason;
      } else if (auto fft = dyn_cast<FftOp>(op)) {
        FailureOr<KernelGroup> group = findFilter(fft, reason);
        std::string library = explainLibrary(fft.getTokens(), machine);
        if (failed(group)) {
          reasons[fft] = reason;
        } else if (library.empty()) {
          if (group->ops.size() > 1)
            take(std::move(*group));
        } else if (KernelGroup maps = getMaps(*group);
                   !maps.ops.empty() && !taken.contains(maps.sink)) {
          reasons[maps.sink] = library;
          take(std::move(maps));
        }
      }
    }
  }
  for (Operation &op : *block)
    if (isNetworkOp(&op) && !taken.contains(&op)) {
      KernelGroup group;
      group.ops.insert(&op);
      group.sink = &op;
      group.name = op.getName().stripDialect();
      std::string library;
      if (auto fft = dyn_cast<FftOp>(op))
        library = explainLibrary(fft.getTokens(), machine);
      else if (auto ifft = dyn_cast<IfftOp>(op))
        library = explainLibrary(ifft.getTokens(), machine);
      if (!library.empty())
        reasons[&op] = library;
      groups.push_back(std::move(group));
    }
  for (const KernelGroup &group : groups) {
    auto reason = reasons.find(group.sink);
    if (reason != reasons.end())
      explain(group.sink, reason->second);
    KernelOp kernel = KernelBuilder(group).build();
    if (reason != reasons.end())
      kernel->setAttr("bfly.unfused",
                      StringAttr::get(&getContext(), reason->second));
  }
  eraseDeadOps(block);
}

} // namespace
