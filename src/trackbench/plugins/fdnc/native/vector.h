// Sixteen numbers of float32 at once: what the standard library has for one.
//
// Every file that includes this one is compiled for AVX-512 with BF16 and runs only where
// `processor.cpp` finds both.

#pragma once

#include <immintrin.h>

namespace trackbench {

constexpr int LANES = 16;

inline long up_to(long count, long step) { return (count + step - 1) / step * step; }

// The first `rest` lanes, all where more are left.
inline __mmask16 lanes(long rest) {
    return static_cast<__mmask16>(_bzhi_u32(0xffff, rest < LANES ? rest : LANES));
}

// 2^x to a part in 10^4, a twentieth of what bfloat16 keeps.
inline __m512 rough_power_of_two(__m512 x) {
    const __m512 rest = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 sum = _mm512_set1_ps(7.8024521e-2f);
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(2.2606716e-1f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(6.9583356e-1f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(9.9992520e-1f));
    return _mm512_scalef_ps(sum, x);
}

// 2^x to 2 units in the last place (minimax polynomial of degree 5 for what is above the whole
// number below); x below -150 gives 0.
inline __m512 precise_power_of_two(__m512 x) {
    const __m512 rest = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 sum = _mm512_set1_ps(1.8776586768e-3f);
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(8.9891375974e-3f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(5.5826492608e-2f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(2.4015355110e-1f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(6.9315308332e-1f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(sum, x);
}

// The natural logarithm; that of 0 is minus infinity. With x = 2^k y, y from 0.75 to 1.5, and
// s = (y - 1) / (y + 1): log y = 2 (s + s^3 / 3 + s^5 / 5 + ...).
inline __m512 logarithm(__m512 x) {
    const __m512 one = _mm512_set1_ps(1.0f);
    const __m512 y = _mm512_getmant_ps(x, _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_src);
    const __m512 k = _mm512_sub_ps(_mm512_getexp_ps(x), _mm512_getexp_ps(y));
    const __m512 s = _mm512_div_ps(_mm512_sub_ps(y, one), _mm512_add_ps(y, one));
    const __m512 square = _mm512_mul_ps(s, s);
    __m512 sum = _mm512_set1_ps(2.0f / 9);
    sum = _mm512_fmadd_ps(sum, square, _mm512_set1_ps(2.0f / 7));
    sum = _mm512_fmadd_ps(sum, square, _mm512_set1_ps(2.0f / 5));
    sum = _mm512_fmadd_ps(sum, square, _mm512_set1_ps(2.0f / 3));
    sum = _mm512_fmadd_ps(sum, square, _mm512_set1_ps(2.0f));
    return _mm512_fmadd_ps(k, _mm512_set1_ps(0.693147181f), _mm512_mul_ps(sum, s));
}

}  // namespace trackbench
