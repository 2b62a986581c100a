// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_90a},func.func(bfly-choose-plan))' -split-input-file -verify-diagnostics | FileCheck %s

// A stage that is alone: the state comes from memory and goes there.
// CHECK-LABEL: func @stage
func.func @stage(%x: tensor<1x64x32xf32>, %w: tensor<6x2x16x16xf32>) -> tensor<1x64x32xf32> {
  // CHECK: tile = 128, radices = [], groups = [<0 to 0 in memory>], parallel = "tile", threads = 256>
  %y = bfly.kernel "stage" (%a = %x, %b = %w) : (tensor<1x64x32xf32>, tensor<6x2x16x16xf32>) -> tensor<1x64x32xf32> {
    %r = bfly.attention_stage %a weights(%b, %b : tensor<6x2x16x16xf32>, tensor<6x2x16x16xf32>) stage(3) heads(2) scale(1.0) definition : tensor<1x64x32xf32>
    bfly.yield %r : tensor<1x64x32xf32>
  }
  return %y : tensor<1x64x32xf32>
}

// -----

// f32 takes twice the room: half the tokens.
// CHECK-LABEL: func @network
func.func @network(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // CHECK: tile = 128, radices = [], groups = [<0 to 0 in shared>], parallel = "tile", threads = 256>
  %y = bfly.kernel "network" (%a = %x, %b = %w) : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @groups(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{has a plan whose groups do not cover its 1 stages}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan <machine = "sm_90a", lanes = 8, tile = 128, radices = [], groups = [<0 to 1 in shared>], parallel = "tile", threads = 256> : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @tile(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{has a plan of tiles of 64 pairs, which do not hold its group of 1 stages in shared memory, or not a pair for every two threads}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan <machine = "sm_90a", lanes = 8, tile = 64, radices = [], groups = [<0 to 0 in shared>], parallel = "tile", threads = 256> : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @threads(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{has a plan of 96 threads, which are no whole warpgroups of 128}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan <machine = "sm_90a", lanes = 8, tile = 128, radices = [], groups = [<0 to 0 in shared>], parallel = "tile", threads = 96> : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @shared_and_dense(%x: tensor<1x2x128xf32>, %w: tensor<1x128x128xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{has a plan with groups in shared memory, where only all stages of one network are, with weights per head and scores as defined; others are in memory}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan <machine = "sm_90a", lanes = 8, tile = 128, radices = [], groups = [<0 to 0 in shared>], parallel = "tile", threads = 256> : (tensor<1x2x128xf32>, tensor<1x128x128xf32>) -> tensor<1x2x128xf32> {
    %r = bfly.attention_stage %a weights(%b, %b : tensor<1x128x128xf32>, tensor<1x128x128xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @shared_and_large(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{has a plan with tile = 1024; its groups take 1}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan <machine = "sm_90a", lanes = 8, tile = 1024, radices = [], groups = [<0 to 0 in shared>], parallel = "tile", threads = 256> : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @two_places(%x: tensor<1x4x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x4x128xf32> {
  // expected-error @below {{has a plan with groups in shared and in memory; all are in one place}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan <machine = "sm_90a", lanes = 8, tile = 128, radices = [], groups = [<0 to 0 in shared>, <1 to 1 in memory>], parallel = "tile", threads = 256> : (tensor<1x4x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x4x128xf32> {
    %q = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x4x128xf32>
    %r = bfly.attention_stage %q weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(1) heads(2) scale(1.0) definition : tensor<1x4x128xf32>
    bfly.yield %r : tensor<1x4x128xf32>
  }
  return %y : tensor<1x4x128xf32>
}
