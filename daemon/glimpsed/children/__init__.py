"""Processes of our own beside the daemon: what may crash, hang, leak or be taken over by what it reads.

One protocol for all that stay. `program` is the child's side, `child` the daemon's: a question with a file in, an
answer with bytes out. `pool` keeps some of them for one kind of work: started when there is any, let go when there
is none, replaced when they die. Nothing is left behind on a disk, and no child outlives the daemon.

`messenger` needs none of that: it sends one message, and ends.
"""
