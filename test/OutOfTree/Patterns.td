// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#ifndef MIXER_PATTERNS_TD
#define MIXER_PATTERNS_TD

include "bfly/IR/BflyOps.td"
include "mlir/IR/PatternBase.td"

// The types differ where a complex signal's real part is taken.
def SameType : Constraint<CPred<"$0.getType() == $1.getType()">>;

def CancelTransforms : Pat<(Bfly_IfftOp:$result (Bfly_FftOp $x)),
                           (replaceWithValue $x), [(SameType $x, $result)]>;

#endif // MIXER_PATTERNS_TD
