# nginx of Debian 12 with the module, run by an unprivileged user on port 8080.
#
#   docker build -t nginx-auth-token .
#
# conf-examples/docker/nginx.conf says how to run it.  t/docker.t holds these
# steps against the Makefile, deps.sh and what was built.

FROM debian:12 AS build

WORKDIR /src
COPY deps.sh .
RUN ./deps.sh build
COPY . .
RUN make
RUN make install DESTDIR=/out

# As little as runs it.  Where nginx of this stage were newer than that of the
# one above, it would not load the module: build without cache after a while.
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

# LMDB's files must not be on overlayfs: a new volume begins as this directory
RUN install -d -o www-data -g www-data -m 2750 /var/lib/auth-token
VOLUME /var/lib/auth-token

# the configuration is not the server's to change: it writes to /tmp and the store
USER www-data
EXPOSE 8080
STOPSIGNAL SIGQUIT

ENTRYPOINT ["nginx-auth-token"]
