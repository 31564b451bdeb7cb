import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ROOT } from '../../../scripts/steps.ts';
import { LabPair, ONLY_TESTS } from '../../support/lab/lab-pair.ts';
import { Lab } from '../../support/lab/netns.ts';
import { startUp, type UpHost } from '../../support/processes/up-host.ts';
import { requireBrowser, requireRoot } from '../../support/require.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';
import { NARROW, openPage, overflowOf, seriousViolations, WIDE } from './page.ts';

const START_TIMEOUT_MS = 60_000;
const TEST_TIMEOUT_MS = 60_000;
/** Time limit for one element to appear on the page. */
const WAIT_MAX_MS = 20_000;
const TCP_PORT = 5001;
const CLOSED_PORT = 5003;
const DROPPED = 40;

describe.skipIf(requireRoot() || requireBrowser(CHROMIUM))('features in a browser', () => {
  let lab: Lab;
  let up: UpHost;
  let browser: Browser;

  beforeAll(async () => {
    lab = new Lab();
    const left = lab.namespace('left');
    const right = lab.namespace('right');
    const pair = new LabPair(lab, left, right);
    pair.giveAddresses('10.113.0');
    up = await startUp([
      ...['--interfaces', ONLY_TESTS, '--cache-active-timeout', '200ms'],
      ...['--features', 'rtt,drops,dns,openssl', '--openssl-path', '/nowhere/libssl.so'],
    ]);
    const [, address] = pair.v4;
    const script = join(ROOT, 'test/support/lab/dns-server.ts');
    await lab.service(right, /ready/, process.execPath, script, address, '53');
    for (const name of ['slow.example.com', 'nx.example.com']) {
      lab.inside(left, 'dig', `@${address}`, '-u', '+tries=1', '+time=2', name, 'A');
    }
    await lab.cast(left, { address, port: CLOSED_PORT, count: DROPPED, sizeBytes: 64 });
    await lab.tcp(left, right, { address, port: TCP_PORT, sendBytes: 1e6, replyBytes: 1000 });
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  }, START_TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await up?.[Symbol.asyncDispose]();
    await lab?.[Symbol.asyncDispose]();
  }, START_TIMEOUT_MS);

  const open = (path: string, options: BrowserContextOptions = {}) =>
    openPage(browser, up.url + path, WAIT_MAX_MS, options);

  const panel = (page: Page, name: string) => page.getByRole('region', { name, exact: true });

  /** Below the window, where panels request nothing before they are visible. */
  const RANKINGS = ['Top causes of drops', 'Top names in DNS', 'Longest round trips, on average'];

  test.each([
    ['wide', WIDE, 'light'],
    ['narrow', NARROW, 'dark'],
  ] as const)(
    'the overview shows drops, DNS and round trips: %s, accessible',
    async (_name, viewport, colorScheme) => {
      await using opened = await open('/', { viewport, colorScheme });
      const { page, problems } = opened;
      for (const [name, row] of [
        ['Dropped packets by cause', 'NO_SOCKET'],
        ['Dropped packets by TCP state', '(none)'],
        ['DNS latency', '99 % are below'],
        ['DNS flows by response code', 'NXDomain'],
        ['TCP round-trip time', 'Minimum'],
      ] as const) {
        await panel(page, name).scrollIntoViewIfNeeded();
        await panel(page, name).locator('.legend th', { hasText: row }).waitFor();
        expect(await panel(page, name).locator('.u-over').count(), name).toBe(1);
      }
      for (const name of RANKINGS) {
        await panel(page, name).scrollIntoViewIfNeeded();
        await panel(page, name).locator('.bar').first().waitFor();
      }
      const causes = panel(page, 'Top causes of drops').locator('.bar');
      // The kernel drops packets for other reasons elsewhere on this host.
      const [, packets] = (await causes.filter({ hasText: 'NO_SOCKET' }).innerText()).split('\n');
      expect(Number(packets)).toBeGreaterThanOrEqual(DROPPED);
      await panel(page, 'Top names in DNS').locator('.bar', { hasText: 'slow.example' }).waitFor();

      expect(await seriousViolations(page)).toEqual([]);
      expect(await overflowOf(page)).toBeLessThanOrEqual(0);
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'a cause of drops is one click away from the flows that met it',
    async () => {
      await using opened = await open('/');
      const { page, problems } = opened;
      await panel(page, 'Top causes of drops').scrollIntoViewIfNeeded();
      await panel(page, 'Top causes of drops').locator('.bar', { hasText: 'NO_SOCKET' }).click();
      await page.getByRole('button', { name: /^Edit filter .*NO_SOCKET/ }).waitFor();
      await panel(page, 'DNS latency').scrollIntoViewIfNeeded();
      await panel(page, 'DNS latency')
        .getByText(/^Nothing up to/)
        .waitFor();
      await page.locator('.bar', { hasText: `UDP ${CLOSED_PORT}` }).waitFor();
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );

  test(
    'columns of features are offered with their headings, those that are missing with the reason',
    async () => {
      await using opened = await open(`/?tab=flows&refresh=off&filters=dst_port=${CLOSED_PORT}`);
      const { page, problems } = opened;
      await page.getByRole('button', { name: 'Columns', exact: true }).click();
      const dialog = page.getByRole('dialog', { name: 'Columns' });
      await dialog.getByText(/^No columns of openssl.*\/nowhere\/libssl\.so/).waitFor();
      await dialog.getByRole('searchbox').fill('ssl');
      expect(await dialog.getByRole('checkbox').count()).toBe(0);
      await dialog.getByRole('searchbox').fill('drop');
      await dialog.getByRole('checkbox', { name: 'Drop Cause', exact: true }).check();
      await dialog.getByRole('checkbox', { name: 'Dropped Packets', exact: true }).check();
      await dialog.getByRole('button', { name: 'Save' }).click();

      await page.locator('.group-cell', { hasText: /^Drop$/ }).waitFor();
      const row = page.locator('.flow-table tbody tr[data-index]').first();
      await row.getByRole('button', { name: 'NO_SOCKET', exact: true }).waitFor();
      await row.focus();
      await page.keyboard.press('Enter');
      const details = page.getByRole('complementary', { name: 'Flow details' });
      await details.getByRole('heading', { name: 'Drop', exact: true }).waitFor();
      expect(problems).toEqual([]);
    },
    TEST_TIMEOUT_MS,
  );
});
