// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Plans: what the nests of a kernel read, a part for each kind of nest.

#ifndef BFLY_IR_BFLYPLANS_TD
#define BFLY_IR_BFLYPLANS_TD

include "bfly/IR/BflyBase.td"

class Bfly_PlanPartAttr<string name, string mnemonic_, list<string> words>
    : Bfly_Attr<name, mnemonic_,
                [DeclareAttrInterfaceMethods<Bfly_PlanPart>]> {
  let genVerifyDecl = 1;
  let extraClassDefinition =
      "::llvm::SmallVector<::mlir::NamedAttribute> $cppClass::getWords() const { return {"
      # !interleave(!foreach(word, words, "toWord(getContext(), \"" # word # "\", get"
            # !toupper(!substr(word, 0, 1)) # !substr(word, 1) # "())"), ", ")
      # "}; }";
}

def Bfly_Place : I32EnumAttr<"Place", "where the state of a group of stages lives", [
      I32EnumAttrCase<"Slab", 0, "slab">,
      I32EnumAttrCase<"Pair", 1, "pair">,
      I32EnumAttrCase<"Shared", 2, "shared">,
      I32EnumAttrCase<"Memory", 3, "memory">,
    ]> {
  let cppNamespace = "::mlir::bfly";
  let genSpecializedAttr = 0;
}

def Bfly_GroupAttr : Bfly_Attr<"Group", "group"> {
  let summary = "consecutive stages whose state stays in one place";
  let description = [{
    Stages `first` … `last` (inclusive) of a network run without their state
    leaving `place`: on a CPU the whole `slab` of a transform, or a `pair` of its
    sub-transforms at a time; on a GPU a block's `shared` memory, or `memory`.
    For a transform a stage is one radix pass.
  }];
  let parameters = (ins "int64_t":$first, "int64_t":$last,
                        EnumParameter<Bfly_Place>:$place);
  let assemblyFormat = "`<` $first `to` $last `in` $place `>`";
}

// Of a CPU -------------------------------------------------------------------

def Bfly_CpuTransformAttr
    : Bfly_PlanPartAttr<"CpuTransform", "cpu_transform",
                        ["channels", "radices", "groups"]> {
  let summary = "how a CPU transforms";
  let description = [{
    Read by the nest of transforms and of the maps between them.

    - `channels`: of a slab, which is transformed at once;
    - `radices`: of the passes, in the order they are taken;
    - `groups`: all passes over the whole slab; or the first over the slab, and
      the others, with the maps between them and their inverses, over a pair of
      its sub-transforms at a time, which stays in a smaller cache.

    Constraints:
    - (P1) `channels` is from 1 to 2^20
    - (P2) every one of `radices` is from 2 to 64
    - (P3) the product of `radices` is N; or for Bluestein's algorithm a power of
      two that is at least 2 N - 1
    - (P4) `groups` are `[]` without passes; `[<0 to L in slab>]`, L the last
      pass; or, where the product is N, `[<0 to 0 in slab>, <1 to L in pair>]`

    ```mlir
    #bfly.cpu_transform<channels = 32, radices = [16, 8, 8], groups = [<0 to 2 in slab>]>
    ```
  }];
  let parameters = (ins "int64_t":$channels,
      OptionalArrayRefParameter<"int64_t">:$radices,
      OptionalArrayRefParameter<"::mlir::bfly::GroupAttr">:$groups);
  let assemblyFormat = [{
    `<` `channels` `=` $channels `,` `radices` `=` `[` (`]`) : ($radices^ `]`)? `,`
    `groups` `=` `[` (`]`) : ($groups^ `]`)? `>`
  }];
}

def Bfly_CpuSlabsAttr
    : Bfly_PlanPartAttr<"CpuSlabs", "cpu_slabs", ["channels"]> {
  let summary = "how a CPU cuts channels where nothing is transformed";
  let description = [{
    Read by the nests of means, and of maps without a transform.

    Constraints:
    - (P1) `channels`, of a slab, is from 1 to 2^20

    ```mlir
    #bfly.cpu_slabs<channels = 32>
    ```
  }];
  let parameters = (ins "int64_t":$channels);
  let assemblyFormat = "`<` `channels` `=` $channels `>`";
}

def Bfly_CpuAttentionAttr
    : Bfly_PlanPartAttr<"CpuAttention", "cpu_attention", ["pairs", "parallel"]> {
  let summary = "how a CPU runs the stages of attention";
  let description = [{
    Read by the nests of attention's stages and of a stage's derivative.

    - `pairs`: of tokens, of a tile;
    - `parallel`: what is spread over the threads, the sequences of a `batch`, or
      the tiles of each sequence (`tile`), with a barrier after every stage.

    Constraints:
    - (P1) `pairs` is a power of two from 1 to 2^20
    - (P2) `parallel` is `"batch"` or `"tile"`

    ```mlir
    #bfly.cpu_attention<pairs = 64, parallel = "batch">
    ```
  }];
  let parameters = (ins "int64_t":$pairs, "StringAttr":$parallel);
  let assemblyFormat = "`<` `pairs` `=` $pairs `,` `parallel` `=` $parallel `>`";
}

def Bfly_CpuPanelsAttr
    : Bfly_PlanPartAttr<"CpuPanels", "cpu_panels", ["columns"]> {
  let summary = "how a CPU packs matrices of weights";
  let description = [{
    Read by every nest with a product of matrices.

    Constraints:
    - (P1) `columns`, of a panel, is from 1 to 1024

    ```mlir
    #bfly.cpu_panels<columns = 32>
    ```
  }];
  let parameters = (ins "int64_t":$columns);
  let assemblyFormat = "`<` `columns` `=` $columns `>`";
}

def Bfly_CpuDenseAttr : Bfly_PlanPartAttr<"CpuDense", "cpu_dense", ["rows"]> {
  let summary = "how a CPU cuts the rows of dense layers";
  let description = [{
    Read by the nests of `bfly.linear`, and of `bfly.row_product`, whose tiles
    are of the result's rows.

    Constraints:
    - (P1) `rows`, of a tile, is from 1 to 2^20

    ```mlir
    #bfly.cpu_dense<rows = 64>
    ```
  }];
  let parameters = (ins "int64_t":$rows);
  let assemblyFormat = "`<` `rows` `=` $rows `>`";
}

// Of a GPU -------------------------------------------------------------------

def Bfly_GpuBlockAttr
    : Bfly_PlanPartAttr<"GpuBlock", "gpu_block", ["threads"]> {
  let summary = "the blocks of a GPU's kernel";
  let description = [{
    Read by every nest of a GPU.

    Constraints:
    - (P1) `threads`, of a block, is a multiple of 32 from 32 to 1024
    - (P2) where stages of attention run, `threads` is a multiple of a warpgroup, 128

    ```mlir
    #bfly.gpu_block<threads = 256>
    ```
  }];
  let parameters = (ins "int64_t":$threads);
  let assemblyFormat = "`<` `threads` `=` $threads `>`";
}

def Bfly_GpuTransformAttr
    : Bfly_PlanPartAttr<"GpuTransform", "gpu_transform",
                        ["columns", "radices", "groups"]> {
  let summary = "how a GPU's blocks transform";
  let description = [{
    Read by the nest of transforms and of the maps between them.

    - `columns`: complex columns of a slab; of two real channels each where they
      share a transform;
    - `radices`: of the passes, in the order they are taken;
    - `groups`: all passes in a block's shared memory; or the first through
      memory, and the others on a pair of its sub-transforms in shared memory.

    Constraints:
    - (P1) `columns` is from 1 to 1024
    - (P2) every one of `radices` is from 2 to 32
    - (P3) the product of `radices` is N
    - (P4) `groups` are `[]` without passes; `[<0 to L in shared>]`, L the last
      pass; or `[<0 to 0 in memory>, <1 to L in shared>]`
    - (P5) a slab fits in a block's shared memory; of several spectra that a map
      reads, one for each, and beside them what sums over bins take

    ```mlir
    #bfly.gpu_transform<columns = 4, radices = [16, 16, 16], groups = [<0 to 2 in shared>]>
    ```
  }];
  let parameters = (ins "int64_t":$columns,
      OptionalArrayRefParameter<"int64_t">:$radices,
      OptionalArrayRefParameter<"::mlir::bfly::GroupAttr">:$groups);
  let assemblyFormat = [{
    `<` `columns` `=` $columns `,` `radices` `=` `[` (`]`) : ($radices^ `]`)? `,`
    `groups` `=` `[` (`]`) : ($groups^ `]`)? `>`
  }];
}

def Bfly_GpuGridAttentionAttr
    : Bfly_PlanPartAttr<"GpuGridAttention", "gpu_grid_attention",
                        ["columns", "heads", "depth", "slots"]> {
  let summary = "how a GPU runs a stage of attention as a phase";
  let description = [{
    The state is in memory between stages, and blocks take tiles of pairs for
    some heads each. A stage's derivative is two such phases.

    - `columns`: of a unit's products at most, of heads padded to 8 columns;
    - `heads`: of a unit at most, where all heads share their weights;
    - `depth`: channels of a step of the products at most;
    - `slots`: of the ring that steps are copied ahead into.

    Constraints:
    - (P1) `columns` is a multiple of 8 from 8 to 128 with scores of a
      pair_difference, to 64 as defined; half of that in f32
    - (P2) `heads` is from 1 to 8
    - (P3) `depth` is a multiple of 16 from 16 to 32, and in f32 16
    - (P4) `slots` is from 2 to 8, which fit in three quarters of a block's shared
      memory; and 2 where loops multiply (f32, or a machine without matrix units),
      which read memory as it is

    ```mlir
    #bfly.gpu_grid_attention<columns = 128, heads = 8, depth = 32, slots = 6>
    ```
  }];
  let parameters = (ins "int64_t":$columns, "int64_t":$heads, "int64_t":$depth,
                        "int64_t":$slots);
  let assemblyFormat = [{
    `<` `columns` `=` $columns `,` `heads` `=` $heads `,` `depth` `=` $depth `,`
    `slots` `=` $slots `>`
  }];
}

def Bfly_GpuBlockAttentionAttr
    : Bfly_PlanPartAttr<"GpuBlockAttention", "gpu_block_attention",
                        ["tokens", "groups"]> {
  let summary = "how a GPU runs groups of attention's stages in a block";
  let description = [{
    The state of one head of some sets of tokens stays in a block's shared
    memory for as many stages as a group has.

    - `tokens`: of a block;
    - `groups`: of stages; the state goes through memory between them.

    Constraints:
    - (P1) all stages of a network are in the kernel, with weights per head or
      one head, and scores as their definition
    - (P2) `tokens` is a multiple of `threads` of the block, and of 2^s for
      every group of s stages
    - (P3) `groups` hold all stages in their order, at most 16 each, in shared
    - (P4) tokens and weights fit in a block's shared memory

    ```mlir
    #bfly.gpu_block_attention<tokens = 512, groups = [<0 to 8 in shared>, <9 to 10 in shared>]>
    ```
  }];
  let parameters = (ins "int64_t":$tokens,
      OptionalArrayRefParameter<"::mlir::bfly::GroupAttr">:$groups);
  let assemblyFormat = [{
    `<` `tokens` `=` $tokens `,` `groups` `=` `[` (`]`) : ($groups^ `]`)? `>`
  }];
}

def Bfly_GpuDenseAttr : Bfly_PlanPartAttr<"GpuDense", "gpu_dense", ["rows", "depth"]> {
  let summary = "how a GPU's blocks do dense layers";
  let description = [{
    Read by the nest of `bfly.linear`.

    - `rows`: up to so many, each weight is read once for all of them, by dot
      products; more rows are cut into tiles in shared memory;
    - `depth`: of a step of such a tile.

    Constraints:
    - (P1) `rows` is from 0 to 64
    - (P2) `depth` is from 1 to 32

    ```mlir
    #bfly.gpu_dense<rows = 16, depth = 16>
    ```
  }];
  let parameters = (ins "int64_t":$rows, "int64_t":$depth);
  let assemblyFormat = "`<` `rows` `=` $rows `,` `depth` `=` $depth `>`";
}

def Bfly_GpuRowsAttr : Bfly_PlanPartAttr<"GpuRows", "gpu_rows", ["rows"]> {
  let summary = "how a GPU adds up products over rows";
  let description = [{
    Read by the nest of `bfly.row_product`.

    - `rows`: that a thread adds up for an element of the result; what threads
      have is added up afterwards. A dynamic number of rows is one thread's.

    Constraints:
    - (P1) `rows` is from 1 to 2^20

    ```mlir
    #bfly.gpu_rows<rows = 256>
    ```
  }];
  let parameters = (ins "int64_t":$rows);
  let assemblyFormat = "`<` `rows` `=` $rows `>`";
}

def Bfly_LibraryAttr : Bfly_PlanPartAttr<"Library", "library", ["name"]> {
  let summary = "the library that does what a kernel holds";
  let description = [{
    Instead of a nest's part, on a GPU. Around cuFFT loops copy what it takes
    and gives, for which there is a `#bfly.gpu_block` too.

    Constraints:
    - (P1) `name` is `"cuFFT"`, for a kernel of one `bfly.fft` or `bfly.ifft`; or
      `"cuBLASLt"`, for one of one `bfly.linear` without relu or of one
      `bfly.row_product`, not of f64, whose rows are multiples of 16 bytes

    ```mlir
    #bfly.library<name = "cuFFT">
    ```
  }];
  let parameters = (ins "StringAttr":$name);
  let assemblyFormat = "`<` `name` `=` $name `>`";
}

def Bfly_PlanAttr : TypedArrayAttrBase<Bfly_PlanPart, "the parts of a kernel's plan">;

#endif // BFLY_IR_BFLYPLANS_TD
