"""Large pages for the arrays of a step on a CPU.

Each step allocates all its arrays again. By default the C library has the operating
system give it every large one, cleared in pages of 4 kB, and returns it afterwards.
That is 15 % of the time of a train step of SlowOnly-R18 on two clips of 8x56x56, and
25 % of one of TSN-R50 on frames of 112x112.
"""

import ctypes
import os
import sys

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of malloc.h
_HUGE_PAGES = 14  # MADV_HUGEPAGE of mman.h
_PAGE = 2 << 20
_CHOSEN = ("MALLOC_", "GLIBC_TUNABLES")  # what a user has set stays


def use_large_pages() -> bool:
    """Has the C library keep freed memory, in pages of 2 MiB, where it is glibc.

    To be called before JAX starts its threads, which otherwise have heaps of their own.
    Address space for half of the machine's memory is reserved, but no memory is used
    before it is needed. Memory that was freed stays with the process, so a program's
    command may call this, but no library for it. What the user has chosen in the
    environment stays. Returns whether the pages are large now.
    """
    if sys.platform != "linux" or any(name.startswith(_CHOSEN) for name in os.environ):
        return False
    library = ctypes.CDLL(None)
    try:
        set_option = library.mallopt
    except AttributeError:  # another C library
        return False
    # One heap that grows in place and never shrinks, for all threads.
    for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1), (_ARENA_MAX, 1)):
        set_option(option, value)
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    library.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    start = library.malloc(size)
    if not start:  # a limit on address space
        return False
    first, end = -(-start // _PAGE) * _PAGE, start + size
    agreed = library.madvise(first, (end - first) // _PAGE * _PAGE, _HUGE_PAGES) == 0
    library.free(start)
    return agreed
