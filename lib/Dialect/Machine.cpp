// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The table of machines, and `#bfly.target`, which prints and overrides it.

#include "bfly/IR/Bfly.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::bfly;

ArrayRef<Machine> mlir::bfly::getMachines() {
  static const Machine machines[] = {
      // A server core of today: AVX-512, 48 KB and 1 MB of cache to itself. A
      // CPU with narrower vectors runs the same code, each vector in parts.
      {.name = "cpu",
       .lanes = 16,
       .vectorRegisters = 32,
       .l1 = 48 << 10,
       .l2 = 1 << 20,
       .l3 = 32 << 20,
       .threads = 2},
      // Hopper; the last level of cache is everybody's. The ceilings are what
      // an H200 was measured at: copies, multiply-adds, a large product.
      {.name = "sm_90a",
       .lanes = 32,
       .vectorRegisters = 255,
       .l1 = 256 << 10,
       .l2 = 50 << 20,
       .capability = 90,
       .ptx = 80,
       .blockThreads = 512,
       .sharedBytes = 227 << 10,
       .multiprocessors = 132,
       .registers = 65536,
       .processorThreads = 2048,
       .processorBlocks = 32,
       .processorShared = 228 << 10,
       .residentThreads = 512,
       .workingRegisters = 64,
       .cluster = 16,
       .matrix = kWgmma,
       .copies = kBulkCopies,
       .longestTransform = 1 << 16,
       .gigabytes = 4250,
       .gigaflops = 60000,
       .matrixGigaflops = 700000},
      // Every GPU from compute capability 8.0 on: an A100, but for the shared
      // memory of a block, of which 8.6, 8.9 and 12.0 have 99 KB where an A100
      // has 163; that leaves f64 transforms of 32768 tokens. The ceilings are
      // those of an A100's data sheet.
      {.name = "sm_80",
       .lanes = 32,
       .vectorRegisters = 255,
       .l1 = 192 << 10,
       .l2 = 40 << 20,
       .capability = 80,
       .ptx = 80,
       .blockThreads = 512,
       .sharedBytes = 99 << 10,
       .multiprocessors = 108,
       .registers = 65536,
       .processorThreads = 2048,
       .processorBlocks = 32,
       .processorShared = 164 << 10,
       .residentThreads = 512,
       .workingRegisters = 64,
       .cluster = 1,
       .matrix = kMma,
       .copies = kAsyncCopies,
       .longestTransform = 1 << 15,
       .gigabytes = 1555,
       .gigaflops = 19500,
       .matrixGigaflops = 312000},
  };
  return machines;
}

ArrayRef<MachineWord> mlir::bfly::getMachineWords() {
  static constexpr StringLiteral matrix[] = {"none", "mma", "wgmma"};
  static constexpr StringLiteral copies[] = {"thread", "async", "bulk"};
  static const MachineWord words[] = {
      {"lanes", &Machine::lanes, true, false, "f32 of a vector register"},
      {"warp", &Machine::lanes, false, true, "threads of a warp"},
      {"vector_registers", &Machine::vectorRegisters, true, false,
       "vector registers"},
      {"thread_registers", &Machine::vectorRegisters, false, true,
       "registers of a thread"},
      {"l1", &Machine::l1, true, true, "bytes of first-level cache"},
      {"l2", &Machine::l2, true, true, "bytes of second-level cache"},
      {"l3", &Machine::l3, true, false, "bytes of the last level of cache"},
      {"threads", &Machine::threads, true, false, "threads"},
      {"capability", &Machine::capability, false, true,
       "compute capability, ten times"},
      {"ptx", &Machine::ptx, false, true, "version of PTX, ten times"},
      {"block_threads", &Machine::blockThreads, false, true,
       "threads of a block at most"},
      {"shared", &Machine::sharedBytes, false, true,
       "bytes of shared memory of a block"},
      {"multiprocessors", &Machine::multiprocessors, false, true,
       "multiprocessors"},
      {"registers", &Machine::registers, false, true,
       "registers of a multiprocessor"},
      {"processor_threads", &Machine::processorThreads, false, true,
       "threads of a multiprocessor at most"},
      {"processor_blocks", &Machine::processorBlocks, false, true,
       "blocks of a multiprocessor at most"},
      {"processor_shared", &Machine::processorShared, false, true,
       "bytes of shared memory of a multiprocessor"},
      {"resident_threads", &Machine::residentThreads, false, true,
       "threads that a kernel brings to a multiprocessor"},
      {"working_registers", &Machine::workingRegisters, false, true,
       "registers of a thread beside those that a kernel asks for"},
      {"cluster", &Machine::cluster, false, true,
       "blocks of a cluster at most; 1: there are no clusters"},
      {"matrix", &Machine::matrix, false, true,
       "instructions of the matrix units", matrix},
      {"copies", &Machine::copies, false, true, "what copies to shared memory",
       copies},
      {"longest_transform", &Machine::longestTransform, false, true,
       "tokens that a kernel transforms at most"},
      {"gigabytes", &Machine::gigabytes, false, true,
       "10^9 bytes that a copy moves in a second"},
      {"gigaflops", &Machine::gigaflops, false, true,
       "10^9 operations on f32 in a second"},
      {"matrix_gigaflops", &Machine::matrixGigaflops, false, true,
       "10^9 operations of the matrix units in a second"},
  };
  return words;
}

/// The words of a machine's kind.
static auto getWordsOf(const Machine &machine) {
  return llvm::make_filter_range(
      getMachineWords(), [gpu = machine.isGPU()](const MachineWord &word) {
        return gpu ? word.onGPU : word.onCPU;
      });
}

bool Machine::operator==(const Machine &other) const {
  return name == other.name &&
         llvm::all_of(getMachineWords(), [&](const MachineWord &word) {
           return this->*word.member == other.*word.member;
         });
}

llvm::hash_code mlir::bfly::hash_value(const Machine &machine) {
  llvm::hash_code code = llvm::hash_value(machine.name);
  for (const MachineWord &word : getMachineWords())
    code = llvm::hash_combine(code, machine.*word.member);
  return code;
}

std::optional<Machine> mlir::bfly::getMachine(StringRef target) {
  for (const Machine &machine : getMachines())
    if (machine.name == target)
      return machine;
  return std::nullopt;
}

std::optional<Machine> mlir::bfly::getMachineForGPU(int64_t capability) {
  std::optional<Machine> best;
  for (const Machine &machine : getMachines()) {
    if (!machine.isGPU() || !machine.runsOn(capability))
      continue;
    if (!best || machine.capability > best->capability)
      best = machine;
  }
  return best;
}

std::string mlir::bfly::getMachineNames() {
  return llvm::join(
      llvm::map_range(getMachines(),
                      [](const Machine &machine) { return machine.name; }),
      ", ");
}

Machine mlir::bfly::getMachine(Operation *op) {
  for (; op; op = op->getParentOp())
    if (auto target = op->getAttrOfType<TargetAttr>(TargetAttr::attributeName))
      return target.getMachine();
  return getMachines().front();
}

// #bfly.target ---------------------------------------------------------------

/// No fact of a machine is larger: sums and products of a few fit in 64 bits.
static constexpr int64_t kMost = int64_t(1) << 40;

Attribute TargetAttr::parse(AsmParser &parser, Type) {
  std::string name;
  SMLoc loc = parser.getCurrentLocation();
  if (parser.parseLess() || parser.parseString(&name))
    return {};
  std::optional<Machine> machine = bfly::getMachine(name);
  if (!machine) {
    parser.emitError(loc, "unknown target \"")
        << name << "\", known: " << getMachineNames();
    return {};
  }
  llvm::SmallPtrSet<const MachineWord *, 16> seen;
  while (succeeded(parser.parseOptionalComma())) {
    StringRef spelling;
    int64_t value;
    loc = parser.getCurrentLocation();
    if (parser.parseKeyword(&spelling))
      return {};
    auto words = getWordsOf(*machine);
    auto word = llvm::find_if(words, [&](const MachineWord &candidate) {
      return candidate.name == spelling;
    });
    if (word == words.end()) {
      auto names = llvm::map_range(
          words, [](const MachineWord &known) { return known.name; });
      parser.emitError(loc, "\"") << name << "\" has no fact '" << spelling
                                  << "', known: " << llvm::join(names, ", ");
      return {};
    }
    if (!seen.insert(&*word).second) {
      parser.emitError(loc, "'") << spelling << "' stands here twice";
      return {};
    }
    if (parser.parseEqual())
      return {};
    if (!word->values.empty()) {
      StringRef chosen;
      if (parser.parseKeyword(&chosen))
        return {};
      const auto *found = llvm::find(word->values, chosen);
      if (found == word->values.end()) {
        parser.emitError(loc, "") << spelling << " = " << chosen << ": must be "
                                  << llvm::join(word->values, ", ");
        return {};
      }
      *machine.*word->member = found - word->values.begin();
      continue;
    }
    if (parser.parseInteger(value))
      return {};
    if (value < 1 || value > kMost) {
      parser.emitError(loc, "")
          << spelling << " = " << value << ": must be between 1 and 2^40";
      return {};
    }
    *machine.*word->member = value;
  }
  if (parser.parseGreater())
    return {};
  return TargetAttr::get(parser.getContext(), *machine);
}

void TargetAttr::print(AsmPrinter &printer) const {
  printer << "<\"" << getMachine().name << '"';
  for (const MachineWord &word : getWordsOf(getMachine())) {
    int64_t value = getMachine().*word.member;
    printer << ", " << word.name << " = ";
    if (word.values.empty())
      printer << value;
    else
      printer << word.values[value];
  }
  printer << '>';
}
