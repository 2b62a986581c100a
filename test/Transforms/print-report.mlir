// RUN: bfly-opt %s -split-input-file -verify-diagnostics -bfly-print-report -o /dev/null
// RUN: bfly-opt %s -split-input-file -bfly-print-report="remarks=false file=-" -o /dev/null 2>&1 | FileCheck %s
// RUN: bfly-opt %s -split-input-file -bfly-print-report="bytes-per-second=1e9 flops-per-second=1e9 batch=10" -o /dev/null 2>&1 | FileCheck %s --check-prefix=SLOW

// The example of the pass's description, at 1024 tokens. 2 (4 1024 64 4) = 2097152 bytes; a real channel's transform is
// 2.5 1024 10 = 25600 flops, and there are 2 of 256 channels, with a map of two negations on 513 bins of each.
// The slab: 1024 rows of 16 complex numbers.
// CHECK-LABEL: "kernels": [
// CHECK: "arithmetic_seconds":
// CHECK: "bound": "memory"
// CHECK-NEXT: "bytes": 2097152,
// CHECK-NEXT: "bytes_per_batch": 0,
// CHECK-NEXT: "flops": 13369856,
// CHECK-NEXT: "flops_per_batch": 0,
// CHECK-NEXT: "function": "filter",
// CHECK: "location": "{{.*}}print-report.mlir:[[#]]:[[#]]"
// CHECK: "name": "filter"
// CHECK-NEXT: "network": {
// CHECK-NEXT: "batch": 4,
// CHECK-NEXT: "channels": 64,
// CHECK-NEXT: "element": "f32",
// CHECK-NEXT: "kind": "transform",
// CHECK-NEXT: "length": 1024,
// CHECK-NEXT: "tokens": 1024
// CHECK: "ops": [
// CHECK: "flops": 6553600,
// CHECK: "name": "bfly.fft",
// CHECK: "flops": 262656,
// CHECK: "name": "bfly.spectrum_map",
// CHECK: "name": "bfly.ifft",
// CHECK: "plan": {
// CHECK: "radices": [
// CHECK: "rewrites": [
// CHECK-NEXT: "half_spectrum",
// CHECK-NEXT: "two_channels_a_transform"
// CHECK-NEXT: ]
// CHECK: "state": [
// CHECK-NEXT: {
// CHECK-NEXT: "bytes": 131072,
// CHECK-NEXT: "capacity": 1048576,
// CHECK-NEXT: "first": 0,
// CHECK-NEXT: "last": 2,
// CHECK-NEXT: "place": "l2"
// CHECK: "outside": [
// CHECK: "bytes": 2097152,
// CHECK: "name": "math.exp"
// CHECK: "total": {
// CHECK: "kernels": 1
func.func @filter(%x: tensor<4x1024x64xf32>) -> tensor<4x1024x64xf32> {
  // expected-remark @below {{kernel "filter": 2.10 MB moved, 13.4 Mflop; state 131 kB in l2; half_spectrum, two_channels_a_transform; memory bound, 104.86 us at 20.0 GB/s and 320 Gflop/s}}
  %y = bfly.kernel "filter" (%a = %x) plan [#bfly.cpu_transform<channels = 32, radices = [16, 8, 8], groups = [<0 to 2 in slab>]>] : (tensor<4x1024x64xf32>) -> tensor<4x1024x64xf32> {
    %f = bfly.fft %a : tensor<4x1024x64xf32> -> tensor<4x513x64xcomplex<f32>>
    %m = bfly.spectrum_map %f tokens(1024) : tensor<4x513x64xcomplex<f32>> -> tensor<4x513x64xcomplex<f32>> {
    ^bb0(%bin: complex<f32>, %k: index):
      %n = complex.neg %bin : complex<f32>
      bfly.yield %n : complex<f32>
    }
    %r = bfly.ifft %m : tensor<4x513x64xcomplex<f32>> -> tensor<4x1024x64xf32>
    bfly.yield %r : tensor<4x1024x64xf32>
  }
  %z = math.exp %y : tensor<4x1024x64xf32>
  return %z : tensor<4x1024x64xf32>
}

// -----

// A dynamic batch has a figure a sequence. Two stages, chained, dense: a token costs 2 8 8 in projections, 2 8 2 in
// dot products (two heads that see all channels), 8/2 for the difference, 4 2 for the sigmoids, 2 8 for the mixing.
// CHECK-LABEL: "kernels": [
// CHECK: "bytes": 1024,
// CHECK-NEXT: "bytes_per_batch": 256,
// CHECK-NEXT: "flops": 0,
// CHECK-NEXT: "flops_per_batch": 1504,
// CHECK: "heads": 2,
// CHECK-NEXT: "kind": "attention",
// CHECK-NEXT: "scoring": "chained",
// CHECK-NEXT: "stages": 2,
// CHECK: "rewrites": [
// CHECK-NEXT: "chained"
// CHECK-NEXT: ]
// At ten sequences it is 3584 bytes and 15040 flops.
// SLOW: kernel "attention": {{.*}}; arithmetic bound, 15.04 us at 1.00 GB/s and 1.00 Gflop/s
func.func @attention(%x: tensor<?x4x8xf32>, %q: tensor<2x8x8xf32>, %k: tensor<2x8x8xf32>) -> tensor<?x4x8xf32> {
  // expected-remark @below {{kernel "attention": 1.02 kB + 256 B a sequence moved, 1.50 kflop a sequence; state 256 B in l1; chained; memory bound}}
  %y = bfly.kernel "attention" (%a = %x, %b = %q, %c = %k) plan [#bfly.cpu_attention<pairs = 2, parallel = "batch">, #bfly.cpu_panels<columns = 32>]
      : (tensor<?x4x8xf32>, tensor<2x8x8xf32>, tensor<2x8x8xf32>) -> tensor<?x4x8xf32> {
    %v1 = bfly.attention_stage %a weights(%b, %c : tensor<2x8x8xf32>, tensor<2x8x8xf32>)
        stage(0) heads(2) scale(0.5) chained : tensor<?x4x8xf32>
    %v2 = bfly.attention_stage %v1 weights(%b, %c : tensor<2x8x8xf32>, tensor<2x8x8xf32>)
        stage(1) heads(2) scale(0.5) chained : tensor<?x4x8xf32>
    bfly.yield %v2 : tensor<?x4x8xf32>
  }
  return %y : tensor<?x4x8xf32>
}

// -----

// Bluestein's: 47 tokens in a convolution of 128, two transforms of it, its product, two with the chirp.
// 2 (5 128 7) + 6 128 + 12 47 = 10292 a complex channel.
// CHECK-LABEL: "kernels": [
// CHECK: "flops": 41168,
// CHECK: "length": 128,
// CHECK-NEXT: "tokens": 47
// CHECK: "rewrites": [
// CHECK-NEXT: "bluestein"
// CHECK-NEXT: ]
// CHECK: "unfused": "what it makes is a result of the function"
func.func @bluestein(%x: tensor<1x47x4xcomplex<f32>>) -> tensor<1x47x4xcomplex<f32>> {
  // expected-remark @below {{kernel "fft": 3.01 kB moved, 41.2 kflop; state 16.4 kB in l1; bluestein; memory bound, 0.15 us at 20.0 GB/s and 320 Gflop/s; not fused: what it makes is a result of the function}}
  %y = bfly.kernel "fft" (%a = %x) plan [#bfly.cpu_transform<channels = 16, radices = [16, 8], groups = [<0 to 1 in slab>]>] : (tensor<1x47x4xcomplex<f32>>) -> tensor<1x47x4xcomplex<f32>> {
    %f = bfly.fft %a : tensor<1x47x4xcomplex<f32>> -> tensor<1x47x4xcomplex<f32>>
    bfly.yield %f : tensor<1x47x4xcomplex<f32>>
  }
  return %y : tensor<1x47x4xcomplex<f32>>
}

// -----

// Without a plan there is no machine, so no time; the reason for staying small is kept.
// CHECK-LABEL: "kernels": [
// CHECK-NOT: "seconds"
// CHECK-NOT: "plan"
// CHECK: "unfused": "the spectrum is filtered in two ways"
func.func @unfused(%x: tensor<1x4x4xf32>) -> tensor<1x3x4xcomplex<f32>> {
  // expected-remark @below {{kernel "fft": 160 B moved, 80 flop; half_spectrum, two_channels_a_transform; not fused: the spectrum is filtered in two ways}}
  %y = bfly.kernel "fft" (%a = %x) : (tensor<1x4x4xf32>) -> tensor<1x3x4xcomplex<f32>> {
    %f = bfly.fft %a : tensor<1x4x4xf32> -> tensor<1x3x4xcomplex<f32>>
    bfly.yield %f : tensor<1x3x4xcomplex<f32>>
  } attributes {bfly.unfused = "the spectrum is filtered in two ways"}
  return %y : tensor<1x3x4xcomplex<f32>>
}

// -----

// Dense kernels. LayerNorm: 7 flops an element. Linear: 2 8 for each of 16 outputs of 3 rows, a bias and a relu.
// CHECK-LABEL: "kernels": [
// CHECK: "flops": 168,
// CHECK: "kind": "dense"
// CHECK: "flops": 864,
// CHECK: "name": "linear"
// Network operations that are in no kernel yet.
// CHECK: "outside": [
// CHECK: "name": "bfly.mean",
// CHECK-NEXT: "order": 2,
// CHECK-NEXT: "unfused": "kernels are not formed yet"
func.func @dense(%x: tensor<1x3x8xf32>, %g: tensor<8xf32>, %w: tensor<16x8xf32>, %b: tensor<16xf32>) -> (tensor<1x3x16xf32>, tensor<1x8xf32>) {
  // expected-remark @below {{kernel "layer_norm": 224 B moved, 168 flop}}
  %u = bfly.kernel "layer_norm" (%a = %x, %c = %g) : (tensor<1x3x8xf32>, tensor<8xf32>) -> tensor<1x3x8xf32> {
    %0 = bfly.layer_norm %a weight(%c : tensor<8xf32>) bias(%c : tensor<8xf32>) epsilon(1.0e-5) : tensor<1x3x8xf32>
    bfly.yield %0 : tensor<1x3x8xf32>
  }
  // expected-remark @below {{kernel "linear": 864 B moved, 864 flop}}
  %y = bfly.kernel "linear" (%a = %u, %c = %w, %d = %b) : (tensor<1x3x8xf32>, tensor<16x8xf32>, tensor<16xf32>) -> tensor<1x3x16xf32> {
    %0 = bfly.linear %a, %c bias(%d : tensor<16xf32>) relu : tensor<1x3x8xf32>, tensor<16x8xf32> -> tensor<1x3x16xf32>
    bfly.yield %0 : tensor<1x3x16xf32>
  }
  %m = bfly.mean %x : tensor<1x3x8xf32> -> tensor<1x8xf32>
  return %y, %m : tensor<1x3x16xf32>, tensor<1x8xf32>
}
