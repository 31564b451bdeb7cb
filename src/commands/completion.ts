import { assertExists } from '../base/assert.ts';
import type { Command } from './command.ts';

// The scripts query the program itself, so they need no update when a command gets a new flag. The
// empty SHELL and ZSH_NAME make the answers bare words in every shell.
const SCRIPTS: Readonly<Record<string, string>> = {
  bash: `# netobserv completion bash > /etc/bash_completion.d/netobserv
_netobserv() {
  local word="\${COMP_WORDS[COMP_CWORD]}" answers
  answers=$(SHELL= ZSH_NAME= "\${COMP_WORDS[0]}" --get-yargs-completions \\
    "\${COMP_WORDS[@]}" 2>/dev/null)
  mapfile -t COMPREPLY < <(compgen -W "$answers" -- "$word")
}
complete -o bashdefault -o default -F _netobserv netobserv
`,
  zsh: `#compdef netobserv
# netobserv completion zsh > "\${fpath[1]}/_netobserv"
_netobserv() {
  local -a answers
  answers=("\${(@f)$(SHELL= ZSH_NAME= "\${words[1]}" --get-yargs-completions \\
    "\${words[@]}" 2>/dev/null)}")
  compadd -a answers || _files
}
compdef _netobserv netobserv
`,
  fish: `# netobserv completion fish > ~/.config/fish/completions/netobserv.fish
function __netobserv_complete
  set -l words (commandline -opc) (commandline -ct)
  SHELL= ZSH_NAME= $words[1] --get-yargs-completions $words 2>/dev/null
end
complete -c netobserv -a '(__netobserv_complete)'
`,
};

export const completion: Command = {
  builder: (yargs) =>
    yargs
      .positional('shell', { choices: Object.keys(SCRIPTS), demandOption: true })
      .example('source <(netobserv completion bash)', 'in this shell only'),

  async handler(flags, { stdout }) {
    stdout.write(assertExists(SCRIPTS[String(flags.shell)], 'completion script'));
  },
};
