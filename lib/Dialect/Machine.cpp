// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The table of machines, and `#bfly.target`, which prints and overrides it.

#include "bfly/IR/Bfly.h"

#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::bfly;

static ArrayRef<Machine> getMachines() {
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
      // Hopper: what a block may have of shared memory is 227 KB; the last
      // level of cache is everybody's.
      {.name = "sm_90a",
       .lanes = 32,
       .vectorRegisters = 255,
       .l1 = 256 << 10,
       .l2 = 50 << 20,
       .blockThreads = 512,
       .sharedBytes = 227 << 10,
       .multiprocessors = 132,
       .residentThreads = 512,
       .longestTransform = 1 << 16},
  };
  return machines;
}

ArrayRef<MachineWord> mlir::bfly::getMachineWords() {
  static const MachineWord words[] = {
      {"lanes", &Machine::lanes, true, false},
      {"warp", &Machine::lanes, false, true},
      {"vector_registers", &Machine::vectorRegisters, true, false},
      {"l1", &Machine::l1, true, true},
      {"l2", &Machine::l2, true, true},
      {"l3", &Machine::l3, true, false},
      {"threads", &Machine::threads, true, false},
      {"block_threads", &Machine::blockThreads, false, true},
      {"shared", &Machine::sharedBytes, false, true},
      {"multiprocessors", &Machine::multiprocessors, false, true},
      {"resident_threads", &Machine::residentThreads, false, true},
      {"longest_transform", &Machine::longestTransform, false, true},
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
    if (parser.parseEqual() || parser.parseInteger(value))
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
  for (const MachineWord &word : getWordsOf(getMachine()))
    printer << ", " << word.name << " = " << getMachine().*word.member;
  printer << '>';
}
