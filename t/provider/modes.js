// SPDX-License-Identifier: BSD-2-Clause
//
// The modes of responses, which AuthToken::Source documents.  A document is the response
// of a path in mode good: { status, headers, body }.

import zlib from 'node:zlib';

const BOMB = 16 * 1024 * 1024;
const PIECE = Buffer.alloc(64 * 1024, ' ');
const ENDLESS = 128 * 1024 * 1024;

const PAGE = '<!DOCTYPE html>\n<html><head><title>Sign in</title></head>'
           + '<body><form method="post"><input name="password"></form></body></html>\n';

const wholeServer = new Set(['refused', 'silent', 'reset_connection']);

export const isWholeServer = (name) => wholeServer.has(name);
export const isMode = (name) => wholeServer.has(name) || name === 'hang'
                                || /^[2-5]\d\d$/.test(name) || Object.hasOwn(modes, name);

export function answer(name, a) {
  if (/^\d/.test(name)) {
    send(a, a.document, a.headers, Number(name));
  } else {
    modes[name](a);
  }
}

// --- pieces -----------------------------------------------------------------

function send({ res }, { status, headers, body }, more = {}, as = status) {
  const none = as === 204 || as === 304;

  res.writeHead(as, { ...headers, ...(none ? {} : { 'Content-Length': body.length }), ...more });
  res.end(none ? undefined : body);
}

const padded = (body, bytes) => Buffer.concat([body, Buffer.alloc(Math.max(0, bytes - body.length), ' ')]);

const half = (body) => body.subarray(0, Math.ceil(body.length / 2));

function redirect({ res }, to, status = 302) {
  res.writeHead(status, { Location: to, 'Content-Type': 'text/html', 'Content-Length': PAGE.length });
  res.end(PAGE);
}

// calls step() until it returns false or the client closes the connection
function every(milliseconds, socket, step) {
  const timer = setInterval(() => step() || clearInterval(timer), milliseconds);
  socket.on('close', () => clearInterval(timer));
}

function drip(out, bytes, milliseconds, done) {
  let at = 0;
  every(milliseconds, out.socket ?? out, () => {
    if (at === bytes.length) {
      done();
      return false;
    }
    return out.write(bytes.subarray(at, ++at)), true;
  });
}

// a complete response; HTTP/1.0 ends it with the connection, without a length
const plainly = ({ headers, body }, http) => [
  Buffer.from(`HTTP/${http} 200 OK\r\nContent-Type: ${headers['Content-Type'] ?? headers['content-type']}\r\n`
              + `Connection: close\r\n${http === '1.0' ? '' : `Content-Length: ${body.length}\r\n`}\r\n`),
  body,
];

// --- modes ------------------------------------------------------------------

const modes = {
  good(a) {
    send(a, a.document, { ...(a.type ? { 'Content-Type': a.type } : {}), ...a.headers });
  },

  redirect: (a) => redirect(a, a.to, a.status),

  redirect_plain(a) {
    if (a.scheme === 'http') {
      modes.good(a);
    } else {
      redirect(a, `http://127.0.0.1:${a.listeners.ports[1]}${a.req.url}`);
    }
  },

  redirect_chain(a) {
    const hop = Number(/^hop=(\d+)$/.exec(a.query)?.[1] ?? 0);

    if (hop >= (a.hops ?? 20)) {
      send(a, a.document);
    } else {
      redirect(a, `${a.path}?hop=${hop + 1}`);
    }
  },

  slow(a) {
    setTimeout(() => a.res.destroyed || send(a, a.document), 1000 * (a.seconds ?? 2));
  },

  reset({ res, raw, document: { headers, body } }) {
    res.writeHead(200, { ...headers, 'Content-Length': body.length });
    res.write(half(body), () => raw.resetAndDestroy());
  },

  http10({ res, document }) {
    res.socket.end(Buffer.concat(plainly(document, '1.0')));
  },

  gzip(a, body = a.document.body) {
    send(a, { ...a.document, body: zlib.gzipSync(body, { level: 1 }) }, { 'Content-Encoding': 'gzip' });
  },

  gzip_bomb: (a) => modes.gzip(a, padded(a.document.body, BOMB)),

  // a document only for a client that accepts its type
  choosy(a) {
    const accept = a.req.headers.accept ?? '';

    send(a, a.document, {}, /application\/jwk-set\+json|\*\/\*/.test(accept) ? 200 : 406);
  },

  html(a) {
    send(a, { status: 200, headers: { 'Content-Type': 'text/html' }, body: Buffer.from(PAGE) });
  },

  size(a) {
    const document = { ...a.document, body: padded(a.document.body, a.bytes) };

    if (a.chunked) {
      a.res.writeHead(200, document.headers);
      a.res.end(document.body);
    } else {
      send(a, document);
    }
  },

  endless({ res, document: { headers, body } }) {
    let written = 0;
    const more = () => {
      while (!res.destroyed && written < ENDLESS) {
        written += PIECE.length;
        if (!res.write(PIECE)) {
          return;
        }
      }
      res.destroy();
    };

    res.writeHead(200, headers);
    res.write(body);
    res.on('drain', more);
    more();
  },

  drip({ res, milliseconds = 100, document: { headers, body } }) {
    res.writeHead(200, { ...headers, 'Content-Length': body.length });
    res.flushHeaders();
    drip(res, body, milliseconds, () => res.end());
  },

  drip_head({ res, milliseconds = 100, document }) {
    const [head, body] = plainly(document, '1.1');
    const { socket } = res;
    drip(socket, head, milliseconds, () => socket.end(body));
  },

  headers(a) {
    const line = 'x'.repeat(1000);
    const more = {};

    for (let n = 0; n * line.length < (a.bytes ?? 100000); n++) {
      more[`X-Filler-${n}`] = line;
    }
    send(a, a.document, more);
  },
};
