// `millrace completion`: scripts by which a shell completes commands and options.
import type { Command } from "commander";
import { Argument } from "commander";
import { JOB_STATES } from "../../core/index.ts";
import { print } from "../output.ts";

/** One command as a shell needs to know it. */
interface Completable {
  readonly name: string;
  readonly description: string;
  readonly options: readonly { readonly flag: string; readonly description: string }[];
  /** What may come next: commands of a family, or the choices of an argument. */
  readonly words: readonly string[];
}

/** Registers `completion`. */
export function registerCompletion(program: Command): void {
  program
    .command("completion")
    .description("print a script by which your shell completes commands")
    .addArgument(new Argument("<shell>", "which shell").choices(["bash", "zsh", "fish"]))
    .addHelpText(
      "after",
      `
Examples:
  $ millrace completion bash > ~/.local/share/bash-completion/completions/millrace
  $ millrace completion zsh > "\${fpath[1]}/_millrace"
  $ millrace completion fish > ~/.config/fish/completions/millrace.fish`,
    )
    .action((shell: "bash" | "zsh" | "fish") => {
      print(WRITERS[shell](listCommands(program)));
    });
}

function listCommands(program: Command): readonly Completable[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    options: [
      ...command.options.map((option) => ({
        flag: option.long ?? option.flags,
        description: option.description,
      })),
      { flag: "--help", description: "show help" },
    ],
    words: [
      ...command.commands.map((each) => each.name()),
      ...command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
    ],
  }));
}

const WRITERS: Readonly<
  Record<"bash" | "zsh" | "fish", (commands: readonly Completable[]) => string>
> = { bash: writeBash, zsh: writeZsh, fish: writeFish };

function writeBash(commands: readonly Completable[]): string {
  const cases = commands.map(
    ({ name, options, words }) =>
      `    ${name}) words="${[...words, ...options.map(({ flag }) => flag)].join(" ")}" ;;`,
  );
  return `# bash completion for millrace
_millrace() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words
  if [ "\${COMP_WORDS[COMP_CWORD-1]}" = "--state" ]; then
    COMPREPLY=($(compgen -W "${JOB_STATES.join(" ")}" -- "$current"))
    return
  fi
  if [ "$COMP_CWORD" -eq 1 ]; then
    words="${commands.map(({ name }) => name).join(" ")} --help --version"
  else case "\${COMP_WORDS[1]}" in
${cases.join("\n")}
    *) words="" ;;
  esac; fi
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -o default -F _millrace millrace`;
}

/** Text between single quotes of a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** Text of a description in which zsh looks for colons and brackets. */
function escape(text: string): string {
  return text.replaceAll(/[:[\]]/g, String.raw`\$&`);
}

/** The values of an option that zsh completes. */
function valueOf(flag: string): string {
  return flag === "--state" ? `:state:(${JOB_STATES.join(" ")})` : "";
}

function writeZsh(commands: readonly Completable[]): string {
  const names = commands.map(
    ({ name, description }) => `    ${quote(`${name}:${escape(description)}`)}`,
  );
  const cases = commands.map(
    ({ name, options, words }) =>
      `    ${name}) _arguments ${options
        .map(({ flag, description }) => quote(`${flag}[${escape(description)}]${valueOf(flag)}`))
        .join(
          " ",
        )} ${words.length === 0 ? "" : `'1:word:(${words.join(" ")})' `}'*:file:_files' ;;`,
  );
  return `#compdef millrace
_millrace() {
  local -a commands=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case "$words[1]" in
${cases.join("\n")}
  esac
}
_millrace "$@"`;
}

function writeFish(commands: readonly Completable[]): string {
  const names = commands.map(
    ({ name, description }) =>
      `complete -c millrace -n __fish_use_subcommand -f -a ${name} -d ${quote(description)}`,
  );
  const options = commands.flatMap(({ name, words, options: own }) => {
    const here = `complete -c millrace -n ${quote(`__fish_seen_subcommand_from ${name}`)}`;
    return [
      ...(words.length === 0 ? [] : [`${here} -a ${quote(words.join(" "))}`]),
      ...own.map(({ flag, description }) => {
        const values = flag === "--state" ? ` -x -a ${quote(JOB_STATES.join(" "))}` : "";
        return `${here} -l ${flag.replace(/^-+/, "")}${values} -d ${quote(description)}`;
      }),
    ];
  });
  return ["# fish completion for millrace", ...names, ...options].join("\n");
}
