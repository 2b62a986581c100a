// RUN: bfly-opt %s | bfly-opt | FileCheck %s
// RUN: bfly-opt %s --mlir-print-op-generic | bfly-opt | FileCheck %s

// CHECK-LABEL: func @spectral_filter
func.func @spectral_filter(%x: tensor<?x8x4xf32>, %w: tensor<?x4xf32>, %t: tensor<8xf32>) -> tensor<?x8x4xf32> {
  // CHECK: bfly.spectral_filter %{{.*}} params(%{{.*}}[batch, channel] : tensor<?x4xf32>, %{{.*}}[bin] : tensor<8xf32>) : tensor<?x8x4xf32> -> tensor<?x8x4xf32> {
  %y = bfly.spectral_filter %x params(%w[batch, channel] : tensor<?x4xf32>, %t[bin] : tensor<8xf32>)
      : tensor<?x8x4xf32> -> tensor<?x8x4xf32> {
  ^bb0(%bin: complex<f32>, %k: index, %wc: f32, %tk: f32):
    %g = complex.create %wc, %tk : complex<f32>
    %a = complex.mul %bin, %g : complex<f32>
    // CHECK: bfly.yield
    bfly.yield %a : complex<f32>
  }
  return %y : tensor<?x8x4xf32>
}

// CHECK-LABEL: func @butterfly_attention
func.func @butterfly_attention(%x: tensor<?x8x4xf32>, %w: tensor<3x4x4xf32>) -> tensor<?x8x4xf32> {
  // CHECK: bfly.butterfly_attention %{{.*}}, %{{.*}}, %{{.*}} heads(2) scale(5.000000e-01) : tensor<?x8x4xf32>, tensor<3x4x4xf32>
  %y = bfly.butterfly_attention %x, %w, %w heads(2) scale(0.5) : tensor<?x8x4xf32>, tensor<3x4x4xf32>
  return %y : tensor<?x8x4xf32>
}

// CHECK-LABEL: func @dense
func.func @dense(%x: tensor<?x8x4xf32>, %g: tensor<4xf32>, %w: tensor<6x4xf32>, %b: tensor<6xf32>) -> tensor<?x6xf32> {
  // CHECK: bfly.layer_norm %{{.*}} weight(%{{.*}} : tensor<4xf32>) bias(%{{.*}} : tensor<4xf32>) epsilon(1.000000e-05) : tensor<?x8x4xf32>
  %u = bfly.layer_norm %x weight(%g : tensor<4xf32>) bias(%g : tensor<4xf32>) epsilon(1.0e-5) : tensor<?x8x4xf32>
  // CHECK: bfly.mean
  %m = bfly.mean %u : tensor<?x8x4xf32> -> tensor<?x4xf32>
  // CHECK: bfly.linear %{{.*}}, %{{.*}} bias(%{{.*}} : tensor<6xf32>) relu : tensor<?x4xf32>, tensor<6x4xf32> -> tensor<?x6xf32>
  %h = bfly.linear %m, %w bias(%b : tensor<6xf32>) relu : tensor<?x4xf32>, tensor<6x4xf32> -> tensor<?x6xf32>
  return %h : tensor<?x6xf32>
}

// CHECK-LABEL: func @hadamard
func.func @hadamard(%x: tensor<?x8x4xf32>) -> tensor<?x8x4xf32> {
  // CHECK: bfly.hadamard %{{.*}} orthonormal : tensor<?x8x4xf32>
  %h = bfly.hadamard %x orthonormal : tensor<?x8x4xf32>
  // CHECK: bfly.hadamard %{{.*}} : tensor<?x8x4xf32>
  %y = bfly.hadamard %h : tensor<?x8x4xf32>
  return %y : tensor<?x8x4xf32>
}

// CHECK-LABEL: func @network
func.func @network(%x: tensor<?x8x4xf32>, %w: tensor<1x2x2x2xf32>) -> (tensor<?x8x4xf32>, tensor<?x8x4xf32>, tensor<?x4xf32>) {
  // CHECK: bfly.fft %{{.*}} : tensor<?x8x4xf32> -> tensor<?x5x4xcomplex<f32>>
  %f = bfly.fft %x : tensor<?x8x4xf32> -> tensor<?x5x4xcomplex<f32>>
  // CHECK: bfly.spectrum_map %{{.*}} tokens(8) hermitian : tensor<?x5x4xcomplex<f32>> -> tensor<?x5x4xcomplex<f32>>
  %a = bfly.spectrum_map %f tokens(8) hermitian : tensor<?x5x4xcomplex<f32>> -> tensor<?x5x4xcomplex<f32>> {
  ^bb0(%bin: complex<f32>, %k: index):
    bfly.yield %bin : complex<f32>
  }
  // CHECK: %{{.*}}, %{{.*}}:2 = bfly.spectrum_map %{{.*}} params(%{{.*}}[batch, bin, channel] : tensor<?x5x4xcomplex<f32>>) tokens(8) : tensor<?x5x4xcomplex<f32>> -> tensor<?x5x4xcomplex<f32>> sums(tensor<?x4xf32>, tensor<?x4xcomplex<f32>>) {
  %sums:3 = bfly.spectrum_map %f params(%a[batch, bin, channel] : tensor<?x5x4xcomplex<f32>>) tokens(8)
      : tensor<?x5x4xcomplex<f32>> -> tensor<?x5x4xcomplex<f32>> sums(tensor<?x4xf32>, tensor<?x4xcomplex<f32>>) {
  ^bb0(%bin: complex<f32>, %k: index, %other: complex<f32>):
    %size = complex.abs %bin : complex<f32>
    // CHECK: bfly.yield %{{.*}}, %{{.*}}, %{{.*}} : complex<f32>, f32, complex<f32>
    bfly.yield %bin, %size, %other : complex<f32>, f32, complex<f32>
  }
  // CHECK: bfly.bin %{{.*}}[0] factor(1.250000e-01)
  %m = bfly.bin %f[0] factor(0.125) : tensor<?x5x4xcomplex<f32>> -> tensor<?x4xf32>
  // CHECK: bfly.ifft
  %y = bfly.ifft %a : tensor<?x5x4xcomplex<f32>> -> tensor<?x8x4xf32>
  // CHECK: bfly.fold_weights %{{.*}}, %{{.*}} : tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>
  %fold = bfly.fold_weights %w, %w : tensor<1x2x2x2xf32> -> tensor<1x2x2x2xf32>
  // CHECK: bfly.project %{{.*}}, %{{.*}} heads(2) : tensor<?x8x4xf32>, tensor<1x2x2x2xf32>
  %r = bfly.project %x, %fold heads(2) : tensor<?x8x4xf32>, tensor<1x2x2x2xf32>
  // CHECK: bfly.attention_stage %{{.*}} weights(%{{.*}} : tensor<1x2x2x2xf32>) stage(2) heads(2) scale(1.000000e+00) folded : tensor<?x8x4xf32>
  %s = bfly.attention_stage %x weights(%fold : tensor<1x2x2x2xf32>) stage(2) heads(2) scale(1.0) folded : tensor<?x8x4xf32>
  // CHECK: bfly.attention_stage %{{.*}} image(%{{.*}} : tensor<?x8x4xf32> -> tensor<?x8x4xf32>) stage(1) heads(1) scale(1.000000e+00) carried : tensor<?x8x4xf32>
  %t:2 = bfly.attention_stage %x image(%r : tensor<?x8x4xf32> -> tensor<?x8x4xf32>) stage(1) heads(1) scale(1.0) carried : tensor<?x8x4xf32>
  return %y, %t#0, %m : tensor<?x8x4xf32>, tensor<?x8x4xf32>, tensor<?x4xf32>
}

// CHECK-LABEL: func @gradients
func.func @gradients(%v: tensor<?x8x4xbf16>, %g: tensor<?x8x4xf32>, %w: tensor<3x2x2x2xbf16>) -> (tensor<?x8x4xf32>, tensor<4x4xf32>, tensor<2x2x2xbf16>) {
  // CHECK: bfly.attention_stage_backward %{{.*}}, %{{.*}} weights(%{{.*}}, %{{.*}} : tensor<3x2x2x2xbf16>) stage(2) heads(2) scale(1.000000e+00) : tensor<?x8x4xbf16>, tensor<?x8x4xf32> -> tensor<?x8x4xf32>
  %r:3 = bfly.attention_stage_backward %v, %g weights(%w, %w : tensor<3x2x2x2xbf16>) stage(2) heads(2) scale(1.0) : tensor<?x8x4xbf16>, tensor<?x8x4xf32> -> tensor<?x8x4xf32>
  // CHECK: bfly.row_product %{{.*}}, %{{.*}} : tensor<?x8x4xbf16>, tensor<?x8x4xbf16> -> tensor<4x4xf32>
  %a = bfly.row_product %r#1, %v : tensor<?x8x4xbf16>, tensor<?x8x4xbf16> -> tensor<4x4xf32>
  // CHECK: bfly.row_product %{{.*}}, %{{.*}} heads(2) : tensor<?x8x4xbf16>, tensor<?x8x4xbf16> -> tensor<2x2x2xbf16>
  %b = bfly.row_product %r#2, %v heads(2) : tensor<?x8x4xbf16>, tensor<?x8x4xbf16> -> tensor<2x2x2xbf16>
  return %r#0, %a, %b : tensor<?x8x4xf32>, tensor<4x4xf32>, tensor<2x2x2xbf16>
}

// CHECK-LABEL: func @schedule
func.func @schedule(%x: tensor<4x8x4xf32>) -> tensor<4x4xf32> {
  // CHECK: bfly.kernel "mean" (%{{.*}} = %{{.*}}) plan [#bfly.cpu_slabs<channels = 32>] : (tensor<4x8x4xf32>) -> tensor<4x4xf32> {
  %m = bfly.kernel "mean" (%a = %x) plan [#bfly.cpu_slabs<channels = 32>] : (tensor<4x8x4xf32>) -> tensor<4x4xf32> {
    %0 = bfly.mean %a : tensor<4x8x4xf32> -> tensor<4x4xf32>
    bfly.yield %0 : tensor<4x4xf32>
  }
  return %m : tensor<4x4xf32>
}

// Every part of plans.
// CHECK-LABEL: func @parts
func.func @parts(%m: memref<4xf32>) {
  // CHECK: plan [#bfly.cpu_transform<channels = 32, radices = [16, 8], groups = [<0 to 0 in slab>, <1 to 1 in pair>]>, #bfly.cpu_transform<channels = 1, radices = [], groups = []>, #bfly.cpu_attention<pairs = 64, parallel = "batch">, #bfly.cpu_panels<columns = 32>, #bfly.cpu_dense<rows = 64>, #bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns = 4, radices = [16, 4], groups = [<0 to 0 in memory>, <1 to 1 in shared>]>, #bfly.gpu_grid_attention<columns = 128, heads = 8, depth = 32, slots = 5>, #bfly.gpu_block_attention<tokens = 512, groups = [<0 to 8 in shared>]>, #bfly.gpu_dense<rows = 16, depth = 16>, #bfly.library<name = "cuFFT">]
  bfly.kernel "k" (%a = %m) plan [#bfly.cpu_transform<channels = 32, radices = [16, 8], groups = [<0 to 0 in slab>, <1 to 1 in pair>]>, #bfly.cpu_transform<channels = 1, radices = [], groups = []>, #bfly.cpu_attention<pairs = 64, parallel = "batch">, #bfly.cpu_panels<columns = 32>, #bfly.cpu_dense<rows = 64>, #bfly.gpu_block<threads = 256>, #bfly.gpu_transform<columns = 4, radices = [16, 4], groups = [<0 to 0 in memory>, <1 to 1 in shared>]>, #bfly.gpu_grid_attention<columns = 128, heads = 8, depth = 32, slots = 5>, #bfly.gpu_block_attention<tokens = 512, groups = [<0 to 8 in shared>]>, #bfly.gpu_dense<rows = 16, depth = 16>, #bfly.library<name = "cuFFT">] : (memref<4xf32>) {
  }
  return
}

// CHECK-LABEL: func @affine
func.func @affine(%a: memref<4x8xf32>, %b: memref<2x8x4xf32>, %c: memref<4x8xf32>, %r: f32, %i: f32) -> (f32, f32) {
  // CHECK: bfly.kernel "product" (%{{.*}} = %{{.*}}) : (memref<4x8xf32>) {
  bfly.kernel "product" (%t = %a) : (memref<4x8xf32>) {
  }
  // CHECK: bfly.tile_product %{{.*}}, %{{.*}}, %{{.*}} accumulate : memref<4x8xf32>, memref<2x8x4xf32>, memref<4x8xf32>
  bfly.tile_product %a, %b, %c accumulate : memref<4x8xf32>, memref<2x8x4xf32>, memref<4x8xf32>
  // CHECK: bfly.table roots(16) : memref<8x2xf32>
  %w = bfly.table roots(16) : memref<8x2xf32>
  // CHECK: bfly.dft inverse %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : f32
  %y:4 = bfly.dft inverse %r, %r, %i, %i : f32
  // CHECK: bfly.rotate %{{.*}}, %{{.*}} by 3 of 16 : f32
  %re, %im = bfly.rotate %y#0, %y#2 by 3 of 16 : f32
  return %re, %im : f32, f32
}

// CHECK-LABEL: func @matrix_units
func.func @matrix_units(%a: memref<2x8x4x8x8xbf16, #gpu.address_space<workgroup>>,
                        %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>,
                        %c: memref<256x16xf32, #gpu.address_space<private>>,
                        %s: memref<3x2x2x8x2x8x8xf32>, %t: memref<3x1x4x2x8x8xf32>,
                        %d: memref<256x32xf32, #gpu.address_space<private>>,
                        %ring: memref<2x20480xi8, #gpu.address_space<workgroup>>) {
  bfly.grid (%u) in (4) sync(none) {
    // CHECK: bfly.matrix_product %{{.*}}, %{{.*}}, %{{.*}} : memref<2x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<256x16xf32, #gpu.address_space<private>>
    bfly.matrix_product %a, %b, %c : memref<2x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<256x16xf32, #gpu.address_space<private>>
    // CHECK: bfly.matrix_product %{{.*}}, %{{.*}}, %{{.*}} accumulate :
    bfly.matrix_product %a, %b, %c accumulate : memref<2x8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<256x16xf32, #gpu.address_space<private>>
    // CHECK: bfly.stream_product %{{.*}}, %{{.*}}, %{{.*}} through %{{.*}} products [0, 0, 1, 0] minus [-1, 0] : memref<3x2x2x8x2x8x8xf32>, memref<3x1x4x2x8x8xf32>, memref<256x32xf32, #gpu.address_space<private>>, memref<2x20480xi8, #gpu.address_space<workgroup>>
    bfly.stream_product %s, %t, %d through %ring products [0, 0, 1, 0] minus [-1, 0] : memref<3x2x2x8x2x8x8xf32>, memref<3x1x4x2x8x8xf32>, memref<256x32xf32, #gpu.address_space<private>>, memref<2x20480xi8, #gpu.address_space<workgroup>>
  }
  return
}

// CHECK-LABEL: func @scopes
// CHECK-SAME:    (%{{.*}}: memref<?x8xf32>, %[[N:.*]]: index)
func.func @scopes(%x: memref<?x8xf32>, %n: index) {
  // CHECK: bfly.grid (%[[U:.*]], %[[V:.*]]) in (%[[N]], 2) sync(grid) {
  bfly.grid (%u, %v) in (%n, 2) sync(grid) {
    // CHECK-NEXT: bfly.threads (%[[T:.*]]) in (4) sync(block) {
    bfly.threads (%t) in (4) sync(block) {
      // CHECK-NEXT: affine.load %{{.*}}[symbol(%[[U]]), symbol(%[[V]]) * 4 + symbol(%[[T]])]
      %0 = affine.load %x[symbol(%u), symbol(%v) * 4 + symbol(%t)] : memref<?x8xf32>
      affine.store %0, %x[%u, %v * 4 - %t + 3] : memref<?x8xf32>
    // CHECK: }
    }
    // CHECK-NEXT: bfly.threads (%{{.*}}) in (4) sync(none) {
    bfly.threads (%t) in (4) sync(none) {
    }
  }
  // CHECK: bfly.threads (%{{.*}}, %{{.*}}) in (8, %[[N]]) sync(none) {
  // CHECK-NEXT: } attributes {bfly.note}
  bfly.threads (%i, %j) in (8, %n) sync(none) {
  } attributes {bfly.note}
  return
}

// CHECK-LABEL: func @gpu
func.func @gpu(%a: memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>, %b: memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>,
               %c: memref<16xf32, #gpu.address_space<private>>, %x: memref<64x8xbf16>, %y: memref<1024xi8, #gpu.address_space<workgroup>>,
               %bars: memref<2xi64, #gpu.address_space<workgroup>>, %i: index, %p: i32, %counters: !llvm.ptr) {
  // CHECK: bfly.shared_memory : memref<?xi8, #gpu.address_space<workgroup>>
  %s = bfly.shared_memory : memref<?xi8, #gpu.address_space<workgroup>>
  // CHECK: bfly.grid_barrier %{{.*}} : !llvm.ptr
  bfly.grid_barrier %counters : !llvm.ptr
  // CHECK: bfly.grid_barrier %{{.*}} last : !llvm.ptr
  bfly.grid_barrier %counters last : !llvm.ptr
  // CHECK: bfly.mbarrier_init %{{.*}}[%{{.*}}] count 8 : memref<2xi64, #gpu.address_space<workgroup>>
  bfly.mbarrier_init %bars[%i] count 8 : memref<2xi64, #gpu.address_space<workgroup>>
  // CHECK: bfly.mbarrier_arrive %{{.*}}[%{{.*}}] : memref<2xi64, #gpu.address_space<workgroup>>
  bfly.mbarrier_arrive %bars[%i] : memref<2xi64, #gpu.address_space<workgroup>>
  // CHECK: bfly.mbarrier_arrive %{{.*}}[%{{.*}}] bytes 1024 : memref<2xi64, #gpu.address_space<workgroup>>
  bfly.mbarrier_arrive %bars[%i] bytes 1024 : memref<2xi64, #gpu.address_space<workgroup>>
  // CHECK: bfly.bulk_copy %{{.*}} to %{{.*}} counted at %{{.*}}[%{{.*}}] : memref<64x8xbf16>, memref<1024xi8, #gpu.address_space<workgroup>>, memref<2xi64, #gpu.address_space<workgroup>>
  bfly.bulk_copy %x to %y counted at %bars[%i] : memref<64x8xbf16>, memref<1024xi8, #gpu.address_space<workgroup>>, memref<2xi64, #gpu.address_space<workgroup>>
  // CHECK: bfly.mbarrier_wait %{{.*}}[%{{.*}}] parity %{{.*}} : memref<2xi64, #gpu.address_space<workgroup>>
  bfly.mbarrier_wait %bars[%i] parity %p : memref<2xi64, #gpu.address_space<workgroup>>
  // CHECK: bfly.wgmma %{{.*}}, %{{.*}}, %{{.*}} accumulate negate : memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<16xf32, #gpu.address_space<private>>
  bfly.wgmma %a, %b, %c accumulate negate : memref<8x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<4x4x8x8xbf16, #gpu.address_space<workgroup>>, memref<16xf32, #gpu.address_space<private>>
  return
}

// CHECK-LABEL: func @library_product
func.func @library_product(%x: memref<?x6x4xf32>, %w: memref<5x4xf32>, %b: memref<5xf32>, %y: memref<?x6x5xf32>) {
  // CHECK: bfly.library_product %{{.*}}, %{{.*}} to %{{.*}} : memref<?x6x4xf32>, memref<5x4xf32> to memref<?x6x5xf32>
  bfly.library_product %x, %w to %y : memref<?x6x4xf32>, memref<5x4xf32> to memref<?x6x5xf32>
  // CHECK: bfly.library_product %{{.*}}, %{{.*}} bias(%{{.*}} : memref<5xf32>) to %{{.*}} : memref<?x6x4xf32>, memref<5x4xf32> to memref<?x6x5xf32>
  bfly.library_product %x, %w bias(%b : memref<5xf32>) to %y : memref<?x6x4xf32>, memref<5x4xf32> to memref<?x6x5xf32>
  return
}

// CHECK-LABEL: func @library_row_product
func.func @library_row_product(%a: memref<?x6x4xbf16>, %b: memref<?x6x10xbf16>, %y: memref<2x2x5xf32>) {
  // CHECK: bfly.library_row_product %{{.*}}, %{{.*}} to %{{.*}} heads 2 : memref<?x6x4xbf16>, memref<?x6x10xbf16> to memref<2x2x5xf32>
  bfly.library_row_product %a, %b to %y heads 2 : memref<?x6x4xbf16>, memref<?x6x10xbf16> to memref<2x2x5xf32>
  return
}

// CHECK-LABEL: func @library_transform
func.func @library_transform(%x: memref<?x6x4xf32>, %f: memref<?x4x4xcomplex<f32>>, %z: memref<2x6x4xcomplex<f64>>) {
  // CHECK: bfly.library_transform %{{.*}} to %{{.*}} : memref<?x6x4xf32> to memref<?x4x4xcomplex<f32>>
  bfly.library_transform %x to %f : memref<?x6x4xf32> to memref<?x4x4xcomplex<f32>>
  // CHECK: bfly.library_transform inverse %{{.*}} to %{{.*}} : memref<?x4x4xcomplex<f32>> to memref<?x6x4xf32>
  bfly.library_transform inverse %f to %x : memref<?x4x4xcomplex<f32>> to memref<?x6x4xf32>
  // CHECK: bfly.library_transform inverse %{{.*}} to %{{.*}} : memref<2x6x4xcomplex<f64>> to memref<2x6x4xcomplex<f64>>
  bfly.library_transform inverse %z to %z : memref<2x6x4xcomplex<f64>> to memref<2x6x4xcomplex<f64>>
  return
}
