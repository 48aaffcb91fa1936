// Products of matrices of bfloat16, with sums in float32.
//
// A matrix on the right of a product is packed: panels of 64 columns (the last may be narrower, in
// steps of 16), in a panel pairs of rows, in a pair of rows the columns, each as two neighbours of
// 16 bits. `vdpbf16ps` takes just that.

#pragma once

#include "halves.h"

namespace trackbench::networks {

// What is done with sums is known where a product is called: without this the compiler makes one
// function for several calls, 2 % slower.
#define INLINE __attribute__((always_inline)) inline

constexpr long ROWS = 6;      // of a product's tile: with four vectors of columns, 24 sums and
constexpr long VECTORS = 4;   // four columns' loads fill 28 of the 32 registers
constexpr long PANEL = VECTORS * LANES;

// A matrix on the left of a product: `stride` numbers from row to row.
struct Left {
    const Half* numbers;
    long stride;

    const Half* row(long index) const { return numbers + index * stride; }
};

// Sums of ROWS x (16 V): rows of `left` times a packed panel of 16 V columns.
template <int V>
inline void multiply_add(
    __m512 (&sums)[ROWS][V], const Left& left, const Half* panel, long depth) {
    for (long k = 0; k < depth; k += 2) {
        __m512bh right[V];
        for (int v = 0; v < V; ++v) {
            right[v] = as_halves(_mm512_loadu_si512(panel + (k * V + 2 * v) * LANES));
        }
        for (long row = 0; row < ROWS; ++row) {
            const __m512bh own = pair_of(left.row(row) + k);
            for (int v = 0; v < V; ++v) {
                sums[row][v] = _mm512_dpbf16_ps(sums[row][v], own, right[v]);
            }
        }
    }
}

template <int V, typename Give>
INLINE void tile(const Left& left, const Half* panel, long depth, const Give& give) {
    __m512 sums[ROWS][V];
    for (auto& row : sums) {
        for (auto& sum : row) sum = _mm512_setzero_ps();
    }
    multiply_add<V>(sums, left, panel, depth);
    for (long row = 0; row < ROWS; ++row) {
        for (int v = 0; v < V; ++v) give(row, v * LANES, sums[row][v]);
    }
}

// left (rows, depth) times a packed matrix of `columns` columns, a multiple of 16:
// give(row, column, 16 sums). Rows are computed in steps of ROWS.
template <typename Give>
INLINE void product(
    const Left& left, long rows, long depth, const Half* packed, long columns, const Give& give) {
    for (long first = 0; first < columns; first += PANEL) {
        const Half* panel = packed + first * depth;
        for (long row = 0; row < rows; row += ROWS) {
            const Left own{left.row(row), left.stride};
            const auto there = [&](long i, long column, __m512 sum) {
                give(row + i, first + column, sum);
            };
            switch ((columns - first) / LANES) {
                case 1: tile<1>(own, panel, depth, there); break;
                case 2: tile<2>(own, panel, depth, there); break;
                case 3: tile<3>(own, panel, depth, there); break;
                default: tile<4>(own, panel, depth, there);
            }
        }
    }
}

}  // namespace trackbench::networks
