#include "cdatafiles.h"

#if !__has_include(<matio.h>) || !__has_include(<zlib.h>)
#error "matio or zlib headers not found: sudo apt-get install libmatio-dev zlib1g-dev"
#endif
#include <matio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int cd_mat_names(const char *path, char *names, size_t capacity) {
  mat_t *file = Mat_Open(path, MAT_ACC_RDONLY);
  if (!file) return CD_UNREADABLE;
  size_t used = 0;
  int status = CD_OK;
  for (matvar_t *v; status == CD_OK && (v = Mat_VarReadNextInfo(file)); Mat_VarFree(v)) {
    size_t length = v->name ? strlen(v->name) : 0;
    if (used + length + 2 > capacity) {
      status = CD_TOO_SMALL;
    } else if (length) {
      memcpy(names + used, v->name, length);
      used += length;
      names[used++] = '\n';
    }
  }
  names[used] = 0;
  Mat_Close(file);
  return status;
}

// The variable itself, or what a 1 x 1 cell around it holds.
static matvar_t *content(matvar_t *v) {
  while (v && v->class_type == MAT_C_CELL && v->data && v->nbytes >= sizeof(matvar_t *))
    v = ((matvar_t **)v->data)[0];
  return v;
}

static int is_number(const matvar_t *v) {
  return v && !v->isComplex && v->class_type >= MAT_C_DOUBLE && v->class_type <= MAT_C_UINT64;
}

static int find(const char *path, const char *name, mat_t **file, matvar_t **whole) {
  *file = Mat_Open(path, MAT_ACC_RDONLY);
  if (!*file) return CD_UNREADABLE;
  *whole = Mat_VarRead(*file, name);
  if (*whole) return CD_OK;
  Mat_Close(*file);
  return CD_MISSING;
}

int cd_mat_shape(const char *path, const char *name, int *rank, size_t *shape) {
  mat_t *file;
  matvar_t *whole;
  int status = find(path, name, &file, &whole);
  if (status != CD_OK) return status;
  matvar_t *v = content(whole);
  status = is_number(v) && v->rank <= 8 ? CD_OK : CD_UNSUPPORTED;
  if (status == CD_OK) {
    *rank = v->rank;
    for (int i = 0; i < v->rank; ++i) shape[i] = v->dims[i];
  }
  Mat_VarFree(whole);
  Mat_Close(file);
  return status;
}

static double entry(const matvar_t *v, size_t i) {
  switch (v->class_type) {
  case MAT_C_DOUBLE: return ((const double *)v->data)[i];
  case MAT_C_SINGLE: return ((const float *)v->data)[i];
  case MAT_C_INT8: return ((const int8_t *)v->data)[i];
  case MAT_C_UINT8: return ((const uint8_t *)v->data)[i];
  case MAT_C_INT16: return ((const int16_t *)v->data)[i];
  case MAT_C_UINT16: return ((const uint16_t *)v->data)[i];
  case MAT_C_INT32: return ((const int32_t *)v->data)[i];
  case MAT_C_UINT32: return ((const uint32_t *)v->data)[i];
  case MAT_C_INT64: return (double)((const int64_t *)v->data)[i];
  default: return (double)((const uint64_t *)v->data)[i];
  }
}

int cd_mat_read(const char *path, const char *name, double *entries, size_t count) {
  mat_t *file;
  matvar_t *whole;
  int status = find(path, name, &file, &whole);
  if (status != CD_OK) return status;
  matvar_t *v = content(whole);
  size_t total = 1;
  if (is_number(v))
    for (int i = 0; i < v->rank; ++i) total *= v->dims[i];
  if (!is_number(v)) status = CD_UNSUPPORTED;
  else if (total != count || (count && !v->data)) status = CD_DAMAGED;
  // The last index runs fastest in `entries`, the first in the file.
  size_t index[8] = {0};
  for (size_t i = 0; status == CD_OK && i < count; ++i) {
    size_t place = 0;
    for (int k = v->rank - 1; k >= 0; --k) place = place * v->dims[k] + index[k];
    entries[i] = entry(v, place);
    for (int k = v->rank - 1; k >= 0 && ++index[k] == v->dims[k]; --k) index[k] = 0;
  }
  Mat_VarFree(whole);
  Mat_Close(file);
  return status;
}

int cd_mat_write(const char *path, int creates, const char *name, int rank, const size_t *shape,
                 const double *entries, int is_single) {
  mat_t *file = creates ? Mat_CreateVer(path, NULL, MAT_FT_MAT5) : Mat_Open(path, MAT_ACC_RDWR);
  if (!file) return CD_UNREADABLE;
  size_t count = 1, index[8] = {0}, dims[8];
  for (int i = 0; i < rank; ++i) count *= dims[i] = shape[i];
  size_t size = is_single ? sizeof(float) : sizeof(double);
  void *data = malloc(count ? count * size : 1);
  int status = data ? CD_OK : CD_TOO_SMALL;
  for (size_t i = 0; status == CD_OK && i < count; ++i) {
    size_t place = 0;
    for (int k = rank - 1; k >= 0; --k) place = place * dims[k] + index[k];
    if (is_single) ((float *)data)[place] = (float)entries[i];
    else ((double *)data)[place] = entries[i];
    for (int k = rank - 1; k >= 0 && ++index[k] == dims[k]; --k) index[k] = 0;
  }
  if (status == CD_OK) {
    matvar_t *v = Mat_VarCreate(name, is_single ? MAT_C_SINGLE : MAT_C_DOUBLE,
                                is_single ? MAT_T_SINGLE : MAT_T_DOUBLE, rank, dims, data,
                                MAT_F_DONT_COPY_DATA);
    status = v && Mat_VarWrite(file, v, MAT_COMPRESSION_NONE) == 0 ? CD_OK : CD_UNREADABLE;
    Mat_VarFree(v);
  }
  free(data);
  Mat_Close(file);
  return status;
}

int cd_inflate(const uint8_t *input, size_t count, int raw, uint8_t *output, size_t capacity,
               size_t *written) {
  z_stream stream = {0};
  if (inflateInit2(&stream, raw ? -MAX_WBITS : MAX_WBITS + 32) != Z_OK) return CD_UNSUPPORTED;
  stream.next_in = (Bytef *)input;
  stream.avail_in = (uInt)count;
  stream.next_out = output;
  stream.avail_out = (uInt)capacity;
  int code = inflate(&stream, Z_FINISH);
  *written = stream.total_out;
  inflateEnd(&stream);
  if (code == Z_STREAM_END) return CD_OK;
  return stream.avail_out == 0 ? CD_TOO_SMALL : CD_DAMAGED;
}
