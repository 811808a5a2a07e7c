"""How long JAX took to compile, and whether it found the program in its cache."""

from jax import monitoring

# Parts of a program's way to the device; JAX reports each with its duration.
_PARTS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
_COMPILED = _PARTS[-1]
_FROM_CACHE = "/jax/compilation_cache/cache_retrieval_time_sec"


class Watch:
    """Listens to JAX meanwhile; the largest program is the one that was waited for."""

    def __init__(self) -> None:
        self._longest = dict.fromkeys(_PARTS, 0.0)
        self._cached = self._largest_cached = False

    def __enter__(self) -> "Watch":
        """Begins to listen."""
        monitoring.register_event_duration_secs_listener(self._hear)
        return self

    def __exit__(self, *unused: object) -> None:
        """Ends it."""
        monitoring.unregister_event_duration_listener(self._hear)

    def outcome(self) -> str:
        """Returns `compiled in 12 s` or `taken from the cache in 1.2 s`; or nothing."""
        if not self._longest[_COMPILED]:
            return ""
        seconds = sum(self._longest.values())
        what = "taken from the cache" if self._largest_cached else "compiled"
        return f"{what} in {seconds:.{int(seconds < 10)}f} s"

    def _hear(self, event: str, duration_secs: float, **unused: str | int) -> None:
        # Loading is reported within the compiling of its program, which ends after it.
        self._cached |= event == _FROM_CACHE
        if event in _PARTS and duration_secs > self._longest[event]:
            self._longest[event] = duration_secs
            if event == _COMPILED:
                self._largest_cached = self._cached
        if event == _COMPILED:
            self._cached = False
