/* Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * bfly for other languages: compile a function, ask what it takes, run it.
 *
 * Every function may be called from any thread, and a kernel may run on several
 * threads at once. A function that fails returns NULL or -1, and then
 * bfly_last_error() says why; so does one that gets NULL where something is
 * needed, and one on whose input the compiler crashes. Text is UTF-8. Strings
 * that a function returns as `char *` belong to the caller, who frees them with
 * bfly_free; `const char *` belongs to the library or the kernel.
 */

#ifndef BFLY_ENGINE_CAPI_H
#define BFLY_ENGINE_CAPI_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define BFLY_API __attribute__((visibility("default")))
#else
#define BFLY_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Of this header; a library of another major version has another interface. */
#define BFLY_VERSION_MAJOR 0
#define BFLY_VERSION_MINOR 2

/* The version of the library, "0.2.0". */
BFLY_API const char *bfly_version(void);

/* Why the last call on this thread failed: one line, and more for a message of
 * the compiler that has notes. Valid until the next call on this thread. */
BFLY_API const char *bfly_last_error(void);

/* Frees a string that this library returned; NULL is fine. */
BFLY_API void bfly_free(char *text);

/* Element types; complex ones are pairs, real part first. */
typedef enum bfly_dtype {
  BFLY_F64 = 0,
  BFLY_F32 = 1,
  BFLY_BF16 = 2,
  BFLY_F16 = 3,
  BFLY_C64 = 4,  /* complex of f32 */
  BFLY_C128 = 5, /* complex of f64 */
  BFLY_I64 = 6,
  BFLY_I32 = 7,
  BFLY_I16 = 8,
  BFLY_I8 = 9,
  BFLY_U8 = 10,
  BFLY_I1 = 11 /* one byte, 0 or 1 */
} bfly_dtype;

/* Where an array is; the numbers are DLPack's. */
typedef enum bfly_device_type { BFLY_CPU = 1, BFLY_CUDA = 2 } bfly_device_type;

/* A row-major array without gaps, aligned to its elements, of the caller's. A
 * scalar has rank 0. */
typedef struct bfly_array {
  void *data;
  const int64_t *shape; /* `rank` sizes */
  int32_t rank;
  int32_t dtype;       /* a bfly_dtype */
  int32_t device_type; /* a bfly_device_type */
  int32_t device_id;
} bfly_array;

/* How to compile. Set all of it to zero for the defaults. */
typedef struct bfly_compile_options {
  const char *function; /* NULL: the only public function */
  const char *device;   /* "cpu", "cuda", "cuda:1"; NULL: "cpu" */
  const char *options;  /* of -bfly-compile: "fuse=false"; NULL: none */
  int32_t threads;      /* to run with; 0: all */
  int32_t allow_bytecode;
  int32_t allow_foreign_calls;
  int32_t no_cache; /* 1: compile, whatever the cache on disk has */
} bfly_compile_options;

/* The backward function of a module's function, as the text of a module of its
 * own, to be compiled: it takes the inputs and parameters of the function and a
 * gradient for each floating-point result, and returns those that are asked for
 * (docs/derivatives.md). NULL for `function` is the only public one. `of` names
 * inputs by their numbers and then parameters by their names, both in their
 * order, with commas between; NULL: all. Errors call the text `name`. */
BFLY_API char *bfly_differentiate(const char *text, size_t length,
                                  const char *name, const char *function,
                                  const char *of);

/* A compiled function. */
typedef struct bfly_kernel bfly_kernel;

/* Compiles a text of `length` bytes, which errors call `name`; NULL options are
 * the defaults. */
BFLY_API bfly_kernel *bfly_compile(const char *text, size_t length,
                                   const char *name,
                                   const bfly_compile_options *options);
/* Compiles a file. */
BFLY_API bfly_kernel *bfly_compile_file(const char *path,
                                        const bfly_compile_options *options);
/* Not while it runs; NULL is fine. */
BFLY_API void bfly_kernel_destroy(bfly_kernel *kernel);

/* 1 if the code came out of the cache on disk, 0 if it was compiled. */
BFLY_API int bfly_kernel_is_from_cache(const bfly_kernel *kernel);

/* The function's name. */
BFLY_API const char *bfly_kernel_name(const bfly_kernel *kernel);

/* What a kernel takes and gives. Functions take a kind as a number, so that a
 * wrong one is an error that they can report. */
typedef enum bfly_value_kind {
  BFLY_INPUT = 0,
  BFLY_PARAMETER = 1,
  BFLY_RESULT = 2
} bfly_value_kind;

typedef struct bfly_value_info {
  const char *name;     /* a parameter's; "input 0", "result 1" */
  const int64_t *shape; /* `rank` sizes; -1 for dynamic ones */
  int32_t rank;
  int32_t dtype;     /* a bfly_dtype */
  int32_t is_scalar; /* 1: a number, given as an array of rank 0 */
} bfly_value_info;

BFLY_API int64_t bfly_kernel_num_values(const bfly_kernel *kernel,
                                        int32_t kind);
/* 0, or -1 if there is no such value. What `info` points to belongs to the
 * kernel. */
BFLY_API int bfly_kernel_value(const bfly_kernel *kernel, int32_t kind,
                               int64_t index, bfly_value_info *info);

/* The IR at a level: "mixer", "network", "schedule", "affine" or "llvm". */
BFLY_API char *bfly_kernel_ir(const bfly_kernel *kernel, const char *level);

/* Plan, bytes, flops and bound of everything that is launched, as JSON. */
BFLY_API char *bfly_kernel_report(const bfly_kernel *kernel);

/* The shapes of the results for these inputs and parameters, of which only the
 * shapes count. shapes[i] has room for the rank of result i. 0 or -1. */
BFLY_API int
bfly_kernel_result_shapes(const bfly_kernel *kernel, const bfly_array *inputs,
                          size_t num_inputs, const bfly_array *parameters,
                          size_t num_parameters, int64_t *const *shapes);

/* Runs the kernel: reads inputs and parameters, fills results, which must not
 * overlap anything else. 0 or -1; errors call the arrays "input 0", "result 1"
 * and parameters by their names. Results are unspecified after an error.
 *
 * On a GPU it runs on `stream`, a CUstream or cudaStream_t of the kernel's
 * device (NULL: the default one; on a CPU always NULL). Arrays of BFLY_CUDA
 * have to be on that device. With none of BFLY_CPU this returns once the work
 * is in the stream, and what fails later is told by a call to come. Arrays of
 * BFLY_CPU are copied there and back, and waited for. */
BFLY_API int bfly_kernel_run(const bfly_kernel *kernel,
                             const bfly_array *inputs, size_t num_inputs,
                             const bfly_array *parameters,
                             size_t num_parameters, const bfly_array *results,
                             size_t num_results, void *stream);

/* Tries other plans for the kernels of the function, in a call with these
 * inputs and parameters, for at most so many rounds (0: the plans are compiled
 * and checked, not timed; negative: as many as bfly-run makes), which can take
 * minutes. JSON: the "tuning" of a report (docs/report.md) with "text", a table
 * for people, and "ir", a module with the best plans, to be compiled. The
 * kernel itself stays as it is. */
BFLY_API char *bfly_kernel_tune(const bfly_kernel *kernel,
                                const bfly_array *inputs, size_t num_inputs,
                                const bfly_array *parameters,
                                size_t num_parameters, int32_t rounds);

/* What this machine can do with so many threads (0: all), measured for about
 * `seconds` each: bytes per second that a copy of large arrays reads and
 * writes, and f32 operations per second. Both 0 for threads or seconds (0 to
 * 3600) that cannot be. */
BFLY_API void bfly_measure_ceilings(int32_t threads, double seconds,
                                    double *bytes_per_second,
                                    double *flops_per_second);

/* The same for a device, as bfly_compile_options names it; and bf16 operations
 * per second on a GPU's matrix units, 0 where cuBLASLt is not installed (NULL:
 * not wanted). 0 or -1. */
BFLY_API int bfly_measure_device(const char *device, double seconds,
                                 double *bytes_per_second,
                                 double *flops_per_second,
                                 double *matrix_flops_per_second);

/* The cache of compiled code on disk (docs/cache.md), as JSON: "folder" (empty:
 * there is none), "problem" (why it is not used, or empty), "entries", "bytes",
 * "limit", and of this process "hits", "misses" and "stores". */
BFLY_API char *bfly_cache_info(void);
/* Removes all of its entries; JSON of the same form says what was removed. */
BFLY_API char *bfly_cache_clear(void);

/* 0 if this machine has the device and kernels can be compiled for it, else -1
 * and a reason. */
BFLY_API int bfly_open_device(const char *device);

/* For a process that is about to end while other threads may be in this
 * library: waits for their calls, `seconds` at most, and holds up the calls
 * that they begin later until the process is gone. This thread may go on. */
BFLY_API void bfly_shutdown(double seconds);

#ifdef __cplusplus
}
#endif

#endif /* BFLY_ENGINE_CAPI_H */
