// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// Calls on a GPU through the engine, on a driver that needs none
// (test/Inputs/fake_cuda.c), whose memory is the host's: so code that was
// compiled for a CPU runs on it.

#include "../../lib/Engine/ForeignCode.h"
#include "FakeCuda.h"
#include "bfly-cuda.h"
#include "bfly/Conversion/Passes.h"
#include "bfly/Engine/Executable.h"
#include "bfly/Pipelines/Pipelines.h"

#include "mlir/ExecutionEngine/ExecutionEngine.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/TargetSelect.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace mlir::bfly;

namespace {

class CudaEngine : public testing::Test {
protected:
  void SetUp() override {
    fake().fail("", 0, 0);
    program = cantFail(Program::parseText(R"mlir(
      func.func @f(%x: tensor<?x4xf32>, %s: f32, %b: tensor<?xi1>)
          -> tensor<?x4xf32> {
        %y = arith.addf %x, %x : tensor<?x4xf32>
        return %y : tensor<?x4xf32>
      }
    )mlir",
                                          "test.mlir"));
    settings.device = {Device::Kind::CUDA, 0};
    settings.target = "cpu";
    Lowering lowering(*program, *cantFail(program->function("")), settings);
    executable = cantFail(Executable::create(lowering));
    fake().clearLog();
    blocksBefore = fake().live(0);
  }
  void TearDown() override { EXPECT_EQ(fake().live(0), blocksBefore); }

  /// Binds and runs with `x` and `y`; the message of what fails, or "".
  std::string run(ArrayView x, ArrayView y, void *stream = nullptr) {
    float s = 1;
    bool b[2] = {true, false};
    int64_t batch = x.shape[0];
    ArrayView number, flags;
    number.data = &s;
    flags.type = ElementType::I1;
    flags.shape = batch;
    flags.data = b;
    auto call = executable->bind({x, number, flags}, {}, y);
    if (!call)
      return toString(call.takeError());
    llvm::Error error = call->run(stream);
    return error ? toString(std::move(error)) : "";
  }

  ArrayView view(void *data, Device device = {}) {
    ArrayView view;
    view.shape = shape;
    view.data = data;
    view.device = device;
    return view;
  }

  /// Memory of the GPU, freed at the end of the test.
  struct Memory {
    Memory(int ordinal, uint64_t bytes) : ordinal(ordinal) {
      EXPECT_EQ(bflyCudaAllocate(ordinal, nullptr, bytes, &data), 0);
    }
    ~Memory() { bflyCudaFree(ordinal, nullptr, data); }
    int ordinal;
    void *data = nullptr;
  };

  static constexpr int64_t shape[] = {2, 4};
  static constexpr Device gpu = {Device::Kind::CUDA, 0};
  float x[8] = {0, 1, 2, 3, 4, 5, 6, 7}, y[8] = {};
  std::unique_ptr<Program> program;
  CompileSettings settings;
  std::unique_ptr<Executable> executable;
  int blocksBefore = 0;
};

} // namespace

TEST_F(CudaEngine, CopiesArraysOfTheHost) {
  for (int i = 0; i < 3; ++i) {
    std::fill_n(y, 8, 0);
    EXPECT_EQ(run(view(x), view(y)), "");
    EXPECT_EQ(y[7], 14);
  }
  EXPECT_EQ(fake().count("cuMemcpyAsync(device, host, 32)"), 3);
  EXPECT_EQ(fake().count("cuMemcpyAsync(host, device, 32)"), 3);
  EXPECT_EQ(fake().count("cuStreamSynchronize"), 3);
  EXPECT_EQ(fake().live(0), blocksBefore);
}

TEST_F(CudaEngine, LeavesArraysOfTheGPUThere) {
  Memory in(0, 32), out(0, 32);
  std::copy_n(x, 8, static_cast<float *>(in.data));
  float s = 1;
  ArrayView number;
  number.data = &s;
  // One array of the host is enough to copy and to wait.
  EXPECT_EQ(run(view(in.data, gpu), view(out.data, gpu)), "");
  EXPECT_EQ(static_cast<float *>(out.data)[7], 14);
  EXPECT_EQ(fake().count("cuMemcpyAsync"), 1);
  EXPECT_EQ(fake().count("cuStreamSynchronize"), 1);
  // With none there is nothing to wait for.
  Memory flags(0, 2);
  fake().clearLog();
  int64_t batch = 2;
  ArrayView onGPU;
  onGPU.type = ElementType::I1;
  onGPU.shape = batch;
  onGPU.data = flags.data;
  onGPU.device = gpu;
  auto call = executable->bind({view(in.data, gpu), number, onGPU}, {},
                               view(out.data, gpu));
  ASSERT_TRUE(static_cast<bool>(call)) << toString(call.takeError());
  void *stream = nullptr;
  ASSERT_EQ(bflyCudaStreamCreate(0, &stream), 0);
  EXPECT_FALSE(static_cast<bool>(call->run(stream)));
  EXPECT_EQ(fake().count("cuMemcpyAsync"), 0);
  EXPECT_EQ(fake().count("cuStreamSynchronize"), 0);
  EXPECT_EQ(fake().count("cuMemAlloc"), 0);
  // A stream of another device.
  void *other = nullptr;
  ASSERT_EQ(bflyCudaStreamCreate(1, &other), 0);
  EXPECT_EQ(toString(call->run(other)), "the stream is not one of cuda:0");
  bflyCudaStreamDestroy(0, stream);
  bflyCudaStreamDestroy(1, other);
}

TEST_F(CudaEngine, CapturesCallsWithArraysOfTheGPU) {
  Memory in(0, 32), out(0, 32), flags(0, 2);
  void *stream = nullptr;
  ASSERT_EQ(bflyCudaStreamCreate(0, &stream), 0);
  void *graph = fake().beginCapture(stream);
  EXPECT_EQ(run(view(in.data, gpu), view(out.data, gpu), stream),
            "input 2 is in the memory of the host, and the stream is captured "
            "into a graph, which takes arrays of the GPU alone");
  float s = 1;
  int64_t batch = 2;
  ArrayView number, onGPU;
  number.data = &s;
  onGPU.type = ElementType::I1;
  onGPU.shape = batch;
  onGPU.data = flags.data;
  onGPU.device = gpu;
  auto call = executable->bind({view(in.data, gpu), number, onGPU}, {},
                               view(out.data, gpu));
  ASSERT_TRUE(static_cast<bool>(call)) << toString(call.takeError());
  EXPECT_FALSE(static_cast<bool>(call->run(stream)));
  EXPECT_EQ(fake().endCapture(stream), 0);
  fake().destroyGraph(graph);
  bflyCudaStreamDestroy(0, stream);
}

TEST_F(CudaEngine, MeasuresWithoutCopies) {
  float s = 1;
  bool b[2] = {true, false};
  int64_t batch = 2;
  ArrayView number, flags;
  number.data = &s;
  flags.type = ElementType::I1;
  flags.shape = batch;
  flags.data = b;
  auto call = cantFail(executable->bind({view(x), number, flags}, {}, view(y)));
  EXPECT_FALSE(static_cast<bool>(call.run()));
  fake().clearLog();
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(static_cast<bool>(call.launch()));
  EXPECT_EQ(fake().count("cuMem"), 0);
  EXPECT_EQ(fake().count("cuStreamSynchronize"), 0);
}

TEST_F(CudaEngine, NamesWhatIsWrong) {
  Memory in(0, 32), other(1, 32), small(0, 16), number(0, 4);
  Device second = {Device::Kind::CUDA, 1};
  EXPECT_EQ(run(view(other.data, second), view(y)),
            "input 0 is on cuda:1, but function 'f' runs on cuda:0");
  // Whatever the caller says.
  EXPECT_EQ(run(view(other.data, gpu), view(y)),
            "input 0 is on cuda:1, but function 'f' runs on cuda:0");
  EXPECT_EQ(run(view(x, gpu), view(y)),
            "input 0 is said to be on cuda:0, but its address is not one of "
            "GPU memory");
  EXPECT_EQ(run(view(small.data, gpu), view(y)),
            "input 0: 32 bytes are needed, but its GPU memory ends after 16 "
            "bytes");
  // A view of an array may begin anywhere.
  Memory wide(0, 64);
  EXPECT_EQ(run(view(static_cast<char *>(wide.data) + 8, gpu), view(y)),
            "input 0 begins at an address that is no multiple of 16 bytes, "
            "which function 'f' needs on cuda:0; give a copy of it");
  EXPECT_EQ(run(view(x), view(static_cast<char *>(wide.data) + 4, gpu)),
            "result 0 begins at an address that is no multiple of 16 bytes, "
            "which function 'f' needs on cuda:0; give a copy of it");
  EXPECT_EQ(run(view(static_cast<char *>(wide.data) + 16, gpu), view(y)), "");
  EXPECT_EQ(run(view(in.data, gpu), view(other.data, second)),
            "result 0 is on cuda:1, but function 'f' runs on cuda:0");
  EXPECT_EQ(run(view(in.data, gpu), view(in.data, gpu)),
            "the array for result 0 overlaps another array of the call");
  ArrayView readOnly = view(y);
  readOnly.writable = false;
  EXPECT_EQ(run(view(x), readOnly), "the array for result 0 is read-only");
  bool bad[2] = {true, false};
  reinterpret_cast<char *>(bad)[0] = 7;
  int64_t batch = 2;
  ArrayView scalar, flags;
  float s = 1;
  scalar.data = &s;
  flags.type = ElementType::I1;
  flags.shape = batch;
  flags.data = bad;
  auto call = executable->bind({view(x), scalar, flags}, {}, view(y));
  ASSERT_FALSE(static_cast<bool>(call));
  llvm::consumeError(call.takeError());
  scalar.data = number.data;
  scalar.device = gpu;
  call = executable->bind({view(x), scalar, flags}, {}, view(y));
  EXPECT_EQ(
      toString(call.takeError()),
      "input 1 is a number, which has to be in the memory of the CPU, and "
      "not on cuda:0");
}

TEST_F(CudaEngine, GivesMemoryBackWhateverFails) {
  struct {
    const char *call;
    int nth;
    const char *message;
  } cases[] = {
      {"cuMemAllocFromPoolAsync", 1,
       "input 0: cuMemAllocFromPoolAsync failed: CUDA_ERROR_INVALID_VALUE "
       "(invalid argument): 32 bytes"},
      {"cuMemAllocFromPoolAsync", 3,
       "result 0: cuMemAllocFromPoolAsync failed: CUDA_ERROR_INVALID_VALUE "
       "(invalid argument): 32 bytes"},
      {"cuMemcpyAsync", 2,
       "input 2: cuMemcpyAsync failed: CUDA_ERROR_INVALID_VALUE (invalid "
       "argument): 2 bytes"},
      {"cuMemcpyAsync", 3,
       "result 0: cuMemcpyAsync failed: CUDA_ERROR_INVALID_VALUE (invalid "
       "argument): 32 bytes"},
      {"cuStreamSynchronize", 1,
       "cuStreamSynchronize failed: CUDA_ERROR_INVALID_VALUE (invalid "
       "argument)"},
  };
  for (auto &one : cases) {
    fake().fail(one.call, one.nth, 1);
    EXPECT_EQ(run(view(x), view(y)), one.message);
    EXPECT_EQ(fake().live(0), blocksBefore) << one.call;
    EXPECT_EQ(run(view(x), view(y)), "");
  }
}

TEST_F(CudaEngine, NeedsTheRightDevice) {
  auto create = [&](int ordinal) {
    settings.device.ordinal = ordinal;
    Lowering lowering(*program, *cantFail(program->function("")), settings);
    auto made = Executable::create(lowering);
    return made ? std::string() : toString(made.takeError());
  };
  EXPECT_EQ(create(1), "");
  EXPECT_EQ(create(2), "device 'cuda:2' is not there: the GPUs of this machine "
                       "are cuda:0 to cuda:1");
  EXPECT_EQ(cantFail(Device::parse("cuda:12")).str(), "cuda:12");
}

TEST(CudaEngineDeathTest, NeedsTheRightArchitecture) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        fake();
        setenv("FAKE_CUDA_CAPABILITY", "75", 1);
        llvm::errs() << toString(Device{Device::Kind::CUDA, 0}.open());
        _exit(3);
      },
      testing::ExitedWithCode(3),
      "device 'cuda:0' is too old: Fake GPU 0 has compute capability 7.5, and "
      "8.0 is needed");
}

// Host code with an embedded binary, as the lowering makes it: what it calls is
// found, and the binary is loaded when it is launched.
TEST(CudaJIT, LaunchesEmbeddedBinaries) {
  fake().fail("", 0, 0);
  fake().clearLog();
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  auto module = parseSourceString<ModuleOp>(R"mlir(
    module attributes {gpu.container_module} {
      gpu.binary @kernels [#gpu.object<#nvvm.target<chip = "sm_90a">,
                                       bin = "image">]
      llvm.func @f() attributes {llvm.emit_c_interface} {
        %c1 = llvm.mlir.constant(1 : i64) : i64
        %c4 = llvm.mlir.constant(4 : i64) : i64
        %bytes = llvm.mlir.constant(100000 : i32) : i32
        %x = llvm.mlir.constant(2.5 : f32) : f32
        gpu.launch_func @kernels::@k blocks in (%c4, %c1, %c1)
            threads in (%c4, %c1, %c1) : i64
            dynamic_shared_memory_size %bytes args(%x : f32) {bfly.cooperative}
        gpu.launch_func @kernels::@k clusters in (%c4, %c1, %c1)
            blocks in (%c4, %c1, %c1) threads in (%c4, %c1, %c1) : i64
            args(%x : f32)
        llvm.return
      }
    }
  )mlir",
                                            &context);
  ASSERT_TRUE(module);
  PassManager manager(&context);
  manager.addPass(createConvertBinaryToLLVMPass());
  ASSERT_TRUE(succeeded(manager.run(*module)));
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  {
    auto engine = cantFail(ExecutionEngine::create(*module));
    engine->registerSymbols([](llvm::orc::MangleAndInterner mangle) {
      llvm::orc::SymbolMap symbols;
      for (const auto &entry : runtimeSymbols())
        symbols[mangle(entry.getKey())] = {
            llvm::orc::ExecutorAddr::fromPtr(entry.getValue()),
            llvm::JITSymbolFlags::Exported};
      return symbols;
    });
    auto entry = cantFail(engine->lookupPacked("f"));
    engine->initialize();
    EXPECT_EQ(fake().count("cu"), 0);
    BflyRuntimeFailure failure;
    for (int i = 0; i < 2; ++i)
      EXPECT_EQ(bflyCudaCall(entry, nullptr, 0, nullptr, &failure), 0)
          << failure.message;
    EXPECT_EQ(fake().count("cuModuleLoadDataEx"), 1);
    EXPECT_EQ(fake().count("cuLaunchKernelEx(k, 4x1x1, 4x1x1, 100000 bytes, "
                           "cooperative)"),
              2);
    EXPECT_EQ(
        fake().count("cuLaunchKernelEx(k, 4x1x1, 4x1x1, 0 bytes, cluster)"), 2);
    EXPECT_EQ(fake().live(2), 1);
    fake().fail("cuLaunchKernelEx", 2, 701);
    EXPECT_EQ(bflyCudaCall(entry, nullptr, 0, nullptr, &failure), 1);
    EXPECT_TRUE(StringRef(failure.message).contains("kernel 'k', grid 4x1x1"))
        << failure.message;
  }
  EXPECT_EQ(fake().live(2), 0);
}
