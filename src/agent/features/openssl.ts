import { opensslMetrics, opensslTotals } from '../drain/layout.gen.ts';
import type { ProbeOptions } from '../loader/native.ts';
import { fillDoubles } from './columns.ts';
import type { FeatureReaderDeps, FeatureSpec } from './feature.ts';
import { findOpenssl, type OpensslFunction } from './openssl-library.ts';
import { LibraryWatch } from './openssl-watch.ts';

const WORD = 2 ** 32;
/**
 * Threads that may be inside OpenSSL at the same time, several times over: each CPU reserves some
 * hundred free entries of such a map.
 */
const CALLS_MAX = 16_384;
/** Connections that may be in use, one entry for each direction. */
const FLOWS_MAX = 65_536;

const TOTALS_MAP = 'ssl_totals';
/** By `enum ssl_direction`. */
const DIRECTIONS = ['read', 'write'] as const;

/** The program that runs on entry of each function. */
const ENTRIES: readonly (readonly [OpensslFunction, string])[] = [
  ['SSL_read', 'openssl_read'],
  ['SSL_write', 'openssl_write'],
  ['SSL_read_ex', 'openssl_read_ex'],
  ['SSL_write_ex', 'openssl_write_ex'],
];

/** How programs find the socket that a call uses: Linux 6.3 has tracepoints for it. */
const SOCKETS = [
  ['openssl_sent', 'openssl_received'],
  ['openssl_tcp_send', 'openssl_tcp_receive'],
  ['openssl_tcp_send_kprobe', 'openssl_tcp_receive_kprobe'],
];

/** Plain text that passes through OpenSSL, by bpf/openssl.h. */
export const openssl: FeatureSpec = {
  name: 'openssl',
  variable: 'ENABLE_OPENSSL_TRACKING',
  isOn: (config) => config.enableOpensslTracking,
  fields: 'openssl',
  without: 'flows have no OpenSslBytes',
  enabledBy:
    'uprobes, and tracepoint sock:sock_send_length (Linux 6.3 or later), fentry or kprobes',
  // CAP_PERFMON is not enough to put probes into other programs' code.
  capabilities: { start: ['CAP_SYS_ADMIN'] },
  maps: [TOTALS_MAP],
  extension: { at: 'opensslAt', sizeBytes: opensslMetrics.sizeBytes },
  maxEntries: () => ({ ssl_calls: CALLS_MAX, ssl_flows: FLOWS_MAX }),

  ways(config) {
    const { path: file, functions } = findOpenssl(config.opensslPath);
    const code = ENTRIES.filter(([symbol]) => functions.has(symbol)).flatMap(
      ([symbol, program]): ProbeOptions[] => [
        { program, file, symbol },
        { program: 'openssl_return', file, symbol, isReturn: 1 },
      ],
    );
    const free = functions.has('SSL_free') ? ['openssl_free'] : [];
    const ends = free.map((program): ProbeOptions => ({ program, file, symbol: 'SSL_free' }));
    // Sockets come first, so that the flow is known from the first call on.
    return SOCKETS.map((programs) => [
      ...programs.map((program) => ({ program })),
      ...ends,
      ...code,
    ]);
  },

  reader: (deps, at) => {
    const totals = new Totals(deps);
    const library = watchOf(deps);
    return {
      decode(buffer, length, batch) {
        fillDoubles(buffer, length, batch, 'OpenSslBytes', at + opensslMetrics.bytes);
      },
      finish() {
        totals.count();
        library?.look();
      },
    };
  },
};

/** If another program has attached the probes, the library may not be visible. */
function watchOf(deps: FeatureReaderDeps): LibraryWatch | undefined {
  try {
    return new LibraryWatch(findOpenssl(deps.config.opensslPath).path, deps);
  } catch {
    return undefined;
  }
}

interface Total {
  readonly calls: number;
  readonly unlinkedBytes: number;
}

/** Plain text through OpenSSL, with or without a known flow, as metrics. */
class Totals {
  readonly #deps: FeatureReaderDeps;
  readonly #bytes = new Uint8Array(opensslTotals.sizeBytes);
  /** By direction: the counts at the start, from those who loaded the programs. */
  readonly #before: Total[];

  constructor(deps: FeatureReaderDeps) {
    this.#deps = deps;
    this.#before = DIRECTIONS.map((_, direction) => this.#read(direction));
  }

  count(): void {
    const { metrics } = this.#deps;
    for (const [direction, openssl_type] of DIRECTIONS.entries()) {
      const now = this.#read(direction);
      const before = this.#before[direction]!;
      metrics.opensslEvents.inc({ openssl_type }, now.calls - before.calls);
      metrics.opensslUnlinked.inc({ openssl_type }, now.unlinkedBytes - before.unlinkedBytes);
      this.#before[direction] = now;
    }
  }

  #read(direction: number): Total {
    const { native, object } = this.#deps;
    const view = new DataView(this.#bytes.buffer);
    native.readMap(object, TOTALS_MAP, direction, this.#bytes);
    return {
      calls: u64(view, opensslTotals.calls),
      unlinkedBytes: u64(view, opensslTotals.unlinkedBytes),
    };
  }
}

/** Exact to 2^53. */
function u64(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * WORD;
}
