// Sixteen numbers of float32 at once: what the standard library has for one.
//
// Every file that includes this one is compiled for AVX-512 with BF16 and runs only where
// `processor.cpp` finds both.

#pragma once

#include <immintrin.h>

namespace trackbench {

constexpr int LANES = 16;

// The first `count` lanes, 0 to 16.
inline __mmask16 lanes(long count) {
    return static_cast<__mmask16>(_bzhi_u32(0xffff, static_cast<unsigned>(count)));
}

// e^x to 2 units in the last place (Cody and Waite's reduction, minimax polynomial); x above 88
// gives infinity, below -104 gives 0.
inline __m512 exponential(__m512 x) {
    const __m512 bounded = _mm512_max_ps(_mm512_min_ps(x, _mm512_set1_ps(89.0f)), _mm512_set1_ps(-105.0f));
    const __m512 power = _mm512_roundscale_ps(
        _mm512_mul_ps(bounded, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 rest = _mm512_fnmadd_ps(power, _mm512_set1_ps(0.693359375f), bounded);
    rest = _mm512_fnmadd_ps(power, _mm512_set1_ps(-2.12194440e-4f), rest);
    __m512 sum = _mm512_set1_ps(1.9875691500e-4f);
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.3981999507e-3f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(8.3334519073e-3f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(4.1665795894e-2f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(1.6666665459e-1f));
    sum = _mm512_fmadd_ps(sum, rest, _mm512_set1_ps(5.0000001201e-1f));
    sum = _mm512_fmadd_ps(sum, _mm512_mul_ps(rest, rest), _mm512_add_ps(rest, _mm512_set1_ps(1.0f)));
    return _mm512_scalef_ps(sum, power);
}

}  // namespace trackbench
