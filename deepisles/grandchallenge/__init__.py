"""The container's face on grand-challenge.org: sockets, inputs.json, one case in and out."""
