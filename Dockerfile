# nginx of Debian 12 with the module, run by an unprivileged user on port 8080.
#
#   docker build -t nginx-auth-token .
#
# conf-examples/docker/nginx.conf shows how to run it, compose.yaml starts it with an example
# API.  t/docker.t compares these steps with the Makefile, deps.sh and the built files, and
# runs the second stage.

FROM debian:12 AS build

WORKDIR /src
COPY deps.sh .
RUN ./deps.sh build image
COPY . .
RUN make
RUN make install DESTDIR=/out
RUN packaging/image /out /image

# nginx, the command, a shell for the entry point, and their libraries: 26 MB
FROM scratch

COPY --from=build /image/ /
COPY conf-examples/docker/nginx.conf /etc/nginx/nginx.conf
COPY conf-examples/docker/conf.d/ /etc/nginx/conf.d/
COPY conf-examples/docker/entrypoint.sh /usr/bin/nginx-auth-token

# LMDB's files must not be on overlayfs
VOLUME /var/lib/auth-token

# www-data cannot change the configuration: it writes to /tmp and to the store
USER www-data
EXPOSE 8080
STOPSIGNAL SIGQUIT
ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin

ENTRYPOINT ["nginx-auth-token"]
