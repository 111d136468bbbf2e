// SPDX-License-Identifier: BSL-1.0
// libcurl, with OpenSSL: `http-client URL [CA-FILE]`. The server answers PATH after 100 ms with
// "you asked for PATH".
#include <curl/curl.h>

#include "tests/identity/libraries/hundred.hpp"

using libraries::expect;

namespace {

std::size_t append(char* data, std::size_t size, std::size_t count, void* to) {
  static_cast<std::string*>(to)->append(data, size * count);
  return size * count;
}

std::string fetch(const std::string& url, const char* authorities) {
  CURL* curl = curl_easy_init();
  std::string body;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 60L);
  if (authorities) curl_easy_setopt(curl, CURLOPT_CAINFO, authorities);
  const CURLcode result = curl_easy_perform(curl);
  expect(result == CURLE_OK, url + ": " + curl_easy_strerror(result));
  curl_easy_cleanup(curl);
  return body;
}

} // namespace

int main(int, char** arguments) {
  const std::string base = arguments[1];
  const char* const authorities = arguments[2];
  curl_global_init(CURL_GLOBAL_DEFAULT);
  libraries::all_at_once([&](int number) {
    for (int i = 0; i < 2; ++i) {
      const std::string path = "/" + std::to_string(number) + "/" + std::to_string(i);
      const std::string body = fetch(base + path, authorities);
      expect(body == "you asked for " + path, path + " gave " + body);
    }
  });
  curl_global_cleanup();
}
