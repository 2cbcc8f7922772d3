# docker build -t fastproxy .            BASE may be any image with Python >= 3.11 and its venv module
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
WORKDIR /src
RUN python3 -m venv /opt/venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY fastproxy ./fastproxy
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --constraint constraints.txt '.[postgres]' \
 && /opt/venv/bin/python -m compileall -q /opt/venv/lib

FROM ${BASE}
LABEL org.opencontainers.image.title="fastproxy" \
      org.opencontainers.image.description="One command that puts a gateway in front of every AI provider" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/venv /opt/venv
RUN mkdir /data && chown 10001:10001 /data
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FASTPROXY_LISTEN=0.0.0.0:8080 \
    FASTPROXY_ADMIN=0.0.0.0:9090 \
    FASTPROXY_STATE_DIR=/data
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080 9090
# the master is process 1: it reaps its children and turns TERM into a drain. Put no init in front of it (tini, --init): it
# refuses USR2 as process 1 only, and behind an init the new master would be orphaned and the container end with the old one
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=10s --retries=3 CMD ["fastproxy", "health"]
ENTRYPOINT ["fastproxy"]
CMD ["serve"]
