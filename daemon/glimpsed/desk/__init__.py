"""An operator's desk: what is going on, what a step will cost, and the step. Commands and the live page stand on it.

`desk` names folders and files, `snapshot` tells what goes on, `rates` how quickly, `forecast` what something will cost,
`orders` what is to be asked again, `pages` a page of that, `answers` what was answered, `deeds` does what is done at
once, `trying` asks models and writes nothing.
"""

from __future__ import annotations

from glimpsed.desk.desk import Desk, chosen, files, folder_named, keys_of

__all__ = ["Desk", "chosen", "files", "folder_named", "keys_of"]
