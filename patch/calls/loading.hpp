// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <cstddef>

/// Libraries that ld.so loads while the program runs (dlopen): their own system calls are patched
/// before any of their code has run but for IFUNC resolvers.
///
/// ld.so maps a library by its file, closes the file, relocates, and write-protects what has been
/// relocated (RELRO); constructors come after that. The library is patched at the last of these,
/// when its tables of jump targets can be read, or if it has no RELRO when the file is closed.
/// ld.so does this under its own lock: one library at a time is being mapped.
namespace weft::patch {

/// `fd` was mapped at `at` in the way that ld.so does it, from its beginning.
void library_mapped(int fd, void* at) noexcept;

/// `fd` is about to be closed.
void library_file_closed(int fd) noexcept;

/// Memory at `at` is about to be made read-only.
void library_relocated(void* at) noexcept;

/// Memory is about to go: a library that could not be loaded.
void library_unmapped(void* at, std::size_t size) noexcept;

} // namespace weft::patch
