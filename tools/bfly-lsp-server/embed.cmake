# Part of the bfly project, under the Apache License v2.0 with LLVM Exceptions.
# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

# cmake -D IN=text -D OUT=header -P embed.cmake: a text as a string literal of C++.
file(READ "${IN}" text)
file(WRITE "${OUT}" "R\"bfly-text(${text})bfly-text\"\n")
