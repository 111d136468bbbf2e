// SPDX-License-Identifier: BSL-1.0
// The precompiled header of the suites, each of which includes what it needs all the same. No
// `#pragma once`: it is a main file of the compiler.
#include <gtest/gtest.h>

#include "weft/weft.hpp"
