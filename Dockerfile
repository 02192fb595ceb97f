# Stage 1 builds the environment; nothing of it but /opt/meshregistry reaches the image.
FROM docker.io/library/python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/meshregistry
COPY requirements/runtime.txt requirements/build.txt requirements/
RUN /opt/meshregistry/bin/pip install --no-cache-dir --no-compile --require-hashes -r requirements/runtime.txt \
 && python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY meshregistry meshregistry
RUN /opt/build/bin/python -m hatchling build -t wheel -d /tmp/dist \
 && /opt/meshregistry/bin/pip install --no-cache-dir --no-deps --no-index /tmp/dist/*.whl \
 && /opt/meshregistry/bin/pip uninstall --yes --quiet pip setuptools \
 && /opt/build/bin/cyclonedx-py environment /opt/meshregistry/bin/python -o /opt/meshregistry/sbom.cdx.json \
 && /opt/meshregistry/bin/python -m compileall -q /opt/meshregistry/lib

# The same base, so that the interpreter the environment points to is there.
FROM docker.io/library/python:3.11-slim-bookworm
LABEL org.opencontainers.image.title="meshregistry" \
      org.opencontainers.image.description="Services from Nacos, ZooKeeper and Eureka in an Istio mesh" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN rm -rf /usr/local/lib/python3.11/site-packages/pip* /usr/local/lib/python3.11/site-packages/setuptools* \
      /usr/local/lib/python3.11/ensurepip /usr/local/bin/pip* \
 && mkdir -p /var/lib/meshregistry /etc/slime/config \
 && chown 65532:65532 /var/lib/meshregistry
COPY --from=build /opt/meshregistry /opt/meshregistry
# Slime's operator starts /manager.
RUN ln -s /opt/meshregistry/bin/meshregistry-manager /manager
ENV PATH=/opt/meshregistry/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 65532:65532
VOLUME /var/lib/meshregistry
EXPOSE 16010 8081
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["meshregistry", "probe"]
ENTRYPOINT ["meshregistry"]
CMD ["run", "--config", "/etc/meshregistry/meshregistry.yaml"]
