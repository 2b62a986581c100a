// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "../../lib/Engine/Jit.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "gtest/gtest.h"

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
  auto jit = Jit::create(*module, "store", /*allowForeignCalls=*/false,
                         /*freezesLoads=*/false);
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
