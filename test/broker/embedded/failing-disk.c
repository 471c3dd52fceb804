/*
 * Preloaded into a process: makes one call fail that concerns a file named "store.*".
 *
 *   DISK_FAULT=<call> <number> <error>      call: fsync fdatasync write; error: EIO ENOSPC
 *
 * Calls are counted from the moment that the variable got its value, which the process itself may give.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char armed[64];
static char call[16];
static char error[16];
static int left;

static int concerns_store(int descriptor) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = 0;
  const char *name = strrchr(path, '/');
  return name != NULL && strncmp(name, "/store.", 7) == 0;
}

static int fails(const char *what, int descriptor) {
  const char *fault = getenv("DISK_FAULT");
  if (fault == NULL || !concerns_store(descriptor)) return 0;
  pthread_mutex_lock(&mutex);
  if (strcmp(fault, armed) != 0) {
    left = 0;
    snprintf(armed, sizeof armed, "%s", fault);
    sscanf(armed, "%15s %d %15s", call, &left, error);
  }
  int due = strcmp(what, call) == 0 && left > 0 && --left == 0;
  if (due) errno = strcmp(error, "ENOSPC") == 0 ? ENOSPC : EIO;
  pthread_mutex_unlock(&mutex);
  return due;
}

int fsync(int descriptor) {
  return fails("fsync", descriptor) ? -1 : (int)syscall(SYS_fsync, descriptor);
}

int fdatasync(int descriptor) {
  return fails("fdatasync", descriptor) ? -1 : (int)syscall(SYS_fdatasync, descriptor);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t at) {
  return fails("write", descriptor) ? -1 : syscall(SYS_pwrite64, descriptor, bytes, length, at);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off64_t at) {
  return pwrite(descriptor, bytes, length, at);
}
