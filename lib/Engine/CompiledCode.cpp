// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CompiledCode.h"

#include "bfly/Arrays/HostArray.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir::bfly;
using llvm::StringRef;

namespace {

/// Numbers of 8 bytes, and texts and lists after their lengths.
class Writer {
public:
  std::string bytes;

  void add(int64_t number) {
    char word[8];
    llvm::support::endian::write64le(word, number);
    bytes.append(word, sizeof(word));
  }
  void add(StringRef text) {
    add(static_cast<int64_t>(text.size()));
    bytes += text;
  }
  void add(const std::string &text) { add(StringRef(text)); }
  void add(const ValueInfo &value) {
    add(value.name);
    add(static_cast<int64_t>(value.type));
    add(static_cast<int64_t>(value.isScalar));
    add(static_cast<int64_t>(value.shape.size()));
    for (int64_t size : value.shape)
      add(size);
  }
  void add(const SizeExpression &expression) {
    add(static_cast<int64_t>(expression.getSteps().size()));
    for (const SizeExpression::Step &step : expression.getSteps()) {
      add(static_cast<int64_t>(step.code));
      add(step.value);
    }
  }
  template <typename T> void add(const std::vector<T> &list) {
    add(static_cast<int64_t>(list.size()));
    for (const T &one : list)
      add(one);
  }
};

/// The same backwards. What does not fit sets `bad`, and the rest is zeros.
class Reader {
public:
  explicit Reader(StringRef bytes) : bytes(bytes) {}
  StringRef bytes;
  bool bad = false;
  /// Of the function's arguments, for expressions.
  unsigned symbols = 0;

  int64_t number() {
    if (bytes.size() < 8)
      return fail();
    int64_t value = llvm::support::endian::read64le(bytes.data());
    bytes = bytes.drop_front(8);
    return value;
  }
  /// A number from 0 to `most`.
  int64_t number(int64_t most) {
    int64_t value = number();
    return value < 0 || value > most ? fail() : value;
  }
  void read(std::string &text) {
    int64_t size = number(bytes.size());
    text = bytes.take_front(size).str();
    bytes = bytes.drop_front(std::min<size_t>(size, bytes.size()));
  }
  void read(ValueInfo &value) {
    read(value.name);
    value.type =
        static_cast<ElementType>(number(static_cast<int64_t>(ElementType::I1)));
    value.isScalar = number(1);
    for (int64_t rank = number(kMaxRank); rank > 0; --rank) {
      value.shape.push_back(number());
      if (value.shape.back() < 0 && value.shape.back() != kDynamicSize)
        fail();
    }
  }
  void read(SizeExpression &expression) {
    std::vector<SizeExpression::Step> steps(number(bytes.size()));
    for (SizeExpression::Step &step : steps) {
      step.code = static_cast<SizeExpression::Code>(
          number(static_cast<int64_t>(SizeExpression::Code::Ceil)));
      step.value = number();
    }
    auto made = SizeExpression::fromSteps(std::move(steps), symbols);
    if (made)
      expression = std::move(*made);
    else
      fail();
  }
  template <typename T> void read(std::vector<T> &list) {
    // Each takes a word or more.
    for (int64_t count = number(bytes.size() / 8); count > 0 && !bad; --count)
      read(list.emplace_back());
  }

private:
  int64_t fail() {
    bad = true;
    return 0;
  }
};

} // namespace

std::string CompiledCode::writeHeader() const {
  Writer writer;
  writer.add(signature.name);
  writer.add(signature.inputs);
  writer.add(signature.parameters);
  writer.add(signature.results);
  writer.add(static_cast<int64_t>(signature.rules->checks.size()));
  for (const SizeRules::Check &check : signature.rules->checks) {
    writer.add(static_cast<int64_t>(check.isEqual));
    writer.add(check.left);
    writer.add(check.right);
    writer.add(check.what);
  }
  writer.add(signature.rules->results);
  writer.add(parameterNames);
  writer.add(
      llvm::formatv("{0}", llvm::json::Value(llvm::json::Array(launches)))
          .str());
  writer.add(static_cast<int64_t>(object->getBufferSize()));
  return std::move(writer.bytes);
}

std::optional<CompiledCode> CompiledCode::read(StringRef bytes) {
  CompiledCode code;
  Signature &signature = code.signature;
  Reader reader(bytes);
  reader.read(signature.name);
  reader.read(signature.inputs);
  reader.read(signature.parameters);
  reader.read(signature.results);
  reader.symbols = signature.numDynamicSizes();
  SizeRules &rules = signature.rules.emplace();
  for (int64_t left = reader.number(reader.bytes.size() / 8);
       left > 0 && !reader.bad; --left) {
    SizeRules::Check &check = rules.checks.emplace_back();
    check.isEqual = reader.number(1);
    reader.read(check.left);
    reader.read(check.right);
    reader.read(check.what);
  }
  reader.read(rules.results);
  reader.read(code.parameterNames);
  std::string launches;
  reader.read(launches);
  int64_t size = reader.number();
  if (reader.bad || size != static_cast<int64_t>(reader.bytes.size()) ||
      rules.results.size() != signature.results.size())
    return std::nullopt;
  for (auto [result, sizes] : llvm::zip_equal(signature.results, rules.results))
    if (llvm::count(result.shape, kDynamicSize) !=
        static_cast<int64_t>(sizes.size()))
      return std::nullopt;
  auto parsed = llvm::json::parse(launches);
  if (!parsed || !parsed->getAsArray()) {
    llvm::consumeError(parsed.takeError());
    return std::nullopt;
  }
  code.launches = std::move(*parsed->getAsArray());
  code.object = llvm::MemoryBuffer::getMemBufferCopy(reader.bytes, "object");
  return code;
}
