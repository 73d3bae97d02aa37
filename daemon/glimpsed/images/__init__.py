"""From a file's bytes to pictures that a model accepts.

`prepare.Images` is the front: what can go out as it is (`formats.plain`) never leaves the process, since that needs
no decoder; everything else goes to a child process (`worker`), where `decode`, `pdf`, `colour` and `encode`
do what `plan` works out.
"""
