# How GPAW is compiled by `make gpaw` (read through GPAW_CONFIG): one process, real libxc, OpenBLAS and FFTW.
# ruff: noqa: F821
compiler = "gcc"
mpi = False
scalapack = False
fftw = True
libraries = ["xc", "openblas", "fftw3"]
extra_compile_args += ["-O3", "-march=native", "-std=c99", "-fPIC"]
