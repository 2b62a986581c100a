// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The dialect, its attributes, and what its operations share.

#ifndef BFLY_IR_BFLYBASE_TD
#define BFLY_IR_BFLYBASE_TD

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/BuiltinAttributeInterfaces.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "bfly/IR/BflyInterfaces.td"

def Bfly_Dialect : Dialect {
  let name = "bfly";
  let cppNamespace = "::mlir::bfly";
  let summary = "Token mixers shaped like a Fourier transform";
  let description = [{
    A network of log2 N stages, each of which combines tokens 2^i apart: the
    fixed weights of a Fourier transform (`bfly.spectral_filter`, FFTNet, arXiv
    2502.18394) or weights computed from the data (`bfly.butterfly_attention`,
    FFT-IA, Tantisukarom 2025). The dialect has operations at five levels of the
    same program; every one says at which it lives, who makes it, and which pass
    removes it:

    - mixer: whole layers on tensors, what people and importers write;
    - network: transforms, spectra and attention stages, on tensors;
    - schedule: the same inside `bfly.kernel`, with a plan;
    - affine: memrefs and affine loops, plus a few operations on registers,
      tables and tiles;
    - gpu: what a GPU's kernels need beside upstream's gpu, memref and scf.

    Below these a program is in upstream's dialects alone: nvvm and binary on a
    GPU, then llvm.

    Shapes: B batch (may be dynamic), N tokens, D channels, H heads, dh = D/H.
    Tensors are row major, (B, N, D). Weights are stored (out, in), as
    `torch.nn.Linear` stores them. f16 and bf16 are storage types: arithmetic
    is in f32, the *compute type*; f32 and f64 compute in themselves.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasOperationAttrVerify = 1;
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::complex::ComplexDialect",
  ];
}

class Bfly_Op<string mnemonic, list<Trait> traits = []>
    : Op<Bfly_Dialect, mnemonic, traits>;

// Of the network level, for the schedule (BflyInterfaces.td).
class Bfly_NetworkLevelOp<string mnemonic, list<Trait> traits = [],
                          list<string> own = []>
    : Bfly_Op<mnemonic, traits # [
        DeclareOpInterfaceMethods<Bfly_NetworkOp, own>]>;

class Bfly_Attr<string name, string mnemonic_, list<Trait> traits = []>
    : AttrDef<Bfly_Dialect, name, traits> {
  let mnemonic = mnemonic_;
}

// Documentation comes in the order of these summaries.
def Bfly_MixerLevel : OpDocGroup {
  let summary = "Level 1: mixer";
  let description = "Whole layers on tensors: what people write and importers make.";
}
def Bfly_NetworkLevel : OpDocGroup {
  let summary = "Level 2: network";
  let description = "Transforms, spectra and attention stages, on tensors.";
}
def Bfly_ScheduleLevel : OpDocGroup {
  let summary = "Level 3: schedule";
  let description = "Network operations gathered in one kernel, with its plan.";
}
def Bfly_AffineLevel : OpDocGroup {
  let summary = "Level 4: affine";
  let description = "What the nests hold beside upstream's loops and loads.";
}

// Types ----------------------------------------------------------------------

def Bfly_Float : AnyTypeOf<[F16, BF16, F32, F64], "f16, bf16, f32 or f64">;
def Bfly_ComputeFloat : AnyTypeOf<[F32, F64], "f32 or f64">;
def Bfly_Complex
    : AnyTypeOf<[Complex<F32>, Complex<F64>], "complex<f32> or complex<f64>">;
def Bfly_RealOrComplex : AnyTypeOf<[Bfly_Float, Bfly_Complex],
    "f16, bf16, f32, f64, complex<f32> or complex<f64>">;

// (B, N, D).
def Bfly_Sequence : TensorRankOf<[Bfly_Float], [3]>;
def Bfly_AnySequence : TensorRankOf<[Bfly_RealOrComplex], [3]>;
def Bfly_Spectrum : TensorRankOf<[Bfly_Complex], [3]>;
def Bfly_FloatTensor : RankedTensorOf<[Bfly_Float]>;
def Bfly_Vector1 : TensorRankOf<[Bfly_Float], [1]>;
def Bfly_Matrix : TensorRankOf<[Bfly_Float], [2]>;

// Attributes -----------------------------------------------------------------

def Bfly_Scoring : I32EnumAttr<"Scoring",
    "how a stage computes its scores; all five are the same function", [
      I32EnumAttrCase<"Definition", 0, "definition">,
      I32EnumAttrCase<"PairDifference", 1, "pair_difference">,
      I32EnumAttrCase<"Chained", 2, "chained">,
      I32EnumAttrCase<"Folded", 3, "folded">,
      I32EnumAttrCase<"Carried", 4, "carried">,
    ]> {
  let cppNamespace = "::mlir::bfly";
  let genSpecializedAttr = 0;
}
def Bfly_ScoringAttr : EnumAttr<Bfly_Dialect, Bfly_Scoring, "scoring"> {
  let assemblyFormat = "$value";
}

def Bfly_TableKind : I32EnumAttr<"TableKind", "a table of complex constants", [
      I32EnumAttrCase<"Roots", 0, "roots">,
      I32EnumAttrCase<"Chirp", 1, "chirp">,
      I32EnumAttrCase<"ChirpSpectrum", 2, "chirp_spectrum">,
    ]> {
  let cppNamespace = "::mlir::bfly";
  let genSpecializedAttr = 0;
}
def Bfly_TableKindAttr : EnumAttr<Bfly_Dialect, Bfly_TableKind, "table_kind"> {
  let assemblyFormat = "$value";
}

def Bfly_TargetAttr : Bfly_Attr<"Target", "target"> {
  let summary = "the machine that a module is compiled for";
  let description = [{
    The attribute `bfly.target` of a module, set by `-bfly-set-target` or written by a person: the
    target's name, and every fact of the machine that a pass reads, in bytes and elements. Facts
    that are left out are those of the table in lib/Dialect/Machine.cpp; what is written overrides
    it, for a chip with fewer multiprocessors, say.

    ```mlir
    module attributes {bfly.target = #bfly.target<"cpu", lanes = 16, threads = 8>} {}
    ```
  }];
  let parameters = (ins "::mlir::bfly::Machine":$machine);
  let hasCustomAssemblyFormat = 1;
  let extraClassDeclaration = [{
    /// Of the module.
    static constexpr ::llvm::StringLiteral attributeName = "bfly.target";
  }];
}

#endif // BFLY_IR_BFLYBASE_TD
