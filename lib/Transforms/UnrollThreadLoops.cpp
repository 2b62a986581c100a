// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// -bfly-unroll-thread-loops: several loads of a thread under way at once.
//
// Before: a GPU's plan, its affine loops lowered to scf. After: the innermost
// serial loops of threads of a unit are unrolled; what they compute is the
// same to the bit.

#include "bfly/Transforms/Passes.h"

#include "bfly/IR/Bfly.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Utils/Utils.h"

namespace mlir::bfly {
#define GEN_PASS_DEF_UNROLLTHREADLOOPSPASS
#include "bfly/Transforms/Passes.h.inc"
} // namespace mlir::bfly

using namespace mlir;
using namespace mlir::bfly;

/// Operations that an unrolled body may have: code beyond the instruction cache
/// gains nothing.
static constexpr uint64_t kLargestBody = 1024;

/// So many of `trips` iterations at once, `most` at most: the most that leave
/// none over, unless these are less than half of `most`.
static uint64_t chooseFactor(uint64_t trips, uint64_t most) {
  if (trips <= most)
    return trips;
  for (uint64_t times = most; 2 * times >= most && times > 1; --times)
    if (trips % times == 0)
      return times;
  return most;
}

namespace {

struct UnrollThreadLoopsPass
    : public bfly::impl::UnrollThreadLoopsPassBase<UnrollThreadLoopsPass> {
  using UnrollThreadLoopsPassBase::UnrollThreadLoopsPassBase;

  void runOnOperation() override {
    SmallVector<scf::ForOp> loops;
    getOperation()->walk([&](scf::ForOp loop) {
      bool isInnermost = true;
      loop.getBody()->walk([&](Operation *op) {
        isInnermost &= !isa<scf::ForOp, scf::ParallelOp, scf::WhileOp>(op);
      });
      auto threads = loop->getParentOfType<ThreadsOp>();
      if (isInnermost && threads && threads->getParentOfType<GridOp>())
        loops.push_back(loop);
    });
    for (scf::ForOp loop : loops) {
      std::optional<APInt> trips = loop.getStaticTripCount();
      if (!trips || trips->ult(2))
        continue;
      uint64_t ops = llvm::range_size(loop.getBody()->without_terminator());
      uint64_t most =
          std::min<uint64_t>(factor, kLargestBody / std::max<uint64_t>(ops, 1));
      uint64_t times = chooseFactor(trips->getZExtValue(), most);
      if (times < 2)
        continue;
      if (trips->ule(times) ? failed(loopUnrollFull(loop))
                            : failed(loopUnrollByFactor(loop, times)))
        return signalPassFailure();
    }
  }
};

} // namespace
