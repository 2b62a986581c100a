/* Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * A driver and a cuFFT without a GPU, for tests: memory of a device is memory
 * of the host, everything is done when a call returns, and kernels are either
 * functions that a test gave (fakeCudaKernel) or nothing. Every call is logged,
 * and any call can be told to fail.
 *
 *   FAKE_CUDA_DEVICES=2       so many GPUs (1)
 *   FAKE_CUDA_CAPABILITY=80   of this architecture (90)
 *   FAKE_CUDA_VERSION=11080   of the driver (13000)
 *   FAKE_CUDA_MEMORY=1000000  bytes of each (1 GiB)
 *   FAKE_CUDA_POOLS=0         no memory pools
 *   FAKE_CUDA_FAIL=cuMemcpyAsync:2:700   the second such call fails so
 *   FAKE_CUDA_LOG=file        one line a call
 */

#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int Result;
typedef unsigned long long Pointer;

typedef struct Context {
  int ordinal;
} Context;
typedef struct Module {
  const void *data;
} Module;
typedef struct Function {
  Module *module;
  char name[128];
  int dynamicShared, largeClusters;
} Function;
typedef struct UserObject {
  void *data;
  void (*destroy)(void *);
} UserObject;
typedef struct Graph {
  UserObject *objects[64];
  int numObjects;
} Graph;
typedef struct Stream {
  Context *context;
  Graph *graph;      /* that it is captured into */
  int captureStatus; /* 0: none, 1: active, 2: invalidated */
} Stream;
typedef struct Block {
  Pointer begin;
  size_t size;
  int ordinal;
} Block;

enum { MAX_DEVICES = 8, MAX_BLOCKS = 4096, MAX_LOG = 1 << 20 };
static Context contexts[MAX_DEVICES] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}};
static Block blocks[MAX_BLOCKS];
static Stream streams[64];
static int numCaptures;
/* 0: global, as threads begin; 2: relaxed. */
static __thread int captureMode;
static int numStreams;
static size_t used[MAX_DEVICES];
static int live[4]; /* blocks, events, modules, plans */
enum { BLOCKS, EVENTS, MODULES, PLANS };
static char text[MAX_LOG];
static size_t textLength;
static struct {
  char call[64];
  int left;
  Result result;
} failing;
static struct {
  char name[128];
  void (*run)(void **parameters, const unsigned *grid, const unsigned *block);
} kernels[16];
static int numKernels;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread Context *stack[32];
static __thread int depth;

static long number(const char *name, long otherwise) {
  const char *value = getenv(name);
  return value && *value ? atol(value) : otherwise;
}

/* For tests. */
void fakeCudaFail(const char *call, int nth, Result result) {
  snprintf(failing.call, sizeof(failing.call), "%s", call);
  failing.left = nth;
  failing.result = result;
}
void fakeCudaKernel(const char *name,
                    void (*run)(void **, const unsigned *, const unsigned *)) {
  snprintf(kernels[numKernels].name, sizeof(kernels[0].name), "%s", name);
  kernels[numKernels++].run = run;
}
const char *fakeCudaLog(void) { return text; }
void fakeCudaClearLog(void) {
  textLength = 0;
  text[0] = '\0';
}
int fakeCudaLive(int kind) { return live[kind]; }

/* Work of this stream goes into a graph, which the caller destroys. */
void *fakeCudaBeginCapture(Stream *stream) {
  ++numCaptures;
  stream->captureStatus = 1;
  return stream->graph = calloc(1, sizeof(Graph));
}
/* 0 if nothing has spoiled it. */
int fakeCudaEndCapture(Stream *stream) {
  int status = stream->captureStatus;
  --numCaptures;
  stream->captureStatus = 0;
  stream->graph = NULL;
  return status - 1;
}
void fakeCudaDestroyGraph(Graph *graph) {
  for (int i = 0; i < graph->numObjects; ++i) {
    graph->objects[i]->destroy(graph->objects[i]->data);
    free(graph->objects[i]);
  }
  free(graph);
}
static int isCaptured(const Stream *stream) {
  return (uintptr_t)stream > 2 && stream->captureStatus;
}

/* Logs a call, and says whether it is to fail. */
static Result enter(const char *call, int needsContext, const char *format,
                    ...) {
  char line[1024];
  Result result = 0;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  pthread_mutex_lock(&lock);
  static int readEnvironment;
  if (!readEnvironment) {
    const char *value = getenv("FAKE_CUDA_FAIL");
    char name[64];
    int nth, code;
    if (value && sscanf(value, "%63[^:]:%d:%d", name, &nth, &code) == 3)
      fakeCudaFail(name, nth, code);
    readEnvironment = 1;
  }
  if (failing.left > 0 && strcmp(call, failing.call) == 0 &&
      --failing.left == 0)
    result = failing.result;
  if (result == 0 && needsContext && depth == 0)
    result = 201;
  size_t length = strlen(call) + strlen(line) + 16;
  if (textLength + length < MAX_LOG)
    textLength += sprintf(text + textLength, "%s(%s)%s\n", call, line,
                          result ? " fails" : "");
  const char *path = getenv("FAKE_CUDA_LOG");
  if (path) {
    FILE *file = fopen(path, "a");
    if (file) {
      fprintf(file, "%s(%s)%s\n", call, line, result ? " fails" : "");
      fclose(file);
    }
  }
  pthread_mutex_unlock(&lock);
  return result;
}
#define ENTER(call, needsContext, ...)                                         \
  do {                                                                         \
    Result status = enter(call, needsContext, __VA_ARGS__);                    \
    if (status)                                                                \
      return status;                                                           \
  } while (0)

/* What CUDA refuses on a thread while there are captures, unless it was told to
 * be relaxed: what a graph cannot hold. */
#define NOT_IN_A_CAPTURE()                                                     \
  do {                                                                         \
    if (numCaptures && captureMode != 2)                                       \
      return 900;                                                              \
  } while (0)

static Context *current(void) { return depth ? stack[depth - 1] : NULL; }

static Block *blockOf(Pointer pointer) {
  for (int i = 0; i < MAX_BLOCKS; ++i)
    if (blocks[i].begin && pointer >= blocks[i].begin &&
        pointer < blocks[i].begin + blocks[i].size)
      return &blocks[i];
  return NULL;
}

Result cuInit(unsigned flags) {
  ENTER("cuInit", 0, "%u", flags);
  return number("FAKE_CUDA_DEVICES", 1) == 0 ? 100 : 0;
}
Result cuDriverGetVersion(int *version) {
  ENTER("cuDriverGetVersion", 0, "");
  *version = (int)number("FAKE_CUDA_VERSION", 13000);
  return 0;
}
static const struct {
  Result result;
  const char *name, *text;
} errors[] = {
    {1, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {2, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {3, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {201, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {209, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {218, "CUDA_ERROR_INVALID_PTX", "a PTX JIT compilation failed"},
    {222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain."},
    {400, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {500, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {700, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {701, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {712, "CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED",
     "part or all of the requested memory range is already mapped"},
    {720, "CUDA_ERROR_COOPERATIVE_LAUNCH_TOO_LARGE",
     "too many blocks in cooperative launch"},
    {900, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
};
Result cuGetErrorName(Result result, const char **name) {
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); ++i)
    if (errors[i].result == result)
      return *name = errors[i].name, 0;
  return *name = NULL, 1;
}
Result cuGetErrorString(Result result, const char **string) {
  for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); ++i)
    if (errors[i].result == result)
      return *string = errors[i].text, 0;
  return *string = NULL, 1;
}
Result cuDeviceGetCount(int *count) {
  ENTER("cuDeviceGetCount", 0, "");
  *count = (int)number("FAKE_CUDA_DEVICES", 1);
  return 0;
}
Result cuDeviceGet(int *device, int ordinal) {
  ENTER("cuDeviceGet", 0, "%d", ordinal);
  *device = ordinal;
  return 0;
}
Result cuDeviceGetName(char *name, int length, int device) {
  snprintf(name, length, "Fake GPU %d", device);
  return 0;
}
Result cuDeviceTotalMem_v2(size_t *bytes, int device) {
  (void)device;
  *bytes = number("FAKE_CUDA_MEMORY", 1 << 30);
  return 0;
}
Result cuDeviceGetAttribute(int *value, int attribute, int device) {
  (void)device;
  long capability = number("FAKE_CUDA_CAPABILITY", 90);
  switch (attribute) {
  case 13:
    *value = 1980000;
    break;
  case 16:
    *value = 132;
    break;
  case 38:
    *value = 50 << 20;
    break;
  case 75:
    *value = (int)(capability / 10);
    break;
  case 76:
    *value = (int)(capability % 10);
    break;
  case 81:
    *value = 228 << 10;
    break;
  case 97:
    *value = 227 << 10;
    break;
  case 115:
    *value = (int)number("FAKE_CUDA_POOLS", 1);
    break;
  default:
    return 1;
  }
  return 0;
}
Result cuDevicePrimaryCtxRetain(Context **context, int device) {
  ENTER("cuDevicePrimaryCtxRetain", 0, "%d", device);
  *context = &contexts[device];
  return 0;
}
Result cuCtxPushCurrent_v2(Context *context) {
  stack[depth++] = context;
  return 0;
}
Result cuCtxPopCurrent_v2(Context **context) {
  *context = stack[--depth];
  return 0;
}
/* How deep this thread is in contexts; 0 where none was left behind. */
int fakeCudaDepth(void) { return depth; }

Result cuCtxSynchronize(void) {
  ENTER("cuCtxSynchronize", 1, "");
  return 0;
}

Result cuModuleLoadDataEx(Module **module, const void *data, unsigned count,
                          int *options, void **values) {
  ENTER("cuModuleLoadDataEx", 1, "device %d", current()->ordinal);
  NOT_IN_A_CAPTURE();
  if (strncmp(data, "bad", 3) == 0) {
    for (unsigned i = 0; i < count; ++i)
      if (options[i] == 5)
        strcpy(values[i], "line 1; fatal: bad\nptxas aborted");
    return 218;
  }
  if (strncmp(data, "other", 5) == 0)
    return 209;
  *module = calloc(1, sizeof(Module));
  (*module)->data = data;
  ++live[MODULES];
  return 0;
}
Result cuModuleUnload(Module *module) {
  ENTER("cuModuleUnload", 1, "");
  free(module);
  --live[MODULES];
  return 0;
}
Result cuModuleGetFunction(Function **function, Module *module,
                           const char *name) {
  ENTER("cuModuleGetFunction", 1, "%s", name);
  if (strcmp(name, "missing") == 0)
    return 500;
  *function = calloc(1, sizeof(Function)); /* of the module's, never freed */
  (*function)->module = module;
  (*function)->dynamicShared = 48 << 10;
  snprintf((*function)->name, sizeof((*function)->name), "%s", name);
  return 0;
}
/* "large" has many registers, "static" 4 KB of shared memory, "pair" clusters
 * of 2. */
Result cuFuncGetAttribute(int *value, int attribute, Function *function) {
  int isLarge = strcmp(function->name, "large") == 0;
  int isStatic = strcmp(function->name, "static") == 0;
  int isPair = strcmp(function->name, "pair") == 0;
  switch (attribute) {
  case 0:
    *value = isLarge ? 384 : 1024;
    return 0;
  case 1:
    *value = isStatic ? 4096 : 0;
    return 0;
  case 3:
    *value = 0;
    return 0;
  case 4:
    *value = isLarge ? 168 : 32;
    return 0;
  case 8:
    *value = function->dynamicShared - (isStatic ? 4096 : 0);
    return 0;
  case 11:
    *value = isPair ? 2 : 0;
    return 0;
  case 12:
  case 13:
    *value = isPair ? 1 : 0;
    return 0;
  default:
    return 1;
  }
}
Result cuFuncSetAttribute(Function *function, int attribute, int value) {
  ENTER("cuFuncSetAttribute", 1, "%s, %d, %d", function->name, attribute,
        value);
  if (attribute == 8)
    function->dynamicShared = value;
  else if (attribute == 14)
    function->largeClusters = value;
  else
    return 1;
  return 0;
}

struct Attribute {
  int id;
  char padding[4];
  unsigned value[16];
};
struct Config {
  unsigned grid[3], block[3], sharedBytes;
  Stream *stream;
  struct Attribute *attributes;
  unsigned numAttributes;
};

static long threadsOf(const struct Config *config) {
  return (long)config->block[0] * config->block[1] * config->block[2];
}
Result cuOccupancyMaxActiveBlocksPerMultiprocessor(int *count,
                                                   Function *function,
                                                   int threads, size_t bytes) {
  ENTER("cuOccupancyMaxActiveBlocksPerMultiprocessor", 1, "%s, %d, %zu",
        function->name, threads, bytes);
  size_t byMemory = bytes ? (228 << 10) / (bytes + 1024) : 32;
  size_t byThreads = 2048 / threads;
  *count = (int)(byMemory < byThreads ? byMemory : byThreads);
  return 0;
}
Result cuOccupancyMaxActiveClusters(int *count, Function *function,
                                    const struct Config *config) {
  unsigned size = 1;
  for (unsigned i = 0; i < config->numAttributes; ++i)
    if (config->attributes[i].id == 4)
      size = config->attributes[i].value[0];
  ENTER("cuOccupancyMaxActiveClusters", 1, "%s, %u", function->name, size);
  *count = 132 / size;
  return 0;
}
Result cuLaunchKernelEx(const struct Config *config, Function *function,
                        void **parameters, void **extra) {
  (void)extra;
  unsigned cluster = 1;
  int cooperative = 0;
  for (unsigned i = 0; i < config->numAttributes; ++i) {
    if (config->attributes[i].id == 4)
      cluster = config->attributes[i].value[0] *
                config->attributes[i].value[1] * config->attributes[i].value[2];
    if (config->attributes[i].id == 2)
      cooperative = config->attributes[i].value[0];
  }
  char stream[32] = "";
  if (config->stream)
    snprintf(stream, sizeof(stream), ", stream %d",
             (int)(config->stream - streams));
  ENTER("cuLaunchKernelEx", 1, "%s, %ux%ux%u, %ux%ux%u, %u bytes%s%s%s",
        function->name, config->grid[0], config->grid[1], config->grid[2],
        config->block[0], config->block[1], config->block[2],
        config->sharedBytes, cooperative ? ", cooperative" : "",
        cluster > 8   ? ", large cluster"
        : cluster > 1 ? ", cluster"
                      : "",
        stream);
  if (threadsOf(config) > 1024 ||
      (int)config->sharedBytes > function->dynamicShared ||
      (cluster > 8 && !function->largeClusters))
    return 1;
  if (cooperative && (long)config->grid[0] * config->grid[1] > 132L * 16)
    return 720;
  for (int i = 0; i < numKernels && !isCaptured(config->stream); ++i)
    if (strcmp(kernels[i].name, function->name) == 0)
      kernels[i].run(parameters, config->grid, config->block);
  return 0;
}

Result cuStreamCreate(Stream **stream, unsigned flags) {
  ENTER("cuStreamCreate", 1, "%u", flags);
  *stream = &streams[numStreams++ % 64];
  (*stream)->context = current();
  return 0;
}
Result cuStreamDestroy_v2(Stream *stream) {
  ENTER("cuStreamDestroy", 1, "%d", (int)(stream - streams));
  return 0;
}
Result cuStreamSynchronize(Stream *stream) {
  ENTER("cuStreamSynchronize", 1, "%s", stream ? "stream" : "default");
  NOT_IN_A_CAPTURE();
  if (isCaptured(stream))
    return stream->captureStatus = 2, 900;
  return 0;
}

Result cuStreamGetCtx(Stream *stream, Context **context) {
  ENTER("cuStreamGetCtx", 1, "");
  if (stream < streams || stream >= streams + 64)
    return 400;
  *context = stream->context;
  return 0;
}
Result cuStreamGetId(Stream *stream, unsigned long long *number) {
  *number = stream ? stream - streams + 1 : 0;
  return 0;
}
Result cuStreamGetCaptureInfo_v2(Stream *stream, int *status, uint64_t *number,
                                 Graph **graph, const void **dependencies,
                                 size_t *numDependencies) {
  (void)number, (void)dependencies, (void)numDependencies;
  *status = isCaptured(stream) ? stream->captureStatus : 0;
  if (graph)
    *graph = isCaptured(stream) ? stream->graph : NULL;
  return 0;
}
Result cuThreadExchangeStreamCaptureMode(int *mode) {
  int before = captureMode;
  captureMode = *mode;
  *mode = before;
  return 0;
}
Result cuUserObjectCreate(UserObject **object, void *data,
                          void (*destroy)(void *), unsigned count,
                          unsigned flags) {
  ENTER("cuUserObjectCreate", 0, "%u, %u", count, flags);
  *object = malloc(sizeof(UserObject));
  **object = (UserObject){data, destroy};
  return 0;
}
Result cuUserObjectRelease(UserObject *object, unsigned count) {
  ENTER("cuUserObjectRelease", 0, "%u", count);
  object->destroy(object->data);
  free(object);
  return 0;
}
Result cuGraphRetainUserObject(Graph *graph, UserObject *object, unsigned count,
                               unsigned flags) {
  ENTER("cuGraphRetainUserObject", 0, "%u, %u", count, flags);
  graph->objects[graph->numObjects++] = object;
  return 0;
}
Result cuEventCreate(void **event, unsigned flags) {
  ENTER("cuEventCreate", 1, "%u", flags);
  *event = malloc(1);
  ++live[EVENTS];
  return 0;
}
Result cuEventDestroy_v2(void *event) {
  ENTER("cuEventDestroy", 1, "");
  free(event);
  --live[EVENTS];
  return 0;
}
Result cuEventRecord(void *event, Stream *stream) {
  (void)event, (void)stream;
  ENTER("cuEventRecord", 1, "");
  return 0;
}
Result cuEventSynchronize(void *event) {
  (void)event;
  ENTER("cuEventSynchronize", 1, "");
  return 0;
}
Result cuEventElapsedTime(float *milliseconds, void *begin, void *end) {
  (void)begin, (void)end;
  *milliseconds = 2;
  return 0;
}

Result cuMemGetInfo_v2(size_t *available, size_t *total) {
  *total = number("FAKE_CUDA_MEMORY", 1 << 30);
  *available = *total - used[current()->ordinal];
  return 0;
}
static Result makeBlock(Pointer *pointer, size_t bytes) {
  int ordinal = current()->ordinal;
  if (used[ordinal] + bytes > (size_t)number("FAKE_CUDA_MEMORY", 1 << 30))
    return 2;
  pthread_mutex_lock(&lock);
  int i = 0;
  while (blocks[i].begin)
    ++i;
  *pointer = (Pointer)(uintptr_t)aligned_alloc(256, (bytes + 255) / 256 * 256);
  /* What a kernel must not rely on. */
  memset((void *)(uintptr_t)*pointer, 0xff, bytes);
  blocks[i] = (Block){*pointer, bytes, ordinal};
  used[ordinal] += bytes;
  ++live[BLOCKS];
  pthread_mutex_unlock(&lock);
  return 0;
}
static Result freeBlock(Pointer pointer) {
  pthread_mutex_lock(&lock);
  Block *block = blockOf(pointer);
  Result result = 1;
  if (block && block->begin == pointer) {
    free((void *)(uintptr_t)pointer);
    used[block->ordinal] -= block->size;
    block->begin = 0;
    --live[BLOCKS];
    result = 0;
  }
  pthread_mutex_unlock(&lock);
  return result;
}
Result cuMemAlloc_v2(Pointer *pointer, size_t bytes) {
  ENTER("cuMemAlloc", 1, "%zu", bytes);
  NOT_IN_A_CAPTURE();
  return makeBlock(pointer, bytes);
}

Result cuMemFree_v2(Pointer pointer) {
  ENTER("cuMemFree", 1, "");
  return freeBlock(pointer);
}
Result cuMemPoolCreate(void **pool, const void *properties) {
  (void)properties;
  ENTER("cuMemPoolCreate", 1, "");
  NOT_IN_A_CAPTURE();
  *pool = &contexts[0];
  return 0;
}
Result cuMemPoolSetAttribute(void *pool, int attribute, void *value) {
  (void)pool, (void)attribute, (void)value;
  return 0;
}
Result cuMemPoolTrimTo(void *pool, size_t bytes) {
  (void)pool;
  ENTER("cuMemPoolTrimTo", 1, "%zu", bytes);
  return 0;
}
Result cuMemAllocFromPoolAsync(Pointer *pointer, size_t bytes, void *pool,
                               Stream *stream) {
  (void)pool, (void)stream;
  ENTER("cuMemAllocFromPoolAsync", 1, "%zu", bytes);
  return makeBlock(pointer, bytes);
}
Result cuMemFreeAsync(Pointer pointer, Stream *stream) {
  (void)stream;
  ENTER("cuMemFreeAsync", 1, "");
  return freeBlock(pointer);
}
Result cuMemcpyAsync(Pointer target, Pointer source, size_t bytes,
                     Stream *stream) {
  (void)stream;
  ENTER("cuMemcpyAsync", 1, "%s, %s, %zu", blockOf(target) ? "device" : "host",
        blockOf(source) ? "device" : "host", bytes);
  memcpy((void *)(uintptr_t)target, (void *)(uintptr_t)source, bytes);
  return 0;
}
Result cuMemsetD32Async(Pointer target, unsigned value, size_t count,
                        Stream *stream) {
  ENTER("cuMemsetD32Async", 1, "%u, %zu", value, count);
  for (size_t i = 0; i < count && !isCaptured(stream); ++i)
    ((unsigned *)(uintptr_t)target)[i] = value;
  return 0;
}
Result cuMemsetD16Async(Pointer target, unsigned short value, size_t count,
                        Stream *stream) {
  ENTER("cuMemsetD16Async", 1, "%u, %zu", value, count);
  for (size_t i = 0; i < count && !isCaptured(stream); ++i)
    ((unsigned short *)(uintptr_t)target)[i] = value;
  return 0;
}

Result cuPointerGetAttributes(unsigned count, const int *attributes,
                              void **values, Pointer pointer) {
  Block *block = blockOf(pointer);
  for (unsigned i = 0; i < count; ++i) {
    switch (attributes[i]) {
    case 2:
      *(int *)values[i] = block ? 2 : 0;
      break;
    case 8:
      *(unsigned *)values[i] = 0; /* managed */
      break;
    case 9:
      *(int *)values[i] = block ? block->ordinal : -2;
      break;
    case 11:
      *(Pointer *)values[i] = block ? block->begin : 0;
      break;
    case 12:
      *(size_t *)values[i] = block ? block->size : 0;
      break;
    default:
      return 1;
    }
  }
  return 0;
}
Result cuTensorMapEncodeTiled(void *map, int type, unsigned rank, void *data,
                              const uint64_t *sizes, const uint64_t *strides,
                              const unsigned *box, const unsigned *steps,
                              int interleave, int swizzle, int promotion,
                              int outOfBounds) {
  (void)data, (void)steps, (void)interleave, (void)promotion, (void)outOfBounds;
  ENTER("cuTensorMapEncodeTiled", 1,
        "type %d, rank %u, %llu %llu, stride %llu, box %u %u, swizzle %d", type,
        rank, (unsigned long long)sizes[0],
        rank > 1 ? (unsigned long long)sizes[1] : 0ull,
        rank > 1 ? (unsigned long long)strides[0] : 0ull, box[0],
        rank > 1 ? box[1] : 0, swizzle);
  memset(map, 0x5a, 128);
  return box[0] > 256 ? 1 : 0;
}

/* cuFFT, by the definition, f32 alone. */
typedef struct Plan {
  long long n, sourceStride, sourceDistance, targetStride, targetDistance,
      batch;
  int type, made;
  void *work;
} Plan;
static Plan plans[64];

int cufftCreate(int *handle) {
  ENTER("cufftCreate", 1, "");
  int i = 0;
  while (plans[i].made)
    ++i;
  plans[i].made = 1;
  plans[i].work = NULL;
  *handle = i;
  ++live[PLANS];
  return 0;
}
int cufftDestroy(int handle) {
  ENTER("cufftDestroy", 0, "");
  plans[handle].made = 0;
  --live[PLANS];
  return 0;
}
int cufftSetAutoAllocation(int handle, int value) {
  (void)handle;
  ENTER("cufftSetAutoAllocation", 1, "%d", value);
  return 0;
}
int cufftSetStream(int handle, Stream *stream) {
  (void)handle, (void)stream;
  return 0;
}
int cufftSetWorkArea(int handle, void *work) {
  ENTER("cufftSetWorkArea", 1, "");
  plans[handle].work = work;
  return 0;
}
int cufftMakePlanMany64(int handle, int rank, long long *n, long long *inembed,
                        long long istride, long long idist, long long *onembed,
                        long long ostride, long long odist, int type,
                        long long batch, size_t *workBytes) {
  (void)rank, (void)inembed, (void)onembed;
  ENTER("cufftMakePlanMany64", 1, "%lld, batch %lld", *n, batch);
  plans[handle] =
      (Plan){*n, istride, idist, ostride, odist, batch, type, 1, NULL};
  *workBytes = 512;
  return 0;
}
int cufftXtExec(int handle, void *source, void *target, int direction) {
  Plan *plan = &plans[handle];
  ENTER("cufftXtExec", 1, "%d", direction);
  if (!plan->work)
    return 13;
  if ((uintptr_t)source % 8 || (uintptr_t)target % 8)
    return 4;
  int realSource = plan->type == 0x2a, realTarget = plan->type == 0x2c;
  long long n = plan->n, half = n / 2 + 1;
  for (long long b = 0; b < plan->batch; ++b) {
    const float *in =
        (const float *)source + b * plan->sourceDistance * (realSource ? 1 : 2);
    float *out =
        (float *)target + b * plan->targetDistance * (realTarget ? 1 : 2);
    for (long long k = 0; k < (realSource ? half : n); ++k) {
      double re = 0, im = 0;
      for (long long j = 0; j < n; ++j) {
        long long at = realTarget && j >= half ? n - j : j;
        double x = in[at * plan->sourceStride * (realSource ? 1 : 2)];
        double y = realSource ? 0 : in[at * plan->sourceStride * 2 + 1];
        if (at != j)
          y = -y;
        double angle = direction * 2 * M_PI * (double)(j * k % n) / (double)n;
        re += x * cos(angle) - y * sin(angle);
        im += x * sin(angle) + y * cos(angle);
      }
      out[k * plan->targetStride * (realTarget ? 1 : 2)] = (float)re;
      if (!realTarget)
        out[k * plan->targetStride * 2 + 1] = (float)im;
    }
  }
  return 0;
}
