// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Arrays/FileIO.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/Twine.h"
#include "llvm/Support/Errc.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace mlir::bfly;

Error mlir::bfly::makeError(const Twine &message) {
  return createStringError(inconvertibleErrorCode(), message);
}

std::string mlir::bfly::quote(StringRef text) {
  constexpr size_t limit = 80;
  std::string result;
  raw_string_ostream os(result);
  os << '\'';
  printEscapedString(text.take_front(limit), os);
  os << (text.size() > limit ? "…'" : "'");
  return result;
}

std::string mlir::bfly::formatBytes(uint64_t bytes) {
  static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 10 * 1024)
    return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
  double scaled = static_cast<double>(bytes) / 1024;
  unsigned unit = 0;
  while (scaled >= 1024 && unit + 1 < std::size(units)) {
    scaled /= 1024;
    ++unit;
  }
  std::string result;
  raw_string_ostream os(result);
  os << format("%.1f ", scaled) << units[unit];
  return result;
}

static Error fileError(StringRef path, std::error_code code) {
  return makeError(path + ": " + code.message());
}

Expected<std::unique_ptr<MemoryBuffer>>
mlir::bfly::openRegularFile(StringRef path) {
  if (path.contains('\0'))
    return makeError("a file name cannot hold a null character");
  // Asked before opening, because opening a pipe already waits for its writer.
  sys::fs::file_status status;
  if (std::error_code code = sys::fs::status(path, status))
    return fileError(path, code);
  if (sys::fs::is_directory(status))
    return makeError(path + ": is a folder, not a file");
  if (!sys::fs::is_regular_file(status))
    return makeError(path + ": is not a regular file");
  ErrorOr<std::unique_ptr<MemoryBuffer>> buffer =
      MemoryBuffer::getFile(path, /*IsText=*/false,
                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return fileError(path, buffer.getError());
  return std::move(*buffer);
}

Expected<std::unique_ptr<MemoryBuffer>>
mlir::bfly::readStandardInput(uint64_t maxBytes) {
  constexpr size_t kChunk = 1 << 16;
  std::string bytes;
  for (;;) {
    size_t before = bytes.size();
    bytes.resize(before + kChunk);
    Expected<size_t> count = sys::fs::readNativeFile(
        sys::fs::getStdinHandle(),
        MutableArrayRef<char>(bytes.data() + before, kChunk));
    if (!count)
      return makeError("<stdin>: " + toString(count.takeError()));
    bytes.resize(before + *count);
    if (*count == 0)
      return MemoryBuffer::getMemBufferCopy(bytes, "<stdin>");
    if (bytes.size() > maxBytes)
      return makeError("<stdin>: larger than " + formatBytes(maxBytes));
  }
}

/// Runs `write` on an open file and turns a failing stream into an Error.
static Error writeTo(int descriptor, StringRef path,
                     function_ref<Error(raw_ostream &)> write) {
  raw_fd_ostream os(descriptor, /*shouldClose=*/false);
  Error error = write(os);
  os.flush();
  std::error_code code = os.error();
  os.clear_error(); // the destructor ends the program otherwise
  if (error)
    return error;
  return code ? fileError(path, code) : Error::success();
}

/// Writes to something that cannot be renamed over, such as /dev/null.
static Error writeToDevice(StringRef path,
                           function_ref<Error(raw_ostream &)> write) {
  int descriptor;
  if (std::error_code code = sys::fs::openFileForWrite(
          path, descriptor, sys::fs::CD_OpenExisting, sys::fs::OF_Append))
    return fileError(path, code);
  Error error = writeTo(descriptor, path, write);
  sys::fs::file_t file = sys::fs::convertFDToNativeFile(descriptor);
  std::error_code code = sys::fs::closeFile(file);
  if (error)
    return error;
  return code ? fileError(path, code) : Error::success();
}

struct OutputFiles::File {
  std::string path;
  SmallString<128> target; ///< without links; empty for a device
  std::optional<sys::fs::TempFile> temporary;
  bool existed = false;
  bool renamed = false;
  Writer write; ///< a device's
};

OutputFiles::OutputFiles() = default;
OutputFiles::~OutputFiles() { discard(); }

void OutputFiles::discard() {
  for (std::unique_ptr<File> &file : files)
    if (file->temporary)
      consumeError(file->temporary->discard());
  files.clear();
}

/// Where a file that need not be there would lie, without links.
static std::error_code resolve(StringRef path, bool exists,
                               SmallVectorImpl<char> &target) {
  if (exists)
    return sys::fs::real_path(path, target);
  StringRef folder = sys::path::parent_path(path);
  if (std::error_code code =
          sys::fs::real_path(folder.empty() ? "." : folder, target))
    return code;
  sys::path::append(target, sys::path::filename(path));
  return {};
}

Error OutputFiles::add(StringRef path, Writer write) {
  if (path.empty())
    return makeError("no name given for an output file");
  if (path.contains('\0'))
    return makeError("a file name cannot hold a null character");
  auto file = std::make_unique<File>();
  file->path = path.str();
  sys::fs::file_status status;
  std::error_code missing = sys::fs::status(path, status);
  file->existed = !missing;
  if (missing && missing != errc::no_such_file_or_directory)
    return fileError(path, missing);
  if (file->existed) {
    if (sys::fs::is_directory(status))
      return makeError(path + ": is a folder, not a file");
    if (!sys::fs::is_regular_file(status)) {
      file->write = std::move(write);
      files.push_back(std::move(file));
      return Error::success();
    }
    if (!sys::fs::can_write(path))
      return fileError(path, make_error_code(errc::permission_denied));
  }
  // Renaming replaces a link itself, so find what it points to.
  if (std::error_code code = resolve(path, file->existed, file->target))
    return fileError(path, code);
  for (const std::unique_ptr<File> &other : files)
    if (other->target == file->target)
      return makeError(path + ": is to be written twice");

  Expected<sys::fs::TempFile> temporary =
      sys::fs::TempFile::create(file->target + ".tmp-%%%%%%%%");
  if (!temporary)
    return makeError(path + ": " + toString(temporary.takeError()));
  file->temporary.emplace(std::move(*temporary));
  files.push_back(std::move(file));
  File &added = *files.back();
  if (Error error = writeTo(added.temporary->FD, path, write))
    return error;
  if (added.existed)
    if (std::error_code code =
            sys::fs::setPermissions(added.temporary->FD, status.permissions()))
      return fileError(path, code);
  return Error::success();
}

Error OutputFiles::commit() {
  for (std::unique_ptr<File> &file : files)
    if (file->write)
      if (Error error = writeToDevice(file->path, file->write))
        return error;
  for (std::unique_ptr<File> &file : files) {
    if (!file->temporary)
      continue;
    Error error = file->temporary->keep(file->target);
    file->temporary.reset();
    if (error) {
      for (std::unique_ptr<File> &other : files)
        if (other->renamed && !other->existed)
          (void)sys::fs::remove(other->target);
      return makeError(file->path + ": " + toString(std::move(error)));
    }
    file->renamed = true;
  }
  files.clear();
  return Error::success();
}

Error mlir::bfly::writeFileAtomically(
    StringRef path, function_ref<Error(raw_ostream &)> write) {
  OutputFiles files;
  if (Error error = files.add(path, write))
    return error;
  return files.commit();
}
