// What an option cannot be is one message of the tool's own, and exit code 1;
// nothing comes from LLVM's parsers.

// DEFINE: %{run} = not bfly-run %s --input=2xf32=1 --expected_output=2xf32=1
// DEFINE: %{check} = 2>&1 | FileCheck %s --implicit-check-not=bfly-run: --implicit-check-not=bfly-opt: --implicit-check-not=EXEC

// RUN: %{run} --tolerance=inf %{check} --check-prefix=TOLERANCE
// RUN: %{run} --tolerance=-infinity %{check} --check-prefix=TOLERANCE
// RUN: %{run} --tolerance=nan %{check} --check-prefix=TOLERANCE
// RUN: %{run} --tolerance=1e400 %{check} --check-prefix=TOLERANCE
// RUN: %{run} --tolerance=-1e-9 %{check} --check-prefix=TOLERANCE
// TOLERANCE: {{^}}error: --tolerance has to be a finite number from 0{{$}}
// RUN: %{run} --tolerance= %{check} --check-prefix=NO-NUMBER
// NO-NUMBER: {{^}}error: --tolerance has to be a number, got ''{{$}}
// RUN: %{run} --tolerance=1e-5x %{check} --check-prefix=NUMBER
// NUMBER: {{^}}error: --tolerance has to be a number, got '1e-5x'{{$}}
// RUN: bfly-run %s --input=2xf32=1 --expected_output=2xf32=1 --tolerance=0

// RUN: %{run} --threads=4097 %{check} --check-prefix=THREADS
// THREADS: {{^}}error: --threads has to be from 0 to 4096{{$}}
// RUN: %{run} --threads=1.5 %{check} --check-prefix=INTEGER
// INTEGER: {{^}}error: --threads has to be an integer, got '1.5'{{$}}
// RUN: %{run} --threads=0x10 %{check} --check-prefix=HEXADECIMAL
// HEXADECIMAL: {{^}}error: --threads has to be an integer, got '0x10'{{$}}
// RUN: %{run} --threads=99999999999 %{check} --check-prefix=LARGE
// LARGE: {{^}}error: --threads has to be an integer, got '99999999999'{{$}}
// RUN: %{run} --threads %{check} --check-prefix=NO-VALUE
// NO-VALUE: {{^}}error: --threads has to have a value{{$}}

// RUN: %{run} --allow-bytecode=perhaps %{check} --check-prefix=BOOL
// BOOL: {{^}}error: --allow-bytecode has to be true or false, got 'perhaps'{{$}}
// RUN: %{run} --parameter-types=any %{check} --check-prefix=ENUM
// ENUM: {{^}}error: --parameter-types has to be one of exact, widen, round, got 'any'{{$}}
// RUN: %{run} --benchmark_format=xml %{check} --check-prefix=FORMAT
// FORMAT: {{^}}error: --benchmark_format has to be one of console, json, got 'xml'{{$}}
// RUN: %{run} --device=cuda:-0 %{check} --check-prefix=DEVICE
// DEVICE: {{^}}error: device 'cuda:-0' has no valid number{{$}}

// Those of the pipeline, from either tool.
// RUN: %{run} --compile-options=fuse=x %{check} --check-prefix=FUSE
// RUN: not bfly-opt %s -bfly-compile=fuse=x %{check} --check-prefix=FUSE
// FUSE: error: {{.*}}fuse has to be true or false, got 'x'{{$}}
// RUN: %{run} --compile-options=threads=1.5 %{check} --check-prefix=PIPELINE-THREADS
// RUN: not bfly-opt %s -bfly-compile=threads=1.5 %{check} --check-prefix=PIPELINE-THREADS
// PIPELINE-THREADS: error: {{.*}}threads has to be an integer, got '1.5'{{$}}
// RUN: %{run} --compile-options=target %{check} --check-prefix=TARGET
// RUN: not bfly-opt %s -bfly-compile=target %{check} --check-prefix=TARGET
// TARGET: error: {{.*}}target has to have a value{{$}}
// RUN: %{run} --compile-options=scoring=x %{check} --check-prefix=SCORING
// RUN: not bfly-opt %s -bfly-compile=scoring=x %{check} --check-prefix=SCORING
// SCORING: error: {{.*}}unknown scoring 'x', known: auto, definition, pair_difference, chained, folded, carried{{$}}
// RUN: %{run} --compile-options=colour=red %{check} --check-prefix=COLOUR
// RUN: not bfly-opt %s -bfly-compile=colour=red %{check} --check-prefix=COLOUR
// COLOUR: error: {{.*}}there is no option 'colour', known: emulate, fuse, scoring, target, threads, to{{$}}

// A level is asked for by its name; what runs is compiled to the end.
// RUN: %{run} --compile-options=to=affine %{check} --check-prefix=TO
// RUN: %{run} --print-level=network --compile-options=to=affine %{check} --check-prefix=TO
// TO: {{^}}error: compile options 'to=affine': to can only be llvm, which is what runs, got 'affine'
// RUN: bfly-run %s --input=2xf32=1 --compile-options=to=llvm

// RUN: not bfly-opt %s -bfly-set-target=threads=0 %{check} --check-prefix=SET-TARGET
// RUN: not bfly-opt %s -bfly-set-target=threads=-1 %{check} --check-prefix=SET-TARGET
// SET-TARGET: error: threads must be between 1 and 4096
// RUN: not bfly-opt %s -bfly-print-report=flops-per-second=-1 %{check} --check-prefix=REPORT
// REPORT: error: batch must not be negative, and ceilings finite and not negative

func.func @f(%x: tensor<2xf32>) -> tensor<2xf32> {
  return %x : tensor<2xf32>
}
