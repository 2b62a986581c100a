// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Reading and writing files so that hostile or unlucky ones do no harm, and
// the error messages that go with them.

#ifndef BFLY_ENGINE_FILEIO_H
#define BFLY_ENGINE_FILEIO_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"
#include "llvm/Support/MemoryBuffer.h"

#include <memory>
#include <string>

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

/// Writes a file so that nobody ever sees a part of it: `write` fills a
/// temporary file in the same folder, which then takes the name `path`. Where
/// anything fails the temporary file is removed and what was at `path` stays
/// as it was. Symbolic links are followed and permissions kept. A device or a
/// pipe is written to directly.
llvm::Error
writeFileAtomically(llvm::StringRef path,
                    llvm::function_ref<llvm::Error(llvm::raw_ostream &)> write);

} // namespace mlir::bfly

#endif // BFLY_ENGINE_FILEIO_H
