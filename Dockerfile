# The service as a container: one program of a user without rights, on a file system that it cannot change.
# It writes to /data (records and used tokens, unless PostgreSQL and Redis keep them) and to /tmp (metrics).

FROM python:3.11-slim-bookworm AS build
WORKDIR /source
COPY setup.cfg pyproject.toml README.md LICENSE NOTICE manifest.json ./
COPY cds_service cds_service
RUN ["python", "-m", "venv", "/opt/cds"]
RUN ["/opt/cds/bin/pip", "install", "--no-cache-dir", "--disable-pip-version-check", ".[redis,postgresql]"]

FROM python:3.11-slim-bookworm
RUN ["groupadd", "--gid", "10001", "cds"]
RUN ["useradd", "--uid", "10001", "--gid", "10001", "--no-create-home", "--home-dir", "/data", "--shell", "/usr/sbin/nologin", "cds"]
RUN ["install", "--directory", "--owner", "10001", "--group", "10001", "--mode", "0700", "/data"]
COPY --from=build /opt/cds /opt/cds
ENV PATH=/opt/cds/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    CDS_RECORDS=sqlite:////data/records.sqlite \
    CDS_SHARED_STORE=/data/tokens.sqlite
USER 10001:10001
WORKDIR /data
VOLUME ["/data"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]
ENTRYPOINT ["cds-service"]
# It does not start before CDS_CLIENTS says who may call, or CDS_AUTH=off that a gateway decides that.
CMD ["run", "--host", "0.0.0.0", "--port", "8000", "--workers", "2"]
