// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Schedule level: network operations gathered in one kernel, with its plan.

#ifndef BFLY_IR_BFLYSCHEDULEOPS_TD
#define BFLY_IR_BFLYSCHEDULEOPS_TD

include "bfly/IR/BflyNetworkOps.td"
include "bfly/IR/BflyPlans.td"

let opDocGroup = Bfly_ScheduleLevel in {

def Bfly_KernelOp : Bfly_Op<"kernel", [
    SingleBlockImplicitTerminator<"YieldOp">, IsolatedFromAbove, AffineScope,
    RecursiveMemoryEffects]> {
  let summary = "A network that runs as one kernel";
  let description = [{
    Everything in the region runs as one kernel: one nest on a CPU, one launch on
    a GPU, with no full-size temporary in memory between its stages. At schedule
    level the operands and results are tensors and the body holds network
    operations; at affine level operands (the results among them, last) are
    memrefs, there are no results, and the body holds loops.

    `plan` is chosen by `-bfly-choose-plan`, or written by a person, and printed
    with the kernel. It has one part for each decision that the kernel's nests
    ask for, and each part exactly the words that they read (their constraints
    are with the attributes): a plan is kept word by word, or refused by
    `-bfly-choose-plan` and `-bfly-convert-schedule-to-affine`.

    Lifespan: made by `-bfly-convert-network-to-schedule`; its body goes to affine level by
    `-bfly-convert-schedule-to-affine`; removed by `-bfly-inline-kernels` (CPU).

    Constraints:
    - (C1) the block's arguments have the types of the operands
    - (C2) the yielded values have the types of the results
    - (C3) operands and results are all tensors, or operands are memrefs or
      scalars and there is no result
    - (C4) it is in no other kernel

    Example:
    ```mlir
    %y = bfly.kernel "filter" (%a = %x)
        plan [#bfly.cpu_transform<channels = 32, radices = [16, 8, 8], groups = [<0 to 2 in slab>]>]
        : (tensor<4x1024x64xf32>) -> tensor<4x1024x64xf32> {
      %f = bfly.fft %a : tensor<4x1024x64xf32> -> tensor<4x513x64xcomplex<f32>>
      %r = bfly.ifft %f : tensor<4x513x64xcomplex<f32>> -> tensor<4x1024x64xf32>
      bfly.yield %r : tensor<4x1024x64xf32>
    }
    ```
  }];
  let arguments = (ins Variadic<AnyType>:$inputs, StrAttr:$name,
                       OptionalAttr<Bfly_PlanAttr>:$plan);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    $name custom<KernelSignature>($body, $inputs, type($inputs), type($results), $plan)
    attr-dict-with-keyword
  }];
  let hasVerifier = 1;
  let extraClassDeclaration = [{
    /// The part of the plan that is of a kind; null where it has none.
    template <typename Part> Part getPlanPart() {
      if (::mlir::ArrayAttr plan = getPlanAttr())
        for (::mlir::Attribute part : plan)
          if (auto found = ::mlir::dyn_cast<Part>(part))
            return found;
      return {};
    }
    /// An error about this kernel: its place, name and types, and what follows.
    ::mlir::InFlightDiagnostic emitKernelError();
  }];
}

} // let opDocGroup

#endif // BFLY_IR_BFLYSCHEDULEOPS_TD
