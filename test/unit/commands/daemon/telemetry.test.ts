import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { metricsServer } from '../../../../src/commands/daemon/telemetry.ts';
import { Health } from '../../../../src/telemetry/health.ts';
import { createLog } from '../../../../src/telemetry/log.ts';
import { createMetrics } from '../../../../src/telemetry/metrics.ts';
import { agentConfig } from '../../../support/processes/agent-host.ts';
import { freePort } from '../../../support/processes/program.ts';

const TOKEN = '0123456789abcdef';

/** The statuses of `/metrics` without a token, and with one; and what was said without. */
async function answers(env: Readonly<Record<string, string>>, more: object = {}) {
  const port = await freePort();
  const [server] = await metricsServer(
    agentConfig({
      ...{ METRICS_ENABLE: 'true', METRICS_SERVER_ADDRESS: '127.0.0.1' },
      ...{ METRICS_SERVER_PORT: String(port), ...env },
    }),
    { log: createLog('silent'), metrics: createMetrics('x_'), health: new Health(), ...more },
  );
  await server!.start(new AbortController().signal);
  onTestFinished(() => server!.stop());
  const url = `http://127.0.0.1:${port}/metrics`;
  const plain = await fetch(url);
  const authorized = await fetch(url, { headers: { authorization: `Bearer ${TOKEN}` } });
  return { statuses: [plain.status, authorized.status], text: await plain.text() };
}

function tokenFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'netobserv-metrics-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'token'), `${TOKEN}\n`);
  return join(folder, 'token');
}

test('METRICS_TOKEN_PATH: readers need the token, and are told which', async () => {
  const { statuses, text } = await answers({ METRICS_TOKEN_PATH: tokenFile() });
  expect(statuses).toEqual([401, 200]);
  expect(text).toContain('the token of METRICS_TOKEN_PATH');
  expect((await answers({})).statuses).toEqual([200, 200]);
});

test('a token of its own holds in place of the console’s', async () => {
  const closed = { allows: () => false };
  expect((await answers({}, closed)).statuses).toEqual([401, 401]);
  const env = { METRICS_TOKEN_PATH: tokenFile() };
  expect((await answers(env, closed)).statuses).toEqual([401, 200]);
});
