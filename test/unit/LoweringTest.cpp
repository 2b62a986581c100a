// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Engine/Executable.h"

#include "gtest/gtest.h"

#include <map>

using namespace mlir;
using namespace mlir::bfly;

namespace {

class LoweringTest : public testing::Test {
protected:
  void SetUp() override {
    program = cantFail(Program::parseText(R"mlir(
      func.func @f(%x: tensor<?x8x4xf32>) -> tensor<?x8x4xf32> {
        %y = bfly.spectral_filter %x params() : tensor<?x8x4xf32> -> tensor<?x8x4xf32> {
        ^bb0(%bin: complex<f32>, %k: index):
          %m = complex.mul %bin, %bin : complex<f32>
          bfly.yield %m : complex<f32>
        }
        return %y : tensor<?x8x4xf32>
      }
    )mlir",
                                          "test.mlir"));
  }

  Lowering makeLowering() {
    return {*program, *cantFail(program->function("")), CompileSettings()};
  }

  std::unique_ptr<Program> program;
};

} // namespace

TEST_F(LoweringTest, MakesEachLevelOnce) {
  Lowering lowering = makeLowering();
  ModuleOp affine = cantFail(lowering.at("affine"));
  ModuleOp schedule = cantFail(lowering.at("schedule"));
  cantFail(lowering.at("llvm"));
  EXPECT_EQ(cantFail(lowering.at("affine")), affine);
  EXPECT_EQ(cantFail(lowering.at("schedule")), schedule);
  // What is below the report's level goes once there is machine code.
  cantFail(Executable::create(lowering));
  EXPECT_EQ(cantFail(lowering.at("schedule")), schedule);
  EXPECT_EQ(cantFail(lowering.report()).getString("function"), "f");
}

TEST_F(LoweringTest, GivesTheSameInAnyOrder) {
  Lowering down = makeLowering(), mixed = makeLowering();
  std::map<std::string, std::string> texts;
  for (StringRef level : {"llvm", "network", "affine", "mixer", "schedule"})
    texts[level.str()] = cantFail(mixed.ir(level));
  for (StringRef level : {"mixer", "network", "schedule", "affine", "llvm"})
    EXPECT_EQ(cantFail(down.ir(level)), texts[level.str()]);
  mixed.forgetCode();
  EXPECT_EQ(cantFail(mixed.ir("llvm")), texts["llvm"]);
  EXPECT_NE(texts["affine"], texts["llvm"]);
}

TEST_F(LoweringTest, SaysWhichLevelsThereAre) {
  Lowering lowering = makeLowering();
  EXPECT_EQ(toString(lowering.at("ptx").takeError()),
            "there is no level 'ptx'; the levels are mixer, network, schedule, "
            "affine, gpu, nvvm, binary, llvm");
  EXPECT_EQ(toString(lowering.at("gpu").takeError()),
            "compile options '': level 'gpu' is one of a GPU, not of target "
            "'cpu'");
}
