// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Pipelines/TextGuard.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace llvm;
using namespace mlir::bfly;

namespace {

/// Follows brackets, aliases and operators, and knows strings and comments;
/// everything else is the parser's business.
class Scanner {
public:
  Scanner(StringRef text, const TextLimits &limits)
      : text(text), limits(limits) {}

  std::optional<TextProblem> run() {
    while (!problem && position < text.size())
      step();
    return problem;
  }

private:
  struct Bracket {
    char opening;
    unsigned operators; ///< in it, since its last comma
  };
  struct Alias {
    uint64_t size = 1;
    unsigned depth = 1;
  };

  void fail(const Twine &message) {
    StringRef before = text.take_front(position);
    problem.emplace();
    problem->line = before.count('\n') + 1;
    problem->column = before.size() - (before.rfind('\n') + 1) + 1;
    problem->message = message.str();
  }

  char peek(size_t ahead) const {
    return position + ahead < text.size() ? text[position + ahead] : '\0';
  }

  void step() {
    char c = text[position];
    switch (c) {
    case '"':
      return skipString();
    case '/':
      if (peek(1) == '/') {
        position = std::min(text.find('\n', position), text.size());
        return;
      }
      break;
    case '(':
    case '[':
    case '{':
    case '<':
      if (c == '<' && peek(1) == '=')
        break;
      return open(c);
    case ')':
    case ']':
    case '}':
      close(c);
      break;
    case '>':
      // Not a bracket in "->" and ">=".
      if (peek(1) != '=' && (position == 0 || text[position - 1] != '-'))
        close(c);
      break;
    case ',':
      if (!brackets.empty())
        brackets.back().operators = 0;
      break;
    case '\n':
      if (brackets.empty())
        endAlias();
      break;
    case '+':
    case '-':
    case '*':
      if (peek(1) != '>')
        countOperator();
      break;
    case '#':
    case '!':
      return alias();
    default:
      if (isAlpha(c) || c == '_')
        return word();
    }
    ++position;
  }

  void skipString() {
    size_t begin = position++;
    while (position < text.size() && text[position] != '"') {
      if (text[position] == '\n') {
        // No string goes over a line; the parser will say so.
        position = begin + 1;
        return;
      }
      position += text[position] == '\\' ? 2 : 1;
    }
    ++position;
  }

  void open(char c) {
    brackets.push_back({c, 0});
    if (brackets.size() > limits.nesting)
      return fail("nested more than " + Twine(limits.nesting) +
                  " brackets deep");
    ++position;
  }

  void close(char c) {
    char opening = c == ')' ? '(' : c == ']' ? '[' : c == '}' ? '{' : '<';
    // A '<' that was a comparison is dropped with what is around it.
    if (opening == '<') {
      if (!brackets.empty() && brackets.back().opening == '<')
        brackets.pop_back();
      return;
    }
    while (!brackets.empty() && brackets.pop_back_val().opening != opening) {
    }
  }

  void countOperator() {
    bool inExpression = !brackets.empty() && brackets.back().opening != '{';
    if (inExpression && ++brackets.back().operators > limits.operators)
      fail("an expression of more than " + Twine(limits.operators) +
           " operators");
  }

  StringRef takeWord() {
    size_t begin = position++;
    while (
        position < text.size() &&
        (isAlnum(text[position]) || StringRef("_.$").contains(text[position])))
      ++position;
    return text.slice(begin, position);
  }

  void word() {
    StringRef word = takeWord();
    if (word == "mod" || word == "floordiv" || word == "ceildiv")
      countOperator();
  }

  /// "#name = …" or "!name = …" outside all brackets defines an alias, until
  /// the end of the line outside brackets; any other is a use of one.
  void alias() {
    StringRef name = takeWord();
    StringRef rest = text.drop_front(position).ltrim(" \t");
    if (brackets.empty() && rest.starts_with("=") && !rest.starts_with("==")) {
      endAlias();
      defined = name;
      current = Alias();
      return;
    }
    auto known = aliases.find(name);
    if (defined.empty() || known == aliases.end())
      return;
    current.size = SaturatingAdd(current.size, known->second.size);
    current.depth = std::max(current.depth, known->second.depth + 1);
    if (current.size > limits.aliasSize || current.depth > limits.nesting)
      fail("alias '" + defined + "' stands for too much");
  }

  void endAlias() {
    if (!defined.empty())
      aliases[defined] = current;
    defined = StringRef();
  }

  StringRef text;
  const TextLimits &limits;
  size_t position = 0;
  SmallVector<Bracket, 0> brackets;
  StringMap<Alias> aliases;
  StringRef defined;
  Alias current;
  std::optional<TextProblem> problem;
};

} // namespace

std::optional<TextProblem> mlir::bfly::checkText(StringRef text,
                                                 const TextLimits &limits) {
  return Scanner(text, limits).run();
}
