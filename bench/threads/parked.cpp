// SPDX-License-Identifier: BSL-1.0
//
// parked N [STACK_KIB]: makes N threads that all wait on one condition variable, wakes them and
// joins them. Prints, as JSON, the time and the memory that takes. If fewer can be made it goes on
// with those.
#include <pthread.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
bool open = false;
long waiting = 0;
long through = 0;
long wanted = 0;

void* wait_for_all(void* argument) {
  pthread_mutex_lock(&lock);
  if (++waiting == wanted) pthread_cond_signal(&arrived);
  while (!open)
    pthread_cond_wait(&changed, &lock);
  ++through;
  pthread_mutex_unlock(&lock);
  return argument;
}

/// Of /proc/self/status, in bytes.
double memory(const char* key) {
  std::FILE* status = std::fopen("/proc/self/status", "r");
  char line[256];
  double kib = 0;
  while (status && std::fgets(line, sizeof line, status))
    if (std::strncmp(line, key, std::strlen(key)) == 0)
      kib = std::atof(line + std::strlen(key) + 1);
  if (status) std::fclose(status);
  return kib * 1024;
}

/// Stacks of the kernel's own: of all processes, since it keeps no other count.
double kernel_stacks() {
  std::FILE* info = std::fopen("/proc/meminfo", "r");
  char line[256];
  double kib = 0;
  while (info && std::fgets(line, sizeof line, info))
    if (std::strncmp(line, "KernelStack:", 12) == 0) kib = std::atof(line + 12);
  if (info) std::fclose(info);
  return kib * 1024;
}

double seconds() {
  using namespace std::chrono;
  return duration<double>(steady_clock::now().time_since_epoch()).count();
}

} // namespace

int main(int argc, char** argv) {
  const long count = argc > 1 ? std::atol(argv[1]) : 10'000;
  const long stack = (argc > 2 ? std::atol(argv[2]) : 16) * 1024;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (pthread_attr_setstacksize(&attributes, static_cast<std::size_t>(stack)) != 0) return 2;
  std::vector<pthread_t> threads;
  threads.reserve(static_cast<std::size_t>(count));

  const double resident_before = memory("VmRSS:"), kernel_before = kernel_stacks();
  const double tables_before = memory("VmPTE:");
  const double begin = seconds();
  while (static_cast<long>(threads.size()) < count) {
    pthread_t each;
    if (pthread_create(&each, &attributes, wait_for_all, nullptr) != 0) break;
    threads.push_back(each);
  }
  const long made = static_cast<long>(threads.size());
  pthread_mutex_lock(&lock);
  wanted = made;
  while (waiting != made)
    pthread_cond_wait(&arrived, &lock);
  pthread_mutex_unlock(&lock);
  const double created = seconds();
  const double resident = memory("VmRSS:") - resident_before;
  const double kernel = kernel_stacks() - kernel_before;
  const double tables = memory("VmPTE:") - tables_before;

  pthread_mutex_lock(&lock);
  open = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  for (const pthread_t each : threads)
    if (pthread_join(each, nullptr) != 0) return 3;
  const double joined = seconds();
  const auto each = static_cast<double>(made > 0 ? made : 1);
  std::printf(
      "{\"wanted\": %ld, \"made\": %ld, \"through\": %ld, \"create_us\": %.3f, "
      "\"join_us\": %.3f, \"resident\": %.0f, \"page_tables\": %.0f, \"kernel_stacks\": %.0f}\n",
      count, made, through, (created - begin) * 1e6 / each, (joined - created) * 1e6 / each,
      resident / each, tables / each, kernel / each);
  return through == made ? 0 : 4;
}
