// SPDX-License-Identifier: BSL-1.0
// The precompiled header of tests of what is not in weft.hpp.
#include <gtest/gtest.h>
