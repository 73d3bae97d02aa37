"""Answers as a table: one row a file, a column for each field; pure but for the file that is written.

`table` turns answers into rows and finds the columns, `write` puts them into CSV, JSON lines, SQLite or a workbook.
Rows are spooled to a file without a name, so that memory does not grow with them.
"""
