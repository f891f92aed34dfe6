"""Speed and memory; each module prints one JSON line."""
