from smad_jax.base import aspect_table
from smad_jax.experiment import run_labels


def test_labels_are_read_as_they_were_written(tmp_path):
    assert run_labels.read(tmp_path) is None
    scene = aspect_table.Aspect("scene", "soft", 3, "test")
    labels = run_labels.Labels(("walk", "wave"), {"scene": scene})
    run_labels.write(tmp_path, labels)
    assert run_labels.read(tmp_path) == labels
