# Stage 1: the binary, with libjpeg-turbo.
FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY scripts/image-build scripts/
RUN scripts/image-build packages
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    scripts/image-build binary && cp target/release/shipshape /usr/local/bin/

# Stage 2: what runs, as a user without rights.
FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin shipshape \
    && install -d -o shipshape -g shipshape /data
COPY --from=build /usr/local/bin/shipshape /usr/local/bin/shipshape
USER 10001
ENV SHIPSHAPE_DATA=/data SHIPSHAPE_LOG_JSON=true
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["shipshape"]
CMD ["serve"]
