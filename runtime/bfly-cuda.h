/* Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The GPU's side of the runtime: what compiled host code calls, and what its
 * callers need around it. A C ABI on NVIDIA's driver API, cuFFT and cuBLASLt,
 * which are loaded when they are first needed: nothing of CUDA is linked.
 *
 * Functions for callers return 0, or -1 and then bflyCudaLastError() says why.
 * Functions for compiled code leave the call around them (bflyCudaCall) where
 * something fails; nothing of that call goes on after it.
 *
 * BFLY_LIBCUDA, BFLY_LIBCUFFT and BFLY_LIBCUBLASLT name other libraries than
 * the system's. BFLY_CUDA_SYNC=1 waits for every launch, so that a kernel that
 * fails is the one that is named. BFLY_CUDA_POISON=1 fills memory that it
 * allocates with NaN.
 */

#ifndef BFLY_CUDA_H
#define BFLY_CUDA_H

#include "bfly-runtime.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why the last call on this thread failed: one line. */
const char *bflyCudaLastError(void);

/* ------------------------------------------------------------------ devices */

typedef struct BflyCudaDevice {
  char name[256];
  int32_t ordinal;
  int32_t major, minor; /* compute capability: 9, 0 */
  int32_t multiprocessors;
  int32_t clockKhz;
  int32_t driverVersion;         /* 13000 for CUDA 13.0 */
  uint64_t memoryBytes;          /* in all */
  uint64_t l2Bytes;              /* cache */
  uint64_t blockSharedBytes;     /* the most that a block may have */
  uint64_t processorSharedBytes; /* of one multiprocessor */
} BflyCudaDevice;

/* How many devices the driver has. -1 also where there is no driver. */
int bflyCudaDeviceCount(int *count);
/* Starts a device: its primary context, which other libraries of this process
 * share, is made if need be. */
int bflyCudaDeviceInfo(int ordinal, BflyCudaDevice *info);
/* The same without starting it. */
int bflyCudaDescribe(int ordinal, BflyCudaDevice *info);
/* Free and total memory in bytes. */
int bflyCudaMemoryInfo(int ordinal, uint64_t *freeBytes, uint64_t *totalBytes);

/* -------------------------------------------------------------------- calls */

/* Calls function(arguments) on a device; everything that it does runs on
 * `stream` (a CUstream of that device's primary context; NULL: the default
 * one) and nobody waits for it. Returns 0, or 1 with `failure` filled in; on
 * every path, memory, events and registrations that the call left are freed. */
int bflyCudaCall(void (*function)(void **), void **arguments, int ordinal,
                 void *stream, BflyRuntimeFailure *failure);

/* Calls load(), and loads the modules that it makes (bflyCudaLoadModule) on a
 * device at once, before anything is launched. */
int bflyCudaLoadModules(int ordinal, void (*load)(void));

/* ------------------------------------------- memory, streams, for callers */

/* Whether what goes to `stream` is captured into a graph, and does not run. */
int bflyCudaIsCapturing(int ordinal, void *stream, int *isCapturing);
/* An error unless `stream` is one of the device's. */
int bflyCudaCheckStream(int ordinal, void *stream);
/* Where memory is: `ordinal` is the device's number, or one of these. An error
 * for bytes that lie beyond the end of their allocation. */
#define BFLY_CUDA_HOST (-1)
#define BFLY_CUDA_MANAGED (-2) /* wherever it is used */
int bflyCudaPointer(const void *pointer, uint64_t bytes, int *ordinal);
/* Memory out of the device's pool, usable on `stream` from here on. */
int bflyCudaAllocate(int ordinal, void *stream, uint64_t bytes, void **pointer);
/* Gives it back to the pool once `stream` has come this far. */
int bflyCudaFree(int ordinal, void *stream, void *pointer);
/* Gives the pool's unused memory and all cached plans back. */
int bflyCudaTrim(int ordinal);
/* Copies between host and device, on the stream. Host memory that is not
 * pinned: the host's part of it is over when this returns. */
int bflyCudaCopy(int ordinal, void *stream, void *target, const void *source,
                 uint64_t bytes);
int bflyCudaSynchronize(int ordinal, void *stream);
int bflyCudaStreamCreate(int ordinal, void **stream);
int bflyCudaStreamDestroy(int ordinal, void *stream);

/* Calls step(state) `rounds` times on the stream with an event before and
 * after, and says how many seconds went by on the device. A step that returns
 * other than 0 ends it with -1. */
int bflyCudaTime(int ordinal, void *stream, int64_t rounds, int (*step)(void *),
                 void *state, double *seconds);

/* ----------------------------------------------------------------- ceilings */

/* The device's own, each measured for about `seconds`: bytes per second that a
 * copy of large arrays reads and writes; f32 operations per second of
 * multiply-adds; bf16 operations per second of a large product on the matrix
 * units, which needs cuBLASLt. */
int bflyCudaCopyBandwidth(int ordinal, double seconds, double *result);
int bflyCudaPeakFlops(int ordinal, double seconds, double *result);
int bflyCudaPeakMatrixFlops(int ordinal, double seconds, double *result);

/* ------------------------------------- what compiled code calls, or may
 */

/* A module of kernels, machine code or PTX that ends with a zero byte, which
 * has to outlive it. It is loaded on a device when a kernel of it is first
 * launched there, and each kernel looked up once; unloading waits for the
 * device. */
void *bflyCudaLoadModule(const void *code, int32_t isPTX);
void bflyCudaUnloadModule(void *module);

/* Every block of the grid is resident at once, so that all may wait for each
 * other. */
#define BFLY_CUDA_COOPERATIVE 1

/* Launches a kernel of a module on the call's stream: `parameters` points to
 * each of its arguments. `cluster` of 1, 1, 1 leaves the cluster to the kernel.
 * A grid of no blocks launches nothing. */
void bflyCudaLaunch(void *module, const char *kernel, int64_t gridX,
                    int64_t gridY, int64_t gridZ, int64_t blockX,
                    int64_t blockY, int64_t blockZ, int64_t clusterX,
                    int64_t clusterY, int64_t clusterZ, int64_t sharedBytes,
                    int32_t flags, void **parameters);

/* Memory of the device for a kernel's temporaries, aligned to 256 bytes; what a
 * call does not release is freed at its end. */
void *bflyCudaMalloc(uint64_t bytes);
void bflyCudaRelease(void *pointer);

/* How many blocks of so many threads, so much dynamic shared memory and in
 * clusters of so many blocks the device holds at once: the largest grid of a
 * cooperative launch. Asked once a kernel and shape. */
int64_t bflyCudaResidentBlocks(void *module, const char *kernel,
                               int64_t threads, int64_t sharedBytes,
                               int64_t clusterBlocks);
/* Multiprocessors of the device that the call runs on. */
int64_t bflyCudaMultiprocessors(void);

/* At least `words` words of the device's memory (up to BFLY_CUDA_COUNTERS) that
 * are zero, for counting the arrivals at barriers. They are the stream's, and
 * the next kernel on it will get the same: each has to leave them zero. Costs
 * nothing but the first time. Where the stream is captured into a graph, each
 * call gives others, which are the graph's alone as long as it is there. */
#define BFLY_CUDA_COUNTERS 4096
void *bflyCudaCounters(int64_t words);

/* Fills in a tensor map (128 bytes, aligned to 64) to be given to a kernel by
 * value. Sizes, strides (of all dimensions but the last, in bytes) and box are
 * in the order of a memref, the innermost last; data type, swizzle and
 * l2Promotion are the driver's numbers (CUtensorMap…). Elements out of bounds
 * read as zero. */
void bflyCudaTensorMap(void *map, void *data, int64_t dataType, int64_t rank,
                       const int64_t *sizes, const int64_t *strides,
                       const int64_t *box, int64_t swizzle,
                       int64_t l2Promotion);

/* Kinds of transform: from half the spectrum's side, R2C forward, C2R back. */
typedef enum BflyCudaFftKind {
  BFLY_CUDA_C2C_F32 = 0,
  BFLY_CUDA_R2C_F32 = 1, /* (B,N,D) real to (B,N/2+1,D) complex */
  BFLY_CUDA_C2R_F32 = 2, /* the other way; without the factor 1/N */
  BFLY_CUDA_C2C_F64 = 3,
  BFLY_CUDA_R2C_F64 = 4,
  BFLY_CUDA_C2R_F64 = 5
} BflyCudaFftKind;

/* Transforms (batch, n, channels) along n with cuFFT, any n; not scaled.
 * `inverse` counts for C2C alone. C2R may overwrite its source. */
void bflyCudaFft(void *source, void *target, int64_t batch, int64_t n,
                 int64_t channels, int32_t kind, int32_t inverse);

/* y = x · Wᵀ (+ bias) (then relu) with cuBLASLt: x (rows, in), W (out, in),
 * bias (out) or null, y (rows, out), all of one type (1 f32, 2 bf16, 3 f16, as
 * in the C API), sums in f32. */
void bflyCudaLinear(void *x, void *weight, void *bias, void *y, int64_t rows,
                    int64_t in, int64_t out, int32_t dtype, int32_t relu);

/* y[h] = sum over rows of a[row, h]ᵀ · b[row, h] with cuBLASLt: a (rows, heads,
 * out), b (rows, heads, in) of one type, y (heads, out, in) of that or of f32;
 * sums in f32, the same bits each time. */
void bflyCudaRowProduct(void *a, void *b, void *y, int64_t rows, int64_t out,
                        int64_t in, int64_t heads, int32_t dtype,
                        int32_t resultType);

#ifdef __cplusplus
}
#endif

#endif /* BFLY_CUDA_H */
