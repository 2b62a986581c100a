// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// bfly-lsp-server: completion, hover and diagnostics for bfly IR in editors.
//
// Upstream's server is a program without hooks: it runs in a child, and what
// the editor and it say to each other goes through this process, which adds to
// the answers.

#include "../EntryPoints.h"
#include "Documents.h"
#include "bfly/Pipelines/Pipelines.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FormatVariadic.h"

#include <csignal>
#include <cstdio>
#include <optional>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace mlir;
using llvm::StringRef;

/// A message's text behind its headers; nullopt at the end of the input.
static std::optional<std::string> readFramed(FILE *in) {
  size_t length = 0;
  char *line = nullptr;
  size_t capacity = 0;
  bool hasHeader = false;
  while (getline(&line, &capacity, in) > 0) {
    StringRef header = StringRef(line).trim();
    if (header.empty() && hasHeader) {
      free(line);
      std::string text(length, '\0');
      if (fread(text.data(), 1, length, in) != length)
        return std::nullopt;
      return text;
    }
    if (header.consume_front_insensitive("content-length:"))
      hasHeader = !header.trim().getAsInteger(10, length) &&
                  length <= (size_t(1) << 30);
  }
  free(line);
  return std::nullopt;
}

/// The same of messages between lines of "// -----", among comments.
static std::optional<std::string> readDelimited(FILE *in) {
  std::string text;
  char *line = nullptr;
  size_t capacity = 0;
  while (getline(&line, &capacity, in) > 0) {
    StringRef row = StringRef(line).trim();
    if (row.starts_with("// -----") && !text.empty())
      break;
    if (!row.starts_with("//"))
      text += row;
  }
  free(line);
  if (text.empty())
    return std::nullopt;
  return text;
}

static void writeFramed(FILE *out, StringRef text) {
  fprintf(out, "Content-Length: %zu\r\n\r\n", text.size());
  fwrite(text.data(), 1, text.size(), out);
  fflush(out);
}

static int runServer(int argc, char **argv) {
  DialectRegistry registry;
  bfly::registerDialects(registry);
  return failed(MlirLspServerMain(argc, argv, registry));
}

int bflyLspServerMain(int argc, char **argv) {
  bool isDelimited = false;
  for (int i = 1; i < argc; ++i)
    isDelimited |= StringRef(argv[i]).trim('-') == "lit-test" ||
                   StringRef(argv[i]).ends_with("delimited");
  int toServer[2], fromServer[2];
  if (pipe(toServer) || pipe(fromServer)) {
    perror("bfly-lsp-server: pipe");
    return 1;
  }
  pid_t server = fork();
  if (server < 0) {
    perror("bfly-lsp-server: fork");
    return 1;
  }
  if (server == 0) {
    dup2(toServer[0], STDIN_FILENO);
    dup2(fromServer[1], STDOUT_FILENO);
    for (int end : {toServer[0], toServer[1], fromServer[0], fromServer[1]})
      close(end);
    return runServer(argc, argv);
  }
  close(toServer[0]);
  close(fromServer[1]);
  // A server that has ended is told by its pipe.
  signal(SIGPIPE, SIG_IGN);
  FILE *requests = fdopen(toServer[1], "w"),
       *answers = fdopen(fromServer[0], "r");

  DialectRegistry registry;
  bfly::registerDialects(registry);
  bfly::Documents documents(registry);
  std::thread editor([&] {
    while (auto text = isDelimited ? readDelimited(stdin) : readFramed(stdin)) {
      if (auto message = llvm::json::parse(*text))
        documents.sent(*message);
      else
        llvm::consumeError(message.takeError());
      if (isDelimited) {
        fprintf(requests, "%s\n// -----\n", text->c_str());
        fflush(requests);
      } else {
        writeFramed(requests, *text);
      }
    }
    fclose(requests);
  });
  editor.detach();
  // What is no message, --help for one, passes as it is.
  int first = fgetc(answers);
  if (first != EOF)
    ungetc(first, answers);
  if (first != EOF && first != 'C') {
    for (int c; (c = fgetc(answers)) != EOF;)
      fputc(c, stdout);
  } else {
    while (auto text = readFramed(answers)) {
      auto message = llvm::json::parse(*text);
      if (!message)
        llvm::consumeError(message.takeError());
      else if (documents.answered(*message))
        *text = isDelimited ? llvm::formatv("{0:2}", *message).str()
                            : llvm::formatv("{0}", *message).str();
      writeFramed(stdout, *text);
    }
  }
  fflush(stdout);
  int status = 0;
  waitpid(server, &status, 0);
  // Not by way of destructors that the other thread may be using.
  _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}
