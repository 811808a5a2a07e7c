"""Files to batches of NumPy arrays (App. C); nothing here imports JAX.

Reading order: `records` (the stored form), `catalog` (data sets and splits), `video`
(encoded bytes to frames), `sampling` (which frames), `transforms` (crops and flips),
`pipeline` (the stream of batches).
"""
