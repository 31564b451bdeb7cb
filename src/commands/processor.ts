import { aborted } from '../base/aborted.ts';
import { NetobservError } from '../base/errors.ts';
import { loadConfig } from '../config/load.ts';
import { createLog } from '../telemetry/log.ts';
import { logNodeWarnings } from '../telemetry/warnings.ts';
import { loadNative } from './assets.ts';
import type { Command, Flags } from './command.ts';
import { droppedRows, growthAfter, runToEnd } from './daemon/ends.ts';
import { runComponents } from './daemon/lifecycle.ts';
import { COMMAND_ERRORS } from './errors.ts';
import { addOptions } from './options.ts';
import { FILE_KEYS, PART_FLAGS, processorOptions } from './processor/options.ts';
import { pathOf, programEntries, readPipelineFile } from './processor/read-file.ts';

const PROCESSOR_COMMON = ['logLevel', 'healthAddr', 'pprofAddr'] as const;

/** Runs a pipeline by itself: a replacement for the container of `flowlogs-pipeline`. */
export const processor: Command = {
  builder(yargs, context) {
    addOptions(yargs, processorOptions, PROCESSOR_COMMON, context)
      .positional('action', {
        choices: ['check'],
        describe: 'explain the pipeline of the file, and do not run it',
      })
      .positional('file', { type: 'string', describe: 'the file that is checked' })
      .option('config', {
        describe: 'YAML or JSON file with the pipeline, in the format of flowlogs-pipeline',
        requiresArg: true,
      });
    for (const key of PART_FLAGS) {
      yargs.option(key, { describe: `replaces "${key}" of the file: JSON`, requiresArg: true });
    }
    for (const [key, flag] of Object.entries(FILE_KEYS)) if (key !== flag) yargs.alias(flag, key);
    return yargs
      .example('netobserv processor --config pipeline.yaml', 'run a pipeline')
      .example(
        'netobserv processor check pipeline.yaml',
        'what it would do, or every mistake in it',
      )
      .epilogue('deploy/reference/pipeline.gen.md describes the stages and their options.');
  },

  async handler(flags, context) {
    const own = await readPipelineFile(required(flags));
    const { config } = loadConfig(processorOptions, {
      file: programEntries(own),
      env: context.env,
      flags,
    });
    const log = createLog(config.logLevel, context.stderr);
    const { clock, env, stdout, stderr } = context;
    const deps = { log, clock, stdout, stderr, env };
    const { Configuration } = await import('./processor/configuration.ts');
    const { compileFile, createProcessor } = await import('./processor/host.ts');
    const source = { path: pathOf(flags), read: () => readPipelineFile(flags) };
    const configuration = await Configuration.open(source, own, env);
    if (flags.action === 'check') {
      stdout.write(compileFile(configuration.document, deps).pipeline.plan());
      await configuration.close();
      return 0;
    }
    logNodeWarnings(log, process);
    const native = loadNative(env);
    return runToEnd(context, native, async (stop) => {
      const host = await createProcessor(config, { ...deps, native, configuration });
      const lost = growthAfter(stop.signal, () => droppedRows(host.pipeline));
      await runComponents(host.components, { stop, log, health: host.health }, async () => {
        log.info('processor is up');
        const { ended } = host.pipeline;
        await Promise.race([aborted(stop.signal), ...(ended === undefined ? [] : [ended])]);
      });
      return lost();
    });
  },
};

function required(flags: Flags): Flags {
  const hasPipeline = PART_FLAGS.some((key) => flags[key] !== undefined);
  if (flags.action === 'check' && flags.file === undefined && flags.config === undefined) {
    throw new NetobservError(COMMAND_ERRORS.usage, 'check: name the file: check pipeline.yaml');
  }
  if (flags.config !== undefined || flags.file !== undefined || hasPipeline) return flags;
  const problem = 'no pipeline: give its file, --config pipeline.yaml';
  throw new NetobservError(COMMAND_ERRORS.usage, problem);
}
