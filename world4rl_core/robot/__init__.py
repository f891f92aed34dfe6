"""What a robot cell offers, without naming a vendor: Protocols, and a deterministic fake of each."""
