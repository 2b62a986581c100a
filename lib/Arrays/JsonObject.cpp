// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "JsonObject.h"

#include "bfly/Arrays/FileIO.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/JSON.h"

using namespace llvm;
using namespace mlir::bfly;

namespace {

class Splitter {
public:
  Splitter(StringRef text, unsigned maxDepth)
      : text(text), maxDepth(maxDepth) {}

  Expected<std::vector<JsonMember>> split() {
    if (!consume('{'))
      return fail("'{'");
    std::vector<JsonMember> members;
    StringSet<> names;
    if (!consume('}')) {
      do {
        JsonMember member;
        if (Error error = parseMember(member))
          return error;
        if (!names.insert(member.name).second)
          return makeError("malformed JSON: the name " + quote(member.name) +
                           " occurs twice");
        members.push_back(std::move(member));
      } while (consume(','));
      if (!consume('}'))
        return fail("',' or '}'");
    }
    skipSpace();
    if (position != text.size())
      return fail("nothing more");
    return members;
  }

private:
  void skipSpace() {
    position =
        std::min(text.find_first_not_of(" \t\n\r", position), text.size());
  }

  bool consume(char character) {
    skipSpace();
    if (position == text.size() || text[position] != character)
      return false;
    ++position;
    return true;
  }

  Error fail(const Twine &expected) {
    return makeError("malformed JSON: expected " + expected + " at byte " +
                     Twine(position));
  }

  /// Moves past a string; false if it does not end.
  bool skipString() {
    for (++position; position < text.size(); ++position) {
      if (text[position] == '\\')
        ++position;
      else if (text[position] == '"')
        return ++position, true;
    }
    position = text.size();
    return false;
  }

  Error parseMember(JsonMember &member) {
    skipSpace();
    size_t start = position;
    if (position == text.size() || text[position] != '"')
      return fail("a name");
    if (!skipString())
      return fail("a closed string");
    Expected<json::Value> name = json::parse(text.slice(start, position));
    if (!name)
      return makeError("malformed JSON: " + toString(name.takeError()));
    member.name = name->getAsString()->str();
    if (!consume(':'))
      return fail("':'");
    skipSpace();
    start = position;
    if (Error error = skipValue())
      return error;
    member.value = text.slice(start, position).rtrim(" \t\n\r");
    if (member.value.empty())
      return fail("a value");
    return Error::success();
  }

  /// Moves to the ',' or '}' after a value. Brackets are only counted; whether
  /// they match is for the parser of the value to say.
  Error skipValue() {
    unsigned depth = 0;
    while (position < text.size()) {
      switch (text[position]) {
      case '"':
        if (!skipString())
          return fail("a closed string");
        continue;
      case '{':
      case '[':
        if (++depth > maxDepth)
          return makeError("malformed JSON: nested deeper than " +
                           Twine(maxDepth) + " at byte " + Twine(position));
        break;
      case '}':
      case ']':
        if (depth == 0)
          return Error::success();
        --depth;
        break;
      case ',':
        if (depth == 0)
          return Error::success();
        break;
      default:
        break;
      }
      ++position;
    }
    return Error::success();
  }

  StringRef text;
  unsigned maxDepth;
  size_t position = 0;
};

} // namespace

Expected<std::vector<JsonMember>>
mlir::bfly::splitJsonObject(StringRef text, unsigned maxDepth) {
  return Splitter(text, maxDepth).split();
}
