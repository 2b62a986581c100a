// RUN: bfly-opt %s -bfly-lower-checks | FileCheck %s

// CHECK-DAG:   llvm.mlir.global internal constant @[[A:bfly_check_[0-9_]*]]("it is not\00")
// CHECK-DAG:   llvm.mlir.global internal constant @[[B:bfly_check_[0-9_]*]]("nor this\00")
// CHECK-DAG:   llvm.func @bflyRuntimeFail(!llvm.ptr)

// CHECK-LABEL: func.func @f(
// CHECK-SAME:    %[[OK:.*]]: i1, %[[OTHER:.*]]: i1
// CHECK:         cf.cond_br %[[OK]], ^[[REST:.*]], ^[[FAILED:.*]]
// CHECK:       ^[[REST]]:
// CHECK:         cf.cond_br %[[OTHER]]
// CHECK:       ^[[FAILED]]:
// CHECK:         %[[TEXT:.*]] = llvm.mlir.addressof @[[A]] : !llvm.ptr
// CHECK-NEXT:    llvm.call @bflyRuntimeFail(%[[TEXT]]) : (!llvm.ptr) -> ()
// CHECK-NEXT:    llvm.unreachable
func.func @f(%ok: i1, %other: i1) {
  cf.assert %ok, "it is not"
  cf.assert %other, "nor this"
  cf.assert %ok, "it is not"
  return
}
