// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Which nests a chain of attention stages becomes on a GPU.

#include "AttentionChain.h"
#include "GPU/BlockAttentionNest.h"
#include "GPU/GridAttentionNest.h"

#include "bfly/Schedule/Plan.h"

using namespace mlir;
using namespace mlir::bfly;

static LogicalResult verifyStage(AttentionStageOp stage) {
  Scoring scoring = stage.getScoring();
  if (scoring != Scoring::Definition && scoring != Scoring::PairDifference)
    return stage.emitOpError("scores as ")
           << stringifyScoring(scoring)
           << ", which does not run on a GPU; definition and pair_difference "
              "do";
  if (getComputeType(stage.getState().getType()).isF64())
    return stage.emitOpError(
        "is in f64, which runs on a CPU; f32, bf16 and f16 run on a GPU");
  return success();
}

/// A (B, N, D) array of what `stage` computes in, between phases.
static Value allocateRows(NestBuilder &nest, AttentionStageOp stage, Value like,
                          Type elementType) {
  RankedTensorType type = stage.getState().getType();
  return nest.allocateGlobal(nest.size(like, 0), type.getShape().drop_front(),
                             elementType);
}

LogicalResult mlir::bfly::emitAttentionOnGPU(KernelEmitter &emitter,
                                             NestBuilder &nest,
                                             AttentionChain chain) {
  for (AttentionStageOp stage : chain.stages)
    if (failed(verifyStage(stage)))
      return failure();
  AttentionStageOp first = chain.stages.front();
  RankedTensorType type = first.getState().getType();
  auto stored = cast<FloatType>(
      cast<RankedTensorType>(chain.source.getType()).getElementType());
  bool whole = chain.isWhole(), narrow = stored.getWidth() == 16;
  for (AttentionStageOp stage : chain.stages)
    for (Value weight : stage.getWeights())
      narrow &=
          cast<RankedTensorType>(weight.getType()).getElementType() == stored;
  // The state is stored as the caller's arrays are; and wider where a part of
  // a network has it in the compute type.
  FloatType elementType = narrow ? stored : nest.compute;
  auto query = [&](AttentionStageOp stage) {
    return emitter.getBuffer(stage.getWeights()[0]);
  };
  auto key = [&](AttentionStageOp stage) {
    return emitter.getBuffer(stage.getWeights()[1]);
  };
  Value input = emitter.getBuffer(chain.source);
  Value output = emitter.getBuffer(chain.result);

  auto plan = emitter.getPlan<GpuGridAttentionAttr>();
  auto block = emitter.getPlan<GpuBlockAttentionAttr>();
  if (block && !whole)
    return first.emitOpError("is of a part of a network, which "
                             "#bfly.gpu_block_attention is not for");
  SmallVector<Value> between;
  if (block) {
    ArrayRef<GroupAttr> groups = block.getGroups();
    // A group writes the rows that it read, so that one array serves all.
    Value to = output;
    auto outputType = cast<MemRefType>(output.getType());
    if (groups.size() > 1 && (outputType.getElementType() != elementType ||
                              outputType.getDimSize(1) != type.getDimSize(1))) {
      to = allocateRows(nest, first, input, elementType);
      between.push_back(to);
    }
    for (GroupAttr group : groups) {
      bool last = group == groups.back();
      BlockAttentionNest(nest, first, group.getFirst(),
                         group.getLast() - group.getFirst() + 1,
                         block.getTokens(), input, query(first), key(first),
                         last ? output : to, elementType)
          .emit();
      input = to;
    }
  } else if (whole) {
    GridAttentionNest(nest, plan, first, chain.stages.size(), input,
                      query(first), key(first), output, elementType)
        .emit();
  } else {
    // A part of a network, a stage at a time.
    for (auto [index, stage] : llvm::enumerate(chain.stages)) {
      Value to = output;
      if (index + 1 < chain.stages.size()) {
        to = allocateRows(nest, stage, input, nest.compute);
        between.push_back(to);
      }
      GridAttentionNest(nest, plan, stage, 1, input, query(stage), key(stage),
                        to, elementType)
          .emit();
      input = to;
    }
  }
  for (Value buffer : between)
    nest.free(buffer);
  return success();
}
