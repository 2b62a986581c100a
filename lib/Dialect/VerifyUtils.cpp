// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Checks and syntax that operations of several levels share.

#include "VerifyUtils.h"

#include "Syntax.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace mlir::bfly;

LogicalResult mlir::bfly::verifyFinite(Operation *op, APFloat number, Type type,
                                       StringRef label, StringRef name) {
  FloatType compute = getComputeType(type);
  bool losesInfo;
  number.convert(compute.getFloatSemantics(), APFloat::rmNearestTiesToEven,
                 &losesInfo);
  if (number.isFinite())
    return success();
  return op->emitOpError("(") << label << ") " << name << " must be finite in "
                              << compute << ", which it is computed in";
}

bool mlir::bfly::sameSize(int64_t a, int64_t b) {
  return ShapedType::isDynamic(a) || ShapedType::isDynamic(b) || a == b;
}

LogicalResult mlir::bfly::verifyStaticShape(Operation *op,
                                            RankedTensorType type,
                                            StringRef label) {
  for (auto [dim, size] : llvm::enumerate(type.getShape())) {
    if (ShapedType::isDynamic(size)) {
      if (dim == 0)
        continue;
      return op->emitOpError()
             << "(" << label
             << ") only the first dimension may be dynamic: " << type;
    }
    if (size < 1)
      return op->emitOpError()
             << "(" << label << ") sizes must be at least 1: " << type;
  }
  return success();
}

bool mlir::bfly::isStaticAndFull(MemRefType type) {
  if (!type.hasStaticShape() || llvm::is_contained(type.getShape(), 0))
    return false;
  std::optional<int64_t> elements = getNumElements(type);
  int64_t bytes;
  return elements && !llvm::MulOverflow<int64_t>(*elements, 16, bytes);
}

LogicalResult mlir::bfly::verifySizes(Operation *op, StringRef label) {
  auto check = [&](Type type) -> LogicalResult {
    auto shaped = dyn_cast<ShapedType>(type);
    if (!shaped || !shaped.hasRank())
      return success();
    std::optional<int64_t> count = getNumElements(shaped);
    // 16 bytes is the widest element; the bytes are what a size_t must hold.
    int64_t bytes;
    if (!count || llvm::MulOverflow<int64_t>(*count, 16, bytes))
      return op->emitOpError() << "(" << label << ") the number of elements of "
                               << type << " does not fit";
    return success();
  };
  for (Type type : op->getOperandTypes())
    if (failed(check(type)))
      return failure();
  for (Type type : op->getResultTypes())
    if (failed(check(type)))
      return failure();
  return success();
}

LogicalResult mlir::bfly::verifyBinRegion(Operation *op, RankedTensorType input,
                                          ArrayRef<int64_t> bins,
                                          ValueRange params,
                                          ArrayAttr paramDims, Region &body,
                                          bool mayYieldReal,
                                          bool mayYieldMore) {
  static constexpr const char *names[] = {"batch", "bin", "channel"};
  if (paramDims.size() != params.size())
    return op->emitOpError(
               "(C2) needs one list of dimensions a parameter, got ")
           << paramDims.size() << " for " << params.size();
  for (auto [index, param] : llvm::enumerate(params)) {
    auto dims = dyn_cast<DenseI64ArrayAttr>(paramDims[index]);
    auto type = cast<RankedTensorType>(param.getType());
    if (!dims || dims.size() != type.getRank())
      return op->emitOpError("(C2) parameter ")
             << index << " of rank " << type.getRank()
             << " needs as many dimension names";
    int64_t previous = -1;
    for (auto [position, dim] : llvm::enumerate(dims.asArrayRef())) {
      if (dim <= previous || dim > kChannel)
        return op->emitOpError("(C2) the dimensions of parameter ")
               << index << " must be among batch, bin, channel, in that order";
      previous = dim;
      int64_t size = type.getDimSize(position);
      int64_t expected = dim == kBin ? bins.back() : input.getDimSize(dim);
      if (!sameSize(size, expected) &&
          !(dim == kBin && llvm::is_contained(bins, size)))
        return op->emitOpError("(C3) parameter ")
               << index << " has " << size << " for dimension " << names[dim]
               << " of " << expected;
      if (ShapedType::isDynamic(size) && dim != kBatch)
        return op->emitOpError("(C3) parameter ")
               << index << " has a dynamic size for dimension " << names[dim];
    }
  }

  FloatType compute = getComputeType(input);
  Type bin = ComplexType::get(compute);
  Block &block = body.front();
  SmallVector<Type> expected{bin, IndexType::get(op->getContext())};
  for (Value param : params) {
    auto type = cast<RankedTensorType>(param.getType());
    if (getComputeType(type) != compute)
      return op->emitOpError("(C4) parameter of type ")
             << type << " does not compute in " << compute;
    expected.push_back(isa<ComplexType>(type.getElementType()) ? bin
                                                               : Type(compute));
  }
  if (block.getArgumentTypes() != TypeRange(expected))
    return op->emitOpError("(C4) the region must take (")
           << expected << "), got (" << block.getArgumentTypes() << ")";
  Operation *yield = block.getTerminator();
  unsigned count = yield->getNumOperands();
  Type yielded = count == 1 || (count && mayYieldMore)
                     ? yield->getOperand(0).getType()
                     : Type();
  if (yielded != bin && !(mayYieldReal && yielded == compute))
    return op->emitOpError("(C5) the region must yield one ") << bin;
  for (Operation &inner : block.without_terminator()) {
    bool scalar = llvm::all_of(inner.getResultTypes(), [](Type type) {
      return isa<FloatType, ComplexType, IndexType, IntegerType>(type);
    });
    if (!scalar || inner.getNumRegions() || !isMemoryEffectFree(&inner))
      return inner.emitOpError(
          "(C7) cannot be in the region: only operations on scalars without "
          "side effects can");
  }
  return success();
}

LogicalResult mlir::bfly::verifyAttentionWeights(Operation *op,
                                                 RankedTensorType weights,
                                                 int64_t channels,
                                                 int64_t heads,
                                                 StringRef label) {
  int64_t headChannels = channels / heads;
  ArrayRef<int64_t> shape = weights.getShape();
  bool dense =
      shape.size() == 3 && shape[1] == channels && shape[2] == channels;
  bool shared =
      shape.size() == 3 && shape[1] == headChannels && shape[2] == headChannels;
  bool perHead = shape.size() == 4 && shape[1] == heads &&
                 shape[2] == headChannels && shape[3] == headChannels;
  if (dense || shared || perHead)
    return success();
  return op->emitOpError("(")
         << label << ") weights " << weights << " are none of (L, " << channels
         << ", " << channels << "), (L, " << heads << ", " << headChannels
         << ", " << headChannels << ") and (L, " << headChannels << ", "
         << headChannels << ")";
}

LogicalResult mlir::bfly::verifyStage(Operation *op, RankedTensorType state,
                                      int64_t heads, int64_t stage) {
  if (failed(verifyStaticShape(op, state, "C1")) ||
      failed(verifySizes(op, "C1")))
    return failure();
  int64_t tokens = state.getDimSize(1), channels = state.getDimSize(2);
  if (!llvm::isPowerOf2_64(tokens))
    return op->emitOpError("(C1) the number of tokens must be a power of two, "
                           "got ")
           << tokens;
  if (heads < 1 || channels % heads)
    return op->emitOpError("(C2) heads must divide the ")
           << channels << " channels, got " << heads;
  if (stage < 0 || stage >= getNumStages(tokens))
    return op->emitOpError("(C3) ")
           << tokens << " tokens have " << getNumStages(tokens)
           << " stages, got stage " << stage;
  return success();
}

LogicalResult mlir::bfly::verifyStageWeights(Operation *op,
                                             RankedTensorType weights,
                                             RankedTensorType state,
                                             int64_t heads, int64_t stage) {
  if (getComputeType(weights) != getComputeType(state))
    return op->emitOpError("(C4) weights ")
           << weights << " do not compute in " << getComputeType(state);
  if (failed(verifyAttentionWeights(op, weights, state.getDimSize(2), heads,
                                    "C5")))
    return failure();
  int64_t leading = weights.getDimSize(0);
  if (leading != 1 && leading <= stage)
    return op->emitOpError("(C5) there are weights for ")
           << leading << " stages, but none for stage " << stage;
  return success();
}

ParseResult mlir::bfly::parseBroadcastParams(
    OpAsmParser &parser,
    SmallVectorImpl<OpAsmParser::UnresolvedOperand> &params,
    SmallVectorImpl<Type> &types, ArrayAttr &paramDims) {
  Builder &builder = parser.getBuilder();
  SmallVector<Attribute> lists;
  auto parseDim = [&](SmallVectorImpl<int64_t> &dims) -> ParseResult {
    StringRef name;
    SMLoc loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&name))
      return failure();
    if (name == "batch")
      dims.push_back(kBatch);
    else if (name == "bin")
      dims.push_back(kBin);
    else if (name == "channel")
      dims.push_back(kChannel);
    else
      return parser.emitError(loc, "expected batch, bin or channel");
    return success();
  };
  auto parseParam = [&]() -> ParseResult {
    SmallVector<int64_t> dims;
    if (parser.parseOperand(params.emplace_back()) ||
        parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Square,
                                       [&] { return parseDim(dims); }) ||
        parser.parseColonType(types.emplace_back()))
      return failure();
    lists.push_back(builder.getDenseI64ArrayAttr(dims));
    return success();
  };
  if (succeeded(parser.parseOptionalKeyword("params")) &&
      parser.parseCommaSeparatedList(OpAsmParser::Delimiter::Paren, parseParam))
    return failure();
  paramDims = builder.getArrayAttr(lists);
  return success();
}

void mlir::bfly::printBroadcastParams(OpAsmPrinter &printer, Operation *,
                                      OperandRange params, TypeRange types,
                                      ArrayAttr paramDims) {
  static constexpr const char *names[] = {"batch", "bin", "channel"};
  if (params.empty())
    return;
  printer << " params(";
  llvm::interleaveComma(
      llvm::seq<size_t>(0, params.size()), printer, [&](size_t i) {
        printer << params[i] << '[';
        if (i < paramDims.size())
          if (auto dims = dyn_cast<DenseI64ArrayAttr>(paramDims[i]))
            llvm::interleaveComma(dims.asArrayRef(), printer, [&](int64_t dim) {
              printer << (dim >= 0 && dim <= kChannel ? names[dim] : "?");
            });
        printer << "] : " << types[i];
      });
  printer << ")";
}
