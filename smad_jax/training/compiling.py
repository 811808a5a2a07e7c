"""Where JAX keeps what it compiles, how long that took, and whether it was there."""

import os
import pathlib
import warnings

import jax
from jax import monitoring

# Parts of a program's way to the device; JAX reports each with its duration.
_PARTS = (
    "/jax/core/compile/jaxpr_trace_duration",
    "/jax/core/compile/jaxpr_to_mlir_module_duration",
    "/jax/core/compile/backend_compile_duration",
)
_COMPILED = _PARTS[-1]
_FOLDER = "jax_compilation_cache_dir"
_FROM_CACHE = "/jax/compilation_cache/cache_retrieval_time_sec"


def keep_programs() -> None:
    """Lets later processes start without compiling the same programs again.

    Programs are kept in `$JAX_COMPILATION_CACHE_DIR`, or else in the user's cache
    folder. If that cannot be written to, nothing is kept. JAX's own variables for the
    cache take precedence over the values here.
    """
    # A full disk costs a later run some seconds; that is no reason to warn.
    failures = "Error (?:read|writ)ing persistent compilation cache"
    warnings.filterwarnings("ignore", failures)
    # Even the smallest: some fifty that draw a network's parameters take a second.
    smallest = ("min_compile_time_secs", "min_entry_size_bytes")
    for name in (f"jax_persistent_cache_{limit}" for limit in smallest):
        if name.upper() not in os.environ:
            jax.config.update(name, 0)
    if getattr(jax.config, _FOLDER) is None and (folder := _cache_folder()):
        jax.config.update(_FOLDER, folder)


def _cache_folder() -> str:
    """Returns the user's folder of programs; empty if it cannot be written to."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        # XDG's specification has a relative path ignored.
        own = os.path.isabs(root)
        caches = pathlib.Path(root) if own else pathlib.Path.home() / ".cache"
        folder = caches / "smad_jax" / "programs"
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # the latter for a user without a home
        return ""
    return str(folder) if os.access(folder, os.W_OK) else ""


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
