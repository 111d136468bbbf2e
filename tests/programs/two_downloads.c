// SPDX-License-Identifier: BSL-1.0
// Each URL in a thread of its own, with libcurl's blocking calls: `two_downloads URL URL`. Prints,
// in the order of the arguments: URL, status, size and a digest of the body.
#include <curl/curl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

struct download {
  const char* url;
  CURLcode result;
  long status;
  size_t size;
  uint32_t digest;
};

static size_t take(char* bytes, size_t one, size_t size, void* argument) {
  (void)one; // always 1
  struct download* d = argument;
  for (size_t i = 0; i < size; ++i)
    d->digest = d->digest * 31 + (unsigned char)bytes[i];
  d->size += size;
  return size;
}

static void* fetch(void* argument) {
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

int main(int argc, char** argv) {
  if (argc != 3) {
    fprintf(stderr, "usage: two_downloads URL URL\n");
    return 2;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  struct download downloads[2] = {{.url = argv[1]}, {.url = argv[2]}};
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i)
    if (pthread_create(&threads[i], NULL, fetch, &downloads[i]) != 0) return 1;
  int failed = 0;
  for (int i = 0; i < 2; ++i) {
    pthread_join(threads[i], NULL);
    const struct download* d = &downloads[i];
    if (d->result != CURLE_OK) {
      fprintf(stderr, "two_downloads: %s: %s\n", d->url, curl_easy_strerror(d->result));
      failed = 1;
    }
    printf("%s %ld %zu %u\n", d->url, d->status, d->size, d->digest);
  }
  curl_global_cleanup();
  return failed;
}
