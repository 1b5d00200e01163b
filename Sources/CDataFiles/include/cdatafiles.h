// What the readers of data files need of matio and zlib, over plain buffers.
#pragma once
#include <stddef.h>
#include <stdint.h>

enum cd_status { CD_OK, CD_UNREADABLE, CD_MISSING, CD_UNSUPPORTED, CD_DAMAGED, CD_TOO_SMALL };

/// The names of all variables of a .mat file, each followed by a newline.
int cd_mat_names(const char *path, char *names, size_t capacity);
/// Rank (at most 8) and lengths of a variable; scalars nested in cells or 1 x 1 are what they hold.
int cd_mat_shape(const char *path, const char *name, int *rank, size_t *shape);
/// The entries of a variable as doubles, row-major; `count` is their number.
int cd_mat_read(const char *path, const char *name, double *entries, size_t count);
/// Adds a variable to a new (`creates`) or an existing file; single or double precision.
int cd_mat_write(const char *path, int creates, const char *name, int rank, const size_t *shape,
                 const double *entries, int is_single);

/// Inflates zlib, gzip (`raw` 0) or bare deflate data (`raw` 1); `written` is how much came out.
int cd_inflate(const uint8_t *input, size_t count, int raw, uint8_t *output, size_t capacity,
               size_t *written);
