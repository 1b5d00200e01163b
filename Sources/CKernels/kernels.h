// Included once per processor generation: OC(name) appends its suffix, OC_TARGET names it.
// No sum is contracted except where FMA says so, so a step is exactly x - (P s) g.

#define INLINE static inline __attribute__((always_inline)) OC_TARGET
#define KERNEL OC_TARGET
#define UNROLL _Pragma("clang loop unroll(full)")

INLINE vec OC(load)(const double *p) { return *(const vec *)p; }
INLINE void OC(store)(double *p, vec a) { *(vec *)p = a; }
INLINE vec OC(all)(double a) { return (vec){a, a, a, a, a, a, a, a}; }
INLINE vec OC(pick)(ivec mask, vec yes, vec no) {
  return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}
INLINE vec OC(fma)(vec a, vec b, vec c) {
#ifdef OC_FMA
  return __builtin_elementwise_fma(a, b, c);
#else
  return a * b + c;
#endif
}

INLINE double OC(total)(vec a) {
  return ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]));
}

// Gathers of one entry per lane; every index is in range by construction.
INLINE vec OC(gather)(const double *base, ivec32 at) {
#ifdef OC_GATHER
  return (vec)_mm512_i32gather_pd((__m256i)at, base, 8);
#else
  vec r;
  for (int l = 0; l < 8; ++l) r[l] = base[at[l]];
  return r;
#endif
}
INLINE ivec32 OC(gather32)(const int32_t *base, ivec32 at) {
#ifdef OC_GATHER
  return (ivec32)_mm256_i32gather_epi32(base, (__m256i)at, 4);
#else
  ivec32 r;
  for (int l = 0; l < 8; ++l) r[l] = base[at[l]];
  return r;
#endif
}

// ---------------------------------------------------------------- elementary functions

// e^x to 1 ulp: x = k ln 2 + r, |r| <= ln 2 / 2, Taylor to degree 13 (remainder 4e-18), and 2^k in
// two factors, so that results run smoothly into 0 and infinity. NaN stays NaN.
INLINE vec OC(exp)(vec x) {
  const vec magic = OC(all)(6755399441055744.0);
  x = OC(pick)(x > 1000.0, OC(all)(1000.0), x);
  x = OC(pick)(x < -1000.0, OC(all)(-1000.0), x);
  vec shifted = OC(fma)(x, OC(all)(1.4426950408889634), magic);
  ivec k = (ivec)shifted - (ivec)magic;
  vec kd = shifted - magic;
  vec r = OC(fma)(kd, OC(all)(-6.93147180369123816490e-01), x);
  r = OC(fma)(kd, OC(all)(-1.90821492927058770002e-10), r);
  vec p = OC(all)(1.0 / 6227020800.0);
  p = OC(fma)(p, r, OC(all)(1.0 / 479001600.0));
  p = OC(fma)(p, r, OC(all)(1.0 / 39916800.0));
  p = OC(fma)(p, r, OC(all)(1.0 / 3628800.0));
  p = OC(fma)(p, r, OC(all)(1.0 / 362880.0));
  p = OC(fma)(p, r, OC(all)(1.0 / 40320.0));
  p = OC(fma)(p, r, OC(all)(1.0 / 5040.0));
  p = OC(fma)(p, r, OC(all)(1.0 / 720.0));
  p = OC(fma)(p, r, OC(all)(1.0 / 120.0));
  p = OC(fma)(p, r, OC(all)(1.0 / 24.0));
  p = OC(fma)(p, r, OC(all)(1.0 / 6.0));
  p = OC(fma)(p, r, OC(all)(0.5));
  p = OC(fma)(p, r, OC(all)(1.0));
  p = OC(fma)(p, r, OC(all)(1.0));
  ivec half = k >> 1, rest = k - half;
  return p * (vec)((half + 1023) << 52) * (vec)((rest + 1023) << 52);
}

// ln(1 + e) for 0 <= e <= 1 as 2 artanh(e / (2 + e)); the argument is at most 1/3.
INLINE vec OC(log1p)(vec e) {
  vec s = e / (2.0 + e), q = s * s, p = OC(all)(1.0 / 35.0);
  for (int k = 33; k >= 1; k -= 2) p = OC(fma)(p, q, OC(all)(1.0 / k));
  return 2.0 * s * p;
}

INLINE void OC(map)(int32_t map, vec z, vec *value, vec *slope) {
  const vec one = OC(all)(1.0);
  switch (map) {
  case OC_EXPONENTIAL:
    *value = *slope = OC(exp)(z);
    return;
  case OC_IDENTITY:
    *value = z;
    *slope = one;
    return;
  case OC_GAUSSIAN: {
    vec e = OC(exp)(-(z * z));
    *value = 2.0 - 2.0 * e;
    *slope = 4.0 * (z * e);
    return;
  }
  default: {
    // With e = exp(-|z|) nothing overflows, and 2 sigmoid(0) = 2 / (1 + 1) exactly.
    ivec positive = z >= 0.0;
    vec e = OC(exp)(OC(pick)(positive, -z, z));
    vec inverse = 1.0 / (1.0 + e);
    if (map == OC_SOFTPLUS) {
      *value = OC(pick)(positive, z, OC(all)(0.0)) + OC(log1p)(e);
      *slope = OC(pick)(positive, inverse, e * inverse);
    } else {
      *value = OC(pick)(positive, 2.0 * inverse, 2.0 * (e * inverse));
      *slope = 2.0 * ((e * inverse) * inverse);
    }
  }
  }
}

KERNEL void OC(map_evaluate)(int32_t map, size_t n, const double *z, double *value,
                             double *derivative) {
  for (size_t i = 0; i < n; i += 8) {
    size_t lanes = n - i < 8 ? n - i : 8;
    double in[8] = {0}, out[8], slope[8];
    memcpy(in, z + i, lanes * sizeof(double));
    vec a, b;
    OC(map)(map, OC(load)(in), &a, &b);
    OC(store)(out, a);
    OC(store)(slope, b);
    memcpy(value + i, out, lanes * sizeof(double));
    memcpy(derivative + i, slope, lanes * sizeof(double));
  }
}

// ---------------------------------------------------------------- symmetric matrix times vector

// Rows of a symmetric matrix are its columns, so y += x_j A_j needs no reduction; two rows at a
// time keep 2 * blocks sums in flight.
INLINE void OC(dense_columns)(int blocks, size_t n, const double *a, const double *x,
                              const double *c, double *y) {
  vec even[4], odd[4];
  for (int b = 0; b < blocks; ++b) even[b] = odd[b] = OC(all)(0);
  for (size_t j = 0; j < n; j += 2) {
    vec x0 = OC(all)(x[j]), x1 = OC(all)(x[j + 1]);
    for (int b = 0; b < blocks; ++b) {
      even[b] = OC(fma)(OC(load)(a + j * n + 8 * b), x0, even[b]);
      odd[b] = OC(fma)(OC(load)(a + (j + 1) * n + 8 * b), x1, odd[b]);
    }
  }
  for (int b = 0; b < blocks; ++b) {
    vec sum = even[b] + odd[b];
    OC(store)(y + 8 * b, c ? sum - OC(load)(c + 8 * b) : sum);
  }
}

INLINE void OC(dense)(size_t n, const double *a, const double *x, const double *c, double *y) {
  size_t b = 0;
  for (; b + 32 <= n; b += 32) OC(dense_columns)(4, n, a + b, x, c ? c + b : NULL, y + b);
  switch (n - b) {
  case 24: OC(dense_columns)(3, n, a + b, x, c ? c + b : NULL, y + b); break;
  case 16: OC(dense_columns)(2, n, a + b, x, c ? c + b : NULL, y + b); break;
  case 8: OC(dense_columns)(1, n, a + b, x, c ? c + b : NULL, y + b); break;
  }
}

#define SHUFFLE __builtin_shufflevector
INLINE vec OC(pair)(vec a, vec b) {
  return SHUFFLE(a, b, 0, 8, 2, 10, 4, 12, 6, 14) + SHUFFLE(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
}
INLINE vec OC(quad)(vec a, vec b) {
  return SHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13) + SHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
}
INLINE vec OC(oct)(vec a, vec b) {
  return SHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11) + SHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
}

// One pass over the lower triangle: each 8 x 8 tile serves its own rows and, transposed, its
// columns' rows. Diagonal tiles are stored whole.
INLINE void OC(triangle)(size_t n, const double *a, const double *x, const double *c, double *y) {
  for (size_t i = 0; i < n; i += 8) {
    OC(store)(y + i, c ? -OC(load)(c + i) : OC(all)(0));
    const vec x0 = OC(all)(x[i]), x1 = OC(all)(x[i + 1]), x2 = OC(all)(x[i + 2]),
              x3 = OC(all)(x[i + 3]), x4 = OC(all)(x[i + 4]), x5 = OC(all)(x[i + 5]),
              x6 = OC(all)(x[i + 6]), x7 = OC(all)(x[i + 7]);
    vec s0 = OC(all)(0), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
    for (size_t j = 0; j < i; j += 8, a += 64) {
      const vec xj = OC(load)(x + j);
      vec even = OC(load)(y + j), odd = OC(all)(0), r;
#define ROW(k, side)                                                                               \
  r = OC(load)(a + 8 * k);                                                                         \
  side = OC(fma)(r, x##k, side);                                                                   \
  s##k = OC(fma)(r, xj, s##k);
      ROW(0, even) ROW(1, odd) ROW(2, even) ROW(3, odd)
      ROW(4, even) ROW(5, odd) ROW(6, even) ROW(7, odd)
#undef ROW
      OC(store)(y + j, even + odd);
    }
    vec sum = OC(oct)(OC(quad)(OC(pair)(s0, s1), OC(pair)(s2, s3)),
                      OC(quad)(OC(pair)(s4, s5), OC(pair)(s6, s7)));
    vec even = OC(load)(y + i), odd = sum;
    even = OC(fma)(OC(load)(a), x0, even);
    odd = OC(fma)(OC(load)(a + 8), x1, odd);
    even = OC(fma)(OC(load)(a + 16), x2, even);
    odd = OC(fma)(OC(load)(a + 24), x3, odd);
    even = OC(fma)(OC(load)(a + 32), x4, even);
    odd = OC(fma)(OC(load)(a + 40), x5, odd);
    even = OC(fma)(OC(load)(a + 48), x6, even);
    odd = OC(fma)(OC(load)(a + 56), x7, odd);
    OC(store)(y + i, even + odd);
    a += 64;
  }
}

INLINE void OC(apply)(size_t n, const double *a, const double *x, const double *c, double *y) {
  if (n <= OC_DENSE_ORDER) OC(dense)(n, a, x, c, y);
  else OC(triangle)(n, a, x, c, y);
}

KERNEL void OC(gram_gradient)(size_t n, const double *packed, const double *x, const double *c,
                              double *y) {
  OC(apply)(n, packed, x, c, y);
}

// ---------------------------------------------------------------- the angular table

// Bucket of a key: NB - floor(NB / (1 + t)). Conversion, sum and quotient all round monotonely, so
// the bucket is exactly monotone in t, in single precision too; NaN goes to the last.
INLINE ivec32 OC(bucket)(vec t, int32_t buckets) {
  fvec f = (float)buckets / (1.0f + __builtin_convertvector(t, fvec));
  f = (fvec)((ivec32)f & (f >= 0.0f));
  return buckets - __builtin_convertvector(f, ivec32);
}

KERNEL void OC(buckets_of)(size_t n, const double *t, int32_t buckets, int32_t *bucket) {
  for (size_t i = 0; i < n; i += 8) *(ivec32 *)(bucket + i) = OC(bucket)(OC(load)(t + i), buckets);
}

INLINE vec OC(relu)(vec a) { return (vec)(~(a <= 0.0) & (ivec)a); }  // NaN passes

// The coefficients of z in eight samples' cells.
INLINE void OC(coefficients)(const oc_table *table, ivec32 cell, vec u, vec v, vec *a, vec *b) {
  *a = OC(gather)(table->coefficients, 2 * cell);
  *b = OC(gather)(table->coefficients + 1, 2 * cell);
  if (__builtin_expect(table->extreme, 0))
    for (int l = 0; l < 8; ++l)
      if (cell[l] == 2 * table->count + 8) {
        double pair[2];
        oc_exact_coefficients(table, u[l], v[l], pair);
        (*a)[l] = pair[0];
        (*b)[l] = pair[1];
      }
}

// The cells of samples (u, v) >= 0, eight per vector; stage by stage over `blocks` vectors, since
// quotients and gathers have long latencies. The cell is #(breakpoints < t) + #(breakpoints <= t).
INLINE void OC(locate)(const oc_table *table, int blocks, const vec *u, const vec *v,
                       ivec32 *cell) {
  const vec zero = OC(all)(0);
  const int32_t passes = table->passes;
  vec t[4];
  ivec32 bucket[4], start[4];
  UNROLL for (int k = 0; k < blocks; ++k) {
    // 0 and infinity are kept for samples on an axis; whoever merely over- or underflowed lies
    // beyond every breakpoint (else `extreme` is set).
    vec q = v[k] / u[k];
    q = OC(pick)((v[k] > zero) & (q < DBL_MIN), OC(all)(DBL_MIN), q);
    t[k] = OC(pick)((u[k] > zero) & (q > DBL_MAX), OC(all)(DBL_MAX), q);
  }
  UNROLL for (int k = 0; k < blocks; ++k) {
    bucket[k] = OC(bucket)(t[k], table->buckets);
    start[k] = OC(gather32)(table->start, bucket[k]);
  }
  if (passes <= OC_PASSES) {
    // Breakpoints past the bucket exceed t, those past the last are NaN: a window fits all lanes.
    ivec below[4], upto[4];
    UNROLL for (int k = 0; k < blocks; ++k) below[k] = upto[k] = (ivec)zero;
    for (int32_t pass = 0; pass < passes; ++pass)
      UNROLL for (int k = 0; k < blocks; ++k) {
        vec breakpoint = OC(gather)(table->breakpoints + pass, start[k]);
        below[k] += breakpoint < t[k];
        upto[k] += breakpoint <= t[k];
      }
    UNROLL for (int k = 0; k < blocks; ++k)
      cell[k] = 2 * start[k] - __builtin_convertvector(below[k] + upto[k], ivec32);
  } else {
    for (int k = 0; k < blocks; ++k)
      for (int l = 0; l < 8; ++l) {
        int32_t low = start[k][l], high = table->start[bucket[k][l] + 1];
        while (low < high) {
          int32_t middle = low + (high - low) / 2;
          if (table->breakpoints[middle] < t[k][l]) low = middle + 1;
          else high = middle;
        }
        cell[k][l] = 2 * low + (table->breakpoints[low] == t[k][l]);
      }
  }
  const ivec32 spare = 2 * table->count + (ivec32){0, 1, 2, 3, 4, 5, 6, 7};
  UNROLL for (int k = 0; k < blocks; ++k) {
    ivec32 dead = __builtin_convertvector((u[k] == zero) & (v[k] == zero), ivec32);
    cell[k] = (cell[k] & ~dead) | (spare & dead);
  }
  if (__builtin_expect(table->extreme, 0))
    for (int k = 0; k < blocks; ++k) {
      vec q = v[k] / u[k];
      ivec32 beyond = __builtin_convertvector(
          (u[k] > zero) & (v[k] > zero) & ((q < 2 * DBL_MIN) | (q > DBL_MAX / 2)), ivec32);
      cell[k] = (cell[k] & ~beyond) | ((2 * table->count + 8) & beyond);
    }
}

// Adds zbar (u, v) to the sums of eight samples' cells.
INLINE void OC(scatter)(const oc_table *table, ivec32 cell, vec u, vec v, vec zbar, double *cells,
                        double *extra) {
  vec up = zbar * u, vp = zbar * v;
  for (int l = 0; l < 8; ++l) {
    pairvec *sum = (pairvec *)(cells + 2 * cell[l]);
    *sum += (pairvec){up[l], vp[l]};
  }
  if (__builtin_expect(table->extreme, 0))
    for (int l = 0; l < 8; ++l)
      if (cell[l] == 2 * table->count + 8) oc_exact_scatter(table, u[l], v[l], zbar[l], extra);
}

INLINE void OC(forward_block)(const oc_table *table, int blocks, const double *u, const double *v,
                              double *z, int32_t *cell) {
  vec us[4], vs[4];
  ivec32 at[4];
  for (int k = 0; k < blocks; ++k) us[k] = OC(load)(u + 8 * k), vs[k] = OC(load)(v + 8 * k);
  OC(locate)(table, blocks, us, vs, at);
  for (int k = 0; k < blocks; ++k) {
    vec a, b;
    OC(coefficients)(table, at[k], us[k], vs[k], &a, &b);
    OC(store)(z + 8 * k, a * us[k] + b * vs[k]);
    *(ivec32 *)(cell + 8 * k) = at[k];
  }
}

KERNEL void OC(forward)(const oc_table *table, size_t n, const double *u, const double *v,
                        double *z, int32_t *cell) {
  size_t i = 0;
  for (; i + 32 <= n; i += 32) OC(forward_block)(table, 4, u + i, v + i, z + i, cell + i);
  for (; i < n; i += 8) OC(forward_block)(table, 1, u + i, v + i, z + i, cell + i);
}

KERNEL void OC(backward)(const oc_table *table, size_t n, const double *u, const double *v,
                         const double *zbar, const int32_t *cell, double *cells, double *extra,
                         double *ubar, double *vbar) {
  for (size_t i = 0; i < n; i += 8) {
    vec a, b, ui = OC(load)(u + i), vi = OC(load)(v + i), zi = OC(load)(zbar + i);
    ivec32 at = *(const ivec32 *)(cell + i);
    OC(coefficients)(table, at, ui, vi, &a, &b);
    OC(store)(ubar + i, zi * a);
    OC(store)(vbar + i, zi * b);
    OC(scatter)(table, at, ui, vi, zi, cells, extra);
  }
}

// ---------------------------------------------------------------- the fused recursion

INLINE void OC(step_block)(int32_t map, const oc_instance *in, const oc_table *table, int blocks,
                           size_t t, size_t i) {
  const size_t n = (size_t)in->n, at = t * n + i;
  const vec w0 = OC(all)(in->w1[0]), w1 = OC(all)(in->w1[1]), w2 = OC(all)(in->w1[2]),
            w3 = OC(all)(in->w1[3]);
  vec u[4], v[4], z[4];
  ivec32 cell[4];
  UNROLL for (int k = 0; k < blocks; ++k) {
    vec g = OC(load)(in->g + at + 8 * k), x = OC(load)(in->x + at + 8 * k);
    u[k] = OC(relu)(g * w0 + x * w2);
    v[k] = OC(relu)(g * w1 + x * w3);
  }
  OC(locate)(table, blocks, u, v, cell);
  UNROLL for (int k = 0; k < blocks; ++k) {
    vec a, b;
    OC(coefficients)(table, cell[k], u[k], v[k], &a, &b);
    *(ivec32 *)(in->cell + at + 8 * k) = cell[k];
    z[k] = a * u[k] + b * v[k];
    if (in->z) OC(store)(in->z + at + 8 * k, z[k]);
  }
  UNROLL for (int k = 0; k < blocks; ++k) {
    vec g = OC(load)(in->g + at + 8 * k), x = OC(load)(in->x + at + 8 * k), value, slope;
    OC(map)(map, z[k], &value, &slope);
    OC(store)(in->value + at + 8 * k, value);
    OC(store)(in->slope + at + 8 * k, slope);
    OC(store)(in->x + at + n + 8 * k, x - ((value * in->scale) * in->step) * g);
  }
}

INLINE void OC(step_forward)(int32_t map, const oc_instance *in, size_t t) {
  const size_t n = (size_t)in->n;
  const oc_table table = *in->table;
  size_t i = 0;
  for (; i + 32 <= n; i += 32) OC(step_block)(map, in, &table, 4, t, i);
  for (; i < n; i += 8) OC(step_block)(map, in, &table, 1, t, i);
}

KERNEL void OC(unroll_forward)(const oc_instance *in) {
  const size_t n = (size_t)in->n, horizon = (size_t)in->horizon;
  for (size_t t = 0; t <= horizon; ++t) {
    const double *x = in->x + t * n;
    double *g = in->g + t * n;
    OC(apply)(n, in->gram, x, in->linear, g);
    if (t == horizon) break;
    if (!in->table) {
      double *next = in->x + (t + 1) * n;
      for (size_t i = 0; i < n; i += 8)
        OC(store)(next + i, OC(load)(x + i) - in->step * OC(load)(g + i));
    } else if (in->map == OC_TWICE_SIGMOID) {
      OC(step_forward)(OC_TWICE_SIGMOID, in, t);
    } else {
      OC(step_forward)(in->map, in, t);
    }
  }
}

// delta_t = dLoss/dx_t, with q held constant:
// delta_t = delta_{t+1} - s A (P_t delta_{t+1}) + w_t g_t.
KERNEL void OC(unroll_backward)(const oc_instance *in) {
  const size_t n = (size_t)in->n;
  double *delta = in->scratch, *weighted = in->scratch + n, *product = in->scratch + 2 * n;
  const vec w0 = OC(all)(in->w1[0]), w1 = OC(all)(in->w1[1]), w2 = OC(all)(in->w1[2]),
            w3 = OC(all)(in->w1[3]);
  vec gu = OC(load)(in->sums), gv = OC(load)(in->sums + 8), xu = OC(load)(in->sums + 16),
      xv = OC(load)(in->sums + 24), scalebar = OC(load)(in->sums + 32);
  const double *last = in->g + (size_t)in->horizon * n;
  for (size_t i = 0; i < n; i += 8)
    OC(store)(delta + i, in->loss[in->horizon] * OC(load)(last + i));
  for (size_t t = (size_t)in->horizon; t-- > 0;) {
    const double *x = in->x + t * n, *g = in->g + t * n;
    if (in->table) {
      const oc_table table = *in->table;
      const double *value = in->value + t * n, *slope = in->slope + t * n;
      const int32_t *cells = in->cell + t * n;
      for (size_t i = 0; i < n; i += 8) {
        vec gi = OC(load)(g + i), xi = OC(load)(x + i), di = OC(load)(delta + i), a, b;
        vec p = OC(load)(value + i);
        vec u = OC(relu)(gi * w0 + xi * w2), v = OC(relu)(gi * w1 + xi * w3);
        ivec32 cell = *(const ivec32 *)(cells + i);
        vec pbar = -in->step * (di * gi);
        vec zbar = (pbar * in->scale) * OC(load)(slope + i);
        scalebar += pbar * p;
        OC(coefficients)(&table, cell, u, v, &a, &b);
        // ReLU'(0) = 0: a component that is 0 passes nothing.
        vec ubar = OC(pick)(u == 0.0, OC(all)(0), zbar * a);
        vec vbar = OC(pick)(v == 0.0, OC(all)(0), zbar * b);
        gu += gi * ubar;
        gv += gi * vbar;
        xu += xi * ubar;
        xv += xi * vbar;
        OC(scatter)(&table, cell, u, v, zbar, in->cells, in->extra);
        OC(store)(weighted + i, (p * in->scale) * di);
      }
    } else {
      for (size_t i = 0; i < n; i += 8) OC(store)(weighted + i, OC(load)(delta + i));
    }
    if (t == 0) break;
    OC(apply)(n, in->gram, weighted, NULL, product);
    for (size_t i = 0; i < n; i += 8) {
      vec d = OC(load)(delta + i) - in->step * OC(load)(product + i);
      OC(store)(delta + i, d + in->loss[t] * OC(load)(g + i));
    }
  }
  OC(store)(in->sums, gu);
  OC(store)(in->sums + 8, gv);
  OC(store)(in->sums + 16, xu);
  OC(store)(in->sums + 24, xv);
  OC(store)(in->sums + 32, scalebar);
}

#undef INLINE
#undef KERNEL
#undef SHUFFLE
#undef UNROLL
#undef OC
#undef OC_TARGET
