// SPDX-License-Identifier: BSL-1.0
#include "download.h"

static size_t take(char* bytes, size_t one, size_t size, void* argument) {
  (void)one; // always 1
  struct download* d = argument;
  for (size_t i = 0; i < size; ++i)
    d->digest = d->digest * 31 + (unsigned char)bytes[i];
  d->size += size;
  return size;
}

void* fetch(void* argument) {
  struct download* d = argument;
  d->result = CURLE_FAILED_INIT;
  CURL* handle = curl_easy_init();
  if (handle == NULL) return NULL;
  curl_easy_setopt(handle, CURLOPT_URL, d->url);
  curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(handle, CURLOPT_TIMEOUT, 20L);
  curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(handle, CURLOPT_WRITEDATA, d);
  d->result = curl_easy_perform(handle);
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &d->status);
  curl_easy_cleanup(handle);
  return NULL;
}
