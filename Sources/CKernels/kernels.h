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
#ifdef OC_AVX512
  return (vec)_mm512_i32gather_pd((__m256i)at, base, 8);
#else
  vec r;
  for (int l = 0; l < 8; ++l) r[l] = base[at[l]];
  return r;
#endif
}
INLINE ivec32 OC(gather32)(const int32_t *base, ivec32 at) {
#ifdef OC_AVX512
  return (ivec32)_mm256_i32gather_epi32(base, (__m256i)at, 4);
#else
  ivec32 r;
  for (int l = 0; l < 8; ++l) r[l] = base[at[l]];
  return r;
#endif
}

// One bit per lane of a mask.
INLINE unsigned OC(bits)(ivec mask) {
#ifdef OC_AVX512
  return _mm512_movepi64_mask((__m512i)mask);
#else
  unsigned r = 0;
  for (int l = 0; l < 8; ++l) r |= (unsigned)(mask[l] & 1) << l;
  return r;
#endif
}

// The lanes of `a` that `bits` names go to the front of `to`, of which eight entries are written.
INLINE void OC(pack)(unsigned bits, vec a, double *to) {
#ifdef OC_AVX512
  OC(store)(to, (vec)_mm512_maskz_compress_pd((__mmask8)bits, (__m512d)a));
#else
  double lanes[8];
  OC(store)(lanes, a);
  for (int l = 0; l < 8; ++l) {
    *to = lanes[l];
    to += bits >> l & 1;
  }
#endif
}

// The inverse: entries from the front of `from` take the places that `bits` names.
INLINE vec OC(spread)(unsigned bits, vec others, const double *from) {
#ifdef OC_AVX512
  vec front = OC(load)(from);
  return (vec)_mm512_mask_expand_pd((__m512d)others, (__mmask8)bits, (__m512d)front);
#else
  for (int l = 0; l < 8; ++l) {
    unsigned bit = bits >> l & 1;
    others[l] = bit ? *from : others[l];
    from += bit;
  }
  return others;
#endif
}

// ---------------------------------------------------------------- elementary functions

// e^x to 1 ulp for x <= 1000: x = k ln 2 + r, |r| <= ln 2 / 2, Taylor to degree 13 (remainder
// 4e-18) in a tree, since several such chains run at a time but not enough to hide thirteen steps.
// Results run smoothly into 0 and infinity. NaN stays NaN.
INLINE vec OC(exp_in_range)(vec x) {
  const vec magic = OC(all)(6755399441055744.0);
  vec shifted = OC(fma)(x, OC(all)(1.4426950408889634), magic);
  vec kd = shifted - magic;
  vec r = OC(fma)(kd, OC(all)(-6.93147180369123816490e-01), x);
  r = OC(fma)(kd, OC(all)(-1.90821492927058770002e-10), r);
  vec r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
#define TERM(m, n) OC(fma)(r, OC(all)(1.0 / n), OC(all)(1.0 / m))
  vec low = OC(fma)(r2, TERM(24.0, 120.0), TERM(2.0, 6.0));
  vec middle = OC(fma)(r2, TERM(40320.0, 362880.0), TERM(720.0, 5040.0));
  vec high = OC(fma)(r2, TERM(479001600.0, 6227020800.0), TERM(3628800.0, 39916800.0));
#undef TERM
  vec p = OC(fma)(r4, middle, OC(fma)(r8, high, low));
  p = 1.0 + OC(fma)(r2, p, r);
#ifdef OC_AVX512
  return (vec)_mm512_scalef_pd((__m512d)p, (__m512d)kd);
#else
  // 2^k in two factors.
  ivec k = (ivec)shifted - (ivec)magic, half = k >> 1, rest = k - half;
  return p * (vec)((half + 1023) << 52) * (vec)((rest + 1023) << 52);
#endif
}

INLINE vec OC(exp)(vec x) {
  return OC(exp_in_range)(OC(pick)(x < -1000.0, OC(all)(-1000.0), x));
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
    *value = *slope = OC(exp)(OC(pick)(z > 1000.0, OC(all)(1000.0), z));
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
    // Below e^-460 = 1e-200 it is 0: no sum feels it, and a saturated network would otherwise compute
    // with subnormal numbers, a hundred times slower.
    ivec positive = z >= 0.0;
    vec x = (vec)((ivec)z | (ivec)OC(all)(-0.0));
    ivec vanishes = x < -460.0;
    vec e = OC(pick)(vanishes, OC(all)(0.0), OC(exp)(OC(pick)(vanishes, OC(all)(-460.0), x)));
    vec inverse = 1.0 / (1.0 + e), twice = 2.0 * inverse, other = e * twice;
    if (map == OC_SOFTPLUS) {
      *value = OC(pick)(positive, z, OC(all)(0.0)) + OC(log1p)(e);
      *slope = OC(pick)(positive, inverse, e * inverse);
    } else {
      *value = OC(pick)(positive, twice, other);
      *slope = other * inverse;
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

// ---------------------------------------------------------------- a layer of an LSTM

// e^(-|z|), and e^-460 = 1e-200 beyond, which no sum feels and which is far from subnormal.
INLINE vec OC(decay)(vec z) {
  vec x = (vec)((ivec)z | (ivec)OC(all)(-0.0));
  return OC(exp_in_range)(OC(pick)(x < -460.0, OC(all)(-460.0), x));
}

// e^(-2 |z|) - 1 without cancellation: 2^k q + (2^k - 1), and -1 beyond 40.
INLINE vec OC(decay_minus_one)(vec z) {
  const vec magic = OC(all)(6755399441055744.0);
  vec x = 2.0 * (vec)((ivec)z | (ivec)OC(all)(-0.0));
  x = OC(pick)(x < -80.0, OC(all)(-80.0), x);
  vec shifted = OC(fma)(x, OC(all)(1.4426950408889634), magic);
  vec kd = shifted - magic;
  vec r = OC(fma)(kd, OC(all)(-6.93147180369123816490e-01), x);
  r = OC(fma)(kd, OC(all)(-1.90821492927058770002e-10), r);
  vec r2 = r * r, r4 = r2 * r2, r8 = r4 * r4;
#define TERM(m, n) OC(fma)(r, OC(all)(1.0 / n), OC(all)(1.0 / m))
  vec low = OC(fma)(r2, TERM(24.0, 120.0), TERM(2.0, 6.0));
  vec middle = OC(fma)(r2, TERM(40320.0, 362880.0), TERM(720.0, 5040.0));
  vec high = OC(fma)(r2, TERM(479001600.0, 6227020800.0), TERM(3628800.0, 39916800.0));
#undef TERM
  vec q = OC(fma)(r2, OC(fma)(r4, middle, OC(fma)(r8, high, low)), r);
  vec power = (vec)((((ivec)shifted - (ivec)magic) + 1023) << 52);
  return OC(fma)(power, q, power - 1.0);
}

INLINE vec OC(with_sign)(vec size, vec sign) {
  return (vec)((ivec)size | ((ivec)sign & (ivec)OC(all)(-0.0)));
}

typedef struct {
  vec i, f, g, o;  // the gates
  vec si, sf, so;  // i (1 - i), f (1 - f), o (1 - o)
  vec c, t;        // the next cell, and its tanh
} OC(gates);

// The gates of eight coordinates from their sums. Denominators lie in [1, 2], so four quotients
// come from one division.
INLINE OC(gates) OC(gates_of)(vec ai, vec af, vec ag, vec ao, vec c) {
  OC(gates) v;
  vec ei = OC(decay)(ai), ef = OC(decay)(af), eo = OC(decay)(ao), m = OC(decay_minus_one)(ag);
  vec di = 1.0 + ei, df = 1.0 + ef, d_o = 1.0 + eo, dg = 2.0 + m;
  vec first = di * df, second = d_o * dg, inverse = 1.0 / (first * second);
  vec qi = inverse * (df * second), qf = inverse * (di * second);
  vec qo = inverse * (first * dg), qg = inverse * (first * d_o);
  vec ri = ei * qi, rf = ef * qf, ro = eo * qo;
  v.i = OC(pick)(ai >= 0.0, qi, ri), v.si = ri * qi;
  v.f = OC(pick)(af >= 0.0, qf, rf), v.sf = rf * qf;
  v.o = OC(pick)(ao >= 0.0, qo, ro), v.so = ro * qo;
  v.g = OC(with_sign)(-m * qg, ag);
  v.c = OC(fma)(v.f, c, v.i * v.g);
  vec n = OC(decay_minus_one)(v.c);
  v.t = OC(with_sign)(-n / (2.0 + n), v.c);
  return v;
}

INLINE vec OC(load_lanes)(const double *p, size_t lanes) {
  if (lanes >= 8) return OC(load)(p);
  double room[8] = {0};
  memcpy(room, p, lanes * sizeof(double));
  return OC(load)(room);
}
INLINE void OC(store_lanes)(double *p, vec a, size_t lanes) {
  if (lanes >= 8) return OC(store)(p, a);
  double room[8];
  OC(store)(room, a);
  memcpy(p, room, lanes * sizeof(double));
}

// Copies up to OC_TILE columns of some rows, padded with zeros.
INLINE double *OC(load_tile)(size_t rows, const double *from, size_t stride, size_t lanes,
                             double *to) {
  for (size_t k = 0; k < rows; ++k, from += stride, to += OC_TILE)
    for (size_t v = 0; v < OC_TILE; v += 8)
      OC(store)(to + v, lanes > v ? OC(load_lanes)(from + v, lanes - v) : OC(all)(0));
  return to;
}

// Eight rows of a product with a tile: sums[r][v] = w[k][r] tile[k][v] summed over k.
#define OC_EIGHT(vecs)                                                                             \
  INLINE void OC(eight_##vecs)(size_t count, const double *w, const double *tile, vec (*sums)[3]) { \
    for (size_t k = 0; k < count; ++k, w += 8, tile += OC_TILE) {                                  \
      vec x[vecs];                                                                                 \
      UNROLL for (int v = 0; v < vecs; ++v) x[v] = OC(load)(tile + 8 * v);                         \
      UNROLL for (int r = 0; r < 8; ++r)                                                           \
        UNROLL for (int v = 0; v < vecs; ++v)                                                      \
          sums[r][v] = OC(fma)(OC(all)(w[r]), x[v], sums[r][v]);                                   \
    }                                                                                              \
  }
OC_EIGHT(1)
OC_EIGHT(2)
OC_EIGHT(3)
#undef OC_EIGHT

INLINE void OC(eight)(int vecs, size_t count, const double *w, const double *tile,
                      vec (*sums)[3]) {
  vec a[8][3];
  memcpy(a, sums, sizeof a);
  if (vecs == 3) OC(eight_3)(count, w, tile, a);
  else if (vecs == 2) OC(eight_2)(count, w, tile, a);
  else OC(eight_1)(count, w, tile, a);
  memcpy(sums, a, sizeof a);
}

// Brings inputs and h of a tile together; returns its number of vectors.
INLINE int OC(layer_tile)(const oc_layer *in, size_t j) {
  size_t lanes = in->columns - j < OC_TILE ? in->columns - j : OC_TILE;
  double *rest = OC(load_tile)(in->inputs, in->u + j, in->stride, lanes, in->tile);
  OC(load_tile)(in->hidden, in->h + j, in->stride, lanes, rest);
  return (int)(lanes + 7) / 8;
}

// The sums before the gates of two units, rows i, i', f, f', g, g', o, o'.
INLINE void OC(layer_sums)(const oc_layer *in, size_t pair, int vecs, vec sums[8][3]) {
  size_t depth = in->inputs + in->hidden;
  const double *w = in->forward + pair * 8 * (depth + 1);
  for (int r = 0; r < 8; ++r)
    for (int v = 0; v < 3; ++v) sums[r][v] = OC(all)(w[r]);
  OC(eight)(vecs, depth, w + 8, in->tile, sums);
}

#define FOR_UNITS                                                                                  \
  for (size_t unit = 2 * pair; unit < 2 * pair + 2 && unit < in->hidden; ++unit)                   \
    for (int v = 0; v < vecs; ++v)

KERNEL void OC(layer_forward)(const oc_layer *in, double *hnext, double *cnext) {
  for (size_t j = 0; j < in->columns; j += OC_TILE) {
    int vecs = OC(layer_tile)(in, j);
    for (size_t pair = 0; 2 * pair < in->hidden; ++pair) {
      vec sums[8][3];
      OC(layer_sums)(in, pair, vecs, sums);
      FOR_UNITS {
        size_t s = unit & 1, at = unit * in->stride + j + 8 * (size_t)v;
        size_t lanes = in->columns - j - 8 * (size_t)v;
        OC(gates) y = OC(gates_of)(sums[s][v], sums[2 + s][v], sums[4 + s][v], sums[6 + s][v],
                                   OC(load_lanes)(in->c + at, lanes));
        OC(store_lanes)(cnext + at, y.c, lanes);
        OC(store_lanes)(hnext + at, y.o * y.t, lanes);
      }
    }
  }
}

KERNEL void OC(layer_backward)(const oc_layer *in, const double *hbar, const double *cbar,
                               const double *above, double *sumbar, double *cellbar) {
  const size_t width = in->width;
  for (size_t j = 0; j < in->columns; j += OC_TILE) {
    int vecs = OC(layer_tile)(in, j);
    for (size_t pair = 0; 2 * pair < in->hidden; ++pair) {
      vec sums[8][3];
      OC(layer_sums)(in, pair, vecs, sums);
      FOR_UNITS {
        size_t s = unit & 1, place = j + 8 * (size_t)v, at = unit * in->stride + place;
        size_t lanes = in->columns - place;
        vec c = OC(load_lanes)(in->c + at, lanes), h = OC(load_lanes)(hbar + at, lanes);
        if (above) h += OC(load_lanes)(above + unit * width + place, lanes);
        OC(gates) y =
          OC(gates_of)(sums[s][v], sums[2 + s][v], sums[4 + s][v], sums[6 + s][v], c);
        vec total = OC(load_lanes)(cbar + at, lanes) + h * y.o * (1.0 - y.t * y.t);
        double *to = sumbar + unit * width + place;
        const size_t gate = in->hidden * width;
        OC(store)(to, total * y.g * y.si);
        OC(store)(to + gate, total * c * y.sf);
        OC(store)(to + 2 * gate, total * y.i * (1.0 - y.g) * (1.0 + y.g));
        OC(store)(to + 3 * gate, h * y.t * y.so);
        if (cellbar)
          OC(store_lanes)(cellbar + at, OC(load_lanes)(cellbar + at, lanes) + total * y.f, lanes);
      }
    }
  }
}

KERNEL void OC(layer_tangent)(const oc_layer *in, const double *sumdot, const double *cdot,
                              double *hdotnext, double *cdotnext) {
  const size_t width = in->width, gate = in->hidden * width;
  for (size_t j = 0; j < in->columns; j += OC_TILE) {
    int vecs = OC(layer_tile)(in, j);
    for (size_t pair = 0; 2 * pair < in->hidden; ++pair) {
      vec sums[8][3];
      OC(layer_sums)(in, pair, vecs, sums);
      FOR_UNITS {
        size_t s = unit & 1, place = j + 8 * (size_t)v, at = unit * in->stride + place;
        size_t lanes = in->columns - place;
        vec c = OC(load_lanes)(in->c + at, lanes);
        vec cd = cdot ? OC(load_lanes)(cdot + at, lanes) : OC(all)(0);
        OC(gates) y =
          OC(gates_of)(sums[s][v], sums[2 + s][v], sums[4 + s][v], sums[6 + s][v], c);
        const double *from = sumdot + unit * width + place;
        vec i = OC(load)(from) * y.si, f = OC(load)(from + gate) * y.sf;
        vec g = OC(load)(from + 2 * gate) * (1.0 - y.g) * (1.0 + y.g);
        vec o = OC(load)(from + 3 * gate) * y.so;
        vec next = f * c + y.f * cd + i * y.g + y.i * g;
        OC(store_lanes)(cdotnext + at, next, lanes);
        OC(store_lanes)(hdotnext + at, o * y.t + y.o * (1.0 - y.t * y.t) * next, lanes);
      }
    }
  }
}
#undef FOR_UNITS

// y (rows x columns) = or += the packed matrix times x, whose rows are `width` apart.
KERNEL void OC(panel)(size_t rows, size_t depth, size_t columns, const double *packed,
                      const double *x, size_t width, double *y, size_t stride, int adds,
                      double *tile) {
  for (size_t j = 0; j < columns; j += OC_TILE) {
    size_t lanes = columns - j < OC_TILE ? columns - j : OC_TILE;
    OC(load_tile)(depth, x + j, width, lanes, tile);
    int vecs = (int)(lanes + 7) / 8;
    for (size_t i = 0; i < rows; i += 8) {
      vec sums[8][3] = {{{0}}};
      OC(eight)(vecs, depth, packed + i * depth, tile, sums);
      for (size_t r = 0; r < 8 && i + r < rows; ++r)
        for (int v = 0; v < vecs; ++v) {
          double *to = y + (i + r) * stride + j + 8 * (size_t)v;
          size_t rest = lanes - 8 * (size_t)v;
          vec before = adds ? OC(load_lanes)(to, rest) : OC(all)(0);
          OC(store_lanes)(to, before + sums[r][v], rest);
        }
    }
  }
}

// Up to sixteen inner products of rows, four of `a` with four of `b`, over whole vectors.
#define OC_INNER(m, k)                                                                             \
  INLINE void OC(inner_##m##k)(size_t n, const double *a, size_t width, const double *b,           \
                               size_t stride, double *sums, size_t pitch) {                        \
    vec total[m][k];                                                                               \
    UNROLL for (int r = 0; r < m; ++r) UNROLL for (int s = 0; s < k; ++s) total[r][s] = OC(all)(0); \
    for (size_t j = 0; j < n; j += 8) {                                                            \
      vec x[m], y[k];                                                                              \
      UNROLL for (int r = 0; r < m; ++r) x[r] = OC(load)(a + (size_t)r * width + j);               \
      UNROLL for (int s = 0; s < k; ++s) y[s] = OC(load)(b + (size_t)s * stride + j);              \
      UNROLL for (int r = 0; r < m; ++r)                                                           \
        UNROLL for (int s = 0; s < k; ++s) total[r][s] = OC(fma)(x[r], y[s], total[r][s]);         \
    }                                                                                              \
    UNROLL for (int r = 0; r < m; ++r)                                                             \
      UNROLL for (int s = 0; s < k; ++s)                                                           \
        sums[(size_t)r * pitch + (size_t)s] += OC(total)(total[r][s]);                             \
  }
OC_INNER(4, 5)
OC_INNER(4, 1)
OC_INNER(1, 1)
#undef OC_INNER

// Sums over n entries, a multiple of 8.
INLINE void OC(outer_whole)(size_t rows, size_t columns, size_t n, const double *a, size_t width,
                            const double *b, size_t stride, double *sums, size_t pitch) {
  size_t i = 0;
  for (; i + 4 <= rows; i += 4) {
    size_t k = 0;
    for (; k + 5 <= columns; k += 5)
      OC(inner_45)(n, a + i * width, width, b + k * stride, stride, sums + i * pitch + k, pitch);
    for (; k < columns; ++k)
      OC(inner_41)(n, a + i * width, width, b + k * stride, stride, sums + i * pitch + k, pitch);
  }
  for (; i < rows; ++i)
    for (size_t k = 0; k < columns; ++k)
      OC(inner_11)(n, a + i * width, width, b + k * stride, stride, sums + i * pitch + k, pitch);
}

// The last entries of each row of b go through `tail` (columns x 8), padded with zeros; those of a
// are zero in its own padding.
KERNEL void OC(outer)(size_t rows, size_t columns, size_t n, const double *a, size_t width,
                      const double *b, size_t stride, double *sums, size_t pitch, double *tail) {
  size_t whole = n & ~(size_t)7;
  OC(outer_whole)(rows, columns, whole, a, width, b, stride, sums, pitch);
  if (whole == n) return;
  for (size_t k = 0; k < columns; ++k)
    OC(store)(tail + 8 * k, OC(load_lanes)(b + k * stride + whole, n - whole));
  OC(outer_whole)(rows, columns, 8, a + whole, width, tail, 8, sums, pitch);
}

KERNEL void OC(row_sums)(size_t rows, size_t n, const double *a, size_t width, double *sums,
                         size_t pitch) {
  for (size_t i = 0; i < rows; ++i) {
    vec total = OC(all)(0);
    for (size_t j = 0; j < n; j += 8) total += OC(load_lanes)(a + i * width + j, n - j);
    sums[i * pitch] += OC(total)(total);
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

// 1/2 |M x - y|^2 row by row: small matrices are not worth a call into BLAS.
KERNEL void OC(half_square)(size_t rows, size_t columns, const double *m, const double *x,
                            const double *y, double *value) {
  double sum = 0;
  for (size_t i = 0; i < rows; ++i, m += columns) {
    vec dot = OC(all)(0);
    size_t j = 0;
    for (; j + 8 <= columns; j += 8) dot = OC(fma)(OC(load)(m + j), OC(load)(x + j), dot);
    double r = OC(total)(dot);
    for (; j < columns; ++j) r += m[j] * x[j];
    r -= y[i];
    sum += r * r;
  }
  *value = sum / 2;
}

// Products with four vectors as dot products: BLAS would copy A first, or ask for its transpose,
// which takes as much of the cache again. Four rows and four vectors share what is loaded.
KERNEL void OC(four_products)(size_t rows, size_t columns, const double *a, const double *x,
                              size_t stride, double *y, size_t pitch) {
  for (size_t i = 0; i < rows; i += 4) {
    // The last rows may be done twice: a result depends on its row alone.
    const size_t first = i + 4 <= rows ? i : rows < 4 ? 0 : rows - 4;
    const size_t count = rows < 4 ? rows : 4;
    const double *row[4];
    for (size_t r = 0; r < 4; ++r) row[r] = a + (first + (r < count ? r : 0)) * columns;
    vec dot[4][4];
    UNROLL for (size_t r = 0; r < 4; ++r) {
      UNROLL for (size_t k = 0; k < 4; ++k) dot[r][k] = OC(all)(0);
    }
    size_t j = 0;
    for (; j + 8 <= columns; j += 8) {
      vec xj[4];
      UNROLL for (size_t k = 0; k < 4; ++k) xj[k] = OC(load)(x + k * stride + j);
      UNROLL for (size_t r = 0; r < 4; ++r) {
        const vec arj = OC(load)(row[r] + j);
        UNROLL for (size_t k = 0; k < 4; ++k) dot[r][k] = OC(fma)(arj, xj[k], dot[r][k]);
      }
    }
    for (size_t r = 0; r < count; ++r)
      for (size_t k = 0; k < 4; ++k) {
        double sum = OC(total)(dot[r][k]);
        for (size_t l = j; l < columns; ++l) sum += row[r][l] * x[k * stride + l];
        y[k * pitch + first + r] = sum;
      }
  }
}

// Matrices that single precision holds are read in half the time; sums are double ones. Four rows
// share what is loaded of x. Who reads a matrix first asks for it ahead: the processor itself looks
// no further than a page.
INLINE void OC(ask)(const float *p) {
  __builtin_prefetch((const void *)((uintptr_t)p + 16384));
  __builtin_prefetch((const void *)((uintptr_t)p + 16384 + 64));
}
INLINE vec OC(widened)(const float *p) { return __builtin_convertvector(*(const fvec *)p, vec); }

KERNEL void OC(single_less)(size_t rows, size_t width, const float *m, const double *x, double *y) {
  size_t i = 0;
  for (; i + 4 <= rows; i += 4, m += 4 * width) {
    vec dot[4] = {OC(all)(0), OC(all)(0), OC(all)(0), OC(all)(0)};
    for (size_t j = 0; j < width; j += 8) {
      const vec xj = OC(load)(x + j);
      OC(ask)(m + 4 * j);
      UNROLL for (size_t r = 0; r < 4; ++r) {
        dot[r] = OC(fma)(OC(widened)(m + r * width + j), xj, dot[r]);
      }
    }
    UNROLL for (size_t r = 0; r < 4; ++r) y[i + r] -= OC(total)(dot[r]);
  }
  for (; i < rows; ++i, m += width) {
    vec dot = OC(all)(0);
    for (size_t j = 0; j < width; j += 8) dot = OC(fma)(OC(widened)(m + j), OC(load)(x + j), dot);
    y[i] -= OC(total)(dot);
  }
}

KERNEL void OC(single_less_transposed)(size_t rows, size_t width, const float *m, const double *y,
                                       double *x) {
  size_t i = 0;
  for (; i + 4 <= rows; i += 4, m += 4 * width) {
    const vec less[4] = {OC(all)(-y[i]), OC(all)(-y[i + 1]), OC(all)(-y[i + 2]),
                         OC(all)(-y[i + 3])};
    for (size_t j = 0; j < width; j += 8) {
      vec xj = OC(load)(x + j);
      UNROLL for (size_t r = 0; r < 4; ++r) {
        xj = OC(fma)(OC(widened)(m + r * width + j), less[r], xj);
      }
      OC(store)(x + j, xj);
    }
  }
  for (; i < rows; ++i, m += width) {
    const vec less = OC(all)(-y[i]);
    for (size_t j = 0; j < width; j += 8)
      OC(store)(x + j, OC(fma)(OC(widened)(m + j), less, OC(load)(x + j)));
  }
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

// Kind and key of every unit: one that follows t < |p/q| or t > |p/q| has its breakpoint there,
// q = 0 gives infinity. Whatever a key over- or underflowed to is reported.
KERNEL void OC(classify)(size_t width, const double *p, const double *q, double *keys,
                         uint8_t *kind, int32_t *extreme) {
  int32_t beyond = 0;
  for (size_t j = 0; j < width; ++j) {
    int up = p[j] > 0, vp = q[j] > 0, split = up != vp;
    double t = fabs(p[j]) / fabs(q[j]);
    beyond |= split & (((p[j] != 0) & (t < 2 * DBL_MIN)) | ((q[j] != 0) & (t > DBL_MAX / 2)));
    keys[j] = split ? t : 0;
    kind[j] = (uint8_t)(split ? (up ? OC_BELOW : OC_ABOVE) : up);  // OC_ALWAYS is 1
  }
  *extreme = beyond;
}

INLINE vec OC(relu)(vec a) { return (vec)(~(a <= 0.0) & (ivec)a); }  // NaN passes

// The coefficients of z in eight samples' cells.
INLINE void OC(coefficients)(const oc_table *table, ivec32 cell, vec *a, vec *b) {
  *a = OC(gather)(table->coefficients, 2 * cell);
  *b = OC(gather)(table->coefficients + 1, 2 * cell);
}

// The cells of samples inside the quadrant, eight per vector; stage by stage over `blocks` vectors,
// since quotients and gathers have long latencies; no bucket is crowded and no key extreme. The cell
// is #(breakpoints < t) + #(breakpoints <= t).
INLINE void OC(locate)(const oc_table *table, int blocks, const vec *u, const vec *v,
                       ivec32 *cell) {
  const vec least = OC(all)(DBL_MIN), most = OC(all)(DBL_MAX);
  vec t[4];
  ivec32 bucket[4], start[4];
  UNROLL for (int k = 0; k < blocks; ++k) {
    // Whoever over- or underflowed lies beyond every breakpoint, but on no edge.
    vec q = v[k] / u[k];
    q = OC(pick)(q < least, least, q);
    t[k] = OC(pick)(q > most, most, q);
  }
  UNROLL for (int k = 0; k < blocks; ++k) {
    bucket[k] = OC(bucket)(t[k], table->buckets);
    start[k] = OC(gather32)(table->start, bucket[k]);
  }
  // Breakpoints ascend, those past the bucket exceed t, those past the last are NaN: a window fits
  // all lanes, and is at its end where no lane finds one below its t.
  ivec below[4], upto[4];
  UNROLL for (int k = 0; k < blocks; ++k) below[k] = upto[k] = (ivec)OC(all)(0);
  for (int32_t pass = 0; pass < table->passes; ++pass) {
    ivec any = (ivec)OC(all)(0);
    UNROLL for (int k = 0; k < blocks; ++k) {
      vec breakpoint = OC(gather)(table->breakpoints + pass, start[k]);
      ivec less = breakpoint < t[k];
      below[k] += less;
      upto[k] += breakpoint <= t[k];
      any |= less;
    }
    if (!OC(bits)(any)) break;
  }
  UNROLL for (int k = 0; k < blocks; ++k)
    cell[k] = 2 * start[k] - __builtin_convertvector(below[k] + upto[k], ivec32);
}

// Which lanes lie inside the quadrant (or are NaN): the others' cells need no search.
INLINE unsigned OC(inside)(vec u, vec v) {
  return OC(bits)((ivec)~((u == 0.0) | (v == 0.0)));
}

// Up to OC_CHUNK samples on their way through the network. Those inside the quadrant are packed to
// the front, in their order, for whatever costs a search, a gather or a scatter.
typedef struct {
  double u[OC_CHUNK] __attribute__((aligned(64))), v[OC_CHUNK];
  double u_in[OC_CHUNK + 8], v_in[OC_CHUNK + 8];  // packed: u, then z; v
  double up[OC_CHUNK + 8], vp[OC_CHUNK + 8];      // packed contributions
  unsigned mask[OC_CHUNK / 8];
  int count;
} OC(chunk);

INLINE void OC(enter)(OC(chunk) *chunk, size_t i, vec u, vec v) {
  OC(store)(chunk->u + i, u);
  OC(store)(chunk->v + i, v);
  unsigned mask = OC(inside)(u, v);
  chunk->mask[i / 8] = mask;
  chunk->count += __builtin_popcount(mask);
}

// Replaces the packed u by z, and notes the packed cells and coefficients.
INLINE void OC(search_block)(const oc_table *table, int blocks, double *u, const double *v,
                             int32_t *cell, double *first, double *second) {
  vec us[4], vs[4];
  ivec32 at[4];
  UNROLL for (int k = 0; k < blocks; ++k) {
    us[k] = OC(load)(u + 8 * k);
    vs[k] = OC(load)(v + 8 * k);
  }
  OC(locate)(table, blocks, us, vs, at);
  UNROLL for (int k = 0; k < blocks; ++k) {
    vec a, b;
    OC(coefficients)(table, at[k], &a, &b);
    OC(store)(u + 8 * k, a * us[k] + b * vs[k]);
    OC(store)(first + 8 * k, a);
    OC(store)(second + 8 * k, b);
    *(ivec32 *)(cell + 8 * k) = at[k];
  }
}

// Finds what a chunk of n samples has packed: outputs, cells and coefficients.
INLINE void OC(search)(const oc_table *table, OC(chunk) *chunk, size_t n, int32_t *cell,
                       double *first, double *second) {
  const int count = chunk->count;
  if (count == 0) return;
  for (size_t i = 0, packed = 0; i < n; i += 8) {
    unsigned mask = chunk->mask[i / 8];
    OC(pack)(mask, OC(load)(chunk->u + i), chunk->u_in + packed);
    OC(pack)(mask, OC(load)(chunk->v + i), chunk->v_in + packed);
    packed += (size_t)__builtin_popcount(mask);
  }
  OC(store)(chunk->u_in + count, OC(all)(0));
  OC(store)(chunk->v_in + count, OC(all)(0));
  if (__builtin_expect(table->extreme || table->passes > OC_PASSES, 0)) {
    oc_search_slowly(table, count, chunk->u_in, chunk->v_in, cell, first, second);
    return;
  }
  int i = 0;
  for (; i + 24 < count; i += 32)
    OC(search_block)(table, 4, chunk->u_in + i, chunk->v_in + i, cell + i, first + i, second + i);
  for (; i + 8 < count; i += 16)
    OC(search_block)(table, 2, chunk->u_in + i, chunk->v_in + i, cell + i, first + i, second + i);
  if (i < count) OC(search_block)(table, 1, chunk->u_in + i, chunk->v_in + i, cell + i, first + i, second + i);
}

// What z is a multiple of on the quadrant's edges: u where v = 0, v where u = 0.
typedef struct {
  vec u, v;
} OC(edges);

INLINE OC(edges) OC(edges_of)(const oc_table *table) {
  return (OC(edges)){OC(all)(table->coefficients[2 * table->edge_u]),
                     OC(all)(table->coefficients[2 * table->edge_v + 1])};
}

// z of samples i to i + 7, of which `packed` precede; 0 at the origin even of weights not finite.
INLINE vec OC(output)(const OC(chunk) *chunk, const OC(edges) *edges, size_t i, int packed) {
  const vec zero = OC(all)(0);
  vec u = OC(load)(chunk->u + i), v = OC(load)(chunk->v + i);
  vec edge = OC(pick)(u == zero, zero, u * edges->u) + OC(pick)(v == zero, zero, v * edges->v);
  return OC(spread)(chunk->mask[i / 8], edge, chunk->u_in + packed);
}

// The cotangents of those samples' u and v. ReLU'(0) = 0: a component that is 0 passes nothing.
// `first` and `second` are the packed coefficients from sample i on.
INLINE void OC(pull)(const OC(chunk) *chunk, const OC(edges) *edges, size_t i, const double *first,
                     const double *second, vec zbar, vec *ubar, vec *vbar) {
  const vec zero = OC(all)(0);
  vec a = OC(spread)(chunk->mask[i / 8], edges->u, first);
  vec b = OC(spread)(chunk->mask[i / 8], edges->v, second);
  *ubar = OC(pick)(OC(load)(chunk->u + i) == zero, zero, zbar * a);
  *vbar = OC(pick)(OC(load)(chunk->v + i) == zero, zero, zbar * b);
}

// Sums zbar (u, v) over samples on the edges, lane by lane.
typedef struct {
  vec u, v;
} OC(edge_sums);

// Notes what samples i to i + 7, of which `packed` precede, contribute to the sums of their cells.
INLINE void OC(contribute)(OC(chunk) *chunk, OC(edge_sums) *sums, size_t i, int packed, vec zbar) {
  const vec zero = OC(all)(0);
  vec u = OC(load)(chunk->u + i), v = OC(load)(chunk->v + i), up = zbar * u, vp = zbar * v;
  ivec off_u = v == zero, off_v = u == zero;
  sums->u += OC(pick)(off_u & ~off_v, up, zero);
  sums->v += OC(pick)(off_v & ~off_u, vp, zero);
  OC(pack)(chunk->mask[i / 8], up, chunk->up + packed);
  OC(pack)(chunk->mask[i / 8], vp, chunk->vp + packed);
}

// Adds the packed contributions to their cells' sums.
INLINE void OC(scatter)(const oc_table *table, const OC(chunk) *chunk, size_t n,
                        const int32_t *cell, double *cells, double *extra) {
  for (int k = 0; k < chunk->count; ++k) {
    pairvec *sum = (pairvec *)(cells + 2 * cell[k]);
    *sum += (pairvec){chunk->up[k], chunk->vp[k]};
  }
  if (__builtin_expect(table->extreme, 0))
    for (size_t i = 0, k = 0; i < n; ++i)
      if (chunk->mask[i / 8] >> (i % 8) & 1) {
        if (cell[k] == 2 * table->count)
          oc_exact_scatter(table, chunk->u[i], chunk->v[i], chunk->up[k], chunk->vp[k], extra);
        ++k;
      }
}

INLINE void OC(add_edges)(const oc_table *table, const OC(edge_sums) *sums, double *cells) {
  cells[2 * table->edge_u] += OC(total)(sums->u);
  cells[2 * table->edge_v + 1] += OC(total)(sums->v);
}

INLINE size_t OC(chunk_size)(size_t rest) { return rest < OC_CHUNK ? rest : OC_CHUNK; }

KERNEL void OC(forward)(const oc_table *table, size_t n, const double *u, const double *v,
                        double *z, int32_t *cell, double *first, double *second) {
  const OC(edges) edges = OC(edges_of)(table);
  OC(chunk) chunk;
  for (size_t from = 0; from < n; from += OC_CHUNK) {
    const size_t size = OC(chunk_size)(n - from);
    chunk.count = 0;
    for (size_t i = 0; i < size; i += 8)
      OC(enter)(&chunk, i, OC(load)(u + from + i), OC(load)(v + from + i));
    OC(search)(table, &chunk, size, cell + from, first + from, second + from);
    int packed = 0;
    for (size_t i = 0; i < size; i += 8) {
      OC(store)(z + from + i, OC(output)(&chunk, &edges, i, packed));
      packed += __builtin_popcount(chunk.mask[i / 8]);
    }
  }
}

KERNEL void OC(backward)(const oc_table *table, size_t n, const double *u, const double *v,
                         const double *zbar, const int32_t *cell, const double *first,
                         const double *second, double *cells, double *extra, double *ubar,
                         double *vbar) {
  const OC(edges) edges = OC(edges_of)(table);
  const double across_u = table->coefficients[2 * table->edge_u + 1],
               across_v = table->coefficients[2 * table->edge_v];
  OC(edge_sums) sums = {OC(all)(0), OC(all)(0)};
  OC(chunk) chunk;
  for (size_t from = 0; from < n; from += OC_CHUNK) {
    const size_t size = OC(chunk_size)(n - from);
    chunk.count = 0;
    for (size_t i = 0; i < size; i += 8)
      OC(enter)(&chunk, i, OC(load)(u + from + i), OC(load)(v + from + i));
    int packed = 0;
    for (size_t i = 0; i < size; i += 8) {
      vec bar = OC(load)(zbar + from + i), along_u, along_v;
      OC(pull)(&chunk, &edges, i, first + from + packed, second + from + packed, bar, &along_u,
               &along_v);
      // On an edge the derivative across it, which no ReLU of an earlier layer stops here.
      ivec off_u = OC(load)(chunk.v + i) == 0.0, off_v = OC(load)(chunk.u + i) == 0.0;
      along_u = OC(pick)(off_v & ~off_u, bar * across_v, along_u);
      along_v = OC(pick)(off_u & ~off_v, bar * across_u, along_v);
      OC(store)(ubar + from + i, along_u);
      OC(store)(vbar + from + i, along_v);
      OC(contribute)(&chunk, &sums, i, packed, bar);
      packed += __builtin_popcount(chunk.mask[i / 8]);
    }
    OC(scatter)(table, &chunk, size, cell + from, cells, extra);
  }
  OC(add_edges)(table, &sums, cells);
}

// ---------------------------------------------------------------- the fused recursion

// u and v of samples i to i + 7 of a row.
INLINE void OC(first_layer)(const double w1[4], vec g, vec x, vec *u, vec *v) {
  *u = OC(relu)(g * OC(all)(w1[0]) + x * OC(all)(w1[2]));
  *v = OC(relu)(g * OC(all)(w1[1]) + x * OC(all)(w1[3]));
}

INLINE void OC(step_forward)(int32_t map, const oc_bundle *in, size_t t) {
  const size_t n = (size_t)in->n * (size_t)in->members, row = t * n;
  const oc_table table = *in->table;
  const double w1[4] = {in->w1[0], in->w1[1], in->w1[2], in->w1[3]}, scale = in->scale;
  const OC(edges) edges = OC(edges_of)(&table);
  OC(chunk) chunk;
  for (size_t from = 0; from < n; from += OC_CHUNK) {
    const size_t size = OC(chunk_size)(n - from);
    const double *gs = in->g + row + from, *xs = in->x + row + from, *steps = in->steps + from;
    double *next = in->x + row + n + from, *values = in->value + row + from,
           *slopes = in->slope + row + from, *zs = in->z ? in->z + row + from : NULL;
    chunk.count = 0;
    for (size_t i = 0; i < size; i += 8) {
      vec u, v;
      OC(first_layer)(w1, OC(load)(gs + i), OC(load)(xs + i), &u, &v);
      OC(enter)(&chunk, i, u, v);
    }
    OC(search)(&table, &chunk, size, in->cell + row + from, in->first + row + from,
               in->second + row + from);
    int packed = 0;
    for (size_t i = 0; i < size; i += 8) {
      vec z = OC(output)(&chunk, &edges, i, packed), value, slope;
      packed += __builtin_popcount(chunk.mask[i / 8]);
      if (zs) OC(store)(zs + i, z);
      OC(map)(map, z, &value, &slope);
      OC(store)(values + i, value);
      OC(store)(slopes + i, slope);
      OC(store)(next + i,
                OC(load)(xs + i) - ((value * scale) * OC(load)(steps + i)) * OC(load)(gs + i));
    }
  }
}

// y = A x - c for every instance of the bundle.
INLINE void OC(apply_all)(const oc_bundle *in, const double *x, const double *c, double *y) {
  const size_t n = (size_t)in->n;
  for (int32_t k = 0; k < in->members; ++k, x += n, y += n)
    OC(apply)(n, in->gram[k], x, c ? c + (size_t)k * n : NULL, y);
}

KERNEL void OC(unroll_forward)(const oc_bundle *in) {
  const size_t n = (size_t)in->n * (size_t)in->members, horizon = (size_t)in->horizon;
  for (size_t t = 0; t <= horizon; ++t) {
    const double *x = in->x + t * n;
    double *g = in->g + t * n;
    OC(apply_all)(in, x, in->linear, g);
    if (t == horizon) break;
    if (!in->table) {
      double *next = in->x + (t + 1) * n;
      for (size_t i = 0; i < n; i += 8)
        OC(store)(next + i, OC(load)(x + i) - OC(load)(in->steps + i) * OC(load)(g + i));
    } else if (in->map == OC_TWICE_SIGMOID) {
      OC(step_forward)(OC_TWICE_SIGMOID, in, t);
    } else {
      OC(step_forward)(in->map, in, t);
    }
  }
}

// delta_t = dLoss/dx_t, with q held constant:
// delta_t = delta_{t+1} - s A (P_t delta_{t+1}) + w_t g_t.
KERNEL void OC(unroll_backward)(const oc_bundle *in) {
  const size_t n = (size_t)in->n * (size_t)in->members;
  double *delta = in->scratch, *weighted = in->scratch + n, *product = in->scratch + 2 * n;
  const double w1[4] = {in->w1[0], in->w1[1], in->w1[2], in->w1[3]}, scale = in->scale;
  const vec zero = OC(all)(0);
  vec gu = OC(load)(in->sums), gv = OC(load)(in->sums + 8), xu = OC(load)(in->sums + 16),
      xv = OC(load)(in->sums + 24), scalebar = OC(load)(in->sums + 32);
  OC(edge_sums) sums = {zero, zero};
  OC(chunk) chunk;
  const double *last = in->g + (size_t)in->horizon * n;
  for (size_t i = 0; i < n; i += 8)
    OC(store)(delta + i, in->loss[in->horizon] * OC(load)(last + i));
  for (size_t t = (size_t)in->horizon; t-- > 0;) {
    const double *x = in->x + t * n, *g = in->g + t * n;
    if (in->table) {
      const oc_table table = *in->table;
      const OC(edges) edges = OC(edges_of)(&table);
      for (size_t from = 0; from < n; from += OC_CHUNK) {
        const size_t size = OC(chunk_size)(n - from);
        const double *value = in->value + t * n + from, *slope = in->slope + t * n + from;
        const double *first = in->first + t * n + from, *second = in->second + t * n + from;
        const int32_t *cell = in->cell + t * n + from;
        chunk.count = 0;
        for (size_t i = 0; i < size; i += 8) {
          vec u, v;
          OC(first_layer)(w1, OC(load)(g + from + i), OC(load)(x + from + i), &u, &v);
          OC(enter)(&chunk, i, u, v);
        }
        int packed = 0;
        for (size_t i = 0; i < size; i += 8) {
          vec gi = OC(load)(g + from + i), xi = OC(load)(x + from + i),
              di = OC(load)(delta + from + i), p = OC(load)(value + i), ubar, vbar;
          vec pbar = -OC(load)(in->steps + from + i) * (di * gi);
          vec zbar = (pbar * scale) * OC(load)(slope + i);
          scalebar += pbar * p;
          OC(pull)(&chunk, &edges, i, first + packed, second + packed, zbar, &ubar, &vbar);
          gu += gi * ubar;
          gv += gi * vbar;
          xu += xi * ubar;
          xv += xi * vbar;
          OC(contribute)(&chunk, &sums, i, packed, zbar);
          packed += __builtin_popcount(chunk.mask[i / 8]);
          OC(store)(weighted + from + i, (p * scale) * di);
        }
        OC(scatter)(&table, &chunk, size, cell, in->cells, in->extra);
      }
    } else {
      for (size_t i = 0; i < n; i += 8) OC(store)(weighted + i, OC(load)(delta + i));
    }
    if (t == 0) break;
    OC(apply_all)(in, weighted, NULL, product);
    for (size_t i = 0; i < n; i += 8) {
      vec d = OC(load)(delta + i) - OC(load)(in->steps + i) * OC(load)(product + i);
      OC(store)(delta + i, d + in->loss[t] * OC(load)(g + i));
    }
  }
  if (in->table) OC(add_edges)(in->table, &sums, in->cells);
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
