// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The dialect's C++ face: attributes, operations, and the types they share.

#ifndef BFLY_IR_BFLY_H
#define BFLY_IR_BFLY_H

#include "mlir/Bytecode/BytecodeOpInterface.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Complex/IR/Complex.h"
#include "mlir/Dialect/LLVMIR/LLVMTypes.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Dialect.h"
#include "mlir/IR/OpDefinition.h"
#include "mlir/IR/OpImplementation.h"
#include "mlir/Interfaces/ControlFlowInterfaces.h"
#include "mlir/Interfaces/InferTypeOpInterface.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include "bfly/IR/Amount.h"
#include "bfly/IR/BflyDialect.h.inc"
#include "bfly/IR/BflyEnums.h.inc"
#include "bfly/IR/Machine.h"

namespace mlir::bfly {
/// What a kernel holds (bfly/IR/Network.h).
struct Network;
/// Of the values of a function (bfly/IR/Gradients.h).
class Gradients;
} // namespace mlir::bfly

#include "bfly/IR/BflyAttrInterfaces.h.inc"
#include "bfly/IR/BflyInterfaces.h.inc"

#define GET_ATTRDEF_CLASSES
#include "bfly/IR/BflyAttrs.h.inc"

#define GET_OP_CLASSES
#include "bfly/IR/BflyOps.h.inc"

namespace mlir::bfly {

/// Dimensions of a (B, N, D) tensor, as `param_dims` numbers them.
enum SequenceDim : int64_t { kBatch = 0, kBin = 1, kChannel = 2 };

/// Threads that multiply 64 rows of a tile product together: what its
/// operations call a warpgroup.
constexpr int64_t kWarpgroup = 128;

/// The type that arithmetic on `type` is done in: f64 for f64, f32 for f32,
/// f16 and bf16. A complex type gives its component's.
FloatType getComputeType(Type type);

/// log2 of the next power of two: the number of stages of N tokens.
int64_t getNumStages(int64_t tokens);

/// The number of elements, dynamic dimensions counted as 1; nullopt where it
/// does not fit in 63 bits.
std::optional<int64_t> getNumElements(ShapedType type);

/// `input` (B, N, D) with `tokens` tokens, those beyond its own zero; and the
/// first tokens of `padded`, as many as `input` has.
Value padTokens(OpBuilder &builder, Location loc, Value input, int64_t tokens);
Value cutTokens(OpBuilder &builder, Location loc, Value padded, Value input);

/// Whether an operation of a kernel reads a tensor as one number: an
/// element-wise one a constant all of whose elements are the same. Others want
/// a buffer.
bool readsAsNumber(Operation *op, Value tensor);

/// Whether a use of a spectrum is by the next link of its chain: a map or an
/// inverse that reads it as what the transform or the map before made, of as
/// many tokens, all of their bins or half.
bool continuesSpectrum(OpOperand &use);

/// The transform that makes a map's parameter, if that is a whole spectrum like
/// the one that the map reads, and if a transform makes that too: a kernel can
/// transform both together. Null if not.
FftOp getSecondSpectrum(OpOperand &use);

/// Whether elements of a type have the same distance in a vector as in an
/// array: not those of a bit, or of 24.
bool liesInVectorsAsInArrays(Type elementType);

/// Whether a memref lies in a block's shared memory, and in a thread's
/// registers.
bool isInWorkgroupMemory(Type type);
bool isInPrivateMemory(Type type);

/// "file:line:column" of the first place in a file that a location names, of
/// calls, fusions and names too; "" if it names none.
std::string describeSource(Location location);

} // namespace mlir::bfly

#endif // BFLY_IR_BFLY_H
