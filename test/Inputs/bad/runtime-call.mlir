// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

// The runtime's functions are not for the source to call, either.
llvm.func @_mlir_memref_to_llvm_free(!llvm.ptr)
func.func @f() -> tensor<1xi32> {
  %c = llvm.mlir.constant(64 : i64) : i64
  %p = llvm.inttoptr %c : i64 to !llvm.ptr
  llvm.call @_mlir_memref_to_llvm_free(%p) : (!llvm.ptr) -> ()
  %0 = arith.constant dense<1> : tensor<1xi32>
  return %0 : tensor<1xi32>
}
