// What the loader asks before anything else. Compiled without the instructions that the other
// files need, so that it answers on every processor.

extern "C" {

// Hash of the sources that this library was built from.
const char* trackbench_sources() { return TRACKBENCH_SOURCES; }

// 1 where processor and system have all the instructions that the other files are compiled for.
int trackbench_supported() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
}

}  // extern "C"
