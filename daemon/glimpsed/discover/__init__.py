"""Discovery: every complete file of a folder is offered to the ledger, once (DESIGN 2, 5 and 8).

`watch` is one folder's story over what all about it share (`site`): `scanning` has `walk` list it and `reconcile`
compare that with the ledger (`first` sight, `rows`), `settler` has files looked at (`scan`) until they are complete
(`settle`, pure). `events` (watchdog, over `inotify`) hint; `hearing` keeps them alive for all folders. `filters` say
what is looked at, `mounts` how a folder can be watched, `depth` how far down; `state` and `telling` tell how it goes.
"""
