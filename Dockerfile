# The program in a container; compose.yaml beside this file runs it with its database. docs/COMPOSE.md is for administrators.

FROM python:3.13.14-slim-trixie AS base

# Its packages, as wheels alone: nothing is compiled, and what installs them stays behind in this stage.
FROM base AS packages
WORKDIR /build
COPY requirements.txt ./
RUN sed '/^# To test it/,$d' requirements.txt > program.txt \
    && python -m venv /venv \
    && /venv/bin/pip wheel --no-cache-dir --only-binary=:all: --wheel-dir=wheels -r program.txt \
    && /venv/bin/pip install --no-cache-dir --no-index --find-links=wheels -r program.txt \
    && /venv/bin/pip uninstall --quiet --yes pip
# The backups are made by the pg_dump that comes with the packages: a base that it cannot run on ends here.
RUN "$(find /venv -path '*/bin/pg_dump')" --version

FROM base
LABEL org.opencontainers.image.title="ISP Customer Tracker" \
      org.opencontainers.image.description="Customers, sites, services, equipment, bills and payments of an internet provider" \
      org.opencontainers.image.version="1.0.0" \
      org.opencontainers.image.licenses="MIT"

# A number that no image or machine is likely to give to somebody else, since files in volumes carry it.
# The folders are what volumes are mounted over: a new volume takes their owner.
RUN groupadd --gid 10001 isp \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin isp \
    && install -d -o 10001 -g 10001 -m 0700 /backups /data \
    && install -d -o 10001 -g 10001 -m 0755 /run/login

ENV PATH=/venv/bin:$PATH \
    LANG=C.UTF-8 \
    ISP_DATA_DIR=/data \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /app
COPY --from=packages /venv /venv
COPY main.py database.py schema.sql roles.sql LICENSE ./
COPY migrations ./migrations
COPY tracker ./tracker
COPY web ./web
COPY docker ./docker
RUN python -m compileall -q .

USER 10001:10001
EXPOSE 8000
# By http.client, which no HTTP_PROXY of the machine leads elsewhere.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import http.client, sys; asked = http.client.HTTPConnection('127.0.0.1', 8000, timeout=4); asked.request('GET', '/api/session'); sys.exit(asked.getresponse().status != 200)"]
ENTRYPOINT ["python", "main.py"]
CMD ["web", "--host", "0.0.0.0"]
