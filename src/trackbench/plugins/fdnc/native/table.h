// Scores of one test and a template to probabilities, by the agreement of both directions: what
// `normalise.py` computes.
//
// Pairs are kept in tiles of 16 template neurons: a tile has its test neurons one below the other.
// Of a tile only the rows from `first` to `last` are there, the others are 0: clouds are sorted
// along the body, and neurons far apart are no pair.

#pragma once

#include <cmath>
#include <limits>

#include "scratch.h"
#include "vector.h"

namespace trackbench::refinement {

constexpr long ROWS = 8;  // rows that are summed together; tiles begin and end at multiples
constexpr float LOG2_E = 1.44269504f;
constexpr float INFINITE = std::numeric_limits<float>::infinity();

// The score of what isn't there.
constexpr float NEVER = -1e30f;

// No sum of a row or column that `normalise.shifted` made comes near it; no inverse overflows.
constexpr float TINY = 0x1p-100f;

// Scores (m + 1, n + 1): "no partner" is the last column of test neurons, the last row of template
// neurons.
struct Scores {
    const float* values;
    long m, n;
    float* none;  // (m, up to a multiple of 16) the last column

    Scores(const float* of, long rows, long columns, Scratch& scratch)
        : values(of), m(rows), n(columns), none(scratch.take<float>(up_to(m, LANES))) {
        if (none == nullptr) return;
        for (long i = 0; i < up_to(m, LANES); ++i) none[i] = i < m ? row(i)[n] : 0.0f;
    }

    const float* row(long i) const { return values + i * (n + 1); }
    const float* alone() const { return row(m); }
    __mmask16 there(long tile) const { return lanes(n - tile * LANES); }

    float largest() const {
        __m512 most = _mm512_set1_ps(-INFINITE);
        for (long i = 0; i <= m; ++i) {
            const long columns = i < m ? n + 1 : n;
            long j = 0;
            for (; j + LANES <= columns; j += LANES) {
                most = _mm512_max_ps(most, _mm512_loadu_ps(row(i) + j));
            }
            const __mmask16 rest = lanes(columns - j);
            most = _mm512_mask_max_ps(most, rest, most, _mm512_maskz_loadu_ps(rest, row(i) + j));
        }
        return _mm512_reduce_max_ps(most);
    }

    float least_alone() const {
        float least = INFINITE;
        for (long i = 0; i < m; ++i) least = none[i] < least ? none[i] : least;
        for (long j = 0; j < n; ++j) least = alone()[j] < least ? alone()[j] : least;
        return least;
    }
};

// A score as a power of two: `share` times the score above the largest of all.
struct Above {
    __m512 share, largest;

    Above(float of_all, float largest_of_all)
        : share(_mm512_set1_ps(of_all * LOG2_E)), largest(_mm512_set1_ps(largest_of_all)) {}
    __m512 operator()(__m512 score) const {
        return _mm512_mul_ps(share, _mm512_sub_ps(score, largest));
    }
};

// Sums of 16 vectors, in their order.
inline __m512 sums(const __m512 (&of)[LANES]) {
    __m512 eight[8], four[4];
    for (int i = 0; i < 8; ++i) {
        eight[i] = _mm512_add_ps(
            _mm512_unpacklo_ps(of[i], of[i + 8]), _mm512_unpackhi_ps(of[i], of[i + 8]));
    }
    for (int i = 0; i < 4; ++i) {
        four[i] = _mm512_add_ps(
            _mm512_unpacklo_ps(eight[i], eight[i + 4]), _mm512_unpackhi_ps(eight[i], eight[i + 4]));
    }
    // a quarter of four[i] has parts of the sums i, i + 4, i + 8, i + 12
    const __m512 low = _mm512_add_ps(
        _mm512_shuffle_f32x4(four[0], four[1], 0x44), _mm512_shuffle_f32x4(four[0], four[1], 0xee));
    const __m512 high = _mm512_add_ps(
        _mm512_shuffle_f32x4(four[2], four[3], 0x44), _mm512_shuffle_f32x4(four[2], four[3], 0xee));
    const __m512 all = _mm512_add_ps(
        _mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd));
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    return _mm512_permutexvar_ps(order, all);
}

// Probabilities of pairs as a product that need not be formed: of test neuron i and template
// neuron j it is rows[i] * tile(j / 16)[16 i + j % 16] * columns[j].
struct Table {
    long m, n, tiles, height;     // height: m, up to a multiple of 16
    float* exponentials;          // (tiles, height, 16) of the scores
    std::int32_t *first, *last;   // (tiles) rows from, to
    float* columns;               // (16 tiles)
    float *rows, *pairs, *none;   // (height); pairs: sums over columns, weighed; see add_rows
    float* best;                  // (height) the largest exponential times column of a row

    Table(long rows_in_all, long columns_in_all, Scratch& scratch)
        : m(rows_in_all),
          n(columns_in_all),
          tiles(up_to(n, LANES) / LANES),
          height(up_to(m, LANES)),
          exponentials(scratch.take<float>(tiles * height * LANES)),
          first(scratch.take<std::int32_t>(tiles)),
          last(scratch.take<std::int32_t>(tiles)),
          columns(scratch.take<float>(tiles * LANES)),
          rows(scratch.take<float>(height)),
          pairs(scratch.take<float>(height)),
          none(scratch.take<float>(height)),
          best(scratch.take<float>(height)) {}

    float* tile(long index) const { return exponentials + index * height * LANES; }
    bool reaches(long index, long row) const { return first[index] <= row && row < last[index]; }
    void span(long index, long from, long to) const {
        first[index] = static_cast<std::int32_t>(from / ROWS * ROWS);
        last[index] = static_cast<std::int32_t>(up_to(to, ROWS));
    }

    // Exponentials of a tile, by rows, and its columns; `score` gives powers of two.
    template <typename Score>
    void fill(long index, const Scores& own, const Above& above, const Score& score) const {
        const __mmask16 there = own.there(index);
        const float* next = own.values + index * LANES + first[index] * (own.n + 1);
        float* to = tile(index);
        const long end = last[index] < m ? last[index] : m;
        const __m512 never = _mm512_set1_ps(NEVER);
        const float* alone = own.alone() + index * LANES;
        __m512 sum = precise_power_of_two(above(_mm512_mask_loadu_ps(never, there, alone)));
        for (long i = first[index]; i < end; ++i, next += own.n + 1) {
            const __m512 own_score = _mm512_mask_loadu_ps(never, there, next);
            const __m512 power = precise_power_of_two(score(own_score, i));
            _mm512_store_ps(to + i * LANES, power);
            sum = _mm512_add_ps(sum, power);
        }
        for (long i = end; i < last[index]; ++i) {
            _mm512_store_ps(to + i * LANES, _mm512_setzero_ps());
        }
        const __m512 root = _mm512_sqrt_ps(_mm512_max_ps(sum, _mm512_set1_ps(TINY)));
        const __m512 column = _mm512_maskz_div_ps(there, _mm512_set1_ps(1.0f), root);
        _mm512_store_ps(columns + index * LANES, column);
    }

    // The rows, when all tiles are filled; with BEST also the largest of a row.
    template <bool BEST>
    void add_rows(const Scores& own, const Above& above) const {
        for (long i = 0; i < m; i += ROWS) add_some_rows<BEST>(i);
        for (long i = 0; i < m; i += LANES) {
            // rows: 1 / (p + e / sqrt(s)), s the sum of a row, p its weighed sum, e of no partner
            const __m512 floor = _mm512_set1_ps(TINY), one = _mm512_set1_ps(1.0f);
            const __m512 alone = precise_power_of_two(above(_mm512_load_ps(own.none + i)));
            const __m512 sum = _mm512_max_ps(_mm512_add_ps(_mm512_load_ps(rows + i), alone), floor);
            const __m512 own_part = _mm512_div_ps(alone, _mm512_sqrt_ps(sum));
            const __m512 total = _mm512_add_ps(_mm512_load_ps(pairs + i), own_part);
            const __m512 row = _mm512_div_ps(one, _mm512_max_ps(total, floor));
            _mm512_store_ps(rows + i, _mm512_maskz_mov_ps(lanes(m - i), row));
            _mm512_store_ps(none + i, _mm512_mul_ps(own_part, row));
        }
    }

    // Sums of rows, of rows times columns and, with BEST, the largest of these products.
    template <bool BEST>
    void add_some_rows(long from) const {
        __m512 of[LANES], most[ROWS];
        for (auto& sum : of) sum = _mm512_setzero_ps();
        for (auto& one : most) one = _mm512_setzero_ps();
        for (long index = 0; index < tiles; ++index) {
            if (!reaches(index, from)) continue;
            const __m512 column = _mm512_load_ps(columns + index * LANES);
            const float* next = tile(index) + from * LANES;
#pragma GCC unroll 8
            for (int row = 0; row < ROWS; ++row) {
                const __m512 power = _mm512_load_ps(next + row * LANES);
                of[row] = _mm512_add_ps(of[row], power);
                of[ROWS + row] = _mm512_fmadd_ps(power, column, of[ROWS + row]);
                if (BEST) most[row] = _mm512_max_ps(most[row], _mm512_mul_ps(power, column));
            }
        }
        const __m512 both = sums(of);
        _mm256_store_ps(rows + from, _mm512_castps512_ps256(both));
        _mm256_store_ps(pairs + from, _mm512_extractf32x8_ps(both, 1));
        for (int row = 0; BEST && row < ROWS; ++row) {
            best[from + row] = _mm512_reduce_max_ps(most[row]);
        }
    }

    // Of a row: what `best` is the largest of, in one column or in 16.
    __m512 products(long index, long row) const {
        return _mm512_mul_ps(
            _mm512_load_ps(tile(index) + row * LANES), _mm512_load_ps(columns + index * LANES));
    }
    float product(long row, long column) const {
        const long index = column / LANES;
        if (!reaches(index, row)) return 0.0f;
        return tile(index)[row * LANES + column % LANES] * columns[column];
    }

    // The first column with the largest product of a row; 0 where all are 0.
    std::int32_t best_column(long row) const {
        const __m512 most = _mm512_set1_ps(best[row]);
        for (long index = 0; index < tiles; ++index) {
            if (!reaches(index, row) || best[row] == 0.0f) continue;
            const __mmask16 same = _mm512_cmp_ps_mask(products(index, row), most, _CMP_EQ_OQ);
            if (same) return static_cast<std::int32_t>(index * LANES + __builtin_ctz(same));
        }
        return 0;
    }

    // Normalise scores that nothing is joined to.
    template <bool BEST>
    void normalise(const Scores& own, float largest) const {
        const Above above(1.0f, largest);
        for (long index = 0; index < tiles; ++index) {
            span(index, 0, m);
            fill(index, own, above, [&](__m512 score, long) { return above(score); });
        }
        add_rows<BEST>(own, above);
    }
};

}  // namespace trackbench::refinement
