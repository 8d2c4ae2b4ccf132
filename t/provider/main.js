// SPDX-License-Identifier: BSD-2-Clause
//
// The process of AuthToken::Source and AuthToken::Provider.  It reads commands from
// standard input and writes replies to standard output, one line of JSON each.  It ends
// at the end of its input.

import readline from 'node:readline';

import { Listeners } from './listeners.js';
import { answer, isMode, isWholeServer } from './modes.js';

// standard output is reserved for replies
console.log = console.info = console.error;

const KEPT = 1000;

const documents = new Map();
const modes = new Map();                // by path; '' is the default
const hung = [];                        // { path, go }
let provider;                           // responds to paths without a document
let listeners;
let counts, requests;

function forget() {
  counts = new Map();
  requests = [];
}

forget();

// --- requests ---------------------------------------------------------------

function split(url) {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}

function note(req, path, query) {
  const record = { method: req.method, path, query, http: req.httpVersion, headers: [], body: 0 };

  for (let i = 0; i < req.rawHeaders.length; i += 2) {
    record.headers.push([req.rawHeaders[i], req.rawHeaders[i + 1]]);
  }

  counts.set(path, (counts.get(path) ?? 0) + 1);

  requests.push(record);
  if (requests.length > KEPT) {
    requests.shift();
  }

  return record;
}

function modeOf(path) {
  const key = modes.has(path) ? path : '';
  return modes.get(key) ?? { name: 'good' };
}

// the response of a path in mode good
async function fetched(req, res, path, record) {
  const document = documents.get(path);

  if (!document && provider) {
    return provider(req, res);
  }

  req.on('data', (chunk) => { record.body += chunk.length; });

  return document
    ? { status: 200, headers: { 'Content-Type': document.type ?? 'application/json', ...document.headers },
        body: Buffer.from(document.text) }
    : { status: 404, headers: { 'Content-Type': 'text/plain' }, body: Buffer.from('not found\n') };
}

async function handle(req, res, scheme, raw) {
  const [path, query] = split(req.url);
  const record = note(req, path, query);
  const mode = modeOf(path);
  const document = await fetched(req, res, path, record);

  if (mode.name === 'hang') {
    await new Promise((go) => { hung.push({ path, go }); });
    answer('good', { req, res, raw, scheme, query, document, listeners });
    return;
  }

  answer(mode.name, { ...mode, req, res, raw, scheme, path, query, document, listeners });
}

function release(path) {
  for (const waiting of hung.splice(0)) {
    if (path === undefined || waiting.path === path) {
      waiting.go();
    } else {
      hung.push(waiting);
    }
  }
}

// --- commands ---------------------------------------------------------------

const commands = {
  async start({ ports, certificates, documents: initial }) {
    for (const [path, document] of Object.entries(initial)) {
      documents.set(path, document);
    }
    listeners = new Listeners(certificates, handle);
    return listeners.listen(ports);
  },

  async provider(configuration) {
    const { makeProvider } = await import('./oidc.js');
    provider = await makeProvider(configuration);
  },

  serve({ path, text, type, headers }) {
    documents.set(path, { text, type, headers });
  },

  withhold({ path }) {
    documents.delete(path);
  },

  async mode({ do: command, path, ...mode }) {
    if (!isMode(mode.name)) {
      throw new Error(`no such mode: ${mode.name}`);
    }

    if (isWholeServer(mode.name)) {
      return listeners.become(mode.name);
    }

    modes.set(path ?? '', mode);

    if (mode.name === 'good') {
      if (path === undefined) {
        modes.clear();
        modes.set('', mode);
      }
      release(path);
    }
    return listeners.become('open');
  },

  certificate({ name }) {
    listeners.certificate(name);
  },

  hits({ path }) {
    let hits = 0;
    for (const [where, n] of counts) {
      hits += (path ?? where) === where ? n : 0;
    }
    return { hits };
  },

  requests({ path }) {
    return { requests: requests.filter((r) => (path ?? r.path) === r.path) };
  },

  forget() {
    forget();
  },
};

async function obey(line) {
  let reply;

  try {
    const command = JSON.parse(line);
    reply = await commands[command.do](command) ?? {};
  } catch (error) {
    console.error(error);
    reply = { error: String(error.message) };
  }

  process.stdout.write(`${JSON.stringify(reply)}\n`);
}

const input = readline.createInterface({ input: process.stdin });
let last = Promise.resolve();

input.on('line', (line) => { last = last.then(() => obey(line)); });
input.on('close', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
