# Two stages: what builds stays out of what runs, the compiler too.
FROM python:3.13-slim AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/chainbrake && python -m venv /opt/compile
WORKDIR /src
# First what seldom changes, so that an edit of the source does not install it all again.
COPY constraints-image.txt constraints-compile.txt ./
RUN /opt/chainbrake/bin/pip install --only-binary :all: --require-hashes -r constraints-image.txt
RUN /opt/compile/bin/pip install --only-binary :all: --require-hashes -r constraints-compile.txt
COPY pyproject.toml LICENSE ./
COPY tools/compiled_fold.py tools/slots.h tools/
COPY models models
COPY detectors detectors
COPY stream stream
RUN CHAINBRAKE_COMPILED=1 /opt/compile/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /wheel . \
    && /opt/chainbrake/bin/pip install --no-deps /wheel/*.whl

FROM python:3.13-slim
ENV PATH=/opt/chainbrake/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Large pages, where the system gives them to who asks: see "Memory in large pages" in docs/deploying.md.
ENV PYTHONMALLOC=malloc GLIBC_TUNABLES=glibc.malloc.hugetlb=1
RUN useradd --system --uid 10001 --home-dir /var/lib/chainbrake --create-home chainbrake
# A volume mounted here begins as this folder is: the user's own.
RUN mkdir /models && chown chainbrake /models
COPY --from=build /opt/chainbrake /opt/chainbrake
USER 10001
WORKDIR /var/lib/chainbrake
EXPOSE 6066
# Alive, not ready: a worker that waits for Kafka must not be restarted for it. The image has no curl.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:6066/healthz', timeout=2)"]
ENTRYPOINT ["chainbrake"]
CMD ["run"]
