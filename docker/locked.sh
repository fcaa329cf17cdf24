#!/bin/sh
# Install what uv.lock says into the virtual environment $VIRTUAL_ENV, from whatever package index uv is told of: files
# whose hash is not in the lock are refused. Run it beside pyproject.toml; arguments: --all-extras, or --extra NAME.
set -eu
export UV_PYTHON="$VIRTUAL_ENV/bin/python"

# Does the lock fit pyproject.toml? That asks no index, and the address of another one would count as a difference.
if ! env -u UV_DEFAULT_INDEX -u UV_INDEX -u UV_INDEX_URL -u UV_EXTRA_INDEX_URL UV_NO_CONFIG=1 \
  uv lock --check --offline --quiet; then
  echo "error: uv.lock does not fit pyproject.toml; write it again with \`uv lock\`" >&2
  exit 2
fi

uv export --frozen --no-emit-project --no-header --quiet "$@" --output-file "$VIRTUAL_ENV/locked.txt" >/dev/null
exec uv pip install --compile-bytecode --require-hashes --no-deps --requirement "$VIRTUAL_ENV/locked.txt"
