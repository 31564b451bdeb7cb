import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildWeb } from '../../../scripts/build-web.ts';
import type { StatusResponse } from '../../../src/console/api.ts';
import {
  type MockConsole,
  type MockOptions,
  startMockConsole,
} from '../../support/console/console-mock.ts';
import { requireBrowser } from '../../support/require.ts';
import { CHROMIUM, CHROMIUM_ARGS } from './chromium.ts';
import { NARROW, openPage, overflowOf, seriousViolations, WIDE } from './page.ts';
import { WEB_ROOT } from './web-root.ts';

/** Screens that were cut off, in the way, or wrong. */

const TIMEOUT_MS = 60_000;
const WAIT_MAX_MS = 15_000;
/** 2026-11-20 23:30 and 2026-11-21 02:30, UTC. */
const OVER_MIDNIGHT = 'startTime=1795217400&endTime=1795228200&zone=utc';

describe.skipIf(requireBrowser(CHROMIUM))('screens', () => {
  let browser: Browser;
  const mocks: MockConsole[] = [];

  beforeAll(async () => {
    await buildWeb();
    browser = await chromium.launch({ executablePath: CHROMIUM, args: CHROMIUM_ARGS });
  }, TIMEOUT_MS);

  afterAll(async () => {
    await browser?.close();
    await Promise.all(mocks.map((mock) => mock.stop()));
  }, TIMEOUT_MS);

  async function start(options: Partial<MockOptions> = {}): Promise<string> {
    const mock = await startMockConsole({ webRoot: WEB_ROOT, historyS: 300, ...options });
    mocks.push(mock);
    return mock.url;
  }

  const open = (url: string, options: BrowserContextOptions = {}) =>
    openPage(browser, url, WAIT_MAX_MS, options);

  /** The server's status, with a part of it changed. */
  const change = (page: Page, changed: (status: StatusResponse) => StatusResponse) =>
    page.route('**/api/status', async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ json: changed((await answer.json()) as StatusResponse) });
    });

  /** Texts of those elements that are wider than their box. Strings run in the page. */
  const cut = (page: Page, selector: string): Promise<unknown> =>
    page.evaluate(
      `[...document.querySelectorAll(${JSON.stringify(selector)})]
        .filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.textContent)`,
    );

  test(
    'no chart says that there was nothing where it only has not come that far',
    async () => {
      await using opened = await open('about:blank');
      const { page } = opened;
      const empty = {
        resultType: 'matrix',
        result: [],
        stats: {},
        unixTimestamp: Date.now() / 1000,
      };
      await page.route('**/api/flow/metrics?*rateInterval*', (route) =>
        route.fulfill({ json: empty }),
      );
      await page.goto(await start());
      await page
        .getByText(/^Nothing up to \d\d:\d\d:\d\d/)
        .first()
        .waitFor();
      await page.locator('.bar').first().waitFor();
      expect(await page.getByText('No flow in this time').count()).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    'what a filter cannot mean is told whole, and nothing is counted',
    async () => {
      const url = await start();
      const path = `/?tab=flows&filters=src_port=${'x'.repeat(200)}`;
      await using opened = await open(url + path, { viewport: NARROW });
      const { page } = opened;
      await page.locator('.filter-bar [role=alert]', { hasText: 'xxx' }).waitFor();
      expect(await overflowOf(page)).toBeLessThanOrEqual(0);
      expect(await page.getByText(/\d flows /).count()).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    'a filter of a link that is not known here is refused, not left out',
    async () => {
      await using opened = await open(`${await start()}/?tab=flows&filters=of_another=1`);
      const { page } = opened;
      const alert = page.locator('.filter-bar [role=alert]');
      await alert.filter({ hasText: 'there is no field of_another' }).waitFor();
      expect(await page.locator('tr[data-index]').count()).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    'a range from one day to another can be read on a telephone',
    async () => {
      const path = `/?tab=flows&${OVER_MIDNIGHT}`;
      const colorScheme = 'dark';
      await using opened = await open((await start()) + path, { viewport: NARROW, colorScheme });
      const { page } = opened;
      await page.getByText('2026-11-20 23:30 – 2026-11-21 02:30 UTC').waitFor();
      expect(await cut(page, '.masthead-tools .pf-v6-c-menu-toggle__text, .live')).toEqual([]);
      expect(await overflowOf(page)).toBeLessThanOrEqual(0);
      expect(await seriousViolations(page)).toEqual([]);
      const ground = await page.evaluate(
        `getComputedStyle(document.querySelector('.joined button:disabled')).backgroundColor`,
      );
      const [red = 255] = /\d+/.exec(String(ground)) ?? [];
      expect(Number(red)).toBeLessThan(80);
    },
    TIMEOUT_MS,
  );

  test.each([
    ['wide', WIDE],
    ['narrow', NARROW],
  ] as const)(
    'TCP health, processes and tunnels have panels: %s',
    async (_name, viewport) => {
      const url = await start({ features: ['tcpHealth', 'processes', 'tunnels'] });
      await using opened = await open(`${url}/?refresh=off`, { viewport });
      const { page } = opened;
      const rows = page.locator('.features');
      await rows.first().waitFor();
      expect(await rows.count()).toBe(3);
      const titles = page.locator('.features .panel-title');
      expect(await titles.allInnerTexts()).toEqual([
        'TCP retransmissions by destinations',
        'Most retransmissions',
        'TCP handshake time',
        'Most failed connects',
        'Hosts with full receive buffers',
        'Most connection resets',
        'Byte rate by process',
        'Top processes',
        'Top containers and services',
        'Byte rate in tunnels by type of tunnel',
        'Top virtual networks',
        'Top tunnels',
      ]);
      const bars = (title: string) =>
        page.locator('.features .panel', { hasText: title }).locator('.bar-name');
      for (const [title, first] of [
        ['Most failed connects', / 443 https$/],
        ['Top processes', /^firefox$/],
        ['Top virtual networks', /^vxlan 42$/],
        ['Top tunnels', /^192\.168\.1\.20 → 192\.168\.1\.35$/],
      ] as const) {
        await titles.filter({ hasText: title }).scrollIntoViewIfNeeded();
        await bars(title).first().waitFor();
        expect(await bars(title).first().innerText()).toMatch(first);
      }
      expect(await overflowOf(page)).toBeLessThanOrEqual(0);
      expect(await seriousViolations(page)).toEqual([]);
      await bars('Top processes').first().click();
      await page.locator('.filter-bar', { hasText: 'firefox' }).waitFor();
    },
    TIMEOUT_MS,
  );

  test(
    'on a telephone the tools of the table are one row',
    async () => {
      await using opened = await open(`${await start()}/?tab=flows`, { viewport: NARROW });
      const { page } = opened;
      await page.locator('tr[data-index]').first().waitFor();
      const tools = [/^Flows to show/, /^Row size/, /^Columns$/].map((name) =>
        page.getByRole('button', { name }).boundingBox(),
      );
      const boxes = await Promise.all(tools);
      const middles = boxes.map((box) => Math.round(((box?.y ?? 0) + (box?.height ?? 0) / 2) / 4));
      expect(new Set(middles).size).toBe(1);
      expect(boxes[0]?.x).toBeLessThan(20);
    },
    TIMEOUT_MS,
  );

  test(
    'of many interfaces all are counted, some are named, and the rest is in sight',
    async () => {
      await using opened = await open('about:blank');
      const { page } = opened;
      await change(page, (status) => ({
        ...status,
        agent: {
          ...status.agent,
          interfaces: Array.from({ length: 300 }, (_, index) => ({
            ...status.agent.interfaces[0]!,
            name: `veth${index % 100}`,
            index,
            namespace: `ns${Math.floor(index / 100)}`,
          })),
        },
      }));
      await page.goto(await start({ flowsPerSecond: 0, historyS: 0 }));
      await page.getByText('watches 300 interfaces').waitFor();
      expect(await page.locator('.interface-name').count()).toBe(24);
      await page.getByText('and 76 more').waitFor();
      const todo = await page.getByText('To try').boundingBox();
      expect((todo?.y ?? 0) + (todo?.height ?? 0)).toBeLessThan(900);
    },
    TIMEOUT_MS,
  );

  test(
    'an empty page offers a time that has flows',
    async () => {
      await using opened = await open('about:blank');
      const { page } = opened;
      const newestMs = Date.now() - 3 * 3_600_000;
      await change(page, (status) => ({
        ...status,
        store: { ...status.store, rows: 9, newestMs },
      }));
      await page.goto(await start({ flowsPerSecond: 0, historyS: 0 }));
      await page.getByRole('button', { name: 'Show the last 6h' }).waitFor();
    },
    TIMEOUT_MS,
  );

  test(
    'a flow is copied also without a clipboard, as over plain HTTP',
    async () => {
      await using opened = await open('about:blank');
      const { page } = opened;
      await page.addInitScript('delete Navigator.prototype.clipboard');
      await page.goto(`${await start()}/?tab=flows&refresh=off`);
      await page
        .locator('tr[data-index]')
        .first()
        .click({ position: { x: 3, y: 3 } });
      await page.getByRole('button', { name: 'Raw JSON' }).click();
      await page.getByRole('button', { name: 'Copy JSON' }).click();
      await page.getByRole('button', { name: 'Copied' }).waitFor();
      const json = await page.locator('.raw pre').innerText();
      const input = page.getByRole('combobox', { name: 'Add filter' });
      await input.focus();
      await page.keyboard.press('Control+V');
      expect(JSON.parse(await input.inputValue())).toEqual(JSON.parse(json));
    },
    TIMEOUT_MS,
  );

  test(
    'a change is told only against a time that is kept whole',
    async () => {
      await using young = await open(await start({ historyS: 400 }));
      await young.page.locator('.total-note', { hasText: '% of bytes' }).waitFor();
      await using old = await open(await start({ historyS: 900 }));
      await expect
        .poll(() => old.page.locator('.total-change').count(), { timeout: WAIT_MAX_MS })
        .toBe(3);
      expect(await young.page.locator('.total-change').count()).toBe(0);
    },
    TIMEOUT_MS,
  );

  test(
    'a page that never heard of the server does not claim to show anything',
    async () => {
      await using opened = await open('about:blank');
      const { page } = opened;
      await page.route('**/api/**', (route) => route.abort());
      await page.goto(await start());
      await page.getByText('server does not answer').waitFor();
      expect(await page.getByText('last received').count()).toBe(0);
      await page.unroute('**/api/**');
      await page.locator('.bar').first().waitFor();
    },
    TIMEOUT_MS,
  );

  test(
    'the longest range is answered, and one that is longer is the usual one',
    async () => {
      const url = await start();
      await using opened = await open(`${url}/?timeRange=3153600000`);
      const { page } = opened;
      await page.locator('.bar').first().waitFor();
      // Steps are days then, and today's step has not ended.
      await page
        .getByText(/^Nothing up to \d{4}-\d\d-\d\d \d\d:\d\d/)
        .first()
        .waitFor();
      expect(await page.locator('.panel-error').count()).toBe(0);
      await page.goto(`${url}/?timeRange=3153600001`);
      await page.getByRole('button', { name: 'Time range: Last 5m' }).waitFor();
    },
    TIMEOUT_MS,
  );

  test(
    'tables and totals of a fixed range end where its charts do',
    async () => {
      await using opened = await open('about:blank');
      const { page } = opened;
      const ends = new Set<string | null>();
      page.on('request', (request) => {
        const { pathname, searchParams } = new URL(request.url());
        if (pathname.startsWith('/api/flow/')) ends.add(searchParams.get('endTime'));
      });
      const nowS = Math.floor(Date.now() / 1000);
      await page.goto(`${await start()}/?startTime=${nowS - 200}&endTime=${nowS - 20}`);
      await page.locator('.bar').first().waitFor();
      await page.locator('.u-over').first().waitFor();
      await page.getByRole('link', { name: 'Traffic flows' }).click();
      await page.locator('tr[data-index]').first().waitFor();
      expect([...ends]).toEqual([String(nowS - 21)]);
    },
    TIMEOUT_MS,
  );
});
