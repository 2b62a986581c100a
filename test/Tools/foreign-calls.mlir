// Code from outside the module runs only where that is allowed.

// RUN: not bfly-run %s --function=call 2>&1 | FileCheck %s
// CHECK: foreign-calls.mlir:[[@LINE+13]]:1: error: foreign symbol 'getppid' is used, which is not allowed
// RUN: bfly-run %s --function=call --allow-foreign-calls | FileCheck %s --check-prefix=CALL
// CALL: result[0]: 1xi32={{[0-9]+}}

// The rest of the module, without what is declared.
// RUN: sed -e '/^llvm.func/,/^}/d' %s > %t.assembly.mlir
// RUN: not bfly-run %t.assembly.mlir --function=assembly 2>&1 | FileCheck %s --check-prefix=ASM
// ASM: error: 'llvm.inline_asm' is not allowed in a program that nobody vouches for; --allow-foreign-calls takes it

// A symbol that is nowhere.
// RUN: sed s/getppid/nowhere_at_all/ %s > %t.mlir
// RUN: not bfly-run %t.mlir --function=call --allow-foreign-calls 2>&1 | FileCheck %s --check-prefix=NOWHERE
// NOWHERE: error: foreign function 'nowhere_at_all' is not in this process
llvm.func @getppid() -> i32
func.func @call() -> tensor<1xi32> {
  %0 = llvm.call @getppid() : () -> i32
  %1 = tensor.from_elements %0 : tensor<1xi32>
  return %1 : tensor<1xi32>
}
func.func @assembly() -> tensor<1xi32> {
  %0 = llvm.inline_asm "mov $0, 1", "=r" : () -> i32
  %1 = tensor.from_elements %0 : tensor<1xi32>
  return %1 : tensor<1xi32>
}
