"""The one door to files.

`files` reads and follows no link, `temporary` makes what is whole before it has its name, `names` gives, exchanges and
takes names away without loss. All of it may hang with the file system that it is about, and is called in a lane of
threads (`glimpsed.blocking`).
"""
