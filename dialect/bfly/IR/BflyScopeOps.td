// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Affine level, on a GPU: who does what, and who waits for whom.

#ifndef BFLY_IR_BFLYSCOPEOPS_TD
#define BFLY_IR_BFLYSCOPEOPS_TD

include "bfly/IR/BflyAffineOps.td"
include "mlir/IR/OpAsmInterface.td"
include "mlir/Interfaces/LoopLikeInterface.td"

def Bfly_Sync : I32EnumAttr<"Sync", "who waits for whom where a scope ends", [
      I32EnumAttrCase<"None", 0, "none">,
      I32EnumAttrCase<"Block", 1, "block">,
      I32EnumAttrCase<"Grid", 2, "grid">,
    ]> {
  let cppNamespace = "::mlir::bfly";
  let genSpecializedAttr = 0;
}
def Bfly_SyncAttr : EnumAttr<Bfly_Dialect, Bfly_Sync, "sync"> {
  let assemblyFormat = "$value";
}

// An iteration is a program of its own, in which its numbers are fixed: an
// affine scope, where they are symbols. Upstream knows the numbers of such an
// operation, and simplifies none of its own kind away.
class Bfly_ScopeOp<string mnemonic, string number> : Bfly_Op<mnemonic, [
    AffineScope, AutomaticAllocationScope, RecursiveMemoryEffects,
    SingleBlockImplicitTerminator<"YieldOp">,
    DeclareOpInterfaceMethods<LoopLikeOpInterface, [
      "getLoopInductionVars", "getLoopLowerBounds", "getLoopUpperBounds",
      "getLoopSteps"]>,
    DeclareOpInterfaceMethods<MemoryEffectsOpInterface>,
    DeclareOpInterfaceMethods<OpAsmOpInterface, ["getAsmBlockArgumentNames"]>]> {
  let arguments = (ins Variadic<Index>:$sizes,
                       DenseI64ArrayAttr:$static_sizes, Bfly_SyncAttr:$sync);
  let results = (outs);
  let regions = (region SizedRegion<1>:$body);
  let assemblyFormat = [{
    custom<Scope>($body, $sizes, $static_sizes, $sync) attr-dict-with-keyword
  }];
  let hasVerifier = 1;
  let builders = [
    OpBuilder<(ins "::llvm::ArrayRef<::mlir::OpFoldResult>":$sizes, "Sync":$sync), [{
      ::llvm::SmallVector<::mlir::Value> dynamic;
      ::llvm::SmallVector<int64_t> known;
      ::mlir::dispatchIndexOpFoldResults(sizes, dynamic, known);
      build($_builder, $_state, dynamic, known, sync);
      ::mlir::Region &body = *$_state.regions.front();
      ::mlir::Block &block = body.emplaceBlock();
      for (size_t i = 0; i < sizes.size(); ++i)
        block.addArgument($_builder.getIndexType(), $_state.location);
      ensureTerminator(body, $_builder, $_state.location);
    }]>,
  ];
  let extraClassDeclaration = [{
    /// The numbers of an iteration, each from 0 to below its size.
    ::mlir::Block::BlockArgListType getNumbers() {
      return getBody().getArguments();
    }
    ::llvm::SmallVector<::mlir::OpFoldResult> getMixedSizes() {
      return ::mlir::getMixedValues(getStaticSizes(), getSizes(), getContext());
    }
  }];
  let extraClassDefinition = [{
    ::llvm::SmallVector<::mlir::Region *> $cppClass::getLoopRegions() {
      return {&getBody()};
    }
    std::optional<::llvm::SmallVector<::mlir::Value>>
    $cppClass::getLoopInductionVars() {
      return ::llvm::SmallVector<::mlir::Value>(getNumbers());
    }
    std::optional<::llvm::SmallVector<::mlir::OpFoldResult>>
    $cppClass::getLoopLowerBounds() {
      return ::llvm::SmallVector<::mlir::OpFoldResult>(
          getNumbers().size(), ::mlir::Builder(*this).getIndexAttr(0));
    }
    std::optional<::llvm::SmallVector<::mlir::OpFoldResult>>
    $cppClass::getLoopUpperBounds() {
      return getMixedSizes();
    }
    std::optional<::llvm::SmallVector<::mlir::OpFoldResult>>
    $cppClass::getLoopSteps() {
      return ::llvm::SmallVector<::mlir::OpFoldResult>(
          getNumbers().size(), ::mlir::Builder(*this).getIndexAttr(1));
    }
    void $cppClass::getEffects(
        ::llvm::SmallVectorImpl<::mlir::MemoryEffects::EffectInstance> &effects) {
      // A barrier is one for all memory, and stays where nothing else is done.
      if (getSync() == Sync::None)
        return;
      effects.emplace_back(::mlir::MemoryEffects::Read::get());
      effects.emplace_back(::mlir::MemoryEffects::Write::get());
    }
    void $cppClass::getAsmBlockArgumentNames(
        ::mlir::Region &region, ::mlir::OpAsmSetValueNameFn setName) {
      for (::mlir::Value value : region.getArguments())
        setName(value, "}] # number # [{");
    }
  }];
}

let opDocGroup = Bfly_AffineLevel in {

def Bfly_GridOp : Bfly_ScopeOp<"grid", "unit"> {
  let summary = "Units of work that the blocks of a GPU's kernel take";
  let description = [{
        for every unit (u, v, ...) below the sizes, in any order: body(u, v, ...)

    A *phase* of a kernel. A block takes one unit after the other, every
    gridDim-th of them, and does it as a whole: what stands in the body outside of
    `bfly.threads` every thread of the block does alike. A buffer in workgroup
    memory is the block's, one in private memory has a row for each of its
    threads; both are its own until the unit ends. Units do not depend on each
    other. With `sync(grid)` every block waits where the phase ends until all of
    its units are done; with `sync(none)`, as the last phase of a kernel has it,
    none waits.

    An iteration is an affine scope: its numbers are symbols in it, and so is
    every index that is there before it begins.

    Lifespan: made by `-bfly-convert-schedule-to-affine`; blocks by
    `-bfly-convert-affine-to-gpu`, loops by `-bfly-expand-scopes` where a GPU is
    emulated.

    Constraints:
    - (C1) there is a number for each size, at least one, and no size is negative
    - (C2) it is in no `bfly.grid` and no `bfly.threads`
    - (C3) it ends in a barrier of the grid or in none

    Example:
    ```mlir
    bfly.grid (%b, %slab) in (%batch, 8) sync(grid) {
      %s = memref.alloc() : memref<64xf32, #gpu.address_space<workgroup>>
      bfly.threads (%t) in (64) sync(block) {
        %v = affine.load %x[%b, %slab * 64 + %t] : memref<?x512xf32>
        affine.store %v, %s[%t] : memref<64xf32, #gpu.address_space<workgroup>>
      }
      bfly.threads (%t) in (64) sync(block) {
        %v = affine.load %s[-%t + 63] : memref<64xf32, #gpu.address_space<workgroup>>
        affine.store %v, %y[%b, %slab * 64 + %t] : memref<?x512xf32>
      }
    }
    ```
  }];
}

def Bfly_ThreadsOp : Bfly_ScopeOp<"threads", "t"> {
  let summary = "Iterations that are dealt to a scope's threads";
  let description = [{
        for every (i, j, ...) below the sizes, in any order: body(i, j, ...)

    In a `bfly.grid` the threads are those of the block that has the unit:
    iteration i, all dimensions counted as one, is done by thread i mod `threads`,
    so that of as many iterations as threads each thread has its own. Outside of
    one the threads are those of all blocks, and the operation is a phase.
    Iterations do not depend on each other.

    The barrier at the end is spelled: with `sync(block)` all threads of the block
    wait until every iteration is done, with `sync(grid)` all of the grid, with
    `sync(none)` none waits, and what follows must not need what others have done.

    An iteration is an affine scope, as a unit is.

    Lifespan: made by `-bfly-convert-schedule-to-affine` and
    `-bfly-expand-matrix-products`; threads by `-bfly-convert-affine-to-gpu`,
    loops by `-bfly-expand-scopes` where a GPU is emulated.

    Constraints:
    - (C1) there is a number for each size, at least one, and no size is negative
    - (C2) it is in no `bfly.threads`
    - (C3) its barrier is none, the block's in a `bfly.grid`, and the grid's
      elsewhere

    Example:
    ```mlir
    bfly.threads (%b, %i) in (%batch, 64) sync(none) {
      %v = affine.load %x[%b, %i] : memref<?x64xf32>
      affine.store %v, %y[%b, %i] : memref<?x64xf32>
    }
    ```
  }];
}

} // let opDocGroup

#endif // BFLY_IR_BFLYSCOPEOPS_TD
