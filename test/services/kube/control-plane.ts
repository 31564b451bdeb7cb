import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Pool } from 'undici';
import { vi } from 'vitest';
import { serverFolder } from '../../../scripts/servers.ts';
import { selfSigned } from '../../support/net/certificate.ts';
import { freePort, type Program, startProgram } from '../../support/processes/program.ts';

/** Users by their tokens. */
const ADMIN = 'admin-token';
export const PROCESSOR = 'processor-token';
export const PROCESSOR_NAME = 'flowlogs-pipeline';
const TOKENS = [
  `${ADMIN},admin,1,"system:masters"`,
  `${PROCESSOR},${PROCESSOR_NAME},2,"collectors"`,
];

/** Requests of the test at the same time. */
const CONNECTIONS = 32;
const READY = { timeout: 60_000, interval: 50 } as const;

/** Both families, so that services may have an address of each. */
const SERVICE_RANGES = '10.96.0.0/16,fd00:10:96::/112';

export const MERGE = 'application/merge-patch+json';

/** A real API server of Kubernetes with its etcd; there are no controllers and no kubelets. */
export class ControlPlane implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'netobserv-kube-'));
  readonly port: number;
  readonly #etcdPorts: readonly [clients: number, peers: number];
  readonly #cert: string;
  readonly #pool: Pool;
  #etcd: Program | undefined;
  #api: Program | undefined;

  private constructor(port: number, etcdPorts: readonly [number, number]) {
    this.port = port;
    this.#etcdPorts = etcdPorts;
    const { cert, key } = selfSigned();
    this.#cert = cert;
    const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const accounts = privateKey.export({ type: 'pkcs8', format: 'pem' });
    const files = { 'api.crt': cert, 'api.key': key, 'accounts.key': accounts };
    const all = { ...files, 'tokens.csv': TOKENS.join('\n') };
    for (const [name, text] of Object.entries(all)) writeFileSync(join(this.folder, name), text);
    const connect = { ca: cert };
    this.#pool = new Pool(`https://127.0.0.1:${port}`, { connections: CONNECTIONS, connect });
  }

  static async start(): Promise<ControlPlane> {
    const [port, clients, peers] = [await freePort(), await freePort(), await freePort()];
    const plane = new ControlPlane(port, [clients, peers]);
    await plane.#startEtcd();
    await plane.startApi();
    return plane;
  }

  /** A kubeconfig file of a user, for a port of the server or of a proxy. */
  kubeconfig(token: string, port = this.port): string {
    const path = join(this.folder, `${token}-${port}.kubeconfig`);
    const ca = Buffer.from(this.#cert).toString('base64');
    const cluster = { server: `https://127.0.0.1:${port}`, 'certificate-authority-data': ca };
    const config = {
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'test' },
      clusters: [{ name: 'test', cluster }],
      users: [{ name: 'test', user: { token } }],
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    };
    writeFileSync(path, JSON.stringify(config));
    return path;
  }

  /** Again after `killApi`, with what etcd has stored. */
  async startApi(): Promise<void> {
    const file = (name: string): string => join(this.folder, name);
    const api = this.#start('kube-apiserver', {
      'etcd-servers': this.#etcdUrl,
      ...{ 'bind-address': '127.0.0.1', 'secure-port': this.port },
      // Nothing connects to this address, which must not be a loopback one.
      ...{ 'advertise-address': '192.0.2.1', 'endpoint-reconciler-type': 'none' },
      ...{ 'service-cluster-ip-range': SERVICE_RANGES, 'authorization-mode': 'RBAC' },
      ...{ 'tls-cert-file': file('api.crt'), 'tls-private-key-file': file('api.key') },
      ...{ 'token-auth-file': file('tokens.csv'), 'cert-dir': this.folder },
      'service-account-issuer': 'https://kubernetes.default.svc',
      'service-account-signing-key-file': file('accounts.key'),
      'service-account-key-file': file('accounts.key'),
      // No controller makes the accounts that pods would need.
      'disable-admission-plugins': 'ServiceAccount',
    });
    this.#api = api;
    await this.#whenReady(api, async () => void (await this.get('/readyz')));
  }

  /** At once: a server that ends in order waits a minute for its watches. */
  async killApi(): Promise<void> {
    await this.#api?.stop('SIGKILL');
  }

  /** Stops the API server in the middle of everything, without closing connections. */
  freezeApi(): void {
    this.#api!.child.kill('SIGSTOP');
  }

  thawApi(): void {
    this.#api!.child.kill('SIGCONT');
  }

  /** etcd forgets all versions but the last one. */
  async compact(): Promise<void> {
    const post = async (path: string, body: object): Promise<{ header: { revision: string } }> => {
      const answer = await fetch(`${this.#etcdUrl}/v3/kv/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      });
      if (!answer.ok) throw new Error(`etcd ${path}: ${await answer.text()}`);
      return (await answer.json()) as { header: { revision: string } };
    };
    const key = Buffer.from('/').toString('base64');
    const { header } = await post('range', { key });
    await post('compaction', { revision: header.revision, physical: true });
  }

  async get(path: string): Promise<string> {
    return await this.#send('GET', path);
  }

  async send(method: string, path: string, body?: object, type = 'application/json') {
    return JSON.parse(await this.#send(method, path, body, type)) as ApiAnswer;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool.destroy();
    for (const program of [this.#api, this.#etcd]) await program?.stop('SIGKILL');
    rmSync(this.folder, { recursive: true });
  }

  get #etcdUrl(): string {
    return `http://127.0.0.1:${this.#etcdPorts[0]}`;
  }

  async #startEtcd(): Promise<void> {
    const peers = `http://127.0.0.1:${this.#etcdPorts[1]}`;
    const etcd = this.#start('etcd', {
      ...{ name: 'test', 'data-dir': join(this.folder, 'etcd'), 'log-level': 'error' },
      ...{ 'listen-client-urls': this.#etcdUrl, 'advertise-client-urls': this.#etcdUrl },
      ...{ 'listen-peer-urls': peers, 'initial-advertise-peer-urls': peers },
      ...{ 'initial-cluster': `test=${peers}`, 'unsafe-no-fsync': true },
    });
    this.#etcd = etcd;
    await this.#whenReady(etcd, async () => void (await fetch(`${this.#etcdUrl}/health`)));
  }

  #start(component: string, flags: Readonly<Record<string, string | number | boolean>>): Program {
    const args = Object.entries(flags).map(([name, value]) => `--${name}=${value}`);
    return startProgram([component, ...args], { command: [join(serverFolder('kube'), 'kube')] });
  }

  async #whenReady(program: Program, ask: () => Promise<void>): Promise<void> {
    const ended = program.end().then((code) => {
      throw new Error(`it has ended with ${code}:\n${program.output().slice(-4000)}`);
    });
    // Only matters while it is waited for.
    ended.catch(() => undefined);
    await Promise.race([vi.waitFor(ask, READY), ended]);
  }

  async #send(method: string, path: string, body?: object, type?: string): Promise<string> {
    const answer = await this.#pool.request({
      method,
      path,
      headers: { authorization: `Bearer ${ADMIN}`, 'content-type': type ?? 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.body.text();
    if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${text.slice(0, 500)}`);
    return text;
  }
}

/** The parts of objects that the test reads. */
export interface ApiAnswer {
  readonly metadata: { readonly uid: string };
  readonly spec: {
    readonly clusterIPs: readonly string[];
    readonly ports: readonly { readonly nodePort: number }[];
  };
}
