# The complete workflow with its pinned packages, run as an unprivileged user; see docs/cluster.md, "Containers".
#   docker build --tag ccdcgan .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" ccdcgan --cores all --config system=Bi-Se
FROM python:3.11-slim-bookworm

ENV LC_ALL=C.UTF-8 PYTHONNOUSERSITE=1 PYTHONDONTWRITEBYTECODE=1 XDG_CACHE_HOME=/tmp/cache MPLCONFIGDIR=/tmp/matplotlib

COPY requirements.txt /opt/ccdcgan/
RUN python -m pip install --no-cache-dir --disable-pip-version-check --requirement /opt/ccdcgan/requirements.txt

COPY Snakefile config.yaml /opt/ccdcgan/
COPY rules /opt/ccdcgan/rules
COPY schemas /opt/ccdcgan/schemas
COPY envs /opt/ccdcgan/envs
COPY presets /opt/ccdcgan/presets
COPY profiles /opt/ccdcgan/profiles
COPY report /opt/ccdcgan/report
COPY workflow_scripts /opt/ccdcgan/workflow_scripts

RUN useradd --create-home --uid 1000 crystals && mkdir /work && chown crystals /work
USER crystals
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/ccdcgan/Snakefile"]
