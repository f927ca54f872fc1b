# Build configuration of GPAW for `make gpaw` (read through GPAW_CONFIG): serial, with libxc, OpenBLAS and FFTW.
# ruff: noqa: F821
compiler = "gcc"
mpi = False
scalapack = False
fftw = True
libraries = ["xc", "openblas", "fftw3"]
extra_compile_args += ["-O3", "-march=native", "-std=c99", "-fPIC"]
