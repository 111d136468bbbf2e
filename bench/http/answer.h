// SPDX-License-Identifier: BSL-1.0
#pragma once

/// What the servers in C and C++ answer every request with.
#define ANSWER                                                                                     \
  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 13\r\n\r\nHello, world!"
/// The blank line that ends the head of a request.
#define END_OF_HEAD "\r\n\r\n"
