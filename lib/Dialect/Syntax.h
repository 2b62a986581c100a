// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Syntax that the declarative formats leave to code.

#ifndef BFLY_LIB_DIALECT_SYNTAX_H
#define BFLY_LIB_DIALECT_SYNTAX_H

#include "bfly/IR/Bfly.h"

namespace mlir::bfly {

ParseResult
parseBroadcastParams(OpAsmParser &parser,
                     SmallVectorImpl<OpAsmParser::UnresolvedOperand> &params,
                     SmallVectorImpl<Type> &types, ArrayAttr &paramDims);
void printBroadcastParams(OpAsmPrinter &printer, Operation *op,
                          OperandRange params, TypeRange types,
                          ArrayAttr paramDims);
ParseResult
parseKernelSignature(OpAsmParser &parser, Region &body,
                     SmallVectorImpl<OpAsmParser::UnresolvedOperand> &inputs,
                     SmallVectorImpl<Type> &inputTypes,
                     SmallVectorImpl<Type> &resultTypes, ArrayAttr &plan);
void printKernelSignature(OpAsmPrinter &printer, Operation *op, Region &body,
                          OperandRange inputs, TypeRange inputTypes,
                          TypeRange resultTypes, ArrayAttr plan);
ParseResult parseScope(OpAsmParser &parser, Region &body,
                       SmallVectorImpl<OpAsmParser::UnresolvedOperand> &sizes,
                       DenseI64ArrayAttr &staticSizes, SyncAttr &sync);
void printScope(OpAsmPrinter &printer, Operation *op, Region &body,
                OperandRange sizes, DenseI64ArrayAttr staticSizes,
                SyncAttr sync);

} // namespace mlir::bfly

#endif // BFLY_LIB_DIALECT_SYNTAX_H
