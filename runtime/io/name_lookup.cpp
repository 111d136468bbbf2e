// SPDX-License-Identifier: BSL-1.0
#include "weft/resolve.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "runtime/sched/hub.hpp"
#include "runtime/threads/offload.hpp"

namespace weft::io {
namespace {

using detail::blocking_call;

struct free_list {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};

/// The outcome of a resolver's call: its own code and, of EAI_SYSTEM, errno.
struct answer {
  int code = 0;
  int error = 0;
};
struct found_addresses : answer {
  std::unique_ptr<addrinfo, free_list> list;
};
struct found_names : answer {
  std::vector<char> host, service;
};

int result_of(const answer& a) noexcept {
  if (a.code == EAI_SYSTEM) errno = a.error;
  return a.code;
}

/// Waits for what another thread finds out; `take` is given it.
template <class F, class Take>
int ask_elsewhere(F ask, const deadline& until, blocking_call call, Take take) {
  try {
    auto found = detail::call_detached(std::move(ask), until.absolute(), call);
    if (!found) return result_of({.code = EAI_SYSTEM, .error = ETIMEDOUT});
    if (found->code == 0) take(*found);
    return result_of(*found);
  } catch (const task_cancelled&) { // its thread was lost by a fork
    return result_of({.code = EAI_SYSTEM, .error = ECANCELED});
  } catch (const std::system_error& e) { // no thread to be had
    return result_of({.code = EAI_SYSTEM, .error = e.code().value()});
  } catch (const std::bad_alloc&) {
    return EAI_MEMORY;
  }
}

std::optional<std::string> copy_of(const char* text) {
  return text ? std::optional<std::string>(text) : std::nullopt;
}
const char* pointer(const std::optional<std::string>& text) noexcept {
  return text ? text->c_str() : nullptr;
}

bool is_numeric(const char* service) noexcept {
  return !service || std::all_of(service, service + std::strlen(service),
                                 [](char c) { return c >= '0' && c <= '9'; });
}

/// What can be told without asking anybody; EAI_NONAME if it cannot.
int numeric_addresses(const char* host, const char* service, const addrinfo* hints,
                      addrinfo** found) noexcept {
  if (!is_numeric(service)) return EAI_NONAME;
  addrinfo numeric{};
  if (hints) {
    numeric = *hints;
  } else {
    numeric.ai_flags = AI_V4MAPPED | AI_ADDRCONFIG; // glibc's own default
    numeric.ai_family = AF_UNSPEC;
  }
  if (numeric.ai_flags & AI_CANONNAME) return EAI_NONAME;
  numeric.ai_flags |= AI_NUMERICHOST;
  return ::getaddrinfo(host, service, &numeric, found);
}

} // namespace

int getaddrinfo(const char* host, const char* service, const addrinfo* hints, addrinfo** found,
                deadline until) {
  hub* const h = detail::this_hub;
  if (!h && until.is_never()) return ::getaddrinfo(host, service, hints, found);
  if (h) h->switch_point();
  if (const int code = numeric_addresses(host, service, hints, found); code != EAI_NONAME)
    return code;
  auto ask = [name = copy_of(host), port = copy_of(service),
              wanted = hints ? std::optional<addrinfo>(*hints) : std::nullopt] {
    found_addresses result;
    addrinfo* list = nullptr;
    result.code = ::getaddrinfo(pointer(name), pointer(port), wanted ? &*wanted : nullptr, &list);
    result.error = errno;
    if (result.code == 0) result.list.reset(list);
    return result;
  };
  return ask_elsewhere(std::move(ask), until, blocking_call::io_getaddrinfo,
                       [&](found_addresses& result) { *found = result.list.release(); });
}

int getnameinfo(const sockaddr* address, socklen_t address_size, char* host, socklen_t host_size,
                char* service, socklen_t service_size, int flags, deadline until) {
  hub* const h = detail::this_hub;
  const bool asks_nobody = (!host || host_size == 0 || flags & NI_NUMERICHOST) &&
                           (!service || service_size == 0 || flags & NI_NUMERICSERV);
  const auto plain = [&] {
    return ::getnameinfo(address, address_size, host, host_size, service, service_size, flags);
  };
  if (!h && until.is_never()) return plain();
  if (h) h->switch_point();
  if (asks_nobody || address_size > sizeof(sockaddr_storage)) return plain();
  sockaddr_storage copy{};
  std::memcpy(&copy, address, address_size);
  auto ask = [copy, address_size, flags, host_size = host ? host_size : 0,
              service_size = service ? service_size : 0] {
    found_names result;
    result.host.resize(host_size);
    result.service.resize(service_size);
    result.code =
        ::getnameinfo(reinterpret_cast<const sockaddr*>(&copy), address_size,
                      host_size ? result.host.data() : nullptr, host_size,
                      service_size ? result.service.data() : nullptr, service_size, flags);
    result.error = errno;
    return result;
  };
  return ask_elsewhere(std::move(ask), until, blocking_call::io_getnameinfo,
                       [&](const found_names& result) {
                         if (host) std::copy(result.host.begin(), result.host.end(), host);
                         if (service)
                           std::copy(result.service.begin(), result.service.end(), service);
                       });
}

} // namespace weft::io
