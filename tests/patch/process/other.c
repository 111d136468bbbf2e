// SPDX-License-Identifier: BSL-1.0
//
// What somebody else preloads.
int other_library_is_here;
