"""Text on pages: where lines are, which way up they lie, what they say, and in which order they are read.

`layout` makes the text of a page from boxes, with `order` (columns) and `rows` (lines and tables); all three are pure and
serve PDF pages' own text as well. `rapid_worker` and `tesseract_worker` are the programs of the engines' processes, `reader` is
what the first does with a page, `recognition` and `cuts` with a line, `page` what it answers, `strange` whether it knows the script, `blank` whether anything is on it; `scripts` and `tsv` are about the second one. Nothing of the daemon is imported here: the processes start sooner.
"""
