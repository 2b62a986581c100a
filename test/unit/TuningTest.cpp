// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// What tuning does with code that is wrong, or does not compile: no plan that
// fits makes such, so that texts stand for them.

#include "../../lib/Engine/PlanSearch.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace mlir::bfly;

namespace {

class TuningTest : public testing::Test {
protected:
  void SetUp() override {
    setup.name = "test";
    setup.function = "f";
    setup.inputs.push_back(
        cantFail(HostArray::allocate(ElementType::F32, {4})));
    for (float &value : setup.inputs[0].mutableAs<float>())
      value = 3;
  }

  /// A function that does `op` with its input and itself.
  llvm::Expected<std::unique_ptr<Trial>> create(StringRef op) {
    return Trial::create(setup,
                         ("func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {\n"
                          "  %y = " +
                          op +
                          " %x, %x : tensor<4xf32>\n"
                          "  return %y : tensor<4xf32>\n}\n")
                             .str());
  }

  TrialSetup setup;
};

} // namespace

TEST_F(TuningTest, ComparesWithTheFirst) {
  auto first = cantFail(create("arith.addf"));
  EXPECT_EQ(first->wrong, "");
  EXPECT_EQ(setup.expected[0].as<float>()[3], 6);
  EXPECT_EQ(cantFail(create("arith.addf"))->wrong, "");
  EXPECT_EQ(StringRef(cantFail(create("arith.mulf"))->wrong)
                .starts_with("result 0: does not match: relative error 0.5"),
            true);
  // What the first computes is kept.
  EXPECT_EQ(setup.expected[0].as<float>()[3], 6);
}

TEST_F(TuningTest, TellsNaNsFromNumbers) {
  for (float &value : setup.inputs[0].mutableAs<float>())
    value = 0;
  cantFail(create("arith.divf"));
  EXPECT_EQ(cantFail(create("arith.remf"))->wrong, "");
  EXPECT_NE(cantFail(create("arith.addf"))->wrong, "");
}

TEST_F(TuningTest, SaysWhatDoesNotCompile) {
  EXPECT_NE(toString(create("arith.addd").takeError()).find("arith.addd"),
            std::string::npos);
}

TEST_F(TuningTest, RefusesAPlanThatComputesSomethingElse) {
  auto program = cantFail(Program::parseText(R"mlir(
    func.func @f(%x: tensor<4x2x4xf32>) -> tensor<4x4xf32> {
      %y = bfly.mean %x : tensor<4x2x4xf32> -> tensor<4x4xf32>
      return %y : tensor<4x4xf32>
    }
  )mlir",
                                             "test.mlir"));
  Lowering lowering(*program, *cantFail(program->function("")),
                    CompileSettings());
  KernelOp kernel;
  cantFail(lowering.at("schedule")).walk([&](KernelOp op) { kernel = op; });
  setup.inputs[0] = cantFail(HostArray::zeros(ElementType::F32, {4, 2, 4}));
  setup.results.push_back(cantFail(HostArray::zeros(ElementType::F32, {4, 4})));
  setup.expected.push_back(
      cantFail(HostArray::zeros(ElementType::F32, {4, 4})));
  setup.expected[0].writeScalars(5, 1.0);
  setup.copies = 1;
  TunedKernel result;
  std::string message =
      toString(PlanSearch(kernel, std::move(setup), result).run(/*rounds=*/0));
  EXPECT_EQ(message,
            "test: plan [#bfly.cpu_slabs<channels = 64>] does not compute what "
            "the chosen plan [#bfly.cpu_slabs<channels = 64>] does: result 0: "
            "does not match: relative error 1, tolerance 1e-05; largest error "
            "1 at element [1, 1]: got 0, expected 1; 1 of 16 elements off");
}

TEST_F(TuningTest, TimesTrialsInTurn) {
  auto first = cantFail(create("arith.addf"));
  auto second = cantFail(create("arith.addf"));
  cantFail(timeTrials({first.get(), second.get()}, /*samples=*/5));
  for (const Trial *trial : {first.get(), second.get()}) {
    EXPECT_GT(trial->timing.lower, 0);
    EXPECT_LE(trial->timing.lower, trial->timing.median);
    EXPECT_LE(trial->timing.median, trial->timing.upper);
    EXPECT_GE(trial->timing.noise(), 0);
  }
}

TEST(TimingTest, IsFasterByMoreThanTheNoise) {
  Timing slow{1.0, 0.9, 1.1}, near{0.8, 0.7, 0.95}, fast{0.5, 0.4, 0.6};
  EXPECT_FALSE(near.isFasterThan(slow));
  EXPECT_TRUE(fast.isFasterThan(slow));
  EXPECT_FALSE(slow.isFasterThan(fast));
  EXPECT_DOUBLE_EQ(slow.noise(), 0.1);
}
