import { agentDeprecations, agentOptions } from '../agent/config.ts';
import { withFeatures } from '../agent/features/choose.ts';
import { FEATURES } from '../agent/features/table.ts';
import { type Examination, examineDatapath } from '../agent/loader/examine.ts';
import type { Native } from '../agent/loader/native.ts';
import { NetobservError } from '../base/errors.ts';
import { bpfObject, loadNative } from './assets.ts';
import { buildFacts } from './build-facts.ts';
import { effectiveCapabilities, missingCapabilities, readHostFile } from './capabilities.ts';
import type { Command, CommandContext, Flags } from './command.ts';
import { hostFacts, viewHost } from './doctor/host-facts.ts';
import { type DoctorReport, type FeatureReport, reportText } from './doctor/report.ts';
import { COMMAND_ERRORS } from './errors.ts';
import { featureOptions } from './features.ts';
import { addOptions, readConfig } from './options.ts';

const COLUMNS_MAX = 100;
const OUTPUTS = ['text', 'json'] as const;

const doctorOptions = { ...featureOptions, ...agentOptions };

/** Options that determine memory use and how hooks are attached. */
const DOCTOR_COMMON = ['features', 'cacheMaxFlows', 'tcAttachMode', 'direction'] as const;

/** Tries out what a capture would need, and reports the result. */
export const doctor: Command = {
  builder: (yargs, context) =>
    addOptions(yargs, doctorOptions, DOCTOR_COMMON, context)
      .option('output', {
        alias: 'o',
        describe: `for people or for programs: ${OUTPUTS.join(', ')}`,
        requiresArg: true,
        defaultDescription: 'text',
      })
      .example('sudo netobserv doctor', 'what can be captured here')
      .example('sudo netobserv doctor -o json', 'the same for a program; exits with 1 if nothing'),

  async handler(flags, context) {
    const output = outputOf(flags);
    const loaded = await readConfig(doctorOptions, flags, context, agentDeprecations);
    const config = withFeatures(loaded.config, loaded.config.features);
    const native = loadNative(context.env);
    const missing = missingCapabilities(readHostFile);
    const found = await examine(native, config, missing.length > 0);
    const { why, verifier = [], mode, knowsNamespaces } = found;
    const report: DoctorReport = {
      version: buildFacts().version,
      base: { runs: found.why === undefined, why, verifier, mode, knowsNamespaces },
      missing,
      features: found.features.map(({ spec, state, ways }) => ({
        ...featureFacts(spec),
        isOn: spec.isOn(config),
        state,
        ways,
      })),
      bpfBytes: found.bpfBytes,
      host: hostFacts(viewHost(readHostFile, native)),
    };
    context.stdout.write(output === 'json' ? toJson(report) : toText(report, context));
    return report.base.runs ? 0 : 1;
  },
};

function outputOf(flags: Flags): (typeof OUTPUTS)[number] {
  const given = flags.output ?? 'text';
  const output = OUTPUTS.find((one) => one === given);
  if (output !== undefined) return output;
  throw new NetobservError(
    COMMAND_ERRORS.usage,
    `--output: "${String(given)}" is none of ${OUTPUTS.join(', ')}`,
  );
}

/** Without the privileges the kernel refuses everything, which says nothing about the features. */
async function examine(
  native: Native,
  config: Parameters<typeof examineDatapath>[2],
  lacksRights: boolean,
): Promise<Examination> {
  if (!lacksRights) return examineDatapath(native, bpfObject(), config);
  return {
    why: 'capabilities are missing',
    knowsNamespaces: false,
    mode: undefined,
    features: FEATURES.map((spec) => ({ spec, state: 'untried', ways: [] })),
    bpfBytes: undefined,
  };
}

function featureFacts(
  spec: (typeof FEATURES)[number],
): Pick<FeatureReport, 'name' | 'variable' | 'without' | 'enabledBy' | 'missing'> {
  const { name, variable, without, enabledBy, capabilities } = spec;
  const held = effectiveCapabilities(readHostFile);
  const wanted = new Set([...(capabilities?.start ?? []), ...(capabilities?.run ?? [])]);
  const missing = [...wanted].filter((one) => !held.has(one));
  return { name, variable, without, enabledBy, missing };
}

function toJson(report: DoctorReport): string {
  return `${JSON.stringify(report, undefined, 2)}\n`;
}

function toText(report: DoctorReport, { stdout, env }: CommandContext): string {
  return reportText(report, {
    columns: Math.min(COLUMNS_MAX, stdout.columns || COLUMNS_MAX),
    colour: stdout.isTTY === true && (env.NO_COLOR ?? '') === '',
  });
}
