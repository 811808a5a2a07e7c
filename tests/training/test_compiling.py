import pathlib
import warnings

import jax
import jax.numpy as jnp
import pytest
from jax.experimental.compilation_cache import compilation_cache

from smad_jax.training import compiling

FOLDER = "jax_compilation_cache_dir"
SECONDS = "jax_persistent_cache_min_compile_time_secs"
SIZE = "jax_persistent_cache_min_entry_size_bytes"


@pytest.fixture
def user(tmp_path, monkeypatch):
    """A user with a home and none of JAX's variables; JAX is as it was afterwards."""
    before = {name: getattr(jax.config, name) for name in (FOLDER, SECONDS, SIZE)}
    for name in before:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    jax.config.update(FOLDER, None)
    compilation_cache.reset_cache()
    yield tmp_path
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


def compile_something():
    jax.clear_caches()
    jax.jit(lambda x: jnp.sort(x) @ x.T)(jnp.ones((7, 7)))


def test_the_smallest_program_is_kept_in_the_users_cache_folder(user):
    compiling.keep_programs()
    compile_something()
    assert list((user / ".cache" / "smad_jax" / "programs").glob("*-cache"))


@pytest.mark.parametrize("place", ["absolute", "relative"])
def test_a_cache_folder_of_the_users_own_must_be_absolute(user, monkeypatch, place):
    own = {"absolute": user / "own", "relative": pathlib.Path("own")}[place]
    monkeypatch.setenv("XDG_CACHE_HOME", str(own))
    compiling.keep_programs()
    parent = own if place == "absolute" else user / ".cache"
    assert getattr(jax.config, FOLDER) == str(parent / "smad_jax/programs")


def test_jaxs_own_settings_take_precedence(user, monkeypatch):
    jax.config.update(FOLDER, str(user / "jax"))
    jax.config.update(SECONDS, 3.0)
    monkeypatch.setenv(SECONDS.upper(), "3")
    compiling.keep_programs()
    assert getattr(jax.config, FOLDER) == str(user / "jax")
    assert getattr(jax.config, SECONDS) == 3.0
    assert getattr(jax.config, SIZE) == 0
    assert not (user / ".cache").exists()


def test_without_a_folder_to_write_to_nothing_is_kept_and_nothing_warns(user):
    (user / ".cache").write_text("a file in its place")
    compiling.keep_programs()
    assert getattr(jax.config, FOLDER) is None
    compile_something()  # any warning would be an error


def test_a_disk_that_fills_up_does_not_warn(user):
    compiling.keep_programs()
    folder = user / ".cache" / "smad_jax" / "programs"
    folder.rmdir()
    folder.write_text("a file in its place")
    compile_something()
    with warnings.catch_warnings(), pytest.warns(UserWarning, match="persistent"):
        warnings.simplefilter("always")  # what was left out: the failure is real
        compilation_cache.reset_cache()
        compile_something()
