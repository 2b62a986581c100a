# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""As much of safetensors as bfly's tests use, for test/standalone/run.py where it is not installed."""
