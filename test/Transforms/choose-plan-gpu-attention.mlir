// RUN: bfly-opt %s --pass-pipeline='builtin.module(bfly-set-target{target=sm_90a},func.func(bfly-choose-plan))' -split-input-file -verify-diagnostics | FileCheck %s

// A stage that is alone: the state comes from memory and goes there.
// CHECK-LABEL: func @stage
func.func @stage(%x: tensor<1x64x32xf32>, %w: tensor<6x2x16x16xf32>) -> tensor<1x64x32xf32> {
  // CHECK: plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_grid_attention<columns = 32, heads = 8, depth = 16, slots = 2>]
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
  // CHECK: plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 0 in shared>]>]
  %y = bfly.kernel "network" (%a = %x, %b = %w) : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @stage_too_many(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{(P3) }}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 1 in shared>]>] : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @stage_too_few(%x: tensor<1x4x128xf32>, %w: tensor<2x2x64x64xf32>) -> tensor<1x4x128xf32> {
  // expected-error @below {{(P3) }}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 0 in shared>]>] : (tensor<1x4x128xf32>, tensor<2x2x64x64xf32>) -> tensor<1x4x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<2x2x64x64xf32>, tensor<2x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x4x128xf32>
    %r1 = bfly.attention_stage %r0 weights(%b, %b : tensor<2x2x64x64xf32>, tensor<2x2x64x64xf32>) stage(1) heads(2) scale(1.0) definition : tensor<1x4x128xf32>
    bfly.yield %r1 : tensor<1x4x128xf32>
  }
  return %y : tensor<1x4x128xf32>
}

// -----

func.func @in_memory(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{(P3) groups must each be of at most 16 stages, in shared}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 0 in memory>]>] : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @tokens(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{(P2) tokens must be a multiple of the block's 256 threads}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 128, groups = [<0 to 0 in shared>]>] : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @tokens_of_a_group(%x: tensor<1x512x128xf32>, %w: tensor<9x2x64x64xf32>) -> tensor<1x512x128xf32> {
  // expected-error @below {{(P2) tokens must be a multiple of 512}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 128>, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 8 in shared>]>] : (tensor<1x512x128xf32>, tensor<9x2x64x64xf32>) -> tensor<1x512x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<9x2x64x64xf32>, tensor<9x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x512x128xf32>
    %r1 = bfly.attention_stage %r0 weights(%b, %b : tensor<9x2x64x64xf32>, tensor<9x2x64x64xf32>) stage(1) heads(2) scale(1.0) definition : tensor<1x512x128xf32>
    %r2 = bfly.attention_stage %r1 weights(%b, %b : tensor<9x2x64x64xf32>, tensor<9x2x64x64xf32>) stage(2) heads(2) scale(1.0) definition : tensor<1x512x128xf32>
    %r3 = bfly.attention_stage %r2 weights(%b, %b : tensor<9x2x64x64xf32>, tensor<9x2x64x64xf32>) stage(3) heads(2) scale(1.0) definition : tensor<1x512x128xf32>
    %r4 = bfly.attention_stage %r3 weights(%b, %b : tensor<9x2x64x64xf32>, tensor<9x2x64x64xf32>) stage(4) heads(2) scale(1.0) definition : tensor<1x512x128xf32>
    %r5 = bfly.attention_stage %r4 weights(%b, %b : tensor<9x2x64x64xf32>, tensor<9x2x64x64xf32>) stage(5) heads(2) scale(1.0) definition : tensor<1x512x128xf32>
    %r6 = bfly.attention_stage %r5 weights(%b, %b : tensor<9x2x64x64xf32>, tensor<9x2x64x64xf32>) stage(6) heads(2) scale(1.0) definition : tensor<1x512x128xf32>
    %r7 = bfly.attention_stage %r6 weights(%b, %b : tensor<9x2x64x64xf32>, tensor<9x2x64x64xf32>) stage(7) heads(2) scale(1.0) definition : tensor<1x512x128xf32>
    %r8 = bfly.attention_stage %r7 weights(%b, %b : tensor<9x2x64x64xf32>, tensor<9x2x64x64xf32>) stage(8) heads(2) scale(1.0) definition : tensor<1x512x128xf32>
    bfly.yield %r8 : tensor<1x512x128xf32>
  }
  return %y : tensor<1x512x128xf32>
}

// -----

func.func @tokens_too_many(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{(P4) }}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 2048, groups = [<0 to 0 in shared>]>] : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @dense(%x: tensor<1x2x128xf32>, %w: tensor<1x128x128xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{(P1) all stages of one network are needed, alike, with weights per head and scores as their definition}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 0 in shared>]>] : (tensor<1x2x128xf32>, tensor<1x128x128xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x128x128xf32>, tensor<1x128x128xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @part_of_a_network(%x: tensor<1x4x128xf32>, %w: tensor<2x2x64x64xf32>) -> tensor<1x4x128xf32> {
  // expected-error @below {{(P1) all stages of one network are needed}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 0 in shared>]>] : (tensor<1x4x128xf32>, tensor<2x2x64x64xf32>) -> tensor<1x4x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<2x2x64x64xf32>, tensor<2x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x4x128xf32>
    bfly.yield %r0 : tensor<1x4x128xf32>
  }
  return %y : tensor<1x4x128xf32>
}

// -----

func.func @warpgroups(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{(P2) stages of attention run in whole warpgroups: threads must be a multiple of 128}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 96>, #bfly.gpu_block_attention<tokens = 192, groups = [<0 to 0 in shared>]>] : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @columns(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{(P1) columns must be at most 32 for scores of definition and a state of 32 bits}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_grid_attention<columns = 64, heads = 8, depth = 16, slots = 2>] : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @columns_of_differences(%x: tensor<1x2x128xf32>, %w: tensor<1x128x128xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{(P1) columns must be at most 64 for scores of pair_difference and a state of 32 bits}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_grid_attention<columns = 128, heads = 8, depth = 16, slots = 2>] : (tensor<1x2x128xf32>, tensor<1x128x128xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x128x128xf32>, tensor<1x128x128xf32>) stage(0) heads(2) scale(1.0) pair_difference : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @depth(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{(P3) depth must be at most 16 for a state of 32 bits}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_grid_attention<columns = 32, heads = 8, depth = 32, slots = 2>] : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}

// -----

func.func @two_algorithms(%x: tensor<1x2x128xf32>, %w: tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
  // expected-error @below {{has a plan with two parts for the stages of attention, #bfly.gpu_grid_attention<columns = 32, heads = 8, depth = 16, slots = 2> and #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 0 in shared>]>}}
  %y = bfly.kernel "network" (%a = %x, %b = %w) plan [#bfly.gpu_block<threads = 256>, #bfly.gpu_grid_attention<columns = 32, heads = 8, depth = 16, slots = 2>, #bfly.gpu_block_attention<tokens = 256, groups = [<0 to 0 in shared>]>] : (tensor<1x2x128xf32>, tensor<1x2x64x64xf32>) -> tensor<1x2x128xf32> {
    %r0 = bfly.attention_stage %a weights(%b, %b : tensor<1x2x64x64xf32>, tensor<1x2x64x64xf32>) stage(0) heads(2) scale(1.0) definition : tensor<1x2x128xf32>
    bfly.yield %r0 : tensor<1x2x128xf32>
  }
  return %y : tensor<1x2x128xf32>
}
