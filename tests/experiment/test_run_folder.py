from smad_jax import aspect_table
from smad_jax.experiment import run_folder


def test_run_is_named_after_config_argument_and_smoke():
    assert run_folder.run_name("configs/slowonly_smad.py", "") == "slowonly_smad"
    name = run_folder.run_name("slowonly_smad.py", "k200db,saar=off", smoke=True)
    assert name == "slowonly_smad-k200db-saar-off-smoke"


def test_labels_are_read_as_they_were_written(tmp_path):
    assert run_folder.read_labels(tmp_path) is None
    scene = aspect_table.Aspect("scene", "soft", 3, "test")
    labels = run_folder.Labels(("walk", "wave"), {"scene": scene})
    run_folder.write_labels(tmp_path, labels)
    assert run_folder.read_labels(tmp_path) == labels
