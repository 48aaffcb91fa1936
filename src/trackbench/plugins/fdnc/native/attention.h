// Attention of a cloud's points to one another and to those of another cloud.

#pragma once

#include "memory.h"
#include "norms.h"

namespace trackbench::networks {

// Normalise queries or keys and turn them; `factors` (a head each) may be null.
inline void turn(
    const float* from, long rows, long width, const float* turns, const float* factors, Half* to) {
    for (long row = 0; row < rows; ++row) {
        const __m512 cosine = _mm512_loadu_ps(turns + row * HEAD);
        const __m512 sine = _mm512_loadu_ps(turns + row * HEAD + LANES);
        const Spread its = spread(from + row * width, width);
        for (long i = 0; i < width; i += HEAD) {
            const float factor = factors == nullptr ? 1.0f : factors[i / HEAD];
            const Spread scaled{its.mean, its.inverse * factor};
            const __m512 first = normal(from + row * width + i, scaled);
            const __m512 second = normal(from + row * width + i + LANES, scaled);
            const __m512 low = _mm512_fnmadd_ps(second, sine, _mm512_mul_ps(first, cosine));
            const __m512 high = _mm512_fmadd_ps(second, cosine, _mm512_mul_ps(first, sine));
            store_half(to + row * width + i, low);
            store_half(to + row * width + i + LANES, high);
        }
    }
}

// Powers of two of ROWS queries' scores with all keys, to `to` (ROWS, stride); sums are added up.
inline void weigh(
    const Left& queries, const Memory& memory, long head, Half* to, long stride,
    __m512 (&sums)[ROWS]) {
    const auto give = [&](long row, long key, __m512 score) {
        const __mmask16 there = lanes(memory.count - key);
        const __m512 power = _mm512_maskz_mov_ps(there, rough_power_of_two(score));
        sums[row] = _mm512_add_ps(sums[row], power);
        store_half(to + row * stride + key, power);
    };
    product(queries, ROWS, HEAD, memory.keys_of(head), memory.padded, give);
}

// Mean values of own and other keys, weighed by the exponentials of their scores; `weights` has
// room for ROWS queries and all keys.
inline void attend(
    const Half* queries, long rows, long width, const Memory& own, const Memory* other,
    Half* weights, Half* to) {
    const long before = other == nullptr ? 0 : other->padded;
    const long stride = before + own.padded;
    for (long head = 0; head < width / HEAD; ++head) {
        for (long row = 0; row < rows; row += ROWS) {
            const Left query{queries + row * width + head * HEAD, width};
            __m512 totals[ROWS];
            for (auto& total : totals) total = _mm512_setzero_ps();
            __m512 sums[ROWS][2];
            for (auto& pair : sums) pair[0] = pair[1] = _mm512_setzero_ps();
            if (other != nullptr) {
                weigh(query, *other, head, weights, stride, totals);
                multiply_add<2>(sums, {weights, stride}, other->values_of(head), before);
            }
            weigh(query, own, head, weights + before, stride, totals);
            multiply_add<2>(sums, {weights + before, stride}, own.values_of(head), own.padded);
            for (long i = 0; i < ROWS; ++i) {
                const __m512 inverse = _mm512_set1_ps(1.0f / _mm512_reduce_add_ps(totals[i]));
                Half* place = to + (row + i) * width + head * HEAD;
                store_half(place, _mm512_mul_ps(sums[i][0], inverse));
                store_half(place + LANES, _mm512_mul_ps(sums[i][1], inverse));
            }
        }
    }
}

}  // namespace trackbench::networks
