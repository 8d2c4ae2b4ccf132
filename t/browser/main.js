// SPDX-License-Identifier: BSD-2-Clause
//
// Steps of users and of foreign pages in Chromium.  Prints a line of JSON for each check, with
// its name and the values that must be equal, and finally the tokens that no log may contain.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { setTimeout as pause } from 'node:timers/promises';

const config = JSON.parse(readFileSync(process.argv[2]));
const { chromium } = createRequire(`${config.modules}/`)('playwright-core');

const APP = 'https://app.example.com';
const CROSS_SITE = 'https://evil.example';
const SAME_SITE = 'https://other.example.com';

const browser = await chromium.launch({
  executablePath: '/usr/bin/chromium',
  args: [
    '--no-sandbox',                     // the tests run as root
    `--ignore-certificate-errors-spki-list=${config.spki}`,
    `--host-resolver-rules=MAP app.example.com 127.0.0.1:${config.port}, `
      + `MAP evil.example 127.0.0.1:${config.foreign}, MAP *.example.com 127.0.0.1:${config.foreign}, `
      + 'MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
  ],
});

const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const check = (name, got, expected) => print({ name, got, expected });

// --- pages --------------------------------------------------------------------

const prompts = [];                     // URLs for which Chromium would ask for a password
const faults = [];                      // uncaught errors of scripts
const secrets = new Set();

// A browser profile.  The clocks of its pages stand still: renewal() lets their timers expire.
// calls: requests below /api, as "GET hello 200".
async function profile() {
  const context = await browser.newContext();
  context.setDefaultTimeout(20_000);
  await context.clock.install();
  await context.clock.pauseAt(Date.now() + 1000);

  context.calls = [];
  context.on('response', (response) => {
    const url = new URL(response.url());
    if (url.origin === APP && url.pathname.startsWith('/api/')) {
      context.calls.push(`${response.request().method()} ${url.pathname.slice(5)} ${response.status()}`);
    }
  });
  return context;
}

async function open(context, url) {
  const page = await context.newPage();
  const devtools = await context.newCDPSession(page);

  // the page may have been closed
  const send = (method, parameters) => devtools.send(method, parameters).catch(() => {});

  devtools.on('Fetch.requestPaused', ({ requestId }) => send('Fetch.continueRequest', { requestId }));
  devtools.on('Fetch.authRequired', ({ requestId, request: { url: asked } }) => {
    prompts.push(asked);
    send('Fetch.continueWithAuth', { requestId, authChallengeResponse: {
      response: 'ProvideCredentials', username: 'jane', password: config.password } });
  });
  await devtools.send('Fetch.enable', { handleAuthRequests: true });
  page.on('pageerror', (error) => faults.push(error.message));

  await page.goto(url);
  return page;
}

const loginForm = (page) => page.locator('#login').waitFor();
const loggedIn = (page) => page.locator('#app').waitFor();

// Chromium draws a background tab once in a second, for which page.click() waits.
const click = (page, selector) => page.locator(selector).evaluate((element) => element.click());

async function login(page, password = config.password) {
  await page.fill('[name=username]', 'jane');
  await page.fill('[name=password]', password);
  await click(page, '#login button');
}

const message = (page) => page.locator('#message:not(:empty)').textContent();

// what the API responds to a click
async function load(page) {
  await page.evaluate(() => { document.getElementById('data').textContent = ''; });
  await click(page, '#load');
  return page.locator('#data:not(:empty)').textContent();
}

// the requests that an action causes
async function callsOf(context, action) {
  context.calls.length = 0;
  const result = await action();
  return { result, calls: [...context.calls] };
}

// the status of a request by a script of the page; "unreadable" if the page must not see the response
const request = (page, method, path, options = {}) => page.evaluate(
  ([url, init]) => fetch(url, init).then((response) => response.status || 'unreadable', () => 'unreadable'),
  [APP + path, { method, credentials: 'include', ...options }]);

async function cookies(context) {
  const all = await context.cookies([APP, `${APP}/api/auth/token`]);
  all.forEach(({ value }) => secrets.add(value));
  return Object.fromEntries(all.map((cookie) => [cookie.name, cookie]));
}

// Lets the timers of all pages expire, and waits for the lock, that is until they have renewed.
// Two tokens that are issued within one second expire at the same time: waits for the next one.
async function renewal(context, page) {
  await pause(1000 - Date.now() % 1000);
  await context.clock.runFor(2000);
  await page.evaluate(() => navigator.locks.request('session', () => {}));
}

// waits until the access token has expired
async function expiry(page) {
  for (let n = 0; await request(page, 'GET', '/api/auth/session') === 200; n++) {
    if (n === 200) {
      throw new Error('the access token does not expire');
    }
    await pause(50);
  }
}

// --- login --------------------------------------------------------------------

const HELLO = 'user: jane, credentials: ';
const RENEWAL = ['GET auth/session 401', 'POST auth/token 200', 'GET auth/session 200'];

{
  const context = await profile();
  const page = await open(context, `${APP}/`);

  await loginForm(page);
  check('the first visit: no session, no refresh token', context.calls, ['GET auth/session 401', 'POST auth/token 401']);

  await login(page, 'wrong');
  check('a wrong password: a message', await message(page), 'Wrong name or password.');
  check('a wrong password: the login form remains', await page.isVisible('#login'), true);

  await login(page);
  await loggedIn(page);
  check('login: the name of the user', await page.textContent('#user'), 'jane');
  check('login: the message has gone', await page.textContent('#message'), '');
  check('the API receives the user and no credential', await load(page), HELLO);

  const { accessToken, refreshToken } = await cookies(context);
  for (const cookie of [accessToken, refreshToken]) {
    check(`${cookie.name}: only for this host, https and pages of this site, and not for scripts`,
          [cookie.domain, cookie.secure, cookie.sameSite, cookie.httpOnly],
          ['app.example.com', true, 'Strict', true]);
  }
  check('the paths of the cookies', [accessToken.path, refreshToken.path], ['/', '/api/auth/token']);
  check('a script sees no cookie', await page.evaluate(() => document.cookie), '');

  // --- renewal before the expiry ------------------------------------------------

  const { calls } = await callsOf(context, () => renewal(context, page));
  check('the page renews the session before the access token expires', calls,
        ['GET auth/session 200', 'POST auth/token 200', 'GET auth/session 200']);
  check('after the renewal: both tokens are new',
        await cookies(context).then((now) => [now.accessToken.value === accessToken.value,
                                              now.refreshToken.value === refreshToken.value]), [false, false]);
  check('after the renewal: the API', await load(page), HELLO);

  await page.reload();
  await loggedIn(page);
  check('the session survives a reload of the page', await load(page), HELLO);

  // --- the response to a refresh is lost ------------------------------------------

  const before = await cookies(context);
  await page.evaluate(() => {
    const real = window.fetch;
    window.fetch = async (url, options) => {
      const response = await real(url, options);
      if (url === '/api/auth/token') {
        window.fetch = real;
        throw new TypeError('Failed to fetch');
      }
      return response;
    };
  });
  const lost = await callsOf(context, () => renewal(context, page));
  check('the response to a refresh is lost', lost.calls, ['GET auth/session 200', 'POST auth/token 200']);
  check('a lost response: still logged in', await page.isVisible('#app'), true);
  await context.addCookies([before.accessToken, before.refreshToken]);
  const again = await callsOf(context, () => renewal(context, page));
  check('a lost response: the page repeats the refresh with the same token', again.calls.at(-2), 'POST auth/token 200');
  check('a lost response: the API', await load(page), HELLO);
  await context.close();
}

// --- renewal after the expiry, in two tabs --------------------------------------

{
  const context = await profile();
  const first = await open(context, `${APP}/`);
  const second = await open(context, `${APP}/`);

  await loginForm(first);
  await loginForm(second);
  await login(first);
  await loggedIn(first);
  await loggedIn(second);
  check('a login in one tab logs the other one in', await load(second), HELLO);

  await expiry(first);
  let { result, calls } = await callsOf(context, () => load(first));
  check('after the expiry: the API', result, HELLO);
  check('after the expiry: one renewal, then the request again', calls,
        ['GET hello 401', ...RENEWAL, 'GET hello 200']);

  ({ result, calls } = await callsOf(context, () => load(second)));
  check('the other tab has the new token', [result, calls], [HELLO, ['GET hello 200']]);

  await expiry(first);
  ({ result, calls } = await callsOf(context, () => Promise.all([load(first), load(second)])));
  check('two tabs at the same time: both reach the API', result, [HELLO, HELLO]);
  check('two tabs at the same time: one renewal', calls.filter((call) => call.startsWith('POST')), ['POST auth/token 200']);

  ({ calls } = await callsOf(context, () => renewal(context, first)));
  check('two timers at the same time: one renewal', calls.filter((call) => call.startsWith('POST')), ['POST auth/token 200']);

  // an application without the lock
  const parallel = await Promise.all([first, second, first, second].map((page) => request(page, 'POST', '/api/auth/token')));
  check('parallel refreshes with one token all succeed', parallel, [200, 200, 200, 200]);
  check('after parallel refreshes: both tabs are logged in', await Promise.all([load(first), load(second)]), [HELLO, HELLO]);

  // --- no network -----------------------------------------------------------

  await expiry(first);
  await context.setOffline(true);
  await click(first, '#load');
  check('without a network: a message', await message(first), 'Failed to fetch');
  check('without a network: still logged in', await first.isVisible('#app'), true);
  await context.setOffline(false);
  check('the network is back: the session can be renewed', await Promise.all([load(first), load(second)]), [HELLO, HELLO]);

  // --- foreign pages ----------------------------------------------------------

  for (const [origin, kind] of [[CROSS_SITE, 'a page of another site'], [SAME_SITE, 'a page of another host of the site']]) {
    const foreign = await open(context, `${origin}/`);
    const refused = async (name, what, statuses) => {
      const { result: read, calls: made } = await callsOf(context, what);
      check(`${kind}: ${name}: the response is unreadable`, read, 'unreadable');
      check(`${kind}: ${name}: is refused`, made, statuses);
    };
    const [get, post] = origin === CROSS_SITE ? [401, 401] : [200, 403];

    await refused('GET', () => request(foreign, 'GET', '/api/hello', { mode: 'no-cors' }), [`GET hello ${get}`]);
    await refused('POST', () => request(foreign, 'POST', '/api/hello', { mode: 'no-cors' }), [`POST hello ${post}`]);
    await refused('refresh', () => request(foreign, 'POST', '/api/auth/token', { mode: 'no-cors' }), ['POST auth/token 403']);
    await refused('logout', () => request(foreign, 'POST', '/api/auth/logout', { mode: 'no-cors' }), ['POST auth/logout 403']);
    await refused('login', () => request(foreign, 'POST', '/api/auth/login', { mode: 'no-cors' }), ['POST auth/login 403']);

    const { calls: sent } = await callsOf(context, async () => {
      await foreign.setContent(`<form method="post" action="${APP}/api/auth/logout"><button>x</button></form>`);
      await click(foreign, 'button');
      await foreign.waitForURL(`${APP}/**`);
    });
    check(`${kind}: a form cannot log out`, sent, ['POST auth/logout 403']);
    await foreign.close();
  }

  check('after all that: both tabs are logged in', await Promise.all([load(first), load(second)]), [HELLO, HELLO]);

  // --- logout -----------------------------------------------------------------

  const before = await cookies(context);
  await click(first, '#logout');
  await loginForm(first);
  await loginForm(second);
  check('logout: the other tab has been logged out, too', await second.textContent('#user'), '');
  check('logout: the other tab shows no data', await second.textContent('#data'), '');
  check('logout: no cookie is left', await cookies(context), {});
  await context.addCookies([before.refreshToken]);
  check('logout: the refresh token is refused', await request(first, 'POST', '/api/auth/token'), 401);

  await context.clearCookies();
  await login(second);
  await loggedIn(second);
  await loggedIn(first);

  // after the access token has expired
  const late = await cookies(context);
  await expiry(first);
  ({ calls } = await callsOf(context, async () => {
    await click(second, '#logout');
    await loginForm(second);
    await loginForm(first);
  }));
  check('logout after the expiry', calls.filter((call) => call.startsWith('POST')), ['POST auth/logout 200']);
  await context.addCookies([late.refreshToken]);
  check('logout after the expiry: the refresh token is refused', await request(first, 'POST', '/api/auth/token'), 401);

  // --- a disabled user ----------------------------------------------------------

  await context.clearCookies();
  await login(first);
  await loggedIn(first);
  const [command, ...store] = config.command;
  const disabled = await cookies(context);
  execFileSync(command, ['user', 'disable', 'jane', ...store]);
  await renewal(context, first);
  await loginForm(first);
  await loginForm(second);
  check('a disabled user is logged out at the next renewal', await first.textContent('#user'), '');
  execFileSync(command, ['user', 'enable', 'jane', ...store]);
  await context.addCookies([disabled.refreshToken]);
  check('the session does not return with the user', await request(first, 'POST', '/api/auth/token'), 401);

  await login(first);
  await loggedIn(first);
  await context.clearCookies();
  await click(first, '#load');
  await loginForm(first);
  check('the user removes the cookies', await message(first), 'Your session has ended.');
  await context.close();
}

// --- an API of another origin --------------------------------------------------

const API = 'https://api.example.com';

// What a page can read of a response.
const read = (page, method, path, init = {}) => page.evaluate(async ([url, options]) => {
  try {
    const response = await fetch(url, options);
    return { status: response.status, challenge: response.headers.get('WWW-Authenticate'), body: await response.text(),
             clock: response.headers.has('Date') };
  } catch {
    return { status: 'unreadable' };
  }
}, [API + path, { method, credentials: 'include', ...init }]);

{
  const context = await profile();
  const json = (body) => ({ headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  const credentials = json({ username: 'jane', password: config.password });
  const unlisted = await open(context, `${CROSS_SITE}/`);
  const page = await open(context, `${SAME_SITE}/`);
  const status = async (...request) => (await read(...request)).status;
  const body = async (...request) => (await read(...request)).body;

  check('an origin that is not listed cannot log in', await status(unlisted, 'POST', '/auth/login', credentials), 'unreadable');
  const refusal = await read(page, 'GET', '/hello');
  check('a listed origin can read a refusal', [refusal.status, refusal.challenge, refusal.body],
        [401, 'Bearer realm="api"', '{"code":"API_INVALID_ACCESS_TOKEN","message":"Missing Access Token"}']);
  check('a listed origin can read the clock of the server', refusal.clock, true);
  check('a listed origin logs in', await status(page, 'POST', '/auth/login', credentials), 200);
  check('a listed origin sends GET', await body(page, 'GET', '/hello'), HELLO);
  check('a listed origin sends PUT with JSON, after a preflight request', await body(page, 'PUT', '/hello', json({})), HELLO);
  check('an origin that is not listed cannot read', await status(unlisted, 'GET', '/hello'), 'unreadable');
  check('a listed origin refreshes', await status(page, 'POST', '/api/auth/token'), 200);
  check('a listed origin logs out', await status(page, 'POST', '/auth/logout'), 200);
  check('a listed origin is logged out', await status(page, 'GET', '/hello'), 401);
  await context.close();
}

// --- http on this host ---------------------------------------------------------------

for (const host of ['localhost', '127.0.0.1']) {
  const context = await profile();
  const page = await open(context, `http://${host}:${config.plain}/`);

  await loginForm(page);
  await login(page);
  await loggedIn(page);
  check(`http://${host}: the API`, await load(page), HELLO);
  await click(page, '#logout');
  await loginForm(page);
  await context.close();
}

// --- Basic ------------------------------------------------------------------------

{
  const context = await profile();
  const page = await open(context, `${SAME_SITE}/`);

  await page.evaluate(() => fetch('/either'));
  check('no native password prompt for a script', prompts, []);

  await page.goto(`${SAME_SITE}/basic`);
  check('a navigation where Basic is accepted has one', prompts, [`${SAME_SITE}/basic`]);
  check('the browser sends the password', await page.textContent('body'), HELLO);

  // Chromium sends the password again, without a question
  await page.goto(`${CROSS_SITE}/`);
  await page.setContent(`<form method="post" action="${SAME_SITE}/basic"><button>x</button></form>`);
  const answer = page.waitForResponse(`${SAME_SITE}/basic`);
  await click(page, 'button');
  check('a form of another site cannot use the password', (await answer).status(), 403);
  await context.close();
}

check('no script fails', faults, []);

print({ secrets: [...secrets] });
await browser.close();
