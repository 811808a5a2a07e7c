from smad_jax.experiment import run_folder


def test_run_is_named_after_config_argument_and_smoke():
    assert run_folder.run_name("configs/slowonly_smad.py", "") == "slowonly_smad"
    name = run_folder.run_name("slowonly_smad.py", "k200db,saar=off", smoke=True)
    assert name == "slowonly_smad-k200db-saar-off-smoke"
