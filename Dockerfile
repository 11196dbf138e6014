# The container: one case from /input to /output (Grand Challenge "exec"). Build it with ./build.sh.
#
# BASE_IMAGE: any linux/amd64 image with Python 3.11 or newer and its venv module, or pip. One that has the PyTorch of
# requirements.txt keeps it; CUDA 12.6 is what Grand Challenge's T4 machines run.
ARG BASE_IMAGE=pytorch/pytorch:2.13.0-cuda12.6-cudnn9-runtime

# Stands for a folder of wheels to install from without a network: build.sh --wheelhouse FOLDER puts that in its place.
FROM scratch AS wheelhouse
COPY requirements.txt /

FROM ${BASE_IMAGE} AS runtime

# a fixed number, beyond those that base images give their own users
RUN groupadd --gid 10001 deepisles \
    && useradd --uid 10001 --gid deepisles --create-home --no-log-init deepisles

ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/cache/matplotlib \
    TORCH_HOME=/tmp/cache/torch

WORKDIR /opt/app
COPY requirements.txt ./

# An environment of its own, since newer systems forbid pip in theirs (PEP 668); it sees the base's packages. A base with
# pip may lack the module that puts pip into an environment, and the other way round.
RUN --mount=type=bind,from=wheelhouse,target=/wheelhouse \
    if python3 -m pip --version >/dev/null 2>&1; then without_pip=--without-pip; fi \
    && python3 -m venv --system-site-packages ${without_pip} /opt/venv \
    && if ls /wheelhouse/*.whl >/dev/null 2>&1; then offline="--no-index --find-links /wheelhouse"; fi \
    && python -m pip install --no-cache-dir --no-warn-script-location ${offline} --requirement requirements.txt

COPY pyproject.toml README.md LICENSE NOTICE process.py ./
COPY resources ./resources
COPY models ./models
COPY deepisles ./deepisles
RUN python -m pip install --no-cache-dir --no-index --no-deps --no-build-isolation --editable .

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="deepisles" \
      org.opencontainers.image.description="Acute ischemic stroke segmentation on MRI: the DeepISLES ensemble" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# reports name the revision, which there is no git to ask for here
RUN if [ "${REVISION}" != unknown ]; then echo "${REVISION}" > REVISION; fi

USER 10001:10001

# last, so that it is what a build without --target makes
FROM runtime AS exec
ENTRYPOINT ["/opt/venv/bin/python", "/opt/app/process.py"]
CMD []
