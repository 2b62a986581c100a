// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Arrays.h"

#include "bfly/Engine/ArrayLiteral.h"
#include "bfly/Engine/Compare.h"
#include "bfly/Engine/FileIO.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

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

Expected<Parameters> Parameters::read(ArrayRef<std::string> paths,
                                      const Program &program,
                                      const Signature &signature) {
  Parameters parameters;
  StringMap<std::string> owner;
  StringSet<> known;
  for (const std::string &name : program.parameterNames())
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
  if (!unknown.empty())
    problem += (problem.empty() ? "" : "; ") + join(paths, ", ") +
               ": unknown parameters: " + join(unknown, ", ");
  if (!problem.empty())
    return makeError(problem);
  for (const ValueInfo &info : signature.parameters) {
    for (const Safetensors &file : parameters.files) {
      if (!file.contains(info.name))
        continue;
      auto array = file.find(info.name, availableMemory());
      if (!array)
        return array.takeError();
      if (array->elementType() != info.type)
        return makeError(file.fileName() + ": parameter " + quote(info.name) +
                         " has type " + array->typeString() +
                         ", but the module declares " + info.typeString());
      parameters.values.push_back(std::move(*array));
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
    arrays.push_back(std::move(*array));
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

/// The bounds of docs/definitions.md, rounded up over the lengths and
/// operations in use.
static double defaultTolerance(ElementType type) {
  switch (type) {
  case ElementType::F64:
  case ElementType::C128:
    return 1e-12;
  case ElementType::BF16:
    return 1e-2;
  case ElementType::F16:
    return 2e-3;
  default:
    return 1e-5;
  }
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
    options.tolerance =
        tolerance.value_or(defaultTolerance(result.elementType()));
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
