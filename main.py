"""Trains and tests one experiment, as `python -m smad_jax train` does.

    python main.py --config configs/slowonly_smad.py
    python main.py --config configs/slowonly_smad.py:k200db --distributed
    python main.py --config configs/slowonly_smad.py --config.seed=3 --smoke

The same command resumes a run where it stopped.
"""

from smad_jax.commands import train

if __name__ == "__main__":
    train.main()
