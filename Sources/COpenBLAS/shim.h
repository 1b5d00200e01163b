#pragma once
#if __has_include(<cblas.h>)
#include <cblas.h>
#else
#error "cblas.h not found: sudo apt-get install libopenblas-dev liblapacke-dev"
#endif
