// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "CacheKey.h"

#include "Jit.h"
#include "bfly-runtime.h"
#include "bfly/Target/CudaToolkit.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Support/BLAKE3.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/TargetParser/Host.h"

#include <elf.h>
#include <link.h>

using namespace mlir;
using namespace mlir::bfly;

namespace {
/// What is looked for among the objects of this process.
struct BuildId {
  uintptr_t address;
  std::string id;
};
} // namespace

/// The linker's build id, of the object that the address is in.
static int findBuildId(dl_phdr_info *info, size_t, void *state) {
  auto &wanted = *static_cast<BuildId *>(state);
  ArrayRef<ElfW(Phdr)> headers(info->dlpi_phdr, info->dlpi_phnum);
  auto contains = [&](const ElfW(Phdr) & header) {
    uintptr_t begin = info->dlpi_addr + header.p_vaddr;
    return header.p_type == PT_LOAD && wanted.address >= begin &&
           wanted.address < begin + header.p_memsz;
  };
  if (llvm::none_of(headers, contains))
    return 0;
  for (const ElfW(Phdr) &header : headers) {
    if (header.p_type != PT_NOTE)
      continue;
    StringRef notes(
        reinterpret_cast<const char *>(info->dlpi_addr + header.p_vaddr),
        header.p_memsz);
    while (notes.size() >= sizeof(ElfW(Nhdr))) {
      ElfW(Nhdr) note;
      std::memcpy(&note, notes.data(), sizeof(note));
      notes = notes.drop_front(sizeof(note));
      StringRef name = notes.take_front(note.n_namesz);
      notes = notes.drop_front(
          std::min<size_t>(llvm::alignTo(note.n_namesz, 4), notes.size()));
      if (note.n_type == NT_GNU_BUILD_ID && name == StringRef("GNU\0", 4))
        wanted.id = notes.take_front(note.n_descsz).str();
      notes = notes.drop_front(
          std::min<size_t>(llvm::alignTo(note.n_descsz, 4), notes.size()));
    }
  }
  return 1;
}

/// This build of the engine, of MLIR and of LLVM, which may be three libraries
/// or one; empty where one of them does not say.
static const std::string &describeBuild() {
  static const std::string build = [] {
    std::string all;
    for (const void *address :
         {reinterpret_cast<const void *>(&makeCacheKey),
          reinterpret_cast<const void *>(&mlir::translateModuleToLLVMIR),
          reinterpret_cast<const void *>(&llvm::sys::getHostCPUName)}) {
      BuildId found{reinterpret_cast<uintptr_t>(address), ""};
      dl_iterate_phdr(findBuildId, &found);
      if (found.id.empty())
        return std::string();
      all += found.id;
    }
    return all;
  }();
  return build;
}

/// A file as it is now: its name, size and time.
static std::string describeFile(const std::string &path) {
  llvm::sys::fs::file_status status;
  if (path.empty() || llvm::sys::fs::status(path, status))
    return "";
  return path + " " + std::to_string(status.getSize()) + " " +
         std::to_string(
             status.getLastModificationTime().time_since_epoch().count());
}

std::optional<CacheKey>
mlir::bfly::makeCacheKey(StringRef source, StringRef sourceName,
                         const SourceOptions &options, StringRef function,
                         const CompileSettings &settings) {
  if (describeBuild().empty() || describeHost().empty())
    return std::nullopt;
  llvm::BLAKE3 hasher;
  auto add = [&](StringRef part) {
    char size[8];
    llvm::support::endian::write64le(size, part.size());
    hasher.update(StringRef(size, sizeof(size)));
    hasher.update(part);
  };
  add(describeBuild());
  add(describeHost());
  add(settings.device.describeCode());
  if (settings.device.kind == Device::Kind::CUDA) {
    auto toolkit = findCudaToolkit();
    for (const std::string &path :
         {toolkit ? toolkit->ptxas : "", toolkit ? toolkit->fatbinary : "",
          toolkit ? toolkit->libdevice : ""})
      add(describeFile(path));
  }
  add(std::to_string(settings.threads > 0 ? settings.threads
                                          : bflyRuntimeMaxThreads()));
  add(settings.target);
  add(settings.pipelineOptions);
  add(options.allowBytecode ? "bytecode" : "");
  add(options.allowForeignCalls ? "foreign calls" : "");
  add(function);
  add(sourceName);
  add(source);
  return hasher.final<32>();
}
