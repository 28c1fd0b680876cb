# syntax=docker/dockerfile:1

FROM rust:1-slim-bookworm AS build
WORKDIR /build
COPY . .
# The test target is named in Cargo.toml and is not part of the image's context.
RUN mkdir -p tests/it && echo 'fn main() {}' > tests/it/main.rs
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --release --locked --bin pgask && cp target/release/pgask /usr/local/bin/pgask

FROM debian:bookworm-slim
# The roots that a model provider's certificate is checked against.
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin pgask \
    && install --directory --owner=pgask --mode=700 /var/lib/pgask
COPY --from=build /usr/local/bin/pgask /usr/local/bin/pgask
COPY LICENSE-MIT LICENSE-APACHE /usr/share/doc/pgask/
USER pgask
# Pinned questions outlive the container in a volume.
ENV STATE_DIRECTORY=/var/lib/pgask
VOLUME /var/lib/pgask
# Loopback inside a container is of no use to anybody outside it.
ENV PGASK_LISTEN__ADDRESS=0.0.0.0:6432 PGASK_HTTP__ADDRESS=0.0.0.0:9432
EXPOSE 6432 9432
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/pgask"]
CMD ["serve"]
