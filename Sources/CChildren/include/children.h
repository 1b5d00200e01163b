// A child process with pipes to its standard input and output, and a process group of its own.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum ch_outcome { CH_END = 0, CH_TIMEOUT = -1, CH_FAILED = -2 };

/// Starts `/bin/sh -c command` as the leader of a new process group; 0, or errno.
///
/// Standard error is inherited.
int ch_start(const char *command, int *pid, int *input, int *output);
/// Writes all of `bytes`; 0, or an outcome.
int ch_write(int descriptor, const uint8_t *bytes, size_t count, int milliseconds);
/// Reads what is there, at least one byte; their number, or an outcome.
long ch_read(int descriptor, uint8_t *buffer, size_t capacity, int milliseconds);
/// Waits for the end of a child; 1 and its status once it has ended, else 0.
int ch_wait(int pid, int milliseconds, int *status);
/// Sends a signal to a process group, grandchildren too; 0 if there is none any more.
int ch_signal_group(int pid, int signal);
void ch_close(int descriptor);
