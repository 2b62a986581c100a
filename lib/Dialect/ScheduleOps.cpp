// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifier and syntax of the schedule level.

#include "bfly/IR/Bfly.h"

#include "Syntax.h"
#include "mlir/IR/Builders.h"

using namespace mlir;
using namespace mlir::bfly;

LogicalResult KernelOp::verify() {
  Block &block = getBody().front();
  if (block.getArgumentTypes() != getInputs().getTypes())
    return emitOpError("(C1) the block's arguments must have the types of the "
                       "operands");
  if (block.getTerminator()->getOperandTypes() != getResultTypes())
    return emitOpError("(C2) the yielded values must have the types of the "
                       "results");
  auto isTensor = [](Type type) { return isa<RankedTensorType>(type); };
  auto isBuffer = [](Type type) {
    return isa<MemRefType, FloatType, IntegerType, IndexType>(type);
  };
  bool tensors = llvm::all_of(getInputs().getTypes(), isTensor);
  bool buffers =
      llvm::all_of(getInputs().getTypes(), isBuffer) && getNumResults() == 0;
  if (!tensors && !buffers)
    return emitOpError("(C3) operands and results are all tensors, or operands "
                       "are buffers and there is no result");
  if (getOperation()->getParentOfType<KernelOp>())
    return emitOpError("(C4) a kernel cannot be in another kernel");
  return success();
}

InFlightDiagnostic KernelOp::emitKernelError() {
  InFlightDiagnostic error = emitOpError();
  error << '"' << getName() << "\" of (" << getInputs().getTypes() << ") ";
  return error;
}

ParseResult mlir::bfly::parseKernelSignature(
    OpAsmParser &parser, Region &body,
    SmallVectorImpl<OpAsmParser::UnresolvedOperand> &inputs,
    SmallVectorImpl<Type> &inputTypes, SmallVectorImpl<Type> &resultTypes,
    ArrayAttr &plan) {
  SmallVector<OpAsmParser::Argument> arguments;
  auto parseInput = [&]() -> ParseResult {
    return failure(parser.parseArgument(arguments.emplace_back()) ||
                   parser.parseEqual() ||
                   parser.parseOperand(inputs.emplace_back()));
  };
  if (parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseInput))
    return failure();
  if (succeeded(parser.parseOptionalKeyword("plan"))) {
    // Before 0.2 a plan was one attribute, with words of every kind of kernel.
    SMLoc planLoc = parser.getCurrentLocation();
    if (succeeded(parser.parseOptionalLess()))
      return parser.emitError(planLoc)
             << "a plan is a list of parts, such as "
                "[#bfly.gpu_block<threads = 256>]; write this one anew";
    // That it has parts of plans alone the verifier says.
    if (parser.parseAttribute(plan))
      return failure();
  }
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseColon() ||
      parser.parseCommaSeparatedList(
          OpAsmParser::Delimiter::Paren,
          [&] { return parser.parseType(inputTypes.emplace_back()); }) ||
      parser.parseOptionalArrowTypeList(resultTypes))
    return failure();
  if (inputTypes.size() != arguments.size())
    return parser.emitError(loc, "expected ")
           << arguments.size() << " operand types, got " << inputTypes.size();
  for (auto [argument, type] : llvm::zip_equal(arguments, inputTypes))
    argument.type = type;
  if (parser.parseRegion(body, arguments))
    return failure();
  KernelOp::ensureTerminator(body, parser.getBuilder(),
                             parser.getEncodedSourceLoc(loc));
  return success();
}

void mlir::bfly::printKernelSignature(OpAsmPrinter &printer, Operation *op,
                                      Region &body, OperandRange inputs,
                                      TypeRange inputTypes,
                                      TypeRange resultTypes, ArrayAttr plan) {
  printer << '(';
  llvm::interleaveComma(
      llvm::zip(body.getArguments(), inputs), printer, [&](auto pair) {
        printer << std::get<0>(pair) << " = " << std::get<1>(pair);
      });
  printer << ')';
  if (plan) {
    printer << " plan " << plan;
  }
  printer << " : (" << inputTypes << ')';
  printer.printOptionalArrowTypeList(resultTypes);
  printer << ' ';
  printer.printRegion(body, /*printEntryBlockArgs=*/false,
                      /*printBlockTerminators=*/!resultTypes.empty());
}
