// Points to tokens, and to the angles by which their queries and keys are turned.

#pragma once

#include "vector.h"

namespace trackbench::networks {

constexpr long AXES = 3;
constexpr float UNIT_UM = 40.0f;  // of positions in the embedding

// Weights of `attention.Embedding`, and frequencies of `attention.Rotary`.
struct Embedding {
    const float* waves;  // (3, 16): waves per um of the embedding's angles, an axis a row
    const float* turns;  // (3, 16): of the rotation's
    const float* embed;  // (3 + 16 + 16, width): of positions, sines, cosines
};

// Sine and cosine of whole turns: polynomials over half a turn to either side.
inline void sine_cosine(__m512 turns, __m512& sine, __m512& cosine) {
    const __m512 x = _mm512_reduce_ps(turns, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    const __m512 square = _mm512_mul_ps(x, x);
    constexpr float odd[] = {3.19969285f,  -14.86861039f, 42.01616565f, -76.70155115f,
                             81.60502462f, -41.34169707f, 6.28318527f};
    constexpr float even[] = {6.52960846f,  -25.96831196f, 60.16783139f, -85.45016551f,
                              64.93911898f, -19.73920453f, 0.99999999f};
    sine = _mm512_set1_ps(odd[0]);
    cosine = _mm512_set1_ps(even[0]);
    for (int i = 1; i < 7; ++i) {
        sine = _mm512_fmadd_ps(sine, square, _mm512_set1_ps(odd[i]));
        cosine = _mm512_fmadd_ps(cosine, square, _mm512_set1_ps(even[i]));
    }
    sine = _mm512_mul_ps(sine, x);
}

inline __m512 angles(const float* point, const float* waves) {
    __m512 sum = _mm512_setzero_ps();
    for (long axis = 0; axis < AXES; ++axis) {
        const __m512 wave = _mm512_loadu_ps(waves + axis * LANES);
        sum = _mm512_fmadd_ps(_mm512_set1_ps(point[axis]), wave, sum);
    }
    return sum;
}

// Token (width) and turns (cosines, sines) of one point; bias (width).
inline void embed(
    const Embedding& weights, long width, const float* bias, const float* point, float* token,
    float* turns) {
    float raw[AXES + 2 * LANES];
    for (long axis = 0; axis < AXES; ++axis) raw[axis] = point[axis] / UNIT_UM;
    __m512 sine, cosine;
    sine_cosine(angles(point, weights.waves), sine, cosine);
    _mm512_storeu_ps(raw + AXES, sine);
    _mm512_storeu_ps(raw + AXES + LANES, cosine);
    for (long i = 0; i < width; i += LANES) {
        __m512 sum = _mm512_loadu_ps(bias + i);
        for (long k = 0; k < AXES + 2 * LANES; ++k) {
            const __m512 weight = _mm512_loadu_ps(weights.embed + k * width + i);
            sum = _mm512_fmadd_ps(_mm512_set1_ps(raw[k]), weight, sum);
        }
        _mm512_storeu_ps(token + i, sum);
    }
    sine_cosine(angles(point, weights.turns), sine, cosine);
    _mm512_storeu_ps(turns, cosine);
    _mm512_storeu_ps(turns + LANES, sine);
}

}  // namespace trackbench::networks
