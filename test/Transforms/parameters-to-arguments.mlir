// RUN: bfly-opt %s -split-input-file -bfly-parameters-to-arguments | FileCheck %s

// The example of the pass's description.
// CHECK-NOT: ml_program
// CHECK-LABEL: func.func @f
// CHECK-SAME: (%[[W:.*]]: tensor<4xf32> {bfly.parameter = "w"}) -> tensor<4xf32>
// CHECK-NEXT: return %[[W]]
ml_program.global private @w(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>
func.func @f() -> tensor<4xf32> {
  %0 = ml_program.global_load_const @w : tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

// In the order of their declaration, whatever the order of the loads, and only
// those that the function needs; unused ones go.
// CHECK-NOT: ml_program
// CHECK-LABEL: func.func @order
// CHECK-SAME: (%[[X:.*]]: tensor<2xf32>, %[[A:.*]]: tensor<2xf32> {bfly.parameter = "a"}, %[[B:.*]]: tensor<3xf32> {bfly.parameter = "b.weight"})
// CHECK-NEXT: return %[[B]], %[[A]], %[[B]]
// CHECK-LABEL: func.func @none
// CHECK-SAME: (%{{[^:]*}}: tensor<2xf32>) -> tensor<2xf32>
ml_program.global private @a(#ml_program.extern<tensor<2xf32>>) : tensor<2xf32>
ml_program.global private @unused(#ml_program.extern<tensor<2xf32>>) : tensor<2xf32>
ml_program.global private @b.weight(#ml_program.extern<tensor<3xf32>>) : tensor<3xf32>
func.func @order(%x: tensor<2xf32>) -> (tensor<3xf32>, tensor<2xf32>, tensor<3xf32>) {
  %b = ml_program.global_load_const @b.weight : tensor<3xf32>
  %a = ml_program.global_load_const @a : tensor<2xf32>
  %c = ml_program.global_load @b.weight : tensor<3xf32>
  return %b, %a, %c : tensor<3xf32>, tensor<2xf32>, tensor<3xf32>
}
func.func @none(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}

// -----

// Calls pass parameters down, through functions that load none of their own.
// CHECK-LABEL: func.func @outer
// CHECK-SAME: (%[[X:.*]]: tensor<2xf32>, %[[A:.*]]: tensor<2xf32> {bfly.parameter = "a"}, %[[B:.*]]: tensor<2xf32> {bfly.parameter = "b"})
// CHECK: %[[Y:.*]]:2 = call @middle(%[[X]], %[[B]]) : (tensor<2xf32>, tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
// CHECK: arith.addf %[[Y]]#0, %[[A]]
// CHECK-LABEL: func.func private @middle
// CHECK-SAME: (%[[X:.*]]: tensor<2xf32>, %[[B:.*]]: tensor<2xf32> {bfly.parameter = "b"})
// CHECK: call @inner(%[[B]])
// CHECK: call @inner(%[[B]])
// CHECK-LABEL: func.func private @inner
// CHECK-SAME: (%[[B:.*]]: tensor<2xf32> {bfly.parameter = "b"})
// CHECK-NEXT: return %[[B]]
ml_program.global private @a(#ml_program.extern<tensor<2xf32>>) : tensor<2xf32>
ml_program.global private @b(#ml_program.extern<tensor<2xf32>>) : tensor<2xf32>
func.func @outer(%x: tensor<2xf32>) -> tensor<2xf32> {
  %a = ml_program.global_load_const @a : tensor<2xf32>
  %y:2 = call @middle(%x) : (tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>)
  %z = arith.addf %y#0, %a : tensor<2xf32>
  return %z : tensor<2xf32>
}
func.func private @middle(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2xf32>) {
  %0 = call @inner() : () -> tensor<2xf32>
  %1 = call @inner() : () -> tensor<2xf32>
  return %0, %1 : tensor<2xf32>, tensor<2xf32>
}
func.func private @inner() -> tensor<2xf32> {
  %b = ml_program.global_load_const @b : tensor<2xf32>
  return %b : tensor<2xf32>
}

// -----

// A value that is known is a constant.
// CHECK-NOT: ml_program
// CHECK-LABEL: func.func @constant() -> tensor<2xf32>
// CHECK-NEXT: %[[C:.*]] = arith.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
// CHECK-NEXT: return %[[C]]
ml_program.global private @c(dense<[1.0, 2.0]> : tensor<2xf32>) : tensor<2xf32>
func.func @constant() -> tensor<2xf32> {
  %0 = ml_program.global_load_const @c : tensor<2xf32>
  return %0 : tensor<2xf32>
}
