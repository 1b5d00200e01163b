#define _GNU_SOURCE
#include "children.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int pipe_pair(int ends[2]) {
  if (pipe(ends) != 0) return errno;
  for (int i = 0; i < 2; i++) {
    // No other child may inherit an end, or its reader would never see the end of the pipe.
    fcntl(ends[i], F_SETFD, FD_CLOEXEC);
  }
  return 0;
}

int ch_start(const char *command, int *pid, int *input, int *output) {
  int to[2], from[2], error;
  // A child that has gone is reported by write, not by a signal to the whole process.
  signal(SIGPIPE, SIG_IGN);
  if ((error = pipe_pair(to)) != 0) return error;
  if ((error = pipe_pair(from)) != 0) {
    close(to[0]), close(to[1]);
    return error;
  }
  pid_t child = fork();
  if (child < 0) {
    error = errno;
    close(to[0]), close(to[1]), close(from[0]), close(from[1]);
    return error;
  }
  if (child == 0) {
    // Only calls that are safe after fork in a process with threads.
    setpgid(0, 0);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    dup2(to[0], 0);
    dup2(from[1], 1);
    execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
  }
  setpgid(child, child);
  close(to[0]);
  close(from[1]);
  fcntl(to[1], F_SETFL, fcntl(to[1], F_GETFL) | O_NONBLOCK);
  *pid = child;
  *input = to[1];
  *output = from[0];
  return 0;
}

static long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000L + t.tv_nsec / 1000000L;
}

static int ready(int descriptor, short events, long deadline) {
  for (;;) {
    long left = deadline - now();
    if (left < 0) left = 0;
    struct pollfd p = {descriptor, events, 0};
    int n = poll(&p, 1, (int)left);
    if (n > 0) return 1;
    if (n == 0) return CH_TIMEOUT;
    if (errno != EINTR) return CH_FAILED;
  }
}

int ch_write(int descriptor, const uint8_t *bytes, size_t count, int milliseconds) {
  long deadline = now() + milliseconds;
  size_t done = 0;
  while (done < count) {
    ssize_t n = write(descriptor, bytes + done, count - done);
    if (n > 0) {
      done += (size_t)n;
    } else if (n < 0 && errno == EINTR) {
    } else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      int r = ready(descriptor, POLLOUT, deadline);
      if (r < 0) return r;
    } else {
      return CH_FAILED;
    }
  }
  return 0;
}

long ch_read(int descriptor, uint8_t *buffer, size_t capacity, int milliseconds) {
  int r = ready(descriptor, POLLIN, now() + milliseconds);
  if (r < 0) return r;
  for (;;) {
    ssize_t n = read(descriptor, buffer, capacity);
    if (n >= 0) return n;
    if (errno != EINTR) return CH_FAILED;
  }
}

int ch_wait(int pid, int milliseconds, int *status) {
  long deadline = now() + milliseconds;
  for (;;) {
    int raw = 0;
    pid_t ended = waitpid(pid, &raw, WNOHANG);
    if (ended == pid || (ended < 0 && errno == ECHILD)) {
      *status = WIFEXITED(raw) ? WEXITSTATUS(raw) : 128 + WTERMSIG(raw);
      return 1;
    }
    if (now() >= deadline) return 0;
    struct timespec nap = {0, 2000000};
    nanosleep(&nap, NULL);
  }
}

int ch_signal_group(int pid, int number) { return kill(-pid, number) == 0; }

void ch_close(int descriptor) { close(descriptor); }
