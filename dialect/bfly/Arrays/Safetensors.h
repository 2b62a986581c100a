// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Tensors by name from a .safetensors file: 8 bytes of little-endian header
// length, a JSON header, and the tensors' bytes one after the other
// (huggingface/safetensors, "Format").

#ifndef BFLY_ARRAYS_SAFETENSORS_H
#define BFLY_ARRAYS_SAFETENSORS_H

#include "bfly/Arrays/HostArray.h"

#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MemoryBuffer.h"

#include <vector>

namespace mlir::bfly {

/// An open file. Everything about its layout was checked when it was opened, so
/// that `find` can only fail for a tensor that is not there or whose type is
/// not supported. Arrays from it borrow its memory and must not outlive it.
class Safetensors {
public:
  /// Opens a file and maps it into memory. Errors start with the file's name.
  static llvm::Expected<Safetensors> open(llvm::StringRef path);
  /// The same for a file in memory, named by its identifier in errors.
  static llvm::Expected<Safetensors>
  parse(std::unique_ptr<llvm::MemoryBuffer> file);

  /// The names of all tensors, in the order of the header.
  std::vector<llvm::StringRef> names() const;
  bool contains(llvm::StringRef name) const { return index.contains(name); }

  /// A read-only view of a tensor of type F64, F32, F16, BF16, I64, I32, I16,
  /// I8, U8, BOOL, C64 or C128; a copy of at most `maxBytes` bytes where the
  /// file does not align it to its elements. The error for an unknown name
  /// says which name is nearest.
  llvm::Expected<HostArray> find(llvm::StringRef name,
                                 uint64_t maxBytes = kNoLimit) const;

  /// What the file calls itself in errors.
  llvm::StringRef fileName() const { return file->getBufferIdentifier(); }

private:
  struct Tensor {
    std::string name;
    std::string dtype;
    llvm::SmallVector<int64_t, 4> shape;
    uint64_t begin; ///< in bytes after the header
    uint64_t end;
  };

  explicit Safetensors(std::unique_ptr<llvm::MemoryBuffer> file)
      : file(std::move(file)) {}

  llvm::Error parseFile();
  llvm::Error parseHeader(llvm::StringRef text);
  llvm::Error parseTensor(llvm::StringRef name, llvm::StringRef text);
  llvm::Error checkLayout() const;
  llvm::Expected<HostArray> view(const Tensor &tensor, uint64_t maxBytes) const;

  std::unique_ptr<llvm::MemoryBuffer> file;
  llvm::StringRef payload;
  std::vector<Tensor> tensors;
  llvm::StringMap<size_t> index;
};

} // namespace mlir::bfly

#endif // BFLY_ARRAYS_SAFETENSORS_H
