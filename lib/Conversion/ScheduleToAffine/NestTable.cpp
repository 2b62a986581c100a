// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "NestTable.h"

#include "AttentionChain.h"
#include "CPU/WeightsNest.h"
#include "DenseLayers.h"
#include "SpectralMaps.h"

#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::bfly;

// Operations that one nest does together ------------------------------------

/// Whether a chain takes a spectrum up as its second, and is not cut before.
static bool isTakenUp(OpOperand &use) {
  if (!getSecondSpectrum(use))
    return false;
  for (OpOperand *bins = &use.getOwner()->getOpOperand(0);
       continuesSpectrum(*bins);
       bins = &bins->get().getDefiningOp()->getOpOperand(0))
    for (OpOperand &other : bins->get().getUses())
      if (!continuesSpectrum(other) && !isa<SpectrumBinOp>(other.getOwner()))
        return false;
  return true;
}

/// Whether a spectrum, or what a map makes of one, is needed in memory: by the
/// kernel's end, or by an operation that does not take it up.
static bool endsChain(Operation *op) {
  return llvm::any_of(op->getResult(0).getUses(), [](OpOperand &use) {
    auto bin = dyn_cast<SpectrumBinOp>(use.getOwner());
    return !continuesSpectrum(use) && !(bin && isTokenSum(bin)) &&
           !isTakenUp(use);
  });
}

/// Whether a map makes sums alone.
static bool makesSums(Operation *op) {
  auto map = dyn_cast<SpectrumMapOp>(op);
  return map && map.getResult().use_empty() && !map.use_empty();
}

/// A chain transform → maps → inverse, emitted from its end.
template <bool onGPU>
static LogicalResult emitSpectralChain(KernelEmitter &emitter, Operation *op) {
  if (!isa<IfftOp>(op) && !endsChain(op) && !makesSums(op))
    return success();
  NestBuilder nest = emitter.makeNest(op);
  SpectralChain chain = getSpectralChain(emitter, op);
  if constexpr (onGPU)
    return emitSpectralChainOnGPU(emitter, nest, chain);
  emitSpectralChainOnCPU(emitter, nest, chain);
  return success();
}

/// Stages with what is around them, emitted from the value that leaves them.
template <bool onGPU>
static LogicalResult emitAttentionChain(KernelEmitter &emitter, Operation *op) {
  auto sink = llvm::find_if(op->getResults(), [&](Value result) {
    return emitter.findBuffer(result) != nullptr;
  });
  if (sink == op->result_end())
    return success();
  FailureOr<AttentionChain> chain = getAttentionChain(emitter, *sink);
  if (failed(chain) || chain->stages.empty())
    return failure(failed(chain));
  NestBuilder nest = emitter.makeNest(chain->stages.front());
  if constexpr (onGPU)
    return emitAttentionOnGPU(emitter, nest, std::move(*chain));
  emitAttentionOnCPU(emitter, nest, std::move(*chain));
  return success();
}

static void emitLoneProject(KernelEmitter &emitter, ProjectOp op) {
  bool inChain = llvm::all_of(op->getUsers(), llvm::IsaPred<AttentionStageOp>);
  if (!inChain)
    emitProject(emitter, op);
}

// The table ------------------------------------------------------------------

namespace {

class Table {
public:
  Table() {
    add<FftOp, emitSpectralChain<false>, emitSpectralChain<true>>();
    add<SpectrumMapOp, emitSpectralChain<false>, emitSpectralChain<true>>();
    add<IfftOp, emitSpectralChain<false>, emitSpectralChain<true>>();
    add<SpectrumBinOp, emitBin>();

    add<AttentionStageOp, emitAttentionChain<false>,
        emitAttentionChain<true>>();
    add<tensor::PadOp, emitAttentionChain<false>, emitAttentionChain<true>>();
    add<tensor::ExtractSliceOp, emitAttentionChain<false>,
        emitAttentionChain<true>>();
    add<arith::ExtFOp, emitAttentionChain<false>, emitAttentionChain<true>>();
    add<arith::TruncFOp, emitAttentionChain<false>, emitAttentionChain<true>>();
    add<FoldWeightsOp, emitFoldWeights>();
    add<ProjectOp, emitLoneProject>();
    add<AttentionStageBackwardOp, emitAttentionBackwardOnCPU,
        emitAttentionBackwardOnGPU>();

    add<LinearOp, emitLinearOnCPU, emitLinearOnGPU>();
    add<RowProductOp, emitRowProductOnCPU, emitRowProductOnGPU>();
    add<LayerNormOp, emitLayerNormOnCPU, emitLayerNormOnGPU>();
    add<MeanOp, emitMean>();
    add<HadamardOp, emitHadamard>();
  }

  const Nest *find(Operation *op) const {
    auto nest = nests.find(op->getName().getTypeID());
    return nest == nests.end() ? nullptr : &nest->second;
  }

private:
  template <typename OpTy, auto emit>
  static LogicalResult call(KernelEmitter &emitter, Operation *op) {
    if constexpr (std::is_invocable_r_v<LogicalResult, decltype(emit),
                                        KernelEmitter &, Operation *>)
      return emit(emitter, op);
    else if constexpr (std::is_invocable_r_v<LogicalResult, decltype(emit),
                                             KernelEmitter &, OpTy>)
      return emit(emitter, cast<OpTy>(op));
    else
      emit(emitter, cast<OpTy>(op));
    return success();
  }
  template <typename OpTy, auto onCPU, auto onGPU = onCPU> void add() {
    nests[TypeID::get<OpTy>()] = {call<OpTy, onCPU>, call<OpTy, onGPU>};
  }

  DenseMap<TypeID, Nest> nests;
};

} // namespace

const Nest *mlir::bfly::findNest(Operation *op) {
  static const Table table;
  return table.find(op);
}
