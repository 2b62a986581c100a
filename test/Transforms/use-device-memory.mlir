// RUN: bfly-opt %s -bfly-use-device-memory | FileCheck %s

// CHECK: llvm.func @bflyCudaMalloc(i64) -> !llvm.ptr
// CHECK: llvm.func @bflyCudaRelease(!llvm.ptr)
// CHECK-LABEL: llvm.func @f
// CHECK: llvm.call @bflyCudaMalloc
// CHECK: llvm.call @bflyCudaRelease
llvm.func @malloc(i64) -> !llvm.ptr
llvm.func @free(!llvm.ptr)
llvm.func @f(%bytes: i64) {
  %0 = llvm.call @malloc(%bytes) : (i64) -> !llvm.ptr
  llvm.call @free(%0) : (!llvm.ptr) -> ()
  llvm.return
}
