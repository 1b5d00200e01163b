#include "ckernels.h"

#include <float.h>
#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
// Vectors wider than the machine's cross no function boundary that is not inlined.
#pragma clang diagnostic ignored "-Wpsabi"

typedef double vec __attribute__((vector_size(64), aligned(8), may_alias));
typedef int64_t ivec __attribute__((vector_size(64), aligned(8), may_alias));
typedef int32_t ivec32 __attribute__((vector_size(32), aligned(4), may_alias));
typedef float fvec __attribute__((vector_size(32), aligned(4), may_alias));
typedef double pairvec __attribute__((vector_size(16), aligned(8), may_alias));
typedef int64_t ipairvec __attribute__((vector_size(16), aligned(8), may_alias));

// ---------------------------------------------------------------- samples beyond the range

// Whether a b > c d, exactly, for positive finite arguments of any magnitude.
static int product_exceeds(double a, double b, double c, double d) {
  int ea, eb, ec, ed;
  double ma = frexp(a, &ea), mb = frexp(b, &eb), mc = frexp(c, &ec), md = frexp(d, &ed);
  int shift = ea + eb - ec - ed;
  if (shift > 2) return 1;
  if (shift < -2) return 0;
  double left = ma * mb, right = mc * md;
  double leftTail = fma(ma, mb, -left), rightTail = fma(mc, md, -right);
  left = ldexp(left, shift), leftTail = ldexp(leftTail, shift);
  return left > right || (left == right && leftTail > rightTail);
}

static int is_active(const oc_table *table, int32_t j, double u, double v) {
  double p = table->w2[j], q = table->w2[table->width + j];
  switch (table->kind[j]) {
  case OC_ALWAYS: return 1;
  case OC_BELOW: return q == 0 || product_exceeds(p, u, -q, v);
  case OC_ABOVE: return p == 0 || product_exceeds(q, v, -p, u);
  default: return 0;
  }
}

static void oc_exact_coefficients(const oc_table *table, double u, double v, double pair[2]) {
  pair[0] = pair[1] = 0;
  for (int32_t j = 0; j < table->width; ++j)
    if (is_active(table, j, u, v)) {
      pair[0] += table->w3[j] * table->w2[j];
      pair[1] += table->w3[j] * table->w2[table->width + j];
    }
}

// What the vector search does, for any table: replaces u by z; cells and coefficients follow.
static void oc_search_slowly(const oc_table *table, int n, double *u, const double *v,
                             int32_t *cell, double *first, double *second) {
  for (int i = 0; i < n; ++i) {
    double q = v[i] / u[i], pair[2], t = q < DBL_MIN ? DBL_MIN : q > DBL_MAX ? DBL_MAX : q;
    if (table->extreme && (q < 2 * DBL_MIN || q > DBL_MAX / 2)) {
      cell[i] = 2 * table->count;
      oc_exact_coefficients(table, u[i], v[i], pair);
    } else {
      int32_t low = 0, high = table->count - 1;
      while (low < high) {
        int32_t middle = low + (high - low) / 2;
        if (table->breakpoints[middle] < t) low = middle + 1;
        else high = middle;
      }
      cell[i] = 2 * low + (table->breakpoints[low] == t);
      memcpy(pair, table->coefficients + 2 * cell[i], sizeof pair);
    }
    u[i] = pair[0] * u[i] + pair[1] * v[i];
    first[i] = pair[0];
    second[i] = pair[1];
  }
}

static void oc_exact_scatter(const oc_table *table, double u, double v, double up, double vp,
                             double *extra) {
  for (int32_t j = 0; j < table->width; ++j)
    if (is_active(table, j, u, v)) {
      extra[j] += up;
      extra[table->width + j] += vp;
    }
}

// ---------------------------------------------------------------- one version per generation

#define OC(name) name##_plain
#define OC_TARGET
#include "kernels.h"

#if defined(__x86_64__) && defined(__linux__)
#include <immintrin.h>
#define OC(name) name##_v3
#define OC_TARGET __attribute__((target("arch=x86-64-v3"), min_vector_width(256)))
#define OC_FMA
#include "kernels.h"

#define OC(name) name##_v4
#define OC_TARGET __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define OC_AVX512
#include "kernels.h"

#define DISPATCH(name, ...)                                                                        \
  do {                                                                                             \
    if (__builtin_cpu_supports("x86-64-v4")) name##_v4(__VA_ARGS__);                               \
    else if (__builtin_cpu_supports("x86-64-v3")) name##_v3(__VA_ARGS__);                          \
    else name##_plain(__VA_ARGS__);                                                                \
  } while (0)
#else
#define DISPATCH(name, ...) name##_plain(__VA_ARGS__)
#endif

int oc_has_wide_vectors(void) {
#if defined(__x86_64__) && defined(__linux__)
  return __builtin_cpu_supports("x86-64-v4") != 0;
#else
  return 0;
#endif
}

void oc_forward(const oc_table *table, size_t n, const double *u, const double *v, double *z,
                int32_t *cell, double *first, double *second) {
  DISPATCH(forward, table, n, u, v, z, cell, first, second);
}

void oc_backward(const oc_table *table, size_t n, const double *u, const double *v,
                 const double *zbar, const int32_t *cell, const double *first,
                 const double *second, double *cells, double *extra, double *ubar, double *vbar) {
  DISPATCH(backward, table, n, u, v, zbar, cell, first, second, cells, extra, ubar, vbar);
}

void oc_map_evaluate(int32_t map, size_t n, const double *z, double *value, double *derivative) {
  DISPATCH(map_evaluate, map, n, z, value, derivative);
}

void oc_layer_forward(const oc_layer *layer, double *hnext, double *cnext) {
  DISPATCH(layer_forward, layer, hnext, cnext);
}

void oc_layer_backward(const oc_layer *layer, const double *hbar, const double *cbar,
                       const double *above, double *sumbar, double *cellbar) {
  DISPATCH(layer_backward, layer, hbar, cbar, above, sumbar, cellbar);
}

void oc_layer_tangent(const oc_layer *layer, const double *sumdot, const double *cdot,
                      double *hdotnext, double *cdotnext) {
  DISPATCH(layer_tangent, layer, sumdot, cdot, hdotnext, cdotnext);
}

void oc_panel(size_t rows, size_t depth, size_t columns, const double *packed, const double *x,
              size_t width, double *y, size_t stride, int adds, double *tile) {
  DISPATCH(panel, rows, depth, columns, packed, x, width, y, stride, adds, tile);
}

void oc_outer(size_t rows, size_t columns, size_t n, const double *a, size_t width,
              const double *b, size_t stride, double *sums, size_t pitch, double *tail) {
  DISPATCH(outer, rows, columns, n, a, width, b, stride, sums, pitch, tail);
}

void oc_row_sums(size_t rows, size_t n, const double *a, size_t width, double *sums,
                 size_t pitch) {
  DISPATCH(row_sums, rows, n, a, width, sums, pitch);
}

void oc_gram_gradient(size_t n, const double *packed, const double *x, const double *c, double *y) {
  DISPATCH(gram_gradient, n, packed, x, c, y);
}

double oc_half_square(size_t rows, size_t columns, const double *m, const double *x,
                      const double *y) {
  double value;
  DISPATCH(half_square, rows, columns, m, x, y, &value);
  return value;
}

void oc_four_products(size_t rows, size_t columns, const double *a, const double *x, size_t stride,
                      double *y, size_t pitch) {
  DISPATCH(four_products, rows, columns, a, x, stride, y, pitch);
}

void oc_single_less(size_t rows, size_t width, const float *m, const double *x, double *y) {
  DISPATCH(single_less, rows, width, m, x, y);
}

void oc_single_less_transposed(size_t rows, size_t width, const float *m, const double *y,
                               double *x) {
  DISPATCH(single_less_transposed, rows, width, m, y, x);
}

void oc_unroll_forward(const oc_bundle *bundle) { DISPATCH(unroll_forward, bundle); }
void oc_unroll_backward(const oc_bundle *bundle) { DISPATCH(unroll_backward, bundle); }

// ---------------------------------------------------------------- packing

size_t oc_packed_count(size_t n) { return n <= OC_DENSE_ORDER ? n * n : n * (n + 8) / 2; }

void oc_pack(size_t d, size_t n, const double *a, double *packed) {
  if (n <= OC_DENSE_ORDER) {
    memset(packed, 0, n * n * sizeof(double));
    for (size_t i = 0; i < d; ++i) memcpy(packed + i * n, a + i * d, d * sizeof(double));
    return;
  }
  for (size_t i = 0; i < n; i += 8)
    for (size_t j = 0; j <= i; j += 8)
      for (size_t k = i; k < i + 8; ++k)
        for (size_t l = j; l < j + 8; ++l) *packed++ = k < d && l < d ? a[k * d + l] : 0;
}

// ---------------------------------------------------------------- building the table

// Unevaluated sums of two doubles, for u and v side by side: prefix sums of thousands of terms then
// err by one rounding.
typedef struct {
  pairvec high, low;
} twofold;

static inline twofold added(twofold a, pairvec b) {
  pairvec s = a.high + b, t = s - a.high;
  return (twofold){s, a.low + ((a.high - (s - t)) + (b - t))};
}
static inline twofold added_if(int condition, twofold a, pairvec b) {
  const int64_t mask = -(int64_t)condition;
  return added(a, (pairvec)((ipairvec){mask, mask} & (ipairvec)b));
}
static inline pairvec rounded(twofold a) { return a.high + a.low; }
static inline pairvec total(twofold a, twofold b) {
  twofold s = added(a, b.high);
  return s.high + (s.low + b.low);
}

int32_t oc_bucket_capacity(int32_t width) {
  int32_t buckets = 64;
  while (buckets < 4 * width && buckets < 1 << 20) buckets *= 2;
  return buckets;
}

static void insertion_sort(int32_t *order, int32_t n, const double *keys) {
  for (int32_t i = 1; i < n; ++i) {
    int32_t unit = order[i], k = i;
    for (; k > 0 && keys[order[k - 1]] > keys[unit]; --k) order[k] = order[k - 1];
    order[k] = unit;
  }
}

// Stable merge sort by key for a crowded bucket.
static void merge_sort(int32_t *order, int32_t *spare, int32_t n, const double *keys) {
  if (n <= 16) return insertion_sort(order, n, keys);
  int32_t half = n / 2;
  merge_sort(order, spare, half, keys);
  merge_sort(order + half, spare, n - half, keys);
  memcpy(spare, order, (size_t)half * sizeof(int32_t));
  for (int32_t i = 0, j = half, k = 0; i < half; ++k)
    order[k] = j < n && keys[order[j]] < keys[spare[i]] ? order[j++] : spare[i++];
}

void oc_table_build(oc_table *table) {
  const int32_t width = table->width;
  const double *p = table->w2, *q = table->w2 + width, *w3 = table->w3;
  double *keys = table->keys, *breakpoints = table->breakpoints;
  int32_t *order = table->order, *split_units = table->order + width, *start = table->start;
  uint8_t *kind = table->kind;

  DISPATCH(classify, (size_t)width, p, q, keys, kind, &table->extreme);
  // Weights that are not finite make z NaN wherever h1 != 0, and nothing else is promised.
  double poison = 0;
  for (int32_t j = 0; j < width; ++j) poison += 0 * p[j] + 0 * q[j] + 0 * w3[j];
  const int finite = poison == 0;
  if (!finite) memset(kind, OC_NEVER, (size_t)width), table->extreme = 0;

  // Signs are as good as random: no branch depends on them.
  int32_t split = 0;
  for (int32_t j = 0; j < width; ++j) {
    split_units[split] = j;
    split += kind[j] >= OC_BELOW;
  }

  // Sort by bucket, then by key; units of a bucket are few unless the keys crowd.
  int32_t buckets = 64;
  while (buckets < 4 * split && buckets < 1 << 20) buckets *= 2;
  table->buckets = buckets;
  int32_t *bucket = table->rank;
  DISPATCH(buckets_of, (size_t)((width + 7) & ~7), keys, buckets, bucket);
  memset(start, 0, (size_t)(buckets + 2) * sizeof(int32_t));
  for (int32_t i = 0; i < split; ++i) ++start[bucket[split_units[i]] + 1];
  int32_t largest = 0;
  for (int32_t b = 0; b <= buckets; ++b) {
    largest = start[b + 1] > largest ? start[b + 1] : largest;
    start[b + 1] += start[b];
  }
  for (int32_t i = 0; i < split; ++i) order[start[bucket[split_units[i]]]++] = split_units[i];
  // Each start has moved to its bucket's end.
  if (largest <= 16) {
    insertion_sort(order, split, keys);
  } else {
    for (int32_t b = 0, from = 0; b <= buckets; from = start[b++])
      merge_sort(order + from, split_units, start[b] - from, keys);
  }
  int32_t count = 0;
  double previous = -1;
  for (int32_t i = 0; i < split; ++i) {
    double t = keys[order[i]];
    count += t != previous;
    breakpoints[count - 1] = previous = t;
    table->rank[order[i]] = count - 1;
  }
  // Back to the beginnings, now counted in distinct keys.
  int32_t passes = 0;
  for (int32_t b = 0, before = 0; b <= buckets; ++b) {
    int32_t end = start[b] == 0 ? 0 : table->rank[order[start[b] - 1]] + 1;
    start[b] = before;
    passes = end - before > passes ? end - before : passes;
    before = end;
  }
  table->edge_u = count > 0 && breakpoints[0] == 0;
  if (count == 0 || breakpoints[count - 1] < INFINITY) breakpoints[count++] = INFINITY;
  table->edge_v = 2 * count - 1;
  start[buckets + 1] = count;
  for (int32_t k = 0; k < OC_PASSES; ++k) breakpoints[count + k] = NAN;
  table->count = count;
  table->passes = passes;

  // coefficient of cell 2k (just below breakpoint k) and 2k + 1 (on it):
  // units always active + those below a later breakpoint + those above an earlier one.
  double *coefficients = table->coefficients;
  coefficients[4 * count] = coefficients[4 * count + 1] = 0;
  if (!finite) {
    for (int32_t c = 0; c < 4 * count; ++c) coefficients[c] = NAN;
    return;
  }
#define TERM(j) ((pairvec){w3[j] * p[j], w3[j] * q[j]})
  twofold sum = {{0, 0}, {0, 0}};
  for (int32_t j = 0; j < width; ++j) sum = added_if(kind[j] == OC_ALWAYS, sum, TERM(j));
  twofold *later = (twofold *)table->sums;
  int32_t i = split;
  later[count] = sum;
  for (int32_t k = count; k-- > 0;) {
    for (; i > 0 && table->rank[order[i - 1]] == k; --i) {
      int32_t j = order[i - 1];
      sum = added_if(kind[j] == OC_BELOW, sum, TERM(j));
    }
    later[k] = sum;
  }
  sum = (twofold){{0, 0}, {0, 0}};
  for (int32_t k = 0; k < count; ++k) {
    *(pairvec *)(coefficients + 4 * k) = total(later[k], sum);
    *(pairvec *)(coefficients + 4 * k + 2) = total(later[k + 1], sum);
    for (; i < split && table->rank[order[i]] == k; ++i) {
      int32_t j = order[i];
      sum = added_if(kind[j] == OC_ABOVE, sum, TERM(j));
    }
  }
#undef TERM
}

void oc_finish(const oc_table *table, const double *cells, const double *extra, double *w2bar,
               double *w3bar) {
  const int32_t count = table->count, width = table->width;
  const pairvec *cell = (const pairvec *)cells;
  // Sums of all cells and of none; of the cells before breakpoint k; of those after it.
  pairvec *sums = (pairvec *)table->sums, *below = sums + 2, *above = below + count;
  twofold up = {{0, 0}, {0, 0}}, down = up;
  for (int32_t k = 0; k < count; ++k) {
    const int32_t l = count - 1 - k;
    up = added(up, cell[2 * k]);
    below[k] = rounded(up);
    up = added(up, cell[2 * k + 1]);
    above[l] = rounded(down);
    down = added(added(down, cell[2 * l + 1]), cell[2 * l]);
  }
  sums[OC_NEVER] = (pairvec){0, 0};
  sums[OC_ALWAYS] = rounded(up);
  for (int32_t j = 0; j < width; ++j) {
    // Where its sum stands, found without a branch: the kinds are in no order.
    const int32_t kind = table->kind[j], split = kind >= OC_BELOW;
    pairvec s = sums[split ? 2 + (kind - OC_BELOW) * count + table->rank[j] : kind];
    if (extra) s += (pairvec){extra[j], extra[width + j]};
    w3bar[j] = table->w2[j] * s[0] + table->w2[width + j] * s[1];
    w2bar[j] = table->w3[j] * s[0];
    w2bar[width + j] = table->w3[j] * s[1];
  }
}
