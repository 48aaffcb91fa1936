// What queries meet of a cloud: its keys and values.

#pragma once

#include "products.h"

namespace trackbench::networks {

// Features of a head. They stand together; rotation mixes i and i + 16.
constexpr long HEAD = 32;

// For every head, keys packed as the right side of a product of `padded` columns, then values
// packed as that of `padded` rows.
struct Memory {
    Half* keys;
    Half* values;
    long count, padded;

    Memory(Half* place, long points, long width)
        : keys(place),
          values(place + up_to(points, LANES) * width),
          count(points),
          padded(up_to(points, LANES)) {}

    // Numbers that it takes.
    static long size(long points, long width) { return 2 * up_to(points, LANES) * width; }

    Half* keys_of(long head) const { return keys + head * padded * HEAD; }
    Half* values_of(long head) const { return values + head * padded * HEAD; }
};

// Turn 16 x 16 pairs over: row i of `from` (stride in numbers) becomes column i of `to`.
inline void transpose_pairs(const Half* from, long stride, Half* to, long to_stride) {
    __m512i rows[LANES], mixed[LANES];
    for (int i = 0; i < LANES; ++i) rows[i] = _mm512_loadu_si512(from + i * stride);
    for (int i = 0; i < LANES; i += 2) {
        mixed[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
        mixed[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
    }
    for (int i = 0; i < LANES; i += 4) {
        for (int j = 0; j < 2; ++j) {
            rows[i + 2 * j] = _mm512_unpacklo_epi64(mixed[i + j], mixed[i + j + 2]);
            rows[i + 2 * j + 1] = _mm512_unpackhi_epi64(mixed[i + j], mixed[i + j + 2]);
        }
    }
    // now rows[4 g + c] holds, in 128-bit lane l, column 4 l + c of rows 4 g .. 4 g + 3
    for (int c = 0; c < 4; ++c) {
        const __m512i low = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0x88);
        const __m512i high = _mm512_shuffle_i32x4(rows[c], rows[4 + c], 0xdd);
        const __m512i low_after = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0x88);
        const __m512i high_after = _mm512_shuffle_i32x4(rows[8 + c], rows[12 + c], 0xdd);
        const __m512i columns[4] = {
            _mm512_shuffle_i32x4(low, low_after, 0x88),
            _mm512_shuffle_i32x4(high, high_after, 0x88),
            _mm512_shuffle_i32x4(low, low_after, 0xdd),
            _mm512_shuffle_i32x4(high, high_after, 0xdd)};
        for (int l = 0; l < 4; ++l) _mm512_storeu_si512(to + (4 * l + c) * to_stride, columns[l]);
    }
}

// A head's features of rows (padded, stride), of bfloat16, to its packed keys.
inline void pack_keys(const Half* from, long stride, const Memory& to, long head) {
    for (long key = 0; key < to.padded; key += LANES) {
        const long panel = key / PANEL * PANEL;
        const long columns = to.padded - panel < PANEL ? to.padded - panel : PANEL;
        Half* place = to.keys_of(head) + panel * HEAD + 2 * (key - panel);
        transpose_pairs(from + key * stride, stride, place, 2 * columns);
    }
}

// Rows first .. last - 1, both even, of `from` (padded, width) to packed values.
inline void pack_values(const float* from, long width, const Memory& to, long first, long last) {
    std::uint16_t places[2 * LANES];
    for (int i = 0; i < LANES; ++i) {
        places[2 * i] = static_cast<std::uint16_t>(i);
        places[2 * i + 1] = static_cast<std::uint16_t>(LANES + i);
    }
    const __m512i order = _mm512_loadu_si512(places);
    for (long key = first; key < last; key += 2) {
        for (long i = 0; i < width; i += LANES) {
            const __m512 even = _mm512_loadu_ps(from + key * width + i);
            const __m512 odd = _mm512_loadu_ps(from + (key + 1) * width + i);
            const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(odd, even);
            Half* place = to.values_of(i / HEAD) + key * HEAD + i % HEAD * 2;
            _mm512_storeu_si512(place, _mm512_permutexvar_epi16(order, both));
        }
    }
}

}  // namespace trackbench::networks
