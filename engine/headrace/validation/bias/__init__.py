"""Bias: who is in the table, how they are labelled, and which columns stand in for who they are.

`representation` gives each group of a declared sensitive column its share and its label rate with intervals, and names
groups that are too small to say anything about; `proxies` finds columns that predict the sensitive one. What follows
from it is for people: nothing here stops a run.
"""

from headrace.validation.bias.intervals import difference_interval as difference_interval
from headrace.validation.bias.intervals import rate_interval as rate_interval
from headrace.validation.bias.proxies import Proxy as Proxy
from headrace.validation.bias.proxies import ProxyReport as ProxyReport
from headrace.validation.bias.proxies import proxies as proxies
from headrace.validation.bias.representation import Group as Group
from headrace.validation.bias.representation import Representation as Representation
from headrace.validation.bias.representation import representation as representation

__all__ = [
    "Group",
    "Proxy",
    "ProxyReport",
    "Representation",
    "difference_interval",
    "proxies",
    "rate_interval",
    "representation",
]
