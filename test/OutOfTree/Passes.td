// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef MIXER_PASSES_TD
#define MIXER_PASSES_TD

include "mlir/Pass/PassBase.td"

def CancelTransformsPass : Pass<"cancel-transforms", "::mlir::func::FuncOp"> {
  let summary = "Leave out a transform and its inverse with nothing between";
}

#endif // MIXER_PASSES_TD
