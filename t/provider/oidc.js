// SPDX-License-Identifier: BSD-2-Clause
//
// The OpenID provider.  Its keys, clients and resources are fixed: a change creates
// another provider.

import { pathToFileURL } from 'node:url';

const ALL_OF = '/.default';

// The resource of a token request.  Clients of Entra select it by the scope
// RESOURCE/.default.
function resourceOf(ctx, client, resources) {
  const scope = (ctx.oidc.params.scope ?? '').split(' ').find((s) => s.endsWith(ALL_OF));
  return scope ? scope.slice(0, -ALL_OF.length)
               : client.resource ?? (resources.length === 1 ? resources[0] : undefined);
}

// null removes a member
const changes = (members = {}) => Object.fromEntries(
  Object.entries(members).map(([name, value]) => [name, value ?? undefined]));

function configurationOf({ keys, sign, clients, resources, InvalidTarget }) {
  const byId = new Map(clients.map((client) => [client.id, client]));

  return {
    jwks: { keys },
    clients: clients.map(({ id, secret }) => ({
      client_id: id,
      client_secret: secret,
      grant_types: ['client_credentials'],
      response_types: [],
      redirect_uris: [],
    })),

    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx, client) => resourceOf(ctx, byId.get(client.clientId), Object.keys(resources)),
        getResourceServerInfo(ctx, resource) {
          if (!Object.hasOwn(resources, resource)) {
            throw new InvalidTarget();
          }
          return {
            scope: '',
            audience: resources[resource],
            accessTokenTTL: 3600,
            accessTokenFormat: 'jwt',
            jwt: { sign: { alg: 'RS256', kid: sign } },
          };
        },
      },
    },

    formats: {
      customizers: {
        jwt(ctx, token, jwt) {
          const client = byId.get(token.clientId);
          jwt.header = changes(client.header);
          Object.assign(jwt.payload, changes(client.claims));
        },
      },
    },
  };
}

// the response of the provider, which is not sent: { status, headers, body }
const captured = (callback, req, res) => new Promise((resolve) => {
  const { write, end } = res;
  const parts = [];
  const keep = (chunk) => typeof chunk !== 'function' && chunk != null && parts.push(Buffer.from(chunk));

  res.write = (chunk) => { keep(chunk); return true; };
  res.end = (chunk) => {
    keep(chunk);
    Object.assign(res, { write, end });

    const headers = { ...res.getHeaders() };
    res.getHeaderNames().forEach((name) => res.removeHeader(name));
    delete headers['content-length'];
    resolve({ status: res.statusCode, headers, body: Buffer.concat(parts) });
  };

  callback(req, res);
});

export async function makeProvider({ modules, issuer, path, ...configuration }) {
  const library = pathToFileURL(`${modules}/node_modules/oidc-provider/lib/index.js`);
  const { default: Provider, errors } = await import(library);

  const provider = new Provider(issuer, configurationOf({ ...configuration, InvalidTarget: errors.InvalidTarget }));
  const callback = provider.callback();

  provider.on('server_error', (ctx, error) => console.error(error));

  return (req, res) => {
    // as a framework does that mounts the provider at a path
    if (path && req.url.startsWith(`${path}/`)) {
      req.originalUrl = req.url;
      req.url = req.url.slice(path.length);
    }
    return captured(callback, req, res);
  };
}
