import pickle

from smad_jax.data import video_facts


def test_error_survives_pickling():
    error = pickle.loads(pickle.dumps(video_facts.VideoError("timeout", "too slow")))
    assert (error.reason, error.detail) == ("timeout", "too slow")
    assert str(error) == "timeout: too slow"
