import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildWeb } from '../../../scripts/build-web.ts';
import { type MockConsole, startMockConsole } from '../../support/console/console-mock.ts';
import { requireBrowser } from '../../support/require.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';
import { NARROW, openPage, overflowOf, seriousViolations } from './page.ts';
import { WEB_ROOT } from './web-root.ts';

const TIMEOUT_MS = 120_000;
const WAIT_MAX_MS = 30_000;

/** Clocks in Berlin go from 03:00 back to 02:00 at this time. */
const BACK_MS = new Date('2026-10-25T01:00:00Z').getTime();
const HALF_HOUR_MS = 1_800_000;

describe.skipIf(requireBrowser(CHROMIUM))('a page of given flows', () => {
  let browser: Browser;
  let mock: MockConsole;

  beforeAll(async () => {
    await buildWeb();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
    mock = await startMockConsole({ webRoot: WEB_ROOT, historyS: 60, flowsPerSecond: 1 });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await mock?.stop();
  }, TIMEOUT_MS);

  async function open(
    path: string,
    flows: readonly Readonly<Record<string, unknown>>[],
    options: BrowserContextOptions = {},
  ) {
    const opened = await openPage(browser, 'about:blank', WAIT_MAX_MS, {
      timezoneId: 'Europe/Berlin',
      ...options,
    });
    await opened.page.route('**/api/flow/records?*', (route) =>
      route.fulfill({
        json: {
          resultType: 'streams',
          result: [
            {
              stream: { app: 'netobserv-flowcollector' },
              values: flows.map((flow) => [`${flow.TimeFlowEndMs}000000`, JSON.stringify(flow)]),
            },
          ],
          stats: { limitReached: false, queriesStats: [], dataSources: ['store'] },
          unixTimestamp: BACK_MS / 1000 + 7200,
        },
      }),
    );
    await opened.page.goto(mock.url + path);
    return opened;
  }

  const rows = (page: Page) => page.locator('tr[data-index]');
  const cells = (page: Page) => page.locator('tr[data-index] td:first-child').allInnerTexts();

  const CHANGE = [
    { TimeFlowEndMs: BACK_MS + HALF_HOUR_MS, SrcAddr: '10.0.0.2', Bytes: 2 },
    { TimeFlowEndMs: BACK_MS - HALF_HOUR_MS, SrcAddr: '10.0.0.1', Bytes: 1 },
  ];

  test(
    'both hours of a change of the clocks are told apart in table and drawer',
    async () => {
      const path = '/?tab=flows&refresh=off&columns=EndTime,SrcAddr';
      await using opened = await open(path, CHANGE);
      const { page } = opened;
      await rows(page).first().waitFor();
      expect(await cells(page)).toEqual(['02:30:00.000 +01:00', '02:30:00.000 +02:00']);
      await rows(page).nth(1).click();
      const drawer = page.getByRole('complementary', { name: 'Flow details' });
      await drawer.getByText('02:30:00.000 +02:00').waitFor();
    },
    TIMEOUT_MS,
  );

  test(
    'UTC is chosen, is in the link, and is remembered',
    async () => {
      await using opened = await open('/?tab=flows&refresh=off&columns=EndTime', CHANGE);
      const { page } = opened;
      await rows(page).first().waitFor();
      await page.getByRole('button', { name: 'Display settings' }).click();
      await page.getByRole('option', { name: 'UTC', exact: true }).click();
      await expect.poll(() => cells(page)).toEqual(['01:30:00.000', '00:30:00.000']);
      expect(new URL(page.url()).searchParams.get('zone')).toBe('utc');
      await page.goto(`${mock.url}/?tab=flows&refresh=off&columns=EndTime`);
      await rows(page).first().waitFor();
      expect(await cells(page)).toEqual(['01:30:00.000', '00:30:00.000']);
      await page.goto(`${mock.url}/?tab=flows&refresh=off&columns=EndTime&zone=local`);
      await rows(page).first().waitFor();
      expect(await cells(page)).toEqual(['02:30:00.000 +01:00', '02:30:00.000 +02:00']);
    },
    TIMEOUT_MS,
  );

  test(
    'a range is picked in the hour that comes twice, and not in the one that is left out',
    async () => {
      await using opened = await open('/?tab=flows&refresh=off', CHANGE);
      const { page } = opened;
      await page.clock.setFixedTime(BACK_MS + 86_400_000);
      const dialog = page.getByRole('dialog', { name: 'Custom time range' });
      await page.getByRole('button', { name: /^Time range/ }).click();
      await page.getByRole('option', { name: 'Custom range…' }).click();
      await dialog.getByLabel('From').fill('2026-03-29T02:30:00');
      await dialog.getByLabel('To').fill('2026-10-25T02:30:00');
      await dialog.getByLabel('Which of both').selectOption('+02:00');
      await dialog.getByRole('button', { name: 'Apply' }).click();
      await dialog.getByText('The clocks leave out this time').waitFor();
      await dialog.getByLabel('From').fill('2026-10-25T01:30:00');
      expect(await seriousViolations(page)).toEqual([]);
      await dialog.getByRole('button', { name: 'Apply' }).click();
      await page.waitForURL(/endTime=/);
      const { searchParams } = new URL(page.url());
      expect(Number(searchParams.get('endTime')) * 1000).toBe(BACK_MS - HALF_HOUR_MS);
      await page.getByText('2026-10-25 01:30 – 02:30 +02:00').waitFor();
    },
    TIMEOUT_MS,
  );

  const HOSTILE = [
    '<img src=x onerror=alert(1)>',
    '"><script>alert(1)</script>',
    '\u001b[31mred\u001b[0m\u0007',
    'first\r\nsecond',
    'gro.elpmaxe\u202egro.live',
    'zero\u200bwidth\ufeff',
    `${'long'.repeat(2000)}.example`,
    '%00%2e;&|,=~!',
  ];

  test.each([
    ['wide', {}],
    ['narrow and dark', { viewport: NARROW, colorScheme: 'dark' as const }],
  ])(
    'hostile names are only text, and show what they hold: %s',
    async (_how, options) => {
      const flows = HOSTILE.map((name, index) => ({
        ...{ TimeFlowEndMs: BACK_MS - index, SrcAddr: '10.0.0.1', Bytes: 1 },
        ...{ DnsName: name, Interfaces: [name], IfDirections: [0] },
      }));
      const path = '/?tab=flows&refresh=off&columns=DNSName,Interfaces';
      await using opened = await open(path, flows, options);
      const { page, problems } = opened;
      page.on('dialog', () => expect.unreachable('a name was run'));
      await rows(page).first().waitFor();
      const text = await page.locator('.flow-table').innerText();
      expect(text).toContain('<img src=x onerror=alert(1)>');
      expect(text).toContain('gro.elpmaxe‹U+202E›gro.live');
      expect(text).toContain('zero‹U+200B›width‹U+FEFF›');
      expect(text).toContain('first‹U+000D›‹U+000A›second');
      expect(text).not.toMatch(/\p{Cf}|(?![\n\t])\p{Cc}/u);
      expect(await page.locator('.flow-table img, .flow-table script').count()).toBe(0);
      expect(await overflowOf(page)).toBeLessThanOrEqual(0);
      const boxes = await Promise.all((await rows(page).all()).map((row) => row.boundingBox()));
      expect(new Set(boxes.map((box) => box?.height)).size).toBe(1);

      for (const index of [4, 6]) {
        await rows(page)
          .nth(index)
          .click({ position: { x: 3, y: 3 } });
        const drawer = page.getByRole('complementary', { name: 'Flow details' });
        await drawer.getByRole('button', { name: 'Raw JSON' }).click();
        const json = await drawer.locator('pre').innerText();
        expect(JSON.parse(json)).toMatchObject({ DnsName: HOSTILE[index] });
        expect(json).not.toContain('\u202e');
        expect(await overflowOf(page)).toBeLessThanOrEqual(0);
        await page.keyboard.press('Escape');
      }
      expect(problems).toEqual([]);
    },
    TIMEOUT_MS,
  );
});
