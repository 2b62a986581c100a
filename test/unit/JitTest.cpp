// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "../../lib/Engine/Jit.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "gtest/gtest.h"

#include <unistd.h>

using namespace mlir;
using namespace mlir::bfly;

// libgcc's, which backtrace() and exceptions ask.
extern "C" const void *_Unwind_Find_FDE(void *address, void *bases);

/// A function that stores 3 where its argument points to, and calls what may
/// unwind, as far as LLVM knows, if there is a 5.
static constexpr llvm::StringLiteral kStore(R"(
llvm.func @bflyRuntimeFail(!llvm.ptr)
llvm.func @_mlir_ciface_store(%arg0: !llvm.ptr) {
  %0 = llvm.load %arg0 : !llvm.ptr -> i32
  %1 = llvm.mlir.constant(5 : i32) : i32
  %2 = llvm.icmp "eq" %0, %1 : i32
  llvm.cond_br %2, ^bb1, ^bb2
^bb1:
  llvm.call @bflyRuntimeFail(%arg0) : (!llvm.ptr) -> ()
  llvm.br ^bb2
^bb2:
  %3 = llvm.mlir.constant(3 : i32) : i32
  llvm.store %3, %arg0 : i32, !llvm.ptr
  llvm.return
})");

TEST(JitTest, RunsAndTellsNoUnwinderOfItsFrames) {
  DialectRegistry registry;
  registry.insert<LLVM::LLVMDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module = parseSourceString<ModuleOp>(kStore, &context);
  ASSERT_TRUE(module);
  auto object = Jit::compile(*module, "store", /*allowForeignCalls=*/false,
                             /*freezesLoads=*/false);
  ASSERT_TRUE(static_cast<bool>(object)) << toString(object.takeError());
  auto jit = Jit::load(std::move(*object), /*allowForeignCalls=*/false);
  ASSERT_TRUE(static_cast<bool>(jit)) << toString(jit.takeError());

  int32_t value = 0;
  void *pointer = &value;
  void *arguments[] = {&pointer};
  (*jit)->entry()(arguments);
  EXPECT_EQ(value, 3);

  // Room for two bases and the function's start.
  void *bases[4];
  auto *inside = reinterpret_cast<char *>((*jit)->entry()) + 1;
  EXPECT_EQ(_Unwind_Find_FDE(inside, bases), nullptr);
  auto *known = reinterpret_cast<char *>(&_Unwind_Find_FDE) + 1;
  EXPECT_NE(_Unwind_Find_FDE(known, bases), nullptr);
}

/// The same, but that what it calls is a function of this process that no
/// program may call.
static constexpr llvm::StringLiteral kForeign(R"(
llvm.func @getppid() -> i32
llvm.func @_mlir_ciface_store(%arg0: !llvm.ptr) {
  %0 = llvm.call @getppid() : () -> i32
  llvm.store %0, %arg0 : i32, !llvm.ptr
  llvm.return
})");

TEST(JitTest, LinksObjectsWithWhatTheirUserMayCall) {
  DialectRegistry registry;
  registry.insert<LLVM::LLVMDialect>();
  registerBuiltinDialectTranslation(registry);
  registerLLVMDialectTranslation(registry);
  MLIRContext context(registry);
  OwningOpRef<ModuleOp> module =
      parseSourceString<ModuleOp>(kForeign, &context);
  ASSERT_TRUE(module);
  auto compile = [&](bool allowForeignCalls) {
    return Jit::compile(*module, "store", allowForeignCalls,
                        /*freezesLoads=*/false);
  };
  // Refused before there is an object, and where one comes from elsewhere.
  EXPECT_EQ(toString(compile(false).takeError()),
            "compiled code has a call of 'getppid', which is not allowed");
  auto object = cantFail(compile(true));
  auto copy = llvm::MemoryBuffer::getMemBufferCopy(object->getBuffer());
  std::string problem = toString(Jit::load(std::move(copy), false).takeError());
  EXPECT_NE(problem.find("getppid"), std::string::npos) << problem;
  auto jit = Jit::load(std::move(object), true);
  ASSERT_TRUE(static_cast<bool>(jit)) << toString(jit.takeError());
  int32_t value = 0;
  void *pointer = &value;
  void *arguments[] = {&pointer};
  (*jit)->entry()(arguments);
  EXPECT_EQ(value, getppid());
}

TEST(JitTest, RefusesWhatIsNoObject) {
  auto garbage = llvm::MemoryBuffer::getMemBufferCopy("no object at all");
  EXPECT_FALSE(static_cast<bool>(
      !llvm::errorToBool(Jit::load(std::move(garbage), false).takeError())));
}
