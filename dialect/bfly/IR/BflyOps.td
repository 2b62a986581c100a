// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef BFLY_IR_BFLYOPS_TD
#define BFLY_IR_BFLYOPS_TD

include "bfly/IR/BflyGpuOps.td"
include "bfly/IR/BflyGradientOps.td"
include "bfly/IR/BflyHadamard.td"

#endif // BFLY_IR_BFLYOPS_TD
