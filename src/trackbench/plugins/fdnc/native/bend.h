// A template and how it is bent onto a test: what `refine.py` computes from a table.

#pragma once

#include "table.h"

namespace trackbench::refinement {

constexpr int AXES = 3;
constexpr long WIDTH = 2 * LANES;             // of the equations, their right sides included
constexpr long MOST_MOVEMENTS = 28;           // with the right sides, WIDTH at most

// Coordinates that no distance reaches.
constexpr float NOWHERE = 1e12f;

// Points (n), up to a multiple of 16, an axis after the other.
struct Points {
    long n;
    float* axes[AXES];

    Points(long count, Scratch& scratch) : n(count) {
        for (auto& axis : axes) axis = scratch.take<float>(up_to(n, LANES));
    }

    void set(const float* zyx, float beyond) {
        for (long i = 0; i < up_to(n, LANES); ++i) {
            for (int axis = 0; axis < AXES; ++axis) {
                axes[axis][i] = i < n ? zyx[AXES * i + axis] : beyond;
            }
        }
    }
};

// A template (n) and the k basis functions of its movements.
struct Bendable {
    long n, wide, k;    // wide: n, up to a multiple of 16
    Points places;
    float* turned;      // (k, wide) the basis
    float* basis;       // (n, WIDTH) the basis, zeros

    Bendable(long points, long functions, Scratch& scratch)
        : n(points),
          wide(up_to(n, LANES)),
          k(functions),
          places(n, scratch),
          turned(scratch.take<float>(k * wide)),
          basis(scratch.take<float>(n * WIDTH)) {}

    void set(const float* zyx, const float* functions) {  // functions: (k, n)
        places.set(zyx, NOWHERE);
        for (long i = 0; i < n * WIDTH; ++i) basis[i] = 0.0f;
        for (long a = 0; a < k; ++a) {
            for (long j = 0; j < wide; ++j) {
                const float value = j < n ? functions[a * n + j] : 0.0f;
                turned[a * wide + j] = value;
                if (j < n) basis[j * WIDTH + a] = value;
            }
        }
    }
};

// Of every template neuron: mean place of its partner, times its probability, the last row.
struct Partners {
    long wide;
    float* sums;     // (4, wide)
    float* weighed;  // (4, height) what a row of the table adds

    Partners(const Table& table, Scratch& scratch)
        : wide(table.tiles * LANES),
          sums(scratch.take<float>((AXES + 1) * wide)),
          weighed(scratch.take<float>((AXES + 1) * table.height)) {}

    const float* of(int axis) const { return sums + axis * wide; }
    const float* probability() const { return of(AXES); }

    void find(const Table& table, const Points& test) const {
        for (long i = 0; i < table.height; i += LANES) {
            const __m512 row = _mm512_load_ps(table.rows + i);
            for (int axis = 0; axis < AXES; ++axis) {
                const __m512 own = _mm512_mul_ps(row, _mm512_load_ps(test.axes[axis] + i));
                _mm512_store_ps(weighed + axis * table.height + i, own);
            }
            _mm512_store_ps(weighed + AXES * table.height + i, row);
        }
        for (long index = 0; index < table.tiles; ++index) add_up(table, index);
    }

private:
    void add_up(const Table& table, long index) const {
        __m512 even[AXES + 1], odd[AXES + 1];
        for (auto& sum : even) sum = _mm512_setzero_ps();
        for (auto& sum : odd) sum = _mm512_setzero_ps();
        const float* tile = table.tile(index);
        for (long i = table.first[index]; i < table.last[index]; i += 2) {
            const __m512 here = _mm512_load_ps(tile + i * LANES);
            const __m512 next = _mm512_load_ps(tile + (i + 1) * LANES);
            for (int axis = 0; axis <= AXES; ++axis) {
                const float* own = weighed + axis * table.height + i;
                even[axis] = _mm512_fmadd_ps(here, _mm512_set1_ps(own[0]), even[axis]);
                odd[axis] = _mm512_fmadd_ps(next, _mm512_set1_ps(own[1]), odd[axis]);
            }
        }
        const __m512 column = _mm512_load_ps(table.columns + index * LANES);
        for (int axis = 0; axis <= AXES; ++axis) {
            const __m512 sum = _mm512_mul_ps(_mm512_add_ps(even[axis], odd[axis]), column);
            _mm512_store_ps(sums + axis * wide + index * LANES, sum);
        }
    }
};

// Equations of the movement that brings the template nearest to its partners: `rows` is (k, WIDTH),
// the matrix, which is symmetric, and three right sides.
struct Equations {
    long n, k;
    float* rows;
    float* right;  // (n, WIDTH) what a template neuron's basis functions are multiplied with

    Equations(const Bendable& of, Scratch& scratch)
        : n(of.n),
          k(of.k),
          rows(scratch.take<float>(WIDTH * WIDTH)),
          right(scratch.take<float>(n * WIDTH)) {}

    void set(const Bendable& of, const Partners& partners, float width) const {
        const float* probability = partners.probability();
        for (long j = 0; j < n; ++j) {
            const __m512 own = _mm512_set1_ps(probability[j]);
            for (long a = 0; a < WIDTH; a += LANES) {
                const __m512 basis = _mm512_load_ps(of.basis + j * WIDTH + a);
                _mm512_store_ps(right + j * WIDTH + a, _mm512_mul_ps(own, basis));
            }
            for (int axis = 0; axis < AXES; ++axis) {
                const float apart = partners.of(axis)[j] - probability[j] * of.places.axes[axis][j];
                right[j * WIDTH + k + axis] = apart;
            }
        }
        // of the matrix only what stands right of the diagonal is used
        for (long a = 0; a < LANES; a += 8) multiply<8, 2>(of, a);
        for (long a = LANES; a < k; a += 6) multiply<6, 1>(of, a);
        for (long a = 0; a < k; ++a) rows[a * WIDTH + a] += width * width;
    }

    // By elimination without exchanges, (k, 4); false where the matrix isn't positive definite in
    // this precision: there is no solution then.
    bool solve(float* solution) const {
        for (long a = 0; a < k; ++a) {
            const float pivot = rows[a * WIDTH + a];
            if (!(pivot > 0.0f && pivot < INFINITE)) return false;
            const __m512 factor = _mm512_set1_ps(-1.0f / pivot);
            const float* own = rows + a * WIDTH;
            const __m512 high = _mm512_load_ps(own + LANES);
            const __m512 low = _mm512_load_ps(own);
            const __m512 scaled[2] = {_mm512_mul_ps(low, factor), _mm512_mul_ps(high, factor)};
            for (long b = a + 1; b < k; ++b) {
                const __m512 weight = _mm512_set1_ps(own[b]);
                float* other = rows + b * WIDTH;
                for (long v = b / LANES; v < 2; ++v) {
                    const __m512 sum = _mm512_load_ps(other + v * LANES);
                    _mm512_store_ps(other + v * LANES, _mm512_fmadd_ps(weight, scaled[v], sum));
                }
            }
        }
        return substitute(solution);
    }

private:
    template <int COUNT, int VECTORS>
    void multiply(const Bendable& of, long from) const {
        __m512 sums[COUNT][VECTORS];
        for (auto& row : sums) {
            for (auto& sum : row) sum = _mm512_setzero_ps();
        }
        for (long j = 0; j < n; ++j) {
            const float* basis = of.basis + j * WIDTH + from;
            __m512 own[VECTORS];
            for (int v = 0; v < VECTORS; ++v) {
                own[v] = _mm512_load_ps(right + j * WIDTH + WIDTH - (VECTORS - v) * LANES);
            }
#pragma GCC unroll 16
            for (int row = 0; row < COUNT; ++row) {
                const __m512 weight = _mm512_set1_ps(basis[row]);
                for (int v = 0; v < VECTORS; ++v) {
                    sums[row][v] = _mm512_fmadd_ps(weight, own[v], sums[row][v]);
                }
            }
        }
        for (int row = 0; row < COUNT; ++row) {
            for (int v = 0; v < VECTORS; ++v) {
                float* to = rows + (from + row) * WIDTH + WIDTH - (VECTORS - v) * LANES;
                _mm512_store_ps(to, sums[row][v]);
            }
        }
    }

    bool substitute(float* solution) const {
        const __m128 zero = _mm_setzero_ps();
        __m128 finite = zero;
        for (long a = k - 1; a >= 0; --a) {
            const float* own = rows + a * WIDTH;
            __m128 rest = _mm_maskz_loadu_ps(7, own + k);
            for (long b = k - 1; b > a; --b) {
                rest = _mm_fnmadd_ps(_mm_set1_ps(own[b]), _mm_load_ps(solution + 4 * b), rest);
            }
            const __m128 found = _mm_div_ps(rest, _mm_set1_ps(own[a]));
            _mm_store_ps(solution + 4 * a, found);
            finite = _mm_fmadd_ps(found, zero, finite);
        }
        return _mm_movemask_ps(_mm_cmpeq_ps(finite, zero)) == 0xf;
    }
};

}  // namespace trackbench::refinement
