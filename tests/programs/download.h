// SPDX-License-Identifier: BSL-1.0
// One URL, fetched with libcurl's blocking calls.
#pragma once

#include <curl/curl.h>
#include <stddef.h>
#include <stdint.h>

struct download {
  const char* url;
  CURLcode result;
  long status;
  size_t size;
  uint32_t digest; // of the body
};

// Fetches `d->url` and fills in the rest; as a thread's function, the argument is the download.
void* fetch(void* d);
