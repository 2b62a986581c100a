// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Verifiers and syntax of a GPU's scopes.

#include "bfly/IR/Bfly.h"

#include "Syntax.h"
#include "mlir/Interfaces/ViewLikeInterface.h"

using namespace mlir;
using namespace mlir::bfly;

static LogicalResult verifyNumbers(Operation *op, Region &body,
                                   ValueRange sizes,
                                   ArrayRef<int64_t> staticSizes) {
  size_t dynamic = llvm::count_if(staticSizes, ShapedType::isDynamic);
  if (staticSizes.empty() || body.getNumArguments() != staticSizes.size() ||
      dynamic != sizes.size() ||
      !llvm::all_of(body.getArgumentTypes(), llvm::IsaPred<IndexType>) ||
      llvm::any_of(staticSizes, [](int64_t size) {
        return size < 0 && !ShapedType::isDynamic(size);
      }))
    return op->emitOpError("(C1) needs a number for each size, at least one, "
                           "and no size that is negative");
  return success();
}

LogicalResult GridOp::verify() {
  if (failed(verifyNumbers(*this, getBody(), getSizes(), getStaticSizes())))
    return failure();
  if (getOperation()->getParentOfType<GridOp>() ||
      getOperation()->getParentOfType<ThreadsOp>())
    return emitOpError("(C2) cannot be in another bfly.grid or bfly.threads");
  if (getSync() == Sync::Block)
    return emitOpError("(C3) ends in a barrier of the grid or in none");
  return success();
}

LogicalResult ThreadsOp::verify() {
  if (failed(verifyNumbers(*this, getBody(), getSizes(), getStaticSizes())))
    return failure();
  if (getOperation()->getParentOfType<ThreadsOp>())
    return emitOpError("(C2) cannot be in another bfly.threads");
  bool inUnit = bool(getOperation()->getParentOfType<GridOp>());
  if (getSync() == (inUnit ? Sync::Grid : Sync::Block))
    return emitOpError("(C3) ends in a barrier of the block in a bfly.grid, of "
                       "the grid elsewhere, or in none");
  return success();
}

ParseResult
mlir::bfly::parseScope(OpAsmParser &parser, Region &body,
                       SmallVectorImpl<OpAsmParser::UnresolvedOperand> &sizes,
                       DenseI64ArrayAttr &staticSizes, SyncAttr &sync) {
  SmallVector<OpAsmParser::Argument> numbers;
  StringRef word;
  if (parser.parseArgumentList(numbers, OpAsmParser::Delimiter::Paren) ||
      parser.parseKeyword("in") ||
      parseDynamicIndexList(parser, sizes, staticSizes, /*valueTypes=*/nullptr,
                            OpAsmParser::Delimiter::Paren) ||
      parser.parseKeyword("sync") || parser.parseLParen())
    return failure();
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseKeyword(&word))
    return failure();
  std::optional<Sync> kind = symbolizeSync(word);
  if (!kind)
    return parser.emitError(loc, "expected none, block or grid");
  sync = SyncAttr::get(parser.getContext(), *kind);
  for (OpAsmParser::Argument &number : numbers)
    number.type = parser.getBuilder().getIndexType();
  loc = parser.getCurrentLocation();
  if (parser.parseRParen() || parser.parseRegion(body, numbers))
    return failure();
  GridOp::ensureTerminator(body, parser.getBuilder(),
                           parser.getEncodedSourceLoc(loc));
  return success();
}

void mlir::bfly::printScope(OpAsmPrinter &printer, Operation *op, Region &body,
                            OperandRange sizes, DenseI64ArrayAttr staticSizes,
                            SyncAttr sync) {
  printer << '(';
  llvm::interleaveComma(body.getArguments(), printer);
  printer << ") in ";
  printDynamicIndexList(printer, op, sizes, staticSizes,
                        /*valueTypes=*/TypeRange(),
                        OpAsmParser::Delimiter::Paren);
  printer << " sync(" << stringifySync(sync.getValue()) << ") ";
  printer.printRegion(body, /*printEntryBlockArgs=*/false,
                      /*printBlockTerminators=*/false);
}
