"""Which provider ONNX Runtime really gave each node of a graph to: asked of the library, never assumed."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_SUFFIX = "_kernel_time"
STRICT = "session.disable_cpu_ep_fallback"
"""With "1" a session is not created where a node would land on the CPU, or where the provider does not load."""


def nodes_by_provider(profile: Path) -> Mapping[str, int]:
    """Nodes by provider, of a profile that a session wrote over at least one run.

    Args:
        profile: the JSON file that `InferenceSession.end_profiling` names.
    """
    providers: dict[str, str] = {}
    for event in json.loads(profile.read_text(encoding="utf-8")):
        if event.get("cat") == "Node" and event.get("name", "").endswith(_SUFFIX):
            arguments: Mapping[str, Any] = event.get("args", {})
            node = f"{arguments.get('node_index', '')} {event['name'].removesuffix(_SUFFIX)}"
            providers[node] = str(arguments.get("provider", "unknown"))
    return dict(Counter(providers.values()).most_common())


def strangers(nodes: Mapping[str, int], provider: str) -> str:
    """What runs elsewhere than on a provider, in words; empty where nothing does."""
    others = {name: count for name, count in nodes.items() if name != provider}
    if not nodes:
        return f"no node of the graph was seen to run on {provider}"
    listed = ", ".join(f"{count} on {name}" for name, count in others.items())
    return f"nodes of the graph are not on {provider}: {listed}" if others else ""


def in_words(nodes: Mapping[str, int]) -> str:
    """Nodes by provider as ModelConfig and the log show them."""
    return ", ".join(f"{name} {count}" for name, count in nodes.items())
