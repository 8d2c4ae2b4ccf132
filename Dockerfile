# Debian 12's nginx with the module, run by an unprivileged user on port 8080.
#
#   docker build -t nginx-auth-token .
#
# conf-examples/docker/nginx.conf shows how to run it.  t/docker.t compares these steps with
# the Makefile, deps.sh and the built files.

FROM debian:12 AS build

WORKDIR /src
COPY deps.sh .
RUN ./deps.sh build
COPY . .
RUN make
RUN make install DESTDIR=/out

# Only what is needed at run time.  nginx must have the version of the stage above: if a
# cached stage is older, build with --no-cache.
FROM debian:12

RUN apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        ca-certificates \
        libcrypt1 \
        libcurl4 \
        libjansson4 \
        libjwt0 \
        liblmdb0 \
        libssl3 \
        nginx \
    && rm -rf /var/lib/apt/lists/*

COPY --from=build /out/ /
COPY conf-examples/docker/nginx.conf /etc/nginx/nginx.conf
COPY conf-examples/docker/conf.d/ /etc/nginx/conf.d/
COPY conf-examples/docker/entrypoint.sh /usr/local/bin/nginx-auth-token

# LMDB's files must not be on overlayfs; a new volume is a copy of this directory
RUN install -d -o www-data -g www-data -m 2750 /var/lib/auth-token
VOLUME /var/lib/auth-token

# www-data cannot change the configuration: it writes to /tmp and to the store
USER www-data
EXPOSE 8080
STOPSIGNAL SIGQUIT

ENTRYPOINT ["nginx-auth-token"]
