// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly-cuda.h"
#include "bfly/Arrays/FileIO.h"
#include "bfly/Engine/Program.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;
using namespace mlir::bfly;
using llvm::Twine;

llvm::Expected<Device> Device::parse(StringRef name) {
  Device device;
  auto [kind, ordinal] = name.split(':');
  if (kind == "cuda")
    device.kind = Kind::CUDA;
  else if (kind != "cpu")
    return makeError("unknown device " + quote(name) +
                     "; there are cpu and cuda");
  if (name.contains(':') && (!llvm::all_of(ordinal, llvm::isDigit) ||
                             ordinal.getAsInteger(10, device.ordinal)))
    return makeError("device " + quote(name) + " has no valid number");
  if (device.kind == Kind::CPU && device.ordinal != 0)
    return makeError("device '" + name + "' is not there: cpu has number 0");
  return device;
}

llvm::Error Device::open() const {
  if (kind == Kind::CPU)
    return llvm::Error::success();
  BflyCudaDevice info;
  if (bflyCudaDeviceInfo(ordinal, &info))
    return makeError("device '" + str() +
                     "' is not there: " + bflyCudaLastError());
  // The target's code runs on this architecture alone, on none that is newer.
  if (info.major != 9 || info.minor != 0)
    return makeError("device '" + str() +
                     "' is of another architecture: " + info.name + " has sm_" +
                     Twine(info.major) + Twine(info.minor) +
                     ", and functions are compiled for " + target());
  return llvm::Error::success();
}

std::string Device::str() const {
  return kind == Kind::CPU ? "cpu" : "cuda:" + std::to_string(ordinal);
}

std::string Device::target() const {
  return kind == Kind::CPU ? "cpu" : "sm_90a";
}
