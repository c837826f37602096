"""Recognise what speaks at a broker: pure, as the payload dialects are.

    messages ─▶ content ─▶ heard (a record for each topic) ─┐
        └─▶ registries (what others say of their sensors) ──┴▶ voices ─▶ streams ─▶ page (a tidegate.toml)

`edge/discovery.py` does the listening and the writing.
"""
