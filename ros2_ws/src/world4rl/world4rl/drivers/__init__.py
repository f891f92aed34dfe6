"""The core's Protocols over the vendors' libraries."""
