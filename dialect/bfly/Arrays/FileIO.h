// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Reading and writing files so that hostile or unlucky ones do no harm, and
// the error messages that go with them.

#ifndef BFLY_ARRAYS_FILEIO_H
#define BFLY_ARRAYS_FILEIO_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace llvm {
class Twine;
class raw_ostream;
} // namespace llvm

namespace mlir::bfly {

/// An error that is nothing but its message: one line, no full stop.
llvm::Error makeError(const llvm::Twine &message);

/// `text` in single quotes, safe to print: control characters escaped, and cut
/// after 80 bytes. For names and values that come out of a file.
std::string quote(llvm::StringRef text);

/// "17 bytes", "1.5 GiB".
std::string formatBytes(uint64_t bytes);

/// Opens a file for reading, memory-mapped when it is large. Only regular files
/// are taken: reading a pipe or a device might never end. The file must not
/// shrink while the buffer lives.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
openRegularFile(llvm::StringRef path);

/// All of standard input, named "<stdin>"; an error beyond `maxBytes`.
llvm::Expected<std::unique_ptr<llvm::MemoryBuffer>>
readStandardInput(uint64_t maxBytes);

/// Files that appear together or not at all. Each is written to a temporary
/// file in its own folder; once all are, they take their names. Where anything
/// fails the temporary files are removed and what was there stays as it was.
/// Symbolic links are followed and permissions kept. Devices and pipes, which
/// cannot be renamed over, are written to after all the files and before the
/// first takes its name.
class OutputFiles {
public:
  using Writer = std::function<llvm::Error(llvm::raw_ostream &)>;

  OutputFiles();
  /// Removes what was not committed.
  ~OutputFiles();

  /// Writes the temporary file. `write` may be called by `commit` alone.
  llvm::Error add(llvm::StringRef path, Writer write);
  llvm::Error commit();

private:
  struct File;
  void discard();
  std::vector<std::unique_ptr<File>> files;
};

/// The same for a single file: nobody ever sees a part of it.
llvm::Error
writeFileAtomically(llvm::StringRef path,
                    llvm::function_ref<llvm::Error(llvm::raw_ostream &)> write);

} // namespace mlir::bfly

#endif // BFLY_ARRAYS_FILEIO_H
