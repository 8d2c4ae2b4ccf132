// SPDX-License-Identifier: BSD-2-Clause
//
// HTTPS and HTTP on loopback, with control of a connection before anything is read
// from it.

import http from 'node:http';
import https from 'node:https';
import net from 'node:net';

const HOST = '127.0.0.1';
const ATTEMPTS = 100;

// below the range of ephemeral ports, so that a released port stays free
const somePort = () => 20000 + Math.floor(Math.random() * 12000);

const listen = (server, port) => new Promise((resolve, reject) => {
  server.once('error', reject);
  server.listen(port, HOST, () => {
    server.off('error', reject);
    resolve(port);
  });
});

// at the given port, which may still be in use, or at any port
async function bind(server, port) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await listen(server, port ?? somePort());
    } catch (error) {
      if (error.code !== 'EADDRINUSE' || attempt === ATTEMPTS) {
        throw error;
      }
      await new Promise((go) => { setTimeout(go, port ? 20 : 0); });
    }
  }
}

export class Listeners {
  constructor(certificates, handle) {
    this.certificates = certificates;
    this.open = new Map();              // raw sockets by the client's port
    this.state = 'open';

    const serve = (scheme) => (req, res) => {
      res.on('error', () => {});
      handle(req, res, scheme, this.open.get(req.socket.remotePort)).catch((error) => {
        console.error(error);
        res.destroy();
      });
    };

    this.tls = https.createServer(certificates.good, serve('https'));
    this.plain = http.createServer(serve('http'));
    this.tls.on('tlsClientError', () => {});

    // only the client closes a keepalive connection
    this.tls.keepAliveTimeout = this.plain.keepAliveTimeout = 0;

    this.fronts = [this.tls, this.plain].map((server) =>
      net.createServer({ noDelay: true }, (socket) => this.take(socket, server)));
  }

  take(socket, server) {
    const from = socket.remotePort;
    this.open.set(from, socket);
    socket.on('close', () => this.open.delete(from));
    socket.on('error', () => {});

    if (this.state === 'reset_connection') {
      socket.resetAndDestroy();
    } else if (this.state === 'open') {
      server.emit('connection', socket);
    } else {
      socket.resume();                  // silent: read to notice FIN
    }
  }

  async listen(ports) {
    this.ports = [await bind(this.fronts[0], ports[0]), await bind(this.fronts[1], ports[1])];
    return { port: this.ports[0], plain_port: this.ports[1] };
  }

  async become(state) {
    if (state === this.state) {
      return;
    }

    const before = this.state;
    this.state = state;

    if (state !== 'open' || before !== 'open') {
      this.disconnect();
    }

    if (state === 'refused') {
      await Promise.all(this.fronts.map((front) => new Promise((done) => { front.close(done); })));
    } else if (before === 'refused') {
      await this.listen(this.ports);
    }
  }

  certificate(name) {
    if (!this.certificates[name]) {
      throw new Error(`no such certificate: ${name}`);
    }
    this.tls.setSecureContext(this.certificates[name]);
    this.disconnect();
  }

  disconnect() {
    for (const socket of this.open.values()) {
      socket.destroy();
    }
  }
}
