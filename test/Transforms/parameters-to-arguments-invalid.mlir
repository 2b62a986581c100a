// RUN: bfly-opt %s -split-input-file -bfly-parameters-to-arguments -verify-diagnostics

// expected-error @+1 {{is mutable; parameters must not change}}
ml_program.global private mutable @state(dense<0.0> : tensor<2xf32>) : tensor<2xf32>

// -----

// expected-error @+1 {{must be a ranked tensor, got 'tensor<*xf32>'}}
ml_program.global private @w(#ml_program.extern<tensor<*xf32>>) : tensor<*xf32>

// -----

// expected-error @+1 {{needs a value of its type, 'tensor<2xf32>'}}
ml_program.global private @w(1 : i32) : tensor<2xf32>

// -----

ml_program.global private @w(#ml_program.extern<tensor<2xf32>>) : tensor<2xf32>
ml_program.subgraph private @graph() -> tensor<2xf32> {
  // expected-error @+1 {{must be in a function of the module}}
  %0 = ml_program.global_load_const @w : tensor<2xf32>
  ml_program.output %0 : tensor<2xf32>
}

// -----

// expected-error @+1 {{calls itself, directly or through others}}
func.func @ping(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = call @pong(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func @pong(%x: tensor<2xf32>) -> tensor<2xf32> {
  %0 = call @ping(%x) : (tensor<2xf32>) -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

ml_program.global private @w(#ml_program.extern<tensor<2xf32>>) : tensor<2xf32>
func.func @f() -> tensor<2xf32> {
  %0 = ml_program.global_load_const @w : tensor<2xf32>
  return %0 : tensor<2xf32>
}
func.func @g() -> tensor<2xf32> {
  // expected-error @+1 {{uses 'f', which has parameters, other than by func.call}}
  %0 = func.constant @f : () -> tensor<2xf32>
  %1 = call_indirect %0() : () -> tensor<2xf32>
  return %1 : tensor<2xf32>
}
