# The container: one case from /input to /output. Build it with ./build.sh. Two targets that differ in how they are run:
#   exec     once per case (what Grand Challenge does with an image that has no label)
#   invoke   as a server that loads the networks once and segments a case per request (with the label)
#
# BASE_IMAGE: any linux/amd64 image with Python 3.11 or newer and its venv module, or pip. One that has the PyTorch of
# requirements.txt keeps it; CUDA 12.6 is what Grand Challenge's T4 machines run.
ARG BASE_IMAGE=pytorch/pytorch:2.13.0-cuda12.6-cudnn9-runtime

# Stands for a folder of wheels to install from without a network: build.sh --wheelhouse FOLDER puts that in its place.
FROM scratch AS wheelhouse
COPY requirements.txt /

FROM ${BASE_IMAGE} AS packages

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

# What is installed, as a list for machines (CycloneDX) and with every licence for people; its tool stays in this stage.
FROM packages AS inventory
COPY requirements-inventory.txt pyproject.toml tools/write_notices.py ./
RUN --mount=type=bind,from=wheelhouse,target=/wheelhouse \
    if ls /wheelhouse/*.whl >/dev/null 2>&1; then offline="--no-index --find-links /wheelhouse"; fi \
    && python3 -m venv --without-pip /opt/inventory \
    && python -m pip --python /opt/inventory/bin/python install --no-cache-dir --no-warn-script-location ${offline} \
        --requirement requirements-inventory.txt \
    && mkdir /inventory \
    && /opt/inventory/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
        --output-format JSON --output-file /inventory/sbom.cdx.json /opt/venv/bin/python \
    && python write_notices.py /inventory/THIRD_PARTY_NOTICES.txt

FROM packages AS runtime
COPY --from=inventory /inventory/ ./
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

FROM runtime AS invoke
LABEL org.grand-challenge.api-method="invoke"
EXPOSE 4743
ENTRYPOINT ["/opt/venv/bin/deepisles", "serve"]
CMD []

# last, so that it is what a build without --target makes
FROM runtime AS exec
ENTRYPOINT ["/opt/venv/bin/python", "/opt/app/process.py"]
CMD []
