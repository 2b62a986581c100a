// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Target/Launches.h"

#include "mlir/Dialect/GPU/IR/GPUDialect.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Object/ELF.h"
#include "llvm/Object/ELFTypes.h"
#include "llvm/Support/Endian.h"

using namespace mlir;
using namespace mlir::bfly;
namespace json = llvm::json;
using llvm::support::endian::read16le;
using llvm::support::endian::read32le;

// Machine code ---------------------------------------------------------------

/// Attributes of section .nv.info: a byte for the form, one for the name, then
/// (form kSized) 16 bits of size and so many bytes.
static constexpr uint8_t kSized = 4;
/// Both of a symbol: its index, then a number.
static constexpr uint8_t kFrameSize = 0x11, kRegisterCount = 0x2f;

std::optional<KernelResources> mlir::bfly::getResources(StringRef binary,
                                                        StringRef kernel) {
  // A fat binary compresses PTX, and holds machine code as it is.
  StringRef cubin = binary.substr(
      std::min(binary.find(StringRef(llvm::ELF::ElfMagic, 4)), binary.size()));
  using File = llvm::object::ELFFile<llvm::object::ELF64LE>;
  auto nothing = [](llvm::Error error) {
    llvm::consumeError(std::move(error));
    return std::nullopt;
  };
  auto file = File::create(cubin);
  if (!file)
    return nothing(file.takeError());
  auto sections = file->sections();
  if (!sections)
    return nothing(sections.takeError());

  KernelResources resources;
  std::optional<uint32_t> symbol;
  StringRef info;
  for (const File::Elf_Shdr &section : *sections) {
    auto name = file->getSectionName(section);
    if (!name)
      return nothing(name.takeError());
    if (*name == (".text." + kernel).str())
      resources.codeBytes = section.sh_size;
    if (*name == ".nv.info") {
      auto bytes = file->getSectionContents(section);
      if (!bytes)
        return nothing(bytes.takeError());
      info = StringRef(reinterpret_cast<const char *>(bytes->data()),
                       bytes->size());
    }
    if (section.sh_type != llvm::ELF::SHT_SYMTAB)
      continue;
    auto symbols = file->symbols(&section);
    auto names = file->getStringTableForSymtab(section);
    if (!symbols || !names) {
      llvm::Error error =
          llvm::joinErrors(symbols.takeError(), names.takeError());
      return nothing(std::move(error));
    }
    for (auto [index, entry] : llvm::enumerate(*symbols)) {
      auto symbolName = entry.getName(*names);
      if (!symbolName)
        return nothing(symbolName.takeError());
      if (entry.getType() == llvm::ELF::STT_FUNC && *symbolName == kernel)
        symbol = index;
    }
  }
  if (!symbol)
    return std::nullopt;

  while (info.size() >= 4) {
    uint8_t form = info[0], name = info[1];
    size_t size = form == kSized ? read16le(info.data() + 2) : 0;
    if (info.size() < 4 + size)
      return std::nullopt;
    const char *value = info.data() + 4;
    if (size == 8 && read32le(value) == *symbol) {
      if (name == kRegisterCount)
        resources.registers = read32le(value + 4);
      else if (name == kFrameSize)
        resources.localBytes = read32le(value + 4);
    }
    info = info.drop_front(4 + size);
  }
  if (resources.registers == 0)
    return std::nullopt;
  return resources;
}

int64_t mlir::bfly::getBlocksPerMultiprocessor(const Machine &machine,
                                               int64_t threads,
                                               int64_t registers,
                                               int64_t sharedBytes) {
  // Registers are given to warps 256 at a time; of each block's shared memory
  // the system has 1 KB.
  constexpr int64_t kReserved = 1 << 10;
  int64_t warp = machine.lanes;
  int64_t warps = llvm::divideCeil(std::max<int64_t>(threads, 1), warp);
  int64_t blocks = std::min(machine.processorBlocks,
                            machine.processorThreads / (warps * warp));
  if (registers > 0)
    blocks = std::min(
        blocks, machine.registers /
                    (warps * int64_t(llvm::alignTo(registers * warp, 256))));
  return std::min(blocks, machine.processorShared / (sharedBytes + kReserved));
}

// Reports --------------------------------------------------------------------

std::string mlir::bfly::getLaunchPrefix(StringRef function, StringRef kernel) {
  std::string prefix = (function + "_" + kernel + "_").str();
  for (char &c : prefix)
    if (!llvm::isAlnum(c))
      c = '_';
  return prefix;
}

static std::optional<int64_t> getNumber(Value value) {
  APInt number;
  if (value && matchPattern(value, m_ConstantInt(&number)))
    return number.getSExtValue();
  return std::nullopt;
}

/// What one launch is, of the kernel `launch.getKernelName()`.
static json::Object getLaunchReport(gpu::LaunchFuncOp launch, ModuleOp module) {
  StringRef name = launch.getKernelName().getValue();
  json::Object report{{"name", name}};
  std::optional<int64_t> threads = getNumber(launch.getBlockSizeX());
  int64_t shared = getNumber(launch.getDynamicSharedMemorySize()).value_or(0);
  if (threads)
    report["threads"] = *threads;
  report["shared_bytes"] = shared;
  auto binary =
      module.lookupSymbol<gpu::BinaryOp>(launch.getKernelModuleName());
  if (!binary || binary.getObjects().empty())
    return report;
  auto object = dyn_cast<gpu::ObjectAttr>(binary.getObjects()[0]);
  std::optional<KernelResources> resources =
      object ? getResources(object.getObject().getValue(), name) : std::nullopt;
  if (!resources)
    return report;
  report["registers"] = resources->registers;
  report["local_bytes"] = resources->localBytes;
  report["code_bytes"] = resources->codeBytes;
  auto target = dyn_cast<NVVM::NVVMTargetAttr>(object.getTarget());
  std::optional<Machine> machine =
      target ? getMachine(target.getChip()) : std::nullopt;
  if (threads && machine)
    report["blocks_per_multiprocessor"] = getBlocksPerMultiprocessor(
        *machine, *threads, resources->registers, shared);
  return report;
}

json::Array mlir::bfly::getLaunches(ModuleOp module) {
  json::Array launches;
  module.walk([&](gpu::LaunchFuncOp launch) {
    launches.push_back(getLaunchReport(launch, module));
  });
  return launches;
}

void mlir::bfly::addLaunches(json::Object &report, json::Array launches) {
  json::Array *kernels = report.getArray("kernels");
  size_t next = 0;
  for (const json::Value &launch : launches) {
    // Kernels are numbered in each function. Loops that were nobody's are
    // kernels too by now, and what a library does is none.
    StringRef name = launch.getAsObject()->getString("name").value_or("");
    for (size_t i = next; kernels && i < kernels->size(); ++i) {
      json::Object &kernel = *(*kernels)[i].getAsObject();
      std::string prefix =
          getLaunchPrefix(kernel.getString("function").value_or(""),
                          kernel.getString("name").value_or(""));
      StringRef number = name;
      if (!number.consume_front(prefix) || number.empty() ||
          !llvm::all_of(number, [](char c) { return llvm::isDigit(c); }))
        continue;
      kernel["launch"] = launch;
      next = i + 1;
      break;
    }
  }
  report["launches"] = std::move(launches);
}
