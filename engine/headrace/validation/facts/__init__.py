"""Facts: what a table shows by itself, without a schema and without a reference.

`find_facts` names rows that miss several columns together and what follows from what (kinds `missing`,
`missing_together`), columns that hold a local clock and the hours at which it was moved (`local_clock`),
rows that repeat (`duplicated_rows`) and columns that never change (`constant`).
A fact is no fault: it is what a person should know before declaring a schema.
"""

from headrace.validation.facts.finding import find_facts as find_facts

__all__ = ["find_facts"]
