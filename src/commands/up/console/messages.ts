import type { ConsoleConfig } from '../../../console/server/config.ts';
import type { ConsoleDeps } from '../../../console/server/context.ts';
import type { WrittenRows } from '../../../console/server/live.ts';
import type { ConsoleAddress } from '../../../console/server/root.ts';
import type { LogLevel } from '../../../telemetry/log.ts';
import type { ConsoleRenewal, ProtectionFiles } from '../protection.ts';
import type { PlainError } from './calls.ts';

/** Start parameters of the console's thread. */
export interface ConsoleStart {
  readonly config: Omit<ConsoleConfig, 'token' | 'tls'>;
  readonly files: ProtectionFiles;
  readonly version: ConsoleDeps['version'];
  readonly logLevel: LogLevel;
  readonly metricsPrefix: string;
}

/** Messages from the main thread, besides answers to calls. */
export type ToConsole =
  | { readonly kind: 'written'; readonly rows: WrittenRows }
  | { readonly kind: 'stop' };

/** Messages from the console's thread, besides calls. */
export type FromConsole =
  | { readonly kind: 'up'; readonly address: ConsoleAddress; readonly families: readonly string[] }
  | { readonly kind: 'failed'; readonly error: PlainError }
  | { readonly kind: 'log'; readonly line: string }
  /** Files were read again; `error` says why they are unusable. */
  | { readonly kind: 'renewal'; readonly what: ConsoleRenewal; readonly error?: PlainError }
  /** Metrics of the console itself, as text. */
  | { readonly kind: 'metrics'; readonly text: string };
