#pragma once
#if __has_include(<lapacke.h>)
#include <lapacke.h>
#else
#error "lapacke.h not found: sudo apt-get install libopenblas-dev liblapacke-dev"
#endif
