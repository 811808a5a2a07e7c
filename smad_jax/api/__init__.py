"""What the commands do, as typed functions that a notebook can call.

Paths and arrays go in, dataclasses come out.
`smad_jax` itself offers them, as in `smad_jax.audit(...)`; docs/api.md shows them.
"""
