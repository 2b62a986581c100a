// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "AttentionChain.h"

#include "bfly/Schedule/Plan.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace mlir::bfly;

FailureOr<AttentionChain> mlir::bfly::getAttentionChain(KernelEmitter &emitter,
                                                        Value sink) {
  AttentionChain chain;
  chain.result = sink;
  Value value = sink;
  auto step = [&](auto type) {
    using OpType = decltype(type);
    auto op = value.getDefiningOp<OpType>();
    // A value that is in memory already is where the chain begins.
    if (!op || (value != sink && emitter.findBuffer(value)))
      return false;
    value = op->getOperand(0);
    return true;
  };
  Operation *cut = value.getDefiningOp<tensor::ExtractSliceOp>();
  step(tensor::ExtractSliceOp());
  step(arith::TruncFOp());
  while (auto stage = value.getDefiningOp<AttentionStageOp>()) {
    if (value != sink && emitter.findBuffer(value))
      break;
    if (value != stage.getResult())
      return AttentionChain(); // The image is stored with the state.
    chain.stages.insert(chain.stages.begin(), stage);
    value = stage.getState();
    chain.image = stage.getImage();
  }
  step(arith::ExtFOp());
  Operation *pad = value.getDefiningOp<tensor::PadOp>();
  if (!step(tensor::PadOp()))
    pad = nullptr;
  step(arith::ExtFOp());
  chain.source = value;
  Operation *op = sink.getDefiningOp();
  if (chain.stages.empty())
    return op->emitOpError(
        "cannot be part of a kernel without attention stages");
  if (pad && !isTokenPad(cast<tensor::PadOp>(pad)))
    return pad->emitOpError("cannot be part of a kernel: one may append zeros "
                            "to the tokens, nothing else");
  if (cut && !isTokenCut(cast<tensor::ExtractSliceOp>(cut)))
    return cut->emitOpError(
        "cannot be part of a kernel: one may keep the first "
        "tokens, nothing else");
  for (AttentionStageOp stage : chain.stages)
    if (bool(stage.getImage()) != bool(chain.image))
      return stage.emitOpError("carries an image, but its neighbour does not");
  return chain;
}
