// Parameters come by name from safetensors files.

// RUN: rm -rf %t && mkdir %t
// RUN: python3 %S/../Inputs/make_safetensors.py %t/w.safetensors w=4xf32=1,2,3,4
// RUN: python3 %S/../Inputs/make_safetensors.py %t/b.safetensors b=4xf32=10,20,30,40
// RUN: bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/w.safetensors --parameters=%t/b.safetensors | FileCheck %s
// CHECK: result[0]: 2x4xf32=[11 22 33 44][11 22 33 44]

// A function needs those that it loads; others of the module may be there.
// RUN: bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/w.safetensors --parameters=%t/b.safetensors | FileCheck %s --check-prefix=SCALE
// SCALE: result[0]: 2x4xf32=[1 2 3 4][1 2 3 4]

// RUN: not bfly-run %s --function=layer --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefix=NONE
// NONE: error: function 'layer' needs parameters that --parameters has to give: 'w', 'b'
// RUN: not bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/w.safetensors 2>&1 | FileCheck %s --check-prefix=MISSING
// MISSING: error: function 'layer' needs parameters that are in no file of --parameters: 'b'
// RUN: not bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/w.safetensors --parameters=%t/b.safetensors --parameters=%t/w.safetensors 2>&1 | FileCheck %s --check-prefix=TWICE
// TWICE: error: parameter 'w' is in {{.*}}w.safetensors and in {{.*}}w.safetensors
// RUN: python3 %S/../Inputs/make_safetensors.py %t/extra.safetensors w=4xf32=1,2,3,4 b=4xf32=1,2,3,4 c=1xf32=1 d=1xf32=1
// RUN: not bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/extra.safetensors 2>&1 | FileCheck %s --check-prefix=EXTRA
// EXTRA: error: {{.*}}extra.safetensors: unknown parameters: 'c', 'd'; --ignore-unknown-parameters skips them
// RUN: bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/extra.safetensors --ignore-unknown-parameters | FileCheck %s --check-prefix=SKIP
// SKIP: result[0]: 2x4xf32=[2 4 6 8][2 4 6 8]
// RUN: python3 %S/../Inputs/make_safetensors.py %t/type.safetensors w=4xf64=1,2,3,4
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/type.safetensors 2>&1 | FileCheck %s --check-prefix=TYPE
// TYPE: error: {{.*}}type.safetensors: parameter 'w' has type 4xf64, but the module declares 4xf32; --parameter-types=round converts it
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/type.safetensors --parameter-types=widen 2>&1 | FileCheck %s --check-prefix=NARROW
// NARROW: error: {{.*}}type.safetensors: parameter 'w' has type 4xf64, but the module declares 4xf32, which would round it; --parameter-types=round does
// RUN: bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/type.safetensors --parameter-types=round | FileCheck %s --check-prefix=SCALE
// RUN: python3 %S/../Inputs/make_safetensors.py %t/half.safetensors w=4xf16=1,2,3,4 b=4xbf16=10,20,30,40
// RUN: not bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/half.safetensors 2>&1 | FileCheck %s --check-prefix=HALF
// HALF: error: {{.*}}half.safetensors: parameter 'w' has type 4xf16, but the module declares 4xf32; --parameter-types=widen converts it
// RUN: bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/half.safetensors --parameter-types=widen | FileCheck %s
// RUN: python3 %S/../Inputs/make_safetensors.py %t/integer.safetensors w=4xi32=1,2,3,4
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/integer.safetensors --parameter-types=round 2>&1 | FileCheck %s --check-prefix=INTEGER
// INTEGER: error: {{.*}}integer.safetensors: parameter 'w' has type 4xi32, but the module declares 4xf32{{$}}

// Ones at the front of a shape say nothing.
// RUN: python3 %S/../Inputs/make_safetensors.py %t/ones.safetensors w=1x1x4xf32=1,2,3,4 b=1x4xf16=10,20,30,40
// RUN: bfly-run %s --function=layer --input=2x4xf32=1 --parameters=%t/ones.safetensors --parameter-types=widen | FileCheck %s
// RUN: python3 %S/../Inputs/make_safetensors.py %t/behind.safetensors w=4x1xf32=1,2,3,4
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/behind.safetensors 2>&1 | FileCheck %s --check-prefix=BEHIND
// BEHIND: error: w has shape 4x1xf32, but function 'scale' takes 4xf32

// What people have instead of a file of safetensors.
// RUN: python3 -c "import zipfile; zipfile.ZipFile('%t/model.pth', 'w').writestr('archive/data.pkl', 'x')"
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/model.pth 2>&1 | FileCheck %s --check-prefix=TORCH
// RUN: python3 -c "import pickle; pickle.dump({'w': 1}, open('%t/old.pt', 'wb'))"
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/old.pt 2>&1 | FileCheck %s --check-prefix=TORCH
// TORCH: error: {{.*}}: is a PyTorch checkpoint; convert it with safetensors.torch.save_file
// RUN: bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/w.safetensors --output=@%t/w.npy
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/w.npy 2>&1 | FileCheck %s --check-prefix=NUMPY
// NUMPY: error: {{.*}}w.npy: is an array of NumPy's (.npy); convert it with safetensors.numpy.save_file
// RUN: python3 %S/../Inputs/make_safetensors.py %t/shape.safetensors w=2x2xf32=1,2,3,4
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/shape.safetensors 2>&1 | FileCheck %s --check-prefix=SHAPE
// SHAPE: error: w has shape 2x2xf32, but function 'scale' takes 4xf32
// RUN: head -c 20 %t/w.safetensors > %t/cut.safetensors
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/cut.safetensors 2>&1 | FileCheck %s --check-prefix=CUT
// CUT: error: {{.*}}cut.safetensors
// RUN: not bfly-run %s --function=scale --input=2x4xf32=1 --parameters=%t/none.safetensors 2>&1 | FileCheck %s --check-prefix=NO-FILE
// NO-FILE: error: {{.*}}none.safetensors: No such file or directory

ml_program.global private @w(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>
ml_program.global private @b(#ml_program.extern<tensor<4xf32>>) : tensor<4xf32>

func.func @scale(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = ml_program.global_load_const @w : tensor<4xf32>
  %e = tensor.empty() : tensor<2x4xf32>
  %wide = linalg.broadcast ins(%w : tensor<4xf32>) outs(%e : tensor<2x4xf32>) dimensions = [0]
  %y = arith.mulf %x, %wide : tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
func.func @layer(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  %w = ml_program.global_load_const @w : tensor<4xf32>
  %b = ml_program.global_load_const @b : tensor<4xf32>
  %e = tensor.empty() : tensor<2x4xf32>
  %ww = linalg.broadcast ins(%w : tensor<4xf32>) outs(%e : tensor<2x4xf32>) dimensions = [0]
  %bw = linalg.broadcast ins(%b : tensor<4xf32>) outs(%e : tensor<2x4xf32>) dimensions = [0]
  %p = arith.mulf %x, %ww : tensor<2x4xf32>
  %y = arith.addf %p, %bw : tensor<2x4xf32>
  return %y : tensor<2x4xf32>
}
