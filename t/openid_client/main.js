// SPDX-License-Identifier: BSD-2-Clause
//
// Steps of an OAuth client.  Prints a line of JSON for each check, with its name and the values
// that must be equal, and finally the secrets that no log may contain, a valid token first.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const config = JSON.parse(readFileSync(process.argv[2]));
const load = (path) => import(pathToFileURL(`${config.modules}/node_modules/openid-client/${path}`));

const client = await load('build/index.js');
const jose = await load('node_modules/jose/dist/webapi/index.js');

const issuer = new URL(config.issuer);
const secrets = [];
let hits = 0;                           // requests that reach the upstream

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const check = (name, got, expected) => print({ name, got, expected });

const discover = (id, authentication, server = issuer) =>
  client.discovery(server, id, undefined, authentication, { algorithm: 'oauth2' });

async function grant(configuration, parameters) {
  const tokens = await client.clientCredentialsGrant(configuration, parameters);
  secrets.push(tokens.access_token);
  return tokens;
}

// An error of the token endpoint, as openid-client reports it.
const errorOf = (promise) => promise.then(
  () => 'no error',
  (error) => [error.status, error.error, typeof error.error_description]);

const claimsOf = (tokens) => jose.decodeJwt(tokens.access_token);

// A request to a protected location: the status, and the challenge if there is one.
function resource(configuration, token, path) {
  return client.fetchProtectedResource(configuration, token, new URL(path, issuer), 'GET').then(
    ({ status }) => { hits += status === 200; return status; },
    (error) => [error.response?.status, error.cause?.[0]?.scheme, error.cause?.[0]?.parameters.error]);
}

// --- discovery ----------------------------------------------------------------

const secret = config.secrets.reports;
const basic = await discover('reports', client.ClientSecretBasic(secret));
const post = await discover('reports', client.ClientSecretPost(secret));
const server = basic.serverMetadata();

check('discovery: the issuer', server.issuer, config.issuer);
check('discovery: the endpoints', [server.token_endpoint, server.jwks_uri],
      [`${config.issuer}/oauth/token`, `${config.issuer}/oauth/keys`]);
check('discovery: the grant', server.grant_types_supported, ['client_credentials']);
check('discovery: no response type', server.response_types_supported, []);
check('discovery: authentication of clients', [...server.token_endpoint_auth_methods_supported].sort(),
      ['client_secret_basic', 'client_secret_post']);
check('discovery: the metadata of another issuer are refused',
      await discover('reports', client.ClientSecretBasic(secret), new URL(config.issuer.replace('127.0.0.1', 'localhost')))
        .then(() => 'no error', (error) => error.code), 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED');

// --- authentication of clients ----------------------------------------------

const tokens = await grant(basic);
check('the token response', [tokens.token_type, tokens.expires_in, Object.keys(tokens).length], ['bearer', 3600, 3]);
check('client_secret_post', claimsOf(await grant(post)).appid, 'reports');

const special = config.secrets.special;
check('client_secret_basic with characters that must be encoded',
      claimsOf(await grant(await discover('special', client.ClientSecretBasic(special)))).appid, 'special');
check('client_secret_post with characters that must be encoded',
      claimsOf(await grant(await discover('special', client.ClientSecretPost(special)))).appid, 'special');

const tenant = await discover('reports', client.ClientSecretBasic(secret), new URL(`${config.issuer}/tenant`));
check('discovery: an issuer with a path', tenant.serverMetadata().token_endpoint, `${config.issuer}/tenant/token`);
check('a token of an issuer with a path', claimsOf(await grant(tenant)).iss, `${config.issuer}/tenant`);

// --- the token ------------------------------------------------------------------

const keys = jose.createRemoteJWKSet(new URL(server.jwks_uri));
const { payload } = await jose.jwtVerify(tokens.access_token, keys, { issuer: config.issuer, audience: 'api' });
check('the published keys verify the token', [payload.appid, payload.sub], ['reports', 'reports']);

check('a location with the token', await resource(basic, tokens.access_token, '/read/'), 200);
check('a location that requires another scope', await resource(basic, tokens.access_token, '/write/'),
      [403, 'bearer', 'insufficient_scope']);
check('a location with a changed token', await resource(basic, `${tokens.access_token}x`, '/read/'),
      [401, 'bearer', 'invalid_token']);

const parallel = await Promise.all(Array.from({ length: 10 }, () => grant(basic)));
check('ten requests at the same time', parallel.map((each) => claimsOf(each).appid), Array(10).fill('reports'));

// --- scopes ----------------------------------------------------------------------

check('the scope api://ID/.default selects the audience', claimsOf(await grant(basic, { scope: 'api://api/.default' })).aud, 'api://api');
check('the scope ID/.default', claimsOf(await grant(basic, { scope: 'api/.default' })).aud, 'api');
check('another scope', await errorOf(grant(basic, { scope: 'openid' })), [400, 'invalid_scope', 'string']);
check('an unknown parameter is ignored', claimsOf(await grant(basic, { audience: 'api', extra: 'x' })).appid, 'reports');

// --- errors --------------------------------------------------------------------

const wrong = 'canary-wrong';
check('a wrong secret in the header: a challenge',
      await grant(await discover('reports', client.ClientSecretBasic(wrong)))
        .catch((error) => [error.status, error.cause?.[0]?.scheme ?? error.error]), [401, 'basic']);
check('a wrong secret in the body', await errorOf(grant(await discover('reports', client.ClientSecretPost(wrong)))),
      [401, 'invalid_client', 'string']);
check('an unknown client', await errorOf(grant(await discover('nobody', client.ClientSecretPost(wrong)))),
      [401, 'invalid_client', 'string']);
check('a disabled client', await errorOf(grant(await discover('disabled', client.ClientSecretPost(config.secrets.disabled)))),
      [401, 'invalid_client', 'string']);
check('a client without a secret', await errorOf(grant(await discover('reports', client.None()))),
      [401, 'invalid_client', 'string']);
for (const [type, parameters] of [['refresh_token', { refresh_token: 'x' }], ['password', { username: 'x', password: 'y' }],
                                  ['authorization_code', { code: 'x', redirect_uri: 'https://client.example/' }]]) {
  check(`the grant ${type}`, await errorOf(client.genericGrantRequest(basic, type, parameters)),
        [400, 'unsupported_grant_type', 'string']);
}

// --- rotation --------------------------------------------------------------------

const [command, ...store] = config.command;
const output = execFileSync(command, ['client', 'rotate-secret', 'reports', ...store], { encoding: 'utf8' });
const [, next] = output.match(/secret\s+(\S+)/);
check('a rotated secret: the new one', claimsOf(await grant(await discover('reports', client.ClientSecretBasic(next)))).appid, 'reports');
check('a rotated secret: the old one', claimsOf(await grant(basic)).appid, 'reports');

execFileSync(command, ['client', 'disable', 'reports', ...store]);
check('a token of a disabled client', await resource(basic, tokens.access_token, '/read/'), 403);
execFileSync(command, ['client', 'enable', 'reports', ...store]);

print({ secrets: [...secrets, ...Object.values(config.secrets), next], hits });
