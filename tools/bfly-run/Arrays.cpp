// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Arrays.h"

#include "bfly/Arrays/ArrayLiteral.h"
#include "bfly/Arrays/Compare.h"
#include "bfly/Arrays/FileIO.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>

using namespace llvm;
using namespace mlir::bfly;

Expected<std::vector<HostArray>>
mlir::bfly::readInputs(ArrayRef<std::string> texts,
                       const Signature &signature) {
  if (texts.size() != signature.inputs.size())
    return makeError("function '" + signature.name + "' takes " +
                     Twine(signature.inputs.size()) + " inputs, but " +
                     Twine(texts.size()) +
                     " were given with --input: " + signature.str());
  std::vector<HostArray> arrays;
  for (auto [text, info] : zip_equal(texts, signature.inputs)) {
    ArrayLiteralOptions options;
    options.expectedType = info.type;
    options.maxBytes = availableMemory();
    auto array = parseArrayLiteral(text, options);
    if (!array)
      return makeError("--" + info.name + ": " + toString(array.takeError()));
    arrays.push_back(std::move(*array));
  }
  return arrays;
}

/// Whether every value of one floating-point type is one of another.
static bool isExact(ElementType from, ElementType to) {
  switch (from) {
  case ElementType::F16:
  case ElementType::BF16:
    return to == ElementType::F32 || to == ElementType::F64;
  case ElementType::F32:
    return to == ElementType::F64;
  case ElementType::C64:
    return to == ElementType::C128;
  default:
    return false;
  }
}

static bool isRealFloat(ElementType type) {
  return type == ElementType::F64 || type == ElementType::F32 ||
         type == ElementType::F16 || type == ElementType::BF16;
}

/// `array` in the type and shape of `info`, which borrows its memory where it
/// can; the error is what to add to the message.
static Expected<HostArray> fit(HostArray &array, const ValueInfo &info,
                               ParameterTypes types) {
  ArrayRef<int64_t> shape = array.shape();
  if (equalBesidesLeadingOnes(shape, info.shape))
    shape = info.shape;
  if (array.elementType() == info.type) {
    if (shape == array.shape())
      return std::move(array);
    if (!array.isOwned())
      return HostArray::borrow(info.type, shape, array.data(),
                               array.sizeInBytes());
    auto copy = HostArray::allocate(info.type, shape, availableMemory());
    if (copy)
      std::memcpy(copy->mutableData(), array.data(), array.sizeInBytes());
    return copy;
  }
  bool exact = isExact(array.elementType(), info.type);
  bool possible =
      exact || (isRealFloat(array.elementType()) == isRealFloat(info.type) &&
                isComplex(array.elementType()) == isComplex(info.type) &&
                (isRealFloat(info.type) || isComplex(info.type)));
  if (!possible)
    return makeError("");
  if (types == ParameterTypes::Exact)
    return makeError(exact ? "; --parameter-types=widen converts it"
                           : "; --parameter-types=round converts it");
  if (types == ParameterTypes::Widen && !exact)
    return makeError(", which would round it; --parameter-types=round does");
  auto converted = HostArray::allocate(info.type, shape, availableMemory());
  if (!converted)
    return makeError(": " + toString(converted.takeError()));
  constexpr int64_t kChunk = 4096;
  std::vector<double> values(kChunk);
  for (int64_t i = 0, e = array.numScalars(); i < e; i += kChunk) {
    MutableArrayRef<double> part(values.data(), std::min(kChunk, e - i));
    array.readScalars(i, part);
    converted->writeScalars(i, part);
  }
  return converted;
}

Expected<Parameters> Parameters::read(ArrayRef<std::string> paths,
                                      ArrayRef<std::string> declared,
                                      const Signature &signature,
                                      ParameterTypes types,
                                      bool ignoreUnknown) {
  Parameters parameters;
  StringMap<std::string> owner;
  StringSet<> known;
  for (const std::string &name : declared)
    known.insert(name);
  for (const ValueInfo &info : signature.parameters)
    known.insert(info.name);
  std::vector<std::string> unknown;
  for (const std::string &path : paths) {
    auto file = Safetensors::open(path);
    if (!file)
      return file.takeError();
    for (StringRef name : file->names()) {
      auto [entry, isNew] = owner.try_emplace(name, path);
      if (!isNew)
        return makeError("parameter " + quote(name) + " is in " +
                         entry->second + " and in " + path);
      if (!known.contains(name))
        unknown.push_back(quote(name));
    }
    parameters.files.push_back(std::move(*file));
  }
  std::vector<std::string> missing;
  for (const ValueInfo &info : signature.parameters)
    if (!owner.contains(info.name))
      missing.push_back(quote(info.name));
  std::string problem;
  if (!missing.empty())
    problem = "function '" + signature.name + "' needs parameters that " +
              (paths.empty() ? "--parameters has to give"
                             : "are in no file of --parameters") +
              ": " + join(missing, ", ");
  if (!unknown.empty() && !ignoreUnknown)
    problem += (problem.empty() ? "" : "; ") + join(paths, ", ") +
               ": unknown parameters: " + join(unknown, ", ") +
               "; --ignore-unknown-parameters skips them";
  if (!problem.empty())
    return makeError(problem);
  for (const ValueInfo &info : signature.parameters) {
    for (const Safetensors &file : parameters.files) {
      if (!file.contains(info.name))
        continue;
      auto array = file.find(info.name, availableMemory());
      if (!array)
        return array.takeError();
      auto fitted = fit(*array, info, types);
      if (!fitted)
        return makeError(file.fileName() + ": parameter " + quote(info.name) +
                         " has type " + array->typeString() +
                         ", but the module declares " + info.typeString() +
                         toString(fitted.takeError()));
      parameters.values.push_back(std::move(*fitted));
    }
  }
  return parameters;
}

Expected<std::vector<std::optional<HostArray>>>
mlir::bfly::readExpected(ArrayRef<std::string> texts,
                         const Signature &signature) {
  std::vector<std::optional<HostArray>> arrays;
  if (texts.empty())
    return arrays;
  if (texts.size() != signature.results.size())
    return makeError("function '" + signature.name + "' has " +
                     Twine(signature.results.size()) + " results, but " +
                     Twine(texts.size()) +
                     " were given with --expected_output");
  for (auto [text, info] : zip_equal(texts, signature.results)) {
    if (text == "(ignored)") {
      arrays.emplace_back();
      continue;
    }
    ArrayLiteralOptions options;
    options.maxBytes = availableMemory();
    auto array = parseArrayLiteral(text, options);
    if (!array && info.type == ElementType::BF16) {
      // A .npy file does not say that it holds bf16.
      consumeError(array.takeError());
      options.expectedType = info.type;
      array = parseArrayLiteral(text, options);
    }
    if (!array)
      return makeError("expected " + info.name + ": " +
                       toString(array.takeError()));
    arrays.emplace_back(std::move(*array));
  }
  return arrays;
}

Expected<std::vector<std::string>>
mlir::bfly::parseOutputs(ArrayRef<std::string> texts,
                         const Signature &signature) {
  std::vector<std::string> paths;
  if (texts.empty())
    return paths;
  if (texts.size() != signature.results.size())
    return makeError("function '" + signature.name + "' has " +
                     Twine(signature.results.size()) + " results, but " +
                     Twine(texts.size()) + " were given with --output");
  StringSet<> seen;
  for (StringRef text : texts) {
    if (!text.empty() && (!text.consume_front("@") || !text.ends_with(".npy")))
      return makeError("--output=" + text + ": write to a file with @file.npy");
    if (!text.empty() && !seen.insert(text).second)
      return makeError("--output=@" + text + " is given twice");
    paths.push_back(text.str());
  }
  return paths;
}

Error mlir::bfly::compareResults(raw_ostream &os, ArrayRef<HostArray> results,
                                 ArrayRef<std::optional<HostArray>> expected,
                                 std::optional<double> tolerance) {
  std::string problem;
  for (auto [i, pair] : enumerate(zip_equal(results, expected))) {
    auto &[result, reference] = pair;
    if (!reference)
      continue;
    CompareOptions options;
    options.tolerance = tolerance.value_or(getTolerance(result.elementType()));
    Comparison comparison = compareArrays(result, *reference, options);
    std::string line =
        ("result[" + Twine(i) + "]: " + comparison.message).str();
    if (comparison.matches)
      os << line << "\n";
    else
      problem += (problem.empty() ? "" : "\n") + line;
  }
  return problem.empty() ? Error::success() : makeError(problem);
}

std::vector<SmallVector<int64_t, 4>>
mlir::bfly::shapesOf(ArrayRef<HostArray> arrays) {
  std::vector<SmallVector<int64_t, 4>> shapes;
  for (const HostArray &array : arrays)
    shapes.emplace_back(array.shape());
  return shapes;
}
