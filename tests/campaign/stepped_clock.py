"""Run `meshregistry` with a wall clock that the campaign steps: `python -m tests.campaign.stepped_clock FILE …`.

All of Meshregistry reads the wall clock by `time.time`, which is replaced before anything of it is imported; FILE holds
how many seconds to add, as a double that may change at any moment. The monotonic clock is the machine's: stepping a
real machine's clock does not touch it either. Not stepped is what C code reads by itself: validity of certificates.
"""

import mmap
import os
import runpy
import struct
import sys
import time

_BYTES = 8
_real, _real_ns = time.time, time.time_ns


def main() -> None:
    """Step the clock, then be `meshregistry` with the other arguments."""
    path, sys.argv[1:] = sys.argv[1], sys.argv[2:]
    file = os.open(path, os.O_RDONLY)
    clock = mmap.mmap(file, _BYTES, access=mmap.ACCESS_READ)
    os.close(file)

    def offset_s() -> float:
        return float(struct.unpack_from("d", clock)[0])

    time.time = lambda: _real() + offset_s()
    time.time_ns = lambda: _real_ns() + int(offset_s() * 1e9)
    runpy.run_module("meshregistry", run_name="__main__")


if __name__ == "__main__":
    main()
