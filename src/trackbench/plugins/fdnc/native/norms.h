// Layer normalisation.

#pragma once

#include "halves.h"

namespace trackbench::networks {

constexpr float NORM_EPSILON = 1e-5f;

struct Spread {
    float mean, inverse;
};

inline Spread spread(const float* row, long width) {
    __m512 sum = _mm512_setzero_ps();
    for (long i = 0; i < width; i += LANES) sum = _mm512_add_ps(sum, _mm512_loadu_ps(row + i));
    const float mean = _mm512_reduce_add_ps(sum) / static_cast<float>(width);
    __m512 squares = _mm512_setzero_ps();
    for (long i = 0; i < width; i += LANES) {
        const __m512 off = _mm512_sub_ps(_mm512_loadu_ps(row + i), _mm512_set1_ps(mean));
        squares = _mm512_fmadd_ps(off, off, squares);
    }
    const float variance = _mm512_reduce_add_ps(squares) / static_cast<float>(width);
    return {mean, 1.0f / __builtin_sqrtf(variance + NORM_EPSILON)};
}

inline __m512 normal(const float* from, const Spread& its) {
    const __m512 off = _mm512_sub_ps(_mm512_loadu_ps(from), _mm512_set1_ps(its.mean));
    return _mm512_mul_ps(off, _mm512_set1_ps(its.inverse));
}

// What normalised features are multiplied with and what is added.
struct Norm {
    const float *weight, *bias;

    __m512 operator()(__m512 value, long feature) const {
        const __m512 factor = _mm512_loadu_ps(weight + feature);
        return _mm512_fmadd_ps(value, factor, _mm512_loadu_ps(bias + feature));
    }
};

// Rows, normalised, to bfloat16; `norm` may be null.
inline void normalise(const float* from, long rows, long width, const Norm* norm, Half* to) {
    for (long row = 0; row < rows; ++row, from += width, to += width) {
        const Spread its = spread(from, width);
        for (long i = 0; i < width; i += LANES) {
            const __m512 value = normal(from + i, its);
            store_half(to + i, norm == nullptr ? value : (*norm)(value, i));
        }
    }
}

// One row, in place and in float32.
inline void normalise_in_place(float* row, long width, const Norm& norm) {
    const Spread its = spread(row, width);
    for (long i = 0; i < width; i += LANES) {
        _mm512_storeu_ps(row + i, norm(normal(row + i, its), i));
    }
}

}  // namespace trackbench::networks
