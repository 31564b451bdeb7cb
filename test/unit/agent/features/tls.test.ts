import { beforeEach, expect, test } from 'vitest';
import { messageKind, tlsMetrics, tlsSeen } from '../../../../src/agent/drain/layout.gen.ts';
import { tls } from '../../../../src/agent/features/tls.ts';
import { TLS_TYPES } from '../../../../src/flow/names/tls.ts';
import { clientHello, record, serverHello } from '../../../support/codec/tls-hello.ts';
import { type BedFlow, FeatureBed, tcpKey } from '../../../support/kernel/feature-bed.ts';
import { messageRecord } from '../../../support/kernel/message-kernel.ts';
import type { FlowView } from '../../../support/processes/agent-host.ts';

const THERE = tcpKey(40_000, 443);
const BACK = tcpKey(443, 40_000);
const DATA = tlsSeen.appData;

let bed: FeatureBed;

beforeEach(() => {
  bed = new FeatureBed(tls);
});

/** A flow with these kinds of records, or with segments that begin without one. */
function flow(key: Uint8Array, types: number, misses = 0): BedFlow {
  const extension = Buffer.alloc(tlsMetrics.sizeBytes);
  extension[tlsMetrics.types] = types;
  extension[tlsMetrics.misses] = misses;
  return { key, extension };
}

const hello = (key: Uint8Array, bytes: Buffer): Buffer =>
  messageRecord(messageKind.tls, key, bytes);
const versions = (views: readonly FlowView[]): unknown[] => views.map((view) => view.TLSVersion);

test('kinds of records have the datapath’s bits', () => {
  const bits = TLS_TYPES.map(([, bit]) => bit);
  expect(bits).toEqual(Object.values(tlsSeen));
});

test('the client’s word, until the server’s is known', async () => {
  bed.kernel.leave(hello(THERE, clientHello({ versions: [0x0304], serverName: 'a.example' })));
  const [there, back] = await bed.drain(flow(THERE, 1), flow(BACK, 0));
  expect(there).toMatchObject({ TLSVersion: 'TLS 1.3', TLSServerName: 'a.example' });
  expect(there).toMatchObject({ TLSCipherSuite: '', TLSGroup: '', TLSTypes: ['ClientHello'] });
  expect(back).toMatchObject({ TLSVersion: '', TLSServerName: '', TLSTypes: [] });

  bed.kernel.leave(hello(BACK, serverHello({ cipherSuite: 0xc02f })));
  const later = await bed.drain(flow(THERE, DATA), flow(BACK, 2));
  expect(versions(later)).toEqual(['~ TLS 1.2', '~ TLS 1.2']);
  expect(later[0]).toMatchObject({
    TLSCipherSuite: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
    TLSServerName: 'a.example',
  });
});

test('of a hello that is cut nothing is told but what was there', async () => {
  const whole = serverHello({ version: 0x0304, cipherSuite: 0x1301, group: 29 });
  const session = 5 + 4 + 2 + 32;
  const client = clientHello({ versions: [0x0304], serverName: 'a.example' });
  bed.kernel.leave(hello(THERE, client), hello(BACK, whole.subarray(0, session + 1)));
  expect((await bed.drain(flow(THERE, 1)))[0]).toMatchObject({
    ...{ TLSVersion: 'TLS 1.3', TLSServerName: 'a.example', TLSCipherSuite: '', TLSGroup: '' },
  });

  const beforeVersion = whole.indexOf(Buffer.of(0, 43, 0, 2));
  bed.kernel.leave(hello(BACK, whole.subarray(0, beforeVersion)));
  expect((await bed.drain(flow(THERE, DATA)))[0]).toMatchObject({
    // The client's version: without the server's, a mismatch would be invented.
    ...{ TLSVersion: 'TLS 1.3', TLSCipherSuite: 'TLS_AES_128_GCM_SHA256' },
  });
});

test('numbers without a name are shown as numbers', async () => {
  bed.kernel.leave(
    hello(BACK, serverHello({ version: 0x7f1c, cipherSuite: 0xabcd, group: 0x6399 })),
  );
  expect(await bed.drain(flow(BACK, 2))).toEqual([
    expect.objectContaining({
      TLSVersion: '0x7F1C',
      TLSCipherSuite: '0xABCD',
      TLSGroup: 'X25519Kyber768Draft00',
    }),
  ]);
});

test('a connection that goes on keeps what was said, one that pauses is forgotten', async () => {
  bed.kernel.leave(
    hello(THERE, clientHello({ versions: [0x0304] })),
    hello(tcpKey(41_000, 443), clientHello({ versions: [0x0304] })),
  );
  await bed.drain(flow(THERE, 1));
  for (let i = 0; i < 5; i++) {
    bed.nowMs += 5000;
    // Large records: no segment begins with one.
    expect(versions(await bed.drain(flow(THERE, 0, 16)))).toEqual(['TLS 1.3']);
  }
  expect(versions(await bed.drain(flow(tcpKey(41_000, 443), DATA)))).toEqual(['']);
  bed.nowMs += 5000;
  await bed.drain();
  bed.nowMs += 5000;
  await bed.drain();
  expect(versions(await bed.drain(flow(THERE, DATA)))).toEqual(['']);
});

test('drains that come early forget nothing sooner', async () => {
  await bed.drain();
  bed.kernel.leave(hello(THERE, clientHello({ versions: [0x0304] })));
  for (let i = 0; i < 10; i++) {
    bed.nowMs += 50;
    await bed.drain();
  }
  expect(versions(await bed.drain(flow(THERE, DATA)))).toEqual(['TLS 1.3']);
});

test('what cannot be read is counted and tells nothing', async () => {
  bed.kernel.leave(
    hello(THERE, Buffer.alloc(20, 22)),
    hello(THERE, clientHello().subarray(0, 12)),
    hello(BACK, serverHello({ cipherSuite: 1 })),
  );
  expect(versions(await bed.drain(flow(THERE, 1)))).toEqual(['TLS 1.2']);
  const text = await bed.metrics.registry.metrics();
  for (const outcome of ['whole', 'cut', 'malformed']) {
    expect(text).toContain(`messages_total{kind="tls",outcome="${outcome}"} 1`);
  }
});

const WHOLE = clientHello({ versions: [0x0304], serverName: 'cut.example', alpn: ['h2'] });
const SEQUENCE = 0xffff_ff00;

/** The part `from .. to` of a hello, in its own segment. */
function part(from: number, to: number, bytes = WHOLE): Buffer {
  const kind = from === 0 ? messageKind.tls : messageKind.tlsMore;
  const options = { sequence: (SEQUENCE + from) >>> 0 };
  return messageRecord(kind, THERE, bytes.subarray(from, to), options);
}

test('a hello is put together wherever segments end, sequence numbers begin anew or not', async () => {
  for (let cut = 1; cut < WHOLE.length; cut++) {
    bed = new FeatureBed(tls);
    bed.kernel.leave(part(0, cut), part(cut, WHOLE.length));
    const counted = flow(THERE, 0);
    counted.extension[tlsMetrics.hellos] = 1;
    expect((await bed.drain(counted))[0], `cut at ${cut}`).toMatchObject({
      TLSServerName: 'cut.example',
      TLSAlpn: ['h2'],
      TLSVersion: 'TLS 1.3',
      TLSTypes: ['ClientHello'],
    });
    // It is reported once.
    expect((await bed.drain(counted))[0]).toMatchObject({ TLSTypes: [] });
  }
});

test('parts that come twice are taken once, and what is missing ends a hello', async () => {
  bed.kernel.leave(part(0, 20), part(10, 30), part(15, 25), part(30, WHOLE.length));
  expect((await bed.drain(flow(THERE, 1)))[0]).toMatchObject({ TLSServerName: 'cut.example' });
  bed = new FeatureBed(tls);
  bed.kernel.leave(part(0, 80), part(81, WHOLE.length));
  expect((await bed.drain(flow(THERE, 1)))[0]).toMatchObject({ TLSServerName: '' });
});

test('a hello in several records', async () => {
  const body = WHOLE.subarray(5);
  const records = [body.subarray(0, 4), body.subarray(4, 90), body.subarray(90)];
  const bytes = Buffer.concat(records.map((content) => record(22, content)));
  bed.kernel.leave(part(0, 60, bytes), part(60, bytes.length, bytes));
  expect((await bed.drain(flow(THERE, 1)))[0]).toMatchObject({ TLSServerName: 'cut.example' });
});

test('more hellos than there is room for are counted', async () => {
  const server = serverHello({ cipherSuite: 0x1301 });
  const rows = Array.from({ length: 16_400 }, (_, i) => hello(tcpKey(i, 50_000), server));
  bed.kernel.pieces = [];
  for (let i = 0; i < rows.length; i += 1000) {
    bed.kernel.pieces.push(Buffer.concat(rows.slice(i, i + 1000)));
  }
  bed.kernel.pieces.push(new Uint8Array(0));
  await bed.drain();
  expect(await bed.metrics.registry.metrics()).toContain(
    'feature_losses_total{feature="tls",reason="hellos_full"} 16',
  );
});
