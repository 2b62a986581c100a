// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The choice of a kernel's plan.

#ifndef BFLY_SCHEDULE_PLAN_H
#define BFLY_SCHEDULE_PLAN_H

#include "bfly/IR/Bfly.h"
#include "bfly/IR/Machine.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include <string>

namespace mlir::bfly {

/// The best plan for a kernel on tensors, by what fits where.
ArrayAttr choosePlan(KernelOp kernel, const Machine &machine);

/// Whether a plan has the parts that its kernel's nests ask for on the target
/// of its module, and whether each fits: an error says which part does not, by
/// what constraint, and what is allowed.
LogicalResult verifyPlan(KernelOp kernel);

/// The plans that differ from a kernel's in one word and fit.
SmallVector<ArrayAttr> getNeighbours(KernelOp kernel);

/// The target of its module, for a kernel that has a plan.
std::optional<Machine> getPlannedMachine(KernelOp kernel);

/// How one head's stages run in a block's shared memory.
struct LocalAttention {
  /// Depth of the projections, padded; columns of a chunk of the query's, as
  /// many as of the key's, and their number.
  int64_t depth, columns, chunks;

  /// Shared memory of a block that holds `rows` tokens.
  int64_t getSharedBytes(int64_t rows, int64_t elementBytes) const;
};
LocalAttention getLocalAttention(int64_t headChannels);

/// What nests and plans want to know of a stage of attention, or of its
/// derivative.
struct StageForm {
  /// Of the state, which is (B, tokens, channels).
  int64_t tokens, channels, heads;
  /// Of the query, and of the key; null where scores are carried.
  RankedTensorType weights;
  Scoring scoring;
  double scale;
  /// Bytes of an element of the state where a GPU stores it: as the kernel's
  /// own input, if the weights are of that type too.
  int64_t storedBytes;
  bool isBackward;

  bool isPerHead() const;
};
StageForm getForm(AttentionStageOp first);
StageForm getForm(AttentionStageBackwardOp op);

/// How a GPU's unit computes a stage as a phase: the products of a tile of
/// pairs for a group of heads, or for a chunk of one head's columns.
struct GridAttention {
  /// Whether heads have weights of their own, for their own channels.
  bool perHead;
  /// A group is some whole heads, each of `headColumns` columns; or one head,
  /// in chunks of `columns`.
  int64_t groupHeads, groups, headColumns, chunks, columns;
  /// Channels that a projection is over, the depth of a step and the steps.
  int64_t span, stepDepth, steps;
  /// Parts of a pair in the state; of f32 with its difference, which would be
  /// rounded, or overflow, in 16 bits. A derivative has a second product, over
  /// three parts: the gradients of both queries and of the pair's key.
  int64_t parts, mostParts;

  /// Bytes of a step of the products, of the widest.
  int64_t getSlotBytes(int64_t threads, int64_t elementBytes) const;
};
GridAttention getGridAttention(const StageForm &form,
                               GpuGridAttentionAttr plan);

/// Whether `pad` appends zeros to the tokens and does nothing else, and whether
/// `slice` keeps the first tokens and all of the rest: attention's kernels hold
/// such around their stages.
bool isTokenPad(tensor::PadOp pad);
bool isTokenCut(tensor::ExtractSliceOp slice);

/// Bytes of a block's shared memory for sums over the bins of a slab's columns,
/// `sums` of each, of so many bytes; and how many items of a column have sums
/// of their own there at most, before those are added up.
int64_t getSumsBytes(int64_t columns, int64_t sums, int64_t elementBytes);
int64_t getMostItemsOfSums(int64_t columns, int64_t sums, int64_t elementBytes);

/// Whether so many bytes fit in a block's shared memory beside the slabs of a
/// kernel's transforms.
bool fitsBesideSlabs(KernelOp kernel, int64_t bytes);

/// Why a library transforms so many tokens and no kernel of the machine; empty
/// where a kernel does.
std::string explainLibrary(int64_t tokens, const Machine &machine);

/// The one operation of a kernel on tensors whose plan gives it to a library,
/// an fft, ifft or linear; else null.
Operation *getLibraryOp(KernelOp kernel);

/// The name of the library that does what `kernel` holds; empty where the
/// kernel does.
StringRef getLibrary(KernelOp kernel);

} // namespace mlir::bfly

#endif // BFLY_SCHEDULE_PLAN_H
