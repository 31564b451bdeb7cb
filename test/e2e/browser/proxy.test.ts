import { once } from 'node:events';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildWeb } from '../../../scripts/build-web.ts';
import { type MockConsole, startMockConsole } from '../../support/console/console-mock.ts';
import { requireBrowser } from '../../support/require.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';
import { openPage } from './page.ts';
import { WEB_ROOT } from './web-root.ts';

/** A site with the console under one path. */

const TIMEOUT_MS = 60_000;
const WAIT_MAX_MS = 15_000;

interface Site extends AsyncDisposable {
  readonly url: string;
}

/** Serves only `target` below `prefix`, which it removes or keeps. */
async function startSite(target: string, prefix: string, takesOff: boolean): Promise<Site> {
  const server = createServer((incoming, outgoing) => {
    const path = incoming.url ?? '/';
    if (!path.startsWith(prefix)) {
      outgoing.writeHead(404, { 'content-type': 'text/html' }).end('<h1>Not of this site</h1>');
      return;
    }
    const rest = path.slice(prefix.length);
    const passed = !takesOff ? path : rest.startsWith('/') ? rest : `/${rest}`;
    const { method, headers } = incoming;
    const onward = request(target + passed, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    onward.on('error', () => outgoing.destroy());
    outgoing.on('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

describe.skipIf(requireBrowser(CHROMIUM))('below a path of another site', () => {
  let browser: Browser;
  let mock: MockConsole;

  beforeAll(async () => {
    await buildWeb();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
    mock = await startMockConsole({ webRoot: WEB_ROOT, historyS: 300 });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await mock?.stop();
  }, TIMEOUT_MS);

  test.each([
    ['with the path taken off', '/flows', true, '/flows/'],
    ['with the path left in place', '/flows', false, '/flows/'],
    ['with the path left in place and no slash', '/flows', false, '/flows'],
    ['two deep, no slash', '/tools/flows', false, '/tools/flows'],
  ])(
    'the console works, and its links hold: %s',
    async (_how, prefix, takesOff, address) => {
      await using site = await startSite(mock.url, prefix, takesOff);
      await using opened = await openPage(browser, `${site.url}${address}?top=10`, WAIT_MAX_MS);
      const { page, problems } = opened;
      await page.locator('.bar').first().waitFor();
      await page.getByText('flows/s arriving').waitFor();
      await page.getByRole('link', { name: 'Traffic flows' }).click();
      await page.locator('tr[data-index]').first().waitFor();
      const { pathname, searchParams } = new URL(page.url());
      expect([pathname, searchParams.get('top')]).toEqual([`${prefix}/`, '10']);
      await page.reload();
      await page.locator('tr[data-index]').first().waitFor();
      expect(await page.locator('.astray').count()).toBe(0);
      expect(problems).toEqual([]);
    },
    TIMEOUT_MS,
  );

  test(
    'where nothing but the page arrives, it says what to look at',
    async () => {
      await using site = await startSite(mock.url, '/flows', true);
      await using opened = await openPage(browser, `${site.url}/flows`, WAIT_MAX_MS);
      const { page } = opened;
      await page.getByText('Behind a proxy the address must end with a slash').waitFor();
    },
    TIMEOUT_MS,
  );
});
