# The kit as an image: the locked environment, the code, and what it was built from. No build step needs git or a GPU.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

# --- The locked environment. It changes with uv.lock alone; everything below it takes seconds.
FROM ${PYTHON_IMAGE} AS environment
ARG UV_VERSION=0.13.9
# A mirror of the package index, if any; the lock's hashes hold for its files too.
ARG PIP_INDEX_URL
ARG UV_DEFAULT_INDEX
RUN python -m pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore "uv==${UV_VERSION}"
ENV VIRTUAL_ENV=/opt/venv \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_PYTHON_DOWNLOADS=never \
    PATH=/opt/venv/bin:$PATH
WORKDIR /kit
COPY pyproject.toml uv.lock ./
COPY docker/locked.sh docker/
RUN uv venv --quiet "${VIRTUAL_ENV}" && docker/locked.sh --extra embedded --extra cluster --extra container

# --- The code, and a stamp of what it was built from. A folder .git is welcome, and not needed.
FROM environment AS code
COPY pyproject.toml .gi[t] /git/
COPY CITATION.cff LICENSE README.md ./
COPY docker docker/
COPY figures figures/
COPY repro repro/
RUN python docker/stamp.py /git . >/image.json \
    && mv /image.json . \
    && python -m compileall -q figures repro \
    && chmod --recursive a+rX .

# --- The image.
FROM ${PYTHON_IMAGE} AS kit
ARG PYTHON_IMAGE
ARG UID=1000
ARG GID=1000
LABEL org.opencontainers.image.title="additional-positive" \
      org.opencontainers.image.description="Reproduction kit: BYOL with an additional positive chosen by pairwise TracIn" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.documentation="/kit/README.md" \
      org.opencontainers.image.base.name="${PYTHON_IMAGE}"

# Folders that volumes begin as, with their owners: anybody may use the kit's; MongoDB's user is 999 in its own image.
RUN groupadd --gid "${GID}" kit \
    && useradd --uid "${UID}" --gid "${GID}" --no-create-home --home-dir /tmp --shell /usr/sbin/nologin kit \
    && install --directory --mode 1777 /kit /kit/data /kit/results /kit/runs \
    && install --directory --owner 999 --group 999 \
        /data/db /run/passwords/admin /run/passwords/kit /run/passwords/viewer

COPY --from=environment /opt/venv /opt/venv
# HOME and USER hold for whatever user the container is told to run as.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    USER=kit \
    OMP_WAIT_POLICY=PASSIVE \
    PYTHONUNBUFFERED=1 \
    TORCH_HOME=/kit/runs/torch
WORKDIR /kit
COPY --from=code /kit /kit

USER ${UID}:${GID}
# Is the run database that the container was told of there? (Without one: the embedded one.)
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s --retries=3 CMD ["python", "-m", "repro.db", "ping"]
ENTRYPOINT ["dumb-init", "--", "docker/entrypoint.sh"]
CMD ["docker/study.sh"]
