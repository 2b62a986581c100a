// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Plans of a GPU: what a block's shared memory and registers hold.

#include "PlanRules.h"

#include "bfly/Schedule/Radices.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

/// Real numbers of a slab of `lanes` columns in a block's shared memory, where
/// a row is skipped after so many as the last pass takes: see SlabTransform.
static int64_t getSlabSize(ArrayRef<int64_t> radices, int64_t parts,
                           int64_t lanes) {
  int64_t rows = parts;
  for (int64_t radix : radices)
    rows *= radix;
  return 2 * lanes * (rows + (radices.empty() ? 0 : rows / radices.back()));
}

/// Shared memory beside a slab: sums of other phases, and barriers.
static constexpr int64_t kSharedReserve = 4 << 10;

PlanAttr mlir::bfly::planGPUTransform(KernelOp kernel, const Network &network,
                                      const Machine &machine) {
  MLIRContext *context = kernel.getContext();
  int64_t tokens = network.transformTokens, bytes = network.getElementBytes();
  int64_t columns = network.getChannels();
  if (network.packed)
    columns = (columns + 1) / 2;
  // Rows of a slab of f32 that are 32 bytes wide, which is what memory gives at
  // once; wider ones where the transform is short, for every thread to have
  // work.
  constexpr int64_t kRow = 4, kSlab = 8192;
  SmallVector<int64_t> radices;
  SmallVector<GroupAttr> groups;
  int64_t lanes = 1, threads = 256;
  if (machine.transforms(tokens)) {
    int64_t limit = machine.sharedBytes - kSharedReserve;
    // The widest slab that fits, at most `most` wide.
    auto fit = [&](ArrayRef<int64_t> passes, int64_t parts, int64_t most) {
      while (most && getSlabSize(passes, parts, most) * bytes > limit)
        most /= 2;
      return most;
    };
    radices = factorIntoRadices(tokens, kLargestRadix);
    int64_t last = static_cast<int64_t>(radices.size()) - 1;
    lanes = fit(radices, 1, std::max(kRow, kSlab / tokens));
    if (lanes * bytes >= kRow * 4 || tokens <= kLargestRadix) {
      if (last >= 0)
        groups.push_back(GroupAttr::get(context, 0, last, Place::Shared));
    } else {
      // The first pass through memory; then pairs of its sub-transforms.
      radices = factorIntoRadices(tokens / kLargestRadix, kLargestRadix);
      last = radices.size();
      lanes =
          fit(radices, 2, std::max(kRow, kSlab * kLargestRadix / (2 * tokens)));
      lanes = std::max<int64_t>(lanes, 1);
      radices.insert(radices.begin(), kLargestRadix);
      groups.push_back(GroupAttr::get(context, 0, 0, Place::Memory));
      groups.push_back(GroupAttr::get(context, 1, last, Place::Shared));
    }
    // Blocks take slabs in waves: narrower ones where fewer would be idle in
    // the last.
    int64_t batch =
        ShapedType::isDynamic(network.getBatch()) ? 1 : network.getBatch();
    int64_t blocks = machine.multiprocessors *
                     std::max<int64_t>(1, machine.residentThreads / threads);
    auto cost = [&](int64_t width) {
      int64_t slabs = batch * llvm::divideCeilSigned(columns, width);
      return llvm::divideCeilSigned(slabs, blocks) * width;
    };
    if (groups.size() < 2)
      for (int64_t width = lanes / 2; width >= kRow; width /= 2)
        if (cost(width) < cost(lanes))
          lanes = width;
    lanes = std::min(lanes, columns);
    // A block of many threads where only one fits.
    int64_t rows = tokens / (groups.size() > 1 ? kLargestRadix / 2 : 1);
    if (2 * lanes * rows * bytes > limit / 2)
      threads = 512;
  } else {
    lanes = std::min<int64_t>(columns, 32);
  }
  int64_t tile = network.packed ? 2 * lanes : lanes;
  return PlanAttr::get(context, StringAttr::get(context, machine.name), lanes,
                       tile, radices, groups, StringAttr::get(context, "tile"),
                       threads);
}

/// Columns of queries, and as many of keys, whose fragments fit in registers
/// for both tokens of a pair.
static constexpr int64_t kLocalColumns = 64;

/// Tokens in a block's shared memory at most, and the least that are worth it.
static constexpr int64_t kMostRows = 512, kLeastRows = 256;

LocalAttention mlir::bfly::getLocalAttention(int64_t headChannels) {
  int64_t padded = llvm::alignTo(headChannels, 8);
  int64_t chunks = llvm::divideCeil(padded, kLocalColumns);
  return {
      static_cast<int64_t>(llvm::alignTo(headChannels, 16)),
      static_cast<int64_t>(llvm::alignTo(llvm::divideCeil(padded, chunks), 8)),
      chunks};
}

int64_t LocalAttention::getSharedBytes(int64_t rows,
                                       int64_t elementBytes) const {
  // Two buffers of the state and the weights, in core matrices with a row
  // between them; partial scores and gates of every pair.
  int64_t elements = (2 * rows + 2 * columns) * depth * 9 / 8;
  return elements * elementBytes + 4 * (8 * (rows / 2 + 8) + rows);
}

bool mlir::bfly::isLocalAttention(AttentionStageOp stage) {
  if (stage.getScoring() != Scoring::Definition)
    return false;
  auto type = cast<RankedTensorType>(stage.getWeights()[0].getType());
  return type.getRank() == 4 ||
         type.getShape().back() != stage.getState().getType().getDimSize(2);
}

int64_t mlir::bfly::getStoredBytes(AttentionStageOp first) {
  Value source = first.getState();
  while (Operation *op = source.getDefiningOp()) {
    if (!isa<arith::ExtFOp, tensor::PadOp>(op))
      break;
    source = op->getOperand(0);
  }
  auto type = cast<RankedTensorType>(source.getType()).getElementType();
  auto weights = cast<RankedTensorType>(first.getWeights()[0].getType());
  return type == weights.getElementType() ? type.getIntOrFloatBitWidth() / 8
                                          : 4;
}

/// Whether a block can do all stages of such a network.
static bool isLocalNetwork(const Network &network) {
  return network.numStages() == getNumStages(network.getAttentionTokens()) &&
         llvm::all_of(network.stages, isLocalAttention);
}

PlanAttr mlir::bfly::planGPUAttention(KernelOp kernel, const Network &network,
                                      const Machine &machine) {
  MLIRContext *context = kernel.getContext();
  AttentionStageOp first = network.stages.front();
  bool local = isLocalNetwork(network);
  // Two warpgroups, each with 64 pairs at a time: as many as leave a thread all
  // its registers for their products.
  constexpr int64_t threads = 256, tile = 128;
  auto getPlan = [&](int64_t pairs, ArrayRef<GroupAttr> groups) {
    return PlanAttr::get(context, StringAttr::get(context, machine.name),
                         /*lanes=*/8, pairs, {}, groups,
                         StringAttr::get(context, "tile"), threads);
  };
  int64_t rows = kMostRows;
  if (local) {
    LocalAttention heads =
        getLocalAttention(network.getChannels() / int64_t(first.getHeads()));
    int64_t bytes = getStoredBytes(first);
    while (rows >= kLeastRows &&
           heads.getSharedBytes(rows, bytes) > getLocalSharedBytes(machine))
      rows /= 2;
    local = rows >= kLeastRows;
  }
  if (!local)
    return getPlan(tile, GroupAttr::get(context, 0, network.numStages() - 1,
                                        Place::Memory));
  // As many stages as the rows of a block have bits.
  SmallVector<GroupAttr> groups;
  int64_t most = llvm::Log2_64(rows);
  for (int64_t stage = 0; stage < network.numStages(); stage += most)
    groups.push_back(GroupAttr::get(
        context, stage, std::min(stage + most, network.numStages()) - 1,
        Place::Shared));
  return getPlan(rows / 2, groups);
}

/// What a GPU's blocks can run, of a kernel with a transform's passes.
LogicalResult mlir::bfly::verifyGPUTransform(KernelOp kernel,
                                             const Network &network,
                                             const Machine &machine) {
  PlanAttr plan = kernel.getPlanAttr();
  ArrayRef<int64_t> radices = plan.getRadices();
  for (int64_t radix : radices)
    if (radix < 2 || radix > 32)
      return kernel.emitKernelError()
             << "has a plan with a pass of radix " << radix
             << "; a thread's registers take 2 to 32 values";
  int64_t parts = 1;
  if (plan.getGroups().size() == 2) {
    radices = radices.drop_front();
    parts = 2;
  }
  for (GroupAttr group : plan.getGroups()) {
    bool outer = parts == 2 && group.getFirst() == 0;
    Place place = outer ? Place::Memory : Place::Shared;
    if (group.getPlace() != place)
      return kernel.emitKernelError()
             << "has a plan with passes in " << stringifyPlace(group.getPlace())
             << "; a first of two groups is in memory, all else in shared";
  }
  int64_t bytes =
      getSlabSize(radices, parts, plan.getLanes()) * network.getElementBytes();
  if (bytes > machine.sharedBytes - kSharedReserve)
    return kernel.emitKernelError()
           << "has a plan whose slab of " << bytes
           << " bytes does not fit in a block's "
           << machine.sharedBytes - kSharedReserve << " bytes of shared memory";
  return success();
}

LogicalResult mlir::bfly::verifyGPUAttention(KernelOp kernel,
                                             const Network &network,
                                             const Machine &machine) {
  PlanAttr plan = kernel.getPlanAttr();
  if (plan.getThreads() < kWarpgroup || plan.getThreads() % kWarpgroup)
    return kernel.emitKernelError()
           << "has a plan of " << plan.getThreads()
           << " threads, which are no whole warpgroups of " << kWarpgroup;
  // Pairs of a tile are counted in 64 bits, many times over.
  if (plan.getTile() < 1 || plan.getTile() > (1 << 20))
    return kernel.emitKernelError()
           << "has a plan of tiles of " << plan.getTile() << " pairs";
  int64_t next = 0, rows = 2 * plan.getTile();
  for (GroupAttr group : plan.getGroups()) {
    int64_t count = group.getLast() - group.getFirst() + 1;
    next = group.getLast() + 1;
    if (group.getPlace() != Place::Shared)
      continue;
    if (rows < 1 || rows % plan.getThreads() || count > 16 ||
        rows % (int64_t(1) << count))
      return kernel.emitKernelError()
             << "has a plan of tiles of " << plan.getTile()
             << " pairs, which do not hold its group of " << count
             << " stages in shared memory, or not a pair for every "
             << "two threads";
  }
  if (next != network.numStages())
    return kernel.emitKernelError()
           << "has a plan whose groups do not cover its " << network.numStages()
           << " stages";
  return verifyLocalAttention(kernel, network, machine);
}

LogicalResult mlir::bfly::verifyLocalAttention(KernelOp kernel,
                                               const Network &network,
                                               const Machine &machine) {
  PlanAttr plan = kernel.getPlanAttr();
  auto inShared = [](GroupAttr group) {
    return group.getPlace() == Place::Shared;
  };
  if (llvm::none_of(plan.getGroups(), inShared))
    return success();
  if (!llvm::all_of(plan.getGroups(), inShared))
    return kernel.emitKernelError()
           << "has a plan with groups in shared and in memory; all are in one "
              "place";
  if (!isLocalNetwork(network))
    return kernel.emitKernelError()
           << "has a plan with groups in shared memory, where only all stages "
              "of one network are, with weights per head and scores as "
              "defined; others are in memory";
  AttentionStageOp first = network.stages.front();
  int64_t bytes =
      getLocalAttention(network.getChannels() / int64_t(first.getHeads()))
          .getSharedBytes(2 * plan.getTile(), getStoredBytes(first));
  int64_t limit = getLocalSharedBytes(machine);
  if (bytes > limit)
    return refuse(kernel, "tile", plan.getTile())
           << "its groups take " << bytes << " bytes of a block's " << limit
           << " bytes of shared memory";
  return success();
}
