import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, fetch } from 'undici';
import { expect } from 'vitest';
import { selfSigned } from '../../support/net/certificate.ts';
import { freePort, type Program, startProgram } from '../../support/processes/program.ts';

export const USER = 'alice';
/** The password of a published test vector of bcrypt. */
export const PASSWORD = 'U*U';
const PASSWORD_HASH = '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';

/** Answer of the query API: a value, or a native histogram, for each series. */
interface Result {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: readonly [number, string];
  readonly values?: readonly (readonly [number, string])[];
  readonly histogram?: readonly [
    number,
    { readonly count: string; readonly sum: string; readonly buckets: readonly Bucket[] },
  ];
}

/** Which bounds belong to it, the bounds, and the observations. */
type Bucket = readonly [number, string, string, string];

export interface PrometheusOptions {
  /** Target that it scrapes each second, `host:port`. */
  readonly scrapes?: string;
  /** More of the scrape's configuration, as YAML. */
  readonly scrape?: string;
  /** It takes TLS only, with USER and PASSWORD. */
  readonly isProtected?: boolean;
}

/** A real Prometheus in its own folder, with native histograms and remote write. */
export class Prometheus implements AsyncDisposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'netobserv-prometheus-'));
  readonly #port: number;
  readonly #options: PrometheusOptions;
  readonly #agent = new Agent({ connect: { rejectUnauthorized: false } });
  #program: Program | undefined;

  private constructor(port: number, options: PrometheusOptions) {
    this.#port = port;
    this.#options = options;
  }

  static async start(options: PrometheusOptions = {}): Promise<Prometheus> {
    const server = new Prometheus(await freePort(), options);
    server.#configure();
    await server.restart();
    return server;
  }

  get port(): number {
    return this.#port;
  }

  /** Where samples are written to. */
  get writeUrl(): string {
    return `${this.#origin}/api/v1/write`;
  }

  get #origin(): string {
    return `http${this.#options.isProtected === true ? 's' : ''}://localhost:${this.#port}`;
  }

  /** Starts it again after `kill`, with its stored data. */
  async restart(): Promise<void> {
    const args = [
      `--config.file=${join(this.folder, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(this.folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${this.#port}`,
      ...['--web.enable-remote-write-receiver', '--enable-feature=native-histograms'],
      ...(this.#options.isProtected === true
        ? [`--web.config.file=${join(this.folder, 'web.yml')}`]
        : []),
    ];
    const program = startProgram(args, { command: ['prometheus'] });
    this.#program = program;
    await program.waitFor(/Server is ready to receive web requests/);
  }

  /** Kills it, at any point of its work. */
  async kill(): Promise<void> {
    await this.#program?.stop('SIGKILL');
  }

  /** Stops it without closing anything, or lets it go on. */
  hang(isHung: boolean): void {
    this.#program?.child.kill(isHung ? 'SIGSTOP' : 'SIGCONT');
  }

  /** Results of an instant query. */
  async query(query: string): Promise<readonly Result[]> {
    const basic = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');
    const answer = await fetch(`${this.#origin}/api/v1/query`, {
      method: 'POST',
      headers: { authorization: `Basic ${basic}` },
      body: new URLSearchParams({ query }),
      dispatcher: this.#agent,
    });
    const text = await answer.text();
    expect(answer.status, text).toBe(200);
    return (JSON.parse(text) as { data: { result: Result[] } }).data.result;
  }

  /** Values of an instant query by the series’ labels, without `__name__`, as JSON. */
  async values(query: string): Promise<Readonly<Record<string, number>>> {
    const results = await this.query(query);
    return Object.fromEntries(
      results.map(({ metric: { __name__: _, ...labels }, value }) => [
        JSON.stringify(labels),
        Number(value![1]),
      ]),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#agent.close();
    rmSync(this.folder, { recursive: true });
  }

  #configure(): void {
    const { scrapes, scrape = '' } = this.#options;
    const at = (name: string): string => join(this.folder, name);
    const job =
      scrapes === undefined
        ? '[]'
        : `\n- {job_name: flows, static_configs: [{targets: ['${scrapes}']}]${scrape}}`;
    const global = 'global: {scrape_interval: 1s, scrape_timeout: 1s}\n';
    writeFileSync(at('prometheus.yml'), `${global}scrape_configs: ${job}\n`);
    const { cert, key } = selfSigned();
    writeFileSync(at('server.crt'), cert);
    writeFileSync(at('server.key'), key);
    const tls = `tls_server_config: {cert_file: ${at('server.crt')}, key_file: ${at('server.key')}}`;
    writeFileSync(at('web.yml'), `${tls}\nbasic_auth_users: {${USER}: '${PASSWORD_HASH}'}\n`);
  }
}
