/* Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
 * SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
 *
 * The C API from C, with the expected output in capi.test.
 */

#include "bfly/Engine/CAPI.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const text =
    "ml_program.global private @w(#ml_program.extern<tensor<2xf32>>)"
    " : tensor<2xf32>\n"
    "func.func @layer(%x: tensor<?x2xf32>) -> tensor<?x2xf32> {\n"
    "  %w = ml_program.global_load_const @w : tensor<2xf32>\n"
    "  %c0 = arith.constant 0 : index\n"
    "  %n = tensor.dim %x, %c0 : tensor<?x2xf32>\n"
    "  %e = tensor.empty(%n) : tensor<?x2xf32>\n"
    "  %b = linalg.broadcast ins(%w : tensor<2xf32>) "
    "outs(%e : tensor<?x2xf32>) dimensions = [0]\n"
    "  %y = arith.mulf %x, %b : tensor<?x2xf32>\n"
    "  return %y : tensor<?x2xf32>\n"
    "}\n";

static bfly_array array(void *data, const int64_t *shape, int32_t rank) {
  bfly_array result = {data, shape, rank, BFLY_F32, BFLY_CPU, 0};
  return result;
}

static void describe(const bfly_kernel *kernel, bfly_value_kind kind) {
  for (int64_t i = 0; i < bfly_kernel_num_values(kernel, kind); ++i) {
    bfly_value_info info;
    bfly_kernel_value(kernel, kind, i, &info);
    printf("%s:", info.name);
    for (int32_t j = 0; j < info.rank; ++j)
      printf(" %lld", (long long)info.shape[j]);
    printf(" dtype %d\n", info.dtype);
  }
}

/* One kernel on many threads, each with arrays of its own. */
static void *call(void *argument) {
  const bfly_kernel *kernel = argument;
  float x[6] = {1, 2, 3, 4, 5, 6}, w[2] = {10, 100}, y[6];
  const int64_t shape[2] = {3, 2};
  bfly_array input = array(x, shape, 2), parameter = array(w, shape + 1, 1),
             result = array(y, shape, 2);
  for (int i = 0; i < 100; ++i) {
    memset(y, 0, sizeof(y));
    if (bfly_kernel_run(kernel, &input, 1, &parameter, 1, &result, 1, NULL) ||
        y[0] != 10 || y[5] != 600)
      return argument;
  }
  return NULL;
}

/* Nothing that a caller can get wrong is worse than an error. */
static void misuse(const bfly_kernel *kernel);

static void expectError(int status) {
  printf("%d: %s\n", status, bfly_last_error());
}

static void misuse(const bfly_kernel *kernel) {
  printf("misuse\n");
  float x[4] = {1, 2, 3, 4}, w[2] = {10, 100}, y[4] = {0};
  const int64_t shape[2] = {2, 2}, negative[2] = {-1, 2},
                huge[2] = {INT64_MAX, 2}, least[2] = {INT64_MIN, 2};
  int64_t room[2];
  int64_t *rooms[1] = {room}, *none[1] = {NULL};
  bfly_array input = array(x, shape, 2), parameter = array(w, shape, 1),
             result = array(y, shape, 2);
  bfly_value_info info;
  expectError(bfly_compile(NULL, 3, NULL, NULL) ? 0 : -1);
  expectError(bfly_compile(text, SIZE_MAX, NULL, NULL) ? 0 : -1);
  expectError(bfly_compile_file(NULL, NULL) ? 0 : -1);
  bfly_compile_options options = {0};
  options.threads = -1;
  expectError(bfly_compile(text, strlen(text), NULL, &options) ? 0 : -1);
  options.threads = INT32_MAX;
  expectError(bfly_compile(text, strlen(text), NULL, &options) ? 0 : -1);
  expectError(bfly_kernel_name(NULL) ? 0 : -1);
  expectError((int)bfly_kernel_num_values(NULL, BFLY_INPUT));
  expectError((int)bfly_kernel_num_values(kernel, 3));
  expectError((int)bfly_kernel_num_values(kernel, -1));
  expectError(bfly_kernel_value(kernel, 99, 0, &info));
  expectError(bfly_kernel_value(kernel, BFLY_INPUT, 0, NULL));
  expectError(bfly_kernel_value(kernel, BFLY_INPUT, -1, &info));
  expectError(bfly_kernel_ir(NULL, "mixer") ? 0 : -1);
  expectError(bfly_kernel_ir(kernel, NULL) ? 0 : -1);
  expectError(bfly_kernel_report(NULL) ? 0 : -1);
  expectError(bfly_kernel_result_shapes(NULL, &input, 1, &parameter, 1, rooms));
  expectError(bfly_kernel_result_shapes(kernel, NULL, 1, &parameter, 1, rooms));
  expectError(bfly_kernel_result_shapes(kernel, &input, SIZE_MAX, &parameter, 1,
                                        rooms));
  expectError(
      bfly_kernel_result_shapes(kernel, &input, 1, &parameter, 1, NULL));
  expectError(
      bfly_kernel_result_shapes(kernel, &input, 1, &parameter, 1, none));
  bfly_array wrong = input;
  const int64_t *const shapes[] = {negative, least, huge, NULL};
  for (int i = 0; i < 4; ++i) {
    wrong.shape = shapes[i];
    if (i != 2) /* No result is allocated here. */
      expectError(
          bfly_kernel_result_shapes(kernel, &wrong, 1, &parameter, 1, rooms));
    expectError(
        bfly_kernel_run(kernel, &wrong, 1, &parameter, 1, &result, 1, NULL));
  }
  wrong.shape = shape;
  const int32_t ranks[] = {-1, INT32_MIN, 65, INT32_MAX};
  for (int i = 0; i < 4; ++i) {
    wrong.rank = ranks[i];
    expectError(
        bfly_kernel_result_shapes(kernel, &wrong, 1, &parameter, 1, rooms));
    expectError(
        bfly_kernel_run(kernel, &wrong, 1, &parameter, 1, &result, 1, NULL));
  }
  expectError(
      bfly_kernel_run(NULL, &input, 1, &parameter, 1, &result, 1, NULL));
  expectError(
      bfly_kernel_run(kernel, NULL, 1, &parameter, 1, &result, 1, NULL));
  expectError(bfly_kernel_run(kernel, &input, 1, NULL, 1, &result, 1, NULL));
  expectError(bfly_kernel_run(kernel, &input, 1, &parameter, 1, NULL, 1, NULL));
  wrong = input;
  wrong.dtype = -1;
  expectError(
      bfly_kernel_run(kernel, &wrong, 1, &parameter, 1, &result, 1, NULL));
  wrong.dtype = BFLY_F32;
  wrong.device_type = 0;
  expectError(
      bfly_kernel_run(kernel, &wrong, 1, &parameter, 1, &result, 1, NULL));
  expectError(bfly_kernel_tune(NULL, &input, 1, &parameter, 1, 0) ? 0 : -1);
  expectError(bfly_kernel_tune(kernel, NULL, 1, &parameter, 1, 0) ? 0 : -1);
  expectError(bfly_kernel_tune(kernel, &input, 1, &parameter, 1, 0) ? 0 : -1);
  double rates[2];
  expectError(bfly_measure_device("cpu", 0, NULL, NULL, NULL));
  expectError(bfly_measure_device("cpu", -1, rates, rates + 1, NULL));
  expectError(bfly_measure_device("cpu", 1e300, rates, rates + 1, NULL));
  bfly_measure_ceilings(-1, 0.01, rates, rates + 1);
  printf("%g %g\n", rates[0], rates[1]);
  bfly_measure_ceilings(1, 0.01, NULL, NULL);
  bfly_free(NULL);
  /* A parameter may have ones at the front. */
  const int64_t ones[3] = {1, 1, 2};
  parameter = array(w, ones, 3);
  int status =
      bfly_kernel_run(kernel, &input, 1, &parameter, 1, &result, 1, NULL);
  printf("ones %d: %g %g\n", status, y[0], y[3]);
}

int main(void) {
  /* The same on machines with a GPU. */
  setenv("BFLY_LIBCUDA", "/nonexistent/libcuda.so.1", 1);
  printf("version %s\n", bfly_version());
  bfly_kernel *kernel = bfly_compile(text, strlen(text), "layer.mlir", NULL);
  if (!kernel) {
    printf("%s\n", bfly_last_error());
    return 1;
  }
  printf("name %s\n", bfly_kernel_name(kernel));
  describe(kernel, BFLY_INPUT);
  describe(kernel, BFLY_PARAMETER);
  describe(kernel, BFLY_RESULT);

  float x[4] = {1, 2, 3, 4}, w[2] = {10, 100}, y[4] = {0};
  const int64_t shape[2] = {2, 2};
  int64_t resultShape[2] = {0};
  int64_t *resultShapes[1] = {resultShape};
  bfly_array input = array(x, shape, 2), parameter = array(w, shape, 1),
             result = array(y, resultShape, 2);
  bfly_kernel_result_shapes(kernel, &input, 1, &parameter, 1, resultShapes);
  printf("result shape %lld %lld\n", (long long)resultShape[0],
         (long long)resultShape[1]);
  int status =
      bfly_kernel_run(kernel, &input, 1, &parameter, 1, &result, 1, NULL);
  printf("run %d: %g %g %g %g\n", status, y[0], y[1], y[2], y[3]);

  pthread_t threads[4];
  for (int i = 0; i < 4; ++i)
    pthread_create(&threads[i], NULL, call, kernel);
  for (int i = 0; i < 4; ++i) {
    void *problem;
    pthread_join(threads[i], &problem);
    printf("thread: %s\n", problem ? "wrong" : "right");
  }

  char *ir = bfly_kernel_ir(kernel, "llvm");
  printf("llvm: %s\n", ir && strstr(ir, "llvm.func @layer") ? "yes" : "no");
  bfly_free(ir);
  char *report = bfly_kernel_report(kernel);
  printf("report: %s\n", report && strstr(report, "\"layer\"") ? "yes" : "no");
  bfly_free(report);

  expectError(bfly_kernel_run(kernel, &input, 1, NULL, 0, &result, 1, NULL));
  bfly_array wrong = input;
  wrong.dtype = BFLY_F64;
  wrong.rank = 1;
  expectError(
      bfly_kernel_run(kernel, &wrong, 1, &parameter, 1, &result, 1, NULL));
  wrong = parameter;
  wrong.dtype = 77;
  expectError(bfly_kernel_run(kernel, &input, 1, &wrong, 1, &result, 1, NULL));
  wrong = input;
  wrong.device_type = BFLY_CUDA;
  expectError(
      bfly_kernel_run(kernel, &wrong, 1, &parameter, 1, &result, 1, NULL));
  wrong = input;
  wrong.data = NULL;
  expectError(
      bfly_kernel_run(kernel, &wrong, 1, &parameter, 1, &result, 1, NULL));
  wrong = input;
  wrong.data = (char *)x + 1;
  expectError(
      bfly_kernel_run(kernel, &wrong, 1, &parameter, 1, &result, 1, NULL));
  expectError(
      bfly_kernel_run(kernel, &input, 1, &parameter, 1, &input, 1, NULL));
  expectError(bfly_kernel_run(kernel, &input, 1, &parameter, 1, &result, 1, x));
  expectError(bfly_kernel_ir(kernel, "ptx") ? 0 : -1);
  misuse(kernel);
  bfly_kernel_destroy(kernel);

  bfly_compile_options options = {0};
  options.function = "other";
  expectError(bfly_compile(text, strlen(text), "layer.mlir", &options) ? 0
                                                                       : -1);
  options.function = NULL;
  options.device = "cuda";
  expectError(bfly_compile(text, strlen(text), "layer.mlir", &options) ? 0
                                                                       : -1);
  expectError(bfly_open_device("cuda:1"));
  expectError(bfly_open_device("tpu"));
  expectError(bfly_open_device("cpu"));
  double rates[3] = {0};
  printf("measured %d",
         bfly_measure_device("cpu", 0.01, &rates[0], &rates[1], &rates[2]));
  printf(" %d %d %g\n", rates[0] > 0, rates[1] > 0, rates[2]);
  expectError(bfly_compile(text, 100, "layer.mlir", NULL) ? 0 : -1);
  expectError(bfly_compile_file("/nonexistent.mlir", NULL) ? 0 : -1);
  bfly_kernel_destroy(NULL);

  char *backward =
      bfly_differentiate(text, strlen(text), "layer.mlir", "layer", "0");
  printf("backward %s\n",
         backward && strstr(backward, "@layer_backward") ? "yes" : "no");
  bfly_free(backward);
  expectError(bfly_differentiate(NULL, 0, NULL, NULL, NULL) ? 0 : -1);
  expectError(bfly_differentiate(text, strlen(text), NULL, NULL, "w,1") ? 0
                                                                        : -1);

  expectError(bfly_kernel_is_from_cache(NULL));
  setenv("BFLY_CACHE", "off", 1);
  char *info = bfly_cache_info();
  printf("cache %s\n", info);
  bfly_free(info);
  setenv("BFLY_CACHE", "here", 1);
  info = bfly_cache_clear();
  expectError(info ? 0 : -1);
  return 0;
}
