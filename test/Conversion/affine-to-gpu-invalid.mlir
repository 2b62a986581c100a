// RUN: bfly-opt %s -bfly-set-target=target=sm_90a -bfly-convert-affine-to-gpu -split-input-file -verify-diagnostics

func.func @on_cpu(%x: memref<8xf32>) {
  // expected-error @below {{has a plan without #bfly.gpu_block, which is not one of a GPU}}
  bfly.kernel "k" (%a = %x) plan [] : (memref<8xf32>) {
    bfly.yield
  }
  return
}

// -----

func.func @between(%x: memref<8xf32>) {
  bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>) {
    %c0 = arith.constant 0 : index
    %zero = arith.constant 0.0 : f32
    // expected-error @below {{has no place between the phases of a kernel}}
    memref.store %zero, %a[%c0] : memref<8xf32>
    bfly.yield
  }
  return
}

// -----

func.func @too_much(%x: memref<8xf32>) {
  // expected-error @below {{needs 262144 bytes of shared memory a block, but there are 232448}}
  bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>) {
    bfly.grid (%unit) in (1) sync(none) {
      %s = memref.alloc() : memref<65536xf32, #gpu.address_space<workgroup>>
    }
    bfly.yield
  }
  return
}

// -----

func.func @registers(%x: memref<8xf32>) {
  bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>) {
    bfly.grid (%unit) in (1) sync(none) {
      %s = memref.alloc() : memref<8xf32, #gpu.address_space<workgroup>>
      // expected-error @below {{in private memory must have a row for each of the block's 128 threads}}
      %r = memref.alloc() : memref<64x2xf32, #gpu.address_space<private>>
    }
    bfly.yield
  }
  return
}

// -----

func.func @on_host(%x: memref<8xf32>) -> f32 {
  %c0 = arith.constant 0 : index
  // expected-error @below {{reads or writes single elements of an array outside of a kernel, which host code cannot do on a GPU}}
  %v = memref.load %x[%c0] : memref<8xf32>
  return %v : f32
}

// -----

func.func @more_than_64_bits_count(%x: memref<8xf32>) {
  bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>) {
    %one = arith.constant 1 : index
    // expected-error @below {{runs more often than 64 bits can count}}
    bfly.threads (%i, %j) in (4, 4611686018427387904) sync(none) {
      %v = memref.load %a[%one] : memref<8xf32>
    }
    bfly.yield
  }
  return
}

// -----

func.func @no_scope(%x: memref<8xf32>) {
  bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    // expected-error @below {{cannot be mapped: a kernel is bfly.grid and bfly.threads, one after the other or in serial loops}}
    scf.parallel (%i) = (%c0) to (%c8) step (%c1) {
      %v = memref.load %a[%i] : memref<8xf32>
      memref.store %v, %a[%i] : memref<8xf32>
    }
    bfly.yield
  }
  return
}

// -----

// Blocks that take different ways would wait for each other for ever.
func.func @in_a_branch(%x: memref<8xf32>, %c: i1) {
  bfly.kernel "k" (%a = %x, %t = %c) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>, i1) {
    scf.if %t {
      // expected-error @below {{cannot be mapped: a kernel is bfly.grid and bfly.threads, one after the other or in serial loops}}
      bfly.grid (%unit) in (8) sync(grid) {
        bfly.threads (%i) in (8) sync(block) {
          %v = memref.load %a[%i] : memref<8xf32>
          memref.store %v, %a[%i] : memref<8xf32>
        }
      }
    }
    bfly.yield
  }
  return
}

// -----

func.func @between_in_a_loop(%x: memref<8xf32>) {
  bfly.kernel "k" (%a = %x) plan [#bfly.gpu_block<threads = 128>] : (memref<8xf32>) {
    %c0 = arith.constant 0 : index
    %c1 = arith.constant 1 : index
    %c8 = arith.constant 8 : index
    %zero = arith.constant 0.0 : f32
    scf.for %i = %c0 to %c8 step %c1 {
      // expected-error @below {{has no place between the phases of a kernel}}
      memref.store %zero, %a[%i] : memref<8xf32>
    }
    bfly.yield
  }
  return
}

// -----

func.func @reduction(%x: memref<8xf32>, %y: memref<f32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0.0 : f32
  // expected-error @below {{with a reduction cannot be part of a kernel}}
  %s = scf.parallel (%i) = (%c0) to (%c8) step (%c1) init (%zero) -> f32 {
    %v = memref.load %x[%i] : memref<8xf32>
    scf.reduce(%v : f32) {
    ^bb0(%a: f32, %b: f32):
      %sum = arith.addf %a, %b : f32
      scf.reduce.return %sum : f32
    }
  }
  return
}
