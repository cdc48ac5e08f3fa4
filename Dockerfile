# One image for every service of docker-compose.yml; which one a container is, its command says.
FROM python:3.11.14-slim-bookworm AS build

SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src

# Requirements first: this layer is built again only when the lock changes.
COPY locked/ locked/
RUN python -m pip install --require-hashes -r locked/bootstrap.txt \
 && uv venv /opt/commonwatt \
 && uv pip install --python /opt/commonwatt/bin/python --require-hashes -r locked/server.txt

COPY pyproject.toml README.md LICENSE ./
COPY app/ app/
COPY contracts/ contracts/
COPY grid/ grid/
COPY matching/ matching/
COPY meters/ meters/
RUN uv pip install --python /opt/commonwatt/bin/python --no-deps --build-constraints locked/platform.txt .


FROM python:3.11.14-slim-bookworm AS run

# Pango draws the PDF statements. Debian keeps one version a release, so a pinned one would only break later builds.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      fonts-dejavu-core libharfbuzz-subset0 libpango-1.0-0 libpangoft2-1.0-0 \
 && rm -rf /var/lib/apt/lists/*

RUN groupadd --gid 10001 commonwatt \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/commonwatt --shell /usr/sbin/nologin commonwatt \
 && install -d /etc/commonwatt \
 && install -d -o commonwatt -g commonwatt -m 0750 \
      /var/lib/commonwatt /var/lib/commonwatt/chain /var/lib/commonwatt/gateway /var/cache/commonwatt

COPY --from=build /opt/commonwatt /opt/commonwatt
ENV PATH=/opt/commonwatt/bin:$PATH \
    HOME=/var/lib/commonwatt \
    COMMONWATT_CACHE=/var/cache/commonwatt \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1

USER 10001:10001
WORKDIR /var/lib/commonwatt
EXPOSE 8000 8545
CMD ["commonwatt", "--help"]
