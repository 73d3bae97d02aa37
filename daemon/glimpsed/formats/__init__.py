"""Each picture format once: is a file of it whole, how large is its picture, can it go out as it is.

Pure Python over lengths and markers, so it is safe on hostile bytes in the daemon's own process. `sniff` says which
format it is, by content; `whole` and `plain` ask that format's module. A module is written against `common.Read`, a
file that is read as little as its format allows, or against bytes that are there.
"""
