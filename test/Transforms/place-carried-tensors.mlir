// RUN: bfly-opt %s -split-input-file -verify-diagnostics -bfly-place-carried-tensors | FileCheck %s

// CHECK-LABEL: func @loop(
// CHECK:         scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}})
// CHECK:           %[[F:.*]] = arith.negf %[[A]]
// CHECK:           %[[C:.*]] = linalg.copy ins(%[[F]] : {{.*}}) outs(%[[A]] : {{.*}})
// CHECK:           scf.yield %[[C]]
func.func @loop(%x: tensor<?x8xf32>, %n: index) -> tensor<?x8xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<?x8xf32>) {
    %f = arith.negf %a : tensor<?x8xf32>
    scf.yield %f : tensor<?x8xf32>
  }
  return %r : tensor<?x8xf32>
}

// CHECK-LABEL: func @branch(
// CHECK-SAME:    %[[X:.*]]: tensor<?x8xf32>
// CHECK:         %[[SIZE:.*]] = tensor.dim %[[X]], %c0
// CHECK:         %[[PLACE:.*]] = bufferization.alloc_tensor(%[[SIZE]])
// CHECK:         scf.if
// CHECK:           linalg.copy ins(%{{.*}}) outs(%[[PLACE]] :
// CHECK:         } else {
// CHECK:           linalg.copy ins(%[[X]] : {{.*}}) outs(%[[PLACE]] :
func.func @branch(%x: tensor<?x8xf32>, %p: i1) -> tensor<?x8xf32> {
  %r = scf.if %p -> (tensor<?x8xf32>) {
    %f = arith.negf %x : tensor<?x8xf32>
    scf.yield %f : tensor<?x8xf32>
  } else {
    scf.yield %x : tensor<?x8xf32>
  }
  return %r : tensor<?x8xf32>
}

// Two places of one size, which whoever calls sees to.
// CHECK-LABEL: func @swap(
// CHECK:         scf.for {{.*}} iter_args(%[[A:.*]] = %{{.*}}, %[[B:.*]] = %{{.*}})
// CHECK-DAG:       %[[OLD_A:.*]] = bufferization.alloc_tensor() copy(%[[A]])
// CHECK-DAG:       %[[OLD_B:.*]] = bufferization.alloc_tensor() copy(%[[B]])
// CHECK-DAG:       linalg.copy ins(%[[OLD_B]] : {{.*}}) outs(%[[A]] :
// CHECK-DAG:       linalg.copy ins(%[[OLD_A]] : {{.*}}) outs(%[[B]] :
func.func @swap(%x: tensor<?xf32>, %y: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r, %s = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x, %b = %y) -> (tensor<?xf32>, tensor<?xf32>) {
    scf.yield %b, %a : tensor<?xf32>, tensor<?xf32>
  }
  return %r : tensor<?xf32>
}

// A size that is computed, before the branch.
// CHECK-LABEL: func @branch_of_twice(
// CHECK:         %[[SIZE:.*]] = tensor.dim %{{.*}}, %c0
// CHECK:         %[[TWICE:.*]] = affine.apply #{{.*}}()[%[[SIZE]]]
// CHECK:         bufferization.alloc_tensor(%[[TWICE]])
// CHECK:         scf.if
func.func @branch_of_twice(%x: tensor<?xf32>, %p: i1) -> tensor<?xf32> {
  %r = scf.if %p -> (tensor<?xf32>) {
    %f = tensor.concat dim(0) %x, %x : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    scf.yield %f : tensor<?xf32>
  } else {
    %n = arith.negf %x : tensor<?xf32>
    %f = tensor.concat dim(0) %n, %x : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    scf.yield %f : tensor<?xf32>
  }
  return %r : tensor<?xf32>
}

// CHECK-LABEL: func @while(
// CHECK:         scf.while (%[[I:.*]] = %{{.*}}, %[[A:.*]] = %{{.*}})
// CHECK:           scf.condition(%{{.*}}) %[[I]], %[[A]]
// CHECK:         ^bb0(%{{.*}}: index, %[[B:.*]]: tensor<4xf32>):
// CHECK:           linalg.copy ins(%{{.*}}) outs(%[[B]] :
func.func @while(%x: tensor<4xf32>, %n: index) -> tensor<4xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %j, %r = scf.while (%i = %c0, %a = %x) : (index, tensor<4xf32>) -> (index, tensor<4xf32>) {
    %more = arith.cmpi ult, %i, %n : index
    scf.condition(%more) %i, %a : index, tensor<4xf32>
  } do {
  ^bb0(%i: index, %b: tensor<4xf32>):
    %f = arith.negf %b : tensor<4xf32>
    %next = arith.addi %i, %c1 : index
    scf.yield %next, %f : index, tensor<4xf32>
  }
  return %r : tensor<4xf32>
}

// -----

func.func @grows(%x: tensor<?xf32>, %n: index) -> tensor<?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %r = scf.for %i = %c0 to %n step %c1 iter_args(%a = %x) -> (tensor<?xf32>) {
    %f = tensor.concat dim(0) %a, %a : (tensor<?xf32>, tensor<?xf32>) -> tensor<?xf32>
    // expected-error @+1 {{'scf.yield' op changes the size of what the loop carries, which is not supported}}
    scf.yield %f : tensor<?xf32>
  }
  return %r : tensor<?xf32>
}

// -----

func.func @of_unknown_size(%p: i1, %n: index) -> tensor<?xf32> {
  %r = scf.if %p -> (tensor<?xf32>) {
    %two = arith.addi %n, %n : index
    // expected-error @+1 {{'tensor.empty' op has a size or an offset that does not follow from the sizes of the arguments}}
    %e = tensor.empty(%two) : tensor<?xf32>
    scf.yield %e : tensor<?xf32>
  } else {
    %e = tensor.empty(%n) : tensor<?xf32>
    scf.yield %e : tensor<?xf32>
  }
  return %r : tensor<?xf32>
}

// -----

func.func @while_of_two_types(%x: tensor<4xf32>, %p: i1) -> tensor<4xf32> {
  // expected-error @+1 {{'scf.while' op carries tensors, and what it takes and what it gives have different types: let the condition pass on all that is carried, in its order}}
  %r = scf.while (%a = %x, %q = %p) : (tensor<4xf32>, i1) -> tensor<4xf32> {
    scf.condition(%q) %a : tensor<4xf32>
  } do {
  ^bb0(%b: tensor<4xf32>):
    %f = arith.constant false
    scf.yield %b, %f : tensor<4xf32>, i1
  }
  return %r : tensor<4xf32>
}

// -----

func.func @affine(%x: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error @+1 {{'affine.for' op cannot carry tensors: write scf.for, scf.while or scf.if}}
  %r = affine.for %i = 0 to 3 iter_args(%a = %x) -> (tensor<4xf32>) {
    %f = arith.negf %a : tensor<4xf32>
    affine.yield %f : tensor<4xf32>
  }
  return %r : tensor<4xf32>
}
