"""From a file's bytes to pictures that a model accepts.

`prepare.Images` is the front: what can go out as it is (`formats.plain`) is made ready in this process, since that needs
no decoder (a PNG or WebP is decoded once beside that, to see that it is whole); everything else goes to a child process (`worker`), where `decode`, `pdf`, `colour` and `encode`
do what `plan` works out.
"""
