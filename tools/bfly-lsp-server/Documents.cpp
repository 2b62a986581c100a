// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Documents.h"

#include "mlir/IR/OperationSupport.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace mlir::bfly;
namespace json = llvm::json;
using llvm::StringRef;

/// The dialect's reference, as mlir-tblgen writes it.
static const char kReference[] =
#include "DialectReference.inc"
    ;

static bool isInName(char c) {
  return llvm::isAlnum(c) || c == '_' || c == '$';
}

/// Completion items are of this kind, a function's in the protocol.
static constexpr int kFunctionItem = 3;

Documents::Documents(DialectRegistry &registry)
    : context(registry, MLIRContext::Threading::DISABLED) {
  context.loadAllAvailableDialects();
  // "#### `bfly.mean` (bfly::MeanOp)", an empty line, "_The mean of …_".
  SmallVector<StringRef> lines;
  StringRef(kReference).split(lines, '\n');
  for (size_t i = 0; i + 2 < lines.size(); ++i) {
    StringRef line = lines[i];
    if (!line.consume_front("#### `"))
      continue;
    StringRef summary = lines[i + 2];
    if (summary.consume_front("_") && summary.consume_back("_"))
      summaries[line.take_until([](char c) { return c == '`'; })] =
          summary.str();
  }
}

StringRef Documents::summaryOf(StringRef name) const {
  auto found = summaries.find(name);
  return found == summaries.end() ? StringRef() : StringRef(found->second);
}

void Documents::sent(const json::Value &message) {
  const json::Object *object = message.getAsObject();
  const json::Object *parameters =
      object ? object->getObject("params") : nullptr;
  auto method = object ? object->getString("method") : std::nullopt;
  if (!parameters || !method)
    return;
  std::lock_guard<std::mutex> lock(mutex);
  const json::Object *document = parameters->getObject("textDocument");
  auto uri = document ? document->getString("uri") : std::nullopt;
  if (!uri)
    return;
  if (*method == "textDocument/didOpen") {
    if (auto text = document->getString("text"))
      texts[*uri] = text->str();
  } else if (*method == "textDocument/didChange") {
    // Changes are whole texts: the server asks for that.
    const json::Array *changes = parameters->getArray("contentChanges");
    const json::Object *last =
        changes && !changes->empty() ? changes->back().getAsObject() : nullptr;
    if (auto text = last ? last->getString("text") : std::nullopt)
      texts[*uri] = text->str();
  } else if (*method == "textDocument/didClose") {
    texts.erase(*uri);
  } else if (const json::Value *id = object->get("id")) {
    if (*method == "textDocument/hover" || *method == "textDocument/completion")
      questions[llvm::formatv("{0}", *id).str()] =
          ask(*method == "textDocument/hover", *parameters);
  }
}

Documents::Question Documents::ask(bool isHover,
                                   const json::Object &parameters) const {
  Question question{isHover, ""};
  const json::Object *position = parameters.getObject("position");
  auto uri = parameters.getObject("textDocument")->getString("uri");
  auto text = texts.find(*uri);
  if (!position || text == texts.end())
    return question;
  int64_t line = position->getInteger("line").value_or(-1);
  int64_t column = position->getInteger("character").value_or(-1);
  SmallVector<StringRef> lines;
  StringRef(text->second).split(lines, '\n');
  if (line < 0 || line >= int64_t(lines.size()) || column < 0 ||
      column > int64_t(lines[line].size()))
    return question;
  StringRef row = lines[line];
  auto isPart = [](char c) { return isInName(c) || c == '.'; };
  size_t begin = column, end = column;
  while (begin > 0 && isPart(row[begin - 1]))
    --begin;
  while (isHover && end < row.size() && isPart(row[end]))
    ++end;
  // Types, attributes, symbols and values are no operations.
  if (begin > 0 && StringRef("!#@%^").contains(row[begin - 1]))
    return question;
  question.name = row.slice(begin, end).str();
  return question;
}

bool Documents::answered(json::Value &message) {
  json::Object *object = message.getAsObject();
  const json::Value *id = object ? object->get("id") : nullptr;
  if (!id || !object->get("result"))
    return false;
  std::lock_guard<std::mutex> lock(mutex);
  auto found = questions.find(llvm::formatv("{0}", *id).str());
  if (found == questions.end())
    return false;
  Question question = found->second;
  questions.erase(found);
  return question.isHover ? addSummary(*object, question.name)
                          : addOperations(*object, question.name);
}

/// Where the text cannot be parsed the server has no answer, but there is a
/// summary.
bool Documents::addSummary(json::Object &answer, StringRef name) const {
  json::Object *result = answer.getObject("result");
  json::Object *contents = result ? result->getObject("contents") : nullptr;
  auto value = contents ? contents->getString("value") : std::nullopt;
  std::string quoted = "\"" + name.str() + "\"";
  StringRef summary = summaryOf(name);
  if (summary.empty())
    return false;
  std::string text = quoted + "\n\n" + summary.str() + "\n";
  if (!value) {
    answer["result"] = json::Object{
        {"contents", json::Object{{"kind", "markdown"}, {"value", text}}}};
    return true;
  }
  StringRef rest = *value;
  if (!rest.consume_front(quoted))
    return false;
  (*contents)["value"] = text + rest.str();
  return true;
}

json::Object Documents::completion(StringRef name, StringRef label) const {
  json::Object item{{"label", label},
                    {"insertText", label},
                    {"insertTextFormat", 1},
                    {"kind", kFunctionItem}};
  StringRef summary = summaryOf(name);
  item["detail"] = summary.empty() ? name.str() : (name + ": " + summary).str();
  return item;
}

bool Documents::addOperations(json::Object &answer, StringRef prefix) const {
  json::Object *result = answer.getObject("result");
  json::Array *items = result ? result->getArray("items") : nullptr;
  if (!items)
    return false;
  StringRef dialect = prefix.split('.').first;
  bool isQualified = prefix.contains('.');
  // Where a name may begin the server lists the dialects.
  bool isStart = llvm::any_of(*items, [](const json::Value &item) {
    const json::Object *object = item.getAsObject();
    return object && object->getString("label") == StringRef("bfly");
  });
  if (!isQualified && !isStart)
    return false;
  for (RegisteredOperationName operation : context.getRegisteredOperations()) {
    StringRef name = operation.getStringRef();
    if (isQualified && operation.getDialectNamespace() == dialect &&
        name.starts_with(prefix))
      items->push_back(completion(name, name.drop_front(dialect.size() + 1)));
    else if (!isQualified && operation.getDialectNamespace() == "bfly")
      items->push_back(completion(name, name));
  }
  return true;
}
