/** TLS handshakes of OpenSSL's own client and server, compared with the client's output. */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Lab } from '../../support/lab/netns.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { type AgentHost, type FlowView, startAgent } from '../../support/processes/agent-host.ts';
import { requireRoot } from '../../support/require.ts';

const SERVER = '10.9.0.2';
const PORT = 8443;
const CONNECT = ['-connect', `${SERVER}:${PORT}`];

describe.skipIf(requireRoot())('TLS', () => {
  let lab: Lab;
  let host: AgentHost;
  let client: string;
  let server: string;
  let folder: string;
  let openssl: ChildProcess;

  async function serve(...options: readonly string[]): Promise<void> {
    const { cert, key } = selfSigned();
    writeFileSync(join(folder, 'cert.pem'), cert);
    writeFileSync(join(folder, 'key.pem'), key);
    const files = ['-cert', join(folder, 'cert.pem'), '-key', join(folder, 'key.pem')];
    const listen = ['s_server', '-accept', `${SERVER}:${PORT}`, ...files, ...options];
    openssl = await lab.service(server, /ACCEPT/, 'openssl', ...listen);
  }

  /** Sends a line and returns the client's report about the connection. */
  const talk = (...options: readonly string[]): string => {
    const command = ['openssl', 's_client', ...CONNECT, ...options].join(' ');
    return lab.inside(client, 'sh', '-c', `echo line | ${command} 2>&1`);
  };

  async function flows(): Promise<{ there: FlowView[]; back: FlowView[] }> {
    await host.agent.drainNow();
    return {
      there: host.flows.filter((flow) => flow.DstPort === PORT),
      back: host.flows.filter((flow) => flow.SrcPort === PORT),
    };
  }

  beforeEach(async () => {
    lab = new Lab();
    folder = mkdtempSync(join(tmpdir(), 'netobserv-tls-'));
    client = lab.namespace('client');
    server = lab.namespace('server');
    const interfaces = lab.pair(
      { namespace: client, addresses: ['10.9.0.1/24'] },
      { namespace: server, addresses: [`${SERVER}/24`] },
    );
    host = await startAgent({
      INTERFACES: interfaces.join(),
      ENABLE_TLS_TRACKING: 'true',
      CACHE_ACTIVE_TIMEOUT: '1h',
    });
  });
  afterEach(async () => {
    await host[Symbol.asyncDispose]();
    await lab[Symbol.asyncDispose]();
    rmSync(folder, { recursive: true });
  });

  test('TLS 1.3: both directions tell of the handshake', async () => {
    await serve('-alpn', 'h2');
    const output = talk('-servername', 'Www.Example.com', '-alpn', 'h2,http/1.1');
    const { there, back } = await flows();
    const suite = /Cipher is (\S+)/.exec(output)![1];
    expect(output).toContain('TLSv1.3');
    expect(output).toContain('Server Temp Key: X25519');
    const handshake = {
      TLSVersion: 'TLS 1.3',
      TLSCipherSuite: suite,
      TLSGroup: 'X25519',
      TLSServerName: 'www.example.com',
      TLSAlpn: ['h2', 'http/1.1'],
    };
    expect(host.agent.status().features).toEqual([{ name: 'tls', state: 'on' }]);
    expect(there).toEqual([expect.objectContaining(handshake)]);
    expect(back).toEqual([expect.objectContaining(handshake)]);
    expect(there[0]?.TLSTypes).toEqual(['ClientHello', 'ChangeCipher', 'AppData']);
    expect(back[0]?.TLSTypes).toEqual(['ServerHello', 'ChangeCipher', 'AppData']);
  });

  test('TLS 1.2, which both want', async () => {
    await serve('-tls1_2');
    const output = talk('-tls1_2', '-noservername');
    const { there, back } = await flows();
    expect(output).toContain('ECDHE-ECDSA-AES256-GCM-SHA384');
    const handshake = {
      TLSVersion: 'TLS 1.2',
      TLSCipherSuite: 'TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384',
      TLSGroup: '',
      TLSServerName: '',
      TLSAlpn: [],
    };
    expect(there).toEqual([expect.objectContaining(handshake)]);
    expect(back).toEqual([expect.objectContaining(handshake)]);
    expect(there[0]?.TLSTypes).toEqual(
      expect.arrayContaining(['ClientHello', 'OtherHandshake', 'ChangeCipher', 'AppData']),
    );
    expect(back[0]?.TLSTypes).toEqual(
      expect.arrayContaining(['ServerHello', 'OtherHandshake', 'ChangeCipher']),
    );
  });

  test('a server that can do less than the client', async () => {
    await serve('-tls1_2');
    talk();
    const { there, back } = await flows();
    expect(there.map((flow) => flow.TLSVersion)).toEqual(['~ TLS 1.2']);
    expect(back.map((flow) => flow.TLSVersion)).toEqual(['~ TLS 1.2']);
  });

  test('a server that refuses the first key share', async () => {
    await serve('-groups', 'P-384');
    const output = talk('-groups', 'X25519:P-384');
    const { back } = await flows();
    expect(output).toContain('ECDH, secp384r1');
    expect(back).toEqual([
      expect.objectContaining({ TLSVersion: 'TLS 1.3', TLSGroup: 'CurveP384' }),
    ]);
  });

  test('a refused handshake', async () => {
    await serve('-tls1_3');
    try {
      talk('-tls1_2');
    } catch {
      // The client fails, too.
    }
    const { there, back } = await flows();
    expect(there[0]).toMatchObject({ TLSVersion: 'TLS 1.2', TLSTypes: ['ClientHello'] });
    expect(back[0]).toMatchObject({ TLSCipherSuite: '', TLSTypes: ['Alert'] });
  });

  test('a connection keeps what its handshake said from drain to drain', async () => {
    await serve();
    const options = ['s_client', ...CONNECT, '-servername', 'long.example'];
    const peer = await lab.service(client, /Verify return code/, 'openssl', ...options);
    for (const line of ['first', 'second', 'third']) {
      host.flows.length = 0;
      const arrived = outputOf(openssl, line);
      peer.stdin!.write(`${line}\n`);
      await arrived;
      const { there } = await flows();
      expect(there).toEqual([
        expect.objectContaining({ TLSVersion: 'TLS 1.3', TLSServerName: 'long.example' }),
      ]);
    }
  });

  test('flows without TLS have nothing of it', async () => {
    await lab.tcp(client, server, {
      address: SERVER,
      port: PORT,
      sendBytes: 200_000,
      replyBytes: 2,
    });
    const { there } = await flows();
    expect(there).toEqual([expect.objectContaining({ TLSTypes: [], TLSVersion: '' })]);
  });
});

function outputOf(child: ChildProcess, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    const look = (part: Buffer): void => {
      if (!part.toString().includes(wanted)) return;
      child.stdout!.off('data', look);
      resolve();
    };
    child.stdout!.on('data', look);
  });
}
