// Compiled code is kept on disk (docs/cache.md), that of a GPU with its kernels inside; the driver is one that needs no GPU
// (test/Inputs/fake_cuda.c).

// RUN: rm -rf %t && mkdir %t
// RUN: env BFLY_CACHE=%t/cache BFLY_CACHE_VERBOSE=1 bfly-run %s --function=twice --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefixes=NEW,TWICE
// RUN: env BFLY_CACHE=%t/cache BFLY_CACHE_VERBOSE=1 bfly-run %s --function=twice --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefixes=OLD,TWICE
// NEW:      bfly: cache: miss [[KEY:[0-9a-f]+]]
// NEW:      bfly: cache: stored [[KEY]]
// OLD-NOT:  miss
// OLD:      bfly: cache: hit {{[0-9a-f]+$}}
// TWICE:    EXEC @twice
// TWICE:    result[0]: 2x4xf32=[2 2 2 2][2 2 2 2]

// The report says where the code is from, and is the same.
// RUN: env BFLY_CACHE=%t/cache bfly-run %s --function=twice --input=2x4xf32=1 --output= --report=%t/old
// RUN: env BFLY_CACHE=%t/cache bfly-run %s --function=twice --input=2x4xf32=1 --output= --report=%t/new --cache=off
// RUN: FileCheck %s --check-prefix=FROM < %t/old
// FROM: "from_cache": true,
// RUN: sed -e /compile_seconds/d -e s/true,/false,/ %t/old > %t/a && sed -e /compile_seconds/d %t/new > %t/b && diff %t/a %t/b

// Arrays are checked against what the cache says of the function.
// RUN: env BFLY_CACHE=%t/cache not bfly-run %s --function=twice --input=2x5xf32=1 2>&1 | FileCheck %s --check-prefix=SHAPE
// SHAPE: error: input 0 has shape 2x5xf32, but function 'twice' takes ?x4xf32

// Off, and emptied.
// RUN: env BFLY_CACHE=%t/cache BFLY_CACHE_VERBOSE=1 bfly-run %s --function=twice --input=2x4xf32=1 --cache=off 2>&1 | FileCheck %s --check-prefixes=QUIET,TWICE
// RUN: env BFLY_CACHE=off BFLY_CACHE_VERBOSE=1 bfly-run %s --function=twice --input=2x4xf32=1 2>&1 | FileCheck %s --check-prefixes=QUIET,TWICE
// QUIET-NOT: cache
// RUN: env BFLY_CACHE=%t/cache bfly-run --clear-cache | FileCheck %s --check-prefix=CLEAR
// CLEAR: removed 1 entries, {{.*}}, from {{.*}}cache
// RUN: env BFLY_CACHE=off bfly-run --clear-cache | FileCheck %s --check-prefix=NOTHING
// NOTHING: removed 0 entries, 0 bytes
// RUN: env BFLY_CACHE=some/where not bfly-run --clear-cache 2>&1 | FileCheck %s --check-prefix=WHERE
// WHERE: error: the cache of compiled code: BFLY_CACHE is 'some/where', and has to be off or the absolute path of a folder

// Kernels of a GPU come out of the cache as they went in, and nothing assembles them again.
// RUN: env BFLY_CACHE=%t/cache BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_LOG=%t/first bfly-run %s --function=norm --device=cuda --input=2x8x4xf32=1 --output=
// RUN: env BFLY_CACHE=%t/cache BFLY_CACHE_VERBOSE=1 BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_LOG=%t/second bfly-run %s --function=norm --device=cuda --input=2x8x4xf32=1 --output= 2>&1 | FileCheck %s --check-prefix=HIT
// HIT: bfly: cache: hit
// RUN: sed /cuDeviceGet/d %t/first > %t/a && sed /cuDeviceGet/d %t/second > %t/b && diff %t/a %t/b && FileCheck %s --check-prefix=LAUNCH < %t/second
// LAUNCH: cuModuleLoadDataEx(device 0)
// LAUNCH: cuLaunchKernelEx(norm_
// Another GPU has other kernels, and PTX is other code.
// RUN: env BFLY_CACHE=%t/cache BFLY_CACHE_VERBOSE=1 BFLY_LIBCUDA=%fake_cuda FAKE_CUDA_CAPABILITY=80 bfly-run %s --function=norm --device=cuda --input=2x8x4xf32=1 --output= 2>&1 | FileCheck %s --check-prefix=NEW
// RUN: env BFLY_CACHE=%t/cache BFLY_CACHE_VERBOSE=1 BFLY_LIBCUDA=%fake_cuda BFLY_CUDA=none bfly-run %s --function=norm --device=cuda --input=2x8x4xf32=1 --output= 2>&1 | FileCheck %s --check-prefix=NEW
func.func @twice(%x: tensor<?x4xf32>) -> tensor<?x4xf32> {
  %y = arith.addf %x, %x : tensor<?x4xf32>
  return %y : tensor<?x4xf32>
}
func.func @norm(%x: tensor<2x8x4xf32>) -> tensor<2x8x4xf32> {
  %y = bfly.layer_norm %x epsilon(1.0e-5) : tensor<2x8x4xf32>
  return %y : tensor<2x8x4xf32>
}
