// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The Walsh-Hadamard transform: the operation, and the part of its plan.

#ifndef BFLY_IR_BFLYHADAMARD_TD
#define BFLY_IR_BFLYHADAMARD_TD

include "bfly/IR/BflyNetworkOps.td"
include "bfly/IR/BflyPlans.td"

def Bfly_HadamardOp : Bfly_NetworkLevelOp<"hadamard", [
    Pure, AllTypesMatch<["input", "result"]>, Bfly_HasDerivative],
    ["isPieceOfMixer"]> {
  let summary = "Walsh-Hadamard transform along the tokens";
  let description = [{
        y[b,n,c] = s sum_m (-1)^popcount(n AND m) x[b,m,c]

    with s = 1, or 1/sqrt(N) where it is `orthonormal`, which makes it its own
    inverse. The order is the natural one, of Sylvester's matrices. Stage i of
    log2 N replaces tokens 2^i apart, a before b, by a + b and a - b: a Fourier
    transform without its roots of unity, which mixes tokens as FNet's does
    (arXiv 2105.03824) and takes additions alone.

    Lifespan: written by people and importers, kept at network level; removed by
    `-bfly-convert-schedule-to-affine`.

    Constraints:
    - (C1) N and D are static and at least 1
    - (C2) N is a power of two
    - (C3) the number of elements fits in 63 bits

    Example:
    ```mlir
    %y = bfly.hadamard %x orthonormal : tensor<?x1024x256xf32>
    ```
  }];
  let arguments = (ins Bfly_Sequence:$input, UnitAttr:$orthonormal);
  let results = (outs Bfly_Sequence:$result);
  let assemblyFormat = [{
    $input (`orthonormal` $orthonormal^)? attr-dict `:` type($input)
  }];
  let opDocGroup = Bfly_MixerLevel;
  let hasVerifier = 1;
}

def Bfly_HadamardAttr
    : Bfly_PlanPartAttr<"Hadamard", "hadamard", ["rows", "channels", "radix"]> {
  let summary = "how a CPU, or a GPU's blocks, do a Walsh-Hadamard transform";
  let description = [{
    - `rows`, tokens of a slab: log2 `rows` stages are a group, run in a CPU's
      cache or a block's shared memory; the state is in memory between groups;
    - `channels` of a slab;
    - `radix`: so many values are in registers at a time, for log2 `radix` stages.

    Constraints:
    - (P1) `rows` is a power of two from 2 to 2^20, and no more than N but 2
    - (P2) `channels` is from 1 to 2^20
    - (P3) `radix` is a power of two from 2 to 32, and no more than `rows`
    - (P4) on a GPU a slab fits in a block's shared memory

    ```mlir
    #bfly.hadamard<rows = 1024, channels = 32, radix = 16>
    ```
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$channels, "int64_t":$radix);
  let assemblyFormat = [{
    `<` `rows` `=` $rows `,` `channels` `=` $channels `,` `radix` `=` $radix `>`
  }];
}

#endif // BFLY_IR_BFLYHADAMARD_TD
