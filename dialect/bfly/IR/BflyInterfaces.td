// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What the compiler asks an operation of the network level, one that has a
// derivative, and a part of a plan, whichever it is.

#ifndef BFLY_IR_BFLYINTERFACES_TD
#define BFLY_IR_BFLYINTERFACES_TD

include "mlir/IR/OpBase.td"

def Bfly_NetworkOp : OpInterface<"NetworkOpInterface"> {
  let cppNamespace = "::mlir::bfly";
  let description = [{
    An operation that kernels are made of: what it costs, and what a kernel's
    plan and report have to know of it. How it becomes loops is in the table of
    nests (lib/Conversion/ScheduleToAffine/NestTable.cpp).
  }];
  let methods = [
    InterfaceMethod<[{
      The arithmetic: additions, multiplications, divisions and functions count
      1 each, moving data nothing. `length` is the length of the kernel's
      transforms: N, or that of Bluestein's convolution.
    }], "::mlir::bfly::Amount", "getFlops", (ins "int64_t":$length)>,
    InterfaceMethod<[{
      Those flops that a GPU's matrix units do where a kernel uses them.
    }], "::mlir::bfly::Amount", "getMatrixFlops", (ins), "", "return {};">,
    InterfaceMethod<[{
      Adds what the operation is to what its kernel holds.
    }], "void", "describe", (ins "::mlir::bfly::Network &":$network)>,
    InterfaceMethod<[{
      Whether it is a piece of a mixer, so that a kernel of it alone has
      something to explain.
    }], "bool", "isPieceOfMixer", (ins), "", "return true;">,
  ];
}

def Bfly_DifferentiableOp : OpInterface<"DifferentiableOpInterface"> {
  let cppNamespace = "::mlir::bfly";
  let description = [{
    An operation that brings its derivative, for `-bfly-differentiate` and for
    the regions of filters (docs/derivatives.md): all of the mixer and network
    levels. Operations of upstream's dialects have it by external models
    (lib/Transforms/DerivativeRules.h).
  }];
  let methods = [
    InterfaceMethod<[{
      Makes the gradients of the operands from those of the results (null where
      nothing depends on one) and adds them to `gradients`, for what it wants. An
      error is reported at the operation.
    }], "::llvm::LogicalResult", "differentiate",
    (ins "::mlir::OpBuilder &":$builder,
         "::llvm::ArrayRef<::mlir::Value>":$results,
         "::mlir::bfly::Gradients &":$gradients)>,
  ];
}

// Of an operation of this dialect that has one.
defvar Bfly_HasDerivative = DeclareOpInterfaceMethods<Bfly_DifferentiableOp>;

def Bfly_PlanPart : AttrInterface<"PlanPart"> {
  let cppNamespace = "::mlir::bfly";
  let description = [{
    One part of a kernel's plan. A kernel has exactly one part for each decision
    that its nests ask for (lib/Schedule/PlanParts.cpp has the table), and a part
    has exactly the words that those nests read.
  }];
  let methods = [
    InterfaceMethod<"Every word with its value, in the order they are printed.",
                    "::llvm::SmallVector<::mlir::NamedAttribute>", "getWords">,
  ];
}

#endif // BFLY_IR_BFLYINTERFACES_TD
