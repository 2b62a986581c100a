// RUN: bfly-opt %s --pass-pipeline='builtin.module(func.func(bfly-expand-complex,cse))' --split-input-file --verify-diagnostics | FileCheck %s

// CHECK-LABEL: func @mul
// CHECK-SAME:    (%[[A:.*]]: f32, %[[B:.*]]: f32, %[[C:.*]]: f32, %[[D:.*]]: f32)
// CHECK-NEXT:    %[[AC:.*]] = arith.mulf %[[A]], %[[C]] fastmath<contract> : f32
// CHECK-NEXT:    %[[BD:.*]] = arith.mulf %[[B]], %[[D]] fastmath<contract> : f32
// CHECK-NEXT:    %[[RE:.*]] = arith.subf %[[AC]], %[[BD]] fastmath<contract> : f32
// CHECK-NEXT:    %[[AD:.*]] = arith.mulf %[[A]], %[[D]] fastmath<contract> : f32
// CHECK-NEXT:    %[[BC:.*]] = arith.mulf %[[B]], %[[C]] fastmath<contract> : f32
// CHECK-NEXT:    %[[IM:.*]] = arith.addf %[[AD]], %[[BC]] fastmath<contract> : f32
// CHECK-NEXT:    return %[[RE]], %[[IM]]
func.func @mul(%a: f32, %b: f32, %c: f32, %d: f32) -> (f32, f32) {
  %z = complex.create %a, %b : complex<f32>
  %w = complex.create %c, %d : complex<f32>
  %p = complex.mul %z, %w : complex<f32>
  %re = complex.re %p : complex<f32>
  %im = complex.im %p : complex<f32>
  return %re, %im : f32, f32
}

// A real divisor costs two operations; flags that are there stay. The zero of a
// real factor has a say in the sign of zeros.
// CHECK-LABEL: func @by_reals
// CHECK-SAME:    (%[[A:.*]]: f64, %[[B:.*]]: f64, %[[C:.*]]: f64)
// CHECK-DAG:     %[[TWO:.*]] = arith.constant 2.000000e+00 : f64
// CHECK-DAG:     %[[ZERO:.*]] = arith.constant 0.000000e+00 : f64
// CHECK:         %[[CA:.*]] = arith.mulf %[[C]], %[[A]] fastmath<nnan,contract>
// CHECK-NEXT:    %[[ZB:.*]] = arith.mulf %[[B]], %[[ZERO]] fastmath<nnan,contract>
// CHECK-NEXT:    %[[RE:.*]] = arith.subf %[[CA]], %[[ZB]] fastmath<nnan,contract>
// CHECK-NEXT:    %[[CB:.*]] = arith.mulf %[[C]], %[[B]] fastmath<nnan,contract>
// CHECK-NEXT:    %[[ZA:.*]] = arith.mulf %[[A]], %[[ZERO]] fastmath<nnan,contract>
// CHECK-NEXT:    %[[IM:.*]] = arith.addf %[[CB]], %[[ZA]] fastmath<nnan,contract>
// CHECK-NEXT:    %[[RE2:.*]] = arith.divf %[[RE]], %[[TWO]]
// CHECK-NEXT:    %[[IM2:.*]] = arith.divf %[[IM]], %[[TWO]]
// CHECK-NEXT:    return %[[RE2]], %[[IM2]]
func.func @by_reals(%a: f64, %b: f64, %c: f64) -> (f64, f64) {
  %zero = arith.constant 0.0 : f64
  %two = complex.constant [2.0, 0.0] : complex<f64>
  %z = complex.create %a, %b : complex<f64>
  %w = complex.create %c, %zero : complex<f64>
  %p = complex.mul %w, %z fastmath<nnan> : complex<f64>
  %q = complex.div %p, %two : complex<f64>
  %re = complex.re %q : complex<f64>
  %im = complex.im %q : complex<f64>
  return %re, %im : f64, f64
}

// Soft thresholding: a bin shrinks towards zero by its magnitude. Selects pass
// complex values too.
// CHECK-LABEL: func @soft_threshold
// CHECK-NOT:     complex
// CHECK-NOT:     scf
// CHECK:         math.sqrt %{{.*}} fastmath<contract>
// CHECK-NOT:     complex
// CHECK-NOT:     scf
// CHECK:         arith.select %{{.*}} : f32
// CHECK-NOT:     complex
// CHECK-NOT:     scf
// CHECK:         return
func.func @soft_threshold(%a: f32, %b: f32, %t: f32) -> (f32, f32) {
  %zero = arith.constant 0.0 : f32
  %none = complex.constant [0.0 : f32, 0.0 : f32] : complex<f32>
  %z = complex.create %a, %b : complex<f32>
  %m = complex.abs %z : complex<f32>
  %over = arith.subf %m, %t : f32
  %keep = arith.cmpf ogt, %over, %zero : f32
  %gain = arith.divf %over, %m : f32
  %g = complex.create %gain, %zero : complex<f32>
  %shrunk = complex.mul %z, %g : complex<f32>
  %y = arith.select %keep, %shrunk, %none : complex<f32>
  %re = complex.re %y : complex<f32>
  %im = complex.im %y : complex<f32>
  return %re, %im : f32, f32
}

// Upstream's expansions end in ours, and are straight-line too.
// CHECK-LABEL: func @upstream
// CHECK-NOT:     complex
// CHECK-NOT:     scf
// CHECK:         return
func.func @upstream(%a: f32, %b: f32) -> (f32, f32) {
  %z = complex.create %a, %b : complex<f32>
  %0 = complex.exp %z : complex<f32>
  %1 = complex.tanh %0 : complex<f32>
  %2 = complex.sqrt %1 : complex<f32>
  %3 = complex.log %2 : complex<f32>
  %4 = complex.pow %3, %z : complex<f32>
  %5 = complex.conj %4 : complex<f32>
  %6 = complex.angle %5 : complex<f32>
  %7 = complex.sign %5 : complex<f32>
  %8 = complex.im %7 : complex<f32>
  return %6, %8 : f32, f32
}

// Memory may hold complex values: they are taken apart and put together there.
// CHECK-LABEL: func @memory
// CHECK:         %[[Z:.*]] = memref.load
// CHECK:         %[[RE:.*]] = complex.re %[[Z]]
// CHECK:         %[[IM:.*]] = complex.im %[[Z]]
// CHECK:         %[[RE2:.*]] = arith.addf %[[RE]], %[[RE]]
// CHECK:         %[[IM2:.*]] = arith.addf %[[IM]], %[[IM]]
// CHECK:         %[[Y:.*]] = complex.create %[[RE2]], %[[IM2]]
// CHECK:         memref.store %[[Y]]
func.func @memory(%m: memref<complex<f32>>) {
  %z = memref.load %m[] : memref<complex<f32>>
  %y = complex.add %z, %z : complex<f32>
  memref.store %y, %m[] : memref<complex<f32>>
  return
}

// The real part is in the lower half, as it is in memory.
// CHECK-LABEL: func @bits
// CHECK-SAME:    (%[[A:.*]]: f32, %[[B:.*]]: f32)
// CHECK:         %[[LOW32:.*]] = arith.bitcast %[[A]] : f32 to i32
// CHECK-NEXT:    %[[LOW:.*]] = arith.extui %[[LOW32]] : i32 to i64
// CHECK-NEXT:    %[[HIGH32:.*]] = arith.bitcast %[[B]] : f32 to i32
// CHECK-NEXT:    %[[HIGH:.*]] = arith.extui %[[HIGH32]] : i32 to i64
// CHECK-NEXT:    %[[SHIFTED:.*]] = arith.shli %[[HIGH]], %{{.*}} : i64
// CHECK-NEXT:    arith.ori %[[LOW]], %[[SHIFTED]] : i64
func.func @bits(%a: f32, %b: f32) -> i64 {
  %z = complex.create %a, %b : complex<f32>
  %i = complex.bitcast %z : complex<f32> to i64
  return %i : i64
}

// The zero of a real factor is multiplied only where somebody may see the sign of the zero that results.
// CHECK-LABEL: func @gain
// CHECK-COUNT-2: arith.mulf
// CHECK-NOT: arith.mulf
// CHECK: return
func.func @gain(%x: complex<f32>, %g: f32, %m: memref<1xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %w = complex.create %g, %zero : complex<f32>
  %y = complex.mul %x, %w : complex<f32>
  %re = complex.re %y : complex<f32>
  %im = complex.im %y : complex<f32>
  %sum = arith.addf %re, %im : f32
  memref.store %sum, %m[%c0] : memref<1xf32>
  return
}

// CHECK-LABEL: func @gain_of_a_spectrum
// CHECK-COUNT-4: arith.mulf
// CHECK: return
func.func @gain_of_a_spectrum(%x: complex<f32>, %g: f32, %m: memref<1xcomplex<f32>>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %w = complex.create %g, %zero : complex<f32>
  %y = complex.mul %x, %w : complex<f32>
  memref.store %y, %m[%c0] : memref<1xcomplex<f32>>
  return
}
