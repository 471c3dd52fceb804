/* Preloaded into a process: its flush number FSYNC_FAILS_AT reports EIO and does nothing. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int calls;

static int flush(long call, int descriptor) {
  const char *fails_at = getenv("FSYNC_FAILS_AT");
  calls++;
  if (fails_at != NULL && calls == atoi(fails_at)) {
    errno = EIO;
    return -1;
  }
  return (int)syscall(call, descriptor);
}

int fsync(int descriptor) { return flush(SYS_fsync, descriptor); }

int fdatasync(int descriptor) { return flush(SYS_fdatasync, descriptor); }
