// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/Signature.h"

#include "bfly/Arrays/FileIO.h"
#include "bfly/Arrays/HostArray.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/BuiltinTypes.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/raw_ostream.h"

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

/// The attribute of arguments that come from a file, by name.
static constexpr StringLiteral kParameterAttr = "bfly.parameter";
/// Upstream's mark of results that became arguments.
static constexpr StringLiteral kResultAttr = "bufferize.result";

/// Prints an interface's shape: "?x8x4xf32".
static std::string formatShape(ElementType type, ArrayRef<int64_t> shape) {
  std::string text;
  for (int64_t size : shape)
    text += (size == kDynamicSize ? "?" : std::to_string(size)) + "x";
  return text + elementName(type).str();
}

std::string ValueInfo::typeString() const { return formatShape(type, shape); }

std::string Signature::str() const {
  std::string text = name + "(";
  llvm::raw_string_ostream os(text);
  llvm::interleaveComma(inputs, os,
                        [&](const ValueInfo &v) { os << v.typeString(); });
  if (!parameters.empty())
    os << "; ";
  llvm::interleaveComma(parameters, os, [&](const ValueInfo &v) {
    os << v.name << ": " << v.typeString();
  });
  os << ") -> (";
  llvm::interleaveComma(results, os,
                        [&](const ValueInfo &v) { os << v.typeString(); });
  os << ")";
  return text;
}

std::vector<std::pair<const ValueInfo *, size_t>>
Signature::dynamicSizes() const {
  std::vector<std::pair<const ValueInfo *, size_t>> sizes;
  for (const std::vector<ValueInfo> *values : {&inputs, &parameters})
    for (const ValueInfo &value : *values)
      for (size_t dim = 0; dim < value.shape.size(); ++dim)
        if (value.shape[dim] == kDynamicSize)
          sizes.emplace_back(&value, dim);
  return sizes;
}

unsigned Signature::numDynamicSizes() const { return dynamicSizes().size(); }

llvm::Error Signature::explain(const SizeRules::Check &check,
                               ArrayRef<int64_t> sizes) const {
  std::optional<unsigned> left = check.left.getSymbol();
  std::optional<unsigned> right = check.right.getSymbol();
  if (check.isEqual && left && right) {
    // The later of the two is the one that is wrong.
    auto [first, second] = std::minmax(*left, *right);
    auto all = dynamicSizes();
    auto describe = [&](unsigned size) {
      bool isBatch = all[size].second == 0;
      return (isBatch ? "batch " : "size ") + std::to_string(sizes[size]) +
             (isBatch ? ""
                      : " in dimension " + std::to_string(all[size].second));
    };
    return makeError(all[second].first->name + " has " + describe(second) +
                     ", but " + all[first].first->name + " has " +
                     describe(first) + ", and " + check.what +
                     " needs them equal");
  }
  auto str = [&](const SizeExpression &side) {
    std::optional<int64_t> value = side.evaluate(sizes);
    return value ? std::to_string(*value) : "more than 63 bits";
  };
  return makeError("the inputs' sizes do not fit: " + check.what +
                   " needs a size of " + str(check.left) + " to be " +
                   (check.isEqual ? "" : "at most ") + str(check.right) +
                   ", in function " + this->str());
}

llvm::Expected<SmallVector<int64_t>> Signature::matchShapes(
    ArrayRef<SmallVector<int64_t, 4>> inputShapes,
    ArrayRef<SmallVector<int64_t, 4>> parameterShapes) const {
  if (inputShapes.size() != inputs.size())
    return makeError("function '" + name + "' takes " + Twine(inputs.size()) +
                     " inputs, but " + Twine(inputShapes.size()) +
                     " were given: " + str());
  if (parameterShapes.size() != parameters.size())
    return makeError("function '" + name + "' takes " +
                     Twine(parameters.size()) + " parameters, but " +
                     Twine(parameterShapes.size()) + " were given: " + str());
  SmallVector<int64_t> sizes;
  auto match = [&](const ValueInfo &value,
                   ArrayRef<int64_t> shape) -> llvm::Error {
    bool fits = shape.size() == value.shape.size();
    for (size_t i = 0; fits && i < shape.size(); ++i)
      fits = value.shape[i] == kDynamicSize || value.shape[i] == shape[i];
    if (!fits)
      return makeError(value.name + " has shape " +
                       formatShape(value.type, shape) + ", but function '" +
                       name + "' takes " + value.typeString());
    for (size_t i = 0; i < shape.size(); ++i) {
      if (value.shape[i] != kDynamicSize)
        continue;
      if (shape[i] < 0)
        return makeError(value.name + " has a negative size, " +
                         Twine(shape[i]));
      sizes.push_back(shape[i]);
    }
    return llvm::Error::success();
  };
  for (auto [value, shape] : llvm::zip_equal(inputs, inputShapes))
    if (llvm::Error error = match(value, shape))
      return std::move(error);
  for (auto [value, shape] : llvm::zip_equal(parameters, parameterShapes))
    if (llvm::Error error = match(value, shape))
      return std::move(error);
  if (!rules)
    return sizes;
  for (const SizeRules::Check &check : rules->checks) {
    std::optional<int64_t> left = check.left.evaluate(sizes);
    std::optional<int64_t> right = check.right.evaluate(sizes);
    if (!left || !right || (check.isEqual ? *left != *right : *left > *right))
      return explain(check, sizes);
  }
  return sizes;
}

llvm::Expected<std::vector<SmallVector<int64_t, 4>>>
Signature::resultShapes(ArrayRef<int64_t> sizes) const {
  std::vector<SmallVector<int64_t, 4>> shapes;
  for (auto [result, expressions] : llvm::zip_equal(results, rules->results)) {
    SmallVector<int64_t, 4> shape = result.shape;
    const SizeExpression *next = expressions.data();
    for (int64_t &size : shape) {
      if (size != kDynamicSize)
        continue;
      std::optional<int64_t> value = (next++)->evaluate(sizes);
      if (!value || *value < 0)
        return makeError(
            result.name + " of function '" + name + "' would have a size of " +
            (value ? std::to_string(*value) : "more than 63 bits"));
      size = *value;
    }
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

/// The type of an element in host memory, or nothing. Signless integers are
/// signed, as in NumPy's defaults.
static std::optional<ElementType> hostElementType(Type type) {
  std::string name;
  llvm::raw_string_ostream(name) << type;
  return parseElementType(name);
}

/// Describes a value of `type`; sets `problem` if no host array can hold it.
static ValueInfo describe(Twine name, Type type, std::string &problem) {
  ValueInfo info;
  info.name = name.str();
  auto refuse = [&](StringRef why) {
    if (problem.empty()) {
      llvm::raw_string_ostream os(problem);
      os << info.name << " has type " << type << ", " << why;
    }
    return info;
  };
  Type element = type;
  if (auto shaped = dyn_cast<ShapedType>(type)) {
    if (!isa<RankedTensorType, MemRefType>(type))
      return refuse("which is neither a ranked tensor nor a memref");
    auto memref = dyn_cast<MemRefType>(type);
    if (memref && !memref.getLayout().isIdentity())
      return refuse("which is not row major");
    for (int64_t size : shaped.getShape())
      info.shape.push_back(ShapedType::isDynamic(size) ? kDynamicSize : size);
    element = shaped.getElementType();
    if (info.shape.size() > kMaxRank)
      return refuse("which has too many dimensions");
  } else {
    info.isScalar = true;
  }
  std::optional<ElementType> host = hostElementType(element);
  if (info.isScalar && element.isIndex())
    host = ElementType::I64;
  if (!host || (info.isScalar && isComplex(*host)))
    return refuse("which no host array has");
  info.type = *host;
  // The bytes of one batch element have to be computable.
  SmallVector<int64_t> sizes(info.shape.begin(), info.shape.end());
  llvm::replace(sizes, kDynamicSize, int64_t(1));
  if (llvm::Error error = checkedSizeInBytes(info.type, sizes).takeError()) {
    llvm::consumeError(std::move(error));
    return refuse("whose size does not fit in 64 bits");
  }
  return info;
}

Signature mlir::bfly::getSignature(func::FuncOp function) {
  Signature signature;
  signature.name = function.getName().str();
  std::string &problem = signature.problem;
  for (unsigned i = 0; i < function.getNumArguments(); ++i) {
    Type type = function.getArgumentTypes()[i];
    auto parameter = function.getArgAttrOfType<StringAttr>(i, kParameterAttr);
    bool isResult =
        isa<MemRefType>(type) && function.getArgAttr(i, kResultAttr);
    if (parameter) {
      signature.parameters.push_back(
          describe(parameter.getValue(), type, problem));
    } else if (isResult) {
      signature.results.push_back(
          describe("result " + Twine(signature.results.size()), type, problem));
    } else {
      signature.inputs.push_back(
          describe("input " + Twine(signature.inputs.size()), type, problem));
    }
    bool inOrder =
        parameter  ? signature.results.empty()
        : isResult ? true
                   : signature.parameters.empty() && signature.results.empty();
    if (!inOrder && problem.empty())
      problem =
          "its arguments are not in the order inputs, parameters, results";
  }
  for (Type type : function.getResultTypes()) {
    ValueInfo info =
        describe("result " + Twine(signature.results.size()), type, problem);
    if (!isa<RankedTensorType>(type) && problem.empty())
      problem = info.name + " is not a tensor";
    signature.results.push_back(std::move(info));
  }
  // The sizes of buffers have to be said.
  if (problem.empty() && function.getNumResults() == 0)
    signature.rules = signature.readRules(function, problem);
  return signature;
}

std::optional<SizeRules> Signature::readRules(func::FuncOp function,
                                              std::string &missing) const {
  SmallVector<unsigned> counts;
  for (const ValueInfo &result : results)
    counts.push_back(llvm::count(result.shape, kDynamicSize));
  return readSizeRules(function, numDynamicSizes(), counts, missing);
}

std::vector<Signature> mlir::bfly::getSignatures(ModuleOp module) {
  std::vector<Signature> signatures;
  for (auto function : module.getOps<func::FuncOp>())
    if (function.isPublic() && !function.isExternal())
      signatures.push_back(getSignature(function));
  return signatures;
}
