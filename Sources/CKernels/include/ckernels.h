// The arithmetic of the innermost loops, in C so that one binary carries a version for each
// generation of x86-64 and picks at run time. Every sum has a fixed order (eight lanes, then a
// fixed tree), so a result depends on the processor's generation at most, never on threads.
#pragma once
#include <stddef.h>
#include <stdint.h>

/// Lanes per vector: every padded length is a multiple of this.
#define OC_LANES 8

/// Largest padded order kept as a dense square; above it, one triangle in 8 x 8 tiles.
#define OC_DENSE_ORDER 64

/// Pseudo-cells after the regular ones: one for samples whose key left the floating range.
#define OC_SPARE_CELLS 1

/// Samples that go through the network together.
#define OC_CHUNK 64

/// Breakpoints in one bucket up to which all are compared at once; beyond, a binary search.
#define OC_PASSES 8

/// Whether the processor has the 512-bit instructions of x86-64-v4.
int oc_has_wide_vectors(void);

enum oc_map { OC_TWICE_SIGMOID, OC_EXPONENTIAL, OC_SOFTPLUS, OC_IDENTITY, OC_GAUSSIAN };

/// Where a unit of the second layer is active, in terms of the key t = v/u.
enum oc_unit { OC_NEVER, OC_ALWAYS, OC_BELOW, OC_ABOVE };

/// The network z(u, v) = sum_j w3_j ReLU(p_j u + q_j v), linear on each cell of t = v/u.
typedef struct {
  int32_t width;        // units H
  int32_t count;        // distinct breakpoints K, the last of them +inf
  int32_t buckets;      // power of two
  int32_t passes;       // largest number of breakpoints in one bucket
  int32_t extreme;      // a breakpoint lies where quotients over- or underflow
  int32_t edge_u;       // cell of samples with v = 0
  int32_t edge_v;       // cell of samples with u = 0
  const double *w2;     // 2 x H: p, then q
  const double *w3;     // H
  double *breakpoints;  // H + 1 + OC_PASSES, NaN after the last
  double *coefficients; // (2 (H + 1) + OC_SPARE_CELLS) pairs: z = first u + second v
  int32_t *start;       // buckets + 2: breakpoints before each bucket
  int32_t *rank;        // H: the unit's breakpoint
  uint8_t *kind;        // H: enum oc_unit
  double *keys;         // 2 H, scratch
  int32_t *order;       // 2 H, scratch
  double *sums;         // 4 (H + 2), scratch
} oc_table;

/// Buckets needed for a table of `width` units.
int32_t oc_bucket_capacity(int32_t width);

/// Fills the table from w2 and w3, in O(H) for keys that spread, O(H log H) in any case.
void oc_table_build(oc_table *table);

/// z at n samples (a multiple of 8), and what the backward pass needs of the samples inside the
/// quadrant, chunk by chunk packed: their cells and the coefficients there. All n + 8 long.
void oc_forward(const oc_table *table, size_t n, const double *u, const double *v, double *z,
                int32_t *cell, double *first, double *second);

/// Adds cotangents zbar (u, v) to their cells' sums and gives the cotangents of u and v.
///
/// `extra` (2 x H) takes what samples beyond the floating range contribute; it may be null unless
/// `table->extreme`.
void oc_backward(const oc_table *table, size_t n, const double *u, const double *v,
                 const double *zbar, const int32_t *cell, const double *first,
                 const double *second, double *cells, double *extra, double *ubar, double *vbar);

/// Per-unit gradients (overwritten) from the cells' sums; `extra` may be null.
void oc_finish(const oc_table *table, const double *cells, const double *extra, double *w2bar,
               double *w3bar);

/// value = map(z), derivative = map'(z), for n entries.
void oc_map_evaluate(int32_t map, size_t n, const double *z, double *value, double *derivative);

/// Columns that go through an LSTM's layer together: three vectors.
#define OC_TILE 24

/// A layer of an LSTM on some columns (coordinates) of matrices whose rows are `stride` apart.
typedef struct {
  size_t inputs;          // rows of u
  size_t hidden;          // H: rows of h and c
  size_t columns;         // how many
  size_t stride;          // from row to row of u, h, c and of everything else but scratch
  size_t width;           // from row to row of scratch: columns, rounded up to whole tiles
  const double *u, *h, *c;
  const double *forward;  // per pair of units, bias first, then inputs, then h: the weights of
                          // i, i', f, f', g, g', o, o'
  double *tile;           // (inputs + H) x OC_TILE, scratch
} oc_layer;

/// c' = sigma(f) c + sigma(i) tanh(g), h' = sigma(o) tanh(c').
void oc_layer_forward(const oc_layer *layer, double *hnext, double *cnext);

/// The cotangents of the sums before the gates, 4H x width in the order i, f, g, o; adds the
/// cotangent of c to `cellbar` unless that is null. `above` (H x width, or null) adds to hbar.
void oc_layer_backward(const oc_layer *layer, const double *hbar, const double *cbar,
                       const double *above, double *sumbar, double *cellbar);

/// Tangents of h' and c' from those of the sums (4H x width) and of c (null for zero).
void oc_layer_tangent(const oc_layer *layer, const double *sumdot, const double *cdot,
                      double *hdotnext, double *cdotnext);

/// y (rows x columns, `stride` apart) = or += A x, x depth x columns with rows `width` apart; A is
/// packed eight rows at a time, column by column. `tile` is depth x OC_TILE scratch.
void oc_panel(size_t rows, size_t depth, size_t columns, const double *packed, const double *x,
              size_t width, double *y, size_t stride, int adds, double *tile);

/// sums (rows x columns, `pitch` apart) += a b', over n entries of each row; entries of `a` from n up
/// to the next multiple of 8 are finite. `tail` is columns x 8 scratch.
void oc_outer(size_t rows, size_t columns, size_t n, const double *a, size_t width,
              const double *b, size_t stride, double *sums, size_t pitch, double *tail);

/// sums (`pitch` apart) += the sums of n entries of each row.
void oc_row_sums(size_t rows, size_t n, const double *a, size_t width, double *sums,
                 size_t pitch);

/// Doubles that a packed symmetric matrix of padded order `n` takes.
size_t oc_packed_count(size_t n);

/// Packs the symmetric d x d row-major `a` at padded order n; of large ones the lower triangle.
void oc_pack(size_t d, size_t n, const double *a, double *packed);

/// y = A x - c at padded order n; c null stands for 0. All pointers 64-byte aligned.
void oc_gram_gradient(size_t n, const double *packed, const double *x, const double *c, double *y);

/// 1/2 |M x - y|^2, M rows x columns row-major.
double oc_half_square(size_t rows, size_t columns, const double *m, const double *x,
                      const double *y);

/// y_i = A x_i for four vectors, A rows x columns row-major; x_i begins at x + i stride, y_i at
/// y + i pitch.
void oc_four_products(size_t rows, size_t columns, const double *a, const double *x, size_t stride,
                      double *y, size_t pitch);

/// y -= M x, M rows x width row-major in single precision, width a multiple of 8.
void oc_single_less(size_t rows, size_t width, const float *m, const double *x, double *y);

/// x -= transpose(M) y, M rows x width row-major in single precision, width a multiple of 8.
void oc_single_less_transposed(size_t rows, size_t width, const float *m, const double *y,
                               double *x);

/// Instances that run through time side by side: x_{t+1} = x_t - (P_t step) g_t, g_t = A x_t - c.
///
/// Small ones go several at once: each waits for its own last step only. A row holds one vector of
/// every member; L below is its length, members * n.
typedef struct {
  int32_t n;                 // padded dimension of a member
  int32_t members;           // instances
  int32_t horizon;           // T
  int32_t map;               // enum oc_map
  double scale;              // P = map(z) scale
  double w1[4];              // 2 x 2, input by output; inputs (g, x)
  const oc_table *table;     // null: P = 1
  const double *const *gram; // packed, one per member
  const double *linear;      // c, L
  const double *steps;       // s, L: the same for all coordinates of a member
  const double *loss;        // T + 1 weights of F(x_t); the first is not used
  double *x;                 // (T + 1) x L, row 0 given
  double *g;                 // (T + 1) x L
  double *value;             // T x L: map(z)
  double *slope;             // T x L: map'(z)
  double *z;                 // T x L, or null
  int32_t *cell;             // T x L + 8: cells of samples inside the quadrant, packed
  double *first, *second;    // T x L + 8: the coefficients there
  double *scratch;           // 3 L
  double *cells;             // sums per cell, added to
  double *extra;             // 2 x H, or null
  double *sums;              // 5 x 8 lanes, added to: W1 (4), scale
} oc_bundle;

void oc_unroll_forward(const oc_bundle *bundle);
void oc_unroll_backward(const oc_bundle *bundle);
