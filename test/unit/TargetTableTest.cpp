// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/IR/Machine.h"

#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <gtest/gtest.h>

using namespace mlir::bfly;

/// The table of GPUs, as docs/gpu.md has it.
static std::string makeTable() {
  std::string table;
  llvm::raw_string_ostream os(table);
  os << "| word | what it is |";
  std::string rule = "|---|---|";
  for (const Machine &machine : getMachines())
    if (machine.isGPU()) {
      os << " `" << machine.name << "` |";
      rule += "---:|";
    }
  os << "\n" << rule << "\n";
  for (const MachineWord &word : getMachineWords()) {
    if (!word.onGPU)
      continue;
    os << "| `" << word.name << "` | " << word.what << " |";
    for (const Machine &machine : getMachines()) {
      if (!machine.isGPU())
        continue;
      int64_t value = machine.*word.member;
      os << " ";
      if (word.values.empty())
        os << value;
      else
        os << word.values[value];
      os << " |";
    }
    os << "\n";
  }
  return table;
}

TEST(Targets, AreInTheDocuments) {
  auto page = llvm::MemoryBuffer::getFile(BFLY_GPU_PAGE);
  ASSERT_TRUE(page);
  EXPECT_TRUE((*page)->getBuffer().contains(makeTable()))
      << "docs/gpu.md has to have this table:\n"
      << makeTable();
}

TEST(Targets, OfAGPU) {
  auto name = [](int64_t capability) {
    std::optional<Machine> machine = getMachineForGPU(capability);
    return machine ? machine->name.str() : "";
  };
  EXPECT_EQ(name(75), "");
  EXPECT_EQ(name(80), "sm_80");
  EXPECT_EQ(name(89), "sm_80");
  EXPECT_EQ(name(90), "sm_90a");
  EXPECT_EQ(name(100), "sm_80");
  EXPECT_EQ(name(120), "sm_80");
}
