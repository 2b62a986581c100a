// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "Benchmark.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>
#include <ctime>
#include <thread>
#include <unistd.h>

using namespace llvm;
using namespace mlir::bfly;

/// How long to measure, in seconds, where no number of calls is asked for.
static constexpr double kMinimalTime = 0.5;

/// Of all threads of the process.
static double cpuSeconds() {
  timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec + 1e-9 * time.tv_nsec;
}

/// A figure of the report: a fixed part, and one for each sequence of a batch.
static double figure(const json::Object &object, StringRef name,
                     int64_t batch) {
  double perBatch = object.getNumber((name + "_per_batch").str()).value_or(0);
  return object.getNumber(name).value_or(0) + perBatch * batch;
}

Work Work::of(const json::Object &report, int64_t batch,
              const Ceilings &ceilings) {
  Work work;
  batch = std::max<int64_t>(batch, 1);
  if (const json::Object *total = report.getObject("total")) {
    work.bytes = figure(*total, "bytes", batch);
    work.flops = figure(*total, "flops", batch);
    work.boundSeconds = total->getNumber("seconds").value_or(0);
  }
  if (const json::Array *outside = report.getArray("outside")) {
    for (const json::Value &entry : *outside) {
      double bytes = figure(*entry.getAsObject(), "bytes", batch);
      work.bytes += bytes;
      if (ceilings.bytesPerSecond > 0)
        work.boundSeconds += bytes / ceilings.bytesPerSecond;
    }
  }
  return work;
}

Error mlir::bfly::measure(ArrayRef<Invocation *> calls, const Device &device,
                          int64_t iterations, Measurement &result) {
  for (Invocation *call : calls)
    if (Error error = call->run())
      return error;
  if (iterations == 0) {
    auto count = countCalls(calls, device, kMinimalTime);
    if (!count)
      return count.takeError();
    iterations = *count;
  }
  double cpuBegin = cpuSeconds();
  auto seconds = timeCalls(calls, device, iterations);
  if (!seconds)
    return seconds.takeError();
  result.iterations = iterations;
  result.copies = calls.size();
  result.realSeconds = *seconds;
  result.cpuSeconds = (cpuSeconds() - cpuBegin) / double(iterations);
  return Error::success();
}

namespace {
/// A unit that gives the time three or more digits.
struct TimeUnit {
  const char *name;
  double perSecond;
};
} // namespace

static TimeUnit timeUnit(double seconds) {
  if (seconds < 1e-5)
    return {"ns", 1e9};
  if (seconds < 1e-2)
    return {"us", 1e6};
  return {"ms", 1e3};
}

void mlir::bfly::printConsole(raw_ostream &os, const Measurement &m) {
  size_t width = std::max<size_t>(m.name.size(), 20);
  std::string rule(width + 100, '-');
  TimeUnit unit = timeUnit(m.realSeconds);
  os << rule << "\n"
     << left_justify("Benchmark", width)
     << "            Time             CPU   Iterations UserCounters...\n"
     << rule << "\n"
     << left_justify(m.name, width)
     << format(" %12.3f %s %12.3f %s %12lld", m.realSeconds * unit.perSecond,
               unit.name, m.cpuSeconds * unit.perSecond, unit.name,
               static_cast<long long>(m.iterations))
     << format(" GB/s=%.4g GFLOP/s=%.4g bound_share=%.4g",
               m.work.bytes / m.realSeconds * 1e-9,
               m.work.flops / m.realSeconds * 1e-9, m.boundShare())
     << "\n";
}

json::Object Measurement::toJSON() const {
  TimeUnit unit = timeUnit(realSeconds);
  return json::Object{
      {"name", name},
      {"family_index", 0},
      {"per_family_instance_index", 0},
      {"run_name", name},
      {"run_type", "iteration"},
      {"repetitions", 1},
      {"repetition_index", 0},
      {"threads", 1},
      {"iterations", iterations},
      {"real_time", realSeconds * unit.perSecond},
      {"cpu_time", cpuSeconds * unit.perSecond},
      {"time_unit", unit.name},
      {"GB/s", work.bytes / realSeconds * 1e-9},
      {"GFLOP/s", work.flops / realSeconds * 1e-9},
      {"bound_share", boundShare()},
      {"bytes", work.bytes},
      {"flops", work.flops},
      {"bound_seconds", work.boundSeconds},
      {"omp_threads", threads},
      {"array_sets", copies},
      {"copy_bytes_per_second", ceilings.bytesPerSecond},
      {"peak_flops_per_second", ceilings.flopsPerSecond},
      {"matrix_flops_per_second", ceilings.matrixFlopsPerSecond},
  };
}

void mlir::bfly::printJSON(raw_ostream &os, const Measurement &measurement,
                           StringRef executable) {
  char host[256] = "";
  gethostname(host, sizeof(host) - 1);
  time_t seconds = time(nullptr);
  char date[64];
  tm local;
  localtime_r(&seconds, &local);
  strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S%z", &local);
  double load[3] = {0, 0, 0};
  getloadavg(load, 3);
  json::Object context{
      {"date", date},
      {"host_name", json::fixUTF8(host)},
      {"executable", json::fixUTF8(executable)},
      {"num_cpus", static_cast<int64_t>(std::thread::hardware_concurrency())},
      {"mhz_per_cpu", 0},
      {"cpu_scaling_enabled", false},
      {"caches", json::Array()},
      {"load_avg", json::Array{load[0], load[1], load[2]}},
#ifdef NDEBUG
      {"library_build_type", "release"},
#else
      {"library_build_type", "debug"},
#endif
  };
  json::Array rows;
  rows.push_back(measurement.toJSON());
  os << formatv("{0:2}",
                json::Value(json::Object{{"context", std::move(context)},
                                         {"benchmarks", std::move(rows)}}))
     << "\n";
}
