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
PlanAttr choosePlan(KernelOp kernel, const Machine &machine);

/// The machine that a kernel's plan names: the target of its module, with what
/// that overrides, if it is the one; else that of the table. nullopt without a
/// plan, or where there is none of that name.
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

/// What they may take of it: all but what buffers' alignment may waste.
inline int64_t getLocalSharedBytes(const Machine &machine) {
  return machine.sharedBytes - machine.sharedBytes / 32;
}

/// Bytes of an element of the state where a GPU stores it, from `first` on: as
/// the kernel's own input, if the weights are of that type too.
int64_t getStoredBytes(AttentionStageOp first);

/// Whether a stage's heads are apart and its scores what those nests compute.
bool isLocalAttention(AttentionStageOp stage);

/// Whether `pad` appends zeros to the tokens and does nothing else, and whether
/// `slice` keeps the first tokens and all of the rest: attention's kernels hold
/// such around their stages.
bool isTokenPad(tensor::PadOp pad);
bool isTokenCut(tensor::ExtractSliceOp slice);

/// Whether a plan that somebody wrote fits its kernel and the machine, or else
/// the one that it names: an error says which word does not, its value and what
/// is allowed.
LogicalResult verifyPlan(KernelOp kernel, const Machine &machine);
LogicalResult verifyPlan(KernelOp kernel);

/// Why a library transforms so many tokens and no kernel of the machine; empty
/// where a kernel does.
std::string explainLibrary(int64_t tokens, const Machine &machine);

/// The one operation of a kernel on tensors that has a plan, if it is an fft or
/// ifft that a library does; else null.
Operation *getLibraryTransform(KernelOp kernel);

/// The same for a matrix product: one that is large, and aligned as the library
/// is quick with. Null for any other, and for one with relu, which would make a
/// number of a NaN there.
LinearOp getLibraryProduct(KernelOp kernel);

/// The name of the library that does what `kernel` holds; empty where the
/// kernel does.
StringRef getLibrary(KernelOp kernel);

} // namespace mlir::bfly

#endif // BFLY_SCHEDULE_PLAN_H
