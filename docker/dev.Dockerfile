# For work on the kit (.devcontainer): its image, with all of its tools, git and make.
FROM additional-positive:0.2.0
USER 0
RUN apt-get update \
    && apt-get install --yes --no-install-recommends "git=1:2.39.*" "make=4.3-*" \
    && rm -rf /var/lib/apt/lists/*
ARG UV_VERSION=0.13.9
RUN /usr/local/bin/python -m pip install --no-cache-dir --root-user-action=ignore "uv==${UV_VERSION}" \
    && export VIRTUAL_ENV=/opt/venv UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never \
    && docker/locked.sh --all-extras \
    && uv pip install pip "uv==${UV_VERSION}" \
    && usermod --home /home/kit --shell /bin/bash kit \
    && install --directory --mode 1777 /home/kit \
    && install --mode 666 /dev/null /opt/venv/.synced \
    && chmod a+w /opt/venv
# make uses this environment, not one in the checkout; whoever works in it may be any user.
ENV HOME=/home/kit \
    VENV=/opt/venv
WORKDIR /workspace
USER 1000:1000
ENTRYPOINT ["dumb-init", "--"]
CMD ["sleep", "infinity"]
