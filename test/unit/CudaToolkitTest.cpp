// Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "bfly/Target/CudaToolkit.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/raw_ostream.h"

#include <cstdlib>
#include <gtest/gtest.h>

using namespace mlir::bfly;
namespace fs = llvm::sys::fs;

namespace {

class CudaToolkits : public testing::Test {
protected:
  void SetUp() override {
    for (const char *name :
         {"BFLY_CUDA", "CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "VIRTUAL_ENV"})
      unsetenv(name);
    path = std::getenv("PATH");
    setenv("PATH", "/nonexistent", 1);
    llvm::SmallString<128> folder;
    ASSERT_FALSE(fs::createUniqueDirectory("toolkit", folder));
    root = folder.str().str();
  }
  void TearDown() override {
    setenv("PATH", path.c_str(), 1);
    fs::remove_directories(root);
  }

  /// Makes a ptxas in a folder below `root`, and returns that folder.
  std::string make(const std::string &folder, bool libdevice = false) {
    auto touch = [&](const std::string &file) {
      EXPECT_FALSE(fs::create_directories(llvm::sys::path::parent_path(file)));
      std::error_code error;
      llvm::raw_fd_ostream(file, error) << "#!/bin/sh\n";
      EXPECT_FALSE(error);
      EXPECT_FALSE(fs::setPermissions(file, fs::all_all));
    };
    touch(root + "/" + folder + "/bin/ptxas");
    if (libdevice)
      touch(root + "/" + folder + "/nvvm/libdevice/libdevice.10.bc");
    return root + "/" + folder;
  }

  std::string find(const std::string &folder = "") {
    auto toolkit = findCudaToolkit(root + folder);
    return toolkit ? toolkit->root : "";
  }

  std::string root, path;
};

} // namespace

TEST_F(CudaToolkits, FindsThemInOrder) {
  // The system's own would be found last.
  std::string fallback = find();
  EXPECT_TRUE(fallback.empty() || fallback == "/usr/local/cuda");

  std::string wheel = make(".venv/lib/python3.11/site-packages/nvidia/cu13");
  EXPECT_EQ(find("/build/lib"), wheel);
  EXPECT_EQ(find("/a/b/c/d/e"), fallback);
  std::string packages = make("packages/nvidia/cuda_nvcc");
  EXPECT_EQ(find("/packages/bfly"), packages);

  std::string environment =
      make("env/lib/python3.12/site-packages/nvidia/cu13");
  setenv("VIRTUAL_ENV", (root + "/env").c_str(), 1);
  EXPECT_EQ(find("/build/lib"), environment);

  std::string onPath = make("toolkit");
  ASSERT_FALSE(fs::create_link(onPath + "/bin/ptxas", root + "/ptxas"));
  setenv("PATH", root.c_str(), 1);
  llvm::SmallString<128> real;
  ASSERT_FALSE(fs::real_path(onPath, real));
  EXPECT_EQ(find(), real.str().str());

  std::string named = make("named", /*libdevice=*/true);
  setenv("CUDA_ROOT", named.c_str(), 1);
  EXPECT_EQ(find(), named);
  EXPECT_EQ(findCudaToolkit("")->libdevice,
            named + "/nvvm/libdevice/libdevice.10.bc");
  EXPECT_EQ(findCudaToolkit("")->ptxas, named + "/bin/ptxas");
  // A name without a ptxas is no toolkit.
  setenv("CUDA_HOME", root.c_str(), 1);
  EXPECT_EQ(find(), named);
  setenv("BFLY_CUDA", onPath.c_str(), 1);
  EXPECT_EQ(find(), onPath);
  EXPECT_EQ(findCudaToolkit("")->libdevice, "");
  setenv("BFLY_CUDA", "none", 1);
  EXPECT_EQ(find(), "");
  unsetenv("BFLY_CUDA");
  EXPECT_TRUE(findCudaToolkit().has_value());
}
