// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Checks that operations of several levels share. Each reports the label of the
// constraint in the operation's description that it enforces.

#ifndef BFLY_LIB_DIALECT_VERIFYUTILS_H
#define BFLY_LIB_DIALECT_VERIFYUTILS_H

#include "bfly/IR/Bfly.h"

namespace mlir::bfly {

/// All dimensions but the first are static, and every static one at least 1.
LogicalResult verifyStaticShape(Operation *op, RankedTensorType type,
                                StringRef label);

/// The number of elements and of bytes of each tensor fits in 63 bits.
LogicalResult verifySizes(Operation *op, StringRef label);

/// `number` is finite in the type that values of `type` are computed in.
LogicalResult verifyFinite(Operation *op, APFloat number, Type type,
                           StringRef label, StringRef name);

/// Sizes of `a` and `b` agree where both are known.
bool sameSize(int64_t a, int64_t b);

/// (C2) to (C5) and (C7) of an operation whose region is a function of a bin.
/// Parameters are broadcast over the shape of `input`; those that have a `bin`
/// dimension have one of the sizes in `bins` for it. What the region yields
/// after the bin is the caller's to verify.
LogicalResult verifyBinRegion(Operation *op, RankedTensorType input,
                              ArrayRef<int64_t> bins, ValueRange params,
                              ArrayAttr paramDims, Region &body,
                              bool mayYieldReal, bool mayYieldMore = false);

/// The leading size and form of attention weights: (C4) of butterfly_attention,
/// (C5) of attention_stage.
LogicalResult verifyAttentionWeights(Operation *op, RankedTensorType weights,
                                     int64_t channels, int64_t heads,
                                     StringRef label);

/// (C1) to (C3) of a stage of attention and of its derivative: N a power of
/// two, heads that divide D, and a stage that N has.
LogicalResult verifyStage(Operation *op, RankedTensorType state, int64_t heads,
                          int64_t stage);
/// (C4) and (C5) of the same, of one of its weights: their compute type, their
/// form, and that there are some for the stage.
LogicalResult verifyStageWeights(Operation *op, RankedTensorType weights,
                                 RankedTensorType state, int64_t heads,
                                 int64_t stage);

/// A word of a plan's part is a multiple of `multiple` in its range, or a power
/// of two. The error names word and value, and says what is allowed.
using EmitError = function_ref<InFlightDiagnostic()>;
LogicalResult verifyRange(EmitError emitError, StringRef label, StringRef word,
                          int64_t value, int64_t least, int64_t most,
                          int64_t multiple = 1);
LogicalResult verifyPowerOfTwo(EmitError emitError, StringRef label,
                               StringRef word, int64_t value, int64_t least,
                               int64_t most);

/// Whether every size is known, none is 0, and 16 bytes for each element fit in
/// 63 bits, so that nothing that is computed from the sizes overflows.
bool isStaticAndFull(MemRefType type);

} // namespace mlir::bfly

#endif // BFLY_LIB_DIALECT_VERIFYUTILS_H
