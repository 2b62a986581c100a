// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Mutations of a text by its tokens, for libFuzzer: what comes out of them gets
// through a parser much more often than what comes out of changed bytes.

#ifndef BFLY_FUZZ_TOKENMUTATOR_H
#define BFLY_FUZZ_TOKENMUTATOR_H

#include <cctype>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

extern "C" size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t maxSize);

namespace bfly_fuzz {

inline std::vector<std::string> split(const std::string &text) {
  std::vector<std::string> tokens;
  for (size_t i = 0; i < text.size();) {
    size_t begin = i;
    auto isWord = [&](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '_' ||
             c == '.' || c == '%' || c == '@' || c == '#' || c == '!';
    };
    if (isWord(text[i]))
      while (i < text.size() && isWord(text[i]))
        ++i;
    else if (text[i] == ' ')
      while (i < text.size() && text[i] == ' ')
        ++i;
    else
      ++i;
    tokens.push_back(text.substr(begin, i - begin));
  }
  return tokens;
}

/// Numbers that are at the edge of something.
inline const std::vector<std::string> &edges() {
  static const std::vector<std::string> edges = {"0",
                                                 "1",
                                                 "-1",
                                                 "2",
                                                 "3",
                                                 "16",
                                                 "63",
                                                 "64",
                                                 "65",
                                                 "255",
                                                 "1024",
                                                 "4294967295",
                                                 "4294967296",
                                                 "2147483647",
                                                 "-2147483648",
                                                 "9223372036854775807",
                                                 "-9223372036854775808",
                                                 "18446744073709551615",
                                                 "4611686018427387904",
                                                 "0.0",
                                                 "-0.0",
                                                 "1.0e400",
                                                 "0x7FC00000",
                                                 "0x7F800000",
                                                 "?",
                                                 "f16",
                                                 "bf16",
                                                 "f32",
                                                 "f64",
                                                 "i1",
                                                 "i8",
                                                 "i64",
                                                 "index"};
  return edges;
}

inline std::string join(const std::vector<std::string> &tokens) {
  std::string text;
  for (const std::string &token : tokens)
    text += token;
  return text;
}

/// One to four changes of `text`; tokens may come from `other`.
inline std::string mutateTokens(const std::string &text,
                                const std::string &other, unsigned seed) {
  std::minstd_rand random(seed);
  std::vector<std::string> tokens = split(text), others = split(other);
  auto pick = [&](size_t size) { return size ? random() % size : 0; };
  for (unsigned changes = 1 + random() % 4; changes--;) {
    if (tokens.empty() || others.empty())
      return other;
    size_t at = pick(tokens.size());
    switch (random() % 9) {
    case 0: // another token of the text
      tokens[at] = tokens[pick(tokens.size())];
      break;
    case 1: // a token of the other text
      tokens[at] = others[pick(others.size())];
      break;
    case 2:
      tokens.erase(tokens.begin() + at);
      break;
    case 3: // twice
      tokens.insert(tokens.begin() + at, tokens[at]);
      break;
    case 4: // a number that is an edge, where a number is
    case 5:
      for (size_t i = 0; i < tokens.size(); ++i) {
        std::string &token = tokens[(at + i) % tokens.size()];
        if (!std::isdigit(static_cast<unsigned char>(token[0])))
          continue;
        // "4x8xf32" is one token.
        size_t end = token.find_first_not_of("0123456789");
        token = edges()[pick(edges().size())] +
                (end == std::string::npos ? "" : token.substr(end));
        break;
      }
      break;
    case 6: { // a line twice, or moved
      std::string whole = join(tokens);
      std::vector<size_t> lines = {0};
      for (size_t i = 0; i + 1 < whole.size(); ++i)
        if (whole[i] == '\n')
          lines.push_back(i + 1);
      size_t line = lines[pick(lines.size())];
      size_t end = whole.find('\n', line);
      end = end == std::string::npos ? whole.size() : end + 1;
      std::string moved = whole.substr(line, end - line);
      if (random() % 2)
        whole.erase(line, end - line);
      whole.insert(lines[pick(lines.size())] % (whole.size() + 1), moved);
      tokens = split(whole);
      break;
    }
    case 7: // swapped with its neighbour
      std::swap(tokens[at], tokens[pick(tokens.size())]);
      break;
    default: { // a word of one text in place of every use of another
      std::string from = tokens[at], to = tokens[pick(tokens.size())];
      for (std::string &token : tokens)
        if (token == from)
          token = to;
    }
    }
  }
  return join(tokens);
}

/// For LLVMFuzzerCustomMutator: tokens three times out of four, else bytes.
inline size_t mutate(uint8_t *data, size_t size, size_t maxSize,
                     unsigned seed) {
  if (seed % 4 == 0)
    return LLVMFuzzerMutate(data, size, maxSize);
  std::string text(reinterpret_cast<char *>(data), size);
  std::string result = mutateTokens(text, text, seed);
  if (result.size() > maxSize)
    result.resize(maxSize);
  std::memcpy(data, result.data(), result.size());
  return result.size();
}

} // namespace bfly_fuzz

#endif // BFLY_FUZZ_TOKENMUTATOR_H
