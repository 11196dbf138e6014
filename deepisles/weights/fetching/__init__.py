"""Fetching the published weights: download, check, unpack, import. Only this room uses the network, only when asked."""
