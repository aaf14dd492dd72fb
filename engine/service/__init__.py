"""The engine's face: an HTTP API on a Unix socket.

`endpoints` is its one table; `routes` serves it, `openapi` documents it, `console.engine_client` asks it.
"""
