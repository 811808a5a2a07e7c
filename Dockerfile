# Installs the project and runs the demo:
#   docker build --tag smad_jax .
#   docker run --rm --volume "$PWD/runs:/smad_jax/runs" smad_jax
FROM python:3.11-slim-bookworm
ENV PIP_NO_CACHE_DIR=1 PYTHONUNBUFFERED=1
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /smad_jax
# Before the code, so that a change of the code does not install everything again.
COPY Makefile requirements.txt ./
RUN make .venv/.ready
COPY . .
# The copied requirements.txt must not look newer than what was installed from it.
RUN touch .venv/.ready
CMD ["make", "demo"]
