// RUN: bfly-opt %s -bfly-infer-sizes -split-input-file -verify-diagnostics

func.func @contents(%x: tensor<4xf32>, %n: tensor<1xindex>) -> tensor<?xf32> {
  // expected-error @+1 {{'tensor.reshape' op has a size or an offset that does not follow from the sizes of the arguments}}
  %y = tensor.reshape %x(%n) : (tensor<4xf32>, tensor<1xindex>) -> tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @number(%n: index) -> tensor<?xf32> {
  %zero = arith.constant 0.0 : f32
  // expected-error @+1 {{'tensor.splat' op has a size or an offset that does not follow}}
  %y = tensor.splat %zero[%n] : tensor<?xf32>
  return %y : tensor<?xf32>
}

// -----

func.func @grows(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %r = scf.for %i = %c0 to %c3 step %c1 iter_args(%a = %x) -> (tensor<?x4xf32>) {
    %p = tensor.pad %a low[1, 0] high[0, 0] {
    ^bb0(%j: index, %k: index):
      tensor.yield %zero : f32
    } : tensor<?x4xf32> to tensor<?x4xf32>
    // expected-error @+1 {{'scf.yield' op changes the size of what the loop carries}}
    scf.yield %p : tensor<?x4xf32>
  }
  return %r : tensor<?x4xf32>
}

// -----

func.func @grows_in_a_while(%x: tensor<?x4xf32>, %p: i1) -> tensor<?x4xf32> {
  %r = scf.while (%a = %x) : (tensor<?x4xf32>) -> tensor<?x4xf32> {
    scf.condition(%p) %a : tensor<?x4xf32>
  } do {
  ^bb0(%a: tensor<?x4xf32>):
    %b = tensor.concat dim(0) %a, %x : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    // expected-error @+1 {{'scf.yield' op changes the size of what the loop carries, which is not supported}}
    scf.yield %b : tensor<?x4xf32>
  }
  return %r : tensor<?x4xf32>
}

// -----

func.func @sides(%x: tensor<?x4xf32>, %p: i1) -> tensor<?x4xf32> {
  %r = scf.if %p -> (tensor<?x4xf32>) {
    %b = tensor.concat dim(0) %x, %x : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
    scf.yield %b : tensor<?x4xf32>
  } else {
    // expected-error @+1 {{'scf.yield' op has another size than the other side of the branch, which is not supported}}
    scf.yield %x : tensor<?x4xf32>
  }
  return %r : tensor<?x4xf32>
}

// -----

// expected-error @+1 {{passes a tensor of dynamic size from block to block, which is not supported}}
func.func @from_block_to_block(%x: tensor<?xf32>) {
  cf.br ^bb1(%x : tensor<?xf32>)
^bb1(%y: tensor<?xf32>):
  %z = arith.negf %y : tensor<?xf32>
  return
}

// -----

func.func @never() -> tensor<3xf32> {
  %x = arith.constant dense<1.0> : tensor<2xf32>
  %y = tensor.cast %x : tensor<2xf32> to tensor<?xf32>
  // expected-error @+1 {{'tensor.cast' op has sizes that do not fit: 3 is not 2}}
  %z = tensor.cast %y : tensor<?xf32> to tensor<3xf32>
  return %z : tensor<3xf32>
}

// -----

// expected-error @+1 {{returns a tensor of dynamic size out of several blocks, which is not supported}}
func.func @blocks(%x: tensor<?xf32>) -> tensor<?xf32> {
  cf.br ^bb1
^bb1:
  return %x : tensor<?xf32>
}
