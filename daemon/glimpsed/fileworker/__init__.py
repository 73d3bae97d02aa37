"""File work of busy folders in a process beside the daemon.

A thread's system call lets go of Python's one interpreter lock, and has to win it back from a busy event loop,
often on another core. For the 40 calls that an image takes, that was a quarter of all its CPU, and kept the
loop from its requests: 200 images a second where the API took 310 (`make bench ROWS="throughput cpu"`). A
process has a lock of its own.

So while there is much to do on local disks, the plain case of both ends of a file's story is done there: an
image without sidecars is read, new sidecars are written. Whatever is not plain, or takes too long, or comes
when there is no worker, is left to the folder's own threads, which know about everything.
"""
